"""Changes of sign, shifts of phases and exchanges of coefficients that go unnoticed.

A coefficient may enter only through squares and the like, a phase through sines, two coefficients
in the same way. Each change is tried on the equations of motion at random states.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, islice
from math import gcd, lcm
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.analysis.gauges import Field
from lagc.analysis.points import Point
from lagc.analysis.responses import Response, Responses
from lagc.base.reflections import Place, Reflection, Turn, alike, period_of, reflections
from lagc.mechanics.nodesystem import NodeSystem
from lagc.mechanics.numeric import DIGITS
from lagc.semantics import graphs
from lagc.semantics.evaluation import number
from lagc.semantics.model import Coefficient

_STATES = 3
_MOST_STATES = 60  # until one sees what is changed
_ROUND_OFF = mp.mpf(10) ** (-DIGITS // 4)  # part of all that goes into an equation
_MOST_TRIES = 100
_MOST_WORK = 40_000  # nodes of the equations times changes that are tried
_PERIODIC = (sp.sin, sp.cos, sp.tan, sp.cot)


@dataclass(frozen=True)
class Shift:
    """Phases that can be shifted unnoticed, by name, where the signs of others change with them."""

    signs: tuple[str, ...]
    by: tuple[tuple[str, Turn], ...]


@dataclass(frozen=True)
class Unnoticed:
    """Changes of single values, each by the names of the coefficients: signs that change together,
    shifts (also by a whole period), and sets any two of which can be exchanged."""

    signs: tuple[tuple[str, ...], ...]
    shifts: tuple[Shift, ...]
    exchanges: tuple[tuple[str, ...], ...]


def phases(nodes: NodeSystem) -> frozenset[str]:
    """The names of all symbols that a sine or the like is taken of."""
    waves = (x for x in graphs.parts(*nodes.a, *nodes.b) if x.func in _PERIODIC)
    return frozenset(s.name for s in graphs.symbols(*(x.args[0] for x in waves)))


def find_unnoticed(
    coefficients: Sequence[Coefficient],
    waves: frozenset[str],
    fields: Sequence[tuple[Sequence[str], Field]],
    responses: Responses,
    *,
    size: int,
    positions: Unnoticed | None = None,
) -> Unnoticed:
    """What positions do not notice, or, given that, positions and momenta; none follows from the
    others.

    waves: what may be a phase. Changes of sign by a factor s = -1 that coefficients take up
    (`fields`, with their names) are left out: they end once one of them is held. size: of the
    equations of motion; the larger they are, the fewer changes are tried.
    """
    search = _Search(coefficients, responses, positions is not None)
    places = search.places(waves)
    tries = min(_MOST_TRIES, _MOST_WORK // size)
    known = [_turned(names, field, coefficients) for names, field in fields]
    signs, shifts = [], []
    for k, place in enumerate(places):
        if place.period is not None and place.winds:
            shifts.append(Shift((), ((coefficients[k].name, place.period),)))
    for found in reflections(places, partial(search.reflected, places), known, tries):
        names = tuple(coefficients[k].name for k in found.signs)
        by = tuple((coefficients[k].name, places[k].half) for k in found.shifts)
        if by:
            shifts.append(Shift(names, by))
        else:
            signs.append(names)
    pairs = search.pairs(places)
    if positions is not None:
        exchanges = [frozenset(names) for names in positions.exchanges]
        own = [c.name for c in coefficients]
        pairs = ((i, j) for i, j in pairs if any({own[i], own[j]} <= e for e in exchanges))
    sets = alike(islice(pairs, tries), search.exchanged)
    found_alike = tuple(tuple(coefficients[k].name for k in s) for s in sets)
    return Unnoticed(tuple(signs), tuple(shifts), found_alike)


class _Search:
    """Other values of the coefficients, tried on a model at a few states."""

    def __init__(
        self, coefficients: Sequence[Coefficient], responses: Responses, momenta: bool
    ) -> None:
        self.symbols = [c.symbol for c in coefficients]
        self.coefficients = coefficients
        self.responses = responses
        self.momenta = momenta

    def places(self, waves: frozenset[str]) -> list[Place]:
        """The bounds, and the period of each that may be a phase and is one."""
        found = []
        for c in self.coefficients:
            low = -math.inf if c.lower is None else float(number(c.lower))
            high = math.inf if c.upper is None else float(number(c.upper))
            period = period_of(partial(self._shifted, c.symbol)) if c.name in waves else None
            found.append(Place(low, high, period))
        return found

    def pairs(self, places: Sequence[Place]) -> Iterator[tuple[int, int]]:
        """What may be exchanged by the bounds, and occurs in the same equations."""
        rows = [self._rows(symbol.name) for symbol in self.symbols]
        for i, j in combinations(range(len(places)), 2):
            low = max(places[i].lower, places[j].lower)
            if low < min(places[i].upper, places[j].upper) and rows[i] == rows[j]:
                yield i, j

    def exchanged(self, i: int, j: int) -> bool:
        """Whether an exchange goes unnoticed."""
        a, b = self.symbols[i], self.symbols[j]
        return self._same(lambda point: {a: point(b), b: point(a)})

    def reflected(self, places: Sequence[Place], change: Reflection) -> bool:
        """Whether changes of sign and shifts by half a period do."""

        def values(point: Point) -> dict[sp.Symbol, Any]:
            changed = {self.symbols[k]: point(self.symbols[k]) for k in change.indices}
            changed |= {self.symbols[k]: -changed[self.symbols[k]] for k in change.signs}
            for k in change.shifts:
                changed[self.symbols[k]] += _exactly(places[k].half)
            return changed

        return self._same(values)

    def _shifted(self, symbol: sp.Symbol, by: Turn) -> bool:
        return self._same(lambda point: {symbol: point(symbol) + _exactly(by)})

    def _same(self, values: Callable[[Point], Mapping[sp.Symbol, Any]]) -> bool:
        """Whether other values change nothing at a few states, at least one of which sees each
        coefficient that they change: a short pulse is nothing to round-off at most times."""
        count = _STATES * (4 if self.responses.piecewise else 1)
        unseen: set[str] | None = None
        for k, state in enumerate(islice(self.responses, _MOST_STATES)):
            if k >= count and not unseen:
                break
            changed = values(state.point)
            same = self.responses.unchanged(state, changed)
            if not all(same if self.momenta else same[:1]):
                return False
            unseen = {s.name for s in changed} if unseen is None else unseen
            unseen -= self._seen(state)
        return unseen is not None and not unseen

    def _seen(self, state: Response) -> frozenset[str]:
        """The coefficients that change what is observed by more than round-off."""
        point, rows = state.point, list(state.motion)
        wholes = [
            max((abs(point(m) * a) for m, a in zip(row, state.accelerations, strict=True)))
            for row in self.responses.nodes.b_v
        ]
        if self.momenta:
            rows += state.momenta
            wholes += [abs(point(b)) for b in self.responses.nodes.b]
        found = set()
        for slopes, whole in zip(rows, wholes, strict=True):
            sizes = {name: abs(slope * point.size(name)) for name, slope in slopes.items()}
            least = _ROUND_OFF * max([whole, *sizes.values()])
            found |= {name for name, size in sizes.items() if size > least}
        return frozenset(found)

    def _rows(self, name: str) -> frozenset[int]:
        """Of all that is observed, what depends on a coefficient: what can be exchanged with it is
        seen there and nowhere else."""
        found = set()
        for state in self.responses.known:
            seen = (*state.motion, *state.momenta) if self.momenta else state.motion
            found |= {k for k, slopes in enumerate(seen) if name in slopes}
        return frozenset(found)


def _exactly(turn: Turn) -> Any:
    part = mp.mpf(turn.part.numerator) / turn.part.denominator
    return part * mp.pi if turn.of_pi else part


def _turned(
    names: Sequence[str], field: Field, coefficients: Sequence[Coefficient]
) -> tuple[int, ...]:
    """The coefficients whose sign a factor of -1 changes; none for a change that is no factor."""
    if any(field.shift):
        return ()
    shared = lcm(*[x.denominator for x in field.factor])
    powers = [int(x * shared) for x in field.factor]
    odd = {n for n, x in zip(names, powers, strict=True) if x // gcd(*powers) % 2}
    return tuple(k for k, c in enumerate(coefficients) if c.name in odd)
