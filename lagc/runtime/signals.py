"""Signals for the `input`s of a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


@partial(
    jax.tree_util.register_dataclass,
    data_fields=("times", "values"),
    meta_fields=("interpolation",),
)
@dataclass(frozen=True)
class Samples:
    """A recorded signal: `values` (..., m) at increasing `times` (m,), model units; batch axes
    lead.

    Between the samples it is interpolated linearly or held at the `previous` one; before the first
    and after the last it keeps their values.
    """

    times: ArrayLike
    values: ArrayLike
    interpolation: Literal["linear", "previous"] = "linear"

    def __call__(self, t: jax.Array) -> jax.Array:
        """The signal at time t, of one recording (m,): () -> ()."""
        times, values = jnp.asarray(self.times), jnp.asarray(self.values)
        return sampled(t, times, values, self.interpolation)


def sampled(t: jax.Array, times: jax.Array, values: jax.Array, interpolation: str) -> jax.Array:
    """Samples at t: (..., *L), from times (m, *L) and values (m, *L), ones where shared."""
    if times.ndim > 1 and times.shape[-1] == 1:
        times = times[:, 0]
    if times.ndim > 1:
        return jax.vmap(sampled, in_axes=(-1, -1, -1, None), out_axes=-1)(
            jnp.broadcast_to(t, (*t.shape[:-1], times.shape[-1])),
            times,
            jnp.broadcast_to(values, times.shape),
            interpolation,
        )
    last = times.shape[0] - 1
    place = jnp.searchsorted(times, t, side="right") - 1
    if interpolation == "previous":
        return _at(values, jnp.clip(place, 0, last))
    place = jnp.clip(place, 0, last - 1)
    fraction = (t - times[place]) / (times[place + 1] - times[place])
    # Not `clip`, whose derivative at a sample time is halved.
    fraction = jnp.where(fraction < 0, 0, jnp.where(fraction > 1, 1, fraction))
    left, right = _at(values, place), _at(values, place + 1)
    return left + fraction * (right - left)


def _at(values: jax.Array, place: jax.Array) -> jax.Array:
    """values (m, *L) at places (..., *L): (..., *L)."""
    if values.ndim == 1:
        return values[place]
    if values.shape[-1] == 1:
        return values[place, 0]
    if place.shape[-1] == 1:
        return values[place[..., 0]]
    lane = jnp.arange(values.shape[-1])
    return values[place, jnp.broadcast_to(lane, place.shape)]
