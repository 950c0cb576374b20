"""Large batches on CPU in portions that stay in the cache, each compiled as for a small batch.

Measured on two cores (docs/benchmarks.md): steps over whole arrays of thousands of trajectories
wait for memory; portions of some hundred trajectories do not, and go through the same code as a
single trajectory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from lagc.runtime.fused import LARGEST, VECTOR
from lagc.runtime.plan import Lanes, StaticPlan
from lagc.runtime.spec import ModelSpec
from lagc.runtime.steps import from_blocks, into_blocks, kinetic_entries
from lagc.runtime.strategy import holds

USUAL, USUAL_ALONE = 64, 128  # derivatives need more memory
_FEWEST = 2 * VECTOR  # that are worth it: with eight, 1400 ns a step and trajectory for 880
_WIDE = {"xla_cpu_prefer_vector_width": "512"}


def portion_size(spec: ModelSpec, static: StaticPlan, arguments: Collection[str]) -> int:
    """Trajectories in a portion, or 0 where the batch is to be taken as a whole; arguments: names
    of the arrays of the run."""
    if not static.batch or jax.default_backend() != "cpu" or spec.lattice is not None:
        return 0
    if static.way == "affine" or static.samples or static.neural or "save at" in arguments:
        return 0
    size = USUAL_ALONE if static.alone else USUAL
    unknowns = spec.dof * (static.r + 1)
    if static.way in ("newton", "robust"):
        size = min(size, LARGEST // (2 * unknowns * unknowns))
    else:
        by_velocities = not holds(spec, "separable")
        fitting = LARGEST // kinetic_entries(spec.dof, static.r + 2, by_velocities)
        size = min(size, fitting) if fitting >= _FEWEST else size
    size, count = size // VECTOR * VECTOR, math.prod(static.batch)
    if not 0 < size < count:
        return 0
    pieces = -(-count // size)
    return -(-count // (VECTOR * pieces)) * VECTOR  # as few as can be beyond the last


def profits_from_vectors(spec: ModelSpec, static: StaticPlan) -> bool:
    """Whether steps are little but operations on the same number of all members of a batch."""
    several = math.prod(static.batch) > VECTOR and static.way != "affine"
    return several and jax.default_backend() == "cpu" and spec.lattice is None


@cache
def widest_vectors() -> dict[str, str]:
    """What makes XLA:CPU use all of a vector register, for `compiler_options` of `jax.jit`.

    Left to itself it stays at four numbers, for the sake of code that is mostly not vectors.
    Orbits, r = 1, with registers of eight: 42 ns a step and trajectory, 25 with it. Empty where
    this XLA has no such option.
    """
    try:
        jax.jit(lambda x: x, compiler_options=_WIDE)(0)
    except jax.errors.JaxRuntimeError:
        return {}
    return _WIDE


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
