"""The functions of the language: a closed list, each with its arity, derivative and smoothness.

Smooth functions are SymPy's own, and those named `smooth_...` are written out in them. Functions
with kinks and jumps are defined here, because SymPy's versions differentiate to distributions. A
kink (abs, min, max) may be differentiated once, which gives a jump. A jump (sign, if) on its own
raises `JumpDerivative`; `lagc.semantics.derivatives` differentiates expressions in which the jumps
cancel, such as abs(x)*sign(x).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sympy as sp


class Smoothness(Enum):
    """How far a function can be differentiated inside its domain."""

    SMOOTH = "smooth"
    KINK = "continuous, with a kink"
    JUMP = "with a jump"


class JumpDerivative(Exception):
    """The derivative of `expression`, a function with a jump, was asked for."""

    def __init__(self, expression: sp.Expr) -> None:
        super().__init__(str(expression))
        self.expression = expression


class Sign(sp.Function):  # type: ignore[misc]
    """-1, 0 or 1."""

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Known where the argument is a real number."""
        return sp.sign(x) if x.is_comparable else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Does not exist."""
        raise JumpDerivative(self)


class Step(sp.Function):  # type: ignore[misc]
    """0 below zero, 1/2 at zero, 1 above; the derivative of min and max."""

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Known where the argument is a real number."""
        return (sp.sign(x) + 1) / 2 if x.is_comparable else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Does not exist."""
        raise JumpDerivative(self)


class If(sp.Function):  # type: ignore[misc]
    """If(s, a, b): a where s > 0, otherwise b. `x >= y` is the negation of `y - x > 0`."""

    nargs = 3

    @classmethod
    def eval(cls, s: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr | None:
        """Known where both branches are the same or the condition is about numbers."""
        if a == b:
            return a
        if not s.is_comparable:
            return None
        return a if sp.sign(s.evalf(50)) > 0 else b

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Does not exist."""
        raise JumpDerivative(self)


class AbsoluteValue(sp.Function):  # type: ignore[misc]
    """|x|."""

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        """Known where the argument is a real number."""
        return sp.Abs(x) if x.is_comparable else None

    def _eval_power(self, exponent: sp.Expr) -> sp.Expr | None:
        return self.args[0] ** exponent if exponent.is_Integer and exponent % 2 == 0 else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """The sign."""
        return Sign(self.args[0])


class Minimum(sp.Function):  # type: ignore[misc]
    """The smaller of two."""

    nargs = 2

    @classmethod
    def eval(cls, x: sp.Expr, y: sp.Expr) -> sp.Expr | None:
        """Known where both are real numbers."""
        return sp.Min(x, y) if x.is_comparable and y.is_comparable else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """1 for the smaller argument, 0 for the other."""
        a, b = self.args
        return Step(b - a) if argindex == 1 else Step(a - b)


class Maximum(sp.Function):  # type: ignore[misc]
    """The larger of two."""

    nargs = 2

    @classmethod
    def eval(cls, x: sp.Expr, y: sp.Expr) -> sp.Expr | None:
        """Known where both are real numbers."""
        return sp.Max(x, y) if x.is_comparable and y.is_comparable else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """1 for the larger argument, 0 for the other."""
        a, b = self.args
        return Step(a - b) if argindex == 1 else Step(b - a)


JUMPS = (Sign, Step, If)
PIECEWISE = (*JUMPS, AbsoluteValue, Minimum, Maximum)


class NeuralTerm(sp.Function):  # type: ignore[misc]
    """A partial derivative of a neural slot: NeuralTerm(name, orders, x_1, ..., x_n).

    `orders` is a Tuple of n integers, all zero for the value itself.
    """

    @property
    def slot(self) -> str:
        """The name of the slot."""
        return str(self.args[0].name).removeprefix("neural ")

    @property
    def orders(self) -> tuple[int, ...]:
        """How often it was differentiated with respect to each argument."""
        return tuple(int(k) for k in self.args[1])

    @property
    def inputs(self) -> tuple[sp.Expr, ...]:
        """The arguments of the slot."""
        return tuple(self.args[2:])

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        """Differentiated once more with respect to an input, the first of which is argument 3."""
        orders = list(self.args[1])
        orders[argindex - 3] += 1
        return NeuralTerm(self.args[0], sp.Tuple(*orders), *self.inputs)


def neural_value(slot: str, inputs: tuple[sp.Expr, ...]) -> sp.Expr:
    """The slot itself, not differentiated."""
    # The name is wrapped so that it can never be mistaken for a variable of the model.
    return NeuralTerm(sp.Symbol(f"neural {slot}"), sp.Tuple(*[0] * len(inputs)), *inputs)


def smooth_abs(x: sp.Expr, eps: sp.Expr) -> sp.Expr:
    """sqrt(x^2 + eps^2): above |x| by eps at x = 0, by less elsewhere."""
    return sp.sqrt(x**2 + eps**2)


def smooth_sign(x: sp.Expr, eps: sp.Expr) -> sp.Expr:
    """x/sqrt(x^2 + eps^2), the derivative of `smooth_abs`."""
    return x / smooth_abs(x, eps)


def smooth_min(x: sp.Expr, y: sp.Expr, eps: sp.Expr) -> sp.Expr:
    """(x + y - smooth_abs(x - y, eps))/2: below the smaller by at most eps/2."""
    return (x + y - smooth_abs(x - y, eps)) / 2


def smooth_max(x: sp.Expr, y: sp.Expr, eps: sp.Expr) -> sp.Expr:
    """(x + y + smooth_abs(x - y, eps))/2: above the larger by at most eps/2."""
    return (x + y + smooth_abs(x - y, eps)) / 2


@dataclass(frozen=True)
class ScalarFunction:
    """A function of scalars: `build` makes the SymPy expression from `arity` arguments.

    The last argument of one with a `width` is the width of the transition, which is positive.
    """

    name: str
    arity: int
    build: Callable[..., Any]
    smoothness: Smoothness = Smoothness.SMOOTH
    width: bool = False


_SMOOTH = {
    "sin": sp.sin,
    "cos": sp.cos,
    "tan": sp.tan,
    "asin": sp.asin,
    "acos": sp.acos,
    "atan": sp.atan,
    "sinh": sp.sinh,
    "cosh": sp.cosh,
    "tanh": sp.tanh,
    "asinh": sp.asinh,
    "acosh": sp.acosh,
    "atanh": sp.atanh,
    "exp": sp.exp,
    "log": sp.log,
    "sqrt": sp.sqrt,
}

SCALAR_FUNCTIONS: dict[str, ScalarFunction] = {
    **{name: ScalarFunction(name, 1, build) for name, build in _SMOOTH.items()},
    "atan2": ScalarFunction("atan2", 2, sp.atan2),
    "abs": ScalarFunction("abs", 1, AbsoluteValue, Smoothness.KINK),
    "min": ScalarFunction("min", 2, Minimum, Smoothness.KINK),
    "max": ScalarFunction("max", 2, Maximum, Smoothness.KINK),
    "sign": ScalarFunction("sign", 1, Sign, Smoothness.JUMP),
    "smooth_abs": ScalarFunction("smooth_abs", 2, smooth_abs, width=True),
    "smooth_sign": ScalarFunction("smooth_sign", 2, smooth_sign, width=True),
    "smooth_min": ScalarFunction("smooth_min", 3, smooth_min, width=True),
    "smooth_max": ScalarFunction("smooth_max", 3, smooth_max, width=True),
}

# The classes of what is smooth; a root is a power, and has none. SymPy makes a cotangent of
# tan(pi/2 - x), also when a constant gets its value.
SMOOTH_FUNCTIONS = (*(f for f in _SMOOTH.values() if isinstance(f, type)), sp.atan2, sp.cot)

# Functions of vectors and matrices; `if` has a condition, `sum` an index.
VECTOR_FUNCTIONS = {"dot": 2, "cross": 2, "norm": 1, "transpose": 1}
LATTICE_FUNCTIONS = frozenset({"sum"})
RESERVED_NAMES = frozenset({"t", "pi", "inf"})
FUNCTION_NAMES = (
    frozenset(SCALAR_FUNCTIONS) | frozenset(VECTOR_FUNCTIONS) | LATTICE_FUNCTIONS | {"if"}
)
