"""What emitted node functions call besides jax.numpy: assembling results, functions that
jax.numpy lacks, derivatives of neural terms, and on a lattice values at neighbouring sites.

On a lattice of N sites a density is computed at `count` sites from the `start`-th on, as an array
(count, ...) of the sites in front and the axes of `like` behind. Sites are counted on round the
ring; the densities of a lattice with ends never ask for a site that does not exist.
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


# --- lattices --------------------------------------------------------------------------------


def field_at(x: jax.Array, field: int, size: int, start: int, count: int) -> jax.Array:
    """Values of a field at some sites. x: (fields*size, ...), field by field -> (count, ...)."""
    return _window(x[field * size : (field + 1) * size], start, count)


def values_at(x: jax.Array, like: jax.Array, size: int, start: int, count: int) -> jax.Array:
    """Values of a coefficient at some sites.

    x: () if it is the same everywhere; (size,); or (size, ...) with the axes of `like` behind, of
    which any may be 1. Returns () or (count, ...).
    """
    x = _along_sites(x, like)
    return _window(x, start, count) if _varies(x, size) else x


def held(x: jax.Array, start: int, count: int) -> jax.Array:
    """Values that are computed once and taken several times, those round a ring with some of the
    sites beyond its ends (start <= 0): (size, ...) -> (count, ...)."""
    return _around(x, -start, count + start - x.shape[0])


def field_around(x: jax.Array, field: int, size: int, before: int, behind: int) -> jax.Array:
    """A field of a ring with some of the sites beyond its ends: (before + size + behind, ...)."""
    return _around(x[field * size : (field + 1) * size], before, behind)


def values_around(x: jax.Array, like: jax.Array, size: int, before: int, behind: int) -> jax.Array:
    """A coefficient as in `values_at` with sites beyond the ends of a ring, where it varies."""
    x = _along_sites(x, like)
    return _around(x, before, behind) if _varies(x, size) else x


def values_from(x: jax.Array, size: int, start: int) -> jax.Array:
    """The values at `size` sites out of those of `values_around`, where they vary."""
    return x[start : start + size] if _varies(x, size) else x


def _along_sites(x: jax.Array, like: jax.Array) -> jax.Array:
    return x.reshape(-1, *[1] * like.ndim) if jnp.ndim(x) == 1 else x


def _varies(x: jax.Array, size: int) -> bool:
    return jnp.ndim(x) > 0 and (x.shape[0] > 1 or size == 1)


def _around(x: jax.Array, before: int, behind: int) -> jax.Array:
    """(size, ...) -> (before + size + behind, ...), round the ring.

    Behind a barrier: put together once and read at all neighbours, instead of anew for each of
    them (on a CPU 10 to 15 % of a sweep).
    """
    wide = x
    if before or behind:
        wide = jnp.concatenate([x[x.shape[0] - before :], x, x[:behind]])
    result: jax.Array = jax.lax.optimization_barrier(wide)
    return result


def everywhere(x: jax.Array, like: jax.Array) -> jax.Array:
    """A value that is the same at all sites: () as it is, (...) with one axis for the sites."""
    return x if jnp.ndim(x) == 0 else x.reshape(1, *[1] * (like.ndim - x.ndim), *x.shape)


def site_numbers(
    like: jax.Array, first: int, ring: int | None, start: int, count: int
) -> jax.Array:
    """The numbers of some sites: (count, 1, ..., 1); `ring` is the size of a periodic lattice."""
    numbers = jnp.arange(count, dtype=like.dtype)
    if ring is None:
        numbers = numbers + (first + start)
    else:  # a remainder would be no vector instruction
        start %= ring
        numbers = numbers + jnp.where(numbers < ring - start, first + start, first + start - ring)
    return numbers.reshape(-1, *[1] * like.ndim)


def at_all_sites(like: jax.Array, size: int, x: Any) -> jax.Array:
    """A function of the site, a number or (size, 1, ...), as an array (size, ...)."""
    return jnp.broadcast_to(jnp.asarray(x, like.dtype), (size, *like.shape))


def total(like: jax.Array, x: Any, count: int) -> jax.Array:
    """The sum of a density over its sites: a number or (count, ...) -> (...)."""
    return jnp.sum(at_all_sites(like, count, x), axis=0)


Part = tuple[int, int, int, Any]  # row, start, count and the values at these sites


def lattice_vector(like: jax.Array, fields: int, size: int, parts: Sequence[Part]) -> jax.Array:
    """Contributions to a vector: (fields*size, ...), field by field."""
    rows = _rows(like, fields, size, parts)
    return jnp.concatenate(rows) if fields > 1 else rows[0]


def lattice_bands(like: jax.Array, shape: tuple[int, ...], parts: Sequence[Part]) -> jax.Array:
    """Contributions to bands: shape (2w+1, fields, fields, size) -> (2w+1, fields, fields, size,
    ...); the entry [o, f, g, j] is by the field g at the site j + o - w."""
    *rows, size = shape
    flat = jnp.stack(_rows(like, rows[0] * rows[1] * rows[2], size, parts))
    return flat.reshape(*shape, *like.shape)


def _rows(like: jax.Array, count: int, size: int, parts: Sequence[Part]) -> list[jax.Array]:
    """One array (size, ...) a row: the sum of what is added at each site, zero elsewhere."""
    windows: list[dict[tuple[int, int], jax.Array]] = [{} for _ in range(count)]
    for row, start, length, x in parts:
        values = at_all_sites(like, length, x)
        key, found = (start, length), windows[row]
        found[key] = found[key] + values if key in found else values
    return [_joined(like, size, found) for found in windows]


def _joined(like: jax.Array, size: int, windows: dict[tuple[int, int], jax.Array]) -> jax.Array:
    """Values at stretches of sites, (start, length), one behind the other; others are added."""
    pieces: list[jax.Array] = []
    others: list[jax.Array] = []
    end = 0

    def skip(to: int) -> None:
        if to > end:
            pieces.append(jnp.zeros((to - end, *like.shape), like.dtype))

    for (start, length), values in windows.items():
        if end <= start and start + length <= size:
            skip(start)
            pieces.append(values)
            end = start + length
        else:
            others.append(_embed(values, start, length, size))
    skip(size)
    joined = pieces[0] if len(pieces) == 1 else jnp.concatenate(pieces)
    return sum(others, joined)


def _window(x: jax.Array, start: int, count: int) -> jax.Array:
    """The values at some sites of a lattice: (size, ...) -> (count, ...)."""
    size = x.shape[0]
    start %= size
    beyond = start + count - size
    if beyond <= 0:
        return x[start : start + count]
    # Padded parts rather than `jnp.roll`, because XLA fuses them with what is computed from them
    # (more than twice as fast for batches on a CPU).
    return _padded(x[start:], 0, beyond) + _padded(x[:beyond], size - start, 0)


def _embed(x: jax.Array, start: int, count: int, size: int) -> jax.Array:
    """Values at some sites, zero at all others: (count, ...) -> (size, ...)."""
    start %= size
    beyond = start + count - size
    if beyond <= 0:
        return _padded(x, start, -beyond)
    inside = count - beyond
    return _padded(x[:inside], start, 0) + _padded(x[inside:], 0, size - beyond)


def _padded(x: jax.Array, before: int, behind: int) -> jax.Array:
    """Zeros put before and behind along the first axis."""
    if not before and not behind:
        return x
    return jnp.pad(x, [(before, behind), *[(0, 0)] * (x.ndim - 1)])
