"""Recordings to coefficients: nonlinear least squares through the variational integrator.

Stages: hold what the data can never see (`gauge`); follow the data over a growing horizon, so that
a long oscillating record does not trap the search (`horizon`); estimate the noise of each channel
from its residuals and refine, with steps short enough that discretisation does not show (`refine`);
hold what the data turned out not to see; standard errors and Student-t intervals from the
sensitivities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import scipy.stats

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.data import Recording, check_recording
from lagc.learn.fit_result import Estimate, FitResult, InitialState
from lagc.learn.gauge import (
    Held,
    describe,
    null_space,
    representatives,
    structural_null_space,
)
from lagc.learn.horizon import Grown, grow
from lagc.learn.least_squares import Setting
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.refine import Refined, refine, step_change, with_enough_substeps
from lagc.learn.sensitivity import gather
from lagc.learn.starting import (
    Channels,
    coefficient_sizes,
    observed_channels,
    starting_coefficients,
    starting_states,
    state_sizes,
)
from lagc.runtime.arguments import check_steps
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_STAGES = 4
_UNSEEN = 1e-2  # a relative change of 100 moves the observations by less than their noise
_CORRELATED = 0.5
_POOR = 0.2
_ROUND_OFF = 1e-12


def fit(
    system: System,
    recordings: Sequence[Recording],
    *,
    fixed: Mapping[str, float] | None = None,
    guess: Mapping[str, float] | None = None,
    r: int = 2,
    progress: Callback = silent,
) -> FitResult:
    """Estimate all coefficients that are not `fixed`, and the initial state of each recording.

    The search starts at `guess`, else at the model's defaults; r is the number of interior nodes of
    the integrator. Raises LAG601 for data or models that cannot be used, LAG502-504 for values that
    cannot, LAG602 where no finite trajectory starts the search. A search that ends without meeting
    its tolerance is returned with `converged` False and a note.
    """
    fixed, guess = dict(fixed or {}), dict(guess or {})
    _check(system, recordings, r)
    problem = _Problem.of(system, recordings, fixed, guess, r)
    progress(Progress("fit", 0, _STAGES, "gauge"))
    setting, held = _hold_structural(problem)
    if setting.count <= setting.free.sum():
        raise fail(
            Code.LAG601,
            f"{setting.count} observed values cannot determine {setting.free.sum()} unknowns",
            help="give more rows, or hold coefficients (`--fix`)",
        )
    progress(Progress("fit", 1, _STAGES, "growing horizon"))
    grown = grow(setting, problem.start, problem.channels, progress)
    progress(Progress("fit", 2, _STAGES, "noise levels and step size"))
    refined = refine(grown.setting, grown.x, problem.channels)
    progress(Progress("fit", 3, _STAGES, "intervals"))
    refined, more = _hold_unseen(problem, refined, held)
    result = _result(problem, grown, refined, {**held, **more})
    progress(Progress("fit", _STAGES, _STAGES, "done"))
    return result


def _check(system: System, recordings: Sequence[Recording], r: int) -> None:
    spec = system.spec
    if jnp.asarray(0.0).dtype != np.float64:
        raise fail(
            Code.LAG602,
            "a fit needs double precision, and jax is in 32-bit mode",
            help='call jax.config.update("jax_enable_x64", True) before anything else',
        )
    if spec.neural:
        raise fail(Code.LAG601, "models with neural terms are not supported by fit yet")
    if not spec.coefficients:
        raise fail(Code.LAG601, f"`{spec.name}` has no coefficients to fit")
    if not recordings:
        raise fail(Code.LAG601, "there is no recording to fit to")
    check_steps(1, r)
    for recording in recordings:
        check_recording(recording, spec)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Start and setting of a fit before anything is held but what the caller fixed."""

    recordings: Sequence[Recording]
    setting: Setting
    start: np.ndarray
    channels: Channels
    fixed: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(
        cls,
        system: System,
        recordings: Sequence[Recording],
        fixed: Mapping[str, float],
        guess: Mapping[str, float],
        r: int,
    ) -> _Problem:
        """Gather the data, and start from the model's values and the first observations."""
        spec = system.spec
        observations = gather(recordings, spec)
        channels = observed_channels(observations, spec)
        values = starting_coefficients(spec, fixed, guess)
        states = starting_states(system, observations, values)
        names = [c.name for c in spec.coefficients]
        of_states = state_sizes(observations, channels, states).reshape(-1)
        sizes = np.concatenate([coefficient_sizes(spec, values), of_states])
        unbounded = np.full(states.size, np.inf)
        low = [-np.inf if c.lower is None else c.lower for c in spec.coefficients]
        high = [np.inf if c.upper is None else c.upper for c in spec.coefficients]
        setting = Setting(
            system=system,
            observations=observations,
            r=r,
            substeps=1,
            first_sizes=sizes,
            sizes=sizes,
            lower=np.concatenate([low, -unbounded]),
            upper=np.concatenate([high, unbounded]),
            free=np.concatenate([[n not in fixed for n in names], np.ones(states.size, bool)]),
            sigma=channels.sizes,
            horizon=observations.rows,
        )
        start = np.concatenate([[values[n] for n in names], states.reshape(-1)])
        return cls(recordings, setting, start, channels, tuple(fixed), _labels(spec, recordings))


def _labels(spec: ModelSpec, recordings: Sequence[Recording]) -> tuple[str, ...]:
    """A name for each unknown, initial values with their recording where there are several."""
    names = [c.name for c in spec.coefficients]
    for recording in recordings:
        where = f" in {recording.name}" if len(recordings) > 1 else ""
        names += [f"the initial {s}{where}" for s in (*spec.labels, *spec.velocity_labels)]
    return tuple(names)


def _hold(setting: Setting, null: np.ndarray) -> tuple[Setting, list[Held]]:
    """Take one unknown out of the search for each null direction of the free ones."""
    free = np.flatnonzero(setting.free)
    chosen = []
    for held in representatives(null, int(setting.free[: setting.coefficients].sum())):
        direction = np.zeros(setting.free.size)
        direction[free] = held.direction
        chosen.append(Held(int(free[held.index]), direction))
    remaining = setting.free.copy()
    remaining[[h.index for h in chosen]] = False
    return replace(setting, free=remaining), chosen


def _hold_structural(problem: _Problem) -> tuple[Setting, dict[int, str]]:
    """Hold what no data of these channels can fix: the null space at generic points.

    The start itself may be special (a coefficient zero, a state at rest), so the least deficient of
    several points scattered around it counts.
    """
    setting = with_enough_substeps(problem.setting, problem.start, problem.channels)
    generator = np.random.default_rng(0)
    found: np.ndarray | None = None
    for _ in range(3):
        x = problem.start.copy()
        moved = x + setting.sizes * generator.uniform(0.05, 0.3, x.size)
        x = np.where(setting.free & (moved < setting.upper), moved, x)
        at_point = setting.rescaled(x)
        _, matrix = at_point.whitened_and_sensitivity(x)
        null = structural_null_space(matrix[:, setting.free])
        if found is None or null.shape[1] < found.shape[1]:
            found = null
    if found is None or found.shape[1] == setting.free.sum():
        return setting, {}  # no finite trajectory here: left to the checks at the solution
    setting, chosen = _hold(setting, found)
    return setting, _words(problem, setting, chosen)


def _hold_unseen(
    problem: _Problem, refined: Refined, already: Mapping[int, str]
) -> tuple[Refined, dict[int, str]]:
    """Hold what these data turn out not to see, at its starting value, and refine again."""
    words: dict[int, str] = {}
    for _ in range(refined.setting.coefficients):
        setting = refined.setting.rescaled(refined.x, floor=1.0)
        _, matrix = setting.whitened_and_sensitivity(refined.x)
        free = matrix[:, setting.free]
        null = structural_null_space(free)
        if null.shape[1] == 0:
            null = null_space(free, tolerance=_UNSEEN)
        if null.shape[1] == 0 or null.shape[1] == free.shape[1]:
            break
        setting, chosen = _hold(setting, null)
        words |= _words(problem, setting, chosen)
        x = refined.x
        for held in chosen:
            x = _moved_along(setting, x, held, problem.start[held.index])
        refined = refine(setting, x, problem.channels)
    return refined, words


def _moved_along(setting: Setting, x: np.ndarray, held: Held, value: float) -> np.ndarray:
    """Bring one unknown to `value` along its null direction.

    In the logarithm of coefficients the direction of a scale is constant, so that the move is exact
    for a scale and a start for the next search otherwise.
    """
    k, index = setting.coefficients, held.index
    result = x.copy()
    if index < k and x[index] * value > 0:
        ratio = value / x[index]
        moved = x[:k] * ratio ** held.direction[:k]
        result[:k] = np.clip(moved, setting.lower[:k], setting.upper[:k])
    result[index] = value
    return result


def _words(problem: _Problem, setting: Setting, chosen: Sequence[Held]) -> dict[int, str]:
    """A sentence for each unknown held."""
    values = dict(zip(problem.labels, problem.start, strict=True))
    names = problem.labels[: setting.coefficients]
    return {h.index: describe(h, problem.labels, values, names) for h in chosen}


def _result(
    problem: _Problem, grown: Grown, refined: Refined, held: Mapping[int, str]
) -> FitResult:
    setting, x = refined.setting, refined.x
    spec = setting.system.spec
    estimates = _estimates(setting, x)
    notes = [*grown.notes, *refined.notes, *_bound_notes(setting, x, estimates, problem.labels)]
    notes += _residual_notes(setting, x, problem.channels)
    k, d = setting.coefficients, spec.dof
    state_labels = (*spec.labels, *spec.velocity_labels)
    states = []
    for index, recording in enumerate(problem.recordings):
        own = estimates[k + 2 * d * index : k + 2 * d * (index + 1)]
        by_label = dict(zip(state_labels, own, strict=True))
        states.append(InitialState(recording.name, float(recording.times[0]), by_label))
    return FitResult(
        model=spec.name,
        converged=refined.converged and grown.complete,
        observations=setting.count,
        residual_rms=_residual_rms(setting, x, problem.channels),
        gauge=tuple(held[index] for index in sorted(held)),
        coefficients=dict(zip((c.name for c in spec.coefficients), estimates, strict=False)),
        initial_states=tuple(states),
        fixed=problem.fixed,
        notes=tuple(notes),
        order=2 * setting.r + 2,
        substeps=setting.substeps,
        discretisation_error=refined.discretisation_error,
    )


def _estimates(setting: Setting, x: np.ndarray) -> list[Estimate]:
    """Values with errors from the sensitivities J: covariance (J^T J)^-1 of whitened residuals.

    Where noise does not dominate, two systematic errors do: the shift that halving the steps would
    cause, J^+ (change of the predictions), and the round-off of a simulation.
    """
    setting = setting.rescaled(x)
    _, matrix = setting.whitened_and_sensitivity(x)
    degrees = setting.count - int(setting.free.sum())
    left, singular, rows = np.linalg.svd(matrix[:, setting.free], full_matrices=False)
    spread = rows.T / np.maximum(singular, np.finfo(float).tiny)
    change = (step_change(setting, x) / setting.sigma)[setting.seen]
    relative = np.hypot(np.linalg.norm(spread, axis=1), np.abs(spread @ (left.T @ change)))
    stds = np.full(x.size, np.nan)
    stds[setting.free] = np.hypot(relative, _ROUND_OFF) * setting.sizes[setting.free]
    wide = float(scipy.stats.t.ppf(0.975, degrees))
    result = []
    for value, std, low, high in zip(x, stds, setting.lower, setting.upper, strict=True):
        if np.isnan(std):
            result.append(Estimate(float(value), None, None, False))
            continue
        interval = float(max(value - wide * std, low)), float(min(value + wide * std, high))
        result.append(Estimate(float(value), float(std), interval, True))
    return result


def _bound_notes(
    setting: Setting, x: np.ndarray, estimates: Sequence[Estimate], labels: Sequence[str]
) -> list[str]:
    notes = []
    for i in np.flatnonzero(setting.free[: setting.coefficients]).tolist():
        near = max(1e-6 * setting.sizes[i], 1e-3 * (estimates[i].std or 0.0))
        notes += [
            f"{labels[i]} ends on its bound {bound:g}: its interval is not to be trusted"
            for bound in (setting.lower[i], setting.upper[i])
            if abs(x[i] - bound) <= near
        ]
    return notes


def _residual_rms(setting: Setting, x: np.ndarray, channels: Channels) -> dict[str, float]:
    differences = setting.differences(setting.predictor().values(*setting.split(x)))
    result = {}
    for name, mask in channels.groups.items():
        result[name] = _rms(differences[setting.seen & mask])
    return {**result, "overall": _rms(differences[setting.seen])}


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0


def _residual_notes(setting: Setting, x: np.ndarray, channels: Channels) -> list[str]:
    """Signs that the model does not follow the data: large or correlated residuals."""
    notes = []
    differences = setting.differences(setting.predictor().values(*setting.split(x)))
    for name, mask in channels.groups.items():
        of_group = differences[setting.seen & mask]
        size = float(channels.sizes[mask][0])
        part = _rms(of_group) / size
        if part > _POOR:
            notes.append(
                f"the residual of {name} is {100 * part:.0f} % of its spread: the model does not "
                "follow the data, or the search is in a wrong minimum; try another `--guess`"
            )
        elif part > 1e-8 and _correlation(differences, setting.seen & mask) > _CORRELATED:
            notes.append(
                f"the residuals of {name} are correlated from row to row: the model misses "
                "something or the noise is not white, and the intervals are too narrow"
            )
    return notes


def _correlation(differences: np.ndarray, seen: np.ndarray) -> float:
    """Correlation of residuals of neighbouring rows; 0 where there are too few."""
    both = seen[:, 1:] & seen[:, :-1]
    if both.sum() < 20:
        return 0.0
    first, second = differences[:, :-1][both], differences[:, 1:][both]
    return float(np.mean(first * second) / np.mean(differences[seen] ** 2))
