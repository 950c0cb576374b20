"""Offsets in a text and the positions of the Language Server Protocol.

A position is a line and a column from zero; columns count UTF-16 code units unless client and
server agreed on another encoding, and a lone carriage return ends a line too.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

_LINE_END = re.compile(r"\r\n|\n|\r")


def _units(text: str, encoding: str) -> int:
    if encoding == "utf-32":
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + sum(ch > "\uffff" for ch in text)


@dataclass(frozen=True)
class Positions:
    """The lines of a text; `encoding` is `utf-8`, `utf-16` or `utf-32`."""

    text: str
    encoding: str = "utf-16"
    _starts: list[int] = field(init=False, repr=False, compare=False)
    _ends: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ends = [(found.start(), found.end()) for found in _LINE_END.finditer(self.text)]
        object.__setattr__(self, "_starts", [0, *(end for _, end in ends)])
        object.__setattr__(self, "_ends", [*(start for start, _ in ends), len(self.text)])

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_right(self._starts, offset) - 1
        column = _units(self.text[self._starts[line] : offset], self.encoding)
        return line, column

    def offset(self, line: int, column: int) -> int:
        """The offset of a position; beyond the end of a line its end, inside a character its start.

        Positions beyond the text are its end.
        """
        if line >= len(self._starts):
            return len(self.text)
        at, left = self._starts[line], column
        while at < self._ends[line]:
            left -= _units(self.text[at], self.encoding)
            if left < 0:
                break
            at += 1
        return at
