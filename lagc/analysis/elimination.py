"""Gaussian elimination row by row, over fractions or over mpmath reals with settled zeros."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

Row = list[Any]


def _exactly(x: Any, y: Any) -> Any:
    return x - y


class Echelon:
    """The span of rows in reduced form.

    Every row leads with 1 in the last column that it can, so that the columns without a leading 1
    are the first possible. minus: the difference of two numbers, exactly 0 where it should be.
    """

    def __init__(self, columns: int, minus: Callable[[Any, Any], Any] = _exactly) -> None:
        self.columns = columns
        self.minus = minus
        self._leading: dict[int, Row] = {}

    def add(self, row: Sequence[Any]) -> bool:
        """Whether the row was not in the span yet."""
        rest = list(row)
        for column in sorted(self._leading, reverse=True):
            if rest[column] != 0:
                rest = self._reduced(rest, self._leading[column], column)
        lead = max((k for k, x in enumerate(rest) if x != 0), default=None)
        if lead is None:
            return False
        new = [x / rest[lead] for x in rest]
        for column, old in self._leading.items():
            if old[lead] != 0:
                self._leading[column] = self._reduced(old, new, lead)
        self._leading[lead] = new
        return True

    def _reduced(self, row: Row, by: Row, column: int) -> Row:
        factor = row[column]
        found = [self.minus(x, factor * y) if y != 0 else x for x, y in zip(row, by, strict=True)]
        found[column] = found[column] * 0
        return found

    @property
    def rows(self) -> list[Row]:
        """The rows in reduced form."""
        return [self._leading[k] for k in sorted(self._leading)]

    @property
    def rank(self) -> int:
        """The number of independent rows."""
        return len(self._leading)

    @property
    def free(self) -> list[int]:
        """The columns without a leading 1."""
        return [k for k in range(self.columns) if k not in self._leading]

    def null_basis(self) -> list[Row]:
        """What every row is orthogonal to: one vector a free column, with 1 there."""
        return [
            [
                int(k == free) if k not in self._leading else -self._leading[k][free]
                for k in range(self.columns)
            ]
            for free in self.free
        ]


def row_space(rows: Sequence[Sequence[Fraction]], columns: int) -> Echelon:
    """The span of rows of fractions."""
    found = Echelon(columns)
    for row in rows:
        found.add(row)
    return found
