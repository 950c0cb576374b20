"""A run ready to be compiled: what is traced, what is static, how batches are mapped.

A `Plan` holds the array arguments by name with their number of own axes; everything that is not an
array (tree structures, callables, r, the number of steps) is static under jit, so that new values
never compile anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lagc.runtime.arguments import align_batch
from lagc.runtime.callables import Static, join_arrays, split_arrays
from lagc.runtime.integrator import Environment, LegendreProblem, StepProblem
from lagc.runtime.tableau import tableau

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


class Setting(NamedTuple):
    """Problems of one model at one order, and the parameters that their callables closed over."""

    step: StepProblem
    legendre: LegendreProblem
    hoisted: dict[str, dict[str, Any]]


def make_setting(
    system: System, static: StaticPlan, arrays: Any, signals: Any, neural: Any
) -> Setting:
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
    return Setting(
        StepProblem(kernels, environment, tableau(static.r)),
        LegendreProblem(kernels, environment),
        hoisted,
    )


def _explicit(function: Callable[..., Any], dtype: Any) -> Callable[[Any, Any], Any]:
    """A converted callable with what it closed over as one last argument."""
    return lambda x, extra: jnp.asarray(function(x, *extra), dtype)


def parameters_of(arrays: Mapping[str, jax.Array], hoisted: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of one trajectory as `Environment` and the problems read them."""

    def named(prefix: str) -> dict[str, jax.Array]:
        return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

    return {
        "coefficients": named("coefficient "),
        "signals": named("input ") | dict(hoisted["signals"]),
        "neural": dict(hoisted["neural"]),
    }


def mapped(static: StaticPlan, function: Callable[[dict[str, jax.Array]], Any], arrays: Any) -> Any:
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
