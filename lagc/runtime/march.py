"""The march along a trajectory and its derivative.

The derivative is not taken through the iterations. Once the steps are known, the linearised
equations of all of them are solved side by side (implicit function theorem, one batch over the
steps), which leaves a product of small matrices along the trajectory, forward or transposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from lagc.runtime.along import Known, acting_on, rows_of, tangents_along
from lagc.runtime.equations import StepData, identity_like
from lagc.runtime.ruled import NO_TANGENT, dense, with_rule
from lagc.runtime.steps import (
    BLOCK,
    Machine,
    Path,
    State,
    World,
    choose,
    filled,
    fit,
    from_blocks,
    into_blocks,
    take_steps,
)

_ENTRIES = 3072  # of the arrays over the steps of a piece


def march(
    machine: Machine, steps: int, keep: bool, state: State, world: World, first: Array
) -> tuple[State, Path]:
    """As `steps.take_steps`, with derivatives by the implicit function theorem."""
    marched: tuple[State, Path] = _march(machine, steps, keep, state, world, first)
    return marched


def _jvp(machine: Machine, steps: int, keep: bool, primals: Any, tangents: Any) -> Any:
    """Tangents of a march: the implicit function theorem, many steps side by side."""
    state, world, first = primals
    end, path = march(machine, steps, True, state, world, first)
    d_state, d_world, _ = tangents
    start = dense((state.q, state.p), (d_state.q, d_state.p))
    dq, dp, du = _along(machine, steps, start, state, path, world, d_world, first)
    d_path = _no_tangent(path)._replace(q=dq, p=dp, u=du)
    d_end = _no_tangent(end)._replace(q=dq[-1], p=dp[-1])
    if not keep:
        path, d_path = path._replace(u=None), d_path._replace(u=None)
    return (end, path), (d_end, d_path)


_march = with_rule(take_steps, _jvp, static=3)


class _Piece(NamedTuple):
    """Some steps in a row: the number of the first, q and pi at its start, the path, what acts on
    them as leaves of a `World`, and the tangents of those leaves that have one."""

    first: Array
    start: tuple[Array, Array]
    path: Path
    leaves: list[Any]
    tangents: list[Any]


def _along(
    machine: Machine,
    steps: int,
    start: tuple[Array, Array],
    state: State,
    path: Path,
    world: World,
    d_world: World,
    first: Array,
) -> tuple[Array, Array, Array]:
    """Tangents of q, pi and the displacements of all steps.

    Piece by piece: what linearises a piece stays in the cache, and is made anew for the reverse
    mode, which so keeps nothing but the path.
    """
    assert path.u is not None
    if not path.lost.size:  # a batch without members
        return path.q, path.p, path.u
    leaves, tree = jax.tree_util.tree_flatten(world)
    moved = jax.tree_util.tree_leaves(d_world)
    active = [i for i, dx in enumerate(moved) if dx is not NO_TANGENT]
    names = _names(world, active)
    pieces, size = _pieces(steps, path.lost[0].size)

    def along_piece(z: tuple[Array, Array], piece: _Piece) -> Any:
        acting = jax.tree_util.tree_unflatten(tree, piece.leaves)
        x, u, good = known_steps(machine, acting, piece.start, piece.path, piece.first, size)
        q, p, u = filled(good, (x.q, x.p, u), among=1)  # none is good again
        x = x._replace(q=q, p=p)

        def data(*values: Array) -> StepData:
            moving = list(piece.leaves)
            for i, value in zip(active, values, strict=True):
                moving[i] = value
            here = jax.tree_util.tree_unflatten(tree, moving)
            return _known_data(machine, here, x.q, x.p, piece.first, size)

        moved = x
        if active:
            moved = jax.jvp(data, [piece.leaves[i] for i in active], piece.tangents)[1]
        if machine.equations.model.lattice is not None:
            rows = partial(rows_of, machine, x, u, good)
            _, rest = jax.jvp(rows, (acting_on(x, names),), (acting_on(moved, names),))
            dq, dp, du = _by_solves(machine, x, u, good, rest, z)
            return (dq[-1], dp[-1]), (dq, dp, du)
        mass = acting.mass_inverse
        mass = None if mass is None else jnp.expand_dims(mass, mass.ndim - good.ndim + 1)
        known = Known(x, u, good, mass)
        along = tangents_along(machine, known, z, acting_on(moved, names))
        d = u.shape[0]
        dq, dp = along.z[1:, :d], along.z[1:, d:]
        du = along.u.reshape((size, *u.shape[:2], *along.u.shape[2:]))
        return (dq[-1], dp[-1]), (dq, dp, du)

    kinds = jax.tree_util.tree_leaves(_kinds(world))
    along_steps = [i for i, kind in enumerate(kinds) if kind in ("grid", "signals")]

    def cut(i: int, x: Array) -> Array:
        if kinds[i] == "signals":
            return into_blocks(x, pieces, size)
        beyond = 1 + jnp.arange(pieces * size - steps, dtype=x.dtype)
        x = jnp.concatenate([x, x[-1:] + beyond * (x[-1:] - x[-2:-1])])
        return x[size * jnp.arange(pieces)[:, None] + jnp.arange(size + 1)[None]]

    lost = jnp.concatenate([path.lost, jnp.ones_like(path.lost[: pieces * size - steps])])
    paths = jax.tree_util.tree_map(lambda x: into_blocks(x, pieces, size), path)
    paths = paths._replace(lost=lost.reshape(paths.lost.shape))
    starts = tuple(
        jnp.concatenate([x[None], ends[:-1, -1]])
        for x, ends in ((state.q, paths.q), (state.p, paths.p))
    )
    cut_leaves = {i: cut(i, leaves[i]) for i in along_steps}
    cut_tangents = {i: cut(i, moved[i]) for i in active if i in along_steps}

    def body(z: tuple[Array, Array], xs: Any) -> Any:
        number, begin, path, own, own_tangents = xs
        here = [own.get(i, leaf) for i, leaf in enumerate(leaves)]
        tangents = [own_tangents.get(i, moved[i]) for i in active]
        return along_piece(z, _Piece(number, begin, path, here, tangents))

    xs = (first + size * jnp.arange(pieces), starts, paths, cut_leaves, cut_tangents)
    remade = jax.checkpoint(body, prevent_cse=False)
    _, path_tangents = jax.lax.scan(remade, start, xs)
    dq, dp, du = (from_blocks(x, steps) for x in path_tangents)
    return dq, dp, du


def _pieces(steps: int, lanes: int) -> tuple[int, int]:
    """How many pieces of how many steps, whole blocks, so that arrays over a piece have
    some _ENTRIES entries."""
    if steps <= BLOCK:
        return 1, steps
    blocks = -(-steps // BLOCK)
    most = max(1, _ENTRIES // (BLOCK * max(1, lanes)))
    pieces = -(-blocks // most)
    return pieces, BLOCK * -(-blocks // pieces)


def _kinds(world: World) -> World:
    """The name of its field in place of every leaf."""
    return World(
        *(
            jax.tree_util.tree_map(lambda _, name=name: name, value)
            for name, value in zip(World._fields, world, strict=True)
        )
    )


def _names(world: World, active: list[int]) -> list[tuple[str, str]]:
    """What the leaves of a world with these numbers are in the data of steps."""
    found = set()
    for i, (path, _) in enumerate(jax.tree_util.tree_flatten_with_path(world)[0]):
        if i not in active:
            continue
        match path[0].name, path[1:]:
            case "coefficients" | "neural" as field, (key, *_):
                found.add((field, key.key))
            case "constants" | "signals", (key, *_):
                found.add(("inputs", key.key))
            case "t0", _:
                found.add(("t", ""))
            case "dt" | "grid", _:
                found |= {("t", ""), ("h", "")}
    return sorted(found)


def known_steps(
    machine: Machine,
    world: World,
    start: tuple[Array, Array],
    path: Path,
    first: Array,
    steps: int,
) -> tuple[StepData, Array, Array]:
    """Data and displacements of all the steps, which become places of a batch: (N, *L), and where
    they are solved; start: q and pi of the first."""

    def starts(begin: Array, ends: Array) -> Array:
        return jnp.moveaxis(jnp.concatenate([begin[None], ends[:-1]]), 0, 1)

    q, p = starts(start[0], path.q), starts(start[1], path.p)
    assert path.u is not None
    return (
        _known_data(machine, world, q, p, first, steps),
        jnp.moveaxis(path.u, 0, 2),
        ~path.lost,
    )


def _known_data(
    machine: Machine, world: World, q: Array, p: Array, first: Array, steps: int
) -> StepData:
    lanes = q.ndim - 2
    t, h = _clocks(world, first, steps, lanes)
    inputs = _inputs(machine, world.constants, world.signals, lanes)
    coefficients = _behind_steps(world.coefficients, lanes)
    return StepData(q, p, t, h, coefficients, inputs, world.neural)


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


def _no_tangent(tree: Any) -> Any:
    return jax.tree_util.tree_map(lambda _: NO_TANGENT, tree)


def _by_solves(
    machine: Machine, x: StepData, u: Array, good: Array, rest: Any, start: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Tangents of the path with one linear solve a step: where transitions would be too large."""
    eq = machine.equations
    steps, lanes = x.q.shape[1], x.q.ndim - 2
    coefficients = {k: jnp.squeeze(c, c.ndim - 1 - lanes) for k, c in x.coefficients.items()}

    def in_front(x: Array) -> Array:
        x = jnp.moveaxis(x, x.ndim - 1 - lanes, 0)
        return jnp.broadcast_to(x, (steps, *x.shape[1:]))

    def body(z: tuple[Array, Array], step: Any) -> Any:
        x, u, good, rest = step
        x = x._replace(coefficients=coefficients, neural=neural)
        blocks = eq.blocks(u, x)
        jacobian = eq.jacobian(blocks, x.h)
        unit = identity_like(jacobian, eq.model.lattice)
        solve = eq.solver(jnp.where(fit(good, jacobian), jacobian, unit))

        def of_start(q: Array, p: Array) -> tuple[Array, Array]:
            here = x._replace(q=q, p=p)
            a, b = eq.forces(u, here)
            return eq.balance(a, b, here), eq.impulse(a, x.h)

        _, (change, gained) = jax.jvp(of_start, (x.q, x.p), z)
        change, gained = change + rest[0].reshape(change.shape), gained + rest[1]
        du = -solve(jnp.where(fit(good, change), change, 0))
        _, by_u = jax.jvp(lambda u: eq.impulse(eq.forces(u, x)[0], x.h), (u,), (du,))
        dq, dp = z
        new = choose(good, (dq + du[:, -1], dp + gained + by_u), z)
        return new, (*new, du)

    neural = x.neural
    moving = (x._replace(coefficients={}, neural={}), u, good, rest)
    _, (dq, dp, du) = jax.lax.scan(body, start, jax.tree_util.tree_map(in_front, moving))
    return dq, dp, du
