"""Fits of many recordings, each with coefficients of its own, side by side.

What `fit` does for one recording at a time, from starts that are thought to be near: initial states
are unknown, noise levels come from the residuals, and steps are halved as long as that shows and
does not lead away from the data (data without noise that the discrete map itself made are followed
by its own steps alone). Which signs, phases and orders of coefficients no data can fix is looked
for once for all recordings of the same channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lagc.learn.batch import Batch, batch_of
from lagc.learn.batch_errors import residuals_of, spreads
from lagc.learn.fit_result import Estimate, FitResult, InitialState
from lagc.learn.mirrors import Ambiguity, Mirror, Winding
from lagc.learn.polish import Polished, polish, step_change
from lagc.learn.problem import Problem, hold_structural
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.recording import Recording
from lagc.learn.sensitivity import gather
from lagc.learn.signs import find_ambiguities
from lagc.learn.starting import starting_states
from lagc.runtime.system import System

_HIDDEN = 0.02  # part of the noise level that discretisation may reach: standard errors lack it
_ROUND_OFF = 1e-11  # part of the spread below which halving the step shows nothing
_MOST_SUBSTEPS = 64
_WORSE = 1.05  # times the misfit with longer steps


def fit_together(
    system: System,
    recordings: Sequence[Recording],
    starts: Mapping[str, np.ndarray],
    fixed: Mapping[str, np.ndarray],
    *,
    r: int = 2,
    progress: Callback = silent,
) -> tuple[FitResult, ...]:
    """One result for each recording (checked), in their order.

    starts: by name, (n,), the coefficients to search; fixed: the others. Raises LAG609 where a
    recording has too few values.
    """
    names = tuple(starts)
    start = np.stack([starts[name] for name in names], axis=-1)
    observations = gather(recordings, system.spec)
    values = {**starts, **fixed}
    states = np.concatenate(
        [
            starting_states(
                system,
                gather([recording], system.spec),
                {name: float(array[i]) for name, array in values.items()},
            )
            for i, recording in enumerate(recordings)
        ]
    )
    batch = batch_of(system.spec, observations, states)
    progress(Progress("fit", 0, 2, f"{len(recordings)} recordings"))
    results: list[FitResult | None] = [None] * len(recordings)
    index, substeps, before = np.arange(len(recordings)), 1, np.full(len(recordings), np.inf)
    while index.size:
        part = batch.some(index)
        held = {name: array[index] for name, array in fixed.items()}
        found = polish(
            system,
            part,
            start[index],
            names=names,
            fixed=held,
            states_known=False,
            r=r,
            substeps=substeps,
            restarts=substeps == 1,
        )
        change = step_change(system, part, found, held)
        sizes = spreads(system.spec, part, found.layout)
        error = np.sqrt(np.nanmean(change**2, axis=1))
        misfit = np.sqrt(np.nanmean((found.residuals / sizes[:, None]) ** 2, axis=(1, 2)))
        better = ~(misfit > _WORSE * before[index])
        for place in np.flatnonzero(better).tolist():
            results[index[place]] = _result(
                system, recordings[index[place]], part, found, held, place, sizes, error
            )
        start[index[better]] = found.coefficients[better]
        before[index[better]] = misfit[better]
        allowed = np.maximum(_HIDDEN * found.sigma, _ROUND_OFF * sizes)
        index = index[better & (error > allowed).any(axis=1)]
        substeps *= 2
        if substeps > _MOST_SUBSTEPS:
            break
    assert all(result is not None for result in results)
    whole = [result for result in results if result is not None]
    whole = _with_ambiguities(system, recordings, whole, values, r)
    progress(Progress("fit", 2, 2, "done"))
    return tuple(whole)


def _with_ambiguities(
    system: System,
    recordings: Sequence[Recording],
    results: Sequence[FitResult],
    starts: Mapping[str, np.ndarray],
    r: int,
) -> list[FitResult]:
    """The results with what no data can tell apart in their gauge; starts: of all coefficients."""
    names = [c.name for c in system.spec.coefficients]
    known: dict[bytes, tuple[tuple[Ambiguity, ...], np.ndarray]] = {}
    found = []
    for i, (recording, result) in enumerate(zip(recordings, results, strict=True)):
        seen = gather([recording], system.spec).seen.any(axis=(0, 1)).tobytes()
        if seen not in known:
            fixed = {name: result.values[name] for name in result.fixed}
            guess = {
                c.name: value
                for c in system.spec.coefficients
                if c.name not in fixed
                and np.isfinite(value := result.values[c.name])
                and (c.lower is None or value > c.lower)
                and (c.upper is None or value < c.upper)
            }
            problem = Problem.of(system, [recording], fixed, guess, r)
            setting, _ = hold_structural(problem)
            known[seen] = find_ambiguities(problem, setting), setting.free
        ambiguities, free = known[seen]
        x = np.array([result.values[name] for name in names])
        start = np.array([starts[name][i] for name in names])
        words = [
            _said(a, x, start, names)
            for a in ambiguities
            if np.isfinite(x).all() and free[list(a.indices)].all() and a.admitted(x)
        ]
        found.append(replace(result, gauge=(*result.gauge, *words)))
    return found


def _said(ambiguity: Ambiguity, x: np.ndarray, start: np.ndarray, names: Sequence[str]) -> str:
    """In words; without where the solution x stays if it did not stay there."""
    left = False
    if isinstance(ambiguity, Mirror) and ambiguity.change.signs:
        first = ambiguity.change.signs[0]
        left = bool(x[first] * start[first] < 0)
    if isinstance(ambiguity, Winding):
        left = bool((ambiguity.near(x, start) != x).any())
    words = ambiguity.words(names)
    return words.partition(":")[0] if left else words


def _result(
    system: System,
    recording: Recording,
    batch: Batch,
    found: Polished,
    fixed: Mapping[str, np.ndarray],
    i: int,
    sizes: np.ndarray,
    error: np.ndarray,
) -> FitResult:
    """What `fit` would return for one recording."""
    spec, layout = system.spec, found.layout
    converged = bool(found.converged[i])
    residuals = residuals_of(
        spec, layout, found.residuals[i], batch.values[i], sizes[i], found.sigma[i]
    )
    coefficients, gauge, notes = {}, [], []
    for c in spec.coefficients:
        if c.name in fixed:
            coefficients[c.name] = Estimate(float(fixed[c.name][i]), None, None, False)
            continue
        k = found.names.index(c.name)
        value, std = float(found.coefficients[i, k]), float(found.std[i, k])
        if not (converged and np.isfinite(std)):
            coefficients[c.name] = Estimate(value, None, None, False)
            if converged:
                gauge.append(f"the data do not determine {c.name}")
            continue
        low, high = found.interval95[i, k].tolist()
        coefficients[c.name] = Estimate(value, std, (low, high), True)
        if found.at_bound[i, k]:
            bounds = [b for b in (c.lower, c.upper) if b is not None]
            nearest = min(bounds, key=lambda b: abs(value - b))
            notes.append(f"{c.name} ends on its bound {nearest:g}: its interval is one-sided")
    labels = (*spec.labels, *spec.velocity_labels)
    states = zip(
        labels, found.states[i].reshape(-1).tolist(), found.states_std[i].reshape(-1), strict=True
    )
    initial = {
        label: Estimate(value, float(std) if converged else None, None, converged)
        for label, value, std in states
    }
    unknowns = len(found.names) + 2 * spec.dof
    aic, bic = residuals.criteria(unknowns)
    group_error: dict[str, float] = {}
    noise: dict[str, float] = {}
    for name, mask in residuals.channels.groups.items():
        own = [error[i, c] for c, place in enumerate(layout.components) if mask[place]]
        group_error[name] = float(np.sqrt(np.mean(np.square(own))))
        noise[name] = float(residuals.deviations[0, 0][mask][0])
    return FitResult(
        model=spec.name,
        converged=converged,
        observations=int(batch.seen[i].sum()),
        residual_rms=residuals.rms(),
        aic=aic,
        bic=bic,
        gauge=tuple(gauge),
        coefficients=coefficients,
        initial_states=(InitialState(recording.name, float(recording.times[0]), initial),),
        fixed=tuple(fixed),
        notes=(*notes, *residuals.notes()),
        order=2 * layout.r + 2,
        substeps=layout.substeps,
        discretisation_error=group_error,
        noise=noise if converged else {},
    )
