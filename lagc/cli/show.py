"""The text of `lagc show`: a model as understood, in words and equations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp

from lagc.driver import STRATEGY, Compilation
from lagc.mechanics.nodesystem import acceleration_symbols
from lagc.semantics.model import TIME, Coefficient
from lagc.semantics.notation import number_text, to_latex, to_text


def describe(compilation: Compilation, latex: bool) -> str:
    """Everything a user may want to check by eye before trusting a model."""
    write: Callable[[sp.Expr], str] = to_latex if latex else to_text
    return "\n".join(_lines(compilation, write))


def _lines(c: Compilation, write: Callable[[sp.Expr], str]) -> Iterator[str]:
    model, nodes = c.model, c.nodes
    yield f"model {model.name}"
    yield ""
    for coordinate in model.coordinates:
        size = "" if coordinate.size is None else f"[{coordinate.size}]"
        period = "" if coordinate.modulus is None else f" mod {to_text(coordinate.modulus)}"
        yield f"coordinate   {coordinate.name}{size}{period}"
    for constant in model.constants:
        yield f"constant     {constant.name} = {number_text(constant.value)}"
    for coefficient in model.coefficients:
        yield f"coefficient  {coefficient.name} in {_range(coefficient)}{_default(coefficient)}"
    for signal in model.inputs:
        yield f"input        {signal.name}(t)"
    for slot in model.neural:
        yield f"neural       {slot.name}: {slot.inputs} number(s) to one"
    yield ""
    yield f"L = {write(nodes.lagrangian)}"
    yield f"K = {write(model.coupling)}"
    yield ""
    yield "equations of motion, M q'' = f"
    for row, (label, rate) in enumerate(zip(model.labels, _forces(c), strict=True)):
        left = sp.Add(
            *[
                m * acceleration
                for m, acceleration in zip(nodes.b_v[row], acceleration_symbols(model), strict=True)
            ]
        )
        yield f"  [{label}]  {write(left)} = {write(rate)}"
    yield ""
    yield "momenta (with the part of K)"
    for label, momentum in zip(model.labels, nodes.b, strict=True):
        yield f"  p[{label}] = {write(momentum)}"
    yield ""
    yield f"energy      E = {write(collected(nodes.energy))}"
    yield f"its rate    dE/dt = {write(collected(nodes.energy_rate))}"
    for observable in model.observables:
        yield f"observable  {observable.name} = {write(observable.value)}"
    yield ""
    yield "structure"
    for fact in c.facts.items:
        yield f"  {'yes' if fact.holds else 'no ':<4} {fact.name} ({fact.evidence})"
    yield f"strategy: {STRATEGY}"


def _forces(c: Compilation) -> Iterator[sp.Expr]:
    """a - b_q q' - b_t, what is left when M q'' is taken to the other side."""
    model, nodes = c.model, c.nodes
    for row, a in enumerate(nodes.a):
        b = nodes.b[row]
        drift = [b.diff(i.symbol) * sp.Symbol(f"{i.name}'") for i in model.inputs]
        moved = [x * v for x, v in zip(nodes.b_q[row], model.variables(1), strict=True)]
        yield collected(a - sp.Add(*moved) - b.diff(TIME) - sp.Add(*drift))


def collected(expression: sp.Expr) -> sp.Expr:
    """Products of sums written out, so that what cancels does; denominators and roots are kept."""
    kept = [p for p in expression.atoms(sp.Pow) if not (p.exp.is_Integer and p.exp > 0)]
    kept.sort(key=sp.default_sort_key)
    held = {power: sp.Symbol(f"kept {i}") for i, power in enumerate(kept)}
    expanded = sp.expand(expression.xreplace(held))
    return expanded.xreplace({symbol: power for power, symbol in held.items()})


def _range(coefficient: Coefficient) -> str:
    low = "-inf" if coefficient.lower is None else number_text(coefficient.lower)
    high = "inf" if coefficient.upper is None else number_text(coefficient.upper)
    left = "(" if coefficient.lower is None or coefficient.lower_open else "["
    right = ")" if coefficient.upper is None or coefficient.upper_open else "]"
    return f"{left}{low}, {high}{right}"


def _default(coefficient: Coefficient) -> str:
    return "" if coefficient.default is None else f" = {number_text(coefficient.default)}"
