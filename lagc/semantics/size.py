"""How large an expression may become with its `let`s written out, before it is differentiated."""

from __future__ import annotations

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Span
from lagc.semantics.tensors import Value, entries
from lagc.semantics.traits import Traits

_MOST_NODES, _DEEPEST = 100_000, 128


class SizeLimit:
    """Refuses (LAG108) what is too large; common parts are measured once."""

    def __init__(self, diagnostics: Diagnostics) -> None:
        self.diagnostics = diagnostics
        self.traits = Traits()

    def checked(self, value: Value, span: Span) -> Value:
        """The value, or None and LAG108 if it is too large, written out, to be differentiated."""
        for part in entries(value):
            if part is None:
                continue
            nodes, depth = self.traits.size(part)
            if nodes > _MOST_NODES or depth > _DEEPEST:
                self.refuse("this expression, its `let`s written out, is too large", span)
                return None
        return value

    def scalar(self, value: sp.Expr | None, span: Span) -> sp.Expr | None:
        """As `checked`, for one number."""
        return value if self.checked(value, span) is not None else None

    def refuse(self, message: str, span: Span) -> None:
        self.diagnostics.add(
            Code.LAG108,
            message,
            span,
            help=f"at most {_MOST_NODES} operations, nested {_DEEPEST} deep, can be compiled",
        )
