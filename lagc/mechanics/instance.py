"""A lattice model written out on few sites, as an ordinary model.

Every check of the mechanics and every fact is settled on it. It has the same ends, the same sums
and the same coupled sites as the lattice; long stretches between the ends of sums are cut short.
What depends on the number of a site is evaluated at sites of the lattice itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import sympy as sp

from lagc.semantics import graphs
from lagc.semantics.model import Coefficient, Coordinate, Model, RoughCall, Term
from lagc.semantics.sites import Lattice, Place, shifts


def written_out(model: Model, lattice: Lattice) -> Model:
    """The ordinary model on the sites that `chosen_sites` keeps."""
    return _Instance(model, lattice).model()


def chosen_sites(model: Model, lattice: Lattice) -> tuple[int, ...]:
    """The sites of the small model: all around the ends of sums, few between."""
    terms = (*model.lagrangian_terms, *model.coupling_terms)
    ranges = {term.sites for term in terms if term.sites is not None}
    farthest = max((max(map(abs, _reach(lattice, t.value))) for t in terms), default=0)
    ends = sorted({lattice.first, lattice.last, *(site for r in ranges for site in r)})
    stretches = [high - low for low, high in pairwise(ends)]
    widest = stretches.index(max(stretches))
    gap = 2 * (farthest + 1)
    if lattice.periodic and ranges <= {(lattice.first, lattice.last)}:
        # On a ring of a prime number of sites no wave but the constant one is singular by chance.
        gap = next(p for p in (5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 67) if p > 2 * gap - 2) - 1
    sites: list[int] = []
    for k, low in enumerate(ends[:-1]):
        # What begins at one end of a sum meets what begins at the next only if it did before.
        kept = min(stretches[k], gap if k == widest else farthest + 1)
        near = (kept + 1) // 2
        sites += [*range(low, low + near), *range(ends[k + 1] - (kept - near), ends[k + 1])]
    return (*sites, lattice.last)


def _reach(lattice: Lattice, density: sp.Expr) -> tuple[int, int]:
    return shifts(place for _, place in lattice.places(density))


class _Instance:
    def __init__(self, model: Model, lattice: Lattice) -> None:
        self.source = model
        self.lattice = lattice
        self.sites = chosen_sites(model, lattice)
        self.position = {site: k for k, site in enumerate(self.sites)}
        self.definitions = {c.name: c.value for c in model.constants if c.varies}

    def model(self) -> Model:
        source = self.source
        lagrangian = tuple(self._term(term) for term in source.lagrangian_terms)
        coupling = tuple(self._term(term) for term in source.coupling_terms)
        return replace(
            source,
            coordinates=tuple(
                Coordinate(c.name, len(self.sites), c.modulus, c.span, c.index, self.sites)
                for c in source.coordinates
            ),
            constants=tuple(c for c in source.constants if not c.varies),
            coefficients=tuple(self._coefficients((*lagrangian, *coupling))),
            lagrangian_terms=lagrangian,
            coupling_terms=coupling,
            observables=(),
            initial=tuple(self._initial()),
            rough_calls=tuple(
                RoughCall(call.function, self._at(call.value, p), call.span)
                for call in source.rough_calls
                for p in range(len(self.sites))
            ),
            lattice=None,
        )

    def _term(self, term: Term) -> Term:
        assert term.sites is not None
        first, last = (self.position[site] for site in term.sites)
        return Term(sp.Add(*[self._at(term.value, p) for p in range(first, last + 1)]), term.span)

    def _at(self, density: sp.Expr, position: int) -> sp.Expr:
        """The density with the generic site at a position of the small lattice."""
        return self.lattice.renamed(density, lambda place: self._symbol(place, position))

    def _symbol(self, place: Place, position: int) -> sp.Expr:
        site = place.site if place.site is not None else self._site(position + place.shift)
        if place.name in self.definitions:
            return self.lattice.at_site(self.definitions[place.name], site)
        return self.lattice.fixed(place.base, site)

    def _site(self, position: int) -> int:
        """The site at a position, also beyond the ends (where only the index is defined)."""
        n = len(self.sites)
        if self.lattice.periodic:
            return self.sites[position % n]
        if position < 0:
            return self.lattice.first + position
        return self.sites[position] if position < n else self.lattice.last + position - n + 1

    def _coefficients(self, terms: Iterable[Term]) -> Iterable[Coefficient]:
        varying = {c.name: c for c in self.source.coefficients if c.varies}
        yield from (c for c in self.source.coefficients if not c.varies)
        symbols = {s.name: s for term in terms for s in graphs.symbols(term.value)}
        for name in sorted(symbols):
            place = self.lattice.place(symbols[name])
            if place is not None and place.name in varying:
                yield replace(varying[place.name], name=name, default=None, varies=False)

    def _initial(self) -> Iterable[tuple[str, sp.Expr]]:
        generic, sites = f"[{self.lattice.index}]", set(self.sites)
        values: dict[str, sp.Expr] = {}
        for label, value in self.source.initial:
            if generic in label:
                values |= {
                    label.replace(generic, f"[{site}]"): self.lattice.at_site(value, site)
                    for site in self.sites
                }
        for label, value in self.source.initial:
            place = self.lattice.place(sp.Symbol(label))
            if generic not in label and place is not None and place.site in sites:
                values[label] = value
        return values.items()
