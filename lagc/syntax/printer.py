"""From a syntax tree back to canonical source text.

`parse(format_file(file))` is `file` again. Parentheses stand only where the tree needs them, one
statement stands on a line, and numbers keep their literals; comments are not part of the tree.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from fractions import Fraction

from lagc.syntax import ast


class _Binding(IntEnum):
    """How tightly an expression holds together; the order is the grammar's."""

    SUM = 0
    PRODUCT = 1
    FACTOR = 2
    PRIMARY = 3


def format_file(file: ast.File) -> str:
    """The statements of a file, one a line, each line ended; empty for an empty file."""
    return "".join(f"{format_statement(statement)}\n" for statement in file.statements)


def format_expression(expression: ast.Expression) -> str:
    """An expression on one line."""
    match expression:
        case ast.Number():
            return expression.text
        case ast.Name(name, primes, side):
            return name + "'" * primes + (f"_{side}" if side else "")
        case ast.Call(name, arguments):
            parts = [_argument(argument) for argument in arguments]
            if expression.condition is not None:
                parts.insert(0, format_condition(expression.condition))
            return f"{name}({', '.join(parts)})"
        case ast.Index(base, index):
            return f"{_held(base, _Binding.PRIMARY)}{_site(index)}"
        case ast.Tuple(items):
            return f"({', '.join(format_expression(item) for item in items)})"
        case ast.Negate(operand):
            return f"-{_held(operand, _Binding.FACTOR)}"
        case ast.Power(base, exponent):
            return f"{_held(base, _Binding.PRIMARY)}^{_held(exponent, _Binding.FACTOR)}"
        case ast.Product(first, rest):
            factors = (f"{sign}{_held(factor, _Binding.FACTOR)}" for sign, factor in rest)
            return _held(first, _Binding.FACTOR) + "".join(factors)
        case ast.Sum(first, rest):
            return _sum(first, rest, " ")


def format_condition(condition: ast.Condition) -> str:
    """A condition on one line; brackets where an `or` stands in an `and`, or a kind in itself."""
    match condition:
        case ast.Comparison(left, operator, right):
            return f"{format_expression(left)} {operator} {format_expression(right)}"
        case ast.Junction(word, parts):
            return f" {word} ".join(
                f"({format_condition(part)})"
                if isinstance(part, ast.Junction) and (word == "and" or part.word == "or")
                else format_condition(part)
                for part in parts
            )


def format_statement(statement: ast.Statement) -> str:
    """A statement on one line, without the line's end."""
    match statement:
        case ast.ModelName(name):
            return f"model {name.name}"
        case ast.Coordinate(name, size, modulus, unit):
            return f"coordinate {name.name}{_site(size)}{_unit(unit)}{_clause(' mod', modulus)}"
        case ast.Constant(name, value, index, unit):
            return f"constant {name.name}{_site(index)} = {format_expression(value)}{_unit(unit)}"
        case ast.Coefficient(name, bounds, default, prior, index, unit):
            tail = f"{_bounds(bounds)}{_clause(' =', default)}{_unit(unit)}{_clause(' ~', prior)}"
            return f"coefficient {name.name}{_site(index)}{tail}"
        case ast.Input(name, unit):
            return f"input {name.name}{_unit(unit)}"
        case ast.Neural(name, parameters, network, unit):
            variables = ", ".join(format_expression(parameter) for parameter in parameters)
            made = f"{format_expression(network)}{_unit(unit)}"
            return f"neural {name.name}({variables}) = {made}"
        case ast.LatticeIndex(name, first, last, ends):
            return f"index {name.name} in {_range(first, last)} {ends}".rstrip()
        case ast.Use(path):
            return f'use "{path}"'
        case ast.Let(name, value, unit):
            return f"let {name.name}{_unit(unit)} = {format_expression(value)}"
        case ast.Contribution(target, operator, value):
            return f"{target} {operator} {format_expression(value)}"
        case ast.Force(target, value):
            return f"force {format_expression(target)} = {format_expression(value)}"
        case ast.Observable(name, value, unit):
            return f"observable {name.name}{_unit(unit)} = {format_expression(value)}"
        case ast.Initial(assignments):
            return f"initial {format_assignments(assignments)}"
        case ast.Run(until, step, order, until_unit, step_unit):
            end, length = _clause(" until", until), _clause(" step", step)
            return (
                f"run{end}{_unit(until_unit)}{length}{_unit(step_unit)}{_clause(' order', order)}"
            )
        case ast.Constraint(left, right):
            return f"constraint {format_expression(left)} = {format_expression(right)}"


def format_assignments(assignments: tuple[ast.Assignment, ...]) -> str:
    """`q = 1, q' = 0`, as after `initial` and on a command line."""
    return ", ".join(
        f"{format_expression(a.target)} = {format_expression(a.value)}{_unit(a.unit)}"
        for a in assignments
    )


def format_powers(factors: Iterable[tuple[str, Fraction]]) -> str:
    """`kg*m^2/s^2` for the names and exponents of a unit, `1` for none."""
    text = ""
    for name, exponent in factors:
        power = abs(exponent)
        shown = f"^{power}" if power.denominator == 1 else f"^({power})"
        sign = "/" if exponent < 0 else "*" if text else ""
        text += f"{'' if text or exponent > 0 else '1'}{sign}{name}{'' if power == 1 else shown}"
    return text or "1"


def _binding(expression: ast.Expression) -> _Binding:
    match expression:
        case ast.Sum():
            return _Binding.SUM
        case ast.Product():
            return _Binding.PRODUCT
        case ast.Negate() | ast.Power():
            return _Binding.FACTOR
        case _:
            return _Binding.PRIMARY


def _held(expression: ast.Expression, binding: _Binding) -> str:
    """The expression, in parentheses if it holds together less than its place asks for."""
    text = format_expression(expression)
    return text if _binding(expression) >= binding else f"({text})"


def _argument(argument: ast.Argument) -> str:
    value = format_expression(argument.value)
    if argument.keyword:
        return f"{argument.keyword} = {value}"
    if argument.weight is not None:
        return f"{format_expression(argument.weight)}: {value}"
    if argument.within is not None:
        return f"{value} in {_range(*argument.within)}"
    return value


def _clause(word: str, expression: ast.Expression | None) -> str:
    return "" if expression is None else f"{word} {format_expression(expression)}"


def _unit(unit: ast.Unit | None) -> str:
    """With the blank that tells a unit from an index."""
    if unit is None:
        return ""
    return f" [{format_powers((factor.name, factor.exponent) for factor in unit.factors)}]"


def _sum(first: ast.Expression, rest: tuple[tuple[str, ast.Expression], ...], blank: str) -> str:
    terms = (f"{blank}{sign}{blank}{_held(term, _Binding.PRODUCT)}" for sign, term in rest)
    return _held(first, _Binding.PRODUCT) + "".join(terms)


def _site(index: ast.Expression | None) -> str:
    """`[i]`, `[i+1]`: a sum between the brackets of an index has no blanks."""
    if index is None:
        return ""
    if isinstance(index, ast.Sum):
        return f"[{_sum(index.first, index.rest, '')}]"
    return f"[{format_expression(index)}]"


def _bounds(bounds: tuple[ast.Bound, ...]) -> str:
    if len(bounds) == 2 and bounds[0].lower and not bounds[1].lower:
        low, high = bounds
        opening, closing = "(" if low.strict else "[", ")" if high.strict else "]"
        ends = f"{format_expression(low.value)}, {format_expression(high.value)}"
        return f" in {opening}{ends}{closing}"
    return "".join(f" {_comparison(bound)} {format_expression(bound.value)}" for bound in bounds)


def _comparison(bound: ast.Bound) -> str:
    return (">" if bound.lower else "<") + ("" if bound.strict else "=")


def _range(first: ast.Expression, last: ast.Expression) -> str:
    low, high = format_expression(first), format_expression(last)
    blank = " " if low.endswith(".") or high.startswith(".") else ""  # 1. .. 5, not 1...5
    return f"{low}{blank}..{blank}{high}"
