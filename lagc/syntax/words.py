"""A statement that failed to parse, cut into words again so that an error can speak of them.

More forgiving than the grammar's lexer: it knows `**`, `==` and other things the language lacks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lagc.base.spans import Source, Span

_WORD = re.compile(
    r"""(?P<blank>[ \t\r\n]+|\#[^\n]*)
      | (?P<number>(?:[0-9]+(?:\.(?!\.)[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<name>[^\x00-\x40\x5B-\x60\x7B-\x7F]
                 (?:[^\x00-\x2F\x3A-\x40\x5B-\x5E\x60\x7B-\x7F]*
                    [^\x00-\x2F\x3A-\x40\x5B-\x60\x7B-\x7F])?
                 '*(?:_[+-])?)
      | (?P<sign>\*\*|==|:=|[-+*/]=|<=|>=|\.\.|.)""",
    re.VERBOSE,
)
_LONGEST_SHOWN = 40


@dataclass(frozen=True)
class Word:
    """A word of a statement: a `name` with its decorations, a `number` or another `sign`."""

    kind: str
    text: str
    span: Span

    @property
    def shown(self) -> str:
        """The word as a message quotes it."""
        if len(self.text) <= _LONGEST_SHOWN:
            return f"`{self.text}`"
        return f"`{self.text[:_LONGEST_SHOWN]}...`"

    @property
    def begins_value(self) -> bool:
        """Whether an operand can begin with it."""
        return self.kind != "sign" or self.text == "("

    @property
    def ends_value(self) -> bool:
        """Whether an operand can end with it."""
        return self.kind != "sign" or self.text in (")", "]")

    @property
    def side(self) -> str:
        """`+` or `-` of a doubled variable."""
        return self.text[-1] if self.kind == "name" and self.text[-1] in "+-" else ""

    def touches(self, following: Word | None) -> bool:
        """Whether no blank stands between this word and the next."""
        return following is not None and self.span.end == following.span.start


def words_of(source: Source, start: int, end: int) -> list[Word]:
    """The words between `start` and `end`, without blanks and comments."""
    return [
        Word(str(found.lastgroup), found[0], Span(source, found.start(), found.end()))
        for found in _WORD.finditer(source.text, start, end)
        if found.lastgroup != "blank"
    ]


@dataclass(frozen=True)
class Place:
    """Where a statement stopped making sense: its words, the number of the first that does not
    fit (their count if the statement ends too early) and the terminals of the grammar that would.
    """

    words: tuple[Word, ...]
    at: int
    expected: frozenset[str]

    @property
    def word(self) -> Word | None:
        """The word that does not fit; None at the end of the statement."""
        return self.ahead(0)

    @property
    def before(self) -> Word | None:
        """The last word that fits."""
        return self.words[self.at - 1] if self.at else None

    def ahead(self, count: int) -> Word | None:
        """The word `count` words after the one that does not fit."""
        place = self.at + count
        return self.words[place] if place < len(self.words) else None
