"""Batches spread over several devices: each runs its members, and results stay where they are.

The members have nothing to do with one another, so no device waits for another. Left to itself, XLA
would gather every portion of the batch from all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as Spec

from lagc.runtime.plan import Plan, Shards, StaticPlan


def spread(plan: Plan) -> Plan:
    """The plan with what is known of its batch being on several devices, and all arguments there.

    Looked at is the first argument with members that is spread; not with more than one batch axis.
    """
    static, arrays, signals, neural = plan
    own = dict(static.own_axes)
    for name, array in arrays.items():
        sharding = _sharding(array)
        if len(static.batch) != 1 or array.ndim == own[name]:
            continue
        if isinstance(sharding, NamedSharding) and sharding.mesh.size > 1:
            axes = (*sharding.spec, None)[0]
            if axes is not None:
                shards = Shards(sharding.mesh, axes)
                arrays = {
                    name: _placed(shards, x, _with_members(static, name, x))
                    for name, x in arrays.items()
                }
                signals, neural = jax.tree_util.tree_map(
                    partial(_placed, shards, members=False), (signals, neural)
                )
                return Plan(static._replace(shards=shards), arrays, signals, neural)
    return plan


def _sharding(x: Any) -> Any:
    """Of an array, or of a traced one where jax keeps shardings in types."""
    if isinstance(x, jax.core.Tracer):
        return jax.typeof(x).sharding
    return getattr(x, "sharding", None)


def _with_members(static: StaticPlan, name: str, x: Any) -> bool:
    return x.ndim > dict(static.own_axes)[name] and x.shape[0] == static.batch[0]


def _placed(shards: Shards, x: Any, members: bool) -> Any:
    """An argument on all devices: its members, or all of it."""
    spec = Spec(shards.axes) if members else Spec()
    present = _sharding(x)
    leading = (*present.spec, None)[0] if isinstance(present, NamedSharding) else None
    if isinstance(x, jax.core.Tracer):
        there = leading == (shards.axes if members else None)
        return x if there else jax.sharding.reshard(x, NamedSharding(shards.mesh, spec))
    return jax.device_put(x, NamedSharding(shards.mesh, spec))


def over_shards(
    run: Callable[[StaticPlan, Any, Any, Any], tuple[Any, jax.Array]],
    static: StaticPlan,
    arguments: tuple[dict[str, jax.Array], Any, Any],
) -> tuple[Any, jax.Array]:
    """`run` of the members on every device; what it says of all of them together: ()."""
    shards, (count,) = static.shards, static.batch
    assert shards is not None
    along, everywhere = Spec(shards.axes), Spec()
    size = shards.mesh.shape
    names = shards.axes if isinstance(shards.axes, tuple) else (shards.axes,)
    members = count // math.prod(size[name] for name in names)

    def part(arrays: dict[str, jax.Array], signals: Any, neural: Any) -> Any:
        inner = static._replace(batch=(members,), shards=None)
        result, solved = run(inner, arrays, signals, neural)
        return result, solved[None]

    specs = {
        name: along if _with_members(static, name, x) else everywhere
        for name, x in arguments[0].items()
    }
    apart = jax.shard_map(
        part,
        mesh=shards.mesh,
        in_specs=(specs, everywhere, everywhere),
        out_specs=along,
        check_vma=False,
    )
    result, solved = apart(*arguments)
    return result, jnp.all(solved)
