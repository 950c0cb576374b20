"""What is said where a derivative was needed that does not exist (LAG305)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Span
from lagc.semantics.functions import (
    AbsoluteValue,
    If,
    JumpDerivative,
    Maximum,
    Minimum,
    Sign,
    Step,
)
from lagc.semantics.model import RoughCall
from lagc.semantics.notation import to_text

_ORIGINS: dict[type, tuple[type, ...]] = {
    If: (If,),
    Sign: (AbsoluteValue, Sign),
    Step: (Minimum, Maximum),
}


def report_jump(
    error: JumpDerivative,
    calls: Sequence[RoughCall],
    limit: Callable[[sp.Expr], sp.Expr],
    elsewhere: Span,
    diagnostics: Diagnostics,
) -> None:
    """LAG305 at the call that the jump came from, with the smooth function that stands for it.

    limit: what was done to the expressions of the model before they were differentiated.
    """
    call = _origin(error.expression, calls, limit)
    message = "the equations need the derivative of a function with a jump"
    if call is not None:
        message = f"the equations need a derivative of `{call.function}` that does not exist"
    smooth = _smooth_variant(call)
    diagnostics.add(
        Code.LAG305,
        message,
        call.span if call else elsewhere,
        label=f"smooth: `{smooth}`" if smooth else "",
        help="L and R are differentiated twice, forces and factors in K once, and what is "
        "differentiated must be continuous; a small eps > 0 is the width of a smooth transition",
    )


def _origin(
    jump: sp.Expr, calls: Sequence[RoughCall], limit: Callable[[sp.Expr], sp.Expr]
) -> RoughCall | None:
    kinds = next(found for kind, found in _ORIGINS.items() if isinstance(jump, kind))
    same_kind = [c for c in calls if isinstance(c.value, kinds)]
    place = limit(jump.args[0])
    exact = [c for c in same_kind if place in _places(c.value, limit)]
    return next(iter(exact or same_kind), None)


def _places(value: sp.Expr, limit: Callable[[sp.Expr], sp.Expr]) -> list[sp.Expr]:
    """What is zero where the function has its kink or jump, with either sign."""
    if isinstance(value, Minimum | Maximum):
        a, b = (limit(x) for x in value.args)
        return [a - b, b - a]
    place = limit(value.args[0])
    return [place, -place]


def _smooth_variant(call: RoughCall | None) -> str:
    if call is None:
        return ""
    if call.function == "if":
        return "b + (a - b)*(1 + smooth_sign(x, eps))/2` for `if(x > 0, a, b)"
    if not call.span.text.startswith(call.function):  # the root of a square
        return f"smooth_abs({to_text(call.value.args[0])}, eps)"
    inside = call.span.text[len(call.function) :].strip()[1:-1].strip()
    return f"smooth_{call.function}({inside}, eps)"
