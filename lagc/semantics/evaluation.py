"""Values of expressions in high precision, at a point of the space of all their symbols.

Neural terms get random values that depend on the slot, the orders and the numerical arguments, so
they behave as arbitrary functions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.semantics.functions import (
    PIECEWISE,
    AbsoluteValue,
    If,
    Maximum,
    Minimum,
    NeuralTerm,
    Sign,
    Step,
)

_LARGEST_EXPONENT = 40  # as a power of two
_LARGEST_ANGLE = 4096
_PERIODIC = (sp.sin, sp.cos, sp.tan, sp.cot)

_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    sp.sin: mp.sin,
    sp.cos: mp.cos,
    sp.tan: mp.tan,
    sp.cot: mp.cot,
    sp.asin: mp.asin,
    sp.acos: mp.acos,
    sp.atan: mp.atan,
    sp.sinh: mp.sinh,
    sp.cosh: mp.cosh,
    sp.tanh: mp.tanh,
    sp.asinh: mp.asinh,
    sp.acosh: mp.acosh,
    sp.atanh: mp.atanh,
    sp.exp: mp.exp,
    sp.log: mp.log,
    sp.atan2: mp.atan2,
    AbsoluteValue: abs,
    Sign: mp.sign,
    Step: lambda x: (mp.sign(x) + 1) / 2,
    Minimum: min,
    Maximum: max,
}


_GROWING = (sp.exp, sp.sinh, sp.cosh)


class OutsideDomain(Exception):
    """The expression is not a finite real number at this point."""


@dataclass
class Evaluator:
    """Values of expressions at one point; common parts are computed once.

    `values` are real numbers, of which exact ones may be expressions; `known` holds the values of
    expressions that were computed before.
    """

    values: Mapping[sp.Symbol, Any]
    seed: int = 0
    branches: bool = False
    known: Mapping[sp.Expr, Any] = field(default_factory=dict)
    _memory: dict[sp.Expr, Any] = field(default_factory=dict)

    def __call__(self, expression: sp.Expr) -> Any:
        """The value, an mpmath real; raises `OutsideDomain`."""
        found = self._memory.get(expression)
        if found is None:
            found = self.known.get(expression)
        if found is None:
            found = self._compute(expression)
            if not isinstance(found, mp.mpf) or not mp.isfinite(found):
                raise OutsideDomain
            self._memory[expression] = found
        return found

    @property
    def operations(self) -> int:
        """How many values were computed so far."""
        return len(self._memory)

    def _compute(self, e: sp.Expr) -> Any:
        if e.is_Symbol:
            value = self.values[e]
            return self(value) if isinstance(value, sp.Expr) else mp.mpf(value)
        if e.is_Rational:
            return mp.mpf(int(e.p)) / int(e.q)
        if e.is_NumberSymbol:
            return mp.mpf(e.evalf(mp.mp.dps + 10)._mpf_)
        if isinstance(e, NeuralTerm):
            return self._neural(e)
        if self.branches and isinstance(e, PIECEWISE):
            return self._other_branch(e)
        if isinstance(e, If):  # the other branch may have no value here
            return self(e.args[1] if self(e.args[0]) > 0 else e.args[2])
        if e.is_Atom:  # I, nan and the infinities
            raise OutsideDomain
        arguments = [self(a) for a in e.args]
        if e.func is sp.exp and arguments[0] < 0 and mp.mag(arguments[0]) > _LARGEST_EXPONENT:
            return mp.mpf(0)
        if (e.is_Pow or e.func in _GROWING) and mp.mag(arguments[-1]) > _LARGEST_EXPONENT:
            raise OutsideDomain  # the value has no place in memory
        if e.func in _PERIODIC and mp.mag(arguments[0]) > _LARGEST_ANGLE:
            raise OutsideDomain  # to reduce it takes as many digits as it has
        try:
            if e.is_Add:
                return mp.fsum(arguments)
            if e.is_Mul:
                return mp.fprod(arguments)
            if e.is_Pow:
                return mp.power(*arguments)
            return mp.mpmathify(_FUNCTIONS[e.func](*arguments))
        except (ZeroDivisionError, ValueError, OverflowError):
            raise OutsideDomain from None

    def _other_branch(self, e: sp.Expr) -> Any:
        """A function with a kink or a jump on a branch chosen at random.

        The choice depends on the size of what the sign is taken of, not on its sign, so that |x| is
        even, sign(x) odd, and derivatives fit: an identity of all branches still holds, and a part
        that is zero only where the points happen to lie is found.
        """
        two = isinstance(e, Minimum | Maximum)
        x = self(e.args[0]) - (self(e.args[1]) if two else 0)
        flip = random.Random(f"{self.seed} {mp.nstr(abs(x), 20)}").choice((1, -1))
        sign = flip * mp.sign(x)
        if isinstance(e, If):
            return self(e.args[1] if sign > 0 else e.args[2])
        if isinstance(e, AbsoluteValue):
            return sign * x
        if isinstance(e, Sign):
            return sign
        if isinstance(e, Step):
            return (sign + 1) / 2
        total = self(e.args[0]) + self(e.args[1])
        return (total + (sign * x if isinstance(e, Maximum) else -sign * x)) / 2

    def _neural(self, e: NeuralTerm) -> Any:
        point = tuple(mp.nstr(mp.nint(self(x) * 10**25), 20) for x in e.inputs)
        generator = random.Random(f"{self.seed} {e.slot} {e.orders} {point}")
        return mp.mpf(generator.uniform(0.5, 1.5))


def number(value: sp.Expr) -> Any:
    """An exact number as an mpmath real."""
    return Evaluator({})(value)


def within_bounds(generator: random.Random, lower: sp.Expr | None, upper: sp.Expr | None) -> Any:
    """A number strictly between two bounds, either of which may be absent."""
    fraction = mp.mpf(generator.uniform(0.1, 0.9))
    low = None if lower is None else number(lower)
    high = None if upper is None else number(upper)
    if low is not None and high is not None:
        return low + fraction * (high - low)
    if low is not None:
        return low + 2 * fraction
    if high is not None:
        return high - 2 * fraction
    return 2 * fraction
