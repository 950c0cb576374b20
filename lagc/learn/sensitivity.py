"""Predicted observations and their derivatives with respect to coefficients and initial states.

All recordings are padded to one length and integrated side by side, with a whole number of steps
between two observations. Derivatives are forward-mode, through the implicit function rule of a
step, so what lies beyond the point where a trajectory is lost does not touch what lies before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.data import Recording
from lagc.runtime.signals import Samples
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

KINDS = ("q", "v", "p")


@dataclass(frozen=True, eq=False)
class Observations:
    """Recordings side by side: R of them, m rows, the three kinds q, v and p, dof components.

    times: (R, m), continued beyond the end of shorter recordings; values and seen: (R, m, 3, dof);
    inputs: name to (R, m).
    """

    times: np.ndarray
    values: np.ndarray
    seen: np.ndarray
    inputs: dict[str, np.ndarray]

    @property
    def rows(self) -> int:
        """The length of the longest recording."""
        return int(self.times.shape[1])


def gather(recordings: Sequence[Recording], spec: ModelSpec) -> Observations:
    """Recordings (checked) in one set of arrays."""
    rows = max(len(r.times) for r in recordings)
    values = np.full((len(recordings), rows, 3, spec.dof), np.nan)
    for index, recording in enumerate(recordings):
        for kind, array in enumerate(recording.channels):
            if array is not None:
                values[index, : len(array), kind] = array
    times = np.stack([_continued(np.asarray(r.times, float), rows) for r in recordings])
    inputs = {
        name: np.stack(
            [np.pad(r.inputs[name], (0, rows - len(r.times)), mode="edge") for r in recordings]
        )
        for name in spec.inputs
    }
    return Observations(times, values, np.isfinite(values), inputs)


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

    def values(self, coefficients: np.ndarray, states: np.ndarray) -> np.ndarray:
        """q, v and p: (R, rows, 3, dof), NaN once a trajectory is lost."""
        return np.asarray(self._run(_values, coefficients, states)[0])

    def values_and_derivatives(
        self, coefficients: np.ndarray, states: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`values`, and their derivatives (R, rows, 3, dof, n + 2 dof): by every coefficient, then
        by the initial position and velocity of the recording itself."""
        values, by_coefficients, by_states = self._run(_derivatives, coefficients, states)
        flat = np.asarray(by_states).reshape(*by_states.shape[:-2], -1)
        return np.asarray(values), np.concatenate([np.asarray(by_coefficients), flat], axis=-1)

    def _run(self, function: Callable[..., Any], *unknowns: np.ndarray) -> tuple[jax.Array, ...]:
        """A program that does without the fallback, and so compiles in half the time, is enough for
        nearly all fits."""
        for whole in (False, True):
            *results, solved = function(
                self.system, self.r, self.substeps, whole, *unknowns, *self._arguments()
            )
            if bool(jnp.all(solved)):
                break
        return tuple(results)


def _one(
    system: System,
    r: int,
    substeps: int,
    whole: bool,
    coefficients: jax.Array,
    state: jax.Array,
    grid: jax.Array,
    times: jax.Array,
    inputs: dict[str, jax.Array],
) -> tuple[jax.Array, jax.Array]:
    names = [c.name for c in system.spec.coefficients]
    values = {name: coefficients[k] for k, name in enumerate(names)}
    start = {"q0": state[0], "v0": state[1]}
    return observed_rows(system, r, substeps, whole, values, start, grid, times, inputs)


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
) -> tuple[jax.Array, jax.Array]:
    """q, v and p of one run at every `substeps`-th time of a grid (m,), (rows, 3, dof), and whether
    the strategy of the model was enough (always, with the fallback: `whole`).

    start: q0 with v0 or p0, each (dof,); inputs: (k,) each, at `times` (k,).
    """
    options: dict[str, Any] = {
        **start,
        "coefficients": coefficients,
        "inputs": {name: Samples(times, values) for name, values in inputs.items()},
        "times": grid,
        "r": r,
    }
    if whole:
        trajectory, solved = system.simulate(**options), jnp.array(True)
    else:
        trajectory, solved = system.attempt(**options)
    every = jnp.stack([trajectory.q, trajectory.v, trajectory.p], axis=1)
    return every[::substeps], solved


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _values(
    system: System,
    r: int,
    substeps: int,
    whole: bool,
    coefficients: jax.Array,
    states: jax.Array,
    grid: jax.Array,
    times: jax.Array,
    inputs: dict[str, jax.Array],
) -> tuple[jax.Array, jax.Array]:
    one = partial(_one, system, r, substeps, whole)
    return jax.vmap(one, in_axes=(None, 0, 0, 0, 0))(coefficients, states, grid, times, inputs)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _derivatives(
    system: System,
    r: int,
    substeps: int,
    whole: bool,
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
            values, solved = _one(system, r, substeps, whole, c, s, grid, times, inputs)
            return values, (values, solved)

        (by_c, by_s), (values, solved) = jax.jacfwd(observed, argnums=(0, 1), has_aux=True)(
            coefficients, state
        )
        return values, by_c, by_s, solved

    return jax.vmap(one, in_axes=(None, 0, 0, 0, 0))(coefficients, states, grid, times, inputs)
