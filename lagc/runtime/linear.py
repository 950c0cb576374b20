"""Small linear systems, one for each place of a batch that lies behind the matrix axes.

Up to UNROLLED unknowns, elimination is written out column by column over whole arrays: no library
call stands between the other operations of a step (which would make XLA run it piece by piece), and
the order of operations does not depend on the batch.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

UNROLLED = 12


def inverse(matrix: jax.Array) -> jax.Array:
    """matrix^-1: (n, n, ...), by elimination with partial pivoting."""
    n = matrix.shape[0]
    if n == 1:
        return 1 / matrix
    if n > UNROLLED:
        moved = jnp.moveaxis(matrix, (0, 1), (-2, -1))
        return jnp.moveaxis(jnp.linalg.inv(moved), (-2, -1), (0, 1))
    eye = jnp.eye(n, dtype=matrix.dtype).reshape((n, n) + (1,) * (matrix.ndim - 2))
    return eliminate(matrix, jnp.broadcast_to(eye, matrix.shape))


def eliminate(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """matrix^-1 right: (n, n, ...) and (n, m, ...), by Gauss-Jordan elimination."""
    n = matrix.shape[0]
    rows = jnp.concatenate([matrix, right], axis=1)
    order = jnp.arange(n).reshape((n,) + (1,) * (matrix.ndim - 2))
    for k in range(n):
        size = jnp.abs(jax.lax.stop_gradient(rows[:, 0]))
        size = jnp.where(order >= k, size, -1)
        chosen = order == jnp.argmax(size, axis=0)[None]
        here = order == k
        # The row with the largest pivot changes places with row k.
        pivot = jnp.sum(jnp.where(chosen[:, None], rows, 0), axis=0)
        rows = jnp.where(chosen[:, None], rows[k][None], rows)
        pivot = pivot / pivot[:1]
        factor = jnp.where(here, 0, rows[:, 0])
        reduced = rows - factor[:, None] * pivot[None]
        rows = jnp.where(here[:, None], pivot[None], reduced)[:, 1:]
    return rows


def solve(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """matrix^-1 right: (n, n) and (n,); little code, for where a system is seldom solved."""
    n = matrix.shape[0]
    if n > UNROLLED:
        return jnp.linalg.solve(matrix, right)
    order = jnp.arange(n)

    # The right side stays apart: derivatives know it alone as linear.
    def column(k: Any, sides: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        rows, right = sides
        size = jnp.where(order >= k, jnp.abs(rows[:, k]), -1)
        chosen = jnp.argmax(size)
        pivot = rows[chosen] / rows[chosen, k]
        value = right[chosen] / rows[chosen, k]
        rows = jnp.where((order == chosen)[:, None], rows[k][None], rows)
        right = jnp.where(order == chosen, right[k], right)
        right = jnp.where(order == k, value, right - rows[:, k] * value)
        rows = jnp.where(
            (order == k)[:, None], pivot[None], rows - rows[:, k][:, None] * pivot[None]
        )
        return rows, right

    return jax.lax.fori_loop(0, n, column, (matrix, right))[1]


def times(matrix: jax.Array, x: jax.Array) -> jax.Array:
    """matrix x: (n, m, ...) and (m, ...) to (n, ...), added up column by column."""
    m = matrix.shape[1]
    if m > 2 * UNROLLED:
        return jnp.sum(matrix * x[None], axis=1)
    return sum((matrix[:, j] * x[j][None] for j in range(1, m)), matrix[:, 0] * x[:1])
