"""Pictures of trajectories and of fits, with matplotlib (the extra `plot`)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail

if TYPE_CHECKING:
    from lagc.learn.fit_result import Curve
    from lagc.learn.run_folder import HeldOut
    from lagc.runtime.spec import ModelSpec

_MOST_POINTS = 20_000
_MOST_BARS = 1000
_FORMATS = (".png", ".pdf", ".svg", ".jpg")
_MOST_COLUMNS, _MOST_RECORDINGS = 16, 8  # of a picture of a fit


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
    _save(_fit_figure(curves, spec), path)


def fit_svg(curves: Sequence[Curve], spec: ModelSpec) -> bytes:
    """The same picture as an SVG file, the same bytes for the same fit."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "lagc"}):
        _fit_figure(curves, spec).savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _fit_figure(curves: Sequence[Curve], spec: ModelSpec) -> Any:
    columns = curves[0].columns[:_MOST_COLUMNS]
    figure = _figure()(figsize=(11, 1 + 2 * len(columns)), layout="constrained")
    axes = figure.subplots(len(columns), 2, sharex=True, squeeze=False, width_ratios=(3, 2))
    for row, column in enumerate(columns):
        left, right = axes[row]
        for number, curve in enumerate(curves[:_MOST_RECORDINGS]):
            seen, said = curve.observed[:, row], curve.predicted[:, row]
            colour, stride = f"C{number}", max(1, len(seen) // _MOST_POINTS)
            dots = {"marker": ".", "markersize": 3, "linewidth": 0, "rasterized": True}
            left.plot(curve.times, seen, color=colour, **dots)
            left.plot(curve.times[::stride], said[::stride], color="black", linewidth=0.8)
            residual = (seen - said) / curve.deviations[:, row]
            right.plot(curve.times, residual, color=colour, **dots)
        left.set_ylabel(_labelled(spec, column))
        right.set_ylabel("residual / noise")
        right.axhspan(-2, 2, color="0.9", zorder=0)
    hidden = len(curves) - _MOST_RECORDINGS
    more = f", {_MOST_RECORDINGS} of {len(curves)} recordings" if hidden > 0 else ""
    left_out = len(curves[0].columns) - len(columns)
    more += f", {left_out} columns left out" if left_out > 0 else ""
    axes[0, 0].set_title(f"{spec.name}: data and fit{more}")
    for axis in axes[-1]:
        axis.set_xlabel(_labelled(spec, "t"))
    return figure


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


def check_plot(path: str) -> None:
    """Refuse a picture that could not be drawn, before anything is computed."""
    suffix = Path(path).suffix
    if suffix not in _FORMATS:
        raise fail(Code.LAG510, f"--plot {path}: the file type is one of {', '.join(_FORMATS)}")
    if Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
        raise fail(Code.LAG002, f"{path}: the folder does not exist, or this is one")
    _figure()


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise fail(Code.LAG003, "plots need matplotlib", help="pip install 'lagc[plot]'") from None
    return Figure
