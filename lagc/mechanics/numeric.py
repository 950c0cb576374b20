"""Expressions evaluated at random points in high precision, to decide whether they vanish.

A rational identity that holds at several random points to 40 digits holds; `simplify` is never
needed. Neural terms get random values that depend on the slot, the orders and the numerical
arguments, so they behave as arbitrary functions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.semantics.functions import AbsoluteValue, Maximum, Minimum, NeuralTerm, Sign, Step
from lagc.semantics.model import Model

DIGITS = 50
_LARGEST_EXPONENT = 40  # as a power of two
_POINTS = 3
_TRIES = 60
_SPREADS = (1.0, 0.5, 0.2, 2.0, 0.05, 5.0)
_WIDE_SPREADS = (30.0, 1e3, 1e5, 1e-3)  # where nothing was found in half of the tries

_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    sp.sin: mp.sin,
    sp.cos: mp.cos,
    sp.tan: mp.tan,
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


_PIECEWISE = (AbsoluteValue, Sign, Step, Minimum, Maximum)


class OutsideDomain(Exception):
    """The expression is not a finite real number at this point."""


@dataclass
class Evaluator:
    """Values of expressions at one point; common parts are computed once."""

    values: Mapping[sp.Symbol, Any]
    seed: int = 0
    branches: bool = False
    _memory: dict[sp.Expr, Any] = field(default_factory=dict)

    def __call__(self, expression: sp.Expr) -> Any:
        """The value, an mpmath real; raises `OutsideDomain`."""
        found = self._memory.get(expression)
        if found is None:
            found = self._compute(expression)
            if not isinstance(found, mp.mpf) or not mp.isfinite(found):
                raise OutsideDomain
            self._memory[expression] = found
        return found

    def _compute(self, e: sp.Expr) -> Any:
        if e.is_Symbol:
            return mp.mpf(self.values[e])
        if e.is_Rational:
            return mp.mpf(int(e.p)) / int(e.q)
        if e.is_NumberSymbol:
            return mp.mpf(e.evalf(DIGITS + 10)._mpf_)
        if isinstance(e, NeuralTerm):
            return self._neural(e)
        if self.branches and isinstance(e, _PIECEWISE):
            return self._other_branch(e)
        if e.is_Atom:  # I, nan and the infinities
            raise OutsideDomain
        arguments = [self(a) for a in e.args]
        if (e.is_Pow or e.func in _GROWING) and mp.mag(arguments[-1]) > _LARGEST_EXPONENT:
            raise OutsideDomain  # the value has no place in memory
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
        x = self(e.args[0]) - (self(e.args[1]) if len(e.args) > 1 else 0)
        flip = random.Random(f"{self.seed} {mp.nstr(abs(x), 20)}").choice((1, -1))
        sign = flip * mp.sign(x)
        if isinstance(e, AbsoluteValue):
            return sign * x
        if isinstance(e, Sign):
            return sign
        if isinstance(e, Step):
            return (sign + 1) / 2
        total = self(e.args[0]) + self(e.args[1])
        return (total + (sign * x if isinstance(e, Maximum) else -sign * x)) / 2

    def _neural(self, e: NeuralTerm) -> Any:
        point = tuple(mp.nstr(self(x), 20) for x in e.inputs)
        generator = random.Random(f"{self.seed} {e.slot} {e.orders} {point}")
        return mp.mpf(generator.uniform(0.5, 1.5))


def number(value: sp.Expr) -> Any:
    """An exact number as an mpmath real."""
    return Evaluator({})(value)


def random_points(
    model: Model, extra: Iterable[sp.Symbol] = (), seed: int = 0
) -> Iterable[Evaluator]:
    """Evaluators at random values of every symbol of the model, at several spreads.

    Half of the later ones lie near the initial values of the model, where it has a meaning. On a
    lattice fields rise from site to site at every third point and fall at another, so that roots
    and logarithms of differences between neighbours have a value somewhere.
    """
    generator = random.Random(seed)
    symbols = [
        *(s for primes in (0, 1) for side in ("", "+", "-") for s in model.variables(primes, side)),
        sp.Symbol("t"),
        *(i.symbol for i in model.inputs),
        *extra,
    ]
    with mp.workdps(DIGITS):
        for attempt in range(_TRIES):
            late = 2 * attempt >= _TRIES
            centre = _initial_point(model) if late and attempt % 2 else {}
            spreads = _WIDE_SPREADS if late and not centre else _SPREADS
            spread = spreads[attempt // 2 % len(spreads) if late else attempt % len(spreads)]
            values: dict[sp.Symbol, Any] = {s: generator.uniform(-1, 1) * spread for s in symbols}
            for s in centre.keys() & values.keys():
                values[s] += centre[s]
            for c in model.coefficients:
                values[c.symbol] = _within(generator, c.lower, c.upper)
            for symbol, value in model.constant_values.items():
                values[symbol] = number(value)
            _in_order(model, values, 0 if centre else attempt % 3)
            yield Evaluator(values, seed=generator.randrange(2**32))


def _in_order(model: Model, values: dict[sp.Symbol, Any], order: int) -> None:
    """Sorts the values of every field along the sites: upwards (1), downwards (2) or not (0)."""
    for c in model.coordinates:
        for primes, side in product((0, 1), ("", "+", "-")) if c.index and order else ():
            symbols = c.symbols(primes, side)
            ranked = sorted((values[s] for s in symbols), reverse=order == 2)
            values |= dict(zip(symbols, ranked, strict=True))


def _initial_point(model: Model) -> dict[sp.Symbol, Any]:
    """The initial values of positions and velocities, for both histories."""
    given = dict(model.initial)
    return {
        s: number(given[plain.name])
        for primes in (0, 1)
        for side in ("", "+")
        for s, plain in zip(model.variables(primes, side), model.variables(primes), strict=True)
        if plain.name in given
    }


def _within(generator: random.Random, lower: sp.Expr | None, upper: sp.Expr | None) -> Any:
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


def evaluate_at_points(
    model: Model,
    expressions: Sequence[sp.Expr],
    points: int = _POINTS,
    extra: Iterable[sp.Symbol] = (),
    seed: int = 0,
) -> list[list[Any]]:
    """Values of all expressions at up to `points` random points where all are finite and real.

    Where functions with kinks occur there are more points, every second one on other branches.
    """
    found: list[list[Any]] = []
    piecewise = any(e.has(*_PIECEWISE) for e in expressions)
    points = 4 * points if piecewise else points
    for number, evaluator in enumerate(random_points(model, extra, seed)):
        evaluator.branches = piecewise and number % 2 == 1
        try:
            found.append([evaluator(e) for e in expressions])
        except OutsideDomain:
            continue
        if len(found) == points:
            break
    return found


def vanishes(model: Model, expression: sp.Expr, extra: Iterable[sp.Symbol] = ()) -> bool | None:
    """Whether an expression is zero for all values of its symbols; None if it has none anywhere."""
    if expression == 0:
        return True
    terms = sp.Add.make_args(expression)
    rows = evaluate_at_points(model, terms, extra=extra)
    if not rows:
        return None
    with mp.workdps(DIGITS):
        tolerance = mp.mpf(10) ** (-DIGITS * 3 // 5)
        return all(abs(mp.fsum(row)) <= tolerance * mp.fsum(map(abs, row)) for row in rows)
