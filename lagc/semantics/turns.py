"""Frequencies in hertz as the rate of an angle, where the factor 2*pi is easily forgotten (LAG247).

A hertz is one per second, so that `cos(f*t)` has the right unit and turns 2*pi times too slowly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
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
    values = {s.name.name: s.value for s in of_kind(file, ast.Let) + of_kind(file, ast.Constant)}
    if not hertz:
        return
    values = {name: value for name, value in values.items() if name not in hertz}
    for call in _calls(file):
        argument = call.arguments[0].value if call.arguments else None
        for term in _terms(argument) if argument is not None else ():
            used = _reached(term, values)
            if _power(term, hertz, values) == 1 and not _has_turn(used):
                name = next(n.name for part in used for n in names_in(part) if n.name in hertz)
                diagnostics.add(
                    Code.LAG247,
                    f"`{name}` is in hertz, and `{call.name}` takes its argument in radians",
                    term.span,
                    label="this counts turns",
                    help=f"write `2*pi*{name}`, or give the angular frequency in `rad/s`",
                )
                break


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


def _reached(node: ast.Expression, values: Mapping[str, ast.Expression]) -> list[ast.Expression]:
    """An expression and the definitions of what it names, and what those name."""
    reached, seen = [node], set[str]()
    for part in reached:
        for name in names_in(part):
            if name.name in values and name.name not in seen:
                seen.add(name.name)
                reached.append(values[name.name])
    return reached


def _has_turn(nodes: Collection[ast.Expression]) -> bool:
    """Whether pi stands somewhere, or 2*pi as a number."""
    if any(name.name == "pi" for node in nodes for name in names_in(node)):
        return True
    return any(_TURN[0] < number < _TURN[1] for node in nodes for number in _numbers(node))


def _numbers(node: ast.Expression) -> Iterator[Fraction]:
    match node:
        case ast.Number(value=value):
            yield value
        case ast.Negate(operand):
            yield from _numbers(operand)
        case ast.Sum(first, rest) | ast.Product(first, rest):
            for part in (first, *(item for _, item in rest)):
                yield from _numbers(part)
        case _:
            return


def _power(
    node: ast.Expression, hertz: Collection[str], values: Mapping[str, ast.Expression]
) -> Fraction:
    """The power of frequencies in hertz that an expression is proportional to."""
    match node:
        case ast.Name(name):
            if name in hertz:
                return Fraction(1)
            return _power(values[name], hertz, values) if name in values else Fraction(0)
        case ast.Negate(operand):
            return _power(operand, hertz, values)
        case ast.Sum(first, _):
            return _power(first, hertz, values)
        case ast.Product(first, rest):
            total = _power(first, hertz, values)
            for sign, factor in rest:
                power = _power(factor, hertz, values)
                total += power if sign == "*" else -power
            return total
        case ast.Power(base, ast.Number(value=exponent)):
            return _power(base, hertz, values) * exponent
        case _:
            return Fraction(0)
