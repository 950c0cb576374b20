"""What is seen of a member: two channels of each degree of freedom, perhaps with noise and gaps.

The noise of a member is white, its level a part of the standard deviation of the channel over time;
level and part of missing values are drawn for each member. Values that were not seen are zero.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.family import Members, Range

Observed = Literal["q,p", "q,v"]


class Observation(NamedTuple):
    """values: (n, rows, 2 dof), positions, then momenta or velocities; seen: the same, or None
    where nothing can be missing; dt: (n,), the interval of the rows; noise: (n,), its level."""

    values: jax.Array
    seen: jax.Array | None
    dt: jax.Array
    noise: jax.Array

    def of(self, which: np.ndarray) -> Observation:
        """Those of the members that a mask or indices (n,) pick."""
        seen = None if self.seen is None else self.seen[which]
        return Observation(self.values[which], seen, self.dt[which], self.noise[which])


def observe(members: Members, observed: Observed) -> jax.Array:
    """The channels a network sees: (n, rows, 2 dof)."""
    second = members.p if observed == "q,p" else members.v
    return jnp.concatenate([members.q, second], axis=-1)


def observation(
    members: Members, observed: Observed, noise: Range, missing: Range, key: jax.Array
) -> Observation:
    """What is seen of members, with levels of noise and parts of missing values from the ranges."""
    level_key, noise_key, part_key, missing_key = jax.random.split(key, 4)
    values = observe(members, observed)
    count = values.shape[:1]
    level = jnp.full(count, noise[0], values.dtype)
    if noise[1] > 0:
        level = jax.random.uniform(level_key, count, values.dtype, *noise)
        sizes = level[:, None, None] * jnp.std(values, axis=1, keepdims=True)
        values = values + sizes * jax.random.normal(noise_key, values.shape, values.dtype)
    seen = None
    if missing[1] > 0:
        part = jax.random.uniform(part_key, count, values.dtype, *missing)
        seen = jax.random.uniform(missing_key, values.shape) >= part[:, None, None]
        values = jnp.where(seen, values, 0.0)
    return Observation(values, seen, members.dt, level)
