"""The units that stand in a file, and what initial values they belong to."""

from __future__ import annotations

from collections.abc import Container, Iterator

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.semantics.dimensions import NUMBER, UnitOf
from lagc.semantics.unit_table import UnitError, look_up, singular
from lagc.syntax import ast

WITH_UNITS = (
    ast.Coordinate,
    ast.Constant,
    ast.Coefficient,
    ast.Input,
    ast.Neural,
    ast.Let,
    ast.Observable,
)


def read_unit(written: ast.Unit, diagnostics: Diagnostics) -> UnitOf | None:
    """What a unit in brackets means; None after a name that is not known (LAG241)."""
    total, sound = NUMBER, True
    for factor in written.factors:
        try:
            look_up(factor.name)
            total *= UnitOf({singular(factor.name): factor.exponent})
        except UnitError as error:
            sound = False
            diagnostics.add(
                Code.LAG241,
                str(error),
                factor.span,
                label=error.hint,
                help=error.help,
            )
    return total if sound else None


def written_units(file: ast.File) -> Iterator[ast.Unit]:
    """Every unit in brackets."""
    for s in file.statements:
        parts: tuple[ast.Unit | None, ...] = ()
        if isinstance(s, WITH_UNITS):
            parts = (s.unit,)
        elif isinstance(s, ast.Run):
            parts = (s.until_unit, s.step_unit)
        elif isinstance(s, ast.Initial):
            parts = tuple(assignment.unit for assignment in s.assignments)
        yield from (part for part in parts if part is not None)


def key_of(target: ast.Expression, coordinates: Container[str]) -> str:
    """`r`, `r'` or `p[r]` for the target of an initial value, whatever its component."""
    if isinstance(target, ast.Index):
        inner = key_of(target.index, coordinates)
        momentum = target.base == ast.Name("p", span=target.span) and "p" not in coordinates
        return f"p[{inner}]" if momentum else key_of(target.base, coordinates)
    return target.name + "'" * target.primes if isinstance(target, ast.Name) else ""
