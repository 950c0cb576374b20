"""Values of lagc as those of the Language Server Protocol."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path

from lsprotocol import types

from lagc.base.diagnostics import Diagnostic
from lagc.base.spans import Source, Span
from lagc.editing.completion import Proposal, Sort
from lagc.editing.outline import Entry
from lagc.editing.positions import Positions
from lagc.syntax import ast

_SEVERITY = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
}
_SORTS = {
    Sort.KEYWORD: types.CompletionItemKind.Keyword,
    Sort.FUNCTION: types.CompletionItemKind.Function,
    Sort.VARIABLE: types.CompletionItemKind.Variable,
    Sort.CONSTANT: types.CompletionItemKind.Constant,
    Sort.OPTION: types.CompletionItemKind.Property,
    Sort.UNIT: types.CompletionItemKind.Unit,
    Sort.FILE: types.CompletionItemKind.File,
}
_SYMBOLS: dict[type[ast.Node], types.SymbolKind] = {
    ast.ModelName: types.SymbolKind.Module,
    ast.Constant: types.SymbolKind.Constant,
    ast.Coefficient: types.SymbolKind.Property,
    ast.Input: types.SymbolKind.Event,
    ast.Neural: types.SymbolKind.Function,
    ast.Contribution: types.SymbolKind.Operator,
    ast.Force: types.SymbolKind.Operator,
    ast.Observable: types.SymbolKind.Field,
}


def to_position(positions: Positions, offset: int) -> types.Position:
    """An offset as line and column."""
    return types.Position(*positions.position(offset))


def to_range(positions: Positions, start: int, end: int) -> types.Range:
    """Characters `start` to `end`."""
    return types.Range(to_position(positions, start), to_position(positions, end))


def to_diagnostic(
    positions: Positions, source: Source, diagnostic: Diagnostic, uri: str, *, related: bool
) -> types.Diagnostic:
    """A diagnostic; notes with a place are `related` where the client shows such.

    What stands in a file that the text uses is shown at its first line, with the place in words.
    """
    elsewhere = _elsewhere(source, diagnostic.span)
    sentences = [f"{elsewhere}{diagnostic.message}"]
    sentences += [diagnostic.label] if diagnostic.label else []
    sentences += [
        f"note: {_elsewhere(source, n.span)}{n.message}"
        for n in diagnostic.notes
        if n.span is None or not related or _elsewhere(source, n.span)
    ]
    sentences += [f"help: {diagnostic.help}"] if diagnostic.help else []
    places = [
        types.DiagnosticRelatedInformation(
            types.Location(uri, _span_range(positions, note.span)), note.message
        )
        for note in diagnostic.notes
        if note.span is not None and related and not _elsewhere(source, note.span)
    ]
    return types.Diagnostic(
        range=_span_range(positions, None if elsewhere else diagnostic.span),
        message="\n".join(sentences),
        severity=_SEVERITY.get(diagnostic.severity.value, types.DiagnosticSeverity.Information),
        code=diagnostic.code.name,
        code_description=_description(diagnostic.code.name),
        source="lagc",
        related_information=places or None,
    )


def _elsewhere(source: Source, span: Span | None) -> str:
    """Where a span stands that is in another file; empty for one in the text itself."""
    if span is None or span.source.name == source.name:
        return ""
    return f"{os.path.basename(span.source.name)}:{span.line}:{span.column}: "


def _span_range(positions: Positions, span: Span | None) -> types.Range:
    return to_range(positions, span.start, span.end) if span else to_range(positions, 0, 0)


@cache
def _codes_page() -> str | None:
    """The address of docs/codes.md, of the installed package or of the repository."""
    packaged = Path(str(files("lagc").joinpath("docs", "codes.md")))
    repository = Path(__file__).resolve().parents[2] / "docs" / "codes.md"
    return next((path.as_uri() for path in (packaged, repository) if path.is_file()), None)


def _description(code: str) -> types.CodeDescription | None:
    page = _codes_page()
    return types.CodeDescription(href=f"{page}#{code.lower()}") if page else None


def to_completion(proposal: Proposal, place: types.Range) -> types.CompletionItem:
    """A proposal, to be put in place of the partial word."""
    return types.CompletionItem(
        label=proposal.text.rstrip(" ="),
        kind=_SORTS[proposal.sort],
        detail=proposal.detail,
        filter_text=proposal.text,
        text_edit=types.TextEdit(place, proposal.text),
    )


def to_symbol(positions: Positions, entry: Entry) -> types.DocumentSymbol:
    """An entry of the outline."""
    return types.DocumentSymbol(
        name=entry.name,
        detail=entry.detail,
        kind=_SYMBOLS.get(type(entry.statement), types.SymbolKind.Variable),
        range=to_range(positions, entry.span.start, entry.span.end),
        selection_range=to_range(positions, entry.name_span.start, entry.name_span.end),
    )


def changed_lines(positions: Positions, old: str, new: str) -> list[types.TextEdit]:
    """One edit of the lines in which two texts differ, or none."""
    if old == new:
        return []
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    rest = min(len(before), len(after)) - head
    while tail < rest and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    start = sum(map(len, before[:head]))
    end = len(old) - sum(map(len, before[len(before) - tail :]))
    place = to_range(positions, start, end)
    return [types.TextEdit(place, "".join(after[head : len(after) - tail]))]
