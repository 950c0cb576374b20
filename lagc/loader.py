"""Models ready to run in this process: a generated module, imported without a file.

There is one way to a `System`: the module text that `lagc compile` would write is loaded through
the import machinery.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import os
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.base.render import render_text
from lagc.base.spans import Source
from lagc.driver import compile_source, read_source

if TYPE_CHECKING:
    from lagc.runtime import System


_SUCH_AS = {
    "coefficients": "{'c': 0.1}",
    "constants": "{'g': 9.8}",
    "forces": "{'q': \"-c*q'\"}",
    "neural": "{'V(q)': 'mlp(64, 64)'}",
    "observables": "{'height': '-cos(theta)'}",
}


class _TextLoader(importlib.abc.InspectLoader):
    """A loader of one module whose source is at hand."""

    def __init__(self, text: str, filename: str) -> None:
        self.text = text
        self.filename = filename

    def get_source(self, fullname: str) -> str:
        """The module text."""
        del fullname
        return self.text


def load_module(text: str, name: str) -> ModuleType:
    """The module of a generated text; tracebacks show its lines."""
    full_name = f"lagc_generated.{name}"
    loader = _TextLoader(text, f"<lagc {name}>")
    spec = importlib.machinery.ModuleSpec(full_name, loader, origin=loader.filename)
    module = importlib.util.module_from_spec(spec)
    linecache.cache[loader.filename] = (len(text), None, text.splitlines(True), loader.filename)
    loader.exec_module(module)
    return module


def load_source(source: Source) -> System:
    """A system from a source; warnings of the compiler become Python warnings."""
    compilation = compile_source(source)
    for diagnostic in compilation.warnings:
        warnings.warn(render_text(diagnostic), stacklevel=3)
    system: System = load_module(compilation.text, compilation.model.name).system
    return system


def load(path: str | os.PathLike[str]) -> System:
    """Compile and load a `.lag` file.

    Raises `LagcError` with every diagnostic for a model that is wrong.
    """
    return load_source(read_source(path))


def loads(
    text: str, name: str = "<string>", folder: str | os.PathLike[str] | None = None
) -> System:
    """Compile and load the text of a model; `name` is what diagnostics call it.

    folder: where the files that it uses are looked for; without one a `use` is refused (LAG231).
    Raises `LagcError` with every diagnostic for a model that is wrong.
    """
    if not isinstance(text, str):
        raise fail(Code.LAG510, f"the text of a model is a str, not {_kind(text)}")
    if text.endswith(".lag") and "\n" not in text:
        raise fail(Code.LAG510, f"`{text}` is the name of a file", help="read it with `lagc.load`")
    return load_source(Source(name, text, None if folder is None else os.fspath(folder)))


def compile(
    L: str,
    K: str = "",
    *,
    coordinates: Sequence[str],
    coefficients: Mapping[str, float | int | None] | None = None,
    constants: Mapping[str, float | int | str] | None = None,
    R: str = "",
    inputs: Sequence[str] = (),
    forces: Mapping[str, str] | None = None,
    neural: Mapping[str, str] | None = None,
    observables: Mapping[str, str] | None = None,
    index: str = "",
    name: str = "model",
) -> System:
    """A system from strings in the notation of the language.

    coordinates: declarations such as "q", "r[2]", "theta mod 2*pi"; coefficients: name -> default
    or None; neural: "V(q)" -> "mlp(64, 64)"; index: a lattice such as "i in 0..49 periodic", for
    coordinates such as "phi[i]". The pieces are put together to the text of a model, so
    what is wrong with them is reported as for a file.
    """
    for what, text in (("L", L), ("K", K), ("R", R), ("index", index), ("name", name)):
        if not isinstance(text, str):
            raise fail(Code.LAG510, f"{what} is a str in the language, not {_kind(text)}")
    for what, names in (("coordinates", coordinates), ("inputs", inputs)):
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            raise fail(Code.LAG510, f"{what} is a list of names, such as ['q']")
    _require_mappings(
        coefficients=coefficients,
        constants=constants,
        forces=forces,
        neural=neural,
        observables=observables,
    )
    lines = [_line("model", name)]
    lines += [_line("index", index)] if index else []
    lines += [_line("coordinate", c) for c in coordinates]
    lines += [_line("constant", k, v) for k, v in (constants or {}).items()]
    lines += [_line("coefficient", k, v) for k, v in (coefficients or {}).items()]
    lines += [_line("input", i) for i in inputs]
    lines += [_line("neural", k, v) for k, v in (neural or {}).items()]
    lines += [
        _line(symbol, "", text) for symbol, text in (("L", L), ("K", K), ("R", R)) if text.strip()
    ]
    lines += [_line("force", k, v) for k, v in (forces or {}).items()]
    lines += [_line("observable", k, v) for k, v in (observables or {}).items()]
    return load_source(Source("<lagc.compile>", "\n".join(lines) + "\n"))


def _require_mappings(**given: Any) -> None:
    for what, pieces in given.items():
        if pieces is None:
            continue
        if not isinstance(pieces, Mapping) or not all(isinstance(key, str) for key in pieces):
            raise fail(Code.LAG510, f"{what} is a dictionary of names, such as {_SUCH_AS[what]}")


def _kind(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def _line(keyword: str, subject: str, value: Any = None) -> str:
    if "\n" in subject or "\r" in subject:
        raise fail(Code.LAG102, f"a line break in the {keyword} {subject!r}")
    start = f"{keyword} {subject}".rstrip()
    if value is None:
        return start
    if not isinstance(value, str | Real):
        raise fail(Code.LAG510, f"{start}: {value!r} is not a number", help="give arrays to a run")
    text = value if isinstance(value, str) else repr(float(value))
    if isinstance(value, Integral) and not isinstance(value, bool):
        text = str(int(value))
    if "\n" in text.strip():  # brackets let an expression go on over line ends
        text = f"(\n{text}\n)"
    return f"{start} = {text.strip()}"
