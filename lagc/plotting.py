"""Pictures of trajectories and of fits, with matplotlib (the extra `plot`)."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail

if TYPE_CHECKING:
    from lagc.learn.fit_result import Curve
    from lagc.learn.landscape import Landscape
    from lagc.learn.run_folder import HeldOut
    from lagc.runtime.spec import ModelSpec

_MOST_POINTS = 20_000
_MOST_BARS = 1000
_FORMATS = (".png", ".pdf", ".svg", ".jpg")
_MOST_COLUMNS, _MOST_RECORDINGS = 16, 50  # of a picture of a fit
_BEYOND = 1.0  # part of the range of the data over which lines are shown on each side of it
_MOST_NAMED = 10  # recordings with a colour of their own
_LETTERS = 160  # of their names, side by side


def plot_trajectory(columns: Mapping[str, np.ndarray], spec: ModelSpec, path: str) -> None:
    """Coordinates and energy against time, and the orbit where there are two components.

    columns: series (m,) by name, as `Result.columns` gives them; model units.
    """
    figure_type = _figure()
    stride = max(1, len(columns["t"]) // _MOST_POINTS)
    thin = {name: values[::stride] for name, values in columns.items()}
    planar = spec.dof == 2 and all(m is None for m in spec.moduli)
    figure = figure_type(figsize=(10 if planar else 7, 5), layout="constrained")
    grid = figure.add_gridspec(2, 2 if planar else 1, height_ratios=(2, 1))
    upper = figure.add_subplot(grid[0, 0])
    for label, modulus in zip(spec.labels, spec.moduli, strict=True):
        series = thin[label]
        if modulus is not None:
            series = series + modulus * thin[f"winding[{label}]"]
        upper.plot(thin["t"], series, label=_labelled(spec, label), linewidth=1)
    upper.legend(loc="upper right")
    upper.set_title(spec.name)
    lower = figure.add_subplot(grid[1, 0], sharex=upper)
    lower.plot(thin["t"], thin["energy"], color="black", linewidth=1)
    lower.set_xlabel(_labelled(spec, "t"))
    lower.set_ylabel(_labelled(spec, "energy"))
    if planar:
        orbit = figure.add_subplot(grid[:, 1])
        orbit.plot(thin[spec.labels[0]], thin[spec.labels[1]], linewidth=0.8)
        orbit.set_xlabel(_labelled(spec, spec.labels[0]))
        orbit.set_ylabel(_labelled(spec, spec.labels[1]))
        orbit.set_aspect("equal", adjustable="datalim")
    _save(figure, path)


def plot_fit(curves: Sequence[Curve], spec: ModelSpec, path: str) -> None:
    """Data, fitted trajectories and residuals in standard deviations, a row for each channel."""
    _save(fit_figure(curves, spec), path)


def fit_svg(curves: Sequence[Curve], spec: ModelSpec) -> bytes:
    """The same picture as an SVG file, the same bytes for the same fit."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "lagc"}):
        fit_figure(curves, spec).savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def fit_figure(curves: Sequence[Curve], spec: ModelSpec) -> Any:
    """The figure of `plot_fit`: a colour for each recording, named below, where they are few; of
    many, colours in their order from dark to light, and some of the names."""
    from lagc.learn.fit_result import Line

    columns, drawn = curves[0].columns[:_MOST_COLUMNS], curves[:_MOST_RECORDINGS]
    names = _without_folder([curve.recording for curve in drawn])
    shown = list(range(len(drawn)))
    if len(drawn) > _MOST_NAMED:
        shown = np.linspace(0, len(drawn) - 1, _MOST_NAMED).round().astype(int).tolist()
    abreast = max(1, min(len(shown), _LETTERS // (max(len(names[k]) for k in shown) + 8)))
    below = 0.25 * math.ceil(len(shown) / abreast)
    figure = _figure()(figsize=(11, 1 + below + 2 * len(columns)), layout="constrained")
    axes = figure.subplots(len(columns), 2, sharex=True, squeeze=False, width_ratios=(3, 2))
    dots = {"marker": ".", "markersize": 4, "linewidth": 0, "rasterized": True}
    for (left, right), column in zip(axes, columns, strict=True):
        left.set_ylabel(_labelled(spec, column))
        right.set_ylabel("residual / noise")
        right.axhspan(-2, 2, color="0.9", zorder=0)
    handles = []
    for curve, colour in zip(drawn, _colours(len(drawn)), strict=True):
        line = curve.line or Line(curve.times, curve.predicted)
        stride = max(1, len(line.times) // _MOST_POINTS)
        ink = colour if len(drawn) > 1 else "black"
        for row, (left, right) in enumerate(axes):
            seen, predicted = curve.observed[:, row], curve.predicted[:, row]
            times, said = line.times, line.values[:, row]
            (data,) = left.plot(curve.times, seen, color=colour, **dots)
            (fitted,) = left.plot(times[::stride], said[::stride], color=ink, linewidth=0.8)
            residual = (seen - predicted) / curve.deviations[:, row]
            right.plot(curve.times, residual, color=colour, **dots)
        handles.append((data, fitted))
    for row, (left, _) in enumerate(axes):
        _show_data(left, np.concatenate([curve.observed[:, row] for curve in drawn]))
    figure.legend(
        [handles[k] for k in shown],
        [names[k] for k in shown],
        loc="outside lower center",
        ncols=abreast,
        fontsize="small",
    )
    hidden = len(curves) - len(drawn)
    more = f", {len(drawn)} of {len(curves)} recordings" if hidden > 0 else ""
    left_out = len(curves[0].columns) - len(columns)
    more += f", {left_out} columns left out" if left_out > 0 else ""
    axes[0, 0].set_title(f"{spec.name}: data (dots) and fit (lines){more}")
    axes[0, 1].set_title("residuals")
    for axis in axes[-1]:
        axis.set_xlabel(_labelled(spec, "t"))
    return figure


def _show_data(axes: Any, observed: np.ndarray) -> None:
    """Cut lines off that leave the data far behind, as where a fit did not converge."""
    observed = observed[np.isfinite(observed)]
    width = float(np.ptp(observed)) if observed.size else 0.0
    if width > 0:
        low, high = axes.get_ylim()
        margin = _BEYOND * width
        axes.set_ylim(max(low, observed.min() - margin), min(high, observed.max() + margin))


def _without_folder(names: Sequence[str]) -> list[str]:
    """Names of files, without the folder where it is the same for all."""
    one = len({os.path.dirname(name) for name in names}) == 1
    return [os.path.basename(name) if one else name for name in names]


def _colours(count: int) -> list[Any]:
    """Distinct ones for a few, for many a scale from dark to light."""
    if count <= _MOST_NAMED:
        return [f"C{k}" for k in range(count)]
    from matplotlib import colormaps

    return [colormaps["viridis"](x) for x in np.linspace(0, 0.9, count)]


def plot_training(log: Sequence[Mapping[str, Any]], held_out: HeldOut, path: str) -> None:
    """Learning curves, and predicted over true values with their 95 % intervals.

    log: as `lagc.learn.log` writes it; held_out: model units.
    """
    count = len(held_out.names)
    figure = _figure()(figsize=(max(7, 3.2 * count), 7), layout="constrained")
    grid = figure.add_gridspec(2, 2 * count)
    losses = figure.add_subplot(grid[0, :count])
    losses.plot([x["update"] for x in log], [x["loss"] for x in log], color="black", linewidth=0.8)
    losses.set_xlabel("update")
    losses.set_ylabel("minus log likelihood")
    errors = figure.add_subplot(grid[0, count:])
    checked = [x for x in log if "validation" in x]
    for name in held_out.names.tolist():
        values = [x["validation"].get(name) for x in checked]
        errors.plot([x["update"] for x in checked], values, marker=".", label=name)
    errors.set_yscale("log")
    errors.set_xlabel("update")
    errors.set_ylabel("median relative error, calibration draw")
    errors.legend()
    shown = slice(0, _MOST_BARS)
    for k, name in enumerate(held_out.names.tolist()):
        axes = figure.add_subplot(grid[1, 2 * k : 2 * k + 2])
        true, predicted = held_out.true[shown, k], held_out.predicted[shown, k]
        ends = np.stack([predicted - held_out.low[shown, k], held_out.high[shown, k] - predicted])
        axes.errorbar(true, predicted, np.maximum(ends, 0), fmt=".", markersize=3, linewidth=0.5)
        axes.axline((float(true.min()),) * 2, slope=1, color="black", linewidth=0.5)
        axes.set_xlabel(f"{name}, true")
        axes.set_ylabel("predicted" if k == 0 else "")
    _save(figure, path)


def plot_landscape(landscape: Landscape, path: str) -> None:
    """chi^2 above its minimum in decades, the solution, and the linearised 95 % regions: of the
    section (solid) and with all other unknowns free (dashed)."""
    first, second = landscape.axes
    figure = _figure()(figsize=(7, 5.6), layout="constrained")
    axes = figure.add_subplot()
    above = landscape.chi2 - landscape.minimum
    finite = np.isfinite(above)
    shown = np.log10(np.maximum(np.where(finite, above, np.nan), 0.1))
    drawn = np.ma.masked_invalid(shown.T)
    mesh = axes.pcolormesh(first.values, second.values, drawn, shading="nearest", cmap="viridis")
    figure.colorbar(mesh, ax=axes, label="log10 (chi^2 - minimum), at least -1")
    if np.nanmax(shown) > np.nanmin(shown):
        axes.contour(first.values, second.values, drawn, levels=12, colors="white", linewidths=0.4)
    for others_free, style in ((False, "-"), (True, "--")):
        border = landscape.ellipse(others_free=others_free)
        words = "95 %, others free" if others_free else "95 %, others held"
        axes.plot(border[:, 0], border[:, 1], style, color="red", linewidth=1.2, label=words)
    axes.plot(first.centre, second.centre, "+", color="red", markersize=10, label="solution")
    axes.set_xlim(first.values[0], first.values[-1])
    axes.set_ylim(second.values[0], second.values[-1])
    axes.set_xlabel(first.label)
    axes.set_ylabel(second.label)
    axes.set_title(landscape.fit.model)
    axes.legend(loc="upper right", fontsize="small")
    _save(figure, path)


def _save(figure: Any, path: str) -> None:
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise fail(Code.LAG002, f"{path}: {reason}") from None


def _labelled(spec: ModelSpec, column: str) -> str:
    """The name of a series and its unit, where the model has one."""
    unit = spec.unit_of(column)
    return f"{column} [{unit}]" if unit else column


def require_plots() -> None:
    """LAG003 where matplotlib is missing."""
    _figure()


def check_plot(path: str, option: str = "--plot", others: Sequence[str] = ()) -> None:
    """Refuse a picture that could not be drawn, before anything is computed; `others`: what else
    the option takes."""
    suffix = Path(path).suffix
    if suffix not in _FORMATS:
        known = ", ".join((*_FORMATS, *others))
        raise fail(Code.LAG510, f"{option} {path}: the file type is one of {known}")
    if Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
        raise fail(Code.LAG002, f"{path}: the folder does not exist, or this is one")
    _figure()


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise fail(Code.LAG003, "plots need matplotlib", help="pip install 'lagc[plot]'") from None
    return Figure
