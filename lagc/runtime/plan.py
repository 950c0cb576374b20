"""A run ready to be compiled: what is traced, what is static, how batches are mapped.

A `Plan` holds the array arguments by name with their number of own axes; everything that is not an
array (tree structures, callables, r, the number of steps) is static under jit, so that new values
never compile anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lagc.runtime.arguments import align_batch
from lagc.runtime.callables import Static, hoisted, join_arrays, split_arrays
from lagc.runtime.equations import Model
from lagc.runtime.signals import Samples, sampled
from lagc.runtime.strategy import holds

if TYPE_CHECKING:
    from lagc.runtime.system import System


class Shards(NamedTuple):
    """Devices, and the names of their axes that the batch is spread along."""

    mesh: Any
    axes: Any


class StaticPlan(NamedTuple):
    """The hashable part of a plan. `way`: how steps are solved; own_axes: of every array, those
    that are not batch axes; samples: inputs given by samples, with their interpolation; shards:
    the devices that the batch is spread over; alone: the run is a program of its own, of which no
    derivatives are taken."""

    r: int
    steps: int
    batch: tuple[int, ...]
    own_axes: tuple[tuple[str, int], ...]
    signals: tuple[tuple[str, Static], ...]
    neural: tuple[tuple[str, Static], ...]
    samples: tuple[tuple[str, str], ...] = ()
    way: str = "newton"
    save_every: int = 1
    checkpoint: int = 0
    fallback: bool = True
    shards: Shards | None = None
    alone: bool = False


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
    **options: Any,
) -> Plan:
    """A plan from arrays (each with its number of own, trailing axes) and callables by name;
    options: fields of `StaticPlan`."""
    arrays = dict(arrays)
    samples = {name: f for name, f in signals.items() if isinstance(f, Samples)}
    for name, f in samples.items():
        arrays[f"sample times {name}"] = (jnp.asarray(f.times), 1)
        arrays[f"sample values {name}"] = (jnp.asarray(f.values), 1)
    callables = {name: f for name, f in signals.items() if name not in samples}
    signal_parts = {name: split_arrays(f) for name, f in callables.items()}
    neural_parts = {name: split_arrays(f) for name, f in neural.items()}
    arrays, batch = align_batch(arrays)
    static = StaticPlan(
        batch=batch,
        own_axes=tuple((name, own) for name, (_, own) in arrays.items()),
        signals=tuple((name, part[1]) for name, part in signal_parts.items()),
        neural=tuple((name, part[1]) for name, part in neural_parts.items()),
        samples=tuple((name, f.interpolation) for name, f in samples.items()),
        **options,
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


class Lanes(NamedTuple):
    """The arguments of a run with the batch as one axis behind: (*own, *L), ones where shared.

    `shape`: *L, () without a batch.
    """

    shape: tuple[int, ...]
    arrays: dict[str, jax.Array]

    def named(self, prefix: str) -> dict[str, jax.Array]:
        """Those whose name begins with `prefix`, without it."""
        return {
            name.removeprefix(prefix): array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }


def to_lanes(static: StaticPlan, arrays: Mapping[str, jax.Array]) -> Lanes:
    """Batch axes flattened and moved behind; the state filled to the whole batch."""
    own = dict(static.own_axes)
    if not static.batch:
        return Lanes((), dict(arrays))
    count = math.prod(static.batch)
    moved = {}
    for name, array in arrays.items():
        shape = array.shape[array.ndim - own[name] :]
        if array.ndim == own[name]:
            array = array[..., None]
        else:
            array = jnp.broadcast_to(array, static.batch + shape).reshape(count, *shape)
            array = jnp.moveaxis(array, 0, -1)
        if name in ("q", "v", "p"):
            array = jnp.broadcast_to(array, (*shape, count))
        moved[name] = array
    return Lanes((count,), moved)


def from_lanes(static: StaticPlan, array: jax.Array) -> jax.Array:
    """(..., *L) to (*batch, ...)."""
    if not static.batch:
        return array
    return jnp.moveaxis(array, -1, 0).reshape(static.batch + array.shape[:-1])


class Setting(NamedTuple):
    """A model as one run calls it: signals as functions of times (k, *L); weights: arrays of the
    neural terms, each under a name of its own, as some have tangents and others cannot."""

    model: Model
    signals: dict[str, Callable[[jax.Array], jax.Array]]
    weights: dict[str, jax.Array]


def make_setting(
    system: System, static: StaticPlan, lanes: Lanes, signals: Any, neural: Any
) -> Setting:
    """Callables as functions of whole arrays; what neural terms close over made explicit.

    Without that, derivatives with respect to values hidden in a closure would meet the implicit
    function rule from outside, where jax cannot see them.
    """
    dtype = lanes.arrays["q"].dtype
    calls: dict[str, Callable[[Any], Any]] = {}
    for name, part in static.signals:
        f = scalar(join_arrays(signals[name], part))
        calls[name] = _everywhere(f, dtype)
    for name, interpolation in static.samples:
        times = lanes.arrays[f"sample times {name}"]
        values = lanes.arrays[f"sample values {name}"]
        calls[name] = partial(sampled, times=times, values=values, interpolation=interpolation)
    neural_calls: dict[str, Callable[[Any, Any], Any]] = {}
    weights: dict[str, jax.Array] = {}
    sizes = {s.name: s.inputs for s in system.spec.neural}
    for name, part in static.neural:
        f = scalar(join_arrays(neural[name], part))
        converted, held = hoisted(f, jnp.zeros((sizes[name],), dtype))
        own_weights = {f"{name} {i}": value for i, value in enumerate(held)}
        neural_calls[name] = _explicit(converted, tuple(own_weights), dtype)
        weights |= own_weights
    own = {c.name: 1 for c in system.spec.coefficients if c.site_dependent}
    separable = holds(system.spec, "separable")
    model = Model(system.kernels, neural_calls, own, system.spec.lattice, separable)
    return Setting(model, calls, weights)


def _everywhere(f: Callable[[Any], Any], dtype: Any) -> Callable[[jax.Array], jax.Array]:
    """A function of one time over an array of times."""
    return lambda t: jax.vmap(f)(t.reshape(-1)).reshape(t.shape).astype(dtype)


def _explicit(
    function: Callable[[Any, list[Any]], Any], names: tuple[str, ...], dtype: Any
) -> Callable[[Any, Any], Any]:
    """A converted callable with the weights of all terms as its last argument."""
    return lambda x, weights: jnp.asarray(function(x, [weights[n] for n in names]), dtype)
