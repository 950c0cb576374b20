"""Whether an expression with jumps is continuous, so that it may be differentiated.

A jump cancels in abs(x)*sign(x), and does not show where both branches of an `if` meet. Whether it
does is looked up at points of the surface where it switches, found by root finding in high
precision: what a jump contributes stays as large however near to the surface one looks, and the
difference of a continuous function goes to zero. Where no such point is found, nothing is shown.
"""

from __future__ import annotations

import random
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.semantics import graphs
from lagc.semantics.evaluation import Evaluator, OutsideDomain, within_bounds
from lagc.semantics.functions import JUMPS, JumpDerivative
from lagc.semantics.traits import Traits

# Where symbols have a value: constants at one number, coefficients within their bounds.
Ranges = Mapping[sp.Symbol, tuple[sp.Expr | None, sp.Expr | None]]

_DIGITS = 220
_NEAR, _NEARER = 40, 80  # digits of the two distances from the surface
_SHRINKS = 10  # digits by which a difference must shrink between them
_ROUNDING = 150  # digits below which a difference is rounding
_LINES, _CROSSINGS = 16, 4
_OPERATIONS = 4  # on numbers that count as one unit of work
_SPREADS = (1.0, 3.0, 0.3, 30.0, 0.03)


def jumps(e: sp.Expr, symbol: sp.Symbol) -> Iterator[sp.Expr]:
    """Every jump whose place depends on a symbol, inner ones too, once; in a fixed order."""
    seen: set[sp.Basic] = set()
    waiting: list[sp.Basic] = [e]
    while waiting:
        part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        if isinstance(part, JUMPS) and symbol in graphs.symbols(part.args[0]):
            yield part
        waiting += reversed(part.args)


class Continuity:
    """Looks at the expressions of one model; `spend` is told what the search costs.

    Crossings of a surface serve for every expression that switches there.
    """

    def __init__(self, ranges: Ranges, spend: Callable[[int], None]) -> None:
        self.ranges = ranges
        self.spend = spend
        self._traits = Traits()
        self._found: dict[tuple[sp.Expr, sp.Symbol], list[tuple[_Line, Any]]] = {}
        self._searches: dict[tuple[sp.Expr, sp.Symbol], Iterator[tuple[_Line, Any]]] = {}

    def require(self, e: sp.Expr, symbol: sp.Symbol) -> None:
        """Raises `JumpDerivative` with a jump of e in `symbol`, or with one not seen to be none."""
        surfaces: dict[sp.Expr, sp.Expr] = {}
        for jump in jumps(e, symbol):
            surfaces.setdefault(jump.args[0], jump)
        with mp.workdps(_DIGITS):
            for surface, jump in surfaces.items():
                if not self._holds(e, surface, symbol):
                    raise JumpDerivative(jump)

    def _holds(self, e: sp.Expr, surface: sp.Expr, symbol: sp.Symbol) -> bool:
        """Whether e is seen to be continuous at several places where `surface` is zero."""
        found = 0
        for line, place in self._crossings(surface, symbol):
            same = line.is_continuous(e, place)
            if same is False:
                return False
            found += same is not None
            if found == _CROSSINGS:
                return True
        return found > 0

    def _crossings(self, surface: sp.Expr, symbol: sp.Symbol) -> Iterator[tuple[_Line, Any]]:
        """Places on lines in the direction of `symbol`; those found before first."""
        key = surface, symbol
        found = self._found.setdefault(key, [])
        yield from found
        for crossing in self._searches.setdefault(key, self._search(surface, symbol)):
            found.append(crossing)
            yield crossing

    def _search(self, surface: sp.Expr, symbol: sp.Symbol) -> Iterator[tuple[_Line, Any]]:
        for number in range(_LINES):
            line = _Line(symbol, number, self.ranges, self.spend, self._traits.symbols)
            for place in line.crossings(surface):
                yield line, place


class _Others(dict[sp.Symbol, Any]):
    """The values of the symbols that do not change along a line, drawn when they are needed."""

    def __init__(self, number: int, spread: float, ranges: Ranges) -> None:
        super().__init__()
        self.number = number
        self.spread = spread
        self.ranges = ranges

    def __missing__(self, symbol: sp.Symbol) -> Any:
        generator = random.Random(f"{self.number} {symbol.name}")
        if symbol in self.ranges:
            value = within_bounds(generator, *self.ranges[symbol])
        else:
            value = mp.mpf(generator.uniform(-1, 1)) * self.spread
        self[symbol] = value
        return value


class _Line:
    """A line along which one symbol changes, the others at random values."""

    def __init__(
        self,
        symbol: sp.Symbol,
        number: int,
        ranges: Ranges,
        spend: Callable[[int], None],
        symbols: Callable[[sp.Basic], frozenset[sp.Symbol]],
    ) -> None:
        spread = _SPREADS[number % len(_SPREADS)]
        self.symbol = symbol
        self.number = number
        self.spend = spend
        self.symbols = symbols
        self.others = _Others(number, spread, ranges)
        generator = random.Random(number)
        sizes = [spread * 2.0**k * generator.uniform(0.7, 1.0) for k in range(-4, 5)]
        sizes += [10.0**k * generator.uniform(0.7, 1.0) for k in (*range(-6, 10), 13, 17, 22)]
        self.grid = sorted(mp.mpf(sign * size) for size in sizes for sign in (-1, 1))
        self._beside: dict[Any, Evaluator] = {}  # points at either side of a crossing

    def value(self, e: sp.Expr, x: Any) -> Any:
        """The value of an expression, None where it has none."""
        return self._value(e, self._point(x))

    def _point(self, x: Any, fixed: Mapping[sp.Expr, Any] | None = None) -> Evaluator:
        self.spend(1)
        values = ChainMap({self.symbol: x}, self.others)
        return Evaluator(values, self.number, known=fixed or {})

    def _fixed(self, surface: sp.Expr) -> dict[sp.Expr, Any]:
        """The values of the parts of a surface that are the same all along the line."""
        point, found = Evaluator(self.others, self.number), {}
        waiting = [surface]
        while waiting:
            part = waiting.pop()
            if isinstance(part, sp.Tuple) or self.symbol in self.symbols(part):
                waiting += part.args
                continue
            value = self._value(part, point)
            if value is not None:
                found[part] = value
        return found

    def _value(self, e: sp.Expr, point: Evaluator) -> Any:
        before = point.operations
        try:
            return point(e)
        except OutsideDomain:
            return None
        finally:
            self.spend(1 + (point.operations - before) // _OPERATIONS)

    def _value_beside(self, e: sp.Expr, x: Any) -> Any:
        """As `value`, at a point where many expressions with parts in common are asked for."""
        if x not in self._beside:
            self._beside[x] = self._point(x)
        return self._value(e, self._beside[x])

    def crossings(self, surface: sp.Expr) -> Iterator[Any]:
        """Where the sign of `surface` changes, as far as the grid shows it."""
        fixed = self._fixed(surface)
        heights = [(x, self._value(surface, self._point(x, fixed))) for x in self.grid]
        known = [(x, y) for x, y in heights if y is not None and y != 0]
        for (low, below), (high, above) in pairwise(known):
            if below * above < 0:
                place = self._root(surface, low, high, fixed)
                if place is not None:
                    yield place

    def _root(self, surface: sp.Expr, low: Any, high: Any, fixed: Mapping[sp.Expr, Any]) -> Any:
        def height(x: Any) -> Any:
            y = self._value(surface, self._point(x, fixed))
            if y is None:
                raise OutsideDomain
            return y

        try:
            place = mp.findroot(height, (low, high), solver="illinois", verify=False, maxsteps=400)
        except (OutsideDomain, ValueError, ZeroDivisionError):
            return None
        sides = [self.value(surface, x) for x in self._about(place, _NEARER)]
        if None in sides or sides[0] * sides[1] >= 0 or abs(sides[0]) > 1:
            return None  # a pole, or not found well enough
        return place

    def _about(self, place: Any, digits: int) -> tuple[Any, Any]:
        distance = (1 + abs(place)) * mp.mpf(10) ** -digits
        return place - distance, place + distance

    def is_continuous(self, e: sp.Expr, place: Any) -> bool | None:
        """Whether both sides meet at a place; None where one of them has no value."""
        terms = sp.Add.make_args(e)
        steps, size = [], mp.mpf(0)
        for digits in (_NEAR, _NEARER):
            low, high = self._about(place, digits)
            before = [self._value_beside(term, low) for term in terms]
            after = [self._value_beside(term, high) for term in terms]
            if None in before or None in after:
                return None
            size = max(size, mp.fsum(abs(y) for y in (*before, *after)))
            steps.append(abs(mp.fsum(after) - mp.fsum(before)))
        tolerance = max(steps[0] * mp.mpf(10) ** -_SHRINKS, size * mp.mpf(10) ** -_ROUNDING)
        return bool(steps[1] <= tolerance)
