"""Models in notebooks: `%load_ext lagc`, then cells that begin with `%%lag`.

The system of the cell is bound to the name after `%%lag`, or to that of the model; the cell shows
L, K and the equations of motion. What is wrong with a model is shown as diagnostics and stops the
notebook there.
"""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from lagc.base.codes import Severity
from lagc.base.diagnostics import LagcError
from lagc.base.render import render_all
from lagc.base.spans import Source
from lagc.driver import Compilation, compile_source, remarks
from lagc.loader import load_module
from lagc.mechanics.lattice import LatticeSystem, at_generic_site
from lagc.semantics.notation import to_latex, to_text


class CellError(LagcError):
    """What is wrong with the model of a cell."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [render_all(self)]


@dataclass(frozen=True)
class _Row:
    """One line: the left side as text and in LaTeX, the right side, and the sites it holds for.

    Without a left side it is a further summand of the line above.
    """

    text: str
    latex: str
    value: sp.Expr
    sites: tuple[str, int, int] | None = None


@dataclass(frozen=True)
class Equations:
    """L, K and the equations of motion of a compiled model, as notebooks show them."""

    compilation: Compilation = field(repr=False)

    def __repr__(self) -> str:
        lines = []
        for row in self._rows():
            where = ""
            if row.sites is not None:
                index, first, last = row.sites
                where = (
                    f" for {index} in {first}..{last}"
                    if first != last
                    else f" at {index} = {first}"
                )
            left = f"{row.text} = " if row.text else f"    and{where}: "
            lines.append(left + to_text(row.value))
        return "\n".join([*lines, *self._remark()])

    def _repr_latex_(self) -> str:
        lines = []
        for row in self._rows():
            where = ""
            if row.sites is not None:
                index, first, last = row.sites
                range_ = f"{first}, \\dots, {last}" if first != last else str(first)
                where = f" \\qquad ({to_latex(sp.Symbol(index))} = {range_})"
            value = to_latex(row.value)
            lines.append(
                f"{row.latex} &= {value}"
                if row.latex
                else f"&\\quad {{}} + \\left( {value} \\right){where}"
            )
        lines += [f"&\\quad \\text{{{remark}}}" for remark in self._remark()]
        return "$$\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}$$"

    def _rows(self) -> Iterator[_Row]:
        model, nodes = self.compilation.model, self.compilation.nodes
        yield _Row("L", "L", model.lagrangian)
        yield _Row("K", "K", model.coupling)
        if isinstance(nodes, LatticeSystem):
            yield from _at_a_site(nodes)
            return
        for momentum, force in zip(nodes.b, nodes.a, strict=True):
            left = f"\\frac{{d}}{{dt}} \\left( {to_latex(momentum)} \\right)"
            yield _Row(f"d/dt({to_text(momentum)})", left, force)

    def _remark(self) -> list[str]:
        nodes = self.compilation.nodes
        free = isinstance(nodes, LatticeSystem) and nodes.lattice.ends == "free"
        return ["without the terms that reach beyond an end of the lattice"] if free else []


def _at_a_site(system: LatticeSystem) -> Iterator[_Row]:
    """Momentum and force of each field at one site, and what some sites have beside them."""
    index = system.lattice.index
    momenta, forces = (at_generic_site(system, parts) for parts in (system.b, system.a))
    for symbol, momentum, force in zip(system.model.variables(0), momenta, forces, strict=True):
        name = to_latex(symbol)
        for text, latex, equation in (
            (f"p[{symbol.name}]", f"p_{{{name}}}", momentum),
            (f"d/dt p[{symbol.name}]", f"\\dot{{p}}_{{{name}}}", force),
        ):
            yield _Row(text, latex, equation.everywhere)
            for first, last, extra in equation.elsewhere:
                yield _Row("", "", extra, (index, first, last))


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
