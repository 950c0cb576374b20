"""What is suspicious in a model that stands: warnings, and notes that are no complaint.

None of it is needed to compile a model, so it is found only where somebody reads it. On a lattice
everything is settled on the model written out on few sites.
"""

from __future__ import annotations

from functools import cached_property

import sympy as sp

from lagc.analysis.coefficients import warn_of_coefficients
from lagc.analysis.conservative import warn_of_potential_forces
from lagc.analysis.identifiability import Identifiability, identify
from lagc.analysis.idle import warn_of_total_derivatives
from lagc.analysis.motion import Motion
from lagc.analysis.pumping import warn_of_pumping
from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic, Diagnostics
from lagc.base.spans import Span
from lagc.mechanics.degeneracy import is_singular
from lagc.mechanics.lattice import LatticeSystem
from lagc.mechanics.nodesystem import NodeSystem
from lagc.semantics import graphs
from lagc.semantics.model import Model

_LARGEST_COUPLING = 800  # nodes; what is larger is not looked at, so that nobody waits
_LARGEST_LAGRANGIAN = 2000
_MOST_IN_MATRIX = 8  # components of which the mass matrix is looked at
_MOST_NAMED = 6  # components that a note lists


class Findings:
    """What several readers of a model ask for, found once: `motion` and `identifiability`."""

    def __init__(self, system: NodeSystem | LatticeSystem) -> None:
        self.system = system
        nodes = system.instance if isinstance(system, LatticeSystem) else system
        self.motion = Motion(nodes.model)

    @cached_property
    def identifiability(self) -> Identifiability | None:
        """What recordings can fix of the coefficients; None where that is not settled."""
        return identify(self.system, self.motion)


def find_lints(system: NodeSystem | LatticeSystem, findings: Findings) -> tuple[Diagnostic, ...]:
    """Warnings and notes about a model, in the order of the text."""
    lattice = isinstance(system, LatticeSystem)
    nodes = system.instance if isinstance(system, LatticeSystem) else system
    motion, found, idle = findings.motion, Diagnostics(), set[Span]()
    model = nodes.model
    if sum(graphs.size(term.value) for term in model.coupling_terms) <= _LARGEST_COUPLING:
        idle |= warn_of_potential_forces(motion, found, lattice=lattice)
        warn_of_pumping(system.model, motion, nodes.lagrangian, found)
    if sum(graphs.size(term.value) for term in model.lagrangian_terms) <= _LARGEST_LAGRANGIAN:
        idle |= warn_of_total_derivatives(motion, found, lattice=lattice)
    if findings.identifiability is not None:
        warn_of_coefficients(system.model, findings.identifiability, idle, found)
    if not lattice:
        _warn_of_terms_that_are_zero(model, found)
        _warn_of_singular_mass(nodes, found)
    _note_conserved_momenta(nodes, found)
    return tuple(found.in_source_order())


def _warn_of_terms_that_are_zero(model: Model, diagnostics: Diagnostics) -> None:
    """LAG322 for what is written and comes to nothing, as 0*q^4 does."""
    terms = (*model.lagrangian_terms, *model.coupling_terms)
    active = {term.span for term in terms if term.value != 0}  # of a vector, some components
    for span in dict.fromkeys(term.span for term in terms if term.span not in active):
        diagnostics.add(Code.LAG322, "this term is zero", span, label="has no effect on anything")


def _warn_of_singular_mass(nodes: NodeSystem, diagnostics: Diagnostics) -> None:
    """LAG253 for every coefficient that may be 0, where no mass is left without it."""
    masses = [e for row in nodes.b_v for e in row]
    involved = graphs.symbols(*masses)
    if len(nodes.b_v) > _MOST_IN_MATRIX:
        return
    for c in nodes.model.coefficients:
        bounded = c.lower is not None or c.upper is not None
        if c.symbol not in involved or not (c.default == 0 or bounded):
            continue
        if not c.admits(sp.Integer(0)):
            continue
        without = graphs.Replacing({c.symbol: sp.Integer(0)})
        if is_singular(nodes.model, [[without(e) for e in row] for row in nodes.b_v]):
            diagnostics.add(
                Code.LAG253,
                f"the mass matrix is singular where `{c.name}` is 0",
                c.span,
                label="its default is 0" if c.default == 0 else "its bounds include 0",
                help=f"leave 0 out, for instance `coefficient {c.name} > 0`",
            )


def _note_conserved_momenta(nodes: NodeSystem, diagnostics: Diagnostics) -> None:
    """LAG327 for every coordinate that a is zero for, of all its components together."""
    start = 0
    for c in nodes.model.coordinates:
        labels = [s.name for s in c.symbols(0, "")]
        free = [label for k, label in enumerate(labels, start) if nodes.a[k] == 0]
        start += len(labels)
        if not free or (c.index and len(free) < len(labels)):
            continue
        names = [f"{c.name}[{c.index}]"] if c.index else free
        if len(names) > _MOST_NAMED:
            diagnostics.add(
                Code.LAG327,
                f"nothing depends on {len(names)} components of `{c.name}`, the first of them "
                f"`{names[0]}`: their momenta are conserved",
                c.span,
            )
            continue
        momenta = ", ".join(f"p[{name}]" for name in names)
        diagnostics.add(
            Code.LAG327,
            f"nothing depends on {', '.join(f'`{name}`' for name in names)}: {momenta} "
            f"{'is' if len(names) == 1 else 'are'} conserved",
            c.span,
        )
