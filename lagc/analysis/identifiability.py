"""Which combinations of coefficients recordings can fix, told from the equations of motion.

A recording of all positions knows at best the accelerations as a function of q, q', t and the
inputs; velocities add nothing to that, momenta the function b. What changes of the coefficients
leave these functions as they are is a space of dimension k - rank, the rank being that of their
derivatives at states and coefficients taken at random, in 50 digits. It holds the overall scale of
L and K (of each block of coordinates that is apart), coefficients of total time derivatives and of
inert terms, and what K says once more that L says already. Source: REFERENCE sections 1 and 4.

The rank is that at almost all values of the coefficients; where some are zero less may be fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from math import comb
from typing import Any

import sympy as sp

from lagc.analysis.elimination import Echelon
from lagc.analysis.gauges import (
    Field,
    Kind,
    columns,
    find_factors,
    find_fields,
    invariants,
    spanned,
)
from lagc.analysis.motion import Motion
from lagc.analysis.points import Slopes
from lagc.analysis.responses import Response, Responses, echelon, precisely
from lagc.analysis.signs import Shift, Unnoticed, find_unnoticed, phases
from lagc.base.diagnostics import LagcError
from lagc.mechanics.lattice import LatticeSystem
from lagc.mechanics.nodesystem import NodeSystem
from lagc.semantics.functions import JumpDerivative

_MOST_WORK = 60_000  # nodes of the equations times states at which they are evaluated
_MOST_CHOICES = 60


@dataclass(frozen=True)
class Freedom:
    """Coefficients that can change together unnoticed, in `dimension` independent ways (None where
    that depends on the number of sites).

    fixed: the combinations that do not change, None where they have no short form; hold: the sets
    of `dimension` coefficients that leave nothing free once they are held (one of them alone where
    there are many); factors: for a change by a number s, the power of s that each takes up, None
    where the change is another one.
    """

    names: tuple[str, ...]
    dimension: int | None
    fixed: tuple[str, ...] | None
    hold: tuple[tuple[str, ...], ...]
    factors: tuple[Fraction, ...] | None = None

    @property
    def unseen(self) -> bool:
        """Whether it is one coefficient that nothing depends on."""
        return self.fixed == ()

    @property
    def scale(self) -> bool:
        """Whether all take up the same factor."""
        return not self.unseen and self.factors is not None and len(set(self.factors)) == 1


@dataclass(frozen=True)
class Observed:
    """What recordings of one kind fix: coefficients by themselves, and combinations of others.

    signs: coefficients whose signs can be changed together unnoticed; shifts: of phases; exchanges:
    sets of coefficients any two of which can be exchanged.
    """

    fixed: tuple[str, ...]
    freedoms: tuple[Freedom, ...]
    signs: tuple[tuple[str, ...], ...]
    shifts: tuple[Shift, ...]
    exchanges: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Identifiability:
    """What positions fix (velocities add nothing), and positions with momenta.

    idle: coefficients that no equation of motion depends on, not even as a factor of it; networks:
    changes by a factor that positions do not notice if a network takes up a part, as names and
    powers. All else counts the networks, which are `slots`, as known.
    """

    positions: Observed
    momenta: Observed
    idle: frozenset[str]
    networks: tuple[tuple[tuple[str, Fraction], ...], ...]
    slots: tuple[str, ...]


def identify(system: NodeSystem | LatticeSystem, motion: Motion) -> Identifiability | None:
    """What can be fixed of the coefficients of a model, None where that is not settled.

    That is where the model is large, and where it has no value at enough of the points tried.
    motion: of the model, or of that on few sites, on which everything is settled for a lattice.
    """
    nodes = system.instance if isinstance(system, LatticeSystem) else system
    names = [c.name for c in nodes.model.coefficients]
    unknown = len(names) + len(nodes.model.neural)  # a network may take up factors, as they do
    if not names or 4 * unknown * _size(nodes) > _MOST_WORK:
        return None
    try:
        with precisely():
            found = _Search(nodes, motion, tuple(names)).found()
    except (JumpDerivative, LagcError):
        return None
    varying = {c.name: system.model.shown(c) for c in system.model.coefficients if c.varies}
    return _of_sites(found, varying) if found and varying else found


def _of_sites(found: Identifiability, varying: Mapping[str, str]) -> Identifiability:
    """Values at the sites of the small lattice under one name, `k[i]`.

    Combinations of them are not written down: there are others on the lattice itself.
    """

    def name(of_site: str) -> str:
        return varying.get(of_site.split("[")[0], of_site)

    def unique(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(name, names)))

    def freedom(f: Freedom) -> Freedom:
        if set(map(name, f.names)) == set(f.names):
            return f
        hold = tuple(dict.fromkeys(map(unique, f.hold)))
        factors = f.factors[: len(unique(f.names))] if f.scale and f.factors else None
        fixed = () if f.unseen else None
        dimension = 1 if f.scale else None
        return Freedom(unique(f.names), dimension, fixed, hold, factors)

    def observed(o: Observed) -> Observed:
        freedoms = tuple(dict.fromkeys(map(freedom, o.freedoms)))
        moved = {n for f in freedoms for n in f.names}
        fixed = tuple(n for n in unique(o.fixed) if n not in moved)
        signs = tuple(dict.fromkeys(map(unique, o.signs)))
        shifts = dict.fromkeys(
            Shift(unique(s.signs), tuple(dict.fromkeys((name(n), by) for n, by in s.by)))
            for s in o.shifts
        )
        exchanges = tuple(e for e in o.exchanges if unique(e) == e)
        return Observed(fixed, freedoms, signs, tuple(shifts), exchanges)

    partly = {name(n) for n in found.positions.fixed}
    partly |= {name(n) for f in found.positions.freedoms for n in f.names if not f.unseen}
    return replace(
        found,
        positions=observed(found.positions),
        momenta=observed(found.momenta),
        idle=frozenset(map(name, found.idle)) - partly,
        networks=(),
    )


def _size(nodes: NodeSystem) -> int:
    """How many different expressions the equations of motion are made of."""
    seen: set[sp.Basic] = set()
    blocks = (x for block in (nodes.b_q, nodes.b_v) for row in block for x in row)
    waiting: list[sp.Basic] = [*nodes.a, *nodes.b, *blocks]
    while waiting:
        e = waiting.pop()
        if e not in seen:
            seen.add(e)
            waiting.extend(e.args)
    return len(seen)


def _positions(response: Response) -> Sequence[Slopes]:
    return response.motion


def _momenta(response: Response) -> Sequence[Slopes]:
    return (*response.motion, *response.momenta)


class _Search:
    """The responses of one model, and what follows from them."""

    def __init__(self, nodes: NodeSystem, motion: Motion, names: tuple[str, ...]) -> None:
        self.names = names
        self.coefficients = nodes.model.coefficients
        self.slots = tuple(f"neural {slot.name}" for slot in nodes.model.neural)
        directions = frozenset((*names, *self.slots))
        self.size = _size(nodes)
        self.waves = phases(nodes) & frozenset(names)
        self.together = Responses(motion, nodes, directions, fixed=True)
        self.anywhere = Responses(motion, nodes, directions, fixed=False)

    def found(self) -> Identifiability | None:
        kinds = (_positions, _momenta)
        spans = spanned(self.together, [columns(kind, self.names) for kind in kinds])
        if spans is None:
            return None
        positions, unnoticed = self._observed(_positions, spans[0])
        momenta, _ = self._observed(_momenta, spans[1], unnoticed)
        unseen = {f.names[0] for f in positions.freedoms if f.unseen}
        inertial = {name for response in self.together.known for name in response.inertial}
        networks = tuple(self._with_networks()) if self.slots else ()
        slots = tuple(name.removeprefix("neural ") for name in self.slots)
        return Identifiability(positions, momenta, frozenset(unseen - inertial), networks, slots)

    def _observed(
        self, kind: Kind, span: Echelon, by_positions: Unnoticed | None = None
    ) -> tuple[Observed, Unnoticed]:
        freedoms, fields = [], []
        for places in _components(span):
            freedom, moving = self._freedom(kind, span, places)
            freedoms.append(freedom)
            fields += [(freedom.names, field) for field in moving]
        moved = {name for f in freedoms for name in f.names}
        fixed = tuple(name for name in self.names if name not in moved)
        seen = [
            c
            for c in self.coefficients
            if all(not f.unseen or c.name not in f.names for f in freedoms)
        ]
        found = find_unnoticed(
            seen, self.waves, fields, self.together, size=self.size, positions=by_positions
        )
        null = span.null_basis()
        sets = tuple(s for s in found.exchanges if self._told_apart(s[:2], null))
        return Observed(fixed, tuple(freedoms), found.signs, found.shifts, sets), found

    def _told_apart(self, pair: Sequence[str], null: Sequence[Sequence[Any]]) -> bool:
        """Whether two coefficients cannot change unnoticed by themselves: an exchange of two that
        can ends once one of them is held."""
        rest = echelon(len(null))
        for k, name in enumerate(self.names):
            if name not in pair:
                rest.add([vector[k] for vector in null])
        return rest.rank == len(null)

    def _freedom(
        self, kind: Kind, span: Echelon, places: Sequence[int]
    ) -> tuple[Freedom, list[Field]]:
        names = tuple(self.names[k] for k in places)
        if len(names) == 1:
            return Freedom(names, 1, (), (names,)), []
        null = [
            [vector[k] for k in places]
            for free, vector in zip(span.free, span.null_basis(), strict=True)
            if free in places
        ]
        point = next(iter(self.together)).point
        values = [point.size(name) for name in names]
        fields = find_fields(names, self.anywhere, kind, len(null), values)
        fixed = None if fields is None else invariants(names, fields)
        factors = None
        if fields is not None and len(fields) == 1 and not any(fields[0].shift):
            factors = fields[0].factor
        return Freedom(names, len(null), fixed, _choices(names, null), factors), fields or []

    def _with_networks(self) -> Iterator[tuple[tuple[str, Fraction], ...]]:
        """Factors that take up a part of a network, as independent changes."""
        names = (*self.names, *self.slots)
        for vector in find_factors(names, self.anywhere, _positions):
            if any(vector[len(self.names) :]):
                powers = zip(names, vector, strict=True)
                yield tuple((name.removeprefix("neural "), x) for name, x in powers if x)


def _components(span: Echelon) -> list[list[int]]:
    """The columns that take part in null vectors, those together that change together."""
    groups: list[set[int]] = []
    for vector in span.null_basis():
        members, apart = {k for k, x in enumerate(vector) if x != 0}, []
        for group in groups:
            if members.isdisjoint(group):
                apart.append(group)
            else:
                members |= group
        groups = [*apart, members]
    return sorted(sorted(group) for group in groups)


def _choices(names: Sequence[str], null: Sequence[Sequence[Any]]) -> tuple[tuple[str, ...], ...]:
    """The sets of columns of a null space on which it has full rank, the first declared first."""
    dimension, found = len(null), []
    for chosen in combinations(range(len(names)), dimension):
        span = echelon(dimension)
        for k in chosen:
            span.add([vector[k] for vector in null])
        if span.rank == dimension:
            found.append(tuple(names[k] for k in chosen))
            if comb(len(names), dimension) > _MOST_CHOICES:
                break
    return tuple(found)
