"""A name changed everywhere, its decorations kept, or a sentence why it cannot be."""

from __future__ import annotations

import unicodedata

from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Source, Span
from lagc.editing.names import Occurrence, Reading, read
from lagc.semantics.functions import FUNCTION_NAMES, RESERVED_NAMES
from lagc.syntax import ast
from lagc.syntax.parser import parse


class CannotRename(Exception):
    """The text of it says why."""


def renameable(reading: Reading, offset: int) -> Occurrence:
    """The name at an offset; raises `CannotRename` where there is none of the model's own."""
    found = reading.at(offset)
    if found is None:
        raise CannotRename("there is no name here")
    if found.name not in reading.declarations:
        raise CannotRename(f"`{found.name}` is not declared in this model")
    if not all(o.sure for o in reading.of(found.name)):
        raise CannotRename(
            f"`{found.name}` stands in a statement that cannot be read; mend it first"
        )
    if sum(o.declares for o in reading.of(found.name)) > 1:
        raise CannotRename(f"`{found.name}` is declared twice")
    return found


def rename(reading: Reading, offset: int, new: str) -> list[Span]:
    """The places to be overwritten with `new`; raises `CannotRename`."""
    return places_of(reading, renameable(reading, offset).name, new)


def places_of(reading: Reading, name: str, new: str) -> list[Span]:
    """Where `name` is to be overwritten with `new` in one text; raises `CannotRename`."""
    new = unicodedata.normalize("NFC", new)
    if not _is_name(new):
        raise CannotRename(
            f"`{new}` is not a name: letters, digits and underscores, a letter first, no "
            "underscore last; decorations such as `'` and `_+` stay where they are"
        )
    if new in FUNCTION_NAMES or new in RESERVED_NAMES:
        raise CannotRename(f"`{new}` is a word of the language")
    if new != name and (reading.of(new) or new in reading.declarations):
        raise CannotRename(f"`{new}` is used in this model already")
    if not all(o.sure for o in reading.of(name)):
        raise CannotRename(
            f"`{name}` stands in a statement of `{reading.source.name}` that cannot be read"
        )
    places = [o.span for o in reading.of(name)]
    _check(reading, replaced(reading.source.text, places, new), new, len(places))
    return places


def replaced(text: str, places: list[Span], new: str) -> str:
    """A text with `new` in all the places, which are in order."""
    parts, at = [], 0
    for span in places:
        parts += [text[at : span.start], new]
        at = span.end
    return "".join([*parts, text[at:]])


def _is_name(text: str) -> bool:
    diagnostics = Diagnostics()
    file = parse(Source("<name>", f"let {text} = 0"), diagnostics)
    if diagnostics.errors or len(file.statements) != 1:
        return False
    (statement,) = file.statements
    return isinstance(statement, ast.Let) and statement.name.span.text == text


def _check(reading: Reading, text: str, new: str, count: int) -> None:
    """That the text says the same afterwards; `L` at the beginning of a line might not."""
    after = read(Source(reading.source.name, text))
    same = len(after.file.statements) == len(reading.file.statements)
    if (
        not same
        or len(after.of(new)) != count
        or len(after.diagnostics) != len(reading.diagnostics)
    ):
        raise CannotRename(f"with `{new}` in its place a statement would read otherwise")
