"""Text to module text: the passes in order, each a value to the next.

Source -> ast.File -> Model -> NodeSystem -> Facts -> ModelPrograms -> module text
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sympy as sp

from lagc.analysis.facts import Facts, find_facts, find_lattice_facts
from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic, Diagnostics
from lagc.base.spans import Source, Span
from lagc.base.strategies import describe_choice
from lagc.base.version import __version__
from lagc.lower.lattice import lower_lattice
from lagc.lower.programs import ModelPrograms, lower
from lagc.mechanics.lattice import LatticeSystem, derive_lattice
from lagc.mechanics.nodesystem import NodeSystem, derive
from lagc.semantics.elaborate import elaborate
from lagc.semantics.model import Model
from lagc.semantics.model_units import ModelUnits
from lagc.semantics.notation import to_text
from lagc.semantics.settings import with_defaults
from lagc.semantics.units import check_units
from lagc.syntax import ast
from lagc.syntax.files import read_source as read_source
from lagc.syntax.files import with_used
from lagc.syntax.parser import parse
from lagc.syntax.printer import format_file

if TYPE_CHECKING:
    from lagc.analysis.lints import Findings

STAGES = ("ast", "model", "nodes", "facts", "program")


@dataclass(frozen=True)
class Compilation:
    """Everything that compiling one source gave."""

    source: Source
    file: ast.File
    model: Model
    nodes: NodeSystem | LatticeSystem
    facts: Facts
    programs: ModelPrograms
    warnings: tuple[Diagnostic, ...]
    units: ModelUnits | None = None

    @cached_property
    def text(self) -> str:
        """The module, written when it is first asked for: `check` does without."""
        from lagc.emit.module import emit_module

        units = self.units.texts() if self.units else {}
        return emit_module(self.nodes, self.facts, self.programs, __version__, units)

    @cached_property
    def findings(self) -> Findings:
        """What is found out about the model beyond what compiling it needs."""
        from lagc.analysis.lints import Findings

        return Findings(self.nodes)

    @property
    def strategy(self) -> str:
        """How steps will be solved."""
        model = self.model
        return describe_choice(
            [f.name for f in self.facts.items if f.holds],
            sum(c.size or 1 for c in model.coordinates),
            lattice=model.lattice is not None,
            turns=any(c.modulus is not None for c in model.coordinates),
        )


def compile_source(source: Source, defaults: Mapping[str, sp.Expr] | None = None) -> Compilation:
    """All passes; raises `LagcError` with everything that could be found wrong.

    defaults: values of coefficients that take the place of those in the source.
    """
    diagnostics = Diagnostics()
    file = parse(source, diagnostics)
    model, units = understand(file, source, diagnostics)
    model = with_defaults(model, defaults or {})
    nodes = derive_nodes(model, diagnostics)
    facts = analyse(nodes)
    programs = lower_nodes(nodes)
    warnings = tuple(diagnostics.warnings)
    return Compilation(source, file, model, nodes, facts, programs, warnings, units)


def remarks(compilation: Compilation) -> tuple[Diagnostic, ...]:
    """The warnings of the compiler and what the lints find, in the order of the text."""
    from lagc.analysis.coefficients import DROPS_OUT
    from lagc.analysis.lints import find_lints

    # A potential in K that looks like a missing prime is said to look like one, and no more; and
    # where declarations are not used, what stands only in them drops out.
    said = {d.span for d in compilation.warnings if d.code is Code.LAG252}
    unused = any(d.code is Code.LAG218 for d in compilation.warnings)
    found = find_lints(compilation.nodes, compilation.findings)
    new = [
        d
        for d in found
        if not (d.code is Code.LAG320 and d.span in said) and not (unused and d.help == DROPS_OUT)
    ]
    return tuple(Diagnostics([*compilation.warnings, *new]).in_source_order())


def understand(
    file: ast.File, source: Source, diagnostics: Diagnostics
) -> tuple[Model, ModelUnits | None]:
    """The model, and its units if it has any; raises `LagcError`."""
    whole, used = with_used(file, source, diagnostics)
    model = elaborate(whole, source, used, diagnostics)
    units = check_units(whole, model, diagnostics)
    diagnostics.raise_if_errors()
    return model, units


def derive_nodes(model: Model, diagnostics: Diagnostics) -> NodeSystem | LatticeSystem:
    """The equations of motion, component by component or at a generic site of the lattice."""
    if model.lattice is not None:
        return derive_lattice(model, model.lattice, diagnostics)
    return derive(model, diagnostics)


def analyse(nodes: NodeSystem | LatticeSystem) -> Facts:
    """The facts of a model."""
    if isinstance(nodes, LatticeSystem):
        return find_lattice_facts(nodes)
    return find_facts(nodes)


def lower_nodes(nodes: NodeSystem | LatticeSystem) -> ModelPrograms:
    """The programs of a model."""
    return lower_lattice(nodes) if isinstance(nodes, LatticeSystem) else lower(nodes)


def dump(source: Source, stage: str, defaults: Mapping[str, sp.Expr] | None = None) -> str:
    """The value after a pass as text; passes after it are not run."""
    diagnostics = Diagnostics()
    file = parse(source, diagnostics)
    if stage == "ast":
        diagnostics.raise_if_errors()
        return format_file(file)
    model, _ = understand(file, source, diagnostics)
    model = with_defaults(model, defaults or {})
    if stage == "model":
        return _as_text(model)
    nodes = derive_nodes(model, diagnostics)
    if stage == "nodes":
        return _as_text(nodes, skip=("model", "instance"))
    if stage == "facts":
        return _as_text(analyse(nodes))
    return "\n\n".join(str(program) for program in lower_nodes(nodes).all())


def _as_text(value: Any, skip: tuple[str, ...] = (), indent: str = "") -> str:
    """A frozen dataclass as an indented listing; spans as line and column."""
    deeper = indent + "  "
    if isinstance(value, Source):
        return value.name
    if isinstance(value, Span):
        return f"{value.line}:{value.column}"
    if is_dataclass(value) and not isinstance(value, type):
        shown = [f.name for f in fields(value) if f.name not in skip]
        lines = [f"{deeper}{n}: {_as_text(getattr(value, n), skip, deeper)}" for n in shown]
        return "\n".join([type(value).__name__, *lines])
    if isinstance(value, tuple):
        if not value:
            return "()"
        return "".join(f"\n{deeper}- {_as_text(item, skip, deeper + '  ')}" for item in value)
    if hasattr(value, "free_symbols"):
        return to_text(value)
    return str(value)
