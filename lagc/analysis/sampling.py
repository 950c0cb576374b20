"""Expressions evaluated in double precision at many points at once, in search of an example.

What is found here is a candidate: whoever reports it evaluates it again in high precision.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from lagc.semantics.evaluation import number
from lagc.semantics.functions import AbsoluteValue, Maximum, Minimum, NeuralTerm, Sign, Step
from lagc.semantics.model import Coefficient, Model

Values = list[float]

_NAN = float("nan")
_FUNCTIONS: dict[Any, Callable[..., float]] = {
    sp.sin: math.sin,
    sp.cos: math.cos,
    sp.tan: math.tan,
    sp.cot: lambda x: 1 / math.tan(x),
    sp.asin: math.asin,
    sp.acos: math.acos,
    sp.atan: math.atan,
    sp.sinh: math.sinh,
    sp.cosh: math.cosh,
    sp.tanh: math.tanh,
    sp.asinh: math.asinh,
    sp.acosh: math.acosh,
    sp.atanh: math.atanh,
    sp.exp: math.exp,
    sp.log: math.log,
    sp.atan2: math.atan2,
    AbsoluteValue: abs,
    Sign: lambda x: math.copysign(x != 0, x),
    Step: lambda x: (math.copysign(x != 0, x) + 1) / 2,
    Minimum: min,
    Maximum: max,
}


class NotSampled(Exception):
    """The expression holds something that has no values here."""


@dataclass
class Sampler:
    """Values of expressions at points, the coordinates of which are the lists in `values`."""

    values: Mapping[sp.Symbol, Values]
    points: int
    _memory: dict[sp.Expr, Values] = field(default_factory=dict)

    def __call__(self, expression: sp.Expr) -> Values:
        """One number a point; NaN outside the domain."""
        found = self._memory.get(expression)
        if found is None:
            found = self._memory[expression] = self._compute(expression)
        return found

    def sum_and_size(self, expressions: Iterable[sp.Expr]) -> tuple[Values, Values]:
        """The sum of all summands and of their absolute values, point by point."""
        parts = [self(x) for e in expressions for x in sp.Add.make_args(e)]
        columns = list(zip(*parts, strict=True)) if parts else [(0.0,)] * self.points
        return [sum(c) for c in columns], [sum(map(abs, c)) for c in columns]

    def _compute(self, e: sp.Expr) -> Values:
        if e.is_Symbol:
            if e not in self.values:
                raise NotSampled(str(e))
            return self.values[e]
        if e.is_Rational and max(abs(e.p), e.q).bit_length() < 1000:
            return [int(e.p) / int(e.q)] * self.points
        if e.is_number:
            return [float(number(e))] * self.points
        if isinstance(e, NeuralTerm):
            inputs = zip(*[self(x) for x in e.inputs], strict=True)
            return [_network(f"{e.slot} {e.orders}", x) for x in inputs]
        arguments = [self(x) for x in e.args]
        if e.is_Add:
            return [sum(x) for x in zip(*arguments, strict=True)]
        if e.is_Mul:
            return [math.prod(x) for x in zip(*arguments, strict=True)]
        function = math.pow if e.is_Pow else _FUNCTIONS.get(e.func)
        if function is None:
            raise NotSampled(str(e.func))
        return [_tried(function, x) for x in zip(*arguments, strict=True)]


def _network(name: str, inputs: tuple[float, ...]) -> float:
    """A value that depends on the inputs, up to rounding, in no way that could be known."""
    point = " ".join(f"{x:.9g}" for x in inputs)
    return random.Random(f"{name} {point}").uniform(0.5, 1.5)


def _tried(function: Callable[..., float], arguments: tuple[float, ...]) -> float:
    try:
        return function(*arguments)
    except (ValueError, OverflowError, ZeroDivisionError):
        return _NAN


def _drawn(
    coefficient: Coefficient,
    points: int,
    generator: random.Random,
    *,
    any_sign: bool,
    defaults: bool,
) -> Values:
    """Admissible values of a coefficient.

    any_sign: whether one without bounds may change the sign of its default (1 if it has none);
    defaults: whether the first half of them is the default.
    """
    given = 1.0 if coefficient.default is None else float(number(coefficient.default))
    bounds = coefficient.lower, coefficient.upper
    low, high = (None if x is None else float(number(x)) for x in bounds)

    def draw() -> float:
        size = 10.0 ** generator.uniform(-1, 1)
        if low is not None and high is not None:
            return low + generator.uniform(0, 1) * (high - low)
        if low is not None:
            return low + size * (abs(given - low) or 1.0)
        if high is not None:
            return high - size * (abs(high - given) or 1.0)
        return size * (given or 1.0) * (generator.choice((-1.0, 1.0)) if any_sign else 1.0)

    values = [draw() for _ in range(points)]
    if defaults and coefficient.default is not None:
        values[: points // 2] = [given] * (points // 2)
    return values


def sampled_states(
    model: Model,
    points: int,
    *,
    seed: int = 0,
    any_sign: bool = False,
    defaults: bool = True,
) -> dict[sp.Symbol, Values]:
    """Random values of q, q', t, the inputs, coefficients and constants.

    A quarter of the states has the positions where the model starts, if it says where.
    """
    generator = random.Random(seed)
    given = dict(model.initial)
    spread = [10.0 ** generator.uniform(-1.5, 1.5) for _ in range(points)]
    values: dict[sp.Symbol, Values] = {}
    for primes in (0, 1):
        for symbol in model.variables(primes):
            drawn = [size * generator.gauss(0, 1) for size in spread]
            if primes == 0 and symbol.name in given:
                centre = float(number(given[symbol.name]))
                drawn[::4] = [centre + 0.1 * x for x in drawn[::4]]
            values[symbol] = drawn
    for symbol in (sp.Symbol("t"), *(i.symbol for i in model.inputs)):
        values[symbol] = [10 * generator.gauss(0, 1) for _ in range(points)]
    for coefficient in model.coefficients:
        values[coefficient.symbol] = _drawn(
            coefficient, points, generator, any_sign=any_sign, defaults=defaults
        )
    for symbol, value in model.constant_values.items():
        values[symbol] = [float(number(value))] * points
    return values
