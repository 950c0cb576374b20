"""Functions with a derivative of their own that stays theirs, however often it is taken.

`jax.custom_jvp` does the same up to the first derivative in reverse mode: the body of a loop that
was made linear once (`jax.lax.scan`, so portions of a batch, `checkpoint`, a caller's loop) holds
the operations of such a function in its place, and a second derivative would go through the
iterations, forward inexactly and in reverse not at all. A primitive is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir


class _Nothing:
    """In the place of a tangent or of an array of them: there is none."""


NO_TANGENT = _Nothing()

# Primals and tangents to results and their tangents, as lists; None where there is no tangent.
_Rule = Callable[[list[Any], list[Any]], tuple[list[Any], list[Any]]]


def with_rule(
    function: Callable[..., Any], rule: Callable[..., tuple[Any, Any]], static: int
) -> Callable[..., Any]:
    """`function` of pytrees of arrays, the first `static` arguments apart, with its derivative.

    rule: from the static arguments, primals and tangents to results and their tangents, with
    `NO_TANGENT` for arrays that have none.
    """

    def called(*x: Any) -> Any:
        fixed, (leaves, tree) = x[:static], jax.tree_util.tree_flatten(x[static:])

        def flat(*leaves: Any) -> Any:
            return function(*fixed, *jax.tree_util.tree_unflatten(tree, leaves))

        def flat_rule(primals: list[Any], tangents: list[Any]) -> tuple[list[Any], list[Any]]:
            marked = [NO_TANGENT if dx is None else dx for dx in tangents]
            both = (jax.tree_util.tree_unflatten(tree, leaves) for leaves in (primals, marked))
            results, slopes = (jax.tree_util.tree_leaves(y) for y in rule(*fixed, *both))
            return results, [None if dy is NO_TANGENT else dy for dy in slopes]

        results, shape = _bind(flat, flat_rule, leaves)
        return jax.tree_util.tree_unflatten(shape, results)

    return called


def dense(primals: Any, tangents: Any) -> Any:
    """Tangents with arrays of zeros where there is none."""
    return jax.tree_util.tree_map(
        lambda x, dx: _zeros(x) if dx is NO_TANGENT else dx, primals, tangents
    )


def _zeros(primal: Any) -> Any:
    if jnp.issubdtype(primal.dtype, jnp.inexact):
        return jnp.zeros_like(primal)
    return np.zeros(primal.shape, jax.dtypes.float0)


def _is_nothing(tangent: Any) -> bool:
    return type(tangent) is ad.Zero or tangent.dtype == jax.dtypes.float0


_ruled_p = Primitive("ruled")
_ruled_p.multiple_results = True


def _bind(function: Callable[..., Any], rule: _Rule, leaves: list[Any]) -> tuple[list[Any], Any]:
    """The leaves of the result, and its tree. What the function closes over goes in front of its
    arguments, so that no traced value stands in a parameter."""
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*leaves)
    results = _ruled_p.bind(*closed.consts, *leaves, jaxpr=closed.jaxpr, rule=rule)
    return results, jax.tree_util.tree_structure(shape)


def _evaluate(*x: Any, jaxpr: Any, rule: _Rule) -> list[Any]:
    del rule
    count = len(jaxpr.constvars)
    return list(jaxpr_as_fun(ClosedJaxpr(jaxpr, x[:count]))(*x[count:]))


def _differentiate(primals: Any, tangents: Any, *, jaxpr: Any, rule: _Rule) -> Any:
    count = len(jaxpr.constvars)
    present = [None if _is_nothing(dx) else dx for dx in tangents]
    if any(dx is not None for dx in present[:count]):
        raise TypeError("a derivative is taken with respect to a value that is closed over")
    results, slopes = rule(list(primals[count:]), present[count:])
    pairs = zip(results, slopes, strict=True)
    return results, [_zeros(y) if dy is None else dy for y, dy in pairs]


def _map(x: Any, axes: Any, *, jaxpr: Any, rule: _Rule) -> Any:
    count = len(jaxpr.constvars)
    (size,) = {a.shape[axis] for a, axis in zip(x, axes, strict=True) if axis is not None}
    mapped = [None if axis is None else 0 for axis in axes]
    moved = [a if i is None else jnp.moveaxis(a, i, 0) for a, i in zip(x, axes, strict=True)]
    vmap = partial(jax.vmap, axis_size=size)

    def mapped_rule(primals: list[Any], tangents: list[Any]) -> tuple[list[Any], list[Any]]:
        # A tangent varies along the same axes as its primal.
        own = mapped[count:]
        some = [None if dx is None else axis for dx, axis in zip(tangents, own, strict=True)]
        both: tuple[list[Any], list[Any]] = vmap(rule, in_axes=(own, some))(primals, tangents)
        return both

    def on_arguments(*arguments: Any) -> list[Any]:
        evaluate = partial(_evaluate, jaxpr=jaxpr, rule=rule)
        results: list[Any] = vmap(evaluate, in_axes=tuple(mapped))(*moved[:count], *arguments)
        return results

    results, _ = _bind(on_arguments, mapped_rule, moved[count:])
    return results, [0] * len(results)


_ruled_p.def_impl(_evaluate)
_ruled_p.def_abstract_eval(lambda *_, jaxpr, rule: [v.aval for v in jaxpr.outvars])
mlir.register_lowering(_ruled_p, mlir.lower_fun(_evaluate, multiple_results=True))
ad.primitive_jvps[_ruled_p] = _differentiate
batching.primitive_batchers[_ruled_p] = _map
