"""Divisions by a coefficient, or its logarithm, where bounds say that it may be zero (LAG250)."""

from __future__ import annotations

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.base.spans import Span
from lagc.semantics.model import Coefficient
from lagc.semantics.names import Scope
from lagc.semantics.notation import number_text


def warn_of_zero(
    divisor: sp.Expr,
    span: Span,
    scope: Scope,
    diagnostics: Diagnostics,
    what: str = "divides by",
) -> None:
    """A warning for every factor of `divisor` that is a coefficient declared to include 0."""
    for factor in sp.Mul.make_args(divisor):
        base, _ = factor.as_base_exp()
        coefficient = scope.coefficients.get(str(base)) if isinstance(base, sp.Symbol) else None
        if coefficient is None or not _includes_zero(coefficient):
            continue
        diagnostics.add(
            Code.LAG250,
            f"the model {what} `{coefficient.name}`, and its bounds include 0",
            span,
            label="not finite where it is 0",
            help=_advice(coefficient),
            notes=[Note("the bounds are here", coefficient.span)],
        )


def _includes_zero(c: Coefficient) -> bool:
    """Whether bounds are given, and 0 lies within them."""
    bounded = c.lower is not None or c.upper is not None
    return bounded and c.admits(sp.Integer(0))


def _advice(c: Coefficient) -> str:
    if c.lower == 0:
        high = "inf" if c.upper is None else number_text(c.upper)
        right = ")" if c.upper is None or c.upper_open else "]"
        return f"leave 0 out: `coefficient {c.name} in (0, {high}{right}`"
    return f"leave 0 out, for instance `coefficient {c.name} > 0`"
