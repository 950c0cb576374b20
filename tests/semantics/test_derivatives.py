"""Values and derivatives of every function against mpmath; which derivatives of jumps exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import pytest
import sympy as sp

from lagc.base.diagnostics import LagcError
from lagc.base.spans import Source, Span
from lagc.lower.lowering import lower_program
from lagc.lower.program import Variable
from lagc.semantics.derivatives import Differentiation
from lagc.semantics.functions import SCALAR_FUNCTIONS, JumpDerivative
from tests.lower.interpreter import interpret
from tests.mechanics.models import compile_text

X, Y = sp.Symbol("x"), sp.Symbol("y")


def reading(text: str) -> sp.Expr:
    """An expression of x and y as the language reads it."""
    c = compile_text(f"coordinate x\ncoordinate y\nL = x'^2 + y'^2\nobservable f = {text}\n")
    return c.model.observables[0].value


def derivative(e: sp.Expr, x: sp.Symbol) -> sp.Expr:
    return Differentiation(Span(Source("test.lag", ""), 0, 0), {})(e, x)


def smooth_abs(x: Any, eps: Any) -> Any:
    return mp.hypot(x, eps)


ELEMENTARY = (
    *("sin", "cos", "tan", "asin", "acos", "atan"),
    *("sinh", "cosh", "tanh", "asinh", "atanh", "exp"),
)


def of_product(name: str) -> Callable[..., Any]:
    return lambda x, y: getattr(mp, name)(x * y)


# The text, what it means in mpmath, and points at which both have derivatives.
FUNCTIONS: dict[str, tuple[Callable[..., Any], list[tuple[float, float]]]] = {
    **{
        f"{name}(x*y)": (of_product(name), [(0.3, 1.1), (-0.7, 0.9)])
        for name in [
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "atanh",
            "exp",
        ]
    },
    "acosh(x*y)": (lambda x, y: mp.acosh(x * y), [(1.5, 1.1)]),
    "log(x*y)": (lambda x, y: mp.log(x * y), [(1.5, 1.1), (-0.2, -3.0)]),
    "sqrt(x*y)": (lambda x, y: mp.sqrt(x * y), [(1.5, 1.1)]),
    "atan2(y, x)": (lambda x, y: mp.atan2(y, x), [(1.0, 2.0), (-1.0, -0.5), (-0.3, 0.1)]),
    "abs(x)^3*y": (lambda x, y: abs(x) ** 3 * y, [(0.7, 2.0), (-0.7, 2.0), (0.0, 1.5)]),
    "x^3*sign(x)*y": (lambda x, y: abs(x) ** 3 * y, [(0.7, 2.0), (-0.7, 2.0), (0.0, 1.5)]),
    "(max(x, y) - y)^3": (
        lambda x, y: max(x - y, 0) ** 3,
        [(0.7, 2.0), (-0.7, -2.0), (0.5, 0.5)],
    ),
    "max(x*y, 0)^3": (lambda x, y: max(x * y, 0) ** 3, [(0.7, 2.0), (-0.7, 2.0), (0.0, 2.0)]),
    "(min(x, y*x) - x)^3": (
        lambda x, y: min(0, x * y - x) ** 3,
        [(0.7, 2.0), (0.7, -2.0), (-0.7, 2.0)],
    ),
    "smooth_abs(x*y, 0.1)": (lambda x, y: smooth_abs(x * y, mp.mpf("0.1")), [(0.0, 1.0), (1, -2)]),
    "smooth_sign(x, y^2 + 1)": (
        lambda x, y: x / smooth_abs(x, y * y + 1),
        [(0.0, 1.0), (1.0, -2.0)],
    ),
    "smooth_max(x, y, 1/8)": (
        lambda x, y: (x + y + smooth_abs(x - y, 0.125)) / 2,
        [(0.5, 0.5), (1.0, -2.0)],
    ),
    "smooth_min(x, y, 1/8)": (
        lambda x, y: (x + y - smooth_abs(x - y, 0.125)) / 2,
        [(0.5, 0.5), (1.0, -2.0)],
    ),
    "if(x > y, (x - y)^3, 0)": (
        lambda x, y: (x - y) ** 3 if x > y else mp.mpf(0),
        [(1.0, 0.5), (0.5, 1.0), (0.5, 0.5)],
    ),
    "if(x >= y and y > -1, (x - y)^3*(y + 1)^3, x*0)": (
        lambda x, y: (x - y) ** 3 * (y + 1) ** 3 if x >= y and y > -1 else mp.mpf(0),
        [(1.0, 0.5), (0.5, 1.0), (-1.5, -2.0)],
    ),
    "if(x < 0 or y < 0, x^3*min(y, 0)^3, -x*0)": (
        lambda x, y: x**3 * min(y, 0) ** 3,
        [(1.0, 0.5), (-0.5, 1.0), (-1.5, -2.0), (1.5, -2.0)],
    ),
    "if(x > 0, if(y > 0, x^3*y^3, 0), sin(x)^3)": (
        lambda x, y: (x * max(y, 0)) ** 3 if x > 0 else mp.sin(x) ** 3,
        [(1.0, 0.5), (1.0, -0.5), (-1.0, 0.5)],
    ),
}


def value(e: sp.Expr, x: Any, y: Any) -> Any:
    variables = {X: Variable("q", index=0), Y: Variable("q", index=1)}
    program = lower_program("f", {"f": ((), [e])}, variables, {})
    given = {Variable("q", index=0): mp.mpf(x), Variable("q", index=1): mp.mpf(y)}
    (found,) = interpret(program, given)["f"]
    return found


@pytest.mark.parametrize("text", FUNCTIONS)
def test_values_and_derivatives(text: str) -> None:
    reference, points = FUNCTIONS[text]
    f = reading(text)
    with mp.workdps(60):
        for point in points:
            assert mp.almosteq(value(f, *point), reference(*map(mp.mpf, point)), 1e-14, 1e-14)
            for orders in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2)):
                e = f
                for symbol, order in zip((X, Y), orders, strict=True):
                    for _ in range(order):
                        e = derivative(e, symbol)
                exact = mp.diff(reference, tuple(map(mp.mpf, point)), orders)
                assert mp.almosteq(value(e, *point), exact, 1e-13, 1e-13), (orders, point)


def test_every_function_of_numbers_is_compared() -> None:
    assert all(any(f"{name}(" in text for text in FUNCTIONS) for name in SCALAR_FUNCTIONS)


# How often each may be differentiated by x.
TIMES = {
    "sign(x)": 0,
    "if(x > 0, 1, 0)": 0,
    "if(x > 0, x, 0)": 1,
    "if(x > 0, x^2, 0)": 2,
    "if(x >= 0, x^2, -x^2)": 2,
    "if(x > 0, x^3, 0)": 3,
    "abs(x)": 1,
    "abs(x)^2": 9,  # 2*abs(x)*sign(x) is 2*x, and sign(x)^2 counts as constant
    "abs(x)*sign(x)": 9,
    "abs(x)^3": 3,
    "max(x, 0)^2": 2,
    "max(x, 0)^4": 4,
    "max(x, 0)*y": 1,
    "if(x > y, sin(x - y), x - y)": 3,
    "if(x > y, cos(x), cos(y))": 1,
    "if(dot((x, y), (x, y)) > 4, (dot((x, y), (x, y)) - 4)^2, 0)": 2,
    "if(dot((x, y), (x, y)) > 4, x^2 + y^2 - 4, 0)": 1,
    "if(x > 0, 1 + 1e-12*x, 1)": 1,
    "if(x > 0, 1 + 1e-12, 1)": 0,
    "if(x > 0, sqrt(x), 0)": 1,
    "if(x > 0, exp(-1/x), 0)": 9,
    "if(x > 5000, (x - 5000)^2, 0)": 2,
    "if(x > 1.5e11, (x - 1.5e11)^2, 0)": 2,
    "if(y > 0, x, 2*x)": 9,  # for every y there is a derivative by x
    "if(sin(x) > 0, sin(x)^2, 0)": 2,
    "if(x^2 > 0, x, x)": 9,
    "if(x*(x - 1) > 0, x^2, 0)": 0,  # meets at x = 0, not at x = 1
    "if(x > 0 and y > 0, x^2, 0)": 2,
    "sign(x)*if(x > 0, x, -x)": 9,
    "sign(x)^2": 9,
}


@pytest.mark.parametrize("text", TIMES)
def test_derivatives_exist_as_often_as_what_is_differentiated_is_continuous(text: str) -> None:
    e = reading(text)
    for _ in range(min(TIMES[text], 4)):
        e = derivative(e, X)
    if TIMES[text] < 4:
        with pytest.raises(JumpDerivative):
            derivative(e, X)


@pytest.mark.parametrize(
    ("bounds", "accepted"),
    [
        *(("> 0", True), (">= 0", False), ("in (0, 1]", True), ("in [1, 2]", True), ("", False)),
        *(("< 1", False), ("> -1", False), ("in [-2, -1]", False)),
        *(("in [2, 3]", True), ("in (1, 3]", True), ("in [1, 3]", True)),
    ],
)
def test_a_width_must_be_shown_to_be_positive(bounds: str, accepted: bool) -> None:
    text = f"coordinate q\ncoefficient e {bounds}\nL = q'^2 - smooth_abs(q, 2*e^3)\n"
    if accepted:
        compile_text(text)
        return
    with pytest.raises(LagcError) as caught:
        compile_text(text)
    assert [d.code.name for d in caught.value.diagnostics] == ["LAG230"]
