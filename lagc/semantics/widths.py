"""Whether an expression is positive, whatever the coefficients within their bounds."""

from __future__ import annotations

import sympy as sp

from lagc.semantics.lattices import with_numbers
from lagc.semantics.names import Scope
from lagc.semantics.sites import without_marks


def is_positive(scope: Scope, e: sp.Expr) -> bool | None:
    """Whether an expression is seen to be positive; False if it is seen not to be."""
    value = without_marks(with_numbers(scope, _along(scope, e)))
    found = [value.xreplace(known).is_positive for known in _extremes(scope, value)]
    if True in found:
        return True
    return False if False in found else None


def _along(scope: Scope, value: sp.Expr) -> sp.Expr:
    """The constants that vary along the lattice as functions of the index."""
    lattice = scope.lattice
    if lattice is None:
        return value
    varying: dict[sp.Symbol, sp.Expr] = {}
    for symbol, place in lattice.places(value):
        definition = scope.constants.get(place.name)
        if definition is not None:
            varying[symbol] = lattice.moved(definition, place.shift)
    return value.xreplace(varying)


def _extremes(scope: Scope, value: sp.Expr) -> list[dict[sp.Symbol, sp.Expr]]:
    """Symbols as what they may be: seen from their lower bounds, and from their upper ones."""
    below: dict[sp.Symbol, sp.Expr] = {}
    above: dict[sp.Symbol, sp.Expr] = {}
    lattice = scope.lattice
    for symbol in value.free_symbols:
        place = None if lattice is None else lattice.place(symbol)
        below[symbol] = above[symbol] = sp.Dummy(real=True)
        if lattice is not None and place is not None and not place.base:  # number of a site
            below[symbol] = lattice.first + _distance(False)
            above[symbol] = lattice.last - _distance(False)
        c = scope.coefficients.get(symbol.name if place is None else place.name)
        if c is not None and c.lower is not None:
            below[symbol] = above[symbol] = c.lower + _distance(c.lower_open)
        if c is not None and c.upper is not None:
            above[symbol] = c.upper - _distance(c.upper_open)
    return [below, above]


def _distance(open_end: bool) -> sp.Expr:
    """How far from a bound a coefficient lies: more than zero where the bound is excluded."""
    return sp.Dummy(positive=True) if open_end else sp.Dummy(nonnegative=True)
