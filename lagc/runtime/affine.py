"""Models whose forces and momenta are affine in q and q': steps as powers of one matrix.

The step is (q, pi) -> T (q, pi) + g_n. T is found once; what it does over k steps is its power. A
long run goes from block to block of steps by the power of a whole block, and from the start of each
block to its steps by the lower powers, all blocks side by side. T, its powers and the starts of
blocks are kept to twice the digits, so that nothing adds up along the run but the rounding of what
is put out.

Measured (two cores, x86-64, float64): a damped oscillator with r = 2, every step kept, costs some
15 ns a step where an iteration costs 400 (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from functools import lru_cache, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.runtime.doubled import (
    Doubled,
    add,
    exact,
    matrix_product,
    multiply,
    negative,
    quotient,
)
from lagc.runtime.equations import StepData, StepEquations
from lagc.runtime.linear import inverse, times
from lagc.runtime.linear import matrix_product as plain_product
from lagc.runtime.linearised import linear_step
from lagc.runtime.tableau import tableau

SHORT = 128  # steps up to which T is simply applied again and again
_FEW_NODES = 3  # interior nodes up to which T to plain precision is good enough for so few steps
_DIGITS = 40


class StepMap(NamedTuple):
    """T: (2 dof, 2 dof, *L), J^-1 of the step: (n, n, *L), and whether T solves the equations to
    round-off: (*L)."""

    matrix: Doubled
    inverse: jax.Array
    good: jax.Array


@lru_cache(maxsize=64)
def _constants(r: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Products of the tableau to twice the digits, each (rows of R, unknown or node): `force`
    w_i delta_ik, `drag` w_i D_ik, `shift` w_k D_ki, `kinetic` sum_j w_j D_ji D_jk; and (node,):
    `weights` w_k, `slopes` sum_i w_i D_ik."""
    table = tableau(r)
    with localcontext() as context:
        context.prec = _DIGITS

        def long(high: Any, low: Any) -> Any:
            pairs = zip(high.flat, low.flat, strict=True)
            numbers = [Decimal(float(x)) + Decimal(float(y)) for x, y in pairs]
            return np.array(numbers, dtype=object).reshape(high.shape)

        w = long(table.weights, table.weights_low)
        d = long(table.differentiation, table.differentiation_low)
        products = {
            "force": np.diag(w) + Decimal(0),
            "drag": w[:, None] * d,
            "shift": (w[:, None] * d).T,
            "kinetic": d.T @ (w[:, None] * d),
            "weights": w,
            "slopes": (w[:, None] * d).sum(axis=0),
        }

        def split(x: Any) -> tuple[np.ndarray, np.ndarray]:
            high = x.astype(np.float64)
            low = x - np.array([Decimal(float(y)) for y in high.flat], dtype=object).reshape(
                x.shape
            )
            return high, low.astype(np.float64)

        return {name: split(x) for name, x in products.items()}


def is_short(r: int, steps: int) -> bool:
    """Whether T is taken to plain precision and applied step by step, which costs least for batches
    of short runs; the condition of the equations of a step grows with its nodes."""
    return steps <= SHORT and r <= _FEW_NODES


def find_map(
    equations: StepEquations, blocks: Sequence[jax.Array], h: jax.Array, short: bool
) -> StepMap:
    """T from the blocks (a_q, a_v, b_q, b_v), each (dof, dof, *L), and the step (*L). Where these
    are not finite, or so large that T would not be, free motion stands in, so that derivatives with
    respect to what all members share stay finite."""
    limit = jnp.sqrt(jnp.finfo(h.dtype).max) / 64
    fine = jnp.abs(h) < limit
    for block in blocks:
        fine = fine & jnp.all(jnp.abs(block) < limit, axis=(0, 1))
    *forces, b_v = blocks
    unit = jnp.eye(len(b_v), dtype=h.dtype).reshape(b_v.shape[:2] + (1,) * fine.ndim)
    free = (*(jnp.where(fine, block, 0) for block in forces), jnp.where(fine, b_v, unit))
    find = short_map if short else step_map
    found = find(equations, free, jnp.where(fine, h, 1))
    return found._replace(good=found.good & fine)


def step_map(equations: StepEquations, blocks: tuple[jax.Array, ...], h: jax.Array) -> StepMap:
    """T to twice the digits."""
    a_q, a_v, b_q, b_v = blocks
    dof, lanes = a_q.shape[0], a_q.shape[2:]
    s = equations.method.s
    n = dof * (s - 1)
    dtype = a_q.dtype
    h = jnp.broadcast_to(h, lanes)
    half, double = exact(h / 2), quotient(jnp.asarray(2, dtype), h)

    def spread(name: str, block: jax.Array, columns: slice) -> Doubled:
        """constant (i, k) times block (a, b): (a, i, b, k, *L)."""
        high, low = (c[:-1, columns] for c in _constants(s - 2)[name])
        shape = (1, high.shape[0], 1, high.shape[1]) + (1,) * len(lanes)
        constant = _doubled(high, low, dtype, shape)
        return multiply(constant, exact(block[:, None, :, None]))

    def assembled(columns: slice) -> Doubled:
        parts = add(spread("drag", a_v, columns), spread("shift", b_q, columns))
        parts = add(parts, multiply(_behind(half, 4), spread("force", a_q, columns)))
        return add(parts, multiply(_behind(double, 4), spread("kinetic", b_v, columns)))

    def square(x: Doubled, columns: int) -> Doubled:
        return Doubled(*(y.reshape((n, columns, *lanes)) for y in x))

    jacobian = square(assembled(slice(1, None)), n)
    # q moves all nodes together: the columns of all nodes, the first included, add up.
    start = square(assembled(slice(0, 1)), dof)
    unit = jnp.eye(n, dtype=dtype).reshape((n, n) + (1,) * len(lanes))
    entries = np.repeat(np.eye(dof), s - 1, axis=0).reshape((n, dof) + (1,) * len(lanes))
    together = exact(jnp.broadcast_to(jnp.asarray(entries, dtype), (n, dof, *lanes)))
    by_q = add(start, matrix_product(jacobian, together))
    by_p = exact(jnp.broadcast_to(unit[:, :: s - 1], (n, dof, *lanes)))
    right = negative(
        Doubled(*(jnp.concatenate([x, y], axis=1) for x, y in zip(by_q, by_p, strict=True)))
    )
    inverted = inverse(jacobian.high)
    solution = exact(plain_product(inverted, right.high))
    for _ in range(2):
        residual = add(right, negative(matrix_product(jacobian, solution)))
        solution = add(solution, exact(plain_product(inverted, residual.high)))
    # Impulse: (h/2) sum_i w_i a_i, with a = a_q (q + U) + a_v V.
    moment_q, moment_u = _impulse(equations, a_q, a_v, half, dtype, lanes)
    position = Doubled(*(x[s - 2 :: s - 1] for x in solution))
    momentum = matrix_product(moment_u, solution)
    momentum = add(momentum, _padded(moment_q, dof))
    eye = jnp.eye(2 * dof, dtype=dtype).reshape((2 * dof, 2 * dof) + (1,) * len(lanes))
    whole = Doubled(*(jnp.concatenate([x, y]) for x, y in zip(position, momentum, strict=True)))
    matrix = add(whole, exact(jnp.broadcast_to(eye, whole.high.shape)))
    left = jnp.max(jnp.abs(residual.high), axis=(0, 1))
    scale = jnp.max(jnp.abs(right.high), axis=(0, 1))
    good = left <= jnp.finfo(dtype).eps ** (2 / 3) * scale
    return StepMap(matrix, inverted, good & jnp.all(jnp.isfinite(matrix.high), axis=(0, 1)))


def short_map(equations: StepEquations, blocks: tuple[jax.Array, ...], h: jax.Array) -> StepMap:
    """T to plain precision, for runs that are short."""
    s = equations.method.s
    spread = tuple(jnp.broadcast_to(b[:, :, None], (*b.shape[:2], s, *b.shape[2:])) for b in blocks)
    step = linear_step(equations, spread, jnp.broadcast_to(h, blocks[0].shape[2:]))
    matrix = step.transition()
    good = jnp.all(jnp.isfinite(matrix), axis=(0, 1))
    return StepMap(exact(matrix), step.inverse, good)


def _doubled(high: Any, low: Any, dtype: Any, shape: tuple[int, ...]) -> Doubled:
    """Constants known to twice the digits of float64, as Doubled of `dtype`."""
    rounded = high.astype(dtype)
    rest = (high - rounded.astype(np.float64)) + low
    return Doubled(jnp.asarray(rounded).reshape(shape), jnp.asarray(rest, dtype).reshape(shape))


def _behind(x: Doubled, axes: int) -> Doubled:
    """(*L) with `axes` axes in front."""
    return Doubled(*(y.reshape((1,) * axes + y.shape) for y in x))


def _impulse(
    equations: StepEquations, a_q: jax.Array, a_v: jax.Array, half: Doubled, dtype: Any, lanes: Any
) -> tuple[Doubled, Doubled]:
    """d(impulse)/dq: (dof, dof, *L), d(impulse)/dU: (dof, n, *L)."""
    s, dof = equations.method.s, a_q.shape[0]
    constants, shape = _constants(s - 2), (1, 1, s) + (1,) * len(lanes)
    weights = _doubled(*constants["weights"], dtype, shape)
    by_node = multiply(_behind(half, 3), multiply(weights, exact(a_q[:, :, None])))  # (a, b, k, *L)
    slopes = _doubled(*constants["slopes"], dtype, shape)
    by_u = add(by_node, multiply(slopes, exact(a_v[:, :, None])))
    flat = Doubled(*(x[:, :, 1:].reshape((dof, dof * (s - 1), *x.shape[3:])) for x in by_u))
    # A shift of q moves every node: w adds up to 2.
    total = multiply(_behind(half, 2), exact(2 * a_q))
    return total, flat


def _padded(x: Doubled, columns: int) -> Doubled:
    def widen(y: jax.Array) -> jax.Array:
        return jnp.concatenate([y, jnp.zeros_like(y[:, :columns])], axis=1)

    return Doubled(widen(x.high), widen(x.low))


def forced_part(equations: StepEquations, inverted: jax.Array, x: StepData) -> jax.Array:
    """g = (q', pi') from rest at the origin: (2 dof, *M), with x over lanes *M and inverted there
    too, ones where shared."""
    dof, s = x.q.shape[0], equations.method.s
    rest = jnp.zeros((dof, s - 1, *x.q.shape[1:]), x.q.dtype)
    a, b = equations.forces(rest, x)
    equations_left = equations.balance(a, b, x).reshape((-1, *x.q.shape[1:]))
    u = -times(inverted, equations_left)
    # a is affine, so a second look at it gives the forces at the displacements.
    moved, _ = equations.forces(u.reshape(rest.shape), x)
    return jnp.concatenate([u[s - 2 :: s - 1], equations.impulse(moved, x.h)])


def powers(matrix: Doubled, count: int) -> tuple[Doubled, jax.Array]:
    """matrix^1 .. matrix^count: (count, m, m, *L), and where they are finite: (count, *L). Where
    they are not, the one before stands in."""

    def body(carried: Any, _: None) -> tuple[Any, Any]:
        power, small = carried
        new = matrix_product(matrix, power)
        return (_held(new, power), small & _is_finite(new)), (power, small)

    first = matrix, _is_finite(matrix)
    powers, small = jax.lax.scan(body, first, None, length=count)[1]
    return powers, small


def power(matrix: Doubled, exponent: int) -> tuple[Doubled, jax.Array]:
    """matrix^exponent, exponent >= 1, by squaring, and where it is finite: (*L)."""
    result, square = None, matrix
    small = _is_finite(matrix)

    def product(a: Doubled, b: Doubled) -> Doubled:
        nonlocal small
        new = matrix_product(a, b)
        small = small & _is_finite(new)
        return _held(new, b)

    while exponent:
        if exponent % 2:
            result = square if result is None else product(square, result)
        exponent //= 2
        if exponent:
            square = product(square, square)
    assert result is not None
    return result, small


def propagate(
    matrix: Doubled, z: Doubled, gained: jax.Array | None, steps: int, short: bool
) -> tuple[jax.Array, Doubled, jax.Array]:
    """z after each of `steps` steps: (steps, m, *L), the last one to twice the digits, and where it
    is finite: (steps, *L). All numbers stay finite, so that their derivatives do.

    z: (m, *L); gained: g_n, (steps or 1, m, *L), or None where nothing forces.
    """
    if short:
        return _one_by_one(matrix.high, z, gained, steps)
    block = round(steps**0.5)
    count = -(-steps // block)
    tower, small = powers(matrix, block)
    extra = None
    if gained is not None:
        extra = _gained_within(matrix.high, gained, block, count)
    last = Doubled(tower.high[-1], tower.low[-1])

    def body(z: Doubled, gained: Any) -> tuple[Doubled, Doubled]:
        new = _apply(last, z)
        new = new if gained is None else add(new, exact(gained))
        return _held(new, z), z

    per_block = None
    if extra is not None:
        ends = extra[:, -1]
        per_block = jnp.broadcast_to(ends, (count, *ends.shape[1:]))
    _, starts = jax.lax.scan(body, z, per_block, length=count)
    m = matrix.high.shape[0]
    inside = sum(
        (tower.high[None, :, :, j] * starts.high[:, None, j, None] for j in range(1, m)),
        tower.high[None, :, :, 0] * starts.high[:, None, 0, None],
    )
    if extra is not None:
        inside = inside + extra
    found = jnp.all(jnp.isfinite(inside), axis=2) & small[None]
    inside = jnp.where(found[:, :, None], inside, 0)
    path = inside.reshape((count * block, *inside.shape[2:]))[:steps]
    found = found.reshape((count * block, *found.shape[2:]))[:steps]
    # The end of the run to twice the digits, for what comes after it.
    rest = steps - (count - 1) * block
    final = _apply(
        Doubled(tower.high[rest - 1], tower.low[rest - 1]),
        Doubled(starts.high[-1], starts.low[-1]),
    )
    if extra is not None:
        final = add(final, exact(extra[-1, rest - 1]))
    return path, _held(final, exact(jnp.zeros_like(final.high))), found


def _held(new: Doubled, old: Doubled) -> Doubled:
    """`new`, or `old` where that is not finite."""
    fine = jnp.isfinite(new.high) & jnp.isfinite(new.low)
    return Doubled(jnp.where(fine, new.high, old.high), jnp.where(fine, new.low, old.low))


def _is_finite(matrix: Doubled) -> jax.Array:
    """(m, m, *L) to (*L)."""
    return jnp.all(jnp.isfinite(matrix.high) & jnp.isfinite(matrix.low), axis=(0, 1))


def _apply(matrix: Doubled, z: Doubled) -> Doubled:
    product = matrix_product(matrix, Doubled(z.high[:, None], z.low[:, None]))
    return Doubled(product.high[:, 0], product.low[:, 0])


def _one_by_one(
    matrix: jax.Array, z: Doubled, gained: jax.Array | None, steps: int
) -> tuple[jax.Array, Doubled, jax.Array]:
    constant = gained is not None and gained.shape[0] == 1
    shared = gained[0] if gained is not None and constant else None

    m = matrix.shape[0]
    entries = [[matrix[i, j] for j in range(m)] for i in range(m)]

    # Row by row, so that the reverse mode puts nothing together at every step. A state that is not
    # finite is not reached.
    def body(z: list[jax.Array], g: Any) -> tuple[list[jax.Array], Any]:
        terms = [[t * y for t, y in zip(row, z, strict=True)] for row in entries]
        new = [sum(row[1:], row[0]) for row in terms]
        g = shared if shared is not None else g
        if g is not None:
            new = [y + g[i] for i, y in enumerate(new)]
        fine = [jnp.isfinite(y) for y in new]
        held = [jnp.where(f, y, old) for f, y, old in zip(fine, new, z, strict=True)]
        return held, (held, reduce(jnp.logical_and, fine))

    each = gained if gained is not None and not constant else None
    start = z.high + z.low
    shape = jnp.broadcast_shapes(start.shape, (m, *matrix.shape[2:]))
    if gained is not None:
        shape = jnp.broadcast_shapes(shape, gained.shape[1:])
    start = jnp.broadcast_to(start, shape)
    end, (path, found) = jax.lax.scan(body, list(start), each, length=steps)
    return jnp.stack(path, axis=1), exact(jnp.stack(end)), found


def _gained_within(matrix: jax.Array, gained: jax.Array, block: int, count: int) -> jax.Array:
    """What forces alone add up to within each block: (count or 1, block, m, *L)."""
    if gained.shape[0] == 1:
        shaped = jnp.broadcast_to(gained[None], (1, block, *gained.shape[1:]))
    else:
        missing = count * block - gained.shape[0]
        padding = jnp.zeros((missing, *gained.shape[1:]), gained.dtype)
        shaped = jnp.concatenate([gained, padding]).reshape((count, block, *gained.shape[1:]))
    over = matrix[:, :, None]  # blocks side by side, in front of the lanes
    steps = jnp.moveaxis(shaped, (1, 2), (0, 1))  # (block, m, count, *L)

    def body(z: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
        new = times(over, z) + g
        return jnp.where(jnp.isfinite(new), new, z), new

    _, path = jax.lax.scan(body, jnp.zeros_like(steps[0]), steps)
    return jnp.moveaxis(path, (0, 1), (1, 2))
