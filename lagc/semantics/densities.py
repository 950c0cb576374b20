"""Contributions of a lattice model as densities, each with the sites it is summed over.

L, K and R are sums of densities that couple nearby sites. What stands outside every sum, such as a
boundary term in `phi[0]`, is a density on a single site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Span
from lagc.semantics.lattices import additive_terms, has_fields
from lagc.semantics.model import Term
from lagc.semantics.names import Scope
from lagc.semantics.sites import FARTHEST, Lattice, Place, SiteSum


class NotLocal(Exception):
    """A contribution couples sites that are not near to each other."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


def densities(scope: Scope, lattice: Lattice, term: Term, diagnostics: Diagnostics) -> list[Term]:
    """The densities of a contribution; LAG221 where it is not local."""
    found: dict[tuple[int, int], list[sp.Expr]] = {}
    try:
        for part in additive_terms(scope, term.value):
            density, sites = _density(scope, lattice, part)
            found.setdefault(sites, []).append(density)
    except NotLocal as error:
        diagnostics.add(Code.LAG221, str(error), term.span, help=error.help)
        return []
    return [Term(sp.Add(*parts), term.span, sites) for sites, parts in found.items()]


def _density(scope: Scope, lattice: Lattice, e: sp.Expr) -> tuple[sp.Expr, tuple[int, int]]:
    factors = sp.Mul.make_args(e)
    sums = [x for x in factors if isinstance(x, SiteSum)]
    others = sp.Mul(*[x for x in factors if x not in sums])
    if len(sums) > 1 or others.has(SiteSum) or (sums and has_fields(scope, others)):
        raise NotLocal(
            "this couples every site to every other: a sum enters other than linearly",
            "a contribution is a sum of densities, `sum(i, ...)`, with factors that do not depend "
            "on the fields",
        )
    if not sums:
        return _at_one_site(scope, lattice, e)
    _require_local(scope, lattice, sums[0].body, "inside a sum")
    return others * sums[0].body, sums[0].sites


def _require_local(scope: Scope, lattice: Lattice, density: sp.Expr, where: str) -> None:
    places = lattice.places(density)
    pinned = [s for s, p in places if p.site is not None and p.name in scope.coordinates]
    if pinned:
        raise NotLocal(
            f"`{pinned[0].name}` {where} couples one site to all others",
            "write the site relative to the index, `phi[i+1]`, or take the term out of the sum",
        )


def _at_one_site(scope: Scope, lattice: Lattice, e: sp.Expr) -> tuple[sp.Expr, tuple[int, int]]:
    """A term in fields at given sites, as a density on one of them."""
    sites = sorted({p.site for _, p in lattice.places(e) if p.site is not None})
    if not sites:
        return e, (lattice.first, lattice.first)
    anchor = sites[0]
    if lattice.periodic:  # the shortest way round begins behind the largest gap
        gaps = [(b - a) % lattice.size for a, b in zip([sites[-1], *sites], sites, strict=False)]
        anchor = sites[max(range(len(sites)), key=lambda k: gaps[k])]

    def relative(place: Place) -> sp.Expr:
        if place.site is None:
            return lattice.at(place.base, place.shift)
        shift = place.site - anchor
        return lattice.at(place.base, shift % lattice.size if lattice.periodic else shift)

    density = lattice.renamed(e, relative)
    farthest = max((p.shift for _, p in lattice.places(density)), default=0)
    if farthest > FARTHEST:
        raise NotLocal(
            f"this couples sites {farthest} apart; at most {FARTHEST} can be compiled",
            "the sites of a lattice are coupled to others nearby; a ring is declared `periodic`",
        )
    return density, (anchor, anchor)


def field_symbols(scope: Scope, lattice: Lattice, e: sp.Expr, primes: int) -> list[Place]:
    """Where a density depends on q (primes 0) or q' (1): the places of plain fields."""
    return [
        place
        for _, place in lattice.places(e)
        if place.name in scope.coordinates and place.base == place.name + "'" * primes
    ]


def doubled(scope: Scope, lattice: Lattice, e: sp.Expr) -> sp.Expr:
    """Fields replaced by those of the physical history, phi by phi_+."""

    def rename(place: Place) -> sp.Expr:
        base = place.base + "_+" if place.name in scope.coordinates else place.base
        if place.site is not None:
            return lattice.fixed(base, place.site)
        return lattice.at(base, place.shift)

    return lattice.renamed(e, rename)


def rayleigh(
    scope: Scope,
    lattice: Lattice,
    term: Term,
    derivative: Callable[[Term, sp.Symbol], sp.Expr],
) -> Iterator[Term]:
    """K += -dR/dv(q_+, q'_+) q_-, for every velocity in a density of R."""
    for place in field_symbols(scope, lattice, term.value, 1):
        slope = derivative(term, lattice.at(place.base, place.shift))
        if slope != 0:
            minus = lattice.at(place.name + "_-", place.shift)
            yield replace(term, value=-doubled(scope, lattice, slope) * minus)


def force_density(
    scope: Scope, lattice: Lattice, name: str, value: sp.Expr, sites: tuple[int, int], span: Span
) -> Term:
    """K += F(q_+, q'_+) q_- at each of the sites; raises `NotLocal`."""
    _require_local(scope, lattice, value, "in a force on every site")
    minus = lattice.at(name + "_-", 0)
    return Term(doubled(scope, lattice, value) * minus, span, sites)
