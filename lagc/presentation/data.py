"""A document as data for `json.dumps`: every expression as text of the language and as LaTeX."""

from __future__ import annotations

from typing import Any

import sympy as sp

from lagc.driver import Compilation
from lagc.presentation import formulas, text
from lagc.presentation.document import Document, Equation, Row, Table, Words
from lagc.presentation.naming import Names, names_of_document


def as_data(document: Document, compilation: Compilation) -> dict[str, Any]:
    """Name, sections by key, facts and strategy."""
    names = names_of_document(document)
    return {
        "model": document.name,
        "sections": {
            section.key: {
                "heading": section.heading,
                "rows": [_row(r, names) for r in section.rows],
            }
            for section in document.sections
        },
        "facts": {f.name: f.holds for f in compilation.facts.items},
        "strategy": compilation.strategy,
    }


def _row(row: Row, names: Names) -> dict[str, Any]:
    match row:
        case Equation(left, right, remark):
            return {
                "left": _both(left, names),
                "right": None if right is None else _both(right, names),
                "remark": remark,
            }
        case Words(columns):
            return {"words": list(columns)}
        case Table(heads, rows):
            return {"heads": [text.write(h) for h in heads], "rows": [list(r) for r in rows]}


def _both(expression: sp.Expr, names: Names) -> dict[str, str]:
    return {"text": text.write(expression), "latex": formulas.write(expression, names)}
