"""A Pygments lexer, so that documents and notebooks show models in colour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
    _TokenType,
)

from lagc.base.spans import Source
from lagc.editing.lexemes import Kind, lexemes

_TYPES: dict[Kind, _TokenType] = {
    Kind.STATEMENT: Keyword.Declaration,
    Kind.ACTION: Keyword.Reserved,
    Kind.CLAUSE: Keyword,
    Kind.DECLARED: Name.Variable,
    Kind.NEURAL: Name.Function,
    Kind.FUNCTION: Name.Builtin,
    Kind.OPTION: Name.Attribute,
    Kind.RESERVED: Name.Constant,
    Kind.NAME: Name,
    Kind.NUMBER: Number,
    Kind.FILE: String,
    Kind.OPERATOR: Operator,
    Kind.BRACKET: Punctuation,
    Kind.COMMENT: Comment.Single,
    Kind.UNKNOWN: Error,
}


class LagLexer(Lexer):  # type: ignore[misc]
    """Lagrangian models in the language of lagc."""

    name = "Lagrangian model"
    url = "https://pypi.org/project/lagc/"
    aliases: ClassVar[list[str]] = ["lag", "lagc"]
    filenames: ClassVar[list[str]] = ["*.lag"]
    mimetypes: ClassVar[list[str]] = ["text/x-lag"]

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """Offset, type and text of every piece; together they are the whole text."""
        at = 0
        for lexeme in lexemes(Source("<highlighted>", text)):
            if lexeme.start > at:
                yield at, Whitespace, text[at : lexeme.start]
            yield lexeme.start, _TYPES[lexeme.kind], text[lexeme.start : lexeme.end]
            at = lexeme.end
        if at < len(text):
            yield at, Whitespace, text[at:]
