"""The sites of a lattice and the symbols that live on them.

A density is written once, at a generic site `i`. A quantity at a neighbour is a symbol of its own,
`phi'_+[i+1]`, one at a given site `phi[0]`; the number of the site is the symbol `i`, that of a
neighbour `[i+1]`. Names of the user hold no brackets, so the symbols can be told apart. Nothing
here depends on how many sites there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from lagc.base.spans import Span
from lagc.semantics import graphs

MOST_SITES = 10**6
FARTHEST = 16  # the largest shift, and the largest distance between sites given by number

_PLACED = re.compile(r"(?P<base>.*)\[(?:(?P<site>-?\d+)|[^\[\]+-]+(?P<shift>[+-]\d+)?)\]")


@dataclass(frozen=True)
class Place:
    """Where a symbol lives: `base` at the generic site plus `shift`, or at the site `site`."""

    base: str
    shift: int = 0
    site: int | None = None

    @property
    def name(self) -> str:
        """The name without primes and sign of history; empty for the number of a site."""
        return self.base.rstrip("'_+-")


class SiteSum(sp.Function):  # type: ignore[misc]
    """SiteSum(body, index, first, last): the sum of a density over a range of sites."""

    nargs = 4

    @property
    def body(self) -> sp.Expr:
        """The density at the generic site."""
        return self.args[0]

    @property
    def sites(self) -> tuple[int, int]:
        """The first and the last site of the sum."""
        return int(self.args[2]), int(self.args[3])


class OneTerm(sp.Function):  # type: ignore[misc]
    """What a call or a product of matrices gave, kept whole while a density is cut at free ends.

    SymPy would spread the factors before a sum over its terms, and with them what the user wrote
    as one.
    """

    nargs = 1


@dataclass(frozen=True)
class Lattice:
    """`index i in 0..49 periodic`; `ends` is `periodic`, `free` or empty."""

    index: str
    first: int
    size: int
    ends: str
    span: Span

    @property
    def last(self) -> int:
        """The number of the last site."""
        return self.first + self.size - 1

    @property
    def periodic(self) -> bool:
        """Whether the first site is the neighbour of the last."""
        return self.ends == "periodic"

    @property
    def symbol(self) -> sp.Symbol:
        """The number of the generic site."""
        return sp.Symbol(self.index)

    def at(self, base: str, shift: int) -> sp.Symbol:
        """`base` at the generic site plus `shift`; for an empty base the number of that site."""
        if not base and not shift:
            return self.symbol
        return sp.Symbol(f"{base}[{self.index}{shift:+d}]" if shift else f"{base}[{self.index}]")

    def fixed(self, base: str, site: int) -> sp.Expr:
        """`base` at a given site; for an empty base the number of the site."""
        site = self.wrapped(site)
        return sp.Symbol(f"{base}[{site}]") if base else sp.Integer(site)

    def wrapped(self, site: int) -> int:
        """The number of a site of a ring counted on beyond its ends."""
        return self.first + (site - self.first) % self.size if self.periodic else site

    def place(self, symbol: sp.Symbol) -> Place | None:
        """Where a symbol lives, None for one that is no quantity of a site."""
        if symbol.name == self.index:
            return Place("")
        return _place(symbol.name)

    def places(self, expression: sp.Expr) -> Iterator[tuple[sp.Symbol, Place]]:
        """The symbols of an expression that live on sites, in a fixed order."""
        for symbol in sorted(graphs.symbols(expression), key=lambda s: s.name):
            place = self.place(symbol)
            if place is not None:
                yield symbol, place

    def renamed(self, expression: sp.Expr, rename: Callable[[Place], sp.Expr]) -> sp.Expr:
        """The expression with `rename(place)` for every symbol that lives on a site."""
        return graphs.replaced(
            expression, {s: rename(place) for s, place in self.places(expression)}
        )

    def moved(self, expression: sp.Expr, shift: int) -> sp.Expr:
        """The same density seen from another site: every shift increased by `shift`."""

        def rename(place: Place) -> sp.Expr:
            if place.site is not None:
                return self.fixed(place.base, place.site)
            return self.at(place.base, place.shift + shift)

        return self.renamed(expression, rename) if shift else expression

    def as_one_term(self, e: sp.Expr) -> sp.Expr:
        """Marked as one term if it reaches beyond the generic site and ends are cut by terms."""
        reaches = self.ends == "free" and any(place.shift for _, place in self.places(e))
        return OneTerm(e) if reaches and not e.is_Symbol else e

    def at_site(self, expression: sp.Expr, site: int) -> sp.Expr:
        """The density at a given site."""

        def rename(place: Place) -> sp.Expr:
            where = site + place.shift if place.site is None else place.site
            return self.fixed(place.base, where)

        return self.renamed(expression, rename)


def without_marks(expression: sp.Expr) -> sp.Expr:
    """The expression with every `OneTerm` replaced by what it holds."""
    if not graphs.holds([expression], OneTerm):
        return expression
    return expression.replace(OneTerm, lambda e: e)


@lru_cache(maxsize=4096)
def _place(name: str) -> Place | None:
    match = _PLACED.fullmatch(name)
    if match is None:
        return None
    if match["site"] is not None:
        return Place(match["base"], 0, int(match["site"]))
    return Place(match["base"], int(match["shift"] or 0))


def shifts(places: Iterable[Place]) -> tuple[int, int]:
    """The smallest and the largest shift of some places, (0, 0) for none."""
    found = [place.shift for place in places if place.site is None] or [0]
    return min(found), max(found)


def sample_sites(lattice: Lattice, most: int = 64) -> list[int]:
    """Both ends and some sites between, for checks of what varies along the lattice."""
    if lattice.size <= most:
        return list(range(lattice.first, lattice.last + 1))
    step = (lattice.size - 1) / (most - 1)
    return sorted({lattice.first + round(k * step) for k in range(most)})
