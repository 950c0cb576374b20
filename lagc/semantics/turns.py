"""Frequencies in hertz as the rate of an angle, where the factor 2*pi is easily forgotten (LAG247).

A hertz is one per second, so that `cos(f*t)` has the right unit and turns 2*pi times too slowly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.semantics.pure_numbers import numbers_in
from lagc.semantics.unused import names_in
from lagc.syntax import ast
from lagc.syntax.ast import of_kind

_TURNING = ("sin", "cos", "tan")
_TURN = (Fraction(62, 10), Fraction(63, 10))  # 2*pi written out as a number


def warn_of_turns(file: ast.File, diagnostics: Diagnostics) -> None:
    """LAG247 for each sine, cosine or tangent of a frequency in hertz times a time."""
    declared = (
        of_kind(file, ast.Constant) + of_kind(file, ast.Coefficient) + of_kind(file, ast.Input)
    )
    hertz = {s.name.name for s in declared if s.unit is not None and _is_hertz(s.unit)}
    if not hertz:
        return
    named = of_kind(file, ast.Let) + of_kind(file, ast.Constant)
    angles = _Angles({s.name.name: s.value for s in named if s.name.name not in hertz}, hertz)
    for call in _calls(file):
        argument = call.arguments[0].value if call.arguments else None
        for term in _terms(argument) if argument is not None else ():
            if angles.power(term) == 1 and not angles.has_turn(term):
                name = angles.frequency(term)
                diagnostics.add(
                    Code.LAG247,
                    f"`{name}` is in hertz, and `{call.name}` takes its argument in radians",
                    term.span,
                    label="this counts turns",
                    help=f"write `2*pi*{name}`, or give the angular frequency in `rad/s`",
                )
                break


class _Angles:
    """What the arguments of functions are made of; each definition is read once."""

    def __init__(self, values: Mapping[str, ast.Expression], hertz: Collection[str]) -> None:
        self._values = values
        self._hertz = hertz
        self._powers: dict[str, Fraction] = {}
        self._turns: dict[str, bool] = {}
        self._frequencies: dict[str, str] = {}

    def power(self, node: ast.Expression) -> Fraction:
        """The power of frequencies in hertz that an expression is proportional to."""
        match node:
            case ast.Name(name):
                if name in self._values and name not in self._powers:
                    self._powers[name] = self.power(self._values[name])
                return self._powers.get(name, Fraction(name in self._hertz))
            case ast.Negate(operand):
                return self.power(operand)
            case ast.Sum(first, _):
                return self.power(first)
            case ast.Product(first, rest):
                total = self.power(first)
                for sign, factor in rest:
                    power = self.power(factor)
                    total += power if sign == "*" else -power
                return total
            case ast.Power(base, ast.Number(value=exponent)):
                return self.power(base) * exponent
            case _:
                return Fraction(0)

    def has_turn(self, node: ast.Expression) -> bool:
        """Whether pi stands somewhere, or 2*pi as a number."""
        if any(_TURN[0] < number.value < _TURN[1] for number in numbers_in(node)):
            return True
        for name in (n.name for n in names_in(node)):
            if name in self._values and name not in self._turns:
                self._turns[name] = self.has_turn(self._values[name])
            if name == "pi" or self._turns.get(name):
                return True
        return False

    def frequency(self, node: ast.Expression) -> str:
        """The first name in hertz that an expression holds; empty if there is none."""
        for name in (n.name for n in names_in(node)):
            if name in self._hertz:
                return name
            if name in self._values and name not in self._frequencies:
                self._frequencies[name] = self.frequency(self._values[name])
            if self._frequencies.get(name):
                return self._frequencies[name]
        return ""


def _is_hertz(unit: ast.Unit) -> bool:
    (first, *others) = unit.factors or (None,)
    return (
        first is not None
        and not others
        and first.exponent == 1
        and first.name.endswith(("Hz", "hertz"))
    )


def _terms(node: ast.Expression) -> tuple[ast.Expression, ...]:
    return (node.first, *(item for _, item in node.rest)) if isinstance(node, ast.Sum) else (node,)


def _calls(file: ast.File) -> Iterator[ast.Call]:
    """Every call of a function with an angle, in the order of the text."""
    waiting: list[object] = [file]
    while waiting:
        part = waiting.pop()
        if isinstance(part, ast.Call) and part.name in _TURNING:
            yield part
        if isinstance(part, tuple):
            waiting += reversed(part)
        elif isinstance(part, ast.Node):
            waiting += reversed(list(vars(part).values()))
