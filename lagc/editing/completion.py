"""What can stand at a place of a text, as the grammar and the declarations have it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from lark import Token
from lark.exceptions import UnexpectedInput

from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Source
from lagc.editing import vocabulary
from lagc.editing.names import Reading
from lagc.semantics.unit_table import USUAL_UNITS
from lagc.syntax import ast
from lagc.syntax.grammar import lark_parser
from lagc.syntax.lines import logical_lines

_PARTIAL = re.compile(r"[^\W\d][\w'\u0300-\u036f]*(?:_[+-])?\Z|\Z")
_PLACEHOLDER = "x"
# A bracket behind a blank, in a statement that has units, and what was written in it.
_UNIT = re.compile(
    r"^[ \t]*(?:coordinate|constant|coefficient|input|neural|let|observable|initial|run)\b"
    r"[^\n#]*(?<!\bin)[ \t]\[[\w*/^ .()-]*\Z",
    re.MULTILINE,
)
_USE = re.compile(r"[ \t]*use[ \t]+\"(?P<folder>(?:[^\"#]*/)?)[^\"#/]*\Z")
_MOST_FILES = 256  # of a folder that are offered


class Sort(Enum):
    """What a proposal is."""

    KEYWORD = "keyword"
    FUNCTION = "function"
    VARIABLE = "variable"
    CONSTANT = "constant"
    OPTION = "option"
    UNIT = "unit"
    FILE = "file"


@dataclass(frozen=True)
class Proposal:
    """A word that can stand at the cursor, in place of the partial word before it."""

    text: str
    sort: Sort
    detail: str


@dataclass(frozen=True)
class _Place:
    """The statement at the cursor up to the partial word, and what the grammar allows next."""

    tokens: tuple[Token, ...]
    accepted: frozenset[str]

    @property
    def first(self) -> str:
        """The terminal that the statement begins with."""
        return self.tokens[0].type if self.tokens else ""

    @property
    def before(self) -> str:
        """The terminal before the cursor."""
        return self.tokens[-1].type if self.tokens else ""

    @property
    def open_call(self) -> str:
        """The function whose argument the cursor stands in."""
        depth = 0
        for i in range(len(self.tokens) - 1, 0, -1):
            depth += (self.tokens[i].type in ("RPAR", "RSQB")) - (
                self.tokens[i].type in ("LPAR", "LSQB")
            )
            if depth < 0:
                before = self.tokens[i - 1]
                return str(before) if before.type == "NAME" else ""
        return ""


def partial_word(text: str, offset: int) -> int:
    """Where the word begins that is being written at an offset."""
    start = text.rfind("\n", 0, offset) + 1
    if used := _USE.match(text[start:offset]):
        return start + used.end("folder")
    found = _PARTIAL.search(text[start:offset])
    return start + found.start() if found else offset


def complete(reading: Reading, offset: int) -> list[Proposal]:
    """All words that fit at an offset, whatever of them has been written."""
    text = reading.source.text
    at = partial_word(text, offset)
    if used := _USE.match(text[text.rfind("\n", 0, offset) + 1 : offset]):
        return list(_files(reading.source, used["folder"]))
    if _UNIT.search(text, text.rfind("\n", 0, at) + 1, at):
        return [Proposal(name, Sort.UNIT, "unit") for name in dict.fromkeys(USUAL_UNITS)]
    place = _place(text, at)
    return [] if place is None else list(dict.fromkeys(_proposals(place, reading)))


def _place(text: str, at: int) -> _Place | None:
    """None inside a comment, or where the statement before the cursor cannot be read."""
    source = Source("<completion>", text[:at] + _PLACEHOLDER)
    lines = list(logical_lines(source, Diagnostics()))
    if not lines or lines[-1].end != len(source.text):
        return None
    parser = lark_parser().parse_interactive(text[lines[-1].start : at], start="statement")
    try:
        tokens = tuple(parser.iter_parse())
    except UnexpectedInput:
        return None
    return _Place(tokens, frozenset(vocabulary.accepted(parser)))


def _proposals(place: _Place, reading: Reading) -> Iterator[Proposal]:
    for terminal in place.accepted:
        for word in vocabulary.keywords().get(terminal, ()):
            begins = terminal in vocabulary.statement_terminals()
            yield Proposal(word, Sort.KEYWORD, "statement" if begins else "clause")
    if "NAME" not in place.accepted or place.before in vocabulary.declaring_terminals():
        return
    if place.first == "COEFFICIENT" and place.before == "TILDE":
        yield from _functions(vocabulary.LAWS, "law")
    elif place.open_call in vocabulary.LAWS:
        yield from _functions(vocabulary.LAWS, "law")
        yield from _constants(reading)
    elif place.first == "NEURAL" and "NUMBER" in place.accepted:
        yield from _network(place)
    elif "NUMBER" in place.accepted:
        yield from _values(place, reading)
    else:  # a force acts on a coordinate, not on a velocity
        yield from _coordinates(reading, ("",) if place.first == "FORCE" else ("", "'"))


def _files(source: Source, below: str) -> Iterator[Proposal]:
    """The models in the folder of a text, or in one below it, without the text itself."""
    if source.folder is None:
        return
    folder = os.path.join(source.folder, *below.split("/"))
    try:
        names = sorted(name for name in os.listdir(folder or ".") if name.endswith(".lag"))
    except (OSError, ValueError):
        return
    own = os.path.realpath(source.name) if "\0" not in source.name else ""
    for name in names[:_MOST_FILES]:
        if os.path.realpath(os.path.join(folder, name)) != own:
            yield Proposal(name, Sort.FILE, "file")


def _functions(names: tuple[str, ...], detail: str) -> Iterator[Proposal]:
    for name in names:
        yield Proposal(name, Sort.FUNCTION, detail)


def _network(place: _Place) -> Iterator[Proposal]:
    if place.before == "EQUAL" and place.open_call:
        for choice in vocabulary.OPTIONS.get(str(place.tokens[-2]), ()):
            yield Proposal(choice, Sort.CONSTANT, str(place.tokens[-2]))
    elif place.open_call:
        for option in vocabulary.OPTIONS:
            yield Proposal(f"{option} = ", Sort.OPTION, "option")
    else:
        yield from _functions(vocabulary.NETWORKS, "network")


def _values(place: _Place, reading: Reading) -> Iterator[Proposal]:
    """Names and functions of an expression, with the decorations that it may hold."""
    yield from _constants(reading)
    if place.first == "COEFFICIENT":
        yield Proposal("inf", Sort.CONSTANT, "no bound")
    yield from _functions(vocabulary.FUNCTIONS, "function")
    action = str(place.tokens[0]) if place.first == "ACTION" else ""
    dynamic = action or place.first in ("LET", "FORCE", "OBSERVABLE")
    if place.first == "INITIAL" and place.before != "EQUAL" and not place.open_call:
        yield from _coordinates(reading, ("", "'"))
    if not dynamic:
        return
    yield Proposal("t", Sort.CONSTANT, "time")
    for name, statement in reading.declarations.items():
        if isinstance(statement, ast.Coefficient | ast.Input | ast.Let):
            yield Proposal(name, Sort.VARIABLE, type(statement).__name__.lower())
        elif isinstance(statement, ast.Neural):
            yield Proposal(name, Sort.FUNCTION, "neural term")
    doubled, plain = ("_+", "_-", "'_+", "'_-"), ("", "'")
    if action == "K":
        yield from _coordinates(reading, doubled)
    elif place.first == "LET":
        yield from _coordinates(reading, plain + doubled)
    else:
        yield from _coordinates(reading, plain)


def _constants(reading: Reading) -> Iterator[Proposal]:
    yield Proposal("pi", Sort.CONSTANT, "3.14159...")
    for name, statement in reading.declarations.items():
        if isinstance(statement, ast.Constant):
            yield Proposal(name, Sort.CONSTANT, "constant")
        elif isinstance(statement, ast.LatticeIndex):
            yield Proposal(name, Sort.VARIABLE, "index")


def _coordinates(reading: Reading, decorations: tuple[str, ...]) -> Iterator[Proposal]:
    for name, statement in reading.declarations.items():
        if isinstance(statement, ast.Coordinate):
            for decoration in decorations:
                yield Proposal(name + decoration, Sort.VARIABLE, "coordinate")
