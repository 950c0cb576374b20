"""What emitted node functions call besides jax.numpy: assembling results, functions that
jax.numpy lacks, and derivatives of neural terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp


def assemble(like: jax.Array, entries: Any) -> jax.Array:
    """Entries (numbers, arrays of the shape of `like`, or nested tuples) stacked before its axes.

    like: (...); a flat tuple of n entries gives (n, ...), a tuple of m such tuples (m, n, ...).
    """
    if isinstance(entries, tuple):
        return jnp.stack([assemble(like, entry) for entry in entries])
    return jnp.broadcast_to(jnp.asarray(entries, like.dtype), like.shape)


def step(x: jax.Array) -> jax.Array:
    """0 for x < 0, 1/2 at 0, 1 for x > 0."""
    return (jnp.sign(x) + 1) / 2


def neural_term(
    function: Callable[[jax.Array], jax.Array],
    orders: Sequence[int],
    arguments: Sequence[Any],
    like: jax.Array,
) -> jax.Array:
    """The partial derivative of a slot, orders[i] times in argument i, at the nodes.

    function: (n,) -> (); arguments: n numbers or arrays of the shape of `like`, which is (...).
    Returns (...).
    """
    points = assemble(like, tuple(arguments))
    derivative = function
    for i, order in enumerate(orders):
        for _ in range(order):
            derivative = _partial(derivative, i)
    flat = points.reshape(points.shape[0], -1).T
    return jax.vmap(derivative)(flat).reshape(like.shape)


def _partial(f: Callable[[jax.Array], jax.Array], i: int) -> Callable[[jax.Array], jax.Array]:
    def derivative(x: jax.Array) -> jax.Array:
        direction = jnp.zeros_like(x).at[i].set(1)
        result: jax.Array = jax.jvp(f, (x,), (direction,))[1]
        return result

    return derivative
