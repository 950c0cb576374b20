"""A text cut into lexemes by the grammar itself, for highlighting; any text, finished or not."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from lark import Token
from lark.exceptions import UnexpectedInput

from lagc.base.diagnostics import Diagnostics, LagcError
from lagc.base.spans import Source
from lagc.editing import vocabulary
from lagc.syntax.characters import check_characters
from lagc.syntax.grammar import lark_parser
from lagc.syntax.lines import LogicalLine, logical_lines
from lagc.syntax.words import words_of


class Kind(Enum):
    """What a lexeme is to a reader."""

    STATEMENT = "statement"  # the keyword it begins with
    ACTION = "action"  # L, K, R at the beginning of a statement
    CLAUSE = "clause"  # `in`, `until`, ...
    DECLARED = "declared"  # the name after a declaring keyword
    NEURAL = "neural"  # the name of a neural term, declared or called
    FUNCTION = "function"  # of the language, called
    OPTION = "option"  # `activation` in `activation = tanh`
    RESERVED = "reserved"  # t, pi, inf
    NAME = "name"
    NUMBER = "number"
    FILE = "file"  # with its quotes
    OPERATOR = "operator"
    BRACKET = "bracket"  # and commas
    COMMENT = "comment"
    UNKNOWN = "unknown"  # a character outside the language


@dataclass(frozen=True)
class Lexeme:
    """Characters `start` to `end` of a text."""

    kind: Kind
    start: int
    end: int


_COMMENT = re.compile(r"[^ \t\r\n\ufeff][^\n]*")
_BRACKETS = ("LPAR", "RPAR", "LSQB", "RSQB", "COMMA")


def lexemes(source: Source) -> Iterator[Lexeme]:
    """Everything but blanks, in order. What cannot be read is cut as well as can be."""
    at = 0
    for line in logical_lines(source, Diagnostics()):
        yield from _comments(source.text, at, line.start)
        yield from _statement(source, line)
        at = line.end
    yield from _comments(source.text, at, len(source.text))


def _comments(text: str, start: int, end: int) -> Iterator[Lexeme]:
    """What stands between statements and their words: comments, those of other languages too."""
    for found in _COMMENT.finditer(text, start, end):
        yield Lexeme(Kind.COMMENT, found.start(), found.start() + len(found[0].rstrip("\r")))


def _statement(source: Source, line: LogicalLine) -> Iterator[Lexeme]:
    at = line.start
    tokens = _tokens(source, line)
    kinds = _kinds(tokens)
    for token, kind in zip(tokens, kinds, strict=True):
        start, end = line.start + (token.start_pos or 0), line.start + (token.end_pos or 0)
        yield from _comments(source.text, at, start)
        yield Lexeme(kind, start, end)
        at = end
    for word in words_of(source, at, line.end):
        yield from _comments(source.text, at, word.span.start)
        at = word.span.end
        yield Lexeme(_kind_of_word(source, word.kind, word.span.start, at), word.span.start, at)
    yield from _comments(source.text, at, line.end)


def _tokens(source: Source, line: LogicalLine) -> list[Token]:
    """The tokens of a statement, as far as it can be read."""
    found: list[Token] = []
    parser = lark_parser().parse_interactive(
        source.text[line.start : _sound_until(source, line)], start="statement"
    )
    with contextlib.suppress(UnexpectedInput):
        for token in parser.iter_parse():
            found.append(token)  # noqa: PERF402  (what was found before an error counts)
    return found


def _sound_until(source: Source, line: LogicalLine) -> int:
    """Where the first character outside the language stands, or the end of the line."""
    try:
        check_characters(source, line.start, line.end)
    except LagcError as error:
        (found,) = error.diagnostics
        return found.span.start if found.span else line.start
    return line.end


def _kinds(tokens: Sequence[Token]) -> Iterator[Kind]:
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
        before = tokens[i - 1].type if i else ""
        after = tokens[i + 1].type if i + 1 < len(tokens) else ""
        yield _kind(token, before, after, depth)


def _kind(token: Token, before: str, after: str, depth: int) -> Kind:
    if token.type == "ACTION":
        return Kind.ACTION
    if token.type in vocabulary.keywords():
        begins = token.type in vocabulary.statement_terminals()
        return Kind.STATEMENT if begins else Kind.CLAUSE
    if token.type == "DECORATED":
        return Kind.NAME
    if token.type == "NUMBER":
        return Kind.NUMBER
    if token.type == "FILE":
        return Kind.FILE
    if token.type in _BRACKETS:
        return Kind.BRACKET
    if token.type != "NAME":
        return Kind.OPERATOR
    if before == "NEURAL":
        return Kind.NEURAL
    if before in vocabulary.declaring_terminals():
        return Kind.DECLARED
    if after == "LPAR":
        known = (*vocabulary.FUNCTIONS, *vocabulary.LAWS, *vocabulary.NETWORKS)
        return Kind.FUNCTION if token in known else Kind.NEURAL
    if after == "EQUAL" and depth > 0:
        return Kind.OPTION
    return Kind.RESERVED if token in vocabulary.RESERVED else Kind.NAME


def _kind_of_word(source: Source, kind: str, start: int, end: int) -> Kind:
    """Of a word that the grammar does not expect where it stands."""
    try:
        check_characters(source, start, end)
    except LagcError:
        return Kind.UNKNOWN
    if kind != "sign":
        return Kind.NAME if kind == "name" else Kind.NUMBER
    return Kind.BRACKET if source.text[start:end] in "()[]," else Kind.OPERATOR
