"""Sources read from files, and the files that a model uses: `use "common.lag"`.

The path is relative to the folder of the file in which it stands, with `/` between its parts on
every system. The statements of a used file count as if they stood in its place, so it may hold
declarations, `let`s and contributions to L, K and R (`+=` where several files contribute). Its
`model` line names it alone; its `initial` and `run` lines count only where the files before it, the
using one first, have none. A file that is used twice counts once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, LagcError, did_you_mean, fail
from lagc.base.spans import Source
from lagc.syntax import ast
from lagc.syntax.parser import LARGEST_FILE, MOST_STATEMENTS, parse

DEEPEST_USE, MOST_FILES = 16, 64


def read_source(path: str | os.PathLike[str]) -> Source:
    """The text of a `.lag` file; LAG001 if it cannot be read."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as stream:
            data = stream.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        shown = name.partition("\n")[0][:200]
        said = f"{shown}: {reason}" if name else "the name of the model is empty"
        raise fail(Code.LAG001, said, help=_nearby(name)) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        help = "save it as UTF-8"
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            help = "it is UTF-16; save it as UTF-8"
        elif b"\0" in data:
            help = "it is no text; a model is a text file in the language of lagc"
        raise fail(Code.LAG001, f"{name}: not UTF-8 text (byte {error.start})", help=help) from None
    return Source(name, text, os.path.dirname(name))


def _nearby(name: str) -> str:
    """The model in the same folder that was meant, if a file is not there."""
    if "\n" in name:
        return "to compile a text in Python there is `lagc.loads`"
    folder, file = os.path.split(name)
    if os.path.isdir(name):
        return "give the name of a model in it"
    if not file or os.path.exists(name):
        return ""
    try:
        models = [entry for entry in os.listdir(folder or ".") if entry.endswith(".lag")]
    except (OSError, ValueError):
        return ""
    # Without their ending: all models look alike with it.
    known = {model.removesuffix(".lag"): model for model in models}
    stem = os.path.splitext(file)[0]
    close = stem if stem in known else did_you_mean(stem, known).partition("`")[2].partition("`")[0]
    return f"did you mean `{os.path.join(folder, known[close])}`?" if close in known else ""


def with_used(
    file: ast.File, source: Source, diagnostics: Diagnostics
) -> tuple[ast.File, tuple[Source, ...]]:
    """The file with the statements of all that it uses, and the sources of these, each once.

    LAG231 for what cannot be read, LAG232 for a file that uses itself, LAG108 for too much text;
    what is wrong inside a used file is reported there.
    """
    if not any(isinstance(s, ast.Use) for s in file.statements):
        return file, ()
    found = _Reading(diagnostics)
    found.add(file, source, (_identity(source.name),))
    return ast.File(tuple(found.statements), span=file.span), tuple(found.sources)


@dataclass
class _Reading:
    diagnostics: Diagnostics
    statements: list[ast.Statement] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _settled: set[type] = field(default_factory=set)  # `initial`, `run` in a file before this one

    def add(self, file: ast.File, source: Source, chain: tuple[str, ...]) -> None:
        """The statements of the files that a file uses, then its own; `chain` led to it."""
        left_out = self._settled | ({ast.ModelName} if len(chain) > 1 else set())
        self._settled |= {type(s) for s in file.statements} & {ast.Initial, ast.Run}
        for use in ast.of_kind(file, ast.Use):
            self._use(use, source, chain)
        self.statements += [
            s for s in file.statements if type(s) not in left_out and not isinstance(s, ast.Use)
        ]
        if len(self.statements) > MOST_STATEMENTS:
            raise fail(
                Code.LAG108,
                f"the model has more than {MOST_STATEMENTS} statements, with the files it uses",
                file.span,
            )

    def _use(self, use: ast.Use, source: Source, chain: tuple[str, ...]) -> None:
        path = self._path(use, source)
        if path is None:
            return
        identity = _identity(path)
        if identity in chain:
            names = [os.path.basename(p) for p in (*chain[chain.index(identity) :], identity)]
            self.diagnostics.add(
                Code.LAG232,
                "a file uses itself: " + " -> ".join(f"`{name}`" for name in names),
                use.path_span,
            )
            return
        if identity in self._seen:
            return
        self._seen.add(identity)
        if len(chain) > DEEPEST_USE or len(self._seen) > MOST_FILES:
            self._refuse(
                use, f"more than {MOST_FILES} files, or nested more than {DEEPEST_USE} deep"
            )
            return
        try:
            used = read_source(path)
        except LagcError as error:
            self._refuse(use, error.diagnostics[0].message)
            return
        self.sources.append(used)
        if sum(len(s.text) for s in self.sources) > LARGEST_FILE:
            raise fail(
                Code.LAG108,
                f"the files that are used have more than {LARGEST_FILE} characters together",
                use.path_span,
            )
        self.add(parse(used, self.diagnostics), used, (*chain, identity))

    def _path(self, use: ast.Use, source: Source) -> str | None:
        """The path of a used file as this process opens it; None if it is refused."""
        if not use.path.endswith(".lag"):
            self._refuse(use, f"`{use.path}` is not the name of a `.lag` file")
        elif os.path.isabs(use.path) or "\\" in use.path or ":" in use.path:
            self._refuse(
                use,
                "the path of a used file is relative to the file that uses it, with `/` between "
                "its parts",
            )
        elif source.folder is None:
            self._refuse(
                use,
                "this text is not in a file, so there is no folder to look in",
                'give the folder, `lagc.loads(text, folder="models")`, or load the model from a '
                "file",
            )
        else:
            return os.path.normpath(os.path.join(source.folder, *use.path.split("/")))
        return None

    def _refuse(self, use: ast.Use, message: str, help: str = "") -> None:
        self.diagnostics.add(
            Code.LAG231, message, use.path_span, label="this file cannot be used", help=help
        )


def _identity(path: str) -> str:
    """The same for all ways to write the path of one file."""
    return os.path.realpath(path) if "\0" not in path else path
