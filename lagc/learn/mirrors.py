"""Changes of coefficients that no data can see, as maps of the unknowns of a fit, and in words.

Coefficients are meant by their index; places: bounds and periods of all that the model has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lagc.base.gauge import listed, not_fixed, not_told, shift
from lagc.base.reflections import Place, Reflection, Turn

_DATA = "the data"


@dataclass(frozen=True)
class Mirror:
    """Signs that change, and phases that are shifted by half of their period."""

    change: Reflection
    places: tuple[Place, ...]

    @property
    def indices(self) -> tuple[int, ...]:
        """What changes."""
        return self.change.indices

    def image(self, x: np.ndarray, near: np.ndarray) -> np.ndarray | None:
        """Of x (n,), with phases as near as can be to those of `near`; None where the bounds admit
        none."""
        result = x.copy()
        for i in self.indices:
            sign, half = i in self.change.signs, i in self.change.shifts
            found = self.places[i].image(float(x[i]), sign=sign, shift=half, near=float(near[i]))
            if found is None:
                return None
            result[i] = found
        return result

    def admitted(self, x: np.ndarray) -> bool:
        """Whether the bounds admit the image of x, and this is another point."""
        image = self.image(x, x)
        return image is not None and bool((image != x).any())

    def images(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Of x, other points within the bounds."""
        image = self.image(x, x)
        if image is not None:
            yield image

    def words(self, labels: Sequence[str]) -> str:
        """What the data do not fix."""
        names = [labels[i] for i in self.change.signs]
        stays = f"{names[0]} stays on the side of its start" if names else "it stays as found"
        if self.change.shifts:
            by = [(labels[i], str(self.places[i].half)) for i in self.change.shifts]
            return f"{not_fixed(_DATA, shift(names, by))}: {stays}"
        if len(names) == 1:
            return f"the data fix {names[0]} only up to its sign: it stays on the side of its start"
        return f"the data fix {listed(names)} only up to a common change of sign: {stays}"


@dataclass(frozen=True)
class Winding:
    """A phase that is shifted by its period."""

    index: int
    period: Turn
    place: Place

    @property
    def indices(self) -> tuple[int, ...]:
        """What changes."""
        return (self.index,)

    def near(self, x: np.ndarray, start: np.ndarray) -> np.ndarray:
        """x (n,) with the phase in the period that is nearest to the start."""
        value, near = float(x[self.index]), float(start[self.index])
        found = self.place.image(value, sign=False, shift=False, near=near)
        result = x.copy()
        result[self.index] = value if found is None else found
        return result

    def admitted(self, x: np.ndarray) -> bool:
        """Whether the bounds admit another period."""
        value, period = float(x[self.index]), float(self.period)
        return self.place.lower <= value - period or value + period <= self.place.upper

    def images(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Of x, a period away within the bounds."""
        for value in (x[self.index] - float(self.period), x[self.index] + float(self.period)):
            if self.place.lower <= value <= self.place.upper:
                yield _with(x, {self.index: float(value)})

    def words(self, labels: Sequence[str]) -> str:
        """What the data do not fix."""
        name = labels[self.index]
        what = shift((), [(name, str(self.period))])
        return f"{not_fixed(_DATA, what)}: it stays as near to its start as can be"


@dataclass(frozen=True)
class Exchange:
    """Coefficients any two of which can be exchanged."""

    indices: tuple[int, ...]
    places: tuple[Place, ...]

    def admitted(self, x: np.ndarray) -> bool:
        """Whether the bounds admit an exchange of two that differ."""
        return any(
            x[i] != x[j] and self._holds(i, float(x[j])) and self._holds(j, float(x[i]))
            for i, j in combinations(self.indices, 2)
        )

    def images(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Of x, two values exchanged within the bounds."""
        for i, j in combinations(self.indices, 2):
            if self._holds(i, float(x[j])) and self._holds(j, float(x[i])):
                yield _with(x, {i: float(x[j]), j: float(x[i])})

    def words(self, labels: Sequence[str]) -> str:
        """What the data do not fix."""
        names = [labels[i] for i in self.indices]
        return f"{not_told(_DATA, names)}: their values may be exchanged"

    def _holds(self, index: int, value: float) -> bool:
        return self.places[index].lower <= value <= self.places[index].upper


def _with(x: np.ndarray, values: Mapping[int, float]) -> np.ndarray:
    result = x.copy()
    for index, value in values.items():
        result[index] = value
    return result


Ambiguity = Mirror | Winding | Exchange
