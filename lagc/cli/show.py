"""The text of `lagc show`: a model as understood, in words and equations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp

from lagc.driver import Compilation
from lagc.mechanics.lattice import LatticeSystem, at_generic_site
from lagc.mechanics.nodesystem import (
    NodeSystem,
    acceleration_symbols,
    differentiation,
    partial_time,
)
from lagc.semantics.model import Coefficient
from lagc.semantics.notation import number_text, range_text, to_latex, to_text


def describe(compilation: Compilation, latex: bool) -> str:
    """Everything a user may want to check by eye before trusting a model."""
    write: Callable[[sp.Expr], str] = to_latex if latex else to_text
    return "\n".join(_lines(compilation, write))


def _lines(c: Compilation, write: Callable[[sp.Expr], str]) -> Iterator[str]:
    model, nodes = c.model, c.nodes
    yield f"model {model.name}"
    yield ""
    lattice = model.lattice
    if lattice is not None:
        sites = f"{lattice.first}..{lattice.last} {lattice.ends}".rstrip()
        yield f"index        {lattice.index} in {sites}"
    along = f"[{lattice.index}]" if lattice else ""
    for coordinate in model.coordinates:
        size = along if coordinate.size is None else f"[{coordinate.size}]"
        period = "" if coordinate.modulus is None else f" mod {to_text(coordinate.modulus)}"
        yield f"coordinate   {coordinate.name}{size}{_unit(c, coordinate.name)}{period}"
    for constant in model.constants:
        name = constant.name + (along if constant.varies else "")
        unit = _unit(c, f"constant {constant.name}")
        yield f"constant     {name} = {number_text(constant.value)}{unit}"
    for coefficient in model.coefficients:
        name = coefficient.name + (along if coefficient.varies else "")
        unit = _unit(c, f"coefficient {coefficient.name}")
        yield f"coefficient  {name} in {range_text(coefficient)}{_default(coefficient)}{unit}"
    for signal in model.inputs:
        yield f"input        {signal.name}(t){_unit(c, f'input {signal.name}')}"
    for slot in model.neural:
        unit = _unit(c, f"neural {slot.name}")
        yield f"neural       {slot.name}: {slot.inputs} number(s) to one{unit}"
    if c.units is not None:
        yield f"time         t{_unit(c, 't')}"
    yield ""
    yield f"L{_unit(c, 'energy')} = {write(model.lagrangian)}"
    yield f"K{_unit(c, 'energy')} = {write(model.coupling)}"
    yield ""
    yield from _at_a_site(nodes, write) if isinstance(nodes, LatticeSystem) else _in_full(c, write)
    for observable in model.observables:
        unit = _unit(c, f"observable {observable.name}")
        yield f"observable  {observable.name}{unit} = {write(observable.value)}"
    yield ""
    yield "structure"
    for fact in c.facts.items:
        yield f"  {'yes' if fact.holds else 'no ':<4} {fact.name} ({fact.evidence})"
    yield f"strategy: {c.strategy}"
    if c.units is not None:
        yield c.units.summary()


def _unit(c: Compilation, key: str) -> str:
    """A unit in brackets, declared or inferred; nothing where there is none."""
    text = c.units.text(key) if c.units is not None else ""
    return f" [{text}]" if text else ""


def _in_full(c: Compilation, write: Callable[[sp.Expr], str]) -> Iterator[str]:
    """The equations component by component."""
    model, nodes = c.model, c.nodes
    assert isinstance(nodes, NodeSystem)
    yield "equations of motion, M q'' = f"
    for row, (label, rate) in enumerate(zip(model.labels, _forces(nodes), strict=True)):
        left = sp.Add(
            *[
                m * acceleration
                for m, acceleration in zip(nodes.b_v[row], acceleration_symbols(model), strict=True)
            ]
        )
        yield f"  [{label}]  {write(left)} = {write(rate)}"
    yield ""
    yield "momenta (with the part of K)"
    for dof, (label, momentum) in enumerate(zip(model.labels, nodes.b, strict=True)):
        unit = _unit(c, f"p[{model.coordinate_of(dof).name}]")
        yield f"  p[{label}]{unit} = {write(momentum)}"
    yield ""
    yield f"energy      E = {write(collected(nodes.energy))}"
    yield f"its rate    dE/dt = {write(collected(nodes.energy_rate))}"


def _at_a_site(system: LatticeSystem, write: Callable[[sp.Expr], str]) -> Iterator[str]:
    """The equations of a lattice at one site: d/dt b = a, and what acts at some sites beside it."""
    model, lattice = system.model, system.lattice
    columns = [at_generic_site(system, parts) for parts in (system.a, system.b)]
    yield f"equations of motion at the site {lattice.index}, d/dt p = f"
    for c, force, momentum in zip(model.coordinates, *columns, strict=True):
        for name, equation in (("f", force), ("p", momentum)):
            yield f"  {name}[{c.name}[{lattice.index}]] = {write(equation.everywhere)}"
            for first, last, extra in equation.elsewhere:
                many = f"for {lattice.index} in {first}..{last}"
                where = many if first != last else f"at {lattice.index} = {first}"
                yield f"      and {where}: {write(extra)}"
    if lattice.ends == "free":
        yield "  without the terms that reach beyond an end of the lattice"
    yield ""
    yield f"energy      E = {write(system.summed(system.energy))}"
    yield f"its rate    dE/dt = {write(system.summed(system.power))}"


def _forces(nodes: NodeSystem) -> Iterator[sp.Expr]:
    """a - b_q q' - b_t, what is left when M q'' is taken to the other side."""
    model = nodes.model
    derivative = differentiation(model)
    for row, a in enumerate(nodes.a):
        b = nodes.b[row]
        moved = [x * v for x, v in zip(nodes.b_q[row], model.variables(1), strict=True)]
        yield collected(a - sp.Add(*moved) - partial_time(model, b, derivative))


def collected(expression: sp.Expr) -> sp.Expr:
    """Products of sums written out, so that what cancels does; denominators and roots are kept."""
    kept = [p for p in expression.atoms(sp.Pow) if not (p.exp.is_Integer and p.exp > 0)]
    kept.sort(key=sp.default_sort_key)
    held = {power: sp.Symbol(f"kept {i}") for i, power in enumerate(kept)}
    expanded = sp.expand(expression.xreplace(held))
    return expanded.xreplace({symbol: power for power, symbol in held.items()})


def _default(coefficient: Coefficient) -> str:
    return "" if coefficient.default is None else f" = {number_text(coefficient.default)}"
