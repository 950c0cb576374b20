"""What a fit starts from: data, unknowns and their sizes, and what no data of this kind can see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.gauge import (
    STRUCTURAL,
    Held,
    representatives,
    scaled_rows,
    structural_null_space,
)
from lagc.learn.least_squares import Setting
from lagc.learn.losses import SQUARES, Loss
from lagc.learn.recording import Recording, check_recording
from lagc.learn.refine import with_enough_substeps
from lagc.learn.screening import screened
from lagc.learn.sensitivity import gather
from lagc.learn.sizes import by_acceleration, effects, raised, shown
from lagc.learn.starting import (
    Channels,
    coefficient_sizes,
    observed_channels,
    relative_noise,
    starting_coefficients,
    starting_states,
    state_sizes,
)
from lagc.learn.structure import (
    REPEATS,
    almost,
    reproducible_sensitivity,
    without_round_off,
)
from lagc.runtime.clock import check_steps
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_GENERIC_POINTS = 3


def check(system: System, recordings: Sequence[Recording], r: int) -> None:
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
class Problem:
    """Start and setting of a fit before anything is held but what the caller fixed."""

    recordings: Sequence[Recording]
    setting: Setting
    start: np.ndarray
    channels: Channels
    fixed: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the recordings."""
        return tuple(recording.name for recording in self.recordings)

    @classmethod
    def of(
        cls,
        system: System,
        recordings: Sequence[Recording],
        fixed: Mapping[str, float],
        guess: Mapping[str, float],
        r: int,
        loss: Loss = SQUARES,
    ) -> Problem:
        """Gather the data, and start from the model's values and the first observations."""
        spec = system.spec
        observations = gather(recordings, spec)
        channels = observed_channels(observations, spec, loss)
        values = starting_coefficients(spec, fixed, guess)
        trusted = screened(observations, spec) if loss.robust else observations
        states = starting_states(system, trusted, values)
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
            relative=relative_noise(observations, channels),
            loss=loss,
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


def hold(setting: Setting, null: np.ndarray) -> tuple[Setting, list[Held]]:
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


def hold_structural(problem: Problem) -> tuple[Setting, list[Held]]:
    """Hold what no data of these channels can fix: the null space at generic points.

    The start itself may be special (a coefficient zero, a state at rest), so the least deficient of
    several points scattered around it counts. Where all positions are observed the equations of
    motion say it, elsewhere trajectories do: first at a point where every coefficient has about the
    effect of the largest, as a start that is almost zero is special too, then at others. The sizes
    of what remains free are not left far too small.
    """
    setting = problem.setting
    generator = np.random.default_rng(0)
    k = setting.coefficients
    of_accelerations = by_acceleration(setting)
    if not of_accelerations:
        setting = with_enough_substeps(setting, problem.start, problem.channels)
        setting = shown(setting, _beside(setting, problem.start, setting.sizes, generator))
    even = setting.sizes.copy()
    if of_accelerations:
        largest = effects(setting, problem.start)
        even[:k] = np.maximum(even[:k], np.where(np.isfinite(largest), largest, 0.0))
    else:
        even[:k] = _seen_changes(setting, problem.start, generator)
    sizes = [even, *[setting.sizes] * _GENERIC_POINTS]
    found: np.ndarray | None = None
    for own in sizes:
        x = _beside(setting, problem.start, own, generator)
        if of_accelerations:
            null = _unseen_coefficients(setting, x[:k])
        else:
            null = _unseen(setting, x, generator)
        if found is None or null.shape[1] < found.shape[1]:
            found = null
    if found is None or found.shape[1] == setting.free.sum():
        return setting, []  # no finite trajectory here: left to the checks at the solution
    setting, chosen = hold(setting, found)
    return raised(setting, problem.start), chosen


def _beside(
    setting: Setting, x: np.ndarray, sizes: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Unknowns (n,) at which nothing is special, some sizes (n,) beside x (n,)."""
    moved = x + sizes * generator.uniform(0.05, 0.3, x.size)
    return np.where(setting.free & (moved < setting.upper), moved, x)


def _seen_changes(
    setting: Setting, start: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Changes of the coefficients from their start that move trajectories by their spread, in
    whatever units: (k,); sizes as they are where all that moves is round-off."""
    k = setting.coefficients
    x = start.copy()
    x[k:] += setting.sizes[k:] * generator.uniform(0.05, 0.3, x.size - k) * setting.free[k:]
    rows = scaled_rows(setting.whitened_and_sensitivity(x)[1])[:, :k]
    finite = np.isfinite(rows).all(axis=1)
    again = [other[finite, :k] for other in _repeated(setting, x, generator)]
    rows = without_round_off(rows[finite], again)
    largest = np.abs(rows).max(axis=0, initial=0.0)
    return setting.sizes[:k] / np.where(largest > 0, largest, 1.0)


def _repeated(setting: Setting, x: np.ndarray, generator: np.random.Generator) -> list[np.ndarray]:
    """The sensitivities (m, n) of trajectories at almost the same unknowns, by scaled rows."""
    places = [almost(x, generator) for _ in range(REPEATS)]
    return [scaled_rows(setting.whitened_and_sensitivity(place)[1]) for place in places]


def _unseen(setting: Setting, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Null directions (free, n) of whole trajectories from the unknowns x (n,), in relative
    coordinates. A small column of a coefficient is null if it is round-off; one of an initial value
    is, as their sizes are those of the data."""
    setting = setting.rescaled(x)
    _, matrix = setting.whitened_and_sensitivity(x)
    rows = scaled_rows(matrix)
    finite = np.isfinite(rows).all(axis=1)
    rows = rows[finite]
    lengths = np.linalg.norm(rows, axis=0)
    small = setting.free & (lengths < STRUCTURAL * lengths.max(initial=0.0))
    if small.any():
        again = [other[finite] for other in _repeated(setting, x, generator)]
        cleaned = without_round_off(rows, again)
        cleaned[:, setting.coefficients :] = 0.0
        rows = np.where(small, cleaned, rows)
    return structural_null_space(rows[:, setting.free], by_column=True)


def _unseen_coefficients(setting: Setting, values: np.ndarray) -> np.ndarray:
    """Null directions (free, n) that move coefficients alone, in relative coordinates."""
    k = setting.coefficients
    free = setting.free[:k]
    sizes = np.maximum(np.abs(values), 1e-2 * setting.first_sizes[:k])
    _, rows, output = reproducible_sensitivity(setting.system, setting.observations, values, k)
    rows = rows * sizes
    for o in np.unique(output):  # of one size each, whatever their units
        own = output == o
        rows[own] /= np.abs(rows[own]).max(initial=0.0) or 1.0
    null = structural_null_space(rows[:, free], by_column=True)
    states = np.zeros((int(setting.free[k:].sum()), null.shape[1]))
    return np.concatenate([null, states])
