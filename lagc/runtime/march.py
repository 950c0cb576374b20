"""The march along a trajectory and its derivative.

The derivative is not taken through the iterations. Once the steps are known, the linearised
equations of all of them are solved side by side (implicit function theorem, one batch over the
steps), which leaves a product of small matrices along the trajectory, forward or transposed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lagc.runtime.equations import StepData, identity_like
from lagc.runtime.linear import times
from lagc.runtime.linearised import linearise
from lagc.runtime.steps import BLOCK, Machine, Path, State, World, choose, fit, take_steps


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def march(
    machine: Machine, steps: int, keep: bool, state: State, world: World, first: Array
) -> tuple[State, Path]:
    """As `steps.take_steps`, with derivatives by the implicit function theorem."""
    return take_steps(machine, steps, keep, state, world, first)


def _jvp(machine: Machine, steps: int, keep: bool, primals: Any, tangents: Any) -> Any:
    """Tangents of a march: the implicit function theorem, all steps side by side."""
    state, world, first = primals
    end, path = march(machine, steps, True, state, world, first)
    assert path.u is not None
    x, u, good = known_steps(machine, world, state, path, first, steps)
    d_state, d_world, _ = tangents
    rest = _explicit_part(machine, world, x, u, good, d_world, first, steps)
    start = (_dense(d_state.q, state.q), _dense(d_state.p, state.p))
    if machine.equations.model.lattice is None:
        dq, dp, du = _by_transitions(machine, x, u, good, rest, start)
    else:
        dq, dp, du = _by_products(machine, x, u, good, rest, start)
    d_path = _no_tangent(path)._replace(q=dq, p=dp, u=du)
    d_end = _no_tangent(end)._replace(q=dq[-1], p=dp[-1])
    if not keep:
        path, d_path = path._replace(u=None), d_path._replace(u=None)
    return (end, path), (d_end, d_path)


march.defjvp(_jvp, symbolic_zeros=True)


def known_steps(
    machine: Machine, world: World, state: State, path: Path, first: Array, steps: int
) -> tuple[StepData, Array, Array]:
    """Data and displacements of all the steps, which become places of a batch: (N, *L)."""

    def starts(begin: Array, ends: Array) -> Array:
        return jnp.moveaxis(jnp.concatenate([begin[None], ends[:-1]]), 0, 1)

    lanes = path.lost.ndim - 1
    t, h = _clocks(world, first, steps, lanes)
    assert path.u is not None
    data = StepData(
        starts(state.q, path.q),
        starts(state.p, path.p),
        t,
        h,
        _behind_steps(world.coefficients, lanes),
        _inputs(machine, world.constants, world.signals, lanes),
        world.neural,
    )
    return data, jnp.moveaxis(path.u, 0, 2), ~path.lost


def _clocks(world: World, first: Array, steps: int, lanes: int) -> tuple[Array, Array]:
    """Start and length of every step: (N, *L)."""
    index = jnp.arange(steps)
    if world.grid is not None:
        shape = (steps,) + (1,) * lanes
        return world.grid[:-1].reshape(shape), jnp.diff(world.grid).reshape(shape)
    number = (first + index).reshape((-1,) + (1,) * lanes)
    assert world.t0 is not None and world.dt is not None
    return world.t0[None] + number.astype(world.dt.dtype) * world.dt[None], world.dt[None]


def _behind_steps(values: Mapping[str, Array], lanes: int) -> dict[str, Array]:
    return {k: jnp.expand_dims(c, c.ndim - lanes) for k, c in values.items()}


def _inputs(machine: Machine, constants: Any, signals: Any, lanes: int) -> dict[str, Array]:
    s = machine.equations.method.s
    held = _behind_steps(constants, lanes)
    fixed = {k: jnp.broadcast_to(c[None], (s, *c.shape)) for k, c in held.items()}
    return fixed | {k: jnp.moveaxis(x, 0, 1) for k, x in signals.items()}


def _is_zero(x: Any) -> bool:
    return isinstance(x, jax.custom_derivatives.SymbolicZero)


def _dense(tangent: Any, like: Array) -> Array:
    return jnp.zeros_like(like) if _is_zero(tangent) else tangent


def _no_tangent(tree: Any) -> Any:
    def zero(x: Array) -> Any:
        if jnp.issubdtype(x.dtype, jnp.floating):
            return jnp.zeros_like(x)
        return np.zeros(x.shape, jax.dtypes.float0)

    return jax.tree_util.tree_map(zero, tree)


def _explicit_part(
    machine: Machine,
    world: World,
    x: StepData,
    u: Array,
    good: Array,
    d_world: World,
    first: Array,
    steps: int,
) -> tuple[Array, Array] | None:
    """Tangents of the equations and of the impulse at fixed q, pi, u; None if all are zero."""
    fields = ("t0", "dt", "grid", "coefficients", "constants", "signals", "neural")
    leaves, tree = jax.tree_util.tree_flatten(tuple(getattr(world, f) for f in fields))
    moved = jax.tree_util.tree_leaves(tuple(getattr(d_world, f) for f in fields), is_leaf=_is_zero)
    active = [
        i
        for i, (leaf, tangent) in enumerate(zip(leaves, moved, strict=True))
        if not _is_zero(tangent) and jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating)
    ]
    if not active:
        return None
    lanes = x.q.ndim - 2

    def known(value: Array) -> Array:
        # No tangent enters a failed step: there 0 times a slope that is not finite would be NaN in
        # the derivative with respect to what all trajectories share.
        return jnp.where(fit(good, value), value, jax.lax.stop_gradient(value))

    def explicit(*values: Array) -> tuple[Array, Array]:
        filled = list(leaves)
        for i, value in zip(active, values, strict=True):
            filled[i] = value
        parts = dict(zip(fields, jax.tree_util.tree_unflatten(tree, filled), strict=True))
        here = world._replace(**parts)
        t, h = _clocks(here, first, steps, lanes)
        moving = (
            t,
            h,
            _behind_steps(here.coefficients, lanes),
            _inputs(machine, here.constants, here.signals, lanes),
        )
        t, h, coefficients, inputs = jax.tree_util.tree_map(known, moving)
        data = x._replace(t=t, h=h, coefficients=coefficients, inputs=inputs, neural=here.neural)
        a, b = machine.equations.forces(u, data)
        return machine.equations.balance(a, b, data), machine.equations.impulse(a, h)

    _, rest = jax.jvp(explicit, [leaves[i] for i in active], [moved[i] for i in active])
    return rest


def _by_transitions(
    machine: Machine, x: StepData, u: Array, good: Array, rest: Any, start: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Tangents of the path by the matrices d(q', pi')/d(q, pi) of every step."""
    eq = machine.equations
    d, s = x.q.shape[0], eq.method.s
    transition, by_q, by_p, inverted, moment_u = linearise(eq, eq.blocks(u, x), x.h, good)
    last = slice(s - 2, None, s - 1)
    gained = by_rest = None
    if rest is not None:
        equations, impulse = rest
        flat = jnp.where(fit(good, equations), equations, 0).reshape((-1, *equations.shape[2:]))
        by_rest = -times(inverted, flat)
        gained = jnp.concatenate([by_rest[last], impulse + times(moment_u, by_rest)])
        gained = jnp.moveaxis(jnp.where(fit(good, gained), gained, 0), 1, 0)

    def body(z: Array, step: Any) -> tuple[Array, Array]:
        matrix, gained = step
        new = times(matrix, z)
        return (new if gained is None else new + gained), z

    first = jnp.concatenate(start)
    end, before = _short_loops(body, first, (jnp.moveaxis(transition, 2, 0), gained))
    after = jnp.concatenate([before[1:], end[None]])
    before = jnp.moveaxis(before, 0, 1)
    du = times(by_q, before[:d]) + times(by_p, before[d:])
    if by_rest is not None:
        du = du + by_rest
    du = jnp.where(fit(good, du), du, 0).reshape(u.shape)
    return after[:, :d], after[:, d:], jnp.moveaxis(du, 2, 0)


def _by_products(
    machine: Machine, x: StepData, u: Array, good: Array, rest: Any, start: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Tangents of the path with one linear solve a step: where transitions would be too large."""
    eq = machine.equations
    lead = [jnp.moveaxis(part, 2, 0) for part in (u,)]
    steps = lead[0].shape[0]
    parts = None if rest is None else (jnp.moveaxis(rest[0], 2, 0), jnp.moveaxis(rest[1], 1, 0))
    t = jnp.moveaxis(jnp.broadcast_to(x.t, x.q.shape[1:]), 0, 0)
    h = jnp.broadcast_to(x.h, x.q.shape[1:]) if x.h.shape[0] == 1 else x.h
    inputs = {k: jnp.moveaxis(v, 1, 0) for k, v in x.inputs.items()}
    inputs = {k: jnp.broadcast_to(v, (steps, *v.shape[1:])) for k, v in inputs.items()}
    lanes = x.q.ndim - 2

    def body(z: tuple[Array, Array], known: Any) -> Any:
        q, p, t, h, u, inputs, good, rest = known
        coefficients = {k: jnp.squeeze(c, c.ndim - 1 - lanes) for k, c in x.coefficients.items()}
        data = StepData(q, p, t, h, coefficients, inputs, x.neural)
        blocks = eq.blocks(u, data)
        jacobian = eq.jacobian(blocks, h)
        jacobian = jnp.where(
            fit(good, jacobian), jacobian, identity_like(jacobian, eq.model.lattice)
        )
        solve = eq.solver(jacobian)

        def of_start(q: Array, p: Array) -> tuple[Array, Array]:
            here = data._replace(q=q, p=p)
            a, b = eq.forces(u, here)
            return eq.balance(a, b, here), eq.impulse(a, h)

        _, (change, gained) = jax.jvp(of_start, (q, p), z)
        if rest is not None:
            change, gained = change + rest[0], gained + rest[1]
        du = -solve(jnp.where(fit(good, change), change, 0))
        _, by_u = jax.jvp(lambda u: eq.impulse(eq.forces(u, data)[0], h), (u,), (du,))
        dq, dp = z
        new = (dq + du[:, -1], dp + gained + by_u)
        new = choose(good, new, z)
        return new, (*new, du)

    known = (
        jnp.moveaxis(x.q, 1, 0),
        jnp.moveaxis(x.p, 1, 0),
        t,
        h,
        lead[0],
        inputs,
        good,
        parts,
    )
    _, (dq, dp, du) = jax.lax.scan(body, start, known)
    return dq, dp, du


def _short_loops(body: Callable[..., Any], start: Array, xs: Any) -> tuple[Array, Array]:
    """A scan in blocks, which XLA compiles each as one function."""
    steps = xs[0].shape[0]
    size = min(BLOCK, steps)
    whole = steps // size

    def some(x: Array) -> Array:
        return x[: whole * size].reshape((whole, size, *x.shape[1:]))

    def block(z: Array, xs: Any) -> Any:
        return jax.lax.scan(body, z, xs)

    end, out = jax.lax.scan(block, start, jax.tree_util.tree_map(some, xs))
    out = out.reshape((-1, *out.shape[2:]))
    if whole * size == steps:
        return end, out
    end, rest = jax.lax.scan(body, end, jax.tree_util.tree_map(lambda x: x[whole * size :], xs))
    return end, jnp.concatenate([out, rest])
