"""What is seen of a member: two channels of each degree of freedom, perhaps with noise and gaps.

The noise of a member is white, its level a part of the standard deviation of the channel over time;
level and part of missing values are drawn for each member. One half of the members miss values
independently of one another, the other half miss one run of rows in each channel, as where a sensor
fails for a while: what is known of a gap is less than of as many values here and there. Values that
were not seen are zero.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.family import Members, Range

Observed = Literal["q,p", "q,v"]


_LONGEST = 0.9  # of the rows, that a gap has


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
        gap_key, which_key = (jax.random.fold_in(missing_key, k) for k in (1, 2))
        whole = jax.random.bernoulli(which_key, 0.5, count)
        seen = jnp.where(whole[:, None, None], _outside_gaps(part, values.shape, gap_key), seen)
        values = jnp.where(seen, values, 0.0)
    return Observation(values, seen, members.dt, level)


def _outside_gaps(part: jax.Array, shape: tuple[int, ...], key: jax.Array) -> jax.Array:
    """Which values (n, rows, c) are seen where each channel has a gap, its length uniform up to
    twice the part (n,) of the rows and its place uniform."""
    members, rows, channels = shape
    length, place = jax.random.uniform(key, (2, members, 1, channels), part.dtype)
    length = rows * jnp.minimum(2 * part[:, None, None] * length, _LONGEST)
    first = place * (rows - length)
    row = jnp.arange(rows, dtype=part.dtype)[None, :, None]
    return (row < first) | (row >= first + length)


def longest_gaps(seen: np.ndarray) -> np.ndarray:
    """The longest run of rows without a value of a channel: (n,), from a mask (n, rows, c)."""
    length, longest = np.zeros(seen[:, 0].shape, int), np.zeros(seen[:, 0].shape, int)
    for row in np.moveaxis(seen, 1, 0):
        length = np.where(row, 0, length + 1)
        longest = np.maximum(longest, length)
    return np.asarray(longest.max(axis=1))
