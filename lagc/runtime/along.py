"""Tangents along steps that are known: one linear system, solved step by step or, transposed, back.

With (q_n, pi_n) the start of step n, u_n its displacements and c what acts on it (coefficients,
inputs, times), tangents obey

    J du_n + S dq_n + E dpi_n + R_c dc = 0      dq_{n+1} - dq_n - (du_n at the end) = 0
                                                dpi_{n+1} - dpi_n - m_q dq_n - m_u du_n - m_c dc = 0

with the matrices of `linearised.LinearStep`. jax is told that this is a linear system, with the
start and dc on its right side, and how it is solved; so every derivative rule follows: reverse mode
goes back along the steps, and a second derivative differentiates the equations themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from lagc.runtime.equations import StepData
from lagc.runtime.fused import LARGEST, VECTOR, as_one_function
from lagc.runtime.linear import UNROLLED
from lagc.runtime.linearised import (
    displacements,
    displacements_back,
    linear_step,
    state,
    state_back,
)
from lagc.runtime.steps import Machine, fit

_MOST = 16384  # entries of what one function moves; for more XLA takes threads, and breaks down


class Known(NamedTuple):
    """Solved steps: their data, displacements (d, r+1, N, *L), where they are solved (N, *L), and
    M^-1 where constant, with ones for the steps."""

    x: StepData
    u: Array
    good: Array
    mass_inverse: Array | None


Acting = dict[tuple[str, str], Any]  # some of what acts on steps, by field of `StepData` and name


class Tangents(NamedTuple):
    """Of (q, pi) at the N+1 ends of steps: (N+1, 2 d, *L), of the displacements: (N, n, *L), and
    of what acts on the steps, as it stands in their data."""

    z: Array
    u: Array
    acting: Acting


def tangents_along(
    machine: Machine, known: Known, start: tuple[Array, Array], acting: Acting
) -> Tangents:
    """The tangents of the path, given those of (q, pi) at its start and of what acts on it."""
    first = jnp.concatenate(start)
    d, nodes, count = known.u.shape[:3]
    # Zeros that depend on the tangents, as jax asks of every right side.
    beyond = [(0, 0, 0)] * (first.ndim - 1)
    z = jax.lax.pad(first[None], jnp.zeros((), first.dtype), [(0, count, 0), (0, 0, 0), *beyond])
    u = jax.lax.pad(z[:0, :0], jnp.zeros((), z.dtype), [(0, count, 0), (0, d * nodes, 0), *beyond])

    def left(y: Tangents) -> Tangents:
        return _tied(_equations(machine, known, y), known)

    solved: Tangents = jax.lax.custom_linear_solve(
        left,
        _tied(Tangents(z, u, acting)),
        lambda _, right: _solve(machine, known, right, False),
        lambda _, right: _solve(machine, known, right, True),
    )
    return _tied(solved)


# jax's rules for derivatives of a linear solve want a right side that is made of tangents alone,
# and fail where one of its arrays has no tangent, or a cotangent of zero: as in a linear model,
# whose matrices do not depend on the state. This returns its arguments, and nothing is computed
# for it; but to jax all of its results depend on every argument, and so do their derivatives.
_tied_p = Primitive("tied")
_tied_p.multiple_results = True
_tied_p.def_impl(lambda *x: list(x))
_tied_p.def_abstract_eval(lambda *x: list(x))
mlir.register_lowering(_tied_p, lambda _, *x: list(x))
batching.primitive_batchers[_tied_p] = lambda x, axes: (_tied_p.bind(*x), axes)


def _tied_jvp(primals: Any, tangents: Any) -> Any:
    filled = [ad.instantiate_zeros(dx) for dx in tangents]
    return _tied_p.bind(*primals), _tied_p.bind(*filled)


def _tied_transpose(cotangents: Any, *primals: Any) -> Any:
    """Arguments that are not part of the linear map stay tied to the results."""
    linear = [ad.is_undefined_primal(x) for x in primals]
    mixed = [
        ad.instantiate_zeros(ct) if part else x
        for ct, x, part in zip(cotangents, primals, linear, strict=True)
    ]
    return [ct if part else None for ct, part in zip(_tied_p.bind(*mixed), linear, strict=True)]


ad.primitive_jvps[_tied_p] = _tied_jvp
ad.primitive_transposes[_tied_p] = _tied_transpose


def _tied(result: Tangents, *others: Any) -> Tangents:
    """The same tangents, each with a derivative as soon as one of them or of the others has one."""
    leaves, tree = jax.tree_util.tree_flatten(result)
    beside = [x for x in jax.tree_util.tree_leaves(others) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jax.tree_util.tree_unflatten(tree, _tied_p.bind(*leaves, *beside)[: len(leaves)])


def acting_on(x: StepData, names: Iterable[tuple[str, str]]) -> Acting:
    """Some of what acts on steps."""
    return {
        (field, name): getattr(x, field)[name] if name else getattr(x, field)
        for field, name in names
    }


def _with(x: StepData, acting: Acting) -> StepData:
    for (field, name), value in acting.items():
        new: Any = dict(getattr(x, field)) | {name: value} if name else value
        x = x._replace(**{field: new})
    return x


def _shielded(x: StepData, good: Array) -> StepData:
    """No tangent enters a failed step: there 0 times a slope that is not finite would be NaN in the
    derivative with respect to what all trajectories share."""

    def known(value: Array) -> Array:
        return jnp.where(fit(good, value), value, jax.lax.stop_gradient(value))

    moving = (x.t, x.h, x.coefficients, x.inputs)
    t, h, coefficients, inputs = jax.tree_util.tree_map(known, moving)
    return x._replace(t=t, h=h, coefficients=coefficients, inputs=inputs)


def rows_of(
    machine: Machine, x: StepData, u: Array, good: Array, acting: Acting
) -> tuple[Array, Array]:
    """The equations of steps: (n, ...), and what the momentum gains: (d, ...)."""
    eq, here = machine.equations, _shielded(_with(x, acting), good)
    a, b = eq.forces(u, here)
    rows = eq.balance(a, b, here)
    return rows.reshape((-1, *rows.shape[2:])), eq.impulse(a, here.h)


def _equations(machine: Machine, known: Known, y: Tangents) -> Tangents:
    """The left sides."""
    x, u, good, _ = known
    d = x.q.shape[0]
    z, du = jnp.moveaxis(y.z[:-1], 0, 1), jnp.moveaxis(y.u, 0, 1)
    shaped = du.reshape(u.shape)

    def step(q: Array, p: Array, u: Array, acting: Acting) -> Any:
        return rows_of(machine, x._replace(q=q, p=p), u, good, acting)

    at = (x.q, x.p, u, acting_on(x, y.acting))
    _, (rows, gained) = jax.jvp(step, at, (z[:d], z[d:], shaped, y.acting))
    rows = jnp.where(fit(good, du), rows, du)
    moved = jnp.where(fit(good, z), jnp.concatenate([shaped[:, -1], gained]), 0)
    after = y.z[1:] - jnp.moveaxis(z + moved, 1, 0)
    return Tangents(jnp.concatenate([y.z[:1], after]), jnp.moveaxis(rows, 1, 0), y.acting)


def _solve(machine: Machine, known: Known, right: Tangents, back: bool) -> Tangents:
    n, lanes = right.u.shape[1], right.z[0, 0].size
    side_by_side = partial(_side_by_side, machine, back)
    small = n <= UNROLLED and 2 * n * n * lanes <= LARGEST and not machine.equations.model.neural
    moved = max(n + 1, right.z.shape[1]) * right.z.shape[0] * lanes
    if lanes < VECTOR or not small or moved > _MOST:
        return side_by_side(known, right)
    one_by_one = as_one_function(partial(_one_by_one, machine, back), side_by_side)
    solved: Tangents = one_by_one(known, right)
    return solved


def _one_by_one(machine: Machine, back: bool, known: Known, right: Tangents) -> Tangents:
    """Every step made linear when it is its turn, in the cache."""
    eq, (x, u, good, mass) = machine.equations, known
    lanes, count = x.q.ndim - 2, x.q.shape[1]
    if mass is not None:
        mass = jnp.squeeze(mass, mass.ndim - 1 - lanes)

    def along(array: Array) -> bool:
        return array.shape[array.ndim - lanes - 1] > 1 or count == 1

    def in_front(array: Array) -> Array:
        return jnp.moveaxis(array, array.ndim - lanes - 1, 0)

    leaves, tree = jax.tree_util.tree_flatten((x, u, good))
    moving = {i: in_front(a) for i, a in enumerate(leaves) if along(a)}
    fixed = {i: in_front(a)[0] for i, a in enumerate(leaves) if not along(a)}
    own = {k: in_front(v) for k, v in right.acting.items() if along(v)}
    shared = {k: in_front(v)[0] for k, v in right.acting.items() if not along(v)}

    def step(carry: tuple[Array, Acting], xs: Any) -> Any:
        (z, total), (moving, right_z, right_u, own) = carry, xs
        x, u, good = jax.tree_util.tree_unflatten(
            tree, [(moving | fixed)[i] for i in range(len(leaves))]
        )
        m = linear_step(eq, eq.blocks(u, x), x.h, good, mass)
        values = acting_on(x, right.acting)

        def rows(values: Acting) -> Any:
            return rows_of(machine, x, u, good, values)

        if not back:
            if values:
                _, (change, gained) = jax.jvp(rows, (values,), (own | total,))
                right_u = right_u - change
                right_z = right_z + _of_momentum(gained)
            du = displacements(m, z, right_u)
            return (right_z + state(m, z, du), total), (z, du, own)
        w = displacements_back(m, z, right_u)
        if values:
            gained = z[u.shape[0] :]
            (pulled,) = jax.vjp(rows, values)[1]((-w, gained))
            total = {k: v + pulled[k] for k, v in total.items()}
            own = {k: v + pulled[k] for k, v in own.items()}
        return (right_z + state_back(m, z, w), total), (z, w, own)

    first, others = (right.z[-1], right.z[:-1]) if back else (right.z[0], right.z[1:])
    (end, total), (z, du, own) = jax.lax.scan(
        step, (first, shared), (moving, others, right.u, own), reverse=back
    )
    z = jnp.concatenate([end[None], z] if back else [z, end[None]])
    acting = {k: jnp.moveaxis(v, 0, v.ndim - lanes - 1) for k, v in own.items()}
    acting |= {k: jnp.expand_dims(v, v.ndim - lanes) for k, v in total.items()}
    return Tangents(z, du, {k: acting[k] for k in right.acting})


def _side_by_side(machine: Machine, back: bool, known: Known, right: Tangents) -> Tangents:
    """All steps made linear at once, and their transitions taken in a row."""
    eq, (x, u, good, mass) = machine.equations, known
    d = x.q.shape[0]
    matrices = linear_step(eq, eq.blocks(u, x), x.h, good, mass)
    right_u = jnp.moveaxis(right.u, 0, 1)
    right_z = jnp.moveaxis(right.z[:-1] if back else right.z[1:], 0, 1)
    values = acting_on(x, right.acting)

    def rows(values: Acting) -> Any:
        return rows_of(machine, x, u, good, values)

    if values and not back:
        _, (change, gained) = jax.jvp(rows, (values,), (right.acting,))
        right_u = right_u - change
        right_z = right_z + _of_momentum(gained)
    transition, still = matrices.transition(), jnp.zeros_like(right_z)
    if back:
        transition = jnp.swapaxes(transition, 0, 1)
        right_z = right_z + state_back(
            matrices, still, displacements_back(matrices, still, right_u)
        )
    else:
        right_z = right_z + state(matrices, still, displacements(matrices, still, right_u))
    columns = [jnp.moveaxis(transition[:, j], 1, 0) for j in range(2 * d)]
    run: Callable[..., Array] = partial(_recurrence, back)
    if right.z[0].size <= LARGEST and right.z.size <= _MOST:
        run = as_one_function(run)
    z = run(columns, jnp.moveaxis(right_z, 1, 0), right.z[-1] if back else right.z[0])
    # Back, the multipliers of a step's equations belong to the state behind it.
    given = jnp.moveaxis(z[1:] if back else z[:-1], 0, 1)
    acting = right.acting
    if not back:
        du = displacements(matrices, given, right_u)
    else:
        du = displacements_back(matrices, given, right_u)
        if values:
            (pulled,) = jax.vjp(rows, values)[1]((-du, given[d:]))
            acting = jax.tree_util.tree_map(jnp.add, acting, pulled)
    return Tangents(z, jnp.moveaxis(du, 1, 0), acting)


def _of_momentum(gained: Array) -> Array:
    return jnp.concatenate([jnp.zeros_like(gained), gained])


def _recurrence(back: bool, columns: list[Array], right: Array, first: Array) -> Array:
    """z' = T z + right at every step, with T in columns: all z, (N+1, m, *L)."""

    def body(z: Array, step: Any) -> tuple[Array, Array]:
        columns, right = step
        new = right
        for j, column in enumerate(columns):
            new = new + column * z[j][None]
        return new, z

    end, z = jax.lax.scan(body, first, (columns, right), reverse=back)
    return jnp.concatenate([end[None], z] if back else [z, end[None]])
