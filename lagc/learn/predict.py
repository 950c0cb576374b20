"""Coefficients of recordings from a trained network, and from there by a fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.diagnostics import LagcError
from lagc.learn.data import Recording
from lagc.learn.family import in_chunks
from lagc.learn.fit import fit
from lagc.learn.fit_result import Estimate, FitResult
from lagc.learn.observing import Observation
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.rows import rows_of
from lagc.learn.run_folder import TrainedRun
from lagc.learn.together import fit_together
from lagc.runtime.priors import points

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
    prepared = [rows_of(run, recording, noise) for recording in recordings]
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
