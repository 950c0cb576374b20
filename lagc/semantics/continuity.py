"""Whether an expression with jumps is continuous, so that it may be differentiated.

A jump cancels in abs(x)*sign(x), and does not show where both branches of an `if` meet. Whether it
does is looked up at points of the surface where it switches, found by root finding in high
precision: what a jump contributes stays as large however near to the surface one looks, and the
difference of a continuous function goes to zero. Where no such point is found, nothing is shown.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.semantics.evaluation import Evaluator, OutsideDomain, within_bounds
from lagc.semantics.functions import JUMPS, JumpDerivative

# Where symbols have a value: constants at one number, coefficients within their bounds.
Ranges = Mapping[sp.Symbol, tuple[sp.Expr | None, sp.Expr | None]]

_DIGITS = 220
_NEAR, _NEARER = 40, 80  # digits of the two distances from the surface
_SHRINKS = 10  # digits by which a difference must shrink between them
_ROUNDING = 150  # digits below which a difference is rounding
_LINES, _CROSSINGS = 16, 4
_SPREADS = (1.0, 3.0, 0.3, 30.0)


def require_continuity(
    e: sp.Expr, symbol: sp.Symbol, ranges: Ranges, spend: Callable[[int], None]
) -> None:
    """Raises `JumpDerivative` with a jump of e in `symbol`, or with one not seen to be none.

    `spend` is told how many operations on numbers the search takes.
    """
    surfaces: dict[sp.Expr, sp.Expr] = {}
    for jump in jumps(e, symbol):
        surfaces.setdefault(jump.args[0], jump)
    with mp.workdps(_DIGITS):
        for surface, jump in surfaces.items():
            if not _is_continuous(e, surface, symbol, ranges, spend):
                raise JumpDerivative(jump)


def jumps(e: sp.Expr, symbol: sp.Symbol) -> Iterator[sp.Expr]:
    """Every jump whose place depends on a symbol, inner ones too, once; in a fixed order."""
    seen: set[sp.Basic] = set()
    waiting: list[sp.Basic] = [e]
    while waiting:
        part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        if isinstance(part, JUMPS) and symbol in part.args[0].free_symbols:
            yield part
        waiting += reversed(part.args)


def _is_continuous(
    e: sp.Expr,
    surface: sp.Expr,
    symbol: sp.Symbol,
    ranges: Ranges,
    spend: Callable[[int], None],
) -> bool:
    """Whether e is seen to be continuous in `symbol` at several places where `surface` is zero."""
    found = 0
    for line in _lines(e, symbol, ranges, spend):
        for place in line.crossings(surface):
            same = line.is_continuous(e, place)
            if same is False:
                return False
            found += same is not None
            if found == _CROSSINGS:
                return True
    return found > 0


def _lines(
    e: sp.Expr, symbol: sp.Symbol, ranges: Ranges, spend: Callable[[int], None]
) -> Iterator[_Line]:
    """Lines along which one symbol changes, the others at random values."""
    generator = random.Random(0)
    others = sorted(e.free_symbols - {symbol}, key=lambda s: s.name)
    for attempt in range(_LINES):
        spread = _SPREADS[attempt % len(_SPREADS)]
        values: dict[sp.Symbol, Any] = {}
        for s in others:
            if s in ranges:
                values[s] = within_bounds(generator, *ranges[s])
            else:
                values[s] = mp.mpf(generator.uniform(-1, 1)) * spread
        yield _Line(values, symbol, generator, spread, spend)


class _Line:
    def __init__(
        self,
        values: dict[sp.Symbol, Any],
        symbol: sp.Symbol,
        generator: random.Random,
        spread: Any,
        spend: Callable[[int], None],
    ) -> None:
        self.values = values
        self.symbol = symbol
        self.spend = spend
        self.seed = generator.randrange(2**32)
        sizes = [spread * 2.0**k * generator.uniform(0.7, 1.0) for k in range(-4, 5)]
        sizes += [10.0**k * generator.uniform(0.7, 1.0) for k in range(-6, 10)]
        self.grid = sorted(mp.mpf(sign * size) for size in sizes for sign in (-1, 1))

    def value(self, e: sp.Expr, x: Any) -> Any:
        """The value of an expression, None where it has none."""
        point = Evaluator({**self.values, self.symbol: x}, self.seed)
        try:
            return point(e)
        except OutsideDomain:
            return None
        finally:
            self.spend(1 + point.operations)

    def crossings(self, surface: sp.Expr) -> Iterator[Any]:
        """Where the sign of `surface` changes, as far as the grid shows it."""
        heights = [(x, self.value(surface, x)) for x in self.grid]
        known = [(x, y) for x, y in heights if y is not None and y != 0]
        for (low, below), (high, above) in pairwise(known):
            if below * above < 0:
                place = self._root(surface, low, high)
                if place is not None:
                    yield place

    def _root(self, surface: sp.Expr, low: Any, high: Any) -> Any:
        def height(x: Any) -> Any:
            y = self.value(surface, x)
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
            before = [self.value(term, low) for term in terms]
            after = [self.value(term, high) for term in terms]
            if None in before or None in after:
                return None
            size = max(size, mp.fsum(abs(y) for y in (*before, *after)))
            steps.append(abs(mp.fsum(after) - mp.fsum(before)))
        tolerance = max(steps[0] * mp.mpf(10) ** -_SHRINKS, size * mp.mpf(10) ** -_ROUNDING)
        return bool(steps[1] <= tolerance)
