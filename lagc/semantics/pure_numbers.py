"""Numbers in expressions that may have been meant to have a unit, such as 9.81 in `9.81*m*x`."""

from __future__ import annotations

from collections.abc import Iterator

from lagc.base.diagnostics import Note
from lagc.syntax import ast

# Factors such as 1/2, 3/2, 1/12 come from the mechanics and have no unit.
_LARGEST_NUMERATOR = 4
_LARGEST_DENOMINATOR = 12


def notes_on_numbers(*nodes: ast.Expression) -> list[Note]:
    """That numbers are pure, at the first factor of the terms that is not a small fraction."""
    for node in nodes:
        for number in numbers_in(node):
            value = abs(number.value)
            if value.numerator > _LARGEST_NUMERATOR or value.denominator > _LARGEST_DENOMINATOR:
                text = number.span.text
                return [
                    Note(
                        f"`{text}` is pure, as all numbers in expressions are; one with a unit is "
                        "declared: `constant g = 9.81 [m/s^2]`",
                        number.span,
                    )
                ]
    return []


def numbers_in(node: ast.Expression) -> Iterator[ast.Number]:
    """The numbers that an expression is multiplied with or adds."""
    match node:
        case ast.Number():
            yield node
        case ast.Negate(operand):
            yield from numbers_in(operand)
        case ast.Sum(first, rest) | ast.Product(first, rest):
            for part in (first, *(item for _, item in rest)):
                yield from numbers_in(part)
        case _:
            return
