"""The document of a compiled model: L and K, equations, momenta, energy, symmetries, the step."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sympy as sp

from lagc.analysis.balance import energy_balance
from lagc.analysis.motion import Motion, collected, is_force_statement
from lagc.analysis.symmetries import Symmetry, find_symmetries, momentum_symbol
from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.base.spans import Span
from lagc.driver import Compilation
from lagc.mechanics.ends import at_sites
from lagc.mechanics.lattice import LatticeSystem, Parts
from lagc.mechanics.nodesystem import NodeSystem
from lagc.presentation.document import Document, Equation, Rate, Row, Section, Words
from lagc.presentation.step import step_section
from lagc.semantics import graphs
from lagc.semantics.model import Coefficient
from lagc.semantics.notation import law_text, number_text, range_text, to_text
from lagc.semantics.sites import Lattice

_L, _K, _E = sp.symbols("L K E")
_DEFAULT_ORDER = 4
_MOST_SHOWN = 200_000  # operations of the equations of a model, written out


def describe(compilation: Compilation, order: int | None = None) -> Document:
    """Everything a user may want to check by eye before trusting a model.

    order: of the integrator, even; by default that of the `run` line, or 4.
    """
    require_short(compilation)
    model, nodes = compilation.model, compilation.nodes
    order = order or model.run.order or _DEFAULT_ORDER
    sections = (
        Section("declarations", "Declarations", tuple(_declarations(compilation))),
        lagrangian_section(compilation),
        motion_section(compilation),
        momenta_section(compilation),
        Section("energy", "Energy and its balance", tuple(_energy(compilation))),
        Section("observables", "Observables", tuple(_observables(compilation))),
        Section("symmetries", "Symmetries of L", tuple(_symmetries(nodes))),
        Section("step", f"One step of order {order}", step_section(order, tuple(_nodes(nodes)))),
        Section("structure", "Structure", tuple(_structure(compilation))),
    )
    return Document(model.name, tuple(s for s in sections if s.rows))


def require_short(compilation: Compilation) -> None:
    """LAG108 for what nobody could read, and what would take minutes to write.

    The derivatives of `let`s that hold one another share their parts when they are computed, and
    are written without that.
    """
    nodes, model = compilation.nodes, compilation.model
    system = nodes.instance if isinstance(nodes, LatticeSystem) else nodes
    rows = (*system.b_q, *system.b_v)
    shown = (*system.a, *system.b, *(x for row in rows for x in row), system.energy_rate)
    operations = sum(map(graphs.size, shown))
    if operations > _MOST_SHOWN:
        longest = max(model.lagrangian_terms, key=lambda term: graphs.size(term.value))
        raise fail(
            Code.LAG108,
            f"the equations are too long to be shown: {operations} operations, written out",
            longest.span,
            help=f"at most {_MOST_SHOWN} are shown; `lagc check` and `lagc run` do not write "
            "them out",
        )


def lagrangian_section(compilation: Compilation) -> Section:
    """L and K."""
    model = compilation.model
    remark = _unit(compilation, "energy").strip()
    rows = (Equation(_L, model.lagrangian, remark), Equation(_K, model.coupling, remark))
    return Section("lagrangian", "Lagrangian and coupling", rows)


def motion_section(compilation: Compilation) -> Section:
    """The equations of motion: M q'' = f, on a lattice d/dt p = f at a site."""
    nodes = compilation.nodes
    if isinstance(nodes, LatticeSystem):
        rows = tuple(_of_fields(nodes, nodes.a, "d/dt p"))
        return Section("motion", f"Equations of motion at the site {nodes.lattice.index}", rows)
    return Section("motion", "Equations of motion", tuple(_accelerations(nodes)))


def momenta_section(compilation: Compilation) -> Section:
    """The nonconservative momenta."""
    return Section("momenta", "Momenta, with the part of K", tuple(_momenta(compilation)))


def equations(compilation: Compilation) -> list[Row]:
    """What a notebook shows: L, K and the equations of motion, with the momenta they speak of."""
    require_short(compilation)
    sections = [lagrangian_section(compilation), motion_section(compilation)]
    if isinstance(compilation.nodes, LatticeSystem):
        sections.insert(1, momenta_section(compilation))
    return [row for section in sections for row in section.rows]


def _declarations(c: Compilation) -> Iterator[Words]:
    model, lattice = c.model, c.model.lattice
    if lattice is not None:
        sites = f"{lattice.first}..{lattice.last} {lattice.ends}".rstrip()
        yield Words(("index", f"{lattice.index} in {sites}"))
    along = f"[{lattice.index}]" if lattice else ""
    for coordinate in model.coordinates:
        size = along if coordinate.size is None else f"[{coordinate.size}]"
        period = "" if coordinate.modulus is None else f" mod {to_text(coordinate.modulus)}"
        yield Words(("coordinate", f"{coordinate.name}{size}{_unit(c, coordinate.name)}{period}"))
    for constant in model.constants:
        name = constant.name + (along if constant.varies else "")
        unit = _unit(c, f"constant {constant.name}")
        yield Words(("constant", f"{name} = {number_text(constant.value)}{unit}"))
    for coefficient in model.coefficients:
        name = coefficient.name + (along if coefficient.varies else "")
        declared = f"{name} in {range_text(coefficient)}{_default(coefficient)}"
        law = "" if coefficient.prior is None else f" ~ {law_text(coefficient.prior)}"
        unit = _unit(c, f"coefficient {coefficient.name}")
        yield Words(("coefficient", declared + law + unit))
    for signal in model.inputs:
        yield Words(("input", f"{signal.name}(t){_unit(c, f'input {signal.name}')}"))
    for slot in model.neural:
        numbers = "1 number" if slot.inputs == 1 else f"{slot.inputs} numbers"
        unit = _unit(c, f"neural {slot.name}")
        widths = "".join(f"{width}, " for width in slot.widths)
        options = f"activation = {slot.activation}, output = {slot.output}"
        yield Words(("neural", f"{slot.name}: {numbers} to one, mlp({widths}{options}){unit}"))
    if c.units is not None:
        yield Words(("time", f"t{_unit(c, 't')}"))


def _unit(c: Compilation, key: str) -> str:
    """A unit in brackets, declared or inferred; nothing where there is none."""
    text = c.units.text(key) if c.units is not None else ""
    return f" [{text}]" if text else ""


def _accelerations(nodes: NodeSystem) -> Iterator[Equation]:
    """M q'' = a - b_q q' - b_t."""
    motion = Motion(nodes.model)
    q_dot, acceleration = motion.orders[1], motion.orders[2]
    for row, (a, b) in enumerate(zip(nodes.a, nodes.b, strict=True)):
        left = [m * x for m, x in zip(nodes.b_v[row], acceleration, strict=True)]
        moved = [x * v for x, v in zip(nodes.b_q[row], q_dot, strict=True)]
        yield Equation(sp.Add(*left), collected(a - sp.Add(*moved) - motion.partial_time(b)))


def _of_fields(system: LatticeSystem, parts: Parts, what: str) -> Iterator[Row]:
    """The equation of every field inside, what acts at some sites beside it, and at the ends.

    what: `a`, `p` or `d/dt p`, which stands on the left.
    """
    lattice = system.lattice
    for c, equation in zip(system.model.coordinates, at_sites(system, parts), strict=True):

        def left(site: int | str, name: str = c.name) -> sp.Expr:
            label = f"{name}[{site}]"
            if what == "a":
                return sp.Symbol(f"a[{label}]")
            momentum = momentum_symbol(label)
            return Rate(momentum) if what == "d/dt p" else momentum

        if equation.interior is not None:
            first, last, inside = equation.interior
            remark = _sites(lattice, first, last) if equation.ends else ""
            yield Equation(left(lattice.index), inside, remark)
        for first, last, extra in equation.elsewhere:
            yield Equation(extra, None, f"in addition {_sites(lattice, first, last)}")
        for site, whole in equation.ends:
            yield Equation(left(site), whole, _sites(lattice, site, site))


def _sites(lattice: Lattice, first: int, last: int) -> str:
    if first == last:
        return f"at {lattice.index} = {first}"
    return f"for {lattice.index} in {first}..{last}"


def _momenta(c: Compilation) -> Iterator[Row]:
    nodes = c.nodes
    if isinstance(nodes, LatticeSystem):
        yield from _of_fields(nodes, nodes.b, "p")
        return
    for dof, (label, momentum) in enumerate(zip(nodes.model.labels, nodes.b, strict=True)):
        unit = _unit(c, f"p[{nodes.model.coordinate_of(dof).name}]")
        yield Equation(momentum_symbol(label), momentum, unit.strip())


def _energy(c: Compilation) -> Iterator[Row]:
    """E, dE/dt and the parts of it, as far as there is more than one."""
    balance = energy_balance(c.nodes)
    yield Equation(_E, balance.energy, _unit(c, "energy").strip())
    yield Equation(Rate(_E), balance.rate)
    parts = [(balance.explicit_time, "by explicit time in L")] if balance.explicit_time else []
    parts += [(p.value, f"by `{_quoted(p.span)}`") for p in balance.powers]
    for k, (value, remark) in enumerate(parts if len(parts) > 1 else ()):
        yield Equation(sp.Symbol(f"P[{k + 1}]"), value, remark)


def _quoted(span: Span) -> str:
    """A summand as it is written, on one line, with its brackets and a minus sign before it."""
    text = " ".join(span.text.split())
    if is_force_statement(span):
        return text
    before = re.sub(r"#.*", "", span.source.text[: span.start]).rstrip()
    if before.endswith("("):
        text, before = f"({text})", before.rstrip("( \t\r\n")
    return f"-{text}" if before.endswith("-") else text


def _observables(c: Compilation) -> Iterator[Equation]:
    for observable in c.model.observables:
        unit = _unit(c, f"observable {observable.name}")
        yield Equation(sp.Symbol(observable.name), observable.value, unit.strip())


def _symmetries(nodes: NodeSystem | LatticeSystem) -> Iterator[Row]:
    for symmetry in find_symmetries(nodes):
        yield from _symmetry(symmetry)


def _symmetry(symmetry: Symmetry) -> Iterator[Row]:
    kind = "translation in time" if symmetry.kind == "time" else symmetry.kind
    if symmetry.conserved:
        yield Equation(symmetry.name, None, f"conserved: {kind}")
    elif symmetry.kind == "time":
        yield Equation(symmetry.name, None, f"{kind}, broken by K: the balance is above")
    else:
        yield Equation(Rate(symmetry.name), symmetry.rate, f"{kind}, broken by K")


def _nodes(nodes: NodeSystem | LatticeSystem) -> Iterator[Row]:
    """The node function a; b are the momenta."""
    if isinstance(nodes, LatticeSystem):
        yield from _of_fields(nodes, nodes.a, "a")
        return
    for label, a in zip(nodes.model.labels, nodes.a, strict=True):
        yield Equation(sp.Symbol(f"a[{label}]"), collected(a))


def _structure(compilation: Compilation) -> Iterator[Words]:
    for fact in compilation.facts.items:
        yield Words(("yes" if fact.holds else "no", fact.name, fact.evidence))
    yield Words(("strategy", compilation.strategy, ""))
    if compilation.units is not None:
        yield Words((compilation.units.summary(),))


def _default(coefficient: Coefficient) -> str:
    return "" if coefficient.default is None else f" = {number_text(coefficient.default)}"
