"""From the text of a `.lag` file to the same text in canonical layout, comments kept.

Tokens, comments and line breaks are the author's; blanks, indentation and blank lines are set here,
as `lagc.syntax.printer` sets them. What stands between two tokens follows from their kinds and the
rule of the grammar they belong to, so that a new construct needs no code here unless it reads
better without blanks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from lark import Token, Tree

from lagc.base.diagnostics import Diagnostics
from lagc.base.render import columns
from lagc.base.spans import Source
from lagc.syntax.grammar import lark_parser
from lagc.syntax.lines import LogicalLine, logical_lines
from lagc.syntax.parser import parse

INDENT = 4  # of the lines on which a statement goes on
_BEFORE_COMMENT = "  "
_BLANKS = " \t\r"
_OPENING = ("LPAR", "LSQB")
_CLOSING = ("RPAR", "RSQB")
_VALUES = ("NAME", "DECORATED", *_CLOSING)  # what arguments, an index or a unit follow
_TIGHT = ("STAR", "SLASH", "CARET")
_WIDE = "wide dots"
_TIGHT_BEFORE = (*_CLOSING, "COMMA", "COLON")


@dataclass(frozen=True)
class _Word:
    """A token, its place in the source, its rule, and whether an index is the innermost bracket."""

    text: str
    kind: str
    rule: str
    start: int
    end: int
    in_index: bool


@dataclass
class _Row:
    """A line of the result; `column` is where its comment stood in the source."""

    code: str
    comment: str = ""
    column: int = 0


def format_source(source: Source, diagnostics: Diagnostics) -> str | None:
    """The text in canonical layout; None if it has syntax errors, which are in `diagnostics`."""
    before = len(diagnostics.errors)
    file = parse(source, diagnostics)
    if len(diagnostics.errors) > before:
        return None
    layout = _Layout(source)
    for line in logical_lines(source, diagnostics):
        layout.statement(_with_room(list(_words(source, line))))
    layout.finish()
    ending = "\r\n" if source.text.partition("\n")[0].endswith("\r") else "\n"
    text = "".join(row + ending for row in _rendered(layout.rows))
    if parse(Source(source.name, text), Diagnostics()) != file:  # a file is overwritten with it
        raise AssertionError(f"formatting {source.name} would change its meaning")
    return text


def _words(source: Source, line: LogicalLine) -> Iterator[_Word]:
    """The tokens of a statement in order."""
    tree: Tree[Token] = lark_parser().parse(source.text[line.start : line.end], start="statement")
    brackets: list[bool] = []
    for token, rule in _leaves(tree):
        start, end = line.start + (token.start_pos or 0), line.start + (token.end_pos or 0)
        if token.type in _CLOSING:
            brackets.pop()
        inside = bool(brackets) and brackets[-1]
        yield _Word(str(token), token.type, rule, start, end, inside)
        if token.type in _OPENING:
            brackets.append(token.type == "LSQB" and rule != "interval")


def _leaves(tree: Tree[Token]) -> Iterator[tuple[Token, str]]:
    """Tokens with the rule they stand in, without recursion: a tree may be deep."""
    waiting: list[tuple[Token | Tree[Token], str]] = [(tree, "")]
    while waiting:
        node, rule = waiting.pop()
        if isinstance(node, Token):
            yield node, rule
        else:
            waiting.extend((child, str(node.data)) for child in reversed(node.children))


def _with_room(words: list[_Word]) -> list[_Word]:
    """The dots of `1. .. 5` marked as needing blanks, without which they read otherwise."""
    for i, word in enumerate(words):
        if word.kind == "DOTS" and (words[i - 1].text[-1] == "." or words[i + 1].text[0] == "."):
            words[i] = replace(word, rule=_WIDE)
    return words


def _between(left: _Word, right: _Word) -> str:
    """A blank or nothing: what stands between two tokens on a line."""
    if left.kind in _OPENING or right.kind in _TIGHT_BEFORE:
        return ""
    if left.kind in _TIGHT or right.kind in _TIGHT:
        return ""
    if left.kind == "MINUS" and left.rule == "negate":
        return ""
    if right.kind == "LSQB" and left.kind in (*_VALUES, "NUMBER"):
        return " " if left.end < right.start else ""  # what it means may depend on the blank
    if right.kind == "LPAR" and left.kind in _VALUES:
        return ""
    if "DOTS" in (left.kind, right.kind):
        return " " if _WIDE in (left.rule, right.rule) else ""
    sums = [word for word in (left, right) if word.rule == "sum" and word.kind in ("PLUS", "MINUS")]
    return "" if sums and sums[0].in_index else " "


@dataclass
class _Layout:
    """The rows of a text, statement by statement."""

    source: Source
    rows: list[_Row] = field(default_factory=list)
    _read: int = 0  # up to where the source has been taken in
    _indent: int = 0  # of the row being written
    _brackets: list[int] = field(default_factory=list)  # indents of the rows that opened them

    def __post_init__(self) -> None:
        if self.source.text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
            self._read = 1

    def statement(self, words: list[_Word]) -> None:
        """Take in a statement and what stands before it."""
        self._brackets = []
        self._gap(words[0].start, 0)
        self._begin_row(words[0], 0)
        for left, right in pairwise(words):
            inner = self._brackets[-1] + INDENT if self._brackets else INDENT
            if self._gap(right.start, inner):
                closes = right.kind in _CLOSING and self._brackets
                self._begin_row(right, self._brackets[-1] if closes else inner)
            else:
                self.rows[-1].code += _between(left, right) + right.text
                self._take(right)

    def finish(self) -> None:
        """Take in what stands after the last statement."""
        self._gap(len(self.source.text), 0)
        while self.rows and not self.rows[-1].code and not self.rows[-1].comment:
            self.rows.pop()

    def _begin_row(self, word: _Word, indent: int) -> None:
        self._indent = indent
        self.rows.append(_Row(" " * indent + word.text))
        self._take(word)

    def _take(self, word: _Word) -> None:
        self._read = word.end
        if word.kind in _OPENING:
            self._brackets.append(self._indent)
        elif word.kind in _CLOSING:
            self._brackets.pop()

    def _gap(self, end: int, indent: int) -> bool:
        """Take in blanks and comments up to `end`; whether a line ends among them.

        A comment on a line of its own gets the indent given.
        """
        start, first = self._read, not self.rows
        pieces = self.source.text[start:end].split("\n")
        for number, piece in enumerate(pieces):
            comment = piece.strip(_BLANKS)
            column = self._column(start + piece.find("#")) if comment else 0
            if number == 0 and not first:
                if comment:
                    self.rows[-1].comment, self.rows[-1].column = comment, column
            elif comment:
                self.rows.append(_Row(" " * indent, comment, column))
            elif number < len(pieces) - 1 and self.rows and not _is_blank(self.rows[-1]):
                self.rows.append(_Row(""))
            start += len(piece) + 1
        self._read = end
        return len(pieces) > 1

    def _column(self, offset: int) -> int:
        line = self.source.line_of(offset)
        text = self.source.text[self.source.line_starts[line - 1] : offset]
        return columns(text.expandtabs(INDENT))


def _is_blank(row: _Row) -> bool:
    return not row.code and not row.comment


def _rendered(rows: list[_Row]) -> Iterator[str]:
    """The rows as text, the comments of neighbouring lines one under the other.

    A comment on a line of its own that stood right under a comment at the end of a line goes on
    from it and stays under it.
    """
    at = 0
    while at < len(rows):
        first = at
        while at < len(rows) and rows[at].code.strip() and rows[at].comment:
            at += 1
        if at == first:
            yield rows[at].code + rows[at].comment if rows[at].comment else rows[at].code
            at += 1
            continue
        run = rows[first:at]
        column = max(columns(row.code) for row in run) + len(_BEFORE_COMMENT)
        for row in run:
            yield row.code + " " * (column - columns(row.code)) + row.comment
        while at < len(rows) and _goes_on(run[-1], rows[at]):
            yield " " * column + rows[at].comment
            at += 1


def _goes_on(above: _Row, row: _Row) -> bool:
    return bool(row.comment) and not row.code.strip() and row.column == above.column
