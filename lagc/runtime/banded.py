"""Block-banded linear systems, periodic or not, by elimination in many chunks at once: O(N) work.

The w neighbours of a site on either side are made one: w sites form a block, and the system becomes
block tridiagonal, A_j x_{j-1} + B_j x_j + C_j x_{j+1} = f_j. The blocks are cut into chunks; the
first block of each is set apart, and the others of all chunks are eliminated side by side, forward
and backward, in terms of the blocks set apart before and after them. These are left with a system
of the same form, many times smaller (Wang, ACM TOMS 7, 170, 1981), and so on until one is left. A
wrap from the last block to the first survives this.

Chunks are the last axis of every array, so that each operation runs over contiguous numbers. Like
every elimination without pivoting between blocks this wants blocks on the diagonal that are regular
and not small against their neighbours; within a block nothing is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_LONGEST_CHUNK = 32
_LARGEST_CLOSED_FORM = 4


def solve_banded(
    bands: Float[Array, "o n n N"], right: Float[Array, "n N"], periodic: bool
) -> Float[Array, "n N"]:
    """x with sum_o,b bands[o, a, b, j] x[b, j + o - w] = right[a, j].

    bands: (2w+1, n, n, N), the coefficient of unknown b of site j + o - w (modulo N if `periodic`;
    otherwise entries without such a site are ignored) in equation a of site j; right: (n, N).
    Derivatives of any order follow from those of the product, through solves of the same kind.
    NaN or infinities where the matrix is singular.
    """
    if not periodic:
        bands = _cut(bands)
    return jax.lax.custom_linear_solve(
        partial(multiply_banded, bands),
        right,
        solve=lambda _, f: solve_factored(factor_banded(bands, periodic), f),
        transpose_solve=lambda _, f: solve_factored(factor_banded(_transposed(bands), periodic), f),
    )


def multiply_banded(bands: Float[Array, "o n n N"], x: Float[Array, "n N"]) -> Float[Array, "n N"]:
    """The product of a periodic banded matrix with x: (n, N)."""
    w = bands.shape[0] // 2
    terms = [_times(bands[o], jnp.roll(x, w - o, axis=-1)[:, None])[:, 0] for o in range(2 * w + 1)]
    return sum(terms[1:], start=terms[0])


class _Level(NamedTuple):
    """One reduction of U chunks of V blocks to the U blocks set apart.

    inverse, carried, ahead, behind, weight: (V-1, k, k, U), of the blocks eliminated: in a chunk
    g_v = inverse f_v - carried g_{v-1} and x_v = g_v - behind x_l - ahead x_{v+1}, with x_l the
    block set apart before it, and weight is what g_v adds to x_1; before, after: (k, k, U), A and C
    of the blocks set apart.
    """

    inverse: Array
    carried: Array
    ahead: Array
    behind: Array
    weight: Array
    before: Array
    after: Array


class _Border(NamedTuple):
    """The last sites of a ring that does not divide into blocks, eliminated after all others.

    to_border: (s n, n, N-s), rows of the border; influence: (n, N-s, s n), the answer of the other
    unknowns to those of the border; schur: (s n, s n), the inverse of what is left for the border.
    """

    to_border: Array
    influence: Array
    schur: Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["levels", "dense", "border"],
    meta_fields=["sites", "width"],
)
@dataclass(frozen=True)
class Factored:
    """A banded matrix made ready for `solve_factored`; a pytree."""

    levels: tuple[_Level, ...]
    dense: Array
    border: _Border | None
    sites: int
    width: int


def factor_banded(bands: Float[Array, "o n n N"], periodic: bool) -> Factored:
    """The part of `solve_banded` that does not depend on the right-hand side."""
    w, sites = bands.shape[0] // 2, bands.shape[-1]
    if w == 0:
        return Factored((), _inverse(bands[0]), None, sites, 0)
    if not periodic:
        bands = _cut(bands)
    if sites < 3 * w:
        return Factored((), jnp.linalg.inv(_dense_matrix(bands)), None, sites, 1)
    spare = sites % w
    if spare and periodic:
        return _factor_bordered(bands, spare)
    if spare:
        bands = jnp.concatenate([bands, _identity_sites(bands, w - spare)], axis=-1)
    levels, dense = _factor_blocks(*_blocks(bands))
    return Factored(levels, dense, None, sites, w)


def solve_factored(factored: Factored, right: Float[Array, "n N"]) -> Float[Array, "n N"]:
    """x: (n, N), of a matrix made ready by `factor_banded`."""
    border = factored.border
    if border is None:
        return _solve_columns(factored, right[:, None])[:, 0]
    n, inner = right.shape[0], border.to_border.shape[-1]
    x = _solve_columns(factored, right[:, None, :inner])[:, 0]
    rest = right[:, inner:].T.reshape(-1) - _product("rbj,bj->r", border.to_border, x)
    y = _product("rs,s->r", border.schur, rest)
    x = x - _product("bjr,r->bj", border.influence, y)
    return jnp.concatenate([x, y.reshape(-1, n).T], axis=-1)


# --- shapes -----------------------------------------------------------------------------------


def _cut(bands: Array) -> Array:
    """Zero where a neighbour does not exist."""
    w, sites = bands.shape[0] // 2, bands.shape[-1]
    neighbour = np.arange(sites)[None, :] + np.arange(-w, w + 1)[:, None]
    exists = (neighbour >= 0) & (neighbour < sites)
    return jnp.where(jnp.asarray(exists)[:, None, None, :], bands, 0)


def _transposed(bands: Array) -> Array:
    """The bands of the transposed matrix."""
    w = bands.shape[0] // 2
    offsets = [jnp.roll(bands[2 * w - o], w - o, axis=-1) for o in range(2 * w + 1)]
    return jnp.swapaxes(jnp.stack(offsets), 1, 2)


def _dense_matrix(bands: Array) -> Array:
    """The whole matrix of few sites, entries that wrap onto one another summed: (N n, N n)."""
    offsets, n, _, sites = bands.shape
    ring = np.arange(sites)
    matrix = jnp.zeros((sites, n, sites, n), bands.dtype)
    for o in range(offsets):
        here = (ring[:, None] + o - offsets // 2) % sites == ring[None, :]
        entries = jnp.moveaxis(bands[o], -1, 0)[:, :, None, :]
        matrix = matrix + jnp.where(jnp.asarray(here)[:, None, :, None], entries, 0)
    return matrix.reshape(sites * n, sites * n)


def _identity_sites(bands: Array, count: int) -> Array:
    """Bands of sites without neighbours whose unknowns equal their right-hand sides."""
    offsets, n = bands.shape[:2]
    unit = np.zeros((offsets, n, n, 1))
    unit[offsets // 2, :, :, 0] = np.eye(n)
    return jnp.broadcast_to(jnp.asarray(unit, bands.dtype), (offsets, n, n, count))


def _blocks(bands: Array) -> tuple[Array, Array, Array]:
    """A, B, C: (k, k, N/w) with k = w n, of a number of sites that w divides; row s n + a."""
    offsets, n, _, sites = bands.shape
    w = offsets // 2
    if w == 1:
        return bands[0], bands[1], bands[2]
    split = bands.reshape(offsets, n, n, sites // w, w)
    nothing = jnp.zeros_like(split[0, ..., 0])

    def block(shift: int) -> Array:
        def entry(s: int, other: int) -> Array:
            o = other - s + shift
            return split[o, ..., s] if 0 <= o < offsets else nothing

        rows = [jnp.concatenate([entry(s, other) for other in range(w)], 1) for s in range(w)]
        return jnp.concatenate(rows)

    return block(0), block(w), block(2 * w)


def _times(x: Array, y: Array) -> Array:
    """The products of (a, b, m) and (b, c, m), block by block: (a, c, m)."""
    terms = [x[:, b, None] * y[None, b] for b in range(x.shape[1])]
    return sum(terms[1:], start=terms[0])


# --- reduction --------------------------------------------------------------------------------


def _chunk_length(blocks: int) -> int:
    """Blocks to a chunk, so that few reductions with like chunks lead to one block."""
    reductions = 1
    while blocks ** (1 / reductions) > _LONGEST_CHUNK:
        reductions += 1
    return max(2, ceil(blocks ** (1 / reductions)))


def _chunks(x: Array, length: int) -> Array:
    """(..., V U) as (V, ..., U): block v of chunk u."""
    return jnp.moveaxis(x.reshape(*x.shape[:-1], -1, length), -1, 0)


def _last(first: Array, others: Array, blocks: int) -> Array:
    """Of (..., U) and (V-1, ..., U), the last real block of the chunk before each one."""
    place = blocks - 1 - (1 + others.shape[0]) * (others.shape[-1] - 1)
    block = first if place == 0 else others[place - 1]
    return jnp.concatenate([block[..., -1:], others[-1, ..., :-1]], axis=-1)


def _factor_blocks(a: Array, b: Array, c: Array) -> tuple[tuple[_Level, ...], Array]:
    """Reductions to one block, and the inverse of what is left of that."""
    k = b.shape[0]
    levels: list[_Level] = []
    while b.shape[-1] > 1:
        blocks = b.shape[-1]
        length = _chunk_length(blocks)
        a, b, c = (_chunks(x, length) for x in _filled(a, b, c, -blocks % length))
        before, after = a[0], c[0]
        unit = jnp.broadcast_to(jnp.eye(k, dtype=b.dtype)[:, :, None], before.shape)
        nothing = jnp.zeros_like(unit)
        start = (nothing, -unit, unit, nothing)
        (_, _, right, left), rows = jax.lax.scan(_eliminate, start, (a[1:], b[1:], c[1:]))
        level = _Level(rows[0], rows[1], rows[2], rows[3], rows[4], before, after)
        levels.append(level)
        last_ahead = _last(nothing, level.ahead, blocks)
        b = b[0] - _times(before, last_ahead) - _times(after, left)
        a = -_times(before, _last(-unit, level.behind, blocks))
        c = _times(after, right)
    return tuple(levels), _inverse(a + b + c)[:, :, 0]


def _eliminate(carry: tuple[Array, ...], row: tuple[Array, ...]) -> tuple[Any, Any]:
    """The next block of every chunk: what `_Level` keeps of it."""
    ahead, behind, weight, left = carry
    a, b, c = row
    inverse = _inverse(b - _times(a, ahead))
    carried = _times(inverse, a)
    ahead, behind = _times(inverse, c), -_times(carried, behind)
    left = left + _times(weight, behind)
    kept = (inverse, carried, ahead, behind, weight)
    return (ahead, behind, -_times(weight, ahead), left), kept


def _filled(a: Array, b: Array, c: Array, count: int) -> tuple[Array, Array, Array]:
    """With `count` blocks more at the end, each equal to the one after it."""
    if count == 0:
        return a, b, c
    blocks = b.shape[-1]
    more = jnp.arange(blocks + count)[None, None, :] >= blocks
    unit = jnp.eye(b.shape[0], dtype=b.dtype)[:, :, None]
    a, b, c = (jnp.pad(x, ((0, 0), (0, 0), (0, count))) for x in (a, b, c))
    return a, jnp.where(more, unit, b), jnp.where(more, -unit, c)


def _solve_columns(factored: Factored, right: Array) -> Array:
    """x of several right-hand sides at once: (n, columns, N), without any border."""
    n, columns, sites = right.shape
    w = factored.width
    if w == 0:
        return _times(factored.dense, right)
    f = jnp.pad(right, ((0, 0), (0, 0), (0, -sites % w))) if sites % w else right
    if w > 1:
        f = jnp.moveaxis(f.reshape(n, columns, -1, w), -1, 0).reshape(w * n, columns, -1)
    x = _solve_levels(factored.levels, factored.dense, f)
    if w > 1:
        x = jnp.moveaxis(x.reshape(w, n, columns, -1), 0, -1).reshape(n, columns, -1)
    return x[..., :sites]


def _solve_levels(levels: tuple[_Level, ...], dense: Array, f: Array) -> Array:
    """x: (k, columns, blocks) of a block tridiagonal system."""
    if not levels:
        return _solve_dense(dense, f)
    level, blocks = levels[0], f.shape[-1]
    length = 1 + level.ahead.shape[0]
    f = _chunks(jnp.pad(f, ((0, 0), (0, 0), (0, -blocks % length))), length)
    nothing = jnp.zeros_like(f[0])

    def forward(carry: tuple[Array, Array], row: tuple[Array, ...]) -> tuple[Any, Array]:
        g, first = carry
        inverse, carried, weight, own = row
        g = _times(inverse, own) - _times(carried, g)
        return (g, first + _times(weight, g)), g

    down = (level.inverse, level.carried, level.weight, f[1:])
    (_, first), g = jax.lax.scan(forward, (nothing, nothing), down)
    last = _last(nothing, g, blocks)
    rest = f[0] - _times(level.before, last) - _times(level.after, first)
    apart = _solve_levels(levels[1:], dense, rest)

    def backward(x: Array, row: tuple[Array, ...]) -> tuple[Array, Array]:
        ahead, behind, own = row
        x = own - _times(behind, apart) - _times(ahead, x)
        return x, x

    up = (level.ahead, level.behind, g)
    _, inner = jax.lax.scan(backward, jnp.roll(apart, -1, axis=-1), up, reverse=True)
    x = jnp.moveaxis(jnp.concatenate([apart[None], inner]), 0, -1)
    return x.reshape(*x.shape[:2], -1)[..., :blocks]


def _solve_dense(inverse: Array, right: Array) -> Array:
    """x: (k, columns, blocks) from the inverse of the matrix of all blocks."""
    k, columns, blocks = right.shape
    flat = jnp.moveaxis(right, -1, 0).reshape(blocks * k, columns)
    x = _product("ij,jk->ik", inverse, flat)
    return jnp.moveaxis(x.reshape(blocks, k, columns), 0, -1)


def _product(indices: str, x: Array, y: Array) -> Array:
    """A contraction in the full precision of the operands."""
    return jnp.einsum(indices, x, y, precision=jax.lax.Precision.HIGHEST)


def _factor_bordered(bands: Array, spare: int) -> Factored:
    """A ring whose last `spare` < w sites are set apart, so that the others divide into blocks.

    The sites on either side of the gap stay neighbours, only nearer than they seem: their offsets
    are those counted without the gap.
    """
    offsets, n, _, sites = bands.shape
    w, inner = offsets // 2, sites - spare
    main = jnp.zeros((offsets, n, n, inner), bands.dtype)
    ring = np.arange(sites)
    border_rows = jnp.zeros((spare, n, n, sites), bands.dtype)
    columns = jnp.zeros((n, sites, spare, n), bands.dtype)
    for o in range(offsets):
        neighbour = (ring + o - w) % sites
        # Rows of the border, and columns of it.
        for s in range(spare):
            j = inner + s
            border_rows = border_rows.at[s, :, :, neighbour[j]].add(bands[o, :, :, j])
            (row,) = np.nonzero(neighbour == j)
            columns = columns.at[:, row, s].add(jnp.moveaxis(bands[o][..., row], -1, 1))
        # The others, over the gap or not.
        for gap in (-spare, 0, spare):
            place = (ring + o - w) // sites
            keep = (ring < inner) & (neighbour < inner) & (-spare * place == gap)
            if not 0 <= o + gap < offsets or not keep.any():
                continue
            kept = jnp.where(jnp.asarray(keep[:inner])[None, None], bands[o, ..., :inner], 0)
            main = main.at[o + gap].add(kept)
    levels, dense = _factor_blocks(*_blocks(main))
    plain = Factored(levels, dense, None, inner, w)
    from_border = columns[:, :inner].reshape(n, inner, spare * n)
    influence = jnp.moveaxis(_solve_columns(plain, jnp.moveaxis(from_border, -1, 1)), 1, -1)
    rows = border_rows.reshape(spare * n, n, sites)
    to_border = rows[..., :inner]
    corner = jnp.moveaxis(rows[..., inner:], 1, 2).reshape(spare * n, spare * n)
    schur = jnp.linalg.inv(corner - _product("rbj,bjs->rs", to_border, influence))
    return Factored(levels, dense, _Border(to_border, influence, schur), sites, w)


# --- small inverses ---------------------------------------------------------------------------


def _inverse(b: Array) -> Array:
    """The inverse of each block: (k, k, m). Up to k = 4 by cofactors, which need no pivots."""
    k = b.shape[0]
    if k == 1:
        return 1 / b
    if k == 2:
        cofactors = ((b[1, 1], -b[0, 1]), (-b[1, 0], b[0, 0]))
        adjugate = jnp.stack([jnp.stack(row) for row in cofactors])
        return adjugate / (b[0, 0] * b[1, 1] - b[0, 1] * b[1, 0])[None, None]
    if k > _LARGEST_CLOSED_FORM:
        return jnp.moveaxis(jnp.linalg.inv(jnp.moveaxis(b, -1, 0)), 0, -1)
    # Rows and columns of size 1, so that products of four entries stay within range.
    rows = 1 / jnp.max(jnp.abs(b), axis=1)
    b = b * rows[:, None]
    columns = 1 / jnp.max(jnp.abs(b), axis=0)
    b = b * columns[None]
    adjugate = _adjugate3(b) if k == 3 else _adjugate4(b)
    determinant = jnp.sum(adjugate[0] * b[:, 0], axis=0)
    return adjugate / determinant[None, None] * columns[:, None] * rows[None]


def _adjugate3(b: Array) -> Array:
    """Transposed cofactors of 3 x 3 blocks."""

    def cofactor(i: int, j: int) -> Array:
        p, q, r, s = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
        return b[p, r] * b[q, s] - b[p, s] * b[q, r]

    return jnp.stack([jnp.stack([cofactor(i, j) for i in range(3)]) for j in range(3)])


def _adjugate4(b: Array) -> Array:
    """Transposed cofactors of 4 x 4 blocks, from the minors of the upper and the lower rows."""
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]

    def minors(p: int, q: int) -> dict[tuple[int, int], Array]:
        return {(i, j): b[p, i] * b[q, j] - b[p, j] * b[q, i] for i, j in pairs}

    upper, lower = minors(0, 1), minors(2, 3)

    def cofactor(i: int, j: int) -> Array:
        across = lower if i < 2 else upper
        row = (1 - i) if i < 2 else (5 - i)
        x, y, z = (c for c in range(4) if c != j)
        minor = b[row, x] * across[y, z] - b[row, y] * across[x, z] + b[row, z] * across[x, y]
        return minor if (i + j) % 2 == 0 else -minor

    return jnp.stack([jnp.stack([cofactor(i, j) for i in range(4)]) for j in range(4)])
