"""Walks through expressions that take each distinct part once.

Expressions that are made of `let`s or of derivatives share their parts: written out as trees some
lines become millions of nodes. SymPy's own `free_symbols`, `has`, `atoms`, `xreplace` and
`preorder_traversal` walk through the tree, so they are not for what may be large.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sympy as sp


def parts(*expressions: sp.Basic) -> Iterator[sp.Basic]:
    """Every distinct part, the expressions themselves too, from the outside inwards."""
    seen: set[sp.Basic] = set()
    waiting = list(reversed(expressions))
    while waiting:
        part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        yield part
        waiting += reversed(part.args)


def symbols(*expressions: sp.Basic) -> set[sp.Symbol]:
    """The symbols that occur; no expression of a model binds one."""
    return {part for part in parts(*expressions) if part.is_Symbol}


def holds(expressions: Iterable[sp.Basic], *kinds: type[sp.Basic]) -> bool:
    """Whether a part of one of these kinds occurs."""
    return any(isinstance(part, kinds) for part in parts(*expressions))


def replaced(e: sp.Expr, rule: Mapping[sp.Basic, sp.Basic]) -> sp.Expr:
    """`e.xreplace(rule)`."""
    return Replacing(rule)(e)


class Replacing:
    """`xreplace` of expressions that have parts in common; what stays as it is is not rebuilt."""

    def __init__(self, rule: Mapping[sp.Basic, sp.Basic]) -> None:
        self.rule = rule
        self._done: dict[Any, Any] = {}

    def __call__(self, e: Any) -> Any:
        found = self.rule.get(e)
        if found is None:
            found = self._done.get(e)
        if found is None:
            found = self._done[e] = self._rebuilt(e)
        return found

    def _rebuilt(self, e: Any) -> Any:
        args = [self(a) for a in e.args]
        unchanged = all(a is b for a, b in zip(args, e.args, strict=True))
        return e if unchanged else e.func(*args)


def size(e: sp.Basic) -> int:
    """The number of nodes of an expression as a tree, which bounds what it costs to write out."""
    return _Sizes()(e)


class _Sizes(dict[sp.Basic, int]):
    def __call__(self, e: sp.Basic) -> int:
        if e not in self:
            self[e] = 1 + sum(map(self, e.args))
        return self[e]
