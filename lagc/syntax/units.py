"""Units in brackets: told from sizes and indices, and read into their factors.

The parser knows one kind of bracket. One that stands after a blank, where a unit can stand, and
that holds `1` or a product of names to powers that are numbers, is a unit; every other one is a
size or an index. Names of units are not looked up here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.base.spans import Source, Span
from lagc.syntax import ast

LARGEST_POWER = 64


def read_unit(content: ast.Expression, bracket: Span) -> ast.Unit | None:
    """The unit that a bracket after a blank holds; None for an index, or without a blank."""
    if bracket.start == 0 or not bracket.source.text[bracket.start - 1].isspace():
        return None
    try:
        return ast.Unit(tuple(_factors(content, Fraction(1))), span=bracket)
    except _NoUnit:
        return None


def split_unit(
    value: ast.Expression, end: int, openings: Mapping[int, int], source: Source
) -> tuple[ast.Expression, ast.Unit | None]:
    """A value that ends at `end` and the unit behind it, which was read as an index of its end.

    `openings` holds the place of the bracket of every Index, by its `id`. LAG240 for brackets
    after a blank behind a number that hold no unit, because they cannot be an index.
    """
    chain: list[ast.Expression] = []
    last = value
    while not isinstance(last, ast.Index):
        chain.append(last)
        match last:
            case ast.Sum(_, rest) | ast.Product(_, rest):
                last = rest[-1][1]
            case ast.Negate(inner) | ast.Power(_, inner):
                last = inner
            case _:
                return value, None
    if last.span.end != end:  # in parentheses of its own
        return value, None
    bracket = Span(source, openings[id(last)], end)
    unit = read_unit(last.index, bracket)
    if unit is None:
        if isinstance(last.base, ast.Number) and source.text[bracket.start - 1].isspace():
            raise fail(
                Code.LAG240,
                f"`{bracket.text}` is not a unit",
                bracket,
                help="a unit is made of names, `*`, `/` and powers: `[kg*m^2/s^2]`, `[1/s]`, `[1]`",
            )
        return value, None
    end = len(source.text[: bracket.start].rstrip())
    shorter: ast.Expression = last.base
    for owner in reversed(chain):
        shorter = _with_last(owner, shorter, end)
    return shorter, unit


def fields_told_from_units(statements: Sequence[ast.Statement]) -> Iterator[ast.Statement]:
    """The statements with `coordinate phi [i]` a field where `i` is the index of a lattice.

    There it cannot be anything else: on a lattice every coordinate is a field.
    """
    indices = {s.name.name for s in statements if isinstance(s, ast.LatticeIndex)}
    for s in statements:
        if isinstance(s, ast.Coordinate) and s.unit is not None and s.size is None:
            names = [factor for factor in s.unit.factors if factor.name in indices]
            if names and len(s.unit.factors) == 1 and names[0].exponent == 1:
                site = ast.Name(names[0].name, span=names[0].span)
                s = replace(s, size=site, unit=None)
        yield s


def _with_last(
    owner: ast.Expression, last: ast.Expression, end: int
) -> ast.Sum | ast.Product | ast.Negate | ast.Power:
    """The same expression with another last operand, ending at `end`."""
    span = Span(owner.span.source, owner.span.start, end)
    match owner:
        case ast.Sum(_, rest) | ast.Product(_, rest):
            return replace(owner, rest=(*rest[:-1], (rest[-1][0], last)), span=span)
        case ast.Negate():
            return replace(owner, operand=last, span=span)
        case ast.Power():
            return replace(owner, exponent=last, span=span)
    raise AssertionError(owner)


class _NoUnit(Exception):
    """The expression is no product of names to powers that are numbers."""


def _factors(node: ast.Expression, power: Fraction) -> Iterator[ast.UnitFactor]:
    match node:
        case ast.Number(value=Fraction(numerator=1, denominator=1)):
            pass
        case ast.Name(name, 0, ""):
            yield ast.UnitFactor(name, power, span=node.span)
        case ast.Power(base, exponent):
            yield from _factors(base, _within(power * _number(exponent)))
        case ast.Product(first, rest):
            yield from _factors(first, power)
            for sign, factor in rest:
                yield from _factors(factor, power if sign == "*" else -power)
        case _:
            raise _NoUnit


def _number(node: ast.Expression) -> Fraction:
    match node:
        case ast.Number(value=value):
            return _within(value)
        case ast.Negate(operand):
            return -_number(operand)
        case ast.Product(first, ((sign, second),)) if sign == "/" and _number(second):
            return _within(_number(first) / _number(second))
        case _:
            raise _NoUnit


def _within(power: Fraction) -> Fraction:
    if power == 0 or max(abs(power.numerator), power.denominator) > LARGEST_POWER:
        raise _NoUnit
    return power
