"""Many steps of a batch of trajectories, and their derivative.

Steps are taken in small blocks: XLA compiles a short loop over small arrays as one function, which
makes a step several times faster than one at a time. A block in which the quick way failed for some
trajectories is done again for these by damped Newton.

The derivative is not taken through any of that. Once the steps are known, the linearised equations
of all of them are solved side by side (implicit function theorem, one batch over the steps), which
leaves a product of small matrices along the trajectory, forward or transposed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lagc.runtime import solvers
from lagc.runtime.equations import StepData, StepEquations, identity_like
from lagc.runtime.fused import LARGEST, as_one_function
from lagc.runtime.linear import UNROLLED, inverse, times
from lagc.runtime.method import UNROLLED_COLUMNS
from lagc.runtime.newton import NOT_FINITE
from lagc.runtime.robust import robust_step

BLOCK = 8
UNSOLVED = 1 - 2**31  # a status seen only without fallback

WAYS: Mapping[str, Callable[..., solvers.Solved]] = {
    "kinetic": solvers.kinetic,
    "explicit": solvers.explicit,
    "newton": solvers.newton,
}


@dataclass(frozen=True, eq=False)
class Machine:
    """What stays the same along a trajectory and is not an array."""

    equations: StepEquations
    way: str
    moduli: tuple[float | None, ...]
    robust: bool = False  # every step by damped Newton
    fallback: bool = True  # otherwise a step that the quick way fails at ends the trajectory


class World(NamedTuple):
    """What acts on a trajectory: either t0 and dt: (*L), or grid: (N+1,), the times of all steps;
    coefficients (*own, *L) and constant inputs (*L), with ones where shared; signals: (N, s, *L) at
    the nodes of every step; mass_inverse as in `solvers.Start`."""

    t0: Array | None
    dt: Array | None
    grid: Array | None
    coefficients: Mapping[str, Array]
    constants: Mapping[str, Array]
    signals: Mapping[str, Array]
    neural: Mapping[str, Any]
    mass_inverse: Array | None


class State(NamedTuple):
    """Between two steps: q, pi with what rounding cut off, memory and contraction of the solver,
    whole periods taken out of each angle: (d, *L) or (0, *L) where no angle is; status: (*L)."""

    q: Array
    p: Array
    q_low: Array
    p_low: Array
    memory: Array
    contraction: Array
    winding: Array
    status: Array


class Path(NamedTuple):
    """Every step, steps leading: q, p: (N, d, *L) at its end, u: (N, d, r+1, *L) or None, winding
    as in `State`, and whether the trajectory has failed by then: (N, *L)."""

    q: Array
    p: Array
    u: Array | None
    winding: Array
    lost: Array


def clock(world: World, number: Array, index: Array, lanes: int) -> tuple[Array, Array]:
    """Start and length of the step with the given number (from 0), `index` in this march."""
    if world.grid is not None:
        t = world.grid[index]
        h = world.grid[index + 1] - t
        return t.reshape((1,) * lanes), h.reshape((1,) * lanes)
    assert world.t0 is not None and world.dt is not None
    return world.t0 + number.astype(world.dt.dtype) * world.dt, world.dt


def wrap(q: Array, moduli: tuple[float | None, ...]) -> tuple[Array, Array]:
    """Angles brought into [-P/2, P/2), and the whole periods taken out: (d, *L) or (0, *L)."""
    if all(m is None for m in moduli):
        return q, jnp.zeros((0, *q.shape[1:]), q.dtype)
    shape = (-1,) + (1,) * (q.ndim - 1)
    period = np.array([np.inf if m is None else m for m in moduli]).reshape(shape)
    p = jnp.asarray(period, q.dtype)
    turns = jnp.floor(jax.lax.stop_gradient(q) / p + 0.5)
    turns = jnp.where(jnp.isfinite(p) & jnp.isfinite(turns), turns, 0)
    return jnp.where(jnp.isfinite(p), q - turns * jnp.where(jnp.isfinite(p), p, 0), q), turns


def _accumulate(total: Array, low: Array, increment: Array) -> tuple[Array, Array]:
    """Kahan's sum: what rounding cuts off is carried to the next addition."""
    y = increment - low
    new = total + y
    return new, (new - total) - y


def _reached(machine: Machine, s: State, solved: solvers.Solved) -> State:
    q, q_low = _accumulate(s.q, s.q_low, solved.u[:, -1])
    p, p_low = _accumulate(s.p, s.p_low, solved.impulse)
    q, turns = wrap(q, machine.moduli)
    return State(
        q, p, q_low, p_low, solved.memory, solved.contraction, s.winding + turns, s.status
    )


def _choose(condition: Array, yes: Any, no: Any) -> Any:
    """Place by place: condition: (*L), leaves (..., *L)."""
    return jax.tree_util.tree_map(lambda a, b: jnp.where(_fit(condition, a), a, b), yes, no)


def _fit(condition: Array, like: Array) -> Array:
    return condition.reshape((1,) * (like.ndim - condition.ndim) + condition.shape)


def _data(machine: Machine, world: World, s: State, t: Array, h: Array, signals: Any) -> StepData:
    n = machine.equations.method.s
    constants = {k: jnp.broadcast_to(c[None], (n, *c.shape)) for k, c in world.constants.items()}
    return StepData(s.q, s.p, t, h, world.coefficients, constants | signals, world.neural)


def _quick(machine: Machine, world: World, s: State, x: StepData) -> tuple[State, Array, Array]:
    """The state after one step, its displacements, and whether it was solved."""
    start = solvers.Start(s.memory, s.contraction, world.mass_inverse)
    solved = WAYS[machine.way](machine.equations, start, x)
    new = _reached(machine, s, solved)
    ok = solved.ok & jnp.all(jnp.isfinite(new.q) & jnp.isfinite(new.p), axis=0)
    return new, solved.u, ok


def _end_velocity(machine: Machine, world: World, s: State, h: Array) -> Array:
    """A velocity to guess from: (d, *L)."""
    if machine.way == "newton":
        return machine.equations.velocities(s.memory, h)[:, -1]
    start = solvers.Start(s.memory, s.contraction, world.mass_inverse)
    return solvers.accelerate(start, s.p)


def _robust(
    machine: Machine, world: World, s: State, x: StepData, number: Array
) -> tuple[State, Array]:
    """One step of one trajectory by damped Newton, the status set where it fails."""
    live = s.status == 0
    v = _end_velocity(machine, world, s, x.h)
    u, a, ok, failure = robust_step(machine.equations, v, x, live)
    memory = u if machine.way == "newton" else a
    impulse = machine.equations.impulse(a, x.h)
    solved = solvers.Solved(u, impulse, memory, jnp.ones_like(s.contraction), ok)
    new = _reached(machine, s, solved)
    finite = jnp.all(jnp.isfinite(new.q) & jnp.isfinite(new.p)) & (failure != NOT_FINITE)
    event = jnp.where(finite, number + 1, -number - 1).astype(s.status.dtype)
    new = _choose(ok & finite, new, s)
    return new._replace(status=jnp.where(live & ~(ok & finite), event, s.status)), u


def _block(
    machine: Machine, world: World, keep: bool, s: State, first: Array, count: Any, xs: Any
) -> tuple[State, Path]:
    """The steps of `xs` (index in the march and signals), those beyond `count` left out."""
    lanes = s.status.ndim

    def path(new: State, u: Array) -> Path:
        return Path(new.q, new.p, u if keep else None, new.winding, new.status != 0)

    def quick(world: World, first: Array, carry: tuple[State, Array], x: Any) -> Any:
        s, failed = carry
        index, signals = x
        number = first + index
        t, h = clock(world, number, index, lanes)
        new, u, ok = _quick(machine, world, s, _data(machine, world, s, t, h, signals))
        active = (s.status == 0) & (index < count)
        failed = failed | (active & ~ok)
        new = _choose(active & ~failed, new, s)
        return (new, failed), path(new, u)

    def robust_lane(world: World, s: State, xs: Any, first: Array) -> tuple[State, Path]:
        def body(s: State, x: Any) -> tuple[State, Path]:
            index, signals = x
            number = first + index
            t, h = clock(world, number, index, 0)
            new, u = _robust(machine, world, s, _data(machine, world, s, t, h, signals), number)
            new = _choose(index < count, new, s)
            return new, path(new, u)

        return jax.lax.scan(body, s, xs)

    def robust(s: State, wanted: Array) -> tuple[State, Path]:
        status = jnp.where(wanted, s.status, jnp.iinfo(jnp.int32).max)
        s = s._replace(status=status)
        if not lanes:
            alone = as_one_function(robust_lane) if _small(machine, s, True) else robust_lane
            return alone(world, s, xs, first)
        b = status.shape[0]
        spread, axes = _lanes(world, b)
        signals = jax.tree_util.tree_map(lambda x: jnp.broadcast_to(x, (*x.shape[:-1], b)), xs[1])
        in_axes = (axes, -1, (None, jax.tree_util.tree_map(lambda x: -1, signals)), None)
        mapped = jax.vmap(robust_lane, in_axes=in_axes, out_axes=-1)
        return mapped(spread, s, (xs[0], signals), first)

    none = jnp.zeros(s.status.shape, bool)
    if machine.robust:
        end, done = robust(s, s.status == 0)
        return _choose(s.status == 0, end, s), _choose(s.status == 0, done, _still(s, done, keep))

    def quickly(world: World, first: Array, s: State, none: Array, xs: Any) -> Any:
        return jax.lax.scan(partial(quick, world, first), (s, none), xs)

    if _small(machine, s):
        quickly = as_one_function(quickly)
    (end, failed), done = quickly(world, first, s, none, xs)

    if not machine.fallback:
        status = jnp.where(failed, UNSOLVED, end.status)
        return end._replace(status=status.astype(end.status.dtype)), done

    # A conditional that vmap does not turn into doing both.
    def redo(carry: Any) -> Any:
        again, path_again = robust(s, failed)
        _, end, done = carry
        return none, _choose(failed, again, end), _choose(failed, path_again, done)

    _, end, done = jax.lax.while_loop(lambda c: jnp.any(c[0]), redo, (failed, end, done))
    return end, done


def _small(machine: Machine, s: State, robust: bool = False) -> bool:
    """Whether a block may be compiled as one function: nothing but small arrays, no library calls
    (large Jacobians, neural terms)."""
    equations = machine.equations
    if equations.model.neural or equations.model.lattice is not None:
        return False
    unknowns = s.q.shape[0] * (equations.method.s - 1)
    nodes = equations.method.s
    largest = s.memory.size * (nodes if nodes > UNROLLED_COLUMNS else 1)
    if machine.way == "newton" or robust:
        if unknowns > UNROLLED:
            return False
        largest = 2 * unknowns * unknowns * s.status.size
    return largest <= LARGEST


def _still(s: State, like: Path, keep: bool) -> Path:
    def repeated(x: Array, like: Array) -> Array:
        return jnp.broadcast_to(x[None], like.shape)

    u = jnp.zeros_like(like.u) if keep and like.u is not None else None
    lost = repeated(s.status != 0, like.lost)
    return Path(
        repeated(s.q, like.q), repeated(s.p, like.p), u, repeated(s.winding, like.winding), lost
    )


def _lanes(world: World, b: int) -> tuple[World, World]:
    """Everything of a world with its lanes filled in, and the axes to map it over."""

    def fill(x: Array) -> Array:
        return jnp.broadcast_to(x, (*x.shape[:-1], b))

    filled = {
        name: jax.tree_util.tree_map(fill, getattr(world, name))
        for name in ("t0", "dt", "coefficients", "constants", "mass_inverse")
    }
    axes = {name: jax.tree_util.tree_map(lambda x: -1, value) for name, value in filled.items()}
    nothing = {"grid": None, "neural": None, "signals": {}}
    return (
        world._replace(**filled, signals={}),
        World(**(axes | nothing)),  # type: ignore[arg-type]
    )


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def march(
    machine: Machine, steps: int, keep: bool, state: State, world: World, first: Array
) -> tuple[State, Path]:
    """`steps` steps from the one with number `first` on: the state after them and the path.

    `keep`: with the displacements of every step.
    """
    size = min(BLOCK, steps)
    blocks = -(-steps // size)
    padding = blocks * size - steps

    def padded(x: Array) -> Array:
        if padding:
            x = jnp.concatenate([x, jnp.repeat(x[-1:], padding, axis=0)])
        return x.reshape((blocks, size, *x.shape[1:]))

    index = jnp.minimum(jnp.arange(blocks * size), steps).reshape(blocks, size)
    if world.grid is not None:  # a step that is left out has some length too
        world = world._replace(grid=jnp.append(world.grid, 2 * world.grid[-1] - world.grid[-2]))
    xs = (index, jax.tree_util.tree_map(padded, dict(world.signals)))

    def body(s: State, xs: Any) -> tuple[State, Path]:
        return _block(machine, world, keep, s, first, steps, xs)

    if blocks == 1:
        end, path = body(state, jax.tree_util.tree_map(lambda x: x[0], xs))
    else:
        end, path = jax.lax.scan(body, state, xs)
        path = jax.tree_util.tree_map(lambda x: x.reshape((x.shape[0] * x.shape[1], *x.shape[2:])), path)
    return end, jax.tree_util.tree_map(lambda x: x[:steps], path)


# --- the derivative ------------------------------------------------------------------------------


def _jvp(machine: Machine, steps: int, keep: bool, primals: Any, tangents: Any) -> Any:
    """Tangents of a march: the implicit function theorem, all steps side by side."""
    state, world, first = primals
    end, path = march(machine, steps, True, state, world, first)
    assert path.u is not None
    x, u, good = _known_steps(machine, world, state, path, first, steps)
    d_state, d_world, _ = tangents
    rest = _explicit_part(machine, world, x, u, d_world, first, steps)
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


def _known_steps(
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
    machine: Machine, world: World, x: StepData, u: Array, d_world: World, first: Array, steps: int
) -> tuple[Array, Array] | None:
    """Tangents of the equations and of the impulse at fixed q, pi, u; None if all are zero."""
    fields = ("t0", "dt", "grid", "coefficients", "constants", "signals", "neural")
    leaves, tree = jax.tree_util.tree_flatten(tuple(getattr(world, f) for f in fields))
    moved = tree.flatten_up_to(tuple(getattr(d_world, f) for f in fields))
    active = [
        i
        for i, (leaf, tangent) in enumerate(zip(leaves, moved, strict=True))
        if not _is_zero(tangent) and jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating)
    ]
    if not active:
        return None
    lanes = x.q.ndim - 2

    def explicit(*values: Array) -> tuple[Array, Array]:
        filled = list(leaves)
        for i, value in zip(active, values, strict=True):
            filled[i] = value
        parts = dict(zip(fields, jax.tree_util.tree_unflatten(tree, filled), strict=True))
        here = world._replace(**parts)
        t, h = _clocks(here, first, steps, lanes)
        data = x._replace(
            t=t,
            h=h,
            coefficients=_behind_steps(here.coefficients, lanes),
            inputs=_inputs(machine, here.constants, here.signals, lanes),
            neural=here.neural,
        )
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
    blocks = eq.blocks(u, x)
    jacobian = eq.jacobian(blocks, x.h)
    jacobian = jnp.where(_fit(good, jacobian), jacobian, identity_like(jacobian, None))
    inverted = inverse(jacobian)
    by_q = -_matrix_product(inverted, eq.start_jacobian(blocks, x.h))  # (n, d, N, *L)
    by_p = -inverted[:, :: s - 1]  # pi enters R_0 of each degree of freedom
    moment_q, moment_u = eq.impulse_jacobian(blocks, x.h)
    last = slice(s - 2, None, s - 1)
    eye = identity_like(moment_q, None)
    top = jnp.concatenate([eye + by_q[last], by_p[last]], axis=1)
    below = jnp.concatenate(
        [moment_q + _matrix_product(moment_u, by_q), eye + _matrix_product(moment_u, by_p)], axis=1
    )
    transition = jnp.concatenate([top, below])
    transition = jnp.where(_fit(good, transition), transition, identity_like(transition, None))
    gained = by_rest = None
    if rest is not None:
        equations, impulse = rest
        flat = jnp.where(_fit(good, equations), equations, 0).reshape((-1, *equations.shape[2:]))
        by_rest = -times(inverted, flat)
        gained = jnp.concatenate([by_rest[last], impulse + times(moment_u, by_rest)])
        gained = jnp.moveaxis(jnp.where(_fit(good, gained), gained, 0), 1, 0)

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
    du = jnp.where(_fit(good, du), du, 0).reshape(u.shape)
    return after[:, :d], after[:, d:], jnp.moveaxis(du, 2, 0)


def _matrix_product(a: Array, b: Array) -> Array:
    """(n, k, ...) and (k, m, ...) to (n, m, ...)."""
    if a.shape[1] > 16:
        return jnp.einsum("ij...,jk...->ik...", a, b)
    return sum((a[:, j, None] * b[j][None] for j in range(1, a.shape[1])), a[:, :1] * b[:1])


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
        jacobian = jnp.where(_fit(good, jacobian), jacobian, identity_like(jacobian, eq.model.lattice))
        solve = eq.solver(jacobian)

        def of_start(q: Array, p: Array) -> tuple[Array, Array]:
            here = data._replace(q=q, p=p)
            a, b = eq.forces(u, here)
            return eq.balance(a, b, here), eq.impulse(a, h)

        _, (change, gained) = jax.jvp(of_start, (q, p), z)
        if rest is not None:
            change, gained = change + rest[0], gained + rest[1]
        du = -solve(jnp.where(_fit(good, change), change, 0))
        _, by_u = jax.jvp(lambda u: eq.impulse(eq.forces(u, data)[0], h), (u,), (du,))
        dq, dp = z
        new = (dq + du[:, -1], dp + gained + by_u)
        new = _choose(good, new, z)
        return new, (*new, du)

    known = (
        jnp.moveaxis(x.q, 1, 0), jnp.moveaxis(x.p, 1, 0), t, h, lead[0], inputs, good, parts,
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
