"""A document as plain text, in the notation of the language."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from lagc.driver import Compilation
from lagc.presentation.document import Document, Equation, Rate, Row, Section, Sum, Table, Words
from lagc.presentation.model import equations
from lagc.semantics.notation import TextPrinter


class _Printer(TextPrinter):
    """The language, with d/dt and sums over nodes."""

    def _print_Rate(self, expr: Rate) -> str:
        inner = self._print(expr.args[0])
        return f"d/dt {inner}" if expr.args[0].is_Atom else f"d/dt ({inner})"

    def _print_Sum(self, expr: Sum) -> str:
        body, index, first, last = (self._print(x) for x in expr.args)
        return f"sum({index} in {first}..{last}, {body})"


def write(expression: sp.Expr) -> str:
    """One line in the notation of the language."""
    return str(_Printer({"order": None}).doprint(expression))


def as_text(document: Document) -> str:
    """The whole document."""
    lines = [f"model {document.name}"]
    for section in document.sections:
        lines += ["", *_section(section)]
    return "\n".join(lines)


def equations_text(compilation: Compilation) -> str:
    """L, K and the equations of motion, a line each, for a notebook."""
    return "\n".join(line for row in equations(compilation) for line in _row(row, []))


def _section(section: Section) -> Iterator[str]:
    yield section.heading
    words = [row for row in section.rows if isinstance(row, Words) and len(row.columns) > 1]
    widths = (
        [max(len(row.columns[k]) for row in words) for k in range(len(words[0].columns))]
        if words
        else []
    )
    for row in section.rows:
        yield from (f"  {line}".rstrip() for line in _row(row, widths))


def _row(row: Row, widths: list[int]) -> Iterator[str]:
    match row:
        case Words(columns) if len(columns) == len(widths):
            yield "  ".join(c.ljust(width) for c, width in zip(columns, widths, strict=True))
        case Words(columns):
            yield " ".join(columns)
        case Equation(left, right, remark):
            line = write(left) if right is None else f"{write(left)} = {write(right)}"
            yield f"{line}    # {remark}" if remark else line
        case Table(heads, rows):
            cells = [[write(head) for head in heads], *[list(r) for r in rows]]
            sizes = [max(len(r[k]) for r in cells) for k in range(len(heads))]
            for r in cells:
                yield "  ".join(c.rjust(size) for c, size in zip(r, sizes, strict=True))
