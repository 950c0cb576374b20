"""Where the names of a model are declared and used; texts that are not finished included."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, fields

from lagc.base.diagnostics import Diagnostic, Diagnostics
from lagc.base.spans import Source, Span
from lagc.editing.lexemes import Kind, lexemes
from lagc.syntax import ast
from lagc.syntax.lines import logical_lines
from lagc.syntax.parser import parse

_DECORATION = re.compile(r"(?:'+(?:_[+-])?|_[+-])\Z")
_NAMES = (Kind.DECLARED, Kind.NEURAL, Kind.FUNCTION, Kind.NAME)


@dataclass(frozen=True)
class Occurrence:
    """A place where a name stands; `span` is that of the name without its decorations.

    `sure` is false in a statement that cannot be read, where a name may be something else.
    """

    name: str
    span: Span
    decoration: str = ""
    declares: bool = False
    sure: bool = True


@dataclass(frozen=True)
class Reading:
    """A text as far as it can be read without asking what it means."""

    source: Source
    file: ast.File
    diagnostics: tuple[Diagnostic, ...]
    declarations: dict[str, ast.Statement]  # the first of each name
    occurrences: tuple[Occurrence, ...]  # in the order of the text

    def at(self, offset: int) -> Occurrence | None:
        """The name at or just before an offset."""
        touching = [
            o for o in self.occurrences
            if o.span.start <= offset <= o.span.end + len(o.decoration)
        ]  # fmt: skip
        return touching[-1] if touching else None

    def of(self, name: str) -> list[Occurrence]:
        """All places of a name."""
        return [o for o in self.occurrences if o.name == name]

    def statement_at(self, offset: int) -> ast.Statement | None:
        """The statement around an offset, if it can be read."""
        for statement in self.file.statements:
            if statement.span.start <= offset <= statement.span.end:
                return statement
        return None


def read(source: Source) -> Reading:
    """Parse a text and find its names; never raises."""
    diagnostics = Diagnostics()
    file = parse(source, diagnostics)
    declarations: dict[str, ast.Statement] = {}
    for statement in file.statements:
        name = declared_name(statement)
        if name is not None:
            declarations.setdefault(name.name, statement)
    coordinates = {n for n, s in declarations.items() if isinstance(s, ast.Coordinate)}
    found = [o for s in file.statements for o in _in_statement(s, coordinates)]
    found += _in_unreadable(source, file)
    found.sort(key=lambda o: o.span.start)
    return Reading(source, file, tuple(diagnostics.items), declarations, tuple(found))


def declared_name(statement: ast.Statement) -> ast.Identifier | None:
    """What a statement declares; the name of the model is of another kind."""
    if isinstance(statement, ast.ModelName):
        return None
    name = getattr(statement, "name", None)
    return name if isinstance(name, ast.Identifier) else None


def _in_statement(statement: ast.Statement, coordinates: set[str]) -> Iterator[Occurrence]:
    declared = declared_name(statement)
    if declared is not None:
        yield Occurrence(declared.name, declared.span, declares=True)
    momenta = isinstance(statement, ast.Initial) and "p" not in coordinates
    for node, foreign in _nodes(statement):
        if isinstance(node, ast.Name) and not (momenta and _is_momentum(node, statement)):
            yield _decorated(node.name, node.span)
        elif isinstance(node, ast.Call) and not foreign:
            yield Occurrence(node.name, node.name_span)


def _nodes(statement: ast.Statement) -> Iterator[tuple[ast.Node, bool]]:
    """All nodes, and whether each stands in a law or a network, where calls are not functions.

    What `option = word` says is no name of the model and is left out.
    """
    waiting: list[tuple[object, bool]] = [(statement, False)]
    while waiting:
        item, foreign = waiting.pop()
        if isinstance(item, tuple):
            waiting.extend((part, foreign) for part in item)
        if not isinstance(item, ast.Node):
            continue
        yield item, foreign
        for part in fields(item):
            value = getattr(item, part.name)
            law = isinstance(item, ast.Coefficient) and part.name == "prior"
            network = isinstance(item, ast.Neural) and part.name == "network"
            if isinstance(item, ast.Argument) and item.keyword and isinstance(value, ast.Name):
                continue
            waiting.append((value, foreign or law or network))


def _is_momentum(node: ast.Name, statement: ast.Statement) -> bool:
    """Whether a name is the `p` of `initial p[q] = 1`."""
    if node.name != "p" or not isinstance(statement, ast.Initial):
        return False
    targets = [a.target for a in statement.assignments]
    return any(isinstance(t, ast.Index) and t.base is node for t in targets)


def _decorated(name: str, span: Span, sure: bool = True) -> Occurrence:
    found = _DECORATION.search(span.text)
    decoration = found[0] if found else ""
    bare = Span(span.source, span.start, span.end - len(decoration))
    return Occurrence(name, bare, decoration, sure=sure)


def _in_unreadable(source: Source, file: ast.File) -> list[Occurrence]:
    """Names in the statements that are not in the tree."""
    read_well = {(s.span.start, s.span.end) for s in file.statements}
    lost = [
        line for line in logical_lines(source, Diagnostics())
        if (line.start, line.end) not in read_well
    ]  # fmt: skip
    found: list[Occurrence] = []
    for line in lost:
        cut = Source(source.name, source.text[line.start : line.end])
        for lexeme in lexemes(cut):
            if lexeme.kind in _NAMES:
                span = Span(source, line.start + lexeme.start, line.start + lexeme.end)
                bare = _decorated("", span, sure=False)
                name = unicodedata.normalize("NFC", bare.span.text)
                found.append(Occurrence(name, bare.span, bare.decoration, sure=False))
    return found
