"""From checked arguments to compiled runs: what is traced, what is static, how batches are mapped.

A `Plan` holds the array arguments by name with their number of own axes; everything that is not an
array (tree structures, callables, r, the number of steps) is static under jit, so that new values
never compile anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lagc.runtime.arguments import align_batch
from lagc.runtime.callables import Static, join_arrays, split_arrays
from lagc.runtime.integrator import (
    Clock,
    Ends,
    Environment,
    LegendrePoint,
    LegendreProblem,
    Node,
    State,
    StepProblem,
    advance,
    take_step,
    wrap,
)
from lagc.runtime.integrator import (
    velocity as legendre_inverse,
)
from lagc.runtime.tableau import tableau
from lagc.runtime.trajectory import Trajectory

if TYPE_CHECKING:
    from lagc.runtime.system import System


class StaticPlan(NamedTuple):
    """The hashable part of a plan."""

    r: int
    steps: int
    batch: tuple[int, ...]
    own_axes: tuple[tuple[str, int], ...]
    signals: tuple[tuple[str, Static], ...]
    neural: tuple[tuple[str, Static], ...]


class Plan(NamedTuple):
    """A run ready to be compiled: static part, array arguments, array leaves of callables."""

    static: StaticPlan
    arrays: dict[str, jax.Array]
    signals: dict[str, tuple[Any, ...]]
    neural: dict[str, tuple[Any, ...]]


def make_plan(
    arrays: Mapping[str, tuple[jax.Array, int]],
    signals: Mapping[str, Any],
    neural: Mapping[str, Any],
    r: int,
    steps: int,
) -> Plan:
    """A plan from arrays (each with its number of own, trailing axes) and callables by name."""
    signal_parts = {name: split_arrays(f) for name, f in signals.items()}
    neural_parts = {name: split_arrays(f) for name, f in neural.items()}
    arrays, batch = align_batch(arrays)
    static = StaticPlan(
        r,
        steps,
        batch,
        tuple((name, own) for name, (_, own) in arrays.items()),
        tuple((name, part[1]) for name, part in signal_parts.items()),
        tuple((name, part[1]) for name, part in neural_parts.items()),
    )
    return Plan(
        static,
        {name: array for name, (array, _) in arrays.items()},
        {name: part[0] for name, part in signal_parts.items()},
        {name: part[0] for name, part in neural_parts.items()},
    )


def scalar(f: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """The same function with a result of shape () where it was (1,)."""
    return lambda x: jnp.reshape(f(x), ())


class _Setting(NamedTuple):
    """Problems of one model at one order, and the parameters that their callables closed over."""

    step: StepProblem
    legendre: LegendreProblem
    hoisted: dict[str, dict[str, Any]]


def _setting(
    system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any
) -> _Setting:
    """Callables with everything they close over turned into explicit arguments.

    Without this, derivatives with respect to values hidden in a closure would meet the implicit
    function rule from outside, where jax cannot see them.
    """
    dtype = arrays["q"].dtype
    signal_calls: dict[str, Callable[[Any, Any], Any]] = {}
    neural_calls: dict[str, Callable[[Any, Any], Any]] = {}
    hoisted: dict[str, dict[str, Any]] = {"signals": {}, "neural": {}}
    for name, part in static.signals:
        f = scalar(join_arrays(signals[name], part))
        converted, values = jax.closure_convert(f, jnp.zeros((), dtype))
        signal_calls[name] = _explicit(converted, dtype)
        hoisted["signals"][name] = values
    sizes = {s.name: s.inputs for s in system.spec.neural}
    for name, part in static.neural:
        f = scalar(join_arrays(neural[name], part))
        converted, values = jax.closure_convert(f, jnp.zeros((sizes[name],), dtype))
        neural_calls[name] = _explicit(converted, dtype)
        hoisted["neural"][name] = values
    for name, _ in static.own_axes:
        if name.startswith("input "):
            signal_calls[name.removeprefix("input ")] = lambda t, value: value
    environment = Environment(signal_calls, neural_calls)
    kernels = system.kernels
    return _Setting(
        StepProblem(kernels, environment, tableau(static.r)),
        LegendreProblem(kernels, environment),
        hoisted,
    )


def _explicit(function: Callable[..., Any], dtype: Any) -> Callable[[Any, Any], Any]:
    """A converted callable with what it closed over as one last argument."""
    return lambda x, extra: jnp.asarray(function(x, *extra), dtype)


def _parameters(arrays: Mapping[str, jax.Array], hoisted: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of one trajectory as `Environment` and the problems read them."""

    def named(prefix: str) -> dict[str, jax.Array]:
        return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

    return {
        "coefficients": named("coefficient "),
        "signals": named("input ") | dict(hoisted["signals"]),
        "neural": dict(hoisted["neural"]),
    }


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


def _begin(system: System, setting: _Setting, arrays: dict[str, jax.Array]) -> State:
    """The initial state; a velocity from the momentum or a momentum from the velocity."""
    parameters = _parameters(arrays, setting.hoisted)
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
    system: System, setting: _Setting, parameters: Any, ends: Ends, t: jax.Array, exact_v: bool
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
    system: System, setting: _Setting, arrays: dict[str, jax.Array], state: State
) -> Trajectory:
    parameters = _parameters(arrays, setting.hoisted)
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
    setting: _Setting,
    steps: int,
    arrays: dict[str, jax.Array],
    state: State,
    first: Any,
) -> tuple[State, Trajectory]:
    """`steps` further steps: the state after them and the trajectory of their ends."""
    parameters = _parameters(arrays, setting.hoisted)
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


def _mapped(
    static: StaticPlan, function: Callable[[dict[str, jax.Array]], Any], arrays: Any
) -> Any:
    """`function` of one trajectory over the batch axes; arguments without them are shared."""
    if not static.batch:
        return function(arrays)
    own = dict(static.own_axes)
    flat: dict[str, jax.Array] = {}
    axes: dict[str, int | None] = {}
    for name, array in arrays.items():
        trailing = array.shape[array.ndim - own[name] :]
        if array.ndim > own[name]:
            flat[name] = jnp.broadcast_to(array, static.batch + trailing).reshape(-1, *trailing)
            axes[name] = 0
        else:
            flat[name], axes[name] = array, None
    result = jax.vmap(function, in_axes=(axes,))(flat)
    return jax.tree_util.tree_map(lambda x: x.reshape(static.batch + x.shape[1:]), result)


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
    setting = _setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> Trajectory:
        state = _begin(system, setting, arrays)
        initial = _initial_level(system, setting, arrays, state)
        _, rest = _stretch(system, setting, static.steps, arrays, state, 0)
        return _concatenate(initial, rest)

    return _mapped(static, one, arrays)


@partial(jax.jit, static_argnums=(0, 1))
def _first_piece(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    setting = _setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> tuple[State, Trajectory]:
        state = _begin(system, setting, arrays)
        return state, _initial_level(system, setting, arrays, state)

    return _mapped(static, one, arrays)


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
    setting = _setting(system, static, arrays, signals, neural)
    names = {f"state {name}": getattr(state, name) for name in State._fields}
    own = {name: a.ndim - len(static.batch) for name, a in names.items()}
    static = static._replace(own_axes=static.own_axes + tuple(own.items()))

    def one(arrays: dict[str, jax.Array]) -> tuple[State, Trajectory]:
        state = State(*(arrays[f"state {name}"] for name in State._fields))
        return _stretch(system, setting, steps, arrays, state, first)

    return _mapped(static, one, arrays | names)


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
    setting = _setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> Any:
        state = _begin(system, setting, arrays)
        parameters = _parameters(arrays, setting.hoisted)
        clock = jax.tree_util.tree_map(lambda x: x[0], _clock(arrays, 0, 1))
        new, nodes = take_step(setting.step, system.spec.moduli, state, clock, parameters)
        lost = new.status != 0
        q, p, nodes = (jnp.where(lost, jnp.nan, x) for x in (new.q, new.p, nodes))
        return q, p, new.winding, nodes, new.status

    return _mapped(static, one, arrays)


@partial(jax.jit, static_argnums=(0, 1))
def residual(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """R_0 + p, R_1 .. R_r of given nodes: (..., r+1, dof)."""
    setting = _setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> jax.Array:
        parameters = _parameters(arrays, setting.hoisted)
        x = Node(arrays["q"], arrays["p"], arrays["t0"], arrays["dt"], parameters)
        displacements = (arrays["nodes"] - arrays["q"][None, :])[1:]
        rows = setting.step.residual(displacements.reshape(-1), x)
        return rows.reshape(displacements.shape)

    return _mapped(static, one, arrays)


@partial(jax.jit, static_argnums=(0, 1))
def velocity(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Any:
    """The Legendre inverse at points: (..., dof)."""
    setting = _setting(system, static, arrays, signals, neural)

    def one(arrays: dict[str, jax.Array]) -> jax.Array:
        parameters = _parameters(arrays, setting.hoisted)
        point = LegendrePoint(arrays["q"], arrays["p"], arrays["t0"], parameters)
        v, found = legendre_inverse(setting.legendre, jnp.zeros_like(point.q), point)
        return jnp.where(found, v, jnp.nan)

    return _mapped(static, one, arrays)
