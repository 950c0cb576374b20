"""`--initial`: the initial values of a model replaced on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, fail
from lagc.base.spans import Source
from lagc.cli import common

if TYPE_CHECKING:
    from lagc.driver import Compilation
    from lagc.runtime import System
    from lagc.semantics.sites import Lattice


def with_initial(system: System, compilation: Compilation, text: str | None) -> System:
    """The system with the values of `--initial` in place of the model's own."""
    from dataclasses import replace

    values = dict(system.spec.initial)
    if text is not None:
        from lagc.lower.lowering import nearest_double
        from lagc.semantics.constants import ConstantReader
        from lagc.semantics.lines import read_assignments
        from lagc.semantics.settings import constants_of
        from lagc.semantics.units import check_given
        from lagc.syntax.parser import parse_assignments

        diagnostics = Diagnostics()
        given = parse_assignments(Source("<--initial>", text), diagnostics)
        check_given(given, compilation.model, compilation.units, diagnostics)
        if diagnostics.errors:
            raise common.OptionError(diagnostics.in_source_order())
        reader = ConstantReader(constants_of(compilation.model), diagnostics)
        found = read_assignments(given, compilation.model.coordinates, reader)
        if diagnostics.errors:
            raise common.OptionError(diagnostics.in_source_order())
        _require_single_sites(compilation.model.lattice, [label for label, _ in found])
        new = {label: nearest_double(value) for label, value in found}
        # A momentum given here takes the place of the model's velocities, and the other way round.
        replaced: tuple[str, ...] = ()
        if any(label in new for label in system.spec.momentum_labels):
            replaced = system.spec.velocity_labels
        elif any(label in new for label in system.spec.velocity_labels):
            replaced = system.spec.momentum_labels
        values = {k: v for k, v in values.items() if k not in replaced} | new
    spec = replace(system.spec, initial=values)
    return type(system)(spec, system.kernels)


def _require_single_sites(lattice: Lattice | None, labels: list[str]) -> None:
    """Fields as a whole are given in the model, where functions of the index are compiled."""
    for label in labels:
        if lattice is not None and f"[{lattice.index}]" in label:
            raise fail(
                Code.LAG510,
                f"--initial: `{label}` stands for every site",
                help=f"write `initial {label} = ...` in the model; single sites can be given here",
            )
