"""Callables under jit: their arrays are traced, the rest is static and compared by content.

A callable that jax cannot look into (a function, an object) is evaluated when a run is compiled,
and not again. Were it known by identity alone, changing a number it refers to would go unnoticed
and an old result come back. So it is known by what it refers to: closure, defaults, globals and
attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun


class Opaque(NamedTuple):
    """A callable and what it refers to; equal when both are."""

    function: Callable[..., Any]
    content: tuple[Any, ...]


class Static(NamedTuple):
    """A pytree told apart in its arrays (elsewhere) and everything else (here, hashable)."""

    treedef: Any
    others: tuple[Any, ...]


class _Hole:
    """Marks the place of an array leaf."""


def split_arrays(tree: Any) -> tuple[tuple[Any, ...], Static]:
    """Array leaves, and what is needed to put them back in place."""
    leaves, treedef = jax.tree_util.tree_flatten(tree)
    arrays = tuple(x for x in leaves if _is_array(x))
    others = tuple(
        _Hole if _is_array(x) else Opaque(x, content(x)) if callable(x) else x for x in leaves
    )
    return arrays, Static(treedef, others)


def join_arrays(arrays: tuple[Any, ...], static: Static) -> Any:
    """The inverse of `split_arrays`."""
    remaining = iter(arrays)
    leaves = [
        next(remaining) if x is _Hole else x.function if isinstance(x, Opaque) else x
        for x in static.others
    ]
    return jax.tree_util.tree_unflatten(static.treedef, leaves)


def hoisted(
    function: Callable[[Any], Any], example: Any
) -> tuple[Callable[[Any, list[Any]], Any], list[Any]]:
    """`function` to one array as a function of its argument and the traced values it holds, and
    those values.

    `jax.closure_convert` leaves those behind that cannot have a derivative (integers, booleans,
    keys of random numbers), which are gone when the result is called after the trace.
    """
    closed = jax.make_jaxpr(function)(example)
    traced = [isinstance(x, jax.core.Tracer) for x in closed.consts]

    def called(x: Any, values: list[Any]) -> Any:
        remaining = iter(values)
        pairs = zip(closed.consts, traced, strict=True)
        consts = [next(remaining) if moved else const for const, moved in pairs]
        (result,) = jaxpr_as_fun(ClosedJaxpr(closed.jaxpr, consts))(x)
        return result

    return called, [x for x, moved in zip(closed.consts, traced, strict=True) if moved]


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array | np.ndarray)


def content(function: Any, depth: int = 3) -> tuple[Any, ...]:
    """What a callable refers to: numbers and small arrays by value, the rest by identity."""
    if depth == 0:
        return ()
    if isinstance(function, partial):
        return tuple(
            _value(x, depth)
            for x in (function.func, *function.args, *sorted(function.keywords.items()))
        )
    if isinstance(function, FunctionType):
        cells = [c.cell_contents for c in function.__closure__ or () if _filled(c)]
        names = [n for n in function.__code__.co_names if n in function.__globals__]
        used = [function.__globals__[n] for n in names]
        return tuple(_value(x, depth) for x in (*cells, *(function.__defaults__ or ()), *used))
    owner = getattr(function, "__self__", function)
    attributes = getattr(owner, "__dict__", None)
    if isinstance(attributes, dict) and not isinstance(owner, type):
        return tuple((k, _value(v, depth)) for k, v in sorted(attributes.items()))
    return ()


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _value(x: Any, depth: int) -> Any:
    if isinstance(x, bool | int | float | complex | str | bytes | None):
        return x
    if isinstance(x, np.ndarray | np.generic):
        return (x.shape, str(x.dtype), x.tobytes())
    if isinstance(x, tuple | list):
        return tuple(_value(item, depth) for item in x)
    if isinstance(x, dict):
        return tuple((str(k), _value(v, depth)) for k, v in x.items())
    if callable(x):
        return (id(x), content(x, depth - 1))
    attributes = getattr(x, "__dict__", None)
    if depth and isinstance(attributes, dict) and not isinstance(x, type | ModuleType | jax.Array):
        return (id(x), tuple((k, _value(v, depth - 1)) for k, v in sorted(attributes.items())))
    return id(x)
