"""Small loops that XLA:CPU compiles as one function instead of a sequence of kernels.

A step over small arrays is a few hundred operations of a few numbers each; started one by one they
cost ten times what they compute. XLA:CPU itself makes one function of a loop whose body moves less
than a kilobyte; a call with the attribute that it uses for this gets the same treatment whatever
its size. Measured (two cores, jax 0.10.2, Poynting-Robertson drag, microseconds a step, without and
with): r = 1: 1.1, 0.42; r = 8: 3.3, 0.7; r = 16: 6, 2.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.custom_batching
import jax.numpy as jnp

LARGEST = 3072  # entries of an array; XLA distributes loops over larger ones to several threads
VECTOR = 8  # places that fill the vectors of a processor


def as_one_function(
    function: Callable[..., Any], otherwise: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """`function` of pytrees of arrays, on CPU as one compiled function; nothing else changes.

    It must consist of elementwise operations, reductions, slices and loops, and close over no
    traced value. otherwise: what is better where this cannot be, if that is not `function`.
    """
    otherwise = otherwise or function
    if _attributes() is None:
        return otherwise

    def called(*x: Any) -> Any:
        leaves, tree = jax.tree_util.tree_flatten(x)
        shapes = [(leaf.shape, leaf.dtype) for leaf in leaves]
        full = [i for i, leaf in enumerate(leaves) if leaf.size]

        def plain(arrays: Any) -> Any:
            filled = [jnp.zeros(shape, dtype) for shape, dtype in shapes]
            for i, array in zip(full, arrays, strict=True):
                filled[i] = array
            return function(*jax.tree_util.tree_unflatten(tree, filled))

        # XLA breaks down over an argument that the called function does not use. So there are two
        # calls, the inner one using every argument of the outer one, and no argument can be seen
        # through and left out: constants stand behind a barrier, empty arrays are made inside.
        inner = _in_a_call(plain, inlineable="false", xla_cpu_small_call="true")
        outer = _in_a_call(inner, inlineable="false", xla_cpu_small_call="true")
        return outer(jax.lax.optimization_barrier([leaves[i] for i in full]))

    guarded = jax.custom_batching.custom_vmap(called)

    # Mapped over from outside, arrays are larger than whoever chose this way could know.
    @guarded.def_vmap
    def _(size: int, batched: Any, *x: Any) -> Any:
        axes = jax.tree_util.tree_map(lambda b: 0 if b else None, tuple(batched))
        out = jax.vmap(otherwise, in_axes=axes, axis_size=size)(*x)
        return out, jax.tree_util.tree_map(lambda _: True, out)

    return guarded


def separately(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of pytrees of arrays, its results computed once and kept; nothing else changes.

    XLA:CPU else merges it with what follows and computes it anew for every entry of that, which
    costs ten times as much where places in the polynomials of steps are looked up. (It drops
    optimization barriers before it merges.)
    """
    return _in_a_call(function, inlineable="false")


def _attributes() -> Any:
    """What sets attributes of operations; None where there is no use for them or no way."""
    if jax.default_backend() != "cpu":
        return None
    try:
        from jax.experimental.xla_metadata import set_xla_metadata
    except ImportError:
        return None
    return set_xla_metadata


def _in_a_call(function: Callable[..., Any], **attributes: str) -> Callable[..., Any]:
    """`function` in a call with attributes, which hold for nothing inside of it."""
    marked = _attributes()
    if marked is None:
        return function

    def inside(*x: Any) -> Any:
        with marked(**dict.fromkeys(attributes)):
            return function(*x)

    def called(*x: Any) -> Any:
        with marked(**attributes):
            return jax.jit(inside)(*x)

    return called
