"""One compiled run: its model, its arguments over lanes, and what acts on its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lagc.runtime.equations import StepData, StepEquations
from lagc.runtime.method import method
from lagc.runtime.plan import Lanes, Setting, StaticPlan, make_setting, to_lanes
from lagc.runtime.steps import WAYS, Machine, World

if TYPE_CHECKING:
    from lagc.runtime.system import System


class Run(NamedTuple):
    """One compiled run: the model, what solves its steps, and its arguments over lanes."""

    system: System
    static: StaticPlan
    lanes: Lanes
    setting: Setting
    machine: Machine


def prepare(system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any) -> Run:
    """A run from the parts of a plan."""
    return over_lanes(system, static, to_lanes(static, arrays), signals, neural)


def over_lanes(system: System, static: StaticPlan, lanes: Lanes, signals: Any, neural: Any) -> Run:
    """A run from arguments over lanes."""
    setting = make_setting(system, static, lanes, signals, neural)
    equations = StepEquations(setting.model, method(static.r))
    way = static.way if static.way in WAYS else "newton"
    robust = static.way == "robust"
    machine = Machine(equations, way, system.spec.moduli, robust, static.fallback)
    return Run(system, static, lanes, setting, machine)


def level_times(run: Run, first: Any, count: int) -> jax.Array:
    """Times of the levels first .. first+count-1: (count, *L), ones where shared."""
    arrays, rank = run.lanes.arrays, len(run.lanes.shape)
    if "times" in arrays:
        grid = arrays["times"].reshape(-1)
        return jax.lax.dynamic_slice(grid, (first,), (count,)).reshape((count,) + (1,) * rank)
    dt, t0 = arrays["dt"], arrays["t0"]
    number = (first + jnp.arange(count)).reshape((-1,) + (1,) * rank)
    return t0[None] + number.astype(dt.dtype) * dt[None]


def inputs_at(run: Run, t: jax.Array) -> dict[str, jax.Array]:
    """All inputs at times (k, *L), filled to (k, *L)."""
    full = (t.shape[0], *run.lanes.shape)
    held = {k: jnp.broadcast_to(c[None], full) for k, c in run.lanes.named("input ").items()}
    return held | {k: jnp.broadcast_to(f(t), full) for k, f in run.setting.signals.items()}


def world_of(run: Run, mass_inverse: jax.Array | None, first: Any, steps: int) -> World:
    """What acts on the steps first .. first+steps-1."""
    arrays = run.lanes.arrays
    grid = None
    if "times" in arrays:
        grid = jax.lax.dynamic_slice(arrays["times"].reshape(-1), (first,), (steps + 1,))
    signals = {}
    if run.setting.signals:
        starts = level_times(run, first, steps)
        lengths = level_times(run, first + 1, steps) - starts
        nodes = jnp.moveaxis(run.machine.equations.times(starts, lengths, starts.shape), 0, 1)
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


def call_kernel(
    run: Run, kernel: Any, q: jax.Array, v: jax.Array, t: jax.Array, inputs: Any
) -> Any:
    """A node function at q, v: (d, k, *L) and t: (k, *L)."""
    x = node_data(run, q, v, t, inputs)
    return run.setting.model.call(kernel, q, v, jnp.broadcast_to(t, q.shape[1:]), x, inputs)


def node_data(run: Run, q: jax.Array, v: jax.Array, t: jax.Array, inputs: Any) -> StepData:
    """What node functions are called with at q, v (in the place of pi), each (d, k, *L), and t:
    (k, *L) or ones."""
    return StepData(q, v, t, t, run.lanes.named("coefficient "), inputs, run.setting.weights)
