"""The files that `lagc fit` writes: the model with fitted numbers, a report, a picture."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic, LagcError, fail
from lagc.base.version import __version__
from lagc.cli import common
from lagc.plotting import check_plot, fit_svg, plot_fit, require_plots

if TYPE_CHECKING:
    from lagc.driver import Compilation
    from lagc.learn.fit import Solution
    from lagc.learn.fit_result import Curve, FitResult
    from lagc.learn.recording import Recording
    from lagc.runtime import System

_ROUND_TRIP = 1e-8  # what a run back to t = 0 and on again may lose, as a part of the state


@dataclass(frozen=True)
class Files:
    """What is to be written, each None where it is not asked for."""

    output: str | None
    report: str | None
    plot: str | None

    def check(self, model: str) -> None:
        """Refuse what could not be written, before anything is computed."""
        for path, ending, option in (
            (self.output, ".lag", "--output"),
            (self.report, ".html", "--report"),
        ):
            if path is None:
                continue
            if Path(path).suffix != ending:
                raise fail(Code.LAG510, f"{option} {path}: the file type is {ending}")
            if Path(path).is_dir() or not Path(path).absolute().parent.is_dir():
                raise fail(Code.LAG002, f"{path}: the folder does not exist, or this is one")
        if self.output is not None and os.path.realpath(self.output) == os.path.realpath(model):
            raise fail(Code.LAG616, f"{self.output} is the model itself; give another name")
        if self.report is not None:
            require_plots()
        if self.plot is not None:
            check_plot(self.plot)

    def write(
        self,
        solution: Solution,
        compilation: Compilation,
        system: System,
        recordings: Sequence[Recording],
    ) -> tuple[list[str], list[Diagnostic]]:
        """Write them; the names of those that were, and what could not be: the fit is printed all
        the same. A model is written only for a fit that converged."""
        from lagc.learn.outcome import with_lines

        result, refined = solution.result, solution.refined

        @cache
        def curves() -> tuple[Curve, ...]:
            return with_lines(refined.setting, refined.x, result.curves)

        def model(path: str) -> None:
            text = _fitted(result, compilation, system, recordings, path)
            common.write_atomically(path, text.encode())

        def report(path: str) -> None:
            from lagc.presentation.fit_report import fit_page

            page = fit_page(result, compilation, fit_svg(curves(), system.spec))
            common.write_atomically(path, page.encode())

        def plot(path: str) -> None:
            plot_fit(curves(), system.spec, path)

        wanted = ((self.output if result.converged else None, model), (self.report, report))
        written: list[str] = []
        problems: list[Diagnostic] = []
        for path, write in (*wanted, (self.plot, plot)):
            if path is None:
                continue
            try:
                write(path)
                written.append(path)
            except LagcError as error:
                problems += error.diagnostics
        return written, problems


def check_output(
    files: Files,
    compilation: Compilation,
    system: System,
    recordings: Sequence[Recording],
    fixed: Mapping[str, float],
) -> None:
    """LAG616 where no model could be written that goes through the data, whatever is fitted."""
    from lagc.presentation.fitted import require_own_coefficients

    if files.output is None:
        return
    names = [c.name for c in system.spec.coefficients if fixed.get(c.name) != c.default]
    require_own_coefficients(compilation, names)
    start = float(recordings[0].times[0])
    if start != 0 and system.spec.inputs:
        raise fail(
            Code.LAG616,
            f"{recordings[0].name} begins at t = {start:g}, and a run at t = 0, before which the "
            f"input `{system.spec.inputs[0]}` is not known",
            help="count the time from the first row",
        )


def _fitted(
    result: FitResult,
    compilation: Compilation,
    system: System,
    recordings: Sequence[Recording],
    output: str,
) -> str:
    from lagc.presentation.fitted import FittedNumbers, fitted_text

    spec, first = system.spec, recordings[0]
    times = np.asarray(first.times, float)
    start = float(times[0])
    values = {label: estimate.value for label, estimate in result.initial_states[0].values.items()}
    interval = float(np.median(np.diff(times))) / result.substeps
    autonomous = any(f.name == "autonomous" and f.holds for f in spec.facts)
    shifted = start if autonomous else 0.0
    if start != shifted:
        values = _moved(result, system, values, start, interval)
    until = float(times[-1]) - shifted
    steps = max(1, round(until / interval))
    rows = sum(len(r.times) for r in recordings)
    others = f" and {len(recordings) - 1} more" if len(recordings) > 1 else ""
    since = f", from which time is counted: t = 0 is {start!r} there" if shifted else ""
    comments = [
        f"{__version__} to {first.name}{others}: {rows} rows, {result.observations} observations, "
        f"loss {result.loss}",
        *(_remark(name, result) for name in result.coefficients),
        f"initial state of {first.name}{since}",
    ]
    numbers = FittedNumbers(result.values, values, until, until / steps, result.order, comments)
    return fitted_text(compilation, spec, numbers, output)


def _remark(name: str, result: FitResult) -> str:
    estimate = result.coefficients[name]
    if estimate.std is not None:
        return f"{name} = {estimate.value:.10g} +- {estimate.std:.2g}"
    if estimate.interval95 is not None:
        low, high = estimate.interval95
        return f"{name} = {estimate.value:.10g}, from {low:.3g} to {high:.3g}"
    reason = "fixed" if name in result.fixed else estimate.held or "held"
    return f"{name} = {estimate.value:.10g}, {reason}"


def _moved(
    result: FitResult, system: System, values: dict[str, float], start: float, interval: float
) -> dict[str, float]:
    """The state at t = 0 that leads to the fitted one at the first row; LAG616 if there is none."""
    spec = system.spec
    q, v = (np.array([values[x] for x in labels]) for labels in (spec.labels, spec.velocity_labels))
    steps = max(1, math.ceil(abs(start) / interval))
    options: dict[str, Any] = {"coefficients": result.values, "r": result.order // 2 - 1}
    back = system.simulate(q, v, times=np.linspace(start, 0.0, steps + 1), **options)
    first = [np.asarray(x[-1]) for x in (back.q, back.v)]
    again = system.simulate(*first, times=np.linspace(0.0, start, steps + 1), **options)
    missed = np.asarray(again.q[-1]) - q
    for d, period in enumerate(spec.moduli):
        if period is not None:
            missed[d] -= period * np.round(missed[d] / period)
    lost = np.abs(np.concatenate([missed, np.asarray(again.v[-1]) - v]))
    size = np.maximum(1.0, np.abs(np.concatenate([q, v])))
    if not (lost <= _ROUND_TRIP * size).all():
        raise fail(
            Code.LAG616,
            f"the data begin at t = {start:g}, and no state at t = 0, where a run begins, leads "
            "there",
            help="shift the times of the data, and of what depends on t in the model",
        )
    labels = (*spec.labels, *spec.velocity_labels)
    return dict(zip(labels, np.concatenate(first).tolist(), strict=True))
