"""The equations of a lattice as they are written down: inside once, at its ends site by site."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from lagc.mechanics.lattice import Contribution, LatticeSystem, Parts
from lagc.semantics.sites import Lattice, shifts


@dataclass(frozen=True)
class FieldEquation:
    """A component of a vector for one field, at every site of the lattice.

    interior: (first, last site, expression at the generic site), None for a lattice so short that
    it has only ends; elsewhere: the same of what acts besides at some sites of the interior; ends:
    (site, expression), whole, of the sites from which some terms reach beyond an end.
    """

    interior: tuple[int, int, sp.Expr] | None
    elsewhere: tuple[tuple[int, int, sp.Expr], ...]
    ends: tuple[tuple[int, sp.Expr], ...]


def at_sites(system: LatticeSystem, parts: Parts) -> tuple[FieldEquation, ...]:
    """Contributions to a vector seen from the sites they go to, one equation a field.

    Towards an end terms are missing one by one. What is left of like terms that the interior
    merges, as in u[i+1] + u[i-1] - 2*u[i], cannot be told from the sum: the ends are written out.
    """
    return tuple(
        _field_equation(system.lattice, [part for part in parts if part.row == (f,)])
        for f in range(len(system.model.coordinates))
    )


def _field_equation(lattice: Lattice, parts: list[Contribution]) -> FieldEquation:
    seen = {part: lattice.moved(part.value, -part.shift) for part in parts}
    everywhere = [part for part in parts if _runs_everywhere(lattice, part)]
    low, high = lattice.first, lattice.last
    if not lattice.periodic:
        low = max([low, *(part.at[0] for part in everywhere)])
        high = min([high, *(part.at[1] for part in everywhere)])
    if low > high:
        sites = range(lattice.first, lattice.last + 1)
        return FieldEquation(None, (), tuple((s, _at_end(lattice, seen, s)) for s in sites))
    elsewhere: dict[tuple[int, int], list[sp.Expr]] = {}
    for part in parts:
        if part in everywhere:
            continue
        first, last = part.at
        if lattice.periodic:
            first, last = lattice.wrapped(first), lattice.wrapped(last)
        else:
            first, last = max(first, low), min(last, high)
        if lattice.periodic or first <= last:
            elsewhere.setdefault((first, last), []).append(seen[part])
    return FieldEquation(
        (low, high, sp.Add(*[seen[part] for part in everywhere])),
        tuple((*sites, sp.Add(*values)) for sites, values in sorted(elsewhere.items())),
        tuple(
            (site, _at_end(lattice, seen, site))
            for site in (*range(lattice.first, low), *range(high + 1, lattice.last + 1))
        ),
    )


def _at_end(lattice: Lattice, seen: dict[Contribution, sp.Expr], site: int) -> sp.Expr:
    """Everything that acts at one site."""
    acting = [value for part, value in seen.items() if part.at[0] <= site <= part.at[1]]
    return sp.Add(*[lattice.at_site(value, site) for value in acting])


def _runs_everywhere(lattice: Lattice, part: Contribution) -> bool:
    """Whether a density is summed over all sites from which it does not reach beyond an end."""
    low, high = shifts(place for _, place in lattice.places(part.value))
    low, high = min(low, part.shift, 0), max(high, part.shift, 0)
    first, last = part.sites
    if lattice.periodic:
        return part.sites == (lattice.first, lattice.last)
    return first <= lattice.first - low and last >= lattice.last - high
