"""Numbers with twice the digits: unevaluated sums of two floats (Dekker, Numer. Math. 18, 224).

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
    total, error = _sum(x.high, y.high)
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
    """The product as a rounded number and what rounding cut off.

    Made of products of halves, which are exact: a compiler that contracts a product with a sum, in
    one place and not in another, changes nothing.
    """
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    middle, rest = _sum(a_high * b_low, a_low * b_high)
    total, error = _sum(a_high * b_high, middle)
    return total, error + (rest + a_low * b_low)


def _sum(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rounded sum and what rounding cut off."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def _halves(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """x as a sum of two floats of half the digits: by bits, as arithmetic could be contracted."""
    kind, digits = (jnp.int64, 27) if x.dtype == jnp.float64 else (jnp.int32, 12)
    bits = jax.lax.bitcast_convert_type(jax.lax.stop_gradient(x), kind)
    high = jax.lax.bitcast_convert_type(bits & ~((1 << digits) - 1), x.dtype)
    low = jax.lax.stop_gradient(x) - high
    return x - low, low
