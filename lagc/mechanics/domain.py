"""Whether L and the equations of motion have a value at all (LAG307), and which part has none."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Span
from lagc.mechanics.numeric import evaluate_at_points
from lagc.semantics.functions import NeuralTerm
from lagc.semantics.model import Model, Term
from lagc.semantics.notation import to_text

_LONGEST = 50


def check_domain(model: Model, equations: Sequence[sp.Expr], diagnostics: Diagnostics) -> None:
    """LAG307 if L or the equations of motion have no value at any point tried."""
    terms = [*model.lagrangian_terms, *model.coupling_terms]
    if evaluate_at_points(model, [*equations, *[t.value for t in terms]], points=1):
        return
    faulty = [t for t in terms if not evaluate_at_points(model, [t.value], points=1)]
    help = "check the domains of `log`, `sqrt`, `asin`, `acos` and of powers"
    if not faulty:
        diagnostics.add(
            Code.LAG307,
            "the equations of motion are not finite real numbers at any of the points tried",
            terms[0].span,
            help=help,
        )
        return
    part = _smallest_part(model, faulty[0].value)
    text = to_text(part)
    diagnostics.add(
        Code.LAG307,
        "this term is not a finite real number at any of the points tried",
        _place(faulty[0], part),
        label=f"`{text}` has no real value" if len(text) <= _LONGEST else "",
        help=help,
    )


def _smallest_part(model: Model, expression: sp.Expr) -> sp.Expr:
    """The innermost part of an expression that has no value at any point tried."""
    faulty = expression
    while True:
        parts = faulty.inputs if isinstance(faulty, NeuralTerm) else faulty.args
        inner = [a for a in parts if not evaluate_at_points(model, [a], points=1)]
        if not inner:
            return faulty
        faulty = inner[0]


def _place(term: Term, part: sp.Expr) -> Span:
    """The call in the text of a term that gave `part`, if only one can have; or the whole term."""
    name = "sqrt" if part.is_Pow else part.func.__name__
    text = term.span.text
    calls = [m.start() for m in re.finditer(rf"(?<![\w'])(?i:{re.escape(name)})\s*\(", text)]
    if len(calls) != 1:
        return term.span
    depth = 0
    for at in range(calls[0], len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0 and text[at] == ")":
            return Span(term.span.source, term.span.start + calls[0], term.span.start + at + 1)
    return term.span
