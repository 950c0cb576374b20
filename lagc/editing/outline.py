"""The statements of a model as an outline."""

from __future__ import annotations

from dataclasses import dataclass

from lagc.base.spans import Span
from lagc.editing.names import Reading, declared_name
from lagc.syntax import ast
from lagc.syntax.printer import format_expression, format_statement

_LONGEST = 80


@dataclass(frozen=True)
class Entry:
    """A statement: its name, its text in short, where it is and where its name is."""

    name: str
    detail: str
    statement: ast.Statement
    span: Span
    name_span: Span


def outline(reading: Reading) -> list[Entry]:
    """An entry for each statement that can be read, in their order."""
    return [_entry(statement) for statement in reading.file.statements]


def _entry(statement: ast.Statement) -> Entry:
    text = format_statement(statement)
    detail = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    declared = declared_name(statement)
    if declared is not None:
        return Entry(declared.name, detail, statement, statement.span, declared.span)
    match statement:
        case ast.ModelName(name):
            return Entry(name.name, detail, statement, statement.span, name.span)
        case ast.Contribution():
            span = statement.target_span
            return Entry(statement.target, detail, statement, statement.span, span)
        case ast.Force(target):
            name_text = f"force {format_expression(target)}"
            return Entry(name_text, detail, statement, statement.span, target.span)
    first = text.split(" ", 1)[0]
    word = Span(statement.span.source, statement.span.start, statement.span.start + len(first))
    return Entry(first, detail, statement, statement.span, word)
