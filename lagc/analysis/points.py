"""Values and derivatives of expressions at one point, in high precision and without noise.

Sums that cancel to half of all digits count as exactly zero: points are random, so nothing else
cancels like that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.mechanics.numeric import DIGITS
from lagc.semantics.evaluation import Evaluator, OutsideDomain
from lagc.semantics.functions import (
    AbsoluteValue,
    If,
    Maximum,
    Minimum,
    NeuralTerm,
    Sign,
    Step,
)

_CANCELS = mp.mpf(10) ** (-DIGITS * 3 // 5)

Slopes = Mapping[str, Any]  # name of what it is differentiated by -> derivative, none of them zero

_NOTHING: Slopes = {}


def settled(parts: Iterable[Any]) -> Any:
    """The sum of mpmath reals, exactly 0 where they cancel."""
    parts = list(parts)
    total = mp.fsum(parts)
    if total == 0 or len(parts) == 1:
        return total
    return total if abs(total) > _CANCELS * mp.fsum(parts, absolute=True) else mp.mpf(0)


def difference(x: Any, y: Any) -> Any:
    """x - y, exactly 0 where they cancel."""
    found = x - y
    return found if abs(found) > _CANCELS * abs(x) else mp.mpf(0)


@dataclass
class Point(Evaluator):
    """An evaluator that differentiates too, by rules (forward), with respect to `directions`.

    A direction is a symbol, or for a neural slot the factor in front of it, called as in the
    expression (`neural V`).
    """

    directions: frozenset[str] = frozenset()
    _slopes: dict[sp.Expr, Slopes] = field(default_factory=dict)

    def slopes(self, expression: sp.Expr) -> Slopes:
        """The partial derivatives that are not zero; raises `OutsideDomain`."""
        found = self._slopes.get(expression)
        if found is None:
            try:
                found = self._differentiated(expression)
            except ZeroDivisionError:
                raise OutsideDomain from None
            self._slopes[expression] = found
        return found

    def size(self, direction: str) -> Any:
        """The value of a coefficient, and 1 for the factor in front of a network."""
        symbol = sp.Symbol(direction)
        return self(symbol) if symbol in self.values else mp.mpf(1)

    def _compute(self, e: sp.Expr) -> Any:
        return settled([self(x) for x in e.args]) if e.is_Add else super()._compute(e)

    def _differentiated(self, e: sp.Expr) -> Slopes:
        if e.is_Symbol:
            return {e.name: mp.mpf(1)} if e.name in self.directions else _NOTHING
        if not e.args:
            return _NOTHING
        if isinstance(e, NeuralTerm):
            return self._of_network(e)
        inner = [self.slopes(x) for x in e.args]
        if not any(inner):
            return _NOTHING
        if e.is_Add:
            return combined((mp.mpf(1), slopes) for slopes in inner)
        return combined((self._partial(e, k), slopes) for k, slopes in enumerate(inner) if slopes)

    def _of_network(self, e: NeuralTerm) -> Slopes:
        parts: list[tuple[Any, Slopes]] = [(self(e), {str(e.args[0]): mp.mpf(1)})]
        if str(e.args[0]) not in self.directions:
            parts = []
        for k, x in enumerate(e.inputs):
            if slopes := self.slopes(x):
                parts.append((self(e.fdiff(k + 3)), slopes))
        return combined(parts)

    def _partial(self, e: sp.Expr, k: int) -> Any:
        """The derivative by the argument k."""
        if e.is_Mul:
            return mp.fprod(self(x) for i, x in enumerate(e.args) if i != k)
        if e.is_Pow:
            base, exponent = self(e.args[0]), self(e.args[1])
            if k == 1:
                return self(e) * mp.log(base) if base > 0 else _outside()
            if e.args[1].is_Integer:
                return exponent * base ** int(e.args[1] - 1)
            return exponent * self(e) / base
        if isinstance(e, Sign | Step) or (isinstance(e, If) and k == 0):
            return mp.mpf(0)
        if isinstance(e, If | Minimum | Maximum):
            return mp.mpf(self._branch(e) == k)
        x = self(e.args[0])
        if isinstance(e, AbsoluteValue):
            return self(e) / x
        if e.func is sp.atan2:
            y, x = x, self(e.args[1])
            return (x if k == 0 else -y) / (x**2 + y**2)
        return _DERIVATIVES[e.func](x, self(e))

    def _branch(self, e: sp.Expr) -> int:
        """The argument that the value is taken from."""

        def distance(k: int) -> Any:
            try:
                return abs(self(e.args[k]) - self(e))
            except OutsideDomain:
                return mp.inf

        return min((1, 2) if isinstance(e, If) else (0, 1), key=distance)


def combined(parts: Iterable[tuple[Any, Slopes]]) -> Slopes:
    """The sum of slopes with factors."""
    terms: dict[str, list[Any]] = {}
    for factor, slopes in parts:
        if factor != 0:
            for name, slope in slopes.items():
                terms.setdefault(name, []).append(factor * slope)
    sums = {name: settled(values) for name, values in terms.items()}
    return {name: value for name, value in sums.items() if value != 0}


def _outside() -> Any:
    raise OutsideDomain


_DERIVATIVES: dict[Any, Any] = {  # of x and of the value at x
    sp.sin: lambda x, y: mp.cos(x),
    sp.cos: lambda x, y: -mp.sin(x),
    sp.tan: lambda x, y: 1 + y**2,
    sp.cot: lambda x, y: -1 - y**2,
    sp.asin: lambda x, y: 1 / mp.sqrt(1 - x**2),
    sp.acos: lambda x, y: -1 / mp.sqrt(1 - x**2),
    sp.atan: lambda x, y: 1 / (1 + x**2),
    sp.sinh: lambda x, y: mp.cosh(x),
    sp.cosh: lambda x, y: mp.sinh(x),
    sp.tanh: lambda x, y: 1 - y**2,
    sp.asinh: lambda x, y: 1 / mp.sqrt(1 + x**2),
    sp.acosh: lambda x, y: 1 / mp.sqrt(x**2 - 1),
    sp.atanh: lambda x, y: 1 / (1 - x**2),
    sp.exp: lambda x, y: y,
    sp.log: lambda x, y: 1 / x,
}
