"""Large batches on CPU in portions that stay in the cache, each compiled as for a small batch.

Measured on two cores (docs/benchmarks.md): steps over whole arrays of thousands of trajectories
wait for memory; portions of some ten trajectories do not, and go through the same code as a single
trajectory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lagc.base.strategies import LARGEST_AFFINE
from lagc.runtime.affine import SHORT
from lagc.runtime.fused import LARGEST, as_one_function
from lagc.runtime.linear import UNROLLED
from lagc.runtime.plan import Lanes, StaticPlan
from lagc.runtime.spec import ModelSpec

USUAL = 64


def portion_size(spec: ModelSpec, static: StaticPlan, lanes: Lanes) -> int:
    """Trajectories in a portion, or 0 where the batch is to be taken as a whole."""
    if not lanes.shape or jax.default_backend() != "cpu" or spec.lattice is not None:
        return 0
    if static.samples or static.neural or "save at" in lanes.arrays:
        return 0
    size = USUAL
    unknowns = spec.dof * (static.r + 1)
    if static.way == "affine":
        if not whole_in_one(spec, static):
            return 0
        size = min(USUAL, LARGEST // (2 * spec.dof * (static.steps + 1)))
    elif static.way in ("newton", "robust"):
        size = min(USUAL, LARGEST // (2 * unknowns * unknowns))
    return size if 4 <= size < lanes.shape[0] else 0


def whole_in_one(spec: ModelSpec, static: StaticPlan) -> bool:
    """Whether a whole run of a portion may be one function: short, affine, outside of a trace."""
    few = spec.dof <= LARGEST_AFFINE and spec.dof * (static.r + 1) <= UNROLLED
    short = static.steps <= SHORT and static.save_every == 1
    quiet = not static.signals and not static.neural
    return static.way == "affine" and not static.fallback and few and short and quiet


def in_portions(simulate: Callable[[Lanes], Any], lanes: Lanes, size: int, fused: bool) -> Any:
    """`simulate` over lanes, results with the lanes in front, put together from portions.

    fused: each portion as one function.
    """
    count = lanes.shape[0]
    pieces = -(-count // size)

    def cut(x: jax.Array) -> jax.Array:
        missing = pieces * size - count
        x = jnp.concatenate([x, jnp.repeat(x[..., -1:], missing, axis=-1)], axis=-1)
        return jnp.moveaxis(x.reshape((*x.shape[:-1], pieces, size)), -2, 0)

    own = {name: cut(x) for name, x in lanes.arrays.items() if _varies(name, x, count)}
    shared = {name: x for name, x in lanes.arrays.items() if name not in own}

    def one(own: Any, shared: Any) -> Any:
        return simulate(Lanes((size,), own | shared))

    run = as_one_function(one) if fused else one
    result = jax.lax.map(lambda x: run(x, shared), own)
    return jax.tree_util.tree_map(
        lambda x: x.reshape((pieces * size, *x.shape[2:]))[:count], result
    )


def _varies(name: str, x: jax.Array, count: int) -> bool:
    return name != "times" and x.ndim > 0 and x.shape[-1] == count
