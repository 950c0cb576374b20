"""Models that share files through `use`: a name means the same in all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from lagc.base.diagnostics import Diagnostics, LagcError
from lagc.base.spans import Source
from lagc.editing.names import Reading
from lagc.syntax import ast
from lagc.syntax.files import with_used

_MOST_MODELS = 256  # files of a folder that are looked into

Read = Callable[[str], Reading]  # the text of a path as the editor has it


def used_by(reading: Reading) -> tuple[Source, ...]:
    """The files that a text uses, as they are on disk; () where they cannot be found."""
    try:
        return with_used(reading.file, reading.source, Diagnostics())[1]
    except LagcError:
        return ()


def together(reading: Reading, used: Iterable[Reading]) -> Reading:
    """A text that knows the declarations of the files it uses."""
    declarations: dict[str, ast.Statement] = {}
    for other in used:
        declarations = other.declarations | declarations
    return replace(reading, declarations=declarations | reading.declarations)


def relatives(reading: Reading, name: str, read: Read) -> Iterator[Reading]:
    """Every other text in which a name stands that this text, or one it uses, declares.

    Besides the files that are used these are the models beside them that use the one that declares
    the name, with all that they use.
    """
    own = _same(reading.source.name)
    used = {_same(s.name): s.name for s in used_by(reading)}
    declaring = [p for p in used.values() if name in read(p).declarations]
    home = declaring[0] if declaring and name not in reading.declarations else reading.source.name
    found = dict(used)
    for path in _models_beside(home, reading.source.name):
        try:
            others = {_same(s.name): s.name for s in used_by(read(path))}
        except (OSError, UnicodeError):  # no text
            continue
        if _same(home) in others:
            found |= {_same(path): path, **others}
    found[_same(home)] = home
    for path in (p for key, p in found.items() if key != own):
        other = read(path)
        if other.of(name):
            yield other


def _models_beside(*paths: str) -> list[str]:
    folders = {os.path.dirname(path) for path in paths}
    found: list[str] = []
    for folder in sorted(folders):
        try:
            names = sorted(n for n in os.listdir(folder or ".") if n.endswith(".lag"))
        except (OSError, ValueError):
            continue
        found += [os.path.join(folder, name) for name in names[:_MOST_MODELS]]
    return found


def _same(path: str) -> str:
    """The same for all ways to write the path of one file."""
    return os.path.realpath(path) if "\0" not in path else path
