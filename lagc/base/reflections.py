"""Changes of coefficients that undo themselves: of signs, and of phases by half of their period.

Those that motion does not notice form a group, of which every element is its own inverse (up to
whole periods) and any two commute: x -> -x and x -> x + P/2 do where x is counted modulo P. A set
that generates it says all; what is smallest is looked for first. Shared by `lagc check`, which
decides exactly, and a fit, which decides in floating point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import comb

from lagc.base.gauge import total

_MOST_TOGETHER = 4  # of signs and phases that change
_MOST_TRIES = 100


@dataclass(frozen=True)
class Turn:
    """A shift of a phase: `part` of pi, or the number itself."""

    part: Fraction
    of_pi: bool

    @property
    def half(self) -> Turn:
        """A shift by half as much."""
        return Turn(self.part / 2, self.of_pi)

    def __float__(self) -> float:
        return float(self.part) * (math.pi if self.of_pi else 1.0)

    def __str__(self) -> str:
        return total([("pi" if self.of_pi else "", self.part)])


# Phases in radians, as a part of a turn, and in degrees.
WHOLE_TURNS = (Turn(Fraction(2), True), Turn(Fraction(1), False), Turn(Fraction(360), False))


def period_of(unnoticed: Callable[[Turn], bool]) -> Turn | None:
    """The least of whole turns and half ones that goes unnoticed, None if there is none."""
    whole = next((turn for turn in WHOLE_TURNS if unnoticed(turn)), None)
    return whole.half if whole is not None and unnoticed(whole.half) else whole


@dataclass(frozen=True)
class Place:
    """The bounds of a coefficient, infinite where there are none, and its period as a phase."""

    lower: float
    upper: float
    period: Turn | None = None

    @property
    def half(self) -> Turn:
        """Half of the period; only a phase has one."""
        if self.period is None:
            raise ValueError("no phase")
        return self.period.half

    @property
    def winds(self) -> bool:
        """Whether the bounds admit values that are a period apart."""
        return self.period is not None and self.upper - self.lower > float(self.period)

    def admits(self, *, sign: bool, shift: bool) -> bool:
        """Whether a change leads from some value between the bounds to another between them."""
        half = math.inf if self.period is None else float(self.period) / 2
        if not sign:
            return not shift or self.upper - self.lower > half
        middle = half / 2 if shift else 0.0  # stays as it is, and so does every half period
        if middle <= self.lower:
            middle += half * (math.floor((self.lower - middle) / half) + 1)
        elif middle >= self.upper:
            middle -= half * (math.floor((middle - self.upper) / half) + 1)
        return self.lower < middle < self.upper

    def image(self, x: float, *, sign: bool, shift: bool, near: float) -> float | None:
        """Where a change leads: of all that is a period apart, the nearest to `near` between the
        bounds; None where nothing lies there."""
        value = -x if sign else x
        if self.period is not None:
            period = float(self.period)
            value += period / 2 if shift else 0.0
            value += period * round((near - value) / period)
            if value < self.lower:
                value += period * math.ceil((self.lower - value) / period)
            elif value > self.upper:
                value -= period * math.ceil((value - self.upper) / period)
        return value if self.lower <= value <= self.upper else None


@dataclass(frozen=True)
class Reflection:
    """A change of signs and a shift by half of the period, of coefficients by their index."""

    signs: tuple[int, ...]
    shifts: tuple[int, ...] = ()

    @property
    def indices(self) -> tuple[int, ...]:
        """What changes."""
        return tuple(sorted({*self.signs, *self.shifts}))


def reflections(
    places: Sequence[Place],
    unnoticed: Callable[[Reflection], bool],
    known: Iterable[Sequence[int]] = (),
    most_tries: int = _MOST_TRIES,
) -> Iterator[Reflection]:
    """Those that the bounds admit and motion does not notice; none follows from the others.

    known: sets of coefficients whose signs are known to change together, which are left out. All
    sets of up to four changes are tried where these are no more than `most_tries`, else of fewer.
    """
    signs = [
        k
        for k, place in enumerate(places)
        if place.admits(sign=True, shift=False)
        or (place.period and place.admits(sign=True, shift=True))
    ]
    shifts = [
        k for k, place in enumerate(places) if place.period and place.admits(sign=False, shift=True)
    ]
    bits = [*(Reflection((k,)) for k in signs), *(Reflection((), (k,)) for k in shifts)]
    group = _Group()
    for together in known:
        if set(together) <= set(signs):
            group.add(sum(1 << signs.index(k) for k in together))
    tries = 0
    for size in range(1, _MOST_TOGETHER + 1):
        tries += comb(len(bits), size)
        if size > 1 and tries > most_tries:
            return
        for chosen in combinations(range(len(bits)), size):
            if not group.is_new(element := sum(1 << k for k in chosen)):
                continue
            found = Reflection(
                tuple(k for b in chosen for k in bits[b].signs),
                tuple(k for b in chosen for k in bits[b].shifts),
            )
            admitted = all(
                places[k].admits(sign=k in found.signs, shift=k in found.shifts)
                for k in found.indices
            )
            if admitted and unnoticed(found):
                group.add(element)
                yield found


def alike(
    pairs: Iterable[tuple[int, int]], unnoticed: Callable[[int, int], bool]
) -> tuple[tuple[int, ...], ...]:
    """Sets of coefficients any two of which may be exchanged, of those that these pairs tell.

    What may be exchanged with the same one may be exchanged with each other.
    """
    sets: list[set[int]] = []
    for i, j in pairs:
        own = [s for s in sets if i in s or j in s]
        if any({i, j} <= s for s in own) or not unnoticed(i, j):
            continue
        sets = [*(s for s in sets if s not in own), {i, j}.union(*own)]
    return tuple(sorted(tuple(sorted(s)) for s in sets))


class _Group:
    """Changes as bits, closed under composition: a vector space over the field of two elements."""

    def __init__(self) -> None:
        self._basis: dict[int, int] = {}  # by the place of the highest bit

    def is_new(self, element: int) -> bool:
        return self._rest(element) != 0

    def add(self, element: int) -> None:
        if rest := self._rest(element):
            self._basis[rest.bit_length()] = rest

    def _rest(self, element: int) -> int:
        for place in range(element.bit_length(), 0, -1):
            if element.bit_length() == place:
                element ^= self._basis.get(place, 0)
        return element
