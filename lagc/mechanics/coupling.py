"""Checks of K, each with the summand at fault, and the physical limit.

Exchanging the histories changes the sign of every minus variable; K must change sign with it, and
vanish when they are zero (Galley 2013; Galley, Tsang & Stein 2014, sec. II).
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.mechanics.numeric import vanishes
from lagc.semantics import graphs
from lagc.semantics.derivatives import Differentiation
from lagc.semantics.model import Model, Term
from lagc.semantics.sites import Lattice, Place
from lagc.semantics.traits import NOT_REAL


def physical_limit(model: Model, expression: sp.Expr) -> sp.Expr:
    """q_- and q'_- set to zero, q_+ and q'_+ to q and q'."""
    lattice = model.lattice
    if lattice is not None:
        return lattice.renamed(expression, lambda place: _limit(lattice, place))
    return graphs.replaced(expression, limit_of_variables(model))


def limit_of_variables(model: Model) -> dict[sp.Symbol, sp.Expr]:
    """What every doubled variable becomes in the physical limit; not for a lattice."""
    replacement: dict[sp.Symbol, sp.Expr] = {}
    for primes in (0, 1):
        plain = model.variables(primes)
        replacement |= dict(zip(model.variables(primes, "+"), plain, strict=True))
        replacement |= dict.fromkeys(model.variables(primes, "-"), sp.Integer(0))
    return replacement


def _limit(lattice: Lattice, place: Place) -> sp.Expr:
    if place.base.endswith("_-"):
        return sp.Integer(0)
    base = place.base.removesuffix("_+")
    return lattice.at(base, place.shift) if place.site is None else lattice.fixed(base, place.site)


def minus_variables(model: Model) -> tuple[sp.Symbol, ...]:
    """All q_- and q'_-."""
    return (*model.variables(0, "-"), *model.variables(1, "-"))


def exchanged(model: Model, expression: sp.Expr) -> sp.Expr:
    """The expression with the two histories exchanged."""
    return graphs.replaced(expression, {s: -s for s in minus_variables(model)})


def check_coupling(model: Model, derivative: Differentiation, diagnostics: Diagnostics) -> None:
    """LAG301 and LAG302 where K is not a coupling, LAG303 where part of it is inert."""
    zero = dict.fromkeys(minus_variables(model), sp.Integer(0))

    def at_coincidence(e: sp.Expr) -> sp.Expr:
        return graphs.replaced(e, zero)

    def even_part(e: sp.Expr) -> sp.Expr:
        return e + exchanged(model, e)

    for term in model.coupling_terms:
        if NOT_REAL.intersection(graphs.parts(at_coincidence(term.value))) - {sp.I}:
            diagnostics.add(
                Code.LAG301,
                "K has no value in the physical limit, where every minus variable is zero",
                term.span,
                label="a division by zero, or the like, there",
                help="every term of K has a factor such as `q_-` and is smooth where that is zero",
            )
    if diagnostics.errors:
        return
    for term in _at_fault(model, at_coincidence):
        diagnostics.add(
            Code.LAG301,
            "K does not vanish in the physical limit, where every minus variable is zero",
            term.span,
            label=_missing_minus(term),
            help="every term of K has a factor such as `q_-`; a term without one belongs in L",
        )
    if diagnostics.errors:
        return
    for term in _at_fault(model, even_part):
        diagnostics.add(
            Code.LAG302,
            "K is not antisymmetric: it does not change sign when the histories are exchanged",
            term.span,
            label="this part is even in the minus variables and reaches no equation of motion",
            help="terms of K are odd in the minus variables, as a rule linear in them",
        )
    if diagnostics.errors:
        return
    for term in _at_fault(model, lambda e: e - linear_part(model, e, derivative)):
        diagnostics.add(
            Code.LAG303,
            "this term has a part of third or higher order in the minus variables",
            term.span,
            label="inert: it does not reach the equations of motion"
            if vanishes(model, linear_part(model, term.value, derivative)) is True
            else "that part is inert: it does not reach the equations of motion",
        )


def linear_part(model: Model, coupling: sp.Expr, derivative: Differentiation) -> sp.Expr:
    """The part of K that reaches the equations of motion: Q.q_- + kappa.q'_-."""
    zero = dict.fromkeys(minus_variables(model), sp.Integer(0))
    slopes = [(s, derivative.everywhere(coupling, s)) for s in minus_variables(model)]
    return sp.Add(*[graphs.replaced(slope, zero) * s for s, slope in slopes if slope != 0])


def _at_fault(model: Model, defect: Callable[[sp.Expr], sp.Expr]) -> list[Term]:
    """The summands with a non-zero defect, if the defect of K as a whole is not zero."""
    if vanishes(model, defect(model.coupling)) in (True, None):
        return []
    return [t for t in model.coupling_terms if vanishes(model, defect(t.value)) is False]


def _missing_minus(term: Term) -> str:
    has_minus = any(s.name.split("[")[0].endswith("_-") for s in graphs.symbols(term.value))
    return "" if has_minus else "there is no minus variable in this term"
