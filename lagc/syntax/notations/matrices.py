"""Vectors, matrices and their entries, as other languages write them."""

from __future__ import annotations

import re

from lagc.base.codes import Code
from lagc.syntax.habits import Habit, pieced

_VALUES = ("L", "K", "R", "let", "force", "observable")
_ROW = r"\[(?:[^\[\]\n]|\[[^\[\]\n]*\])*\]"
_NUMBERS = re.compile(pieced(r"-?OPERAND(?:\s+-?OPERAND)+"))


def _rows(found: re.Match[str]) -> str:
    """`((1, 2), (3, 4))` for `[1, 2; 3, 4]` and `[1 2; 3 4]`; a column is a vector."""
    rows = [_entries(row) for row in found["rows"].split(";") if row.strip()]
    columns = all("," not in row for row in rows)
    return "(" + ", ".join(row if columns else f"({row})" for row in rows) + ")"


def _entries(row: str) -> str:
    row = row.strip()
    return ", ".join(row.split()) if _NUMBERS.fullmatch(row) else row


def _round(found: re.Match[str]) -> str:
    """The brackets of the matrix and of its rows made round; indices inside keep theirs."""
    depth, text = 0, ""
    for ch in found[0]:
        depth += ch in "[{"
        text += {"[": "(", "{": "(", "]": ")", "}": ")"}.get(ch, ch) if depth <= 2 else ch
        depth -= ch in "]}"
    return text


MATRICES = (
    Habit(
        rf"(?<![\w'])\[\s*{_ROW}(?:\s*,\s*{_ROW})*\s*\]",
        "a matrix is written in round brackets, with a row in each",
        _round,
    ),
    Habit(
        r"(?<!\w)\[(?P<rows>[^\[\];\n]+(?:;[^\[\];\n]+)+);?\s*\]",
        "a matrix is written in round brackets, with a row in each",
        _rows,
    ),
    Habit(
        r"\{\s*\{[^{}\n]*\}(?:\s*,\s*\{[^{}\n]*\})*\s*\}",
        "a matrix is written in round brackets, with a row in each",
        _round,
        code=Code.LAG101,
    ),
    Habit(
        r"(?<=[\w'+-])(?P<at>\[\s*(?P<row>\w+)\s*,\s*(?P<column>\w+)\s*\])",
        "an entry of a matrix is written with two indices, each in its brackets",
        "[{row}][{column}]",
        within=_VALUES,
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME)(?P<prime>'?)(?P<index>\[[^\[\]\n]*\])(?P<late>'?)"
        r"_(?P<side>[+-])(?![\w'])",
        "the sign of a doubled variable stands before its index",
        lambda found: (
            f"{found['name']}{found['prime'] or found['late']}_{found['side']}{found['index']}"
        ),
        within=("K", "let"),
    ),
    Habit(
        r"(?<![\w.])(?P<a>OPERAND)\s*@\s*(?P<m>OPERAND)\s*@\s*(?P<b>OPERAND)",
        "products of matrices are written with `*`, scalar products `dot(a, b)`",
        "dot({a}, {m}*{b})",
        code=Code.LAG101,
    ),
    Habit(
        r"(?<![\w.])(?P<a>NAME'*)(?:\.T|\.transpose\(\)|\^T)\s*[*@]\s*(?P<m>OPERAND)\s*[*@]\s*"
        r"(?P<b>OPERAND)",
        "a vector before a matrix is written with `dot`",
        "dot({a}, {m}*{b})",
    ),
    Habit(
        r"(?<![\w.])(?P<name>NAME)(?:\.T\b|\.transpose\(\))",
        "a matrix with rows and columns exchanged is written `transpose(M)`",
        "transpose({name})",
    ),
    Habit(
        r"(?<![\w.])(?P<a>NAME'+(?:_[+-])?)\s*\.\s*(?P<b>NAME'+(?:_[+-])?)(?![\w(])",
        "a scalar product is written `dot(a, b)`",
        "dot({a}, {b})",
    ),
)
