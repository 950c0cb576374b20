"""Compiled runs: trajectories whole or in pieces, single steps, residuals, velocities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lagc.runtime import affine
from lagc.runtime import march as marching
from lagc.runtime.dense import gather, locate, state_at
from lagc.runtime.doubled import Doubled
from lagc.runtime.equations import StepData, StepEquations
from lagc.runtime.linear import inverse
from lagc.runtime.march import UNSOLVED, Machine, Path, State, World, known_steps, march, wrap
from lagc.runtime.method import along_nodes, method
from lagc.runtime.plan import Lanes, Plan, Setting, StaticPlan, from_lanes, make_setting, to_lanes
from lagc.runtime.robust import LegendrePoint, LegendreProblem
from lagc.runtime.robust import velocity as legendre_inverse
from lagc.runtime.solvers import Start, accelerate
from lagc.runtime.strategy import holds
from lagc.runtime.trajectory import Trajectory

if TYPE_CHECKING:
    from lagc.runtime.system import System


class Run(NamedTuple):
    """One compiled run: the model, what solves its steps, and its arguments over lanes."""

    system: System
    static: StaticPlan
    lanes: Lanes
    setting: Setting
    machine: Machine


def _prepare(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Run:
    lanes = to_lanes(static, arrays)
    setting = make_setting(system, static, lanes, signals, neural)
    equations = StepEquations(setting.model, method(static.r))
    way = static.way if static.way in marching.WAYS else "newton"
    robust = static.way == "robust"
    machine = Machine(equations, way, system.spec.moduli, robust, static.fallback)
    return Run(system, static, lanes, setting, machine)


# --- times, inputs and the world of a stretch of steps -------------------------------------------


def _level_times(run: Run, first: Any, count: int) -> jax.Array:
    """Times of the levels first .. first+count-1: (count, *L), ones where shared."""
    arrays, rank = run.lanes.arrays, len(run.lanes.shape)
    if "times" in arrays:
        grid = arrays["times"].reshape(-1)
        return jax.lax.dynamic_slice(grid, (first,), (count,)).reshape((count,) + (1,) * rank)
    dt, t0 = arrays["dt"], arrays["t0"]
    number = (first + jnp.arange(count)).reshape((-1,) + (1,) * rank)
    return t0[None] + number.astype(dt.dtype) * dt[None]


def _inputs_at(run: Run, t: jax.Array) -> dict[str, jax.Array]:
    """All inputs at times (k, *L), filled to (k, *L)."""
    full = (t.shape[0], *run.lanes.shape)
    held = {k: jnp.broadcast_to(c[None], full) for k, c in run.lanes.named("input ").items()}
    return held | {k: jnp.broadcast_to(f(t), full) for k, f in run.setting.signals.items()}


def _world(run: Run, mass_inverse: jax.Array | None, first: Any, steps: int) -> World:
    """What acts on the steps first .. first+steps-1."""
    arrays = run.lanes.arrays
    grid = None
    if "times" in arrays:
        grid = jax.lax.dynamic_slice(arrays["times"].reshape(-1), (first,), (steps + 1,))
    signals = {}
    if run.setting.signals:
        starts = _level_times(run, first, steps)
        ends = _level_times(run, first + 1, steps) - starts
        fractions = (1 + jnp.asarray(run.machine.equations.method.tableau.nodes)) / 2
        shape = (1, -1) + (1,) * len(run.lanes.shape)
        nodes = starts[:, None] + fractions.astype(starts.dtype).reshape(shape) * ends[:, None]
        flat = nodes.reshape(-1, *nodes.shape[2:])
        signals = {
            k: f(flat).reshape(*nodes.shape[:2], *f(flat).shape[1:])
            for k, f in run.setting.signals.items()
        }
    return World(
        arrays.get("t0"),
        arrays.get("dt"),
        grid,
        run.lanes.named("coefficient "),
        run.lanes.named("input "),
        signals,
        run.setting.weights,
        mass_inverse,
    )


def _call(run: Run, kernel: Any, q: jax.Array, v: jax.Array, t: jax.Array, inputs: Any) -> Any:
    """A node function at q, v: (d, k, *L) and t: (k, *L)."""
    full = q.shape[1:]
    x = StepData(q, v, t, t, run.lanes.named("coefficient "), inputs, run.setting.weights)
    return run.setting.model.call(kernel, q, v, jnp.broadcast_to(t, full), x, inputs)


# --- the beginning -------------------------------------------------------------------------------


def _mass_inverse(run: Run, q: jax.Array, v: jax.Array) -> jax.Array | None:
    """M^-1 where M is constant: (d, *L) if diagonal, else (d, d, *L)."""
    spec = run.system.spec
    if not holds(spec, "constant mass matrix"):
        return None
    if spec.lattice is not None and not holds(spec, "diagonal mass matrix"):
        return None
    t = _level_times(run, 0, 1)
    kernels = run.system.kernels
    *_, b_v = _call(run, kernels.blocks, q[:, None], v[:, None], t, _inputs_at(run, t))
    rank = len(run.lanes.shape)
    lattice = spec.lattice
    if lattice is not None:
        local = b_v[lattice.reach]
        diagonal = [local[i, i] for i in range(len(lattice.fields))]
        mass = jnp.concatenate(diagonal)
        return 1 / mass.reshape(-1, *mass.shape[mass.ndim - rank :])
    mass = b_v.reshape(*b_v.shape[:2], *b_v.shape[3:])
    if holds(spec, "diagonal mass matrix"):
        return 1 / jnp.stack([mass[i, i] for i in range(mass.shape[0])])
    return inverse(mass)


def _velocities(
    run: Run, guess: jax.Array, q: jax.Array, p: jax.Array, t: jax.Array, inputs: Any
) -> tuple[jax.Array, jax.Array]:
    """The Legendre inverse at (d, k, *L), and where it was found: (k, *L)."""
    problem = LegendreProblem(run.setting.model)
    coefficients = run.lanes.named("coefficient ")
    t = jnp.broadcast_to(t, q.shape[1:])

    def one(guess: Any, q: Any, p: Any, t: Any, c: Any, u: Any) -> Any:
        point = LegendrePoint(q, p, t, c, u, run.setting.weights)
        return legendre_inverse(problem, guess, point)

    over_levels = jax.vmap(one, in_axes=(1, 1, 1, 0, None, 0), out_axes=(1, 0))
    if not run.lanes.shape:
        found: tuple[jax.Array, jax.Array] = over_levels(guess, q, p, t, coefficients, inputs)
        return found
    count = run.lanes.shape[0]
    filled = {k: jnp.broadcast_to(c, (*c.shape[:-1], count)) for k, c in coefficients.items()}
    over_lanes = jax.vmap(over_levels, in_axes=-1, out_axes=-1)
    both: tuple[jax.Array, jax.Array] = over_lanes(guess, q, p, t, filled, inputs)
    return both


class Beginning(NamedTuple):
    """The first state, its velocity (d, *L), and M^-1 where constant."""

    state: State
    v: jax.Array
    mass_inverse: jax.Array | None


def _begin(run: Run) -> Beginning:
    """The initial state; a velocity from the momentum or a momentum from the velocity."""
    arrays = run.lanes.arrays
    q, t = arrays["q"], _level_times(run, 0, 1)
    inputs = _inputs_at(run, t)
    status = jnp.zeros(run.lanes.shape, jnp.int32)
    if "p" in arrays:
        p = arrays["p"]
        mass = _mass_inverse(run, q, jnp.zeros_like(q))
        if mass is not None:
            v = accelerate(Start(p, jnp.zeros(run.lanes.shape), mass), p)
        else:
            rest = jnp.zeros_like(q)[:, None]
            found = _velocities(run, rest, q[:, None], p[:, None], t, inputs)
            v, status = found[0][:, 0], jnp.where(found[1][0], 0, 1).astype(jnp.int32)
    else:
        v = arrays["v"]
        mass = _mass_inverse(run, q, v)
        p = _call(run, run.system.kernels.momentum, q[:, None], v[:, None], t, inputs)[:, 0]
    eq, zeros = run.machine.equations, jnp.zeros_like(q)
    if run.machine.way == "newton":
        h = _level_times(run, 1, 1) - t
        memory = along_nodes(eq.method.drift, v[:, None]) * (h * v)[:, None]
    else:
        a, _ = _call(run, run.system.kernels.forces, q[:, None], v[:, None], t, inputs)
        memory = jnp.broadcast_to(a, (a.shape[0], eq.method.s, *a.shape[2:]))
    memory = jax.lax.stop_gradient(memory)
    q, winding = wrap(q, run.system.spec.moduli)
    one = jnp.ones(run.lanes.shape, q.dtype)
    mass = None if mass is None else jax.lax.stop_gradient(mass)
    return Beginning(State(q, p, zeros, zeros, memory, one, winding, status), v, mass)


# --- time levels -----------------------------------------------------------------------------


class Levels(NamedTuple):
    """Time levels: t: (k, *L) or ones; q, v, p: (d, k, *L); energy: (k, *L); winding: (d, k, *L)
    or (0, k, *L)."""

    t: jax.Array
    q: jax.Array
    v: jax.Array
    p: jax.Array
    energy: jax.Array
    winding: jax.Array


def _levels(
    run: Run,
    mass_inverse: jax.Array | None,
    t: jax.Array,
    q: jax.Array,
    p: jax.Array,
    winding: jax.Array,
    v: jax.Array | None = None,
) -> tuple[Levels, jax.Array]:
    """Velocities (where not known) and energies, and where the velocity was found: (k, *L)."""
    inputs = _inputs_at(run, t)
    full = (q.shape[1], *run.lanes.shape)
    found = jnp.ones(full, bool)
    if v is None and mass_inverse is not None:
        # The mass matrix depends on coefficients, so it is looked at anew where derivatives pass.
        v = accelerate(Start(p, jnp.zeros(run.lanes.shape), _exact_mass_inverse(run)), p)
    elif v is None:
        v, found = _velocities(run, jnp.zeros_like(q), q, p, t, inputs)
    angle = q
    if winding.shape[0]:
        # L may be periodic up to a constant (a constant torque): its energy follows the angle.
        periods = [0.0 if m is None else m for m in run.system.spec.moduli]
        shape = (-1,) + (1,) * (q.ndim - 1)
        angle = q + winding * jnp.array(periods, q.dtype).reshape(shape)
    energy = _call(run, run.system.kernels.energy, angle, v, t, inputs)
    return Levels(t, q, v, p, energy, winding), found


def _exact_mass_inverse(run: Run) -> jax.Array:
    arrays = run.lanes.arrays
    mass = _mass_inverse(run, arrays["q"], arrays.get("v", jnp.zeros_like(arrays["q"])))
    assert mass is not None
    return mass


def _trajectory(run: Run, levels: Levels, lost: jax.Array, status: jax.Array) -> Trajectory:
    """Levels with NaN where lost: (k, *L), axes as the user sees them."""

    def vectors(x: jax.Array) -> jax.Array:
        return from_lanes(run.static, jnp.moveaxis(x, 0, 1))

    def mask(x: jax.Array) -> jax.Array:
        return jnp.where(lost if x.ndim == lost.ndim else lost[None], jnp.nan, x)

    full = lost.shape
    winding = levels.winding
    if not winding.shape[0]:
        winding = jnp.zeros((levels.q.shape[0], *full), jnp.int32)
    return Trajectory(
        from_lanes(run.static, jnp.broadcast_to(levels.t, full)),
        vectors(mask(levels.q)),
        vectors(mask(levels.v)),
        vectors(mask(levels.p)),
        from_lanes(run.static, mask(levels.energy)),
        from_lanes(run.static, status),
        vectors(winding.astype(jnp.int32)),
    )


def _join(first: Levels, rest: Levels) -> Levels:
    return Levels(
        *(
            jnp.concatenate([a, b], axis=0 if name in ("t", "energy") else 1)
            for name, a, b in zip(Levels._fields, first, rest, strict=True)
        )
    )


def _first_level(run: Run, begun: Beginning) -> Levels:
    s, t = begun.state, _level_times(run, 0, 1)
    q, p, winding = s.q[:, None], s.p[:, None], s.winding[:, None]
    level, _ = _levels(run, begun.mass_inverse, t, q, p, winding, begun.v[:, None])
    return level


def _numbers(first: Any, count: int, every: int) -> jax.Array:
    """Numbers, from 1, of the steps that end at the levels kept."""
    return first + every * (1 + jnp.arange(count))


def _ends(
    run: Run, begun: Beginning, state: State, first: Any, steps: int
) -> tuple[State, Levels, jax.Array]:
    """The state after `steps` further steps, the levels kept on the way, and where lost."""
    every = run.static.save_every
    state, path = _steps(run, begun, state, first, steps)
    count = steps // every
    numbers = _numbers(first, count, every)
    t = _level_times(run, first + every, (count - 1) * every + 1)[::every]
    q, p, winding = (jnp.moveaxis(x, 0, 1) for x in (path.q, path.p, path.winding))
    levels, found = _levels(run, begun.mass_inverse, t, q, p, winding)
    # A level without a velocity, or outside the domain of L (where its energy has no value), ends
    # the trajectory there, as a failed step does: what would follow solves other equations.
    inside = jnp.isfinite(levels.energy) | ~found
    fails = ~path.lost & ~(found & inside)
    place = jnp.argmax(fails, axis=0)
    lost = path.lost | _from(fails, place)
    number = numbers[place]
    happened = jnp.take_along_axis(inside, place[None], axis=0)[0]
    event = jnp.where(happened, number, -number).astype(jnp.int32)
    later = (state.status != UNSOLVED) & (jnp.abs(state.status) > number)
    earlier = (state.status == 0) | later
    new = jnp.any(fails, axis=0) & earlier
    return state._replace(status=jnp.where(new, event, state.status)), levels, lost


_NODES = "lagc nodes"


def _steps(run: Run, begun: Beginning, state: State, first: Any, steps: int) -> tuple[State, Path]:
    """March in one go, or in pieces of which only the ends are kept for the derivative."""
    if run.static.way == "affine":
        return _affine_steps(run, state, first, steps)
    every, piece = run.static.save_every, run.static.checkpoint
    if every > 1:
        piece = every * max(1, -(-64 // every)) if not piece else every * max(1, piece // every)
    piece = min(piece or steps, steps)

    def some(state: State, first: Any, count: int) -> tuple[State, Path]:
        world = _world(run, begun.mass_inverse, first, count)
        state, path = march(run.machine, count, False, state, world, jnp.asarray(first))
        kept = jax.tree_util.tree_map(lambda x: x[every - 1 :: every], path)
        return state, kept

    if piece == steps:
        return some(state, first, steps)
    body: Callable[..., Any] = partial(some, count=piece)
    if run.static.checkpoint:
        body = jax.checkpoint(body)
    whole = steps // piece
    starts = first + piece * jnp.arange(whole)
    state, path = jax.lax.scan(lambda s, n: body(s, n), state, starts)
    path = jax.tree_util.tree_map(
        lambda x: x.reshape((x.shape[0] * x.shape[1], *x.shape[2:])), path
    )
    if steps % piece:
        state, rest = some(state, first + whole * piece, steps % piece)
        path = jax.tree_util.tree_map(lambda a, b: jnp.concatenate([a, b]), path, rest)
    return state, path


def _from(fails: jax.Array, place: jax.Array) -> jax.Array:
    """From the first failure on: (k, *L), where `place` is the first if there is any."""
    levels = jnp.arange(fails.shape[0]).reshape((-1,) + (1,) * place.ndim)
    return jnp.any(fails, axis=0)[None] & (levels >= place[None])


def _affine_steps(run: Run, state: State, first: Any, steps: int) -> tuple[State, Path]:
    """The same for an affine model: every step by a power of one matrix."""
    every = run.static.save_every
    equations, kernels = run.machine.equations, run.system.kernels
    t, origin = _level_times(run, 0, 1), jnp.zeros_like(state.q)[:, None]
    blocks = _call(run, kernels.blocks, origin, origin, t, _inputs_at(run, t))
    h = run.lanes.arrays["dt"]
    find = affine.short_map if steps <= affine.SHORT else affine.step_map
    found = find(equations, tuple(b[:, :, 0] for b in blocks), h)
    matrix, gained, count = found.matrix, None, steps
    if not holds(run.system.spec, "linear"):
        gained = _forcing(run, found.inverse, first, steps)
    elif every > 1:
        matrix, count = affine.power(matrix, every), steps // every
    z = Doubled(jnp.concatenate([state.q, state.p]), jnp.concatenate([-state.q_low, -state.p_low]))
    path, end = affine.propagate(matrix, z, gained, count)
    if gained is not None and every > 1:
        path = path[every - 1 :: every]
    dof = state.q.shape[0]
    going = found.good & (state.status == 0)
    finite = jnp.all(jnp.isfinite(path), axis=1) & going[None]
    place = jnp.argmax(~finite, axis=0)
    lost = _from(~finite, place)
    event = jnp.where(found.good, -_numbers(first, path.shape[0], every)[place], first + 1)
    status = jnp.where((state.status == 0) & lost[-1], event, state.status).astype(jnp.int32)
    winding = jnp.zeros((path.shape[0], *state.winding.shape), path.dtype)
    end_state = state._replace(
        q=end.high[:dof],
        p=end.high[dof:],
        q_low=-end.low[:dof],
        p_low=-end.low[dof:],
        status=status,
    )
    return end_state, Path(path[:, :dof], path[:, dof:], None, winding, lost)


def _forcing(run: Run, inverted: jax.Array, first: Any, steps: int) -> jax.Array:
    """What steps gain from rest at the origin: (steps, 2 dof, *L), or one if always the same."""
    autonomous = holds(run.system.spec, "autonomous")
    world = _world(run, None, first, 1 if autonomous else steps)
    count = 1 if autonomous else steps
    zero = jnp.zeros((count, run.system.spec.dof, *run.lanes.shape), inverted.dtype)
    lost = jnp.zeros((count, *run.lanes.shape), bool)
    u = jnp.zeros((*zero.shape[:2], run.machine.equations.method.s - 1, *run.lanes.shape))
    still = Path(zero, zero, u.astype(zero.dtype), zero[:, :0], lost)
    z = zero[0]
    rest = State(z, z, z, z, z, lost[0], z, lost[0])
    x, _, _ = known_steps(run.machine, world, rest, still, first, count)
    gained = affine.forced_part(run.machine.equations, inverted[:, :, None], x)
    return jnp.moveaxis(gained, 1, 0)


# --- what the face calls -------------------------------------------------------------------------


def simulate(system: System, plan: Plan) -> Trajectory:
    """The whole trajectory.

    Outside of a trace, a program without the fallback is tried first: it compiles in half the time,
    and is enough for nearly all runs.
    """
    static, *rest = plan
    if static.way != "robust" and not _traced(rest):
        result, solved = _simulate(system, static._replace(fallback=False), *rest)
        if not _traced(solved) and bool(solved):
            return result
    result, _ = _simulate(system, static, *rest)
    return result


def _traced(tree: Any) -> bool:
    return any(isinstance(x, jax.core.Tracer) for x in jax.tree_util.tree_leaves(tree))


@partial(jax.jit, static_argnums=(0, 1))
def _simulate(
    system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any
) -> tuple[Trajectory, jax.Array]:
    """The trajectory, and whether no step is left unsolved for want of the fallback."""
    run = _prepare(system, static, arrays, signals, neural)
    begun = _begin(run)
    if "save at" in run.lanes.arrays:
        return _at_times(run, begun)
    initial = _first_level(run, begun)
    state, levels, lost = _ends(run, begun, begun.state, 0, static.steps)
    lost = jnp.concatenate([(begun.state.status != 0)[None], lost])
    solved = jnp.all(state.status != UNSOLVED)
    return _trajectory(run, _join(initial, levels), lost, state.status), solved


def _at_times(run: Run, begun: Beginning) -> tuple[Trajectory, jax.Array]:
    """The trajectory at given times, and whether no step is left unsolved."""
    steps, rank = run.static.steps, len(run.lanes.shape)
    world = _world(run, begun.mass_inverse, 0, steps)
    first = jnp.asarray(0)
    state, path = march(run.machine, steps, True, begun.state, world, first)
    x, u, good = known_steps(run.machine, world, begun.state, path, first, steps)
    t = run.lanes.arrays["save at"]
    t = t.reshape((-1,) + (1,) * rank)
    place = locate(t, x.t, x.h)
    q, p = state_at(run.machine.equations, u, x, place)
    moduli = run.system.spec.moduli
    winding = jnp.zeros((0, *q.shape[1:]), q.dtype)
    if path.winding.shape[1]:
        q, turns = wrap(q, moduli)
        before = jnp.concatenate([begun.state.winding[None], path.winding[:-1]])
        chosen = [gather(before[:, i], place.step) for i in range(q.shape[0])]
        winding = jnp.stack(chosen) + turns
    levels, found = _levels(run, begun.mass_inverse, t, q, p, winding)
    lost = gather(~good, jnp.broadcast_to(place.step, q.shape[1:]))
    lost = lost | ~found | ~jnp.isfinite(levels.energy)
    return _trajectory(run, levels, lost, state.status), jnp.all(state.status != UNSOLVED)


@partial(jax.jit, static_argnums=(0, 1))
def _first_piece(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    run = _prepare(system, static, arrays, signals, neural)
    begun = _begin(run)
    lost = (begun.state.status != 0)[None]
    level = _trajectory(run, _first_level(run, begun), lost, begun.state.status)
    return begun, level


@partial(jax.jit, static_argnums=(0, 1, 2))
def _next_piece(
    system: System,
    static: StaticPlan,
    steps: int,
    arrays: Any,
    signals: Any,
    neural: Any,
    begun: Beginning,
    state: State,
    first: Any,
) -> Any:
    run = _prepare(system, static, arrays, signals, neural)
    state, levels, lost = _ends(run, begun, state, first, steps)
    return state, _trajectory(run, levels, lost, state.status)


def simulate_in_chunks(system: System, plan: Plan, chunk: int) -> Iterator[Trajectory]:
    """The initial level, then pieces of at most `chunk` steps."""
    static = plan.static
    rest = (plan.arrays, plan.signals, plan.neural)
    begun, piece = _first_piece(system, static._replace(steps=0), *rest)
    yield piece
    state, done = begun.state, 0
    common = static._replace(steps=0)
    while done < static.steps:
        steps = min(chunk, static.steps - done)
        first = jnp.asarray(done)
        state, piece = _next_piece(system, common, steps, *rest, begun, state, first)
        yield piece
        done += steps


@partial(jax.jit, static_argnums=(0, 1))
def single_step(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """(q, p, winding, nodes, status) of one step."""
    run = _prepare(system, static, arrays, signals, neural)
    begun = _begin(run)
    start = begun.state
    world = _world(run, begun.mass_inverse, 0, 1)
    end, path = march(run.machine, 1, True, start, world, jnp.asarray(0))
    assert path.u is not None
    nodes = start.q[:, None] + jnp.concatenate(
        [jnp.zeros_like(path.u[0][:, :1]), path.u[0]], axis=1
    )
    lost = end.status != 0
    q, p = (jnp.where(lost[None], jnp.nan, x) for x in (end.q, end.p))
    nodes = jnp.where(lost[None, None], jnp.nan, nodes)
    winding = jnp.zeros(q.shape, jnp.int32)
    if end.winding.shape[0]:
        winding = end.winding.astype(jnp.int32)
    nodes = jnp.moveaxis(nodes, 0, 1)
    return tuple(from_lanes(static, x) for x in (q, p, winding, nodes, end.status))


@partial(jax.jit, static_argnums=(0, 1))
def residual(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """R_0 + p, R_1 .. R_r of given nodes: (..., r+1, dof)."""
    run = _prepare(system, static, arrays, signals, neural)
    world = _world(run, None, 0, 1)
    arrays = run.lanes.arrays
    nodes = jnp.moveaxis(arrays["nodes"], 1, 0)  # (dof, s, *L)
    q = arrays["q"]
    index = jnp.asarray(0)
    t, h = marching.clock(world, index, index, len(run.lanes.shape))
    signals_now = {k: x[0] for k, x in world.signals.items()}
    held = {
        k: jnp.broadcast_to(c[None], (nodes.shape[1], *c.shape)) for k, c in world.constants.items()
    }
    x = StepData(q, arrays["p"], t, h, world.coefficients, held | signals_now, world.neural)
    rows = run.machine.equations.residual(nodes[:, 1:] - q[:, None], x)
    return from_lanes(static, jnp.moveaxis(rows, 0, 1))


@partial(jax.jit, static_argnums=(0, 1))
def velocity(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """The Legendre inverse at points: (..., dof)."""
    run = _prepare(system, static, arrays, signals, neural)
    q, p = run.lanes.arrays["q"][:, None], run.lanes.arrays["p"][:, None]
    t = _level_times(run, 0, 1)
    v, found = _velocities(run, jnp.zeros_like(q), q, p, t, _inputs_at(run, t))
    return from_lanes(static, jnp.where(found[None], v, jnp.nan)[:, 0])
