"""Coefficients of recordings from a trained network, and from there by a fit.

A recording is read as the network was trained: at its first rows where they lie on a grid of a
length the network knows, at every second or third and so on where they are denser, and otherwise
through splines, where the rows are dense enough for that. What does not fit is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.learn.data import Recording
from lagc.learn.family import in_chunks
from lagc.learn.fit import fit
from lagc.learn.fit_result import Estimate, FitResult
from lagc.learn.observing import Observation, longest_gaps
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.regression import noise_of
from lagc.learn.run_folder import TrainedRun
from lagc.learn.together import fit_together
from lagc.runtime.priors import points

_EQUAL = 1e-4  # relative difference of steps that are the same
_DENSE = 1.5  # intervals between known values, in steps, that a spline bridges
_NEAR_START = 0.1  # part of the spread within which a recording begins at the initial state
_SMOOTH = 1e-3  # noise, as a part of the spread, that a network trained on none overlooks
_DEGREE = 5
_EDGE = 1e-3  # of the range of a law, or of its logarithm: as near to its end
_FAR = 8.0  # standard errors between what a network and a fit say
_TOGETHER = 8  # recordings from which on fits are made side by side


@dataclass(frozen=True)
class Predicted:
    """What is said about one recording.

    step: of the rows that the network saw; notes: how they came about, and what to beware of;
    coefficients: the network's; fit: what became of them, None where that was not asked for or was
    not possible, `failure` then saying why.
    """

    recording: str
    step: float
    notes: tuple[str, ...]
    coefficients: dict[str, Estimate]
    fit: FitResult | None
    failure: str = ""

    @property
    def values(self) -> dict[str, float]:
        """The network's values by name, as `simulate` takes them."""
        return {name: estimate.value for name, estimate in self.coefficients.items()}

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        return {
            "recording": self.recording,
            "step": self.step,
            "notes": list(self.notes),
            "coefficients": {name: e.as_json() for name, e in self.coefficients.items()},
            "fit": None if self.fit is None else self.fit.as_json(),
            "failure": self.failure or None,
        }


@dataclass(frozen=True, eq=False)
class _Rows:
    """A recording as a network sees it: values, seen: (rows, 2 dof); dt, noise."""

    values: np.ndarray
    seen: np.ndarray
    dt: float
    noise: float
    notes: tuple[str, ...]


def predict(
    run: TrainedRun,
    recordings: Sequence[Recording],
    *,
    noise: float | None = None,
    polish: bool = True,
    progress: Callback = silent,
) -> tuple[Predicted, ...]:
    """Coefficients of each recording (checked), with standard errors and 95 % intervals.

    noise: its level as a part of the spread of a channel, None to estimate it; it counts where the
    network was trained on different levels. polish: fit each recording from there (`fit`; many of
    them side by side, `together`). Raises
    LAG607 for recordings that do not fit the network.
    """
    prepared = [_rows(run, recording, noise) for recording in recordings]
    values, seen = (np.stack([getattr(x, name) for x in prepared]) for name in ("values", "seen"))
    dt, level = (np.array([getattr(x, name) for x in prepared]) for name in ("dt", "noise"))
    mask = jnp.asarray(seen) if run.reader.options.missing[1] > 0 else None
    observed = Observation(jnp.asarray(values), mask, jnp.asarray(dt), jnp.asarray(level))
    reader = run.reader
    inputs = in_chunks(jax.jit(reader.inputs), observed)
    unlike = reader.unlike(inputs)
    columns = [np.asarray(x) for x in eqx.filter_jit(reader.predict)(run.network, inputs)]
    # Momenta fix what is held where they are not among what the network sees.
    more = bool(run.reader.held) and run.reader.options.observed == "q,v"
    together = len(recordings) >= _TOGETHER and all(
        _plain(recording) and not (more and recording.p is not None) for recording in recordings
    )
    results = []
    for index, (recording, rows) in enumerate(zip(recordings, prepared, strict=True)):
        progress(Progress("predict", index, len(recordings), recording.name))
        estimates = _estimates(run, *(x[index] for x in columns))
        fitted, failure = None, ""
        if polish and not together:
            fitted, failure = _polished(run, recording, estimates)
        notes = (*rows.notes, *_outside(run, estimates, unlike=bool(unlike[index])))
        results.append(Predicted(recording.name, rows.dt, notes, estimates, fitted, failure))
    if polish and together:
        results = _polished_together(run, recordings, results, progress)
    results = [replace(x, notes=(*x.notes, *_moved_far(x))) for x in results]
    progress(Progress("predict", len(recordings), len(recordings), "done"))
    return tuple(results)


def _plain(recording: Recording) -> bool:
    """Whether fits side by side know of everything that a recording holds."""
    return recording.a is None and recording.sigma is None


def _estimates(
    run: TrainedRun, values: np.ndarray, std: np.ndarray, low: np.ndarray, high: np.ndarray
) -> dict[str, Estimate]:
    """By name, in the order of the model."""
    reader = run.reader
    found: dict[str, Estimate] = {}
    for k, index in enumerate(reader.coordinates.targets):
        interval = float(low[k]), float(high[k])
        name = reader.family.drawn[index].name
        found[name] = Estimate(float(values[k]), float(std[k]), interval, True)
    for name, value in reader.held.items():
        found[name] = Estimate(value, None, None, False, "not seen by these channels")
    result = {}
    for c in reader.family.system.spec.coefficients:
        if c.name in found:
            result[c.name] = found[c.name]
        elif c.default is not None:
            result[c.name] = Estimate(c.default, None, None, False, "has no law")
    return result


def _outside(run: TrainedRun, estimates: dict[str, Estimate], *, unlike: bool) -> Iterator[str]:
    """What speaks for a system that is none of the family: a network knows nothing of these."""
    c, family = run.reader.coordinates, run.reader.family
    if unlike:
        yield (
            "it is unlike all that the network was trained on: its values and intervals may mean "
            "nothing"
        )
    for k, index in enumerate(c.targets):
        spec = family.drawn[index]
        assert spec.prior is not None
        for end in (c.lower[k], c.upper[k]):
            # Values that have a weight of their own are to be expected.
            if not np.isfinite(end) or end in points(spec.prior):
                continue
            low, high, value = c.lower[k], c.upper[k], estimates[spec.name].value
            if c.logarithmic[k] and low > 0 and np.isfinite(high):
                near = abs(np.log(value / end)) < _EDGE * np.log(high / low)
            else:
                size = high - low if np.isfinite(high - low) else c.std[k]
                near = abs(value - end) < _EDGE * size
            if near:
                yield (
                    f"`{spec.name}` is at the end {end:g} of its law: the true value may lie "
                    "outside, of which the network knows nothing"
                )


def _moved_far(result: Predicted) -> Iterator[str]:
    """Where a fit ends many standard errors from what the network says."""
    if result.fit is None or not result.fit.converged:
        return
    for name, estimate in result.coefficients.items():
        fitted = result.fit.coefficients[name]
        if estimate.std is None or fitted.std is None:
            continue
        together = float(np.hypot(estimate.std, fitted.std))
        far = abs(fitted.value - estimate.value)
        if far > _FAR * together:
            yield (
                f"the fit ends {far / together:.2g} standard errors from what the network says of "
                f"`{name}`: the network may not know such systems"
            )


def _polished(
    run: TrainedRun, recording: Recording, estimates: dict[str, Estimate]
) -> tuple[FitResult | None, str]:
    drawn = {c.name for c in run.reader.family.drawn}
    fixed = {name: e.value for name, e in estimates.items() if name not in drawn}
    guess = {name: e.value for name, e in estimates.items() if name in drawn}
    system, r = run.reader.family.system, run.reader.family.r
    try:
        return fit(system, [recording], fixed=fixed, guess=guess, r=r), ""
    except LagcError as error:
        return None, error.diagnostics[0].message


def _polished_together(
    run: TrainedRun,
    recordings: Sequence[Recording],
    results: Sequence[Predicted],
    progress: Callback,
) -> list[Predicted]:
    """The results with the fits of all recordings, side by side."""
    family = run.reader.family
    searched = {family.drawn[k].name for k in run.reader.coordinates.targets}
    starts: dict[str, np.ndarray] = {}
    fixed: dict[str, np.ndarray] = {}
    for name in results[0].coefficients:
        values = np.array([result.coefficients[name].value for result in results])
        (starts if name in searched else fixed)[name] = values
    try:
        fits = fit_together(family.system, recordings, starts, fixed, r=family.r, progress=progress)
    except LagcError:  # one of them cannot be fitted: find out which
        pairs = zip(recordings, results, strict=True)
        alone = [_polished(run, recording, result.coefficients) for recording, result in pairs]
        return [
            replace(result, fit=found, failure=failure)
            for result, (found, failure) in zip(results, alone, strict=True)
        ]
    return [replace(result, fit=found) for result, found in zip(results, fits, strict=True)]


def _rows(run: TrainedRun, recording: Recording, noise: float | None) -> _Rows:
    """The rows that the network sees; LAG607 where there are none such."""
    reader = run.reader
    family, options, spec = reader.family, reader.options, reader.family.system.spec
    values = _channels(run, recording)
    times = np.asarray(recording.times, float)
    autonomous = any(f.name == "autonomous" and f.holds for f in spec.facts)
    if times[0] != 0 and not autonomous:
        raise _refuse(
            recording,
            f"it begins at t = {times[0]:g}, and the forces depend on time: the network knows "
            "runs from t = 0",
        )
    notes: list[str] = []
    chosen = _on_grid(run, recording.name, times, values, notes)
    if chosen is None:
        chosen = _resampled(run, recording, times, values, notes)
    rows, dt = chosen
    level = _level(run, times, values, noise, notes)
    if family.spread == 0:
        _check_start(run, recording, rows[0], level)
    seen = np.isfinite(rows)
    if options.missing[1] > 0 and 1 - seen.mean() > options.missing[1] + 0.05:
        notes.append(
            f"{100 * (1 - seen.mean()):.0f} % of its values are missing, and the network knows "
            f"{100 * options.missing[1]:.0f} %"
        )
    gap = int(longest_gaps(seen[None])[0])
    if options.missing[1] > 0 and gap > run.gap:
        notes.append(
            f"a channel has no values in {gap} rows in a row, and the network knows gaps of up to "
            f"{run.gap}: its intervals may be too narrow"
        )
    return _Rows(np.where(seen, rows, 0.0), seen, dt, level, tuple(notes))


def _channels(run: TrainedRun, recording: Recording) -> np.ndarray:
    """Positions, followed continuously from the period of the initial state, then momenta or
    velocities: (m, 2 dof), NaN where not observed."""
    family, spec = run.reader.family, run.reader.family.system.spec
    by_momentum = run.reader.options.observed == "q,p"
    second = recording.p if by_momentum else recording.v
    labels = spec.momentum_labels if by_momentum else spec.velocity_labels
    dof = spec.dof
    result = np.full((len(recording.times), 2 * dof), np.nan)
    for part, array in ((slice(0, dof), recording.q), (slice(dof, None), second)):
        if array is not None:
            result[:, part] = array
    for label, column in zip((*spec.labels, *labels), result.T, strict=True):
        if not np.isfinite(column).any():
            reads = ", ".join((*spec.labels, *labels))
            raise _refuse(
                recording,
                f"it has no values of {label}; the network reads {reads}",
                "give that column, or train a network on what is observed (`--observe`)",
            )
    for d, period in enumerate(spec.moduli):
        if period is not None:
            known = np.isfinite(result[:, d])
            angle = np.unwrap(result[known, d], period=period)
            result[known, d] = angle - period * np.round((angle[0] - family.q0[d]) / period)
    return result


def _on_grid(
    run: TrainedRun, name: str, times: np.ndarray, values: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, float] | None:
    """Rows of the recording itself (rows, c) and their interval, as long as the network knows; None
    where there are none, or values are missing that the network needs."""
    family = run.reader.family
    low, high = family.step_range
    intervals = np.diff(times)
    h = float(intervals.mean())
    if np.abs(intervals / h - 1).max() > 10 * _EQUAL:
        return None
    strides = range(1, (len(times) - 1) // family.steps + 1)
    fitting = [s for s in strides if low * (1 - _EQUAL) <= s * h <= high * (1 + _EQUAL)]
    if not fitting:
        return None
    stride = fitting[-1]
    rows = values[: stride * family.steps + 1 : stride]
    if run.reader.options.missing[1] == 0 and not np.isfinite(rows).all():
        return None
    if stride > 1:
        notes.append(f"the network saw one row in {stride} of {name}")
    if stride * family.steps + 1 < len(times):
        last = times[stride * family.steps]
        notes.append(f"the network saw the rows to t = {last:g}, of {times[-1]:g}")
    return rows, float(np.clip(stride * h, low, high))


def _resampled(
    run: TrainedRun,
    recording: Recording,
    times: np.ndarray,
    values: np.ndarray,
    notes: list[str],
) -> tuple[np.ndarray, float]:
    """Values (rows, c) on the longest grid that the network knows, through splines; LAG607 where
    the recording is too short or too coarse for any."""
    family = run.reader.family
    low, high = family.step_range
    known = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    needed = f"{family.steps + 1} rows at intervals of {known}"
    duration = float(times[-1] - times[0])
    if duration < family.steps * low * (1 - _EQUAL):
        raise _refuse(
            recording,
            f"it has {len(times)} rows over a time of {duration:g}; the network needs {needed}",
            f"give a recording of at least {family.steps * low:g}, or train on fewer or shorter "
            "steps",
        )
    dt = min(high, duration / family.steps)
    grid = times[0] + dt * np.arange(family.steps + 1)
    rows = np.empty((len(grid), values.shape[1]))
    for column, target in zip(values.T, rows.T, strict=True):
        seen = np.isfinite(column)
        at = times[seen]
        inside = at[(at > times[0]) & (at < grid[-1])]
        gap = float(np.diff(np.concatenate([times[:1], inside, grid[-1:]])).max())
        if at.size < 2 or gap > _DENSE * dt:
            raise _refuse(
                recording,
                f"values are up to {gap:g} apart; the network needs {needed}",
                "train on steps of this length (`--step`), or on missing values (`--missing`)",
            )
        degree = min(_DEGREE, at.size - 1)
        spline = scipy.interpolate.make_interp_spline(at, column[seen], k=degree - 1 + degree % 2)
        target[:] = spline(grid)
    notes.append(f"the network saw it resampled to {needed if low == high else f'steps of {dt:g}'}")
    return rows, dt


def _level(
    run: TrainedRun,
    times: np.ndarray,
    values: np.ndarray,
    noise: float | None,
    notes: list[str],
) -> float:
    """The level of noise that the network is told, within what it knows."""
    low, high = run.reader.options.noise
    if noise is None:
        levels = []
        for column in values.T:
            seen = np.isfinite(column)
            size = float(np.std(column[seen]))
            if seen.sum() > 8 and size > 0:
                levels.append(noise_of(times[seen], column[seen]) / size)
        noise = float(np.sqrt(np.mean(np.square(levels)))) if levels else low
    if noise > max(1.5 * high, _SMOOTH):
        notes.append(
            f"its rows scatter by about {100 * noise:.2g} % of their spread, and the network was "
            f"trained on {f'noise of up to {100 * high:g} %' if high else 'no noise'}"
        )
    return float(np.clip(noise, low, high))


def _check_start(run: TrainedRun, recording: Recording, first: np.ndarray, level: float) -> None:
    """LAG607 where the network knows one initial state and the recording begins at another."""
    family, spec = run.reader.family, run.reader.family.system.spec
    by_momentum = run.reader.options.observed == "q,p"
    second = family.p0 if by_momentum else family.v0
    labels = (*spec.labels, *(spec.momentum_labels if by_momentum else spec.velocity_labels))
    expected = np.concatenate([family.q0, np.full(spec.dof, np.nan) if second is None else second])
    allowed = (_NEAR_START + 4 * level) * run.spread
    for label, found, wanted, width in zip(labels, first, expected, allowed, strict=True):
        if abs(found - wanted) > width:
            raise _refuse(
                recording,
                f"it begins at {label} = {found:g}, and the network knows runs from {label} = "
                f"{wanted:g} alone",
                "train on random initial states (`--states normal`)",
            )


def _refuse(recording: Recording, message: str, help: str = "") -> LagcError:
    return fail(Code.LAG607, f"{recording.name}: {message}", help=help)
