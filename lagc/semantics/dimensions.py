"""Units of expressions: products of named units and of unknowns to rational powers.

What two expressions need to agree is one linear equation between exponents. Equations are solved
as they come, an unknown by each, so that the unit of what was declared without one follows from its
use, and the first equation that has no solution is the first that contradicts those before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

from lagc.base.spans import Span
from lagc.semantics.unit_table import look_up
from lagc.syntax.printer import format_powers

# Sizes of units are known to some ten digits; no two units of one kind are closer than this.
_SAME_SIZE = 1e-9
_LARGEST = 10**12  # no power that anyone means
K = TypeVar("K", str, int)
_BASE_UNITS = {
    "[length]": "m",
    "[mass]": "kg",
    "[time]": "s",
    "[current]": "A",
    "[temperature]": "K",
    "[substance]": "mol",
    "[luminosity]": "cd",
}


@dataclass(frozen=True)
class UnitOf:
    """The unit of an expression: exponents of named units and of unknowns; none for a number."""

    names: Mapping[str, Fraction] = field(default_factory=dict)
    unknowns: Mapping[int, Fraction] = field(default_factory=dict)

    def __mul__(self, other: UnitOf) -> UnitOf:
        if not other.names and not other.unknowns:
            return self
        return UnitOf(_added(self.names, other.names), _added(self.unknowns, other.unknowns))

    def __truediv__(self, other: UnitOf) -> UnitOf:
        return self * other**-1

    def __pow__(self, power: Fraction | int) -> UnitOf:
        if power == 0:
            return UnitOf()
        return UnitOf(
            {k: v * power for k, v in self.names.items()},
            {k: v * power for k, v in self.unknowns.items()},
        )

    @property
    def dimension(self) -> dict[str, Fraction]:
        """Exponents of the base dimensions, those of the named units alone."""
        total: dict[str, Fraction] = {}
        for name, power in self.names.items():
            total = _added(total, {k: v * power for k, v in look_up(name).dimension})
        return total

    @property
    def log_size(self) -> float:
        """The logarithm of the named units in SI units."""
        total = 0.0
        for name, power in self.names.items():
            moderate = power if abs(power) < _LARGEST else _LARGEST * (1 if power > 0 else -1)
            total += look_up(name).log_size * float(moderate)
        return total

    @property
    def is_number(self) -> bool:
        """Whether this is a pure number of size one, unknowns aside."""
        return not self.dimension and same_size(self.log_size, 0.0)

    def measured(self) -> UnitOf:
        """The same unit without `rad` and other names of the number one, in base units where that
        is shorter: `s` for `kg^(1/2)*m^(1/2)/N^(1/2)`."""
        names = {k: v for k, v in self.names.items() if not UnitOf({k: v}).is_number}
        written = UnitOf(names, self.unknowns)
        dimension = written.dimension
        if not same_size(written.log_size, 0.0) or not set(dimension) <= set(_BASE_UNITS):
            return written
        reduced = UnitOf({_BASE_UNITS[k]: v for k, v in dimension.items()}, self.unknowns)
        return reduced if len(str(reduced)) < len(str(written)) else written

    def __str__(self) -> str:
        """As it is written in brackets, what has a mass first; `1` for products that cancel."""
        if self.is_number and len(self.names) > 1:
            return "1"
        first = [name for name in self.names if "[mass]" in dict(look_up(name).dimension)]
        ordered = sorted(self.names.items(), key=lambda item: (item[1] < 0, item[0] not in first))
        return format_powers(ordered)


NUMBER = UnitOf()


class Unknowns:
    """The equations so far: what each unknown was found to be, and where."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._found: dict[int, UnitOf] = {}
        self._places: dict[int, Span] = {}

    def new(self, name: str = "") -> UnitOf:
        """An unknown unit, of something with a name of its own or of an intermediate result."""
        self._names.append(name)
        return UnitOf({}, {len(self._names) - 1: Fraction(1)})

    def resolved(self, unit: UnitOf) -> UnitOf:
        """The unit with everything put in that was found."""
        while any(k in self._found for k in unit.unknowns):
            whole = UnitOf(unit.names)
            for k, power in unit.unknowns.items():
                whole *= self._found.get(k, UnitOf({}, {k: Fraction(1)})) ** power
            unit = whole
        return unit

    def agree(self, a: UnitOf, b: UnitOf) -> bool:
        """Whether two units can be the same with what is known; nothing is concluded from it."""
        rest = self.resolved(a / b)
        return bool(rest.unknowns) or rest.is_number

    def equate(self, a: UnitOf, b: UnitOf, place: Span) -> bool:
        """Make two units the same, which finds an unknown if there is any; False if they differ."""
        rest = self.resolved(a / b)
        if not rest.unknowns:
            return rest.is_number
        # Intermediate results first, then what was declared last.
        pivot = max(rest.unknowns, key=lambda k: (not self._names[k], k))
        power = rest.unknowns[pivot]
        others = {k: v for k, v in rest.unknowns.items() if k != pivot}
        self._found[pivot] = UnitOf(rest.names, others) ** (-1 / power)
        self._places[pivot] = place
        return True

    def place_of(self, unknown: UnitOf) -> Span | None:
        """Where an unknown was found, None if it was not."""
        (k,) = unknown.unknowns
        return self._places.get(k)


def same_size(a: float, b: float) -> bool:
    """Whether two units of one kind, by their logarithms, are the same."""
    return abs(a - b) < _SAME_SIZE


def ratio_text(a: UnitOf, b: UnitOf) -> str:
    """How many of `b` make one of `a`; empty if they do not measure the same."""
    rest = a / b
    if rest.unknowns or rest.dimension:
        return ""
    power = rest.log_size / math.log(10)
    return f"{10**power:.9g}" if abs(power) < 300 else f"10^{power:.0f}"


def _added(a: Mapping[K, Fraction], b: Mapping[K, Fraction]) -> dict[K, Fraction]:
    total = dict(a)
    for k, v in b.items():
        total[k] = total.get(k, Fraction(0)) + v
    return {k: v for k, v in total.items() if v}
