"""Numbers with twice the digits: unevaluated sums of two floats (Dekker, Numer. Math. 18, 224, 1971).

For what is computed once and then used for millions of steps, so that its rounding, always the
same, does not add up. Plain jax operations, elementwise, of any float type.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Doubled(NamedTuple):
    """high + low, where low is below half a unit in the last place of high."""

    high: jax.Array
    low: jax.Array


def exact(x: jax.Array) -> Doubled:
    """A float as it is."""
    return Doubled(x, jnp.zeros_like(x))


def add(x: Doubled, y: Doubled) -> Doubled:
    """x + y."""
    total = x.high + y.high
    part = total - x.high
    error = (x.high - (total - part)) + (y.high - part)
    return _normal(total, error + (x.low + y.low))


def multiply(x: Doubled, y: Doubled) -> Doubled:
    """x y."""
    product, error = _product(x.high, y.high)
    return _normal(product, error + (x.high * y.low + x.low * y.high))


def negative(x: Doubled) -> Doubled:
    """-x."""
    return Doubled(-x.high, -x.low)


def quotient(x: Any, y: jax.Array) -> Doubled:
    """x / y of two floats."""
    first = x / y
    product, error = _product(first, y)
    return _normal(first, ((x - product) - error) / y)


def matrix_product(a: Doubled, b: Doubled) -> Doubled:
    """(n, k, ...) and (k, m, ...) to (n, m, ...)."""
    columns = (jnp.moveaxis(a.high, 1, 0), jnp.moveaxis(a.low, 1, 0))

    def term(total: Doubled, factors: Any) -> tuple[Doubled, None]:
        column, row = factors
        left = Doubled(*(x[:, None] for x in column))
        right = Doubled(*(x[None] for x in row))
        return add(total, multiply(left, right)), None

    shape = jnp.broadcast_shapes(a.high[:, :1].shape, b.high[:1].shape)
    zero = jnp.zeros(shape, a.high.dtype)
    return jax.lax.scan(term, Doubled(zero, zero), (columns, (b.high, b.low)))[0]


def _normal(high: jax.Array, low: jax.Array) -> Doubled:
    total = high + low
    return Doubled(total, low - (total - high))


def _product(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rounded product and what rounding cut off."""
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _halves(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    digits = jnp.finfo(x.dtype).nmant + 1
    shifted = x * (2.0 ** ((digits + 1) // 2) + 1)
    high = shifted - (shifted - x)
    return high, x - high
