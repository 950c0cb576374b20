"""Compiled runs: trajectories whole or in pieces, single steps, residuals, velocities."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.extend.core import get_opaque_trace_state, take_current_trace

from lagc.runtime.advance import advance, checked
from lagc.runtime.dense import gather, locate, state_at
from lagc.runtime.equations import StepData
from lagc.runtime.levels import (
    Beginning,
    as_trajectory,
    begin,
    find_levels,
    find_velocities,
    first_level,
    join,
    with_known,
    without_known,
)
from lagc.runtime.march import known_steps, march
from lagc.runtime.plan import Lanes, Plan, StaticPlan, from_lanes, to_lanes
from lagc.runtime.portions import in_portions, portion_size, profits_from_vectors, widest_vectors
from lagc.runtime.run import (
    Run,
    inputs_at,
    level_times,
    over_lanes,
    prepare,
    world_of,
)
from lagc.runtime.shards import over_shards, spread
from lagc.runtime.steps import UNSOLVED, State, clock, wrap
from lagc.runtime.trajectory import Trajectory

if TYPE_CHECKING:
    from lagc.runtime.system import System


def simulate(system: System, plan: Plan) -> Trajectory:
    """The whole trajectory.

    Outside of a trace, a program without the fallback is tried first: it compiles in half the time,
    and is enough for nearly all runs.
    """
    plan = spread(plan)
    if not _in_a_trace():
        result, solved = attempt(system, plan)
        if bool(solved):
            return result
    return _run(system, plan)[0]


def attempt(system: System, plan: Plan) -> tuple[Trajectory, jax.Array]:
    """The trajectory without the fallback, and whether no step was left unsolved: ()."""
    plan = spread(plan)
    plan = plan._replace(static=plan.static._replace(fallback=plan.static.way == "robust"))
    return _run(system, plan)


def _in_a_trace() -> bool:
    """Whether jax traces or differentiates what is called: arguments do not show it where a
    callable among them closes over the traced value, or where all of them are constant."""
    with take_current_trace():  # set aside
        outside = get_opaque_trace_state()
    return bool(get_opaque_trace_state() != outside)


def _run(system: System, plan: Plan) -> tuple[Trajectory, jax.Array]:
    """`_whole_run`, compiled as fits the plan."""
    static, *rest = plan
    # Options are those of whole programs.
    if not profits_from_vectors(system.spec, static) or _in_a_trace():
        return _simulate(system, static, *rest)
    return _simulate_wide()(system, static._replace(alone=True), *rest)


def _whole_run(
    system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any
) -> tuple[Trajectory, jax.Array]:
    """The trajectory, and whether no step is left unsolved for want of the fallback."""
    if static.shards is None:
        return _on_one_device(system, static, arrays, signals, neural)
    return over_shards(partial(_on_one_device, system), static, (arrays, signals, neural))


def _on_one_device(
    system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any
) -> tuple[Trajectory, jax.Array]:
    lanes = to_lanes(static, arrays)
    size = portion_size(system.spec, static, arrays)
    if not size:
        return _over_lanes(over_lanes(system, static, lanes, signals, neural))
    inner = static._replace(batch=(size,))

    def portion(lanes: Lanes) -> tuple[Trajectory, jax.Array]:
        result, solved = _over_lanes(over_lanes(system, inner, lanes, signals, neural))
        return without_known(system, result), jnp.broadcast_to(solved, (size,))

    result, solved = in_portions(portion, lanes, size)
    shaped = jax.tree_util.tree_map(lambda x: x.reshape(static.batch + x.shape[1:]), result)
    run = over_lanes(system, static, lanes, signals, neural)
    return with_known(run, shaped), jnp.all(solved)


_simulate = jax.jit(_whole_run, static_argnums=(0, 1))


@cache
def _simulate_wide() -> Any:
    """`_simulate`, with vectors as wide as they are."""
    return jax.jit(_whole_run, static_argnums=(0, 1), compiler_options=widest_vectors())


def _over_lanes(run: Run) -> tuple[Trajectory, jax.Array]:
    begun = begin(run)
    if "save at" in run.lanes.arrays:
        return _at_times(run, begun)
    initial = first_level(run, begun)
    state, levels, lost = advance(run, begun, begun.state, 0, run.static.steps)
    lost = jnp.concatenate([(begun.state.status != 0)[None], lost])
    solved = jnp.all(state.status != UNSOLVED)
    return as_trajectory(run, join(initial, levels), lost, state.status), solved


def _at_times(run: Run, begun: Beginning) -> tuple[Trajectory, jax.Array]:
    """The trajectory at given times, and whether no step is left unsolved."""
    steps, rank = run.static.steps, len(run.lanes.shape)
    world = world_of(run, begun.mass_inverse, 0, steps)
    first = jnp.asarray(0)
    state, path = march(run.machine, steps, True, begun.state, world, first)
    x, u, _ = known_steps(run.machine, world, begun.state[:2], path, first, steps)
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
    levels, found = find_levels(run, begun.mass_inverse, t, q, p, winding)
    state, _, gone = checked(run, begun, state, path, 0, 1, level_times(run, 1, steps))
    lost = gather(gone, jnp.broadcast_to(place.step, q.shape[1:]))
    lost = lost | ~found | ~jnp.isfinite(levels.energy) | ~place.inside
    return as_trajectory(run, levels, lost, state.status), jnp.all(state.status != UNSOLVED)


@partial(jax.jit, static_argnums=(0, 1))
def _first_piece(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    run = prepare(system, static, arrays, signals, neural)
    begun = begin(run)
    lost = (begun.state.status != 0)[None]
    level = as_trajectory(run, first_level(run, begun), lost, begun.state.status)
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
    run = prepare(system, static, arrays, signals, neural)
    state, levels, lost = advance(run, begun, state, first, steps)
    return state, as_trajectory(run, levels, lost, state.status)


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
    run = prepare(system, static, arrays, signals, neural)
    begun = begin(run)
    start = begun.state
    world = world_of(run, begun.mass_inverse, 0, 1)
    end, path = march(run.machine, 1, True, start, world, jnp.asarray(0))
    assert path.u is not None
    end, _, _ = checked(run, begun, end, path, 0, 1, level_times(run, 1, 1))
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
    run = prepare(system, static, arrays, signals, neural)
    world = world_of(run, None, 0, 1)
    arrays = run.lanes.arrays
    nodes = jnp.moveaxis(arrays["nodes"], 1, 0)  # (dof, s, *L)
    q = arrays["q"]
    index = jnp.asarray(0)
    t, h = clock(world, index, index, len(run.lanes.shape))
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
    run = prepare(system, static, arrays, signals, neural)
    q, p = run.lanes.arrays["q"][:, None], run.lanes.arrays["p"][:, None]
    t = level_times(run, 0, 1)
    v, found = find_velocities(run, jnp.zeros_like(q), q, p, t, inputs_at(run, t))
    return from_lanes(static, jnp.where(found[None], v, jnp.nan)[:, 0])
