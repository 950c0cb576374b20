"""Predicted observations and their derivatives with respect to coefficients and initial states.

All recordings are padded to one length and integrated side by side, with a whole number of steps
between two observations. Derivatives are forward-mode, through the implicit function rule of a
step, so what lies beyond the point where a trajectory is lost does not touch what lies before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.acceleration import acceleration
from lagc.learn.recording import KINDS, Recording
from lagc.runtime.signals import Samples
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System


@dataclass(frozen=True, eq=False)
class Observations:
    """Recordings side by side: R of them, m rows, the kinds q, v and p, dof components.

    times: (R, m), continued beyond the end of shorter recordings; values and seen: (R, m, 3, dof),
    or (R, m, 4, dof) where accelerations were observed; inputs: name to (R, m); stated: known
    standard deviations, as the values and NaN where unknown, or None where all are.
    """

    times: np.ndarray
    values: np.ndarray
    seen: np.ndarray
    inputs: dict[str, np.ndarray]
    stated: np.ndarray | None = None

    @property
    def kinds(self) -> int:
        """How many kinds of values there are: 3, or 4 with accelerations."""
        return int(self.values.shape[2])

    @property
    def rows(self) -> int:
        """The length of the longest recording."""
        return int(self.times.shape[1])


def gather(recordings: Sequence[Recording], spec: ModelSpec) -> Observations:
    """Recordings (checked) in one set of arrays."""
    rows = max(len(r.times) for r in recordings)
    kinds = len(KINDS) if any(r.a is not None for r in recordings) else len(KINDS) - 1
    values = np.full((len(recordings), rows, kinds, spec.dof), np.nan)
    stated = None
    if any(r.sigma is not None for r in recordings):
        stated = np.full(values.shape, np.nan)
    for index, recording in enumerate(recordings):
        for kind, array in enumerate(recording.channels):
            if array is not None:
                values[index, : len(array), kind] = array
        if stated is not None and recording.sigma is not None:
            stated[index, : len(recording.sigma)] = recording.sigma[:, :kinds]
    times = np.stack([_continued(np.asarray(r.times, float), rows) for r in recordings])
    inputs = {
        name: np.stack(
            [np.pad(r.inputs[name], (0, rows - len(r.times)), mode="edge") for r in recordings]
        )
        for name in spec.inputs
    }
    return Observations(times, values, np.isfinite(values), inputs, stated)


def _continued(times: np.ndarray, rows: int) -> np.ndarray:
    extra = np.arange(1, rows - len(times) + 1) * (times[-1] - times[-2])
    return np.concatenate([times, times[-1] + extra])


def step_grid(times: np.ndarray, substeps: int) -> np.ndarray:
    """Each interval of times (..., m) cut into equal steps: (..., (m-1) substeps + 1)."""
    fractions = np.arange(substeps) / substeps
    inner = times[..., :-1, None] + np.diff(times)[..., None] * fractions
    return np.concatenate([inner.reshape(*times.shape[:-1], -1), times[..., -1:]], axis=-1)


@dataclass(frozen=True, eq=False)
class Predictor:
    """The model as a function of its unknowns, at the times of the first `rows` observations.

    Unknowns: coefficients (n,) in the order of the model and initial states (R, 2, dof), positions
    and velocities at the first time of each recording.
    """

    system: System
    observations: Observations
    r: int
    substeps: int
    rows: int

    def _arguments(self) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
        data = self.observations
        times = data.times[:, : self.rows]
        inputs = {name: jnp.asarray(values) for name, values in data.inputs.items()}
        return jnp.asarray(step_grid(times, self.substeps)), jnp.asarray(data.times), inputs

    @cached_property
    def _last(self) -> dict[str, tuple[bytes, Any]]:
        """The last results: a fit asks again and again at the point where a search ended."""
        return {}

    def values(self, coefficients: np.ndarray, states: np.ndarray) -> np.ndarray:
        """All kinds that are observed: (R, rows, kinds, dof), NaN once a trajectory is lost."""
        key = coefficients.tobytes() + states.tobytes()
        for at, result in self._last.values():
            if at == key:
                return np.asarray(result[0])
        values = np.asarray(self._run(_values, coefficients, states)[0])
        self._last["values"] = key, (values,)
        return values

    def values_and_derivatives(
        self, coefficients: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`values`, and their derivatives (R, rows, kinds, dof, n + 2 dof): by every coefficient,
        then by the initial position and velocity of the recording itself."""
        key = coefficients.tobytes() + states.tobytes()
        at, result = self._last.get("derivatives", (b"", None))
        if at == key and result is not None:
            return result[0], result[1]
        values, by_coefficients, by_states = self._run(_derivatives, coefficients, states)
        flat = np.asarray(by_states).reshape(*by_states.shape[:-2], -1)
        derivatives = np.concatenate([np.asarray(by_coefficients), flat], axis=-1)
        self._last["derivatives"] = key, (np.asarray(values), derivatives)
        return np.asarray(values), derivatives

    def between(self, coefficients: np.ndarray, states: np.ndarray, parts: int) -> np.ndarray:
        """`values` at the rows and between them, each interval cut into `parts`, from the
        polynomials of the same steps: (R, (rows - 1) parts + 1, kinds, dof)."""
        at = step_grid(self.observations.times[:, : self.rows], parts)
        return np.asarray(self._run(_values, coefficients, states, save_at=at)[0])

    def _run(
        self, function: Callable[..., Any], *unknowns: np.ndarray, **options: np.ndarray
    ) -> tuple[jax.Array, ...]:
        """A program that does without the fallback, and so compiles in half the time, is enough for
        nearly all fits."""
        for whole in (False, True):
            how = (self.r, self.substeps, whole, self.observations.kinds)
            *results, solved = function(self.system, *how, *unknowns, *self._arguments(), **options)
            if bool(jnp.all(solved)):
                break
        return tuple(results)


@lru_cache(maxsize=4)
def predictor(
    system: System, observations: Observations, r: int, substeps: int, rows: int
) -> Predictor:
    """A `Predictor`, the same for the same arguments while it is in use, with what it remembers."""
    return Predictor(system, observations, r, substeps, rows)


def _one(
    system: System,
    r: int,
    substeps: int,
    whole: bool,
    kinds: int,
    coefficients: jax.Array,
    state: jax.Array,
    grid: jax.Array,
    times: jax.Array,
    inputs: dict[str, jax.Array],
    save_at: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    names = [c.name for c in system.spec.coefficients]
    values = {name: coefficients[k] for k, name in enumerate(names)}
    start = {"q0": state[0], "v0": state[1]}
    return observed_rows(
        system, r, substeps, whole, values, start, grid, times, inputs, kinds=kinds, save_at=save_at
    )


def observed_rows(
    system: System,
    r: int,
    substeps: int,
    whole: bool,
    coefficients: Mapping[str, jax.Array],
    start: Mapping[str, jax.Array],
    grid: jax.Array,
    times: jax.Array,
    inputs: Mapping[str, jax.Array],
    *,
    kinds: int = 3,
    save_at: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """q, v and p, and accelerations as the fourth of `kinds`, of one run at every `substeps`-th
    time of a grid (m,): (rows, kinds, dof); and whether the strategy of the model was enough
    (always, with the fallback: `whole`).

    start: q0 with v0 or p0, each (dof,); inputs: (k,) each, at `times` (k,); save_at: other times
    than those of the grid, between its ends.
    """
    signals = {name: Samples(times, values) for name, values in inputs.items()}
    options: dict[str, Any] = {
        **start,
        "coefficients": coefficients,
        "inputs": signals,
        "times": grid,
        "r": r,
        "save_at": save_at,
    }
    every, at = (substeps, grid[::substeps]) if save_at is None else (1, save_at)
    if whole:
        trajectory, solved = system.simulate(**options), jnp.array(True)
    else:
        trajectory, solved = system.attempt(**options)
    observed = [x[::every] for x in (trajectory.q, trajectory.v, trajectory.p)]
    if kinds > len(observed):

        def motion(q: jax.Array, v: jax.Array, t: jax.Array) -> jax.Array:
            return acceleration(system, q, v, t, coefficients, signals)

        observed.append(jax.vmap(motion)(observed[0], observed[1], at))
    return jnp.stack(observed, axis=1), solved


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _values(
    system: System,
    r: int,
    substeps: int,
    whole: bool,
    kinds: int,
    coefficients: jax.Array,
    states: jax.Array,
    grid: jax.Array,
    times: jax.Array,
    inputs: dict[str, jax.Array],
    save_at: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    one = partial(_one, system, r, substeps, whole, kinds)
    axes = (None, 0, 0, 0, 0, None if save_at is None else 0)
    return jax.vmap(one, in_axes=axes)(coefficients, states, grid, times, inputs, save_at)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _derivatives(
    system: System,
    r: int,
    substeps: int,
    whole: bool,
    kinds: int,
    coefficients: jax.Array,
    states: jax.Array,
    grid: jax.Array,
    times: jax.Array,
    inputs: dict[str, jax.Array],
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    def one(
        coefficients: jax.Array,
        state: jax.Array,
        grid: jax.Array,
        times: jax.Array,
        inputs: dict[str, jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        def observed(c: jax.Array, s: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            values, solved = _one(system, r, substeps, whole, kinds, c, s, grid, times, inputs)
            return values, (values, solved)

        (by_c, by_s), (values, solved) = jax.jacfwd(observed, argnums=(0, 1), has_aux=True)(
            coefficients, state
        )
        return values, by_c, by_s, solved

    return jax.vmap(one, in_axes=(None, 0, 0, 0, 0))(coefficients, states, grid, times, inputs)
