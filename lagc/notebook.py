"""Models in notebooks: `%load_ext lagc`, then cells that begin with `%%lag`.

The system of the cell is bound to the name after `%%lag`, or to that of the model; the cell shows
L, K and the equations of motion. What is wrong with a model is shown as diagnostics and stops the
notebook there.
"""

from __future__ import annotations

import keyword
import sys
from dataclasses import dataclass, field
from typing import Any

from lagc.base.codes import Severity
from lagc.base.diagnostics import LagcError
from lagc.base.render import render_all
from lagc.base.spans import Source
from lagc.driver import Compilation, compile_source, remarks
from lagc.loader import load_module
from lagc.presentation.latex import equations_latex
from lagc.presentation.text import equations_text


class CellError(LagcError):
    """What is wrong with the model of a cell."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [render_all(self)]


@dataclass(frozen=True)
class Equations:
    """L, K and the equations of motion of a compiled model, as notebooks show them."""

    compilation: Compilation = field(repr=False)

    def __repr__(self) -> str:
        return equations_text(self.compilation)

    def _repr_latex_(self) -> str:
        return equations_latex(self.compilation)


def register(shell: Any) -> None:
    """Add the magic `%%lag` to an IPython shell."""

    def lag(line: str, cell: str) -> Equations:
        """%%lag [NAME]: compile the model in this cell and bind its system to NAME."""
        return _run(shell, line.strip(), cell)

    shell.register_magic_function(lag, magic_kind="cell", magic_name="lag")


def _run(shell: Any, name: str, cell: str) -> Equations:
    from IPython.core.error import UsageError

    if name and not _is_variable(name):
        raise UsageError(f"%%lag {name}: not the name of a variable")
    try:
        compilation = compile_source(Source(f"<cell {shell.execution_count}>", cell))
    except LagcError as error:
        raise CellError(error.diagnostics) from None
    model = compilation.model.name
    if not name and not _is_variable(model):
        raise UsageError(f"`{model}` cannot name a variable; write %%lag NAME")
    warnings = [d for d in remarks(compilation) if d.severity is Severity.WARNING]
    if warnings:
        print(render_all(warnings), file=sys.stderr)
    shell.push({name or model: load_module(compilation.text, model).system})
    return Equations(compilation)


def _is_variable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)
