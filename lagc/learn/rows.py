"""A recording as a trained network reads it.

At its first rows where they lie on a grid of a length the network knows, at every second or third
and so on where they are denser, and otherwise through splines, where the rows are dense enough for
that. Rows that are absent from a grid are missing values to a network that knows such. What does
not fit is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.interpolate

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.learn.data import Recording
from lagc.learn.observing import longest_gaps
from lagc.learn.regression import noise_of
from lagc.learn.run_folder import TrainedRun

_EQUAL = 1e-4  # relative difference of steps that are the same
_DENSE = 1.5  # intervals between known values, in steps, that a spline bridges
_NEAR_START = 0.1  # part of the spread within which a recording begins at the initial state
_SMOOTH = 1e-3  # noise, as a part of the spread, that a network trained on none overlooks
_DEGREE = 5
_MOST_ABSENT = 0.5  # part of the rows of a grid


@dataclass(frozen=True, eq=False)
class Rows:
    """A recording as a network sees it: values, seen: (rows, 2 dof); dt, noise."""

    values: np.ndarray
    seen: np.ndarray
    dt: float
    noise: float
    notes: tuple[str, ...]


def rows_of(run: TrainedRun, recording: Recording, noise: float | None) -> Rows:
    """The rows that the network sees; LAG607 where there are none such.

    noise: its level as a part of the spread of a channel, None to estimate it.
    """
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
    filled = _with_absent(run, times, values) if chosen is None and options.missing[1] else None
    if filled is not None:
        chosen = _on_grid(run, recording.name, *filled, notes)
        if chosen is not None:
            absent = len(filled[0]) - len(times)
            notes.append(f"{absent} rows absent from {recording.name} count as missing values")
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
    return Rows(np.where(seen, rows, 0.0), seen, dt, level, tuple(notes))


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


def _with_absent(
    run: TrainedRun, times: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Times (m,) and values (m, c) of the grid on which the rows lie, with rows of nothing where
    they are absent; at the end too, where the network needs a few more. None where there is no such
    grid, or not enough on it."""
    family, most = run.reader.family, run.reader.options.missing[1]
    low, high = family.step_range
    intervals = np.diff(times)
    at = np.concatenate([[0.0], np.cumsum(np.round(intervals / intervals.min()))])
    h = float(times[-1] - times[0]) / at[-1]
    count = at[-1] + 1
    if np.abs(times - times[0] - h * at).max() > 10 * _EQUAL * h:
        return None
    if (1 - _MOST_ABSENT) * count > len(times):
        return None
    needed = family.steps + 1
    known = low * (1 - _EQUAL) <= h <= high * (1 + _EQUAL)
    if known and at[-1] * h < family.steps * low and len(times) >= (1 - most) * needed:
        count = needed
    rows = np.full((int(count), values.shape[1]), np.nan)
    rows[at.astype(int)] = values
    return times[0] + h * np.arange(len(rows)), rows


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
