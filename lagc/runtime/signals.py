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
    """A recorded signal: `values` at increasing `times` (both (m,), model units).

    Between the samples it is interpolated linearly or held at the `previous` one; before the first
    and after the last it keeps their values.
    """

    times: ArrayLike
    values: ArrayLike
    interpolation: Literal["linear", "previous"] = "linear"

    def __call__(self, t: jax.Array) -> jax.Array:
        """The signal at time t: () -> ()."""
        times, values = jnp.asarray(self.times), jnp.asarray(self.values)
        if self.interpolation == "linear":
            return jnp.interp(t, times, values)
        index = jnp.searchsorted(times, t, side="right") - 1
        return values[jnp.clip(index, 0, times.shape[0] - 1)]
