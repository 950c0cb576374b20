"""Many steps of a batch of trajectories.

Steps are taken in small blocks: XLA compiles a short loop over small arrays as one function, which
makes a step several times faster than one at a time. A block in which the quick way failed for some
trajectories is done again for these by damped Newton.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.custom_batching
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lagc.runtime import solvers
from lagc.runtime.equations import StepData, StepEquations
from lagc.runtime.fused import LARGEST, as_one_function
from lagc.runtime.linear import MOST_COLUMNS, UNROLLED
from lagc.runtime.method import UNROLLED_COLUMNS, apply
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
    neural: Mapping[str, Array]
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
    return State(q, p, q_low, p_low, solved.memory, solved.contraction, s.winding + turns, s.status)


def choose(condition: Array, yes: Any, no: Any) -> Any:
    """Place by place: condition: (*L), leaves (..., *L)."""
    return jax.tree_util.tree_map(lambda a, b: jnp.where(fit(condition, a), a, b), yes, no)


def filled(good: Array, tree: Any, among: int | None = None) -> Any:
    """Leaves (..., *L), where not good: (*L), with those of a good place, so that slopes are finite
    there: 0 times infinity, in the derivative with respect to what all places share, is NaN.

    `good` may have ones, where it holds for all places along that axis; among: the good place is
    one of the first so many along the first axis of *L, if there is any.
    """
    if not good.size:
        return tree
    seen = good[:among]
    last = seen.size - 1
    place = jnp.min(jnp.where(seen.reshape(-1), jnp.arange(seen.size), last), initial=last)
    some = jnp.any(seen)
    cut = (..., *(slice(0, n) for n in seen.shape))

    def fill(x: Array) -> Array:
        flat = x[cut].reshape((*x.shape[: x.ndim - good.ndim], -1))
        other = jnp.where(some, flat[..., place], 0).astype(x.dtype)
        return jnp.where(fit(good, x), x, other.reshape(other.shape + (1,) * good.ndim))

    return jax.tree_util.tree_map(fill, tree)


def fit(condition: Array, like: Array) -> Array:
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


def _end_velocity(machine: Machine, world: World, s: State) -> Array:
    """A velocity to guess from: (d, *L)."""
    if machine.way == "newton":
        return apply(machine.equations.method.velocity[-1:], s.memory)[:, 0]
    start = solvers.Start(s.memory, s.contraction, world.mass_inverse)
    return solvers.accelerate(start, s.p)


def _robust(
    machine: Machine, world: World, s: State, x: StepData, number: Array
) -> tuple[State, Array]:
    """One step of one trajectory by damped Newton, the status set where it fails."""
    live = s.status == 0
    v = _end_velocity(machine, world, s)
    u, a, ok, failure = robust_step(machine.equations, v, x, live)
    memory = u / x.h if machine.way == "newton" else a
    impulse = machine.equations.impulse(a, x.h)
    solved = solvers.Solved(u, impulse, memory, jnp.ones_like(s.contraction), ok)
    new = _reached(machine, s, solved)
    finite = jnp.all(jnp.isfinite(new.q) & jnp.isfinite(new.p)) & (failure != NOT_FINITE)
    event = jnp.where(finite, number + 1, -number - 1).astype(s.status.dtype)
    new = choose(ok & finite, new, s)
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
        new = choose(active & ~failed, new, s)
        return (new, failed), path(new, u)

    def robust_lane(world: World, s: State, xs: Any, first: Array) -> tuple[State, Path]:
        def body(s: State, x: Any) -> tuple[State, Path]:
            index, signals = x
            number = first + index
            t, h = clock(world, number, index, 0)
            new, u = _robust(machine, world, s, _data(machine, world, s, t, h, signals), number)
            new = choose(index < count, new, s)
            return new, path(new, u)

        return jax.lax.scan(body, s, xs)

    def robust(s: State, wanted: Array) -> tuple[State, Path]:
        status = jnp.where(wanted, s.status, jnp.iinfo(jnp.int32).max)
        s = s._replace(status=status)
        if not lanes:
            small = _small(machine, s, world.mass_inverse, robust=True)
            alone = as_one_function(robust_lane) if small else robust_lane
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
        return choose(s.status == 0, end, s), choose(s.status == 0, done, _still(s, done, keep))

    def quickly(world: World, first: Array, s: State, none: Array, xs: Any) -> Any:
        return jax.lax.scan(partial(quick, world, first), (s, none), xs)

    if _small(machine, s, world.mass_inverse):
        quickly = as_one_function(quickly)
    (end, failed), done = quickly(world, first, s, none, xs)

    if not machine.fallback:
        status = jnp.where(failed, UNSOLVED, end.status)
        return end._replace(status=status.astype(end.status.dtype)), done

    def redo(end: State, done: Path) -> tuple[State, Path]:
        again, path_again = robust(s, failed)
        return choose(failed, again, end), choose(failed, path_again, done)

    return jax.lax.cond(anywhere(failed), redo, lambda end, done: (end, done), end, done)


@jax.custom_batching.custom_vmap
def anywhere(x: Array) -> Array:
    """Whether any is true, in all places mapped over: so that a conditional upon it stays one."""
    return jnp.any(x)


@anywhere.def_vmap
def _(size: int, batched: Any, x: Array) -> tuple[Array, bool]:
    return anywhere(x), False


def _small(machine: Machine, s: State, mass_inverse: Array | None, robust: bool = False) -> bool:
    """Whether a block may be compiled as one function: nothing but small arrays, no library calls
    (large Jacobians, neural terms)."""
    equations = machine.equations
    if equations.model.neural or equations.model.lattice is not None:
        return False
    d, nodes, lanes = s.q.shape[0], equations.method.s, s.status.size
    unknowns = d * (nodes - 1)
    if machine.way == "newton" or robust:
        return unknowns <= UNROLLED and 2 * unknowns * unknowns * lanes <= LARGEST
    summed = mass_inverse is not None and mass_inverse.ndim == s.q.ndim + 1 and d > MOST_COLUMNS
    return kinetic_entries(d, nodes, not equations.model.by_positions or summed) * lanes <= LARGEST


def kinetic_entries(d: int, nodes: int, matrices: bool) -> int:
    """Entries of the largest array of a kinetic step of one trajectory; `matrices`: with one for
    each two degrees of freedom, as where forces depend on velocities (`solvers.picard_rate`)."""
    return d * nodes * max(nodes if nodes > UNROLLED_COLUMNS else 1, d if matrices else 1)


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
    nothing: dict[str, Any] = {"grid": None, "neural": None, "signals": {}}
    return (
        world._replace(**filled, signals={}),
        World(**(axes | nothing)),
    )


def take_steps(
    machine: Machine, steps: int, keep: bool, state: State, world: World, first: Array
) -> tuple[State, Path]:
    """`steps` steps from the one with number `first` on: the state after them and the path.

    `keep`: with the displacements of every step.
    """
    blocks = -(-steps // BLOCK)
    size = -(-steps // blocks)  # as few steps as can be beyond the last
    index = jnp.minimum(jnp.arange(blocks * size), steps).reshape(blocks, size)
    if world.grid is not None:  # a step that is left out has some length too
        world = world._replace(grid=jnp.append(world.grid, 2 * world.grid[-1] - world.grid[-2]))
    signals = jax.tree_util.tree_map(lambda x: into_blocks(x, blocks, size), dict(world.signals))
    xs = (index, signals)

    def body(s: State, xs: Any) -> tuple[State, Path]:
        return _block(machine, world, keep, s, first, steps, xs)

    if blocks == 1:
        end, path = body(state, jax.tree_util.tree_map(lambda x: x[0], xs))
        return end, jax.tree_util.tree_map(lambda x: x[:steps], path)
    end, path = jax.lax.scan(body, state, xs)
    return end, jax.tree_util.tree_map(lambda x: from_blocks(x, steps), path)


def into_blocks(x: Array, blocks: int, size: int) -> Array:
    """(N, ...) to (blocks, size, ...), the last repeated where N is less."""
    missing = blocks * size - x.shape[0]
    if missing:
        x = jnp.concatenate([x, jnp.repeat(x[-1:], missing, axis=0)])
    return x.reshape((blocks, size, *x.shape[1:]))


def from_blocks(x: Array, count: int) -> Array:
    """(blocks, size, ...) to (N, ...), without the repeated ones."""
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))[:count]
