"""Diagnostics as plain text with a caret, and as JSON-ready dictionaries."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

from lagc.base.diagnostics import Diagnostic, LagcError, folded
from lagc.base.spans import Span

_LONGEST_LINE = 160


def render_text(diagnostic: Diagnostic) -> str:
    """The message, the line of source with a caret under it, notes and help."""
    head = f"{diagnostic.severity.value}[{diagnostic.code.name}]: {diagnostic.message}"
    lines = [head]
    width = 2
    if diagnostic.span is not None:
        width = len(str(diagnostic.span.line)) + 1
        lines += _excerpt(diagnostic.span, diagnostic.label, width)
    for note in diagnostic.notes:
        lines.append(f"{' ' * width} = note: {note.message}")
        if note.span is not None:
            lines += _excerpt(note.span, "", width)
    if diagnostic.help:
        lines.append(f"{' ' * width} = help: {diagnostic.help}")
    return "\n".join(lines)


def render_all(error: LagcError | Iterable[Diagnostic]) -> str:
    """Several diagnostics, a blank line between them."""
    items = error.diagnostics if isinstance(error, LagcError) else error
    return "\n\n".join(render_text(d) for d in folded(items))


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A dictionary for `json.dumps`: code, severity, message, label, help, place, notes."""
    return {
        "code": diagnostic.code.name,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "label": diagnostic.label,
        "help": diagnostic.help,
        "span": _place(diagnostic.span),
        "notes": [{"message": n.message, "span": _place(n.span)} for n in diagnostic.notes],
    }


def _place(span: Span | None) -> dict[str, Any] | None:
    if span is None:
        return None
    end = Span(span.source, max(span.start, span.end - 1), span.end)
    return {
        "file": span.source.name,
        "line": span.line,
        "column": span.column,
        "end_line": end.line,
        "end_column": end.column + 1,
    }


def _excerpt(span: Span, label: str, width: int) -> list[str]:
    line, column = span.line, span.column
    text = span.source.line_text(line)
    first = column - 1
    last = min(first + max(1, span.end - span.start), max(len(text), first + 1))
    offset = 0
    if len(text) > _LONGEST_LINE:  # show the neighbourhood of the span only
        offset = max(0, first - _LONGEST_LINE // 2)
        text = text[offset : offset + _LONGEST_LINE]
        last = min(last, offset + len(text))
    shown = _printable(text)
    pad = columns(_printable(span.source.line_text(line)[offset:first]))
    marked = max(1, columns(_printable(span.source.line_text(line)[first:last])))
    bar = " " * width + " |"
    caret = f"{bar} {' ' * pad}{'^' * marked}{' ' + label if label else ''}"
    place = f"{' ' * width}--> {span.source.name}:{line}:{column}"
    return [place, bar, f"{line:>{width}} | {shown}", caret]


def _printable(text: str) -> str:
    text = text.replace("\t", "    ")
    return "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in text)


def columns(text: str) -> int:
    """How many terminal columns a text takes: combining marks none, wide characters two."""
    wide = sum(unicodedata.east_asian_width(ch) in "WF" for ch in text)
    marks = sum(unicodedata.combining(ch) != 0 for ch in text)
    return len(text) + wide - marks
