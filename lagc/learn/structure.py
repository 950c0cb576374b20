"""Which combinations of coefficients no recording can fix, whatever it shows.

Where all positions are observed, a recording knows the acceleration as a function of (q, v, t, u),
and with the momenta that of pi(q, v, t): what changes neither is a gauge. It is the null space of
the Jacobian of both by the coefficients at many random points, exact to round-off, since nothing is
integrated. Source: the equations of motion d/dt b = a.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.acceleration import acceleration
from lagc.learn.sensitivity import Observations
from lagc.runtime.system import System

_POINTS = 64  # and as many again as there are coefficients
_MOST_ROWS = 1024  # recorded ones that are looked at, evenly spread
_JITTER = 8 * np.finfo(float).eps  # relative changes by which round-off differs
REPEATS = 4  # evaluations more that tell round-off
_KNOWN = 0.1  # part of a derivative by which it may change then


def acceleration_sensitivity(
    system: System, data: Observations, coefficients: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Derivatives (m, k) of accelerations, and of momenta where observed, by the coefficients (k,)
    at random states of the size of those observed; rows that are not finite are left out."""
    _, rows, _ = motion_and_sensitivity(system, data, coefficients, generator)
    return rows


def motion_and_sensitivity(
    system: System,
    data: Observations,
    coefficients: np.ndarray,
    generator: np.random.Generator,
    *,
    recorded: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `acceleration_sensitivity` differentiates, (m,), that, and which output each row belongs
    to, (m,). recorded: also at the times and states of the recordings, where
    something may happen that random times miss."""
    values, rows, output, _ = _evaluated(system, data, coefficients, generator, recorded, 0)
    return values, rows, output


def reproducible_sensitivity(
    system: System, data: Observations, coefficients: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`motion_and_sensitivity` with recorded states, zero where an output does not depend on a
    coefficient: there the derivatives are round-off, which is another one at states that differ
    in their last digits, however small it is against the other derivatives."""
    generator = np.random.default_rng(seed)
    values, rows, output, again = _evaluated(system, data, coefficients, generator, True, REPEATS)
    for o in np.unique(output):
        own = output == o
        rows[own] = without_round_off(rows[own], [other[own] for other in again])
    return values, rows, output


def almost(x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The same numbers but for their last digits."""
    return np.asarray(x * (1 + _JITTER * generator.uniform(-1, 1, x.shape)))


def without_round_off(rows: np.ndarray, again: Sequence[np.ndarray]) -> np.ndarray:
    """Derivatives (m, k) with columns of zeros where those of the same at almost the same place,
    (m, k) each, are other ones altogether. Where only a part is, the rest is no round-off: at a
    late time the last digit of it is much of a period of what oscillates."""
    largest = np.abs(rows).max(axis=0, initial=0.0)
    changes = [np.abs(other - rows).max(axis=0, initial=0.0) for other in again]
    changed = np.max(changes, axis=0, initial=0.0) if changes else np.zeros(rows.shape[1])
    return np.where(changed <= _KNOWN * largest, rows, 0.0)


def _evaluated(
    system: System,
    data: Observations,
    coefficients: np.ndarray,
    generator: np.random.Generator,
    recorded: bool,
    repeats: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Values, derivatives and outputs; derivatives again, with other round-off."""
    spec = system.spec
    count = _POINTS + len(spec.coefficients)
    values = data.values.reshape(-1, data.kinds, spec.dof)
    middle, spread = np.zeros((2, spec.dof)), np.ones((2, spec.dof))
    duration = float(np.ptp(data.times)) or 1.0
    for d in range(spec.dof):
        q, v = (x[np.isfinite(x)] for x in (values[:, 0, d], values[:, 1, d]))
        middle[0, d], spread[0, d] = np.mean(q), np.std(q) or 1.0
        spread[1, d] = np.std(v) if v.size else 6 * spread[0, d] / duration
    state = middle[..., None] + spread[..., None] * generator.normal(size=(2, spec.dof, count))
    t = generator.uniform(data.times.min(), data.times.max(), size=count)
    inputs = {
        name: np.mean(u) + (np.std(u) or 1.0) * generator.normal(size=count)
        for name, u in data.inputs.items()
    }
    if recorded:
        state, t, inputs = _with_recorded(data, values, state, t, inputs, middle, spread, generator)
        count = t.size
    slopes, values = _slopes(system, jnp.asarray(coefficients), *state, t, inputs)
    again = []
    for _ in range(repeats):
        c, *place = (almost(x, generator) for x in (coefficients, *state, t))
        again.append(_slopes(system, jnp.asarray(c), *place, inputs)[0])
    observed = data.seen[:, :, 2].any(axis=(0, 1))

    def counted(motion: tuple[jax.Array, jax.Array], size: int) -> np.ndarray:
        """Accelerations of all coordinates, and the momenta that were observed: (m, size)."""
        q, p = (np.asarray(x).reshape(spec.dof, -1, size) for x in motion)
        return np.concatenate([q.reshape(-1, size), p[observed].reshape(-1, size)])

    rows = counted(slopes, coefficients.size)
    others = [counted(x, coefficients.size) for x in again]
    finite = np.all([np.isfinite(x).all(axis=1) for x in (rows, *others)], axis=0)
    output = np.repeat(np.arange(len(rows) // count), count)
    repeated = [x[finite] for x in others]
    return counted(values, 1)[finite, 0], rows[finite], output[finite], repeated


def _with_recorded(
    data: Observations,
    values: np.ndarray,
    state: np.ndarray,
    t: np.ndarray,
    inputs: dict[str, np.ndarray],
    middle: np.ndarray,
    spread: np.ndarray,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """States, times and inputs, followed by those of recorded rows (values: of all of them); what
    was not observed is random there."""
    rows = np.flatnonzero(data.seen.any(axis=(2, 3)).reshape(-1))
    rows = rows[np.unique(np.linspace(0, rows.size - 1, min(rows.size, _MOST_ROWS)).astype(int))]
    drawn = generator.normal(size=(2, middle.shape[1], rows.size))
    drawn = middle[..., None] + spread[..., None] * drawn
    known = np.moveaxis(values[rows, :2], 0, -1)
    of_rows = np.where(np.isfinite(known), known, drawn)
    both = {
        name: np.concatenate([u, data.inputs[name].reshape(-1)[rows]]) for name, u in inputs.items()
    }
    return (
        np.concatenate([state, of_rows], axis=-1),
        np.concatenate([t, data.times.reshape(-1)[rows]]),
        both,
    )


@partial(jax.jit, static_argnums=0)
def _slopes(
    system: System,
    coefficients: jax.Array,
    q: jax.Array,
    v: jax.Array,
    t: jax.Array,
    inputs: dict[str, jax.Array],
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """By the coefficients, of q'' and pi: (dof, m, k) each; and these themselves: (dof, m)."""
    names = [c.name for c in system.spec.coefficients]

    def motion(
        coefficients: jax.Array,
    ) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
        c = {name: coefficients[i] for i, name in enumerate(names)}

        def at(
            q: jax.Array, v: jax.Array, t: jax.Array, u: dict[str, jax.Array]
        ) -> tuple[jax.Array, jax.Array]:
            held = {name: partial(_same, value) for name, value in u.items()}
            momentum: jax.Array = system.kernels.momentum(q, v, t, c, u, {})
            return acceleration(system, q, v, t, c, held), momentum

        found = jax.vmap(at, in_axes=(-1, -1, 0, 0), out_axes=-1)(q, v, t, inputs)
        return found, found

    return jax.jacfwd(motion, has_aux=True)(coefficients)


def _same(value: jax.Array, t: jax.Array) -> jax.Array:
    """An input that does not change with time."""
    del t
    return value
