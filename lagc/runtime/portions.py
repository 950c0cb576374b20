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

from lagc.runtime.fused import LARGEST, VECTOR
from lagc.runtime.plan import Lanes, StaticPlan
from lagc.runtime.spec import ModelSpec
from lagc.runtime.steps import from_blocks, into_blocks

USUAL = 64


def portion_size(spec: ModelSpec, static: StaticPlan, lanes: Lanes) -> int:
    """Trajectories in a portion, or 0 where the batch is to be taken as a whole."""
    if not lanes.shape or jax.default_backend() != "cpu" or spec.lattice is not None:
        return 0
    if static.way == "affine" or static.samples or static.neural or "save at" in lanes.arrays:
        return 0
    size = USUAL
    unknowns = spec.dof * (static.r + 1)
    if static.way in ("newton", "robust"):
        size = min(USUAL, LARGEST // (2 * unknowns * unknowns))
    size = size // VECTOR * VECTOR
    return size if 0 < size < lanes.shape[0] else 0


def in_portions(simulate: Callable[[Lanes], Any], lanes: Lanes, size: int) -> Any:
    """`simulate` over lanes, results with the lanes in front, put together from portions."""
    count = lanes.shape[0]
    pieces = -(-count // size)

    def cut(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(into_blocks(jnp.moveaxis(x, -1, 0), pieces, size), 1, -1)

    own = {name: cut(x) for name, x in lanes.arrays.items() if _varies(name, x, count)}
    shared = {name: x for name, x in lanes.arrays.items() if name not in own}

    result = jax.lax.map(lambda x: simulate(Lanes((size,), x | shared)), own)
    return jax.tree_util.tree_map(lambda x: from_blocks(x, count), result)


def _varies(name: str, x: jax.Array, count: int) -> bool:
    return name != "times" and x.ndim > 0 and x.shape[-1] == count
