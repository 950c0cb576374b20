"""The parts of a statement that may be absent, and the unit that stands with one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.base.spans import Span
from lagc.syntax import ast


class Clause(NamedTuple):
    """A part of a statement that may be absent: its name, what it holds and the unit behind it."""

    name: str
    value: Any
    span: Span
    unit: ast.Unit | None = None


def gather(
    children: Iterable[Any], behind: ast.Unit | None = None, several: bool = False
) -> tuple[dict[str, Any], ast.Unit | None]:
    """The values of clauses by name, each given once, and the one unit that stands with them.

    `behind` is a unit that was found elsewhere in the statement; `several` allows more than one.
    """
    given: dict[str, Any] = {}
    unit = behind
    for clause in children:
        if not isinstance(clause, Clause):
            continue
        if clause.unit is not None and unit is not None and not several:
            raise fail(
                Code.LAG240,
                "a unit is given twice",
                clause.unit.span,
                help="one unit holds for all numbers of a declaration",
            )
        if clause.name in given and clause.name == "size":
            raise fail(
                Code.LAG102,
                "what is declared with a size is a vector, and has one",
                clause.span,
                help="a matrix is written `((a, b), (c, d))`, in a `let` or as the value of a "
                "constant, which is declared without its size",
            )
        if clause.name in given and clause.name != "bound":
            raise fail(
                Code.LAG102,
                f"`{clause.name}` is given twice",
                clause.span,
                help=f"keep one `{clause.name}`",
            )
        given[clause.name] = clause.value
        unit = clause.unit or unit
    return given, unit


def only_unit(children: Sequence[Any]) -> ast.Unit | None:
    """The unit of a statement in which no other brackets can stand."""
    given, unit = gather(children)
    if "size" in given and str(children[0]) == "input":
        name = str(children[1])
        raise fail(
            Code.LAG102,
            "an input is a single signal",
            given["size"].span,
            help=f"declare one for each component, such as `input {name}_x` and `input {name}_y`, "
            f"and write `({name}_x, {name}_y)` for the vector",
        )
    if "size" in given:
        raise fail(
            Code.LAG102,
            "nothing here has a size or sites",
            given["size"].span,
            help="for a unit write a blank before the bracket",
        )
    return unit
