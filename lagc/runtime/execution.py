"""Compiled runs: trajectories whole or in pieces, single steps, residuals, velocities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lagc.runtime.integrator import (
    Clock,
    Ends,
    LegendrePoint,
    Node,
    State,
    advance,
    take_step,
    wrap,
)
from lagc.runtime.integrator import velocity as legendre_inverse
from lagc.runtime.plan import Plan, Setting, StaticPlan, make_setting, mapped, parameters_of
from lagc.runtime.trajectory import Trajectory

if TYPE_CHECKING:
    from lagc.runtime.system import System


def _clock(arrays: Mapping[str, jax.Array], first: Any, steps: int) -> Clock:
    """Times and lengths of the steps first+1 .. first+steps, from the integer step count."""
    number = first + jnp.arange(steps)
    if "times" in arrays:
        times = arrays["times"]
        return Clock(times[:-1], jnp.diff(times), number + 1)
    dt, t0 = arrays["dt"], arrays["t0"]
    return Clock(t0 + number.astype(dt.dtype) * dt, jnp.broadcast_to(dt, (steps,)), number + 1)


def _end_times(arrays: Mapping[str, jax.Array], first: Any, steps: int) -> jax.Array:
    if "times" in arrays:
        return arrays["times"][1:]
    dt, t0 = arrays["dt"], arrays["t0"]
    return t0 + (first + 1 + jnp.arange(steps)).astype(dt.dtype) * dt


def _start_time(arrays: Mapping[str, jax.Array]) -> jax.Array:
    return arrays["times"][0] if "times" in arrays else arrays["t0"]


def _begin(system: System, setting: Setting, arrays: dict[str, jax.Array]) -> State:
    """The initial state; a velocity from the momentum or a momentum from the velocity."""
    parameters = parameters_of(arrays, setting.hoisted)
    t, q = _start_time(arrays), arrays["q"]
    status = jnp.zeros((), jnp.int32)
    if "p" in arrays:
        p = arrays["p"]
        point = LegendrePoint(q, p, t, parameters)
        v, found = legendre_inverse(setting.legendre, jnp.zeros_like(q), point)
        status = jnp.where(found, 0, 1).astype(jnp.int32)
    else:
        v = arrays["v"]
        zero = LegendrePoint(q, jnp.zeros_like(q), t, parameters)
        p = setting.legendre.residual(v, zero)
    q, winding = wrap(q, jnp.zeros(q.shape, int), system.spec.moduli)
    zeros = jnp.zeros_like(q)
    return State(q, p, zeros, zeros, v, winding, status)


def _levels(
    system: System, setting: Setting, parameters: Any, ends: Ends, t: jax.Array, exact_v: bool
) -> tuple[Trajectory, jax.Array]:
    """Velocities and energies at time levels (leading axis), and where the velocity was found."""
    if exact_v:
        v, found = ends.v, jnp.ones(t.shape, bool)
    else:

        def one(q: Any, p: Any, guess: Any, time: Any) -> Any:
            return legendre_inverse(setting.legendre, guess, LegendrePoint(q, p, time, parameters))

        v, found = jax.vmap(one)(ends.q, ends.p, ends.v, t)
    values, terms = setting.legendre.environment.at(t, parameters)
    coefficients = parameters["coefficients"]
    # L may be periodic up to a constant (a constant torque): its energy follows the angle.
    periods = jnp.array([0.0 if m is None else m for m in system.spec.moduli], ends.q.dtype)
    angle = ends.q + ends.winding * jnp.broadcast_to(periods, ends.q.shape)
    energy = system.kernels.energy(angle, v, t, coefficients, values, terms)
    zero = jnp.zeros((), jnp.int32)
    return Trajectory(t, ends.q, v, ends.p, energy, zero, ends.winding), found


def _initial_level(
    system: System, setting: Setting, arrays: dict[str, jax.Array], state: State
) -> Trajectory:
    parameters = parameters_of(arrays, setting.hoisted)
    lost = state.status != 0
    ends = Ends(*(x[None] for x in (state.q, state.p, state.v, state.winding, lost)))
    t = _start_time(arrays)[None]
    level, _ = _levels(system, setting, parameters, ends, t, exact_v=True)
    return _masked(level, lost[None])._replace(status=state.status)


def _masked(piece: Trajectory, lost: jax.Array) -> Trajectory:
    """NaN where the trajectory is lost: (levels,)."""

    def mask(x: jax.Array) -> jax.Array:
        return jnp.where(lost[:, None] if x.ndim > 1 else lost, jnp.nan, x)

    return piece._replace(
        q=mask(piece.q), v=mask(piece.v), p=mask(piece.p), energy=mask(piece.energy)
    )


def _stretch(
    system: System,
    setting: Setting,
    steps: int,
    arrays: dict[str, jax.Array],
    state: State,
    first: Any,
) -> tuple[State, Trajectory]:
    """`steps` further steps: the state after them and the trajectory of their ends."""
    parameters = parameters_of(arrays, setting.hoisted)
    clock = _clock(arrays, first, steps)
    end, ends = advance(setting.step, system.spec.moduli, state, clock, parameters)
    t = _end_times(arrays, first, steps)
    piece, found = _levels(system, setting, parameters, ends, t, exact_v=False)
    # A level without a velocity, or outside the domain of L (where its energy has no value), ends
    # the trajectory there, as a failed step does: what would follow solves other equations.
    inside = jnp.isfinite(piece.energy) | ~found
    fails = ~ends.lost & ~(found & inside)
    lost = ends.lost | (jnp.cumsum(fails) > 0)
    place = jnp.argmax(fails)
    event = jnp.where(inside[place], clock.number[place], -clock.number[place])
    first = jnp.any(fails) & (state.status == 0)
    status = jnp.where(first, event.astype(jnp.int32), end.status)
    piece = _masked(piece, lost)._replace(status=status)
    return end._replace(status=status), piece


def _concatenate(first: Trajectory, rest: Trajectory) -> Trajectory:
    joined = {
        name: jnp.concatenate([getattr(first, name), getattr(rest, name)])
        for name in Trajectory._fields
        if name != "status"
    }
    return Trajectory(status=rest.status, **joined)


@partial(jax.jit, static_argnums=(0, 1))
def simulate(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """The whole trajectory."""
    setting = make_setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> Trajectory:
        state = _begin(system, setting, arrays)
        initial = _initial_level(system, setting, arrays, state)
        _, rest = _stretch(system, setting, static.steps, arrays, state, 0)
        return _concatenate(initial, rest)

    return mapped(static, one, arrays)


@partial(jax.jit, static_argnums=(0, 1))
def _first_piece(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    setting = make_setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> tuple[State, Trajectory]:
        state = _begin(system, setting, arrays)
        return state, _initial_level(system, setting, arrays, state)

    return mapped(static, one, arrays)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _next_piece(
    system: System,
    static: StaticPlan,
    steps: int,
    arrays: Any,
    signals: Any,
    neural: Any,
    state: State,
    first: Any,
) -> Any:
    setting = make_setting(system, static, arrays, signals, neural)
    names = {f"state {name}": getattr(state, name) for name in State._fields}
    own = {name: a.ndim - len(static.batch) for name, a in names.items()}
    static = static._replace(own_axes=static.own_axes + tuple(own.items()))

    def one(arrays: dict[str, jax.Array]) -> tuple[State, Trajectory]:
        state = State(*(arrays[f"state {name}"] for name in State._fields))
        return _stretch(system, setting, steps, arrays, state, first)

    return mapped(static, one, arrays | names)


def simulate_in_chunks(system: System, plan: Plan, chunk: int) -> Iterator[Trajectory]:
    """The initial level, then pieces of at most `chunk` steps."""
    static = plan.static
    rest = (plan.arrays, plan.signals, plan.neural)
    state, piece = _first_piece(system, static, *rest)
    yield piece
    done = 0
    while done < static.steps:
        steps = min(chunk, static.steps - done)
        common = static._replace(steps=0)
        state, piece = _next_piece(system, common, steps, *rest, state, jnp.asarray(done))
        yield piece
        done += steps


@partial(jax.jit, static_argnums=(0, 1))
def single_step(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """(q, p, winding, nodes, status) of one step."""
    setting = make_setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> Any:
        state = _begin(system, setting, arrays)
        parameters = parameters_of(arrays, setting.hoisted)
        clock = jax.tree_util.tree_map(lambda x: x[0], _clock(arrays, 0, 1))
        new, nodes = take_step(setting.step, system.spec.moduli, state, clock, parameters)
        lost = new.status != 0
        q, p, nodes = (jnp.where(lost, jnp.nan, x) for x in (new.q, new.p, nodes))
        return q, p, new.winding, nodes, new.status

    return mapped(static, one, arrays)


@partial(jax.jit, static_argnums=(0, 1))
def residual(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """R_0 + p, R_1 .. R_r of given nodes: (..., r+1, dof)."""
    setting = make_setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> jax.Array:
        parameters = parameters_of(arrays, setting.hoisted)
        x = Node(arrays["q"], arrays["p"], arrays["t0"], arrays["dt"], parameters)
        displacements = (arrays["nodes"] - arrays["q"][None, :])[1:]
        rows = setting.step.residual(displacements.reshape(-1), x)
        return rows.reshape(displacements.shape)

    return mapped(static, one, arrays)


@partial(jax.jit, static_argnums=(0, 1))
def velocity(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """The Legendre inverse at points: (..., dof)."""
    setting = make_setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> jax.Array:
        parameters = parameters_of(arrays, setting.hoisted)
        point = LegendrePoint(arrays["q"], arrays["p"], arrays["t0"], parameters)
        v, found = legendre_inverse(setting.legendre, jnp.zeros_like(point.q), point)
        return jnp.where(found, v, jnp.nan)

    return mapped(static, one, arrays)
