"""`Document`: what is to be shown of a model, before any notation is chosen."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class Equation:
    """left = right, and a remark in words; `right` None for a lone expression."""

    left: sp.Expr
    right: sp.Expr | None
    remark: str = ""


@dataclass(frozen=True)
class Words:
    """A line of words, in columns."""

    columns: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Numbers with a symbol over each column."""

    heads: tuple[sp.Expr, ...]
    rows: tuple[tuple[str, ...], ...]


Row = Equation | Words | Table


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it; `key` names it in JSON."""

    key: str
    heading: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Document:
    """A model by name, section by section."""

    name: str
    sections: tuple[Section, ...]

    def section(self, key: str) -> Section:
        """The section of a key."""
        return next(s for s in self.sections if s.key == key)


class Rate(sp.Function):  # type: ignore[misc]
    """d/dt of a quantity that stands for itself."""

    nargs = 1


class Sum(sp.Function):  # type: ignore[misc]
    """Sum(body, index, first, last) over nodes of a step; the bounds are expressions."""

    nargs = 4
