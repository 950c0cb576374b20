"""Solutions that the data cannot tell apart, of which the laws of the coefficients admit some."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from lagc.learn.laws import Density
from lagc.learn.least_squares import Setting
from lagc.learn.mirrors import Ambiguity
from lagc.learn.moves import Cost
from lagc.runtime.spec import CoefficientSpec

_MOST = 64  # images that are looked at


def outside_laws(setting: Setting, x: np.ndarray) -> list[int]:
    """The free coefficients whose law does not admit their value at x: (n,)."""
    coefficients = setting.system.spec.coefficients
    return [
        i for i, c in enumerate(coefficients) if setting.free[i] and not _admitted(c, float(x[i]))
    ]


def _admitted(spec: CoefficientSpec, value: float) -> bool:
    """Without a law, everything."""
    if spec.prior is None:
        return True
    law = Density.of(spec)
    if any(value == point for point, _ in law.points):
        return True
    return any(part.low <= value <= part.high for part in law.parts)


def images(ambiguities: Sequence[Ambiguity], x: np.ndarray) -> Iterator[np.ndarray]:
    """Other points that come of x (n,) by changes that the data do not see, those of few changes
    first; not all where they are many."""
    seen: set[bytes] = set()
    _known(x, seen)
    waiting = deque([x])
    while waiting:
        point = waiting.popleft()
        for ambiguity in ambiguities:
            for image in ambiguity.images(point):
                if len(seen) > _MOST:
                    return
                if not _known(image, seen):
                    waiting.append(image)
                    yield image


def _known(x: np.ndarray, seen: set[bytes]) -> bool:
    """Whether x was there before, to round-off, and from now on is."""
    key = np.array([float(f"{value:.9g}") for value in x]).tobytes()
    known = key in seen
    seen.add(key)
    return known


def within_laws(
    setting: Setting, ambiguities: Sequence[Ambiguity], x: np.ndarray, cost: Cost
) -> np.ndarray:
    """x (n,), or where laws do not admit it an image that they do."""
    if not outside_laws(setting, x):
        return x
    inside = (i for i in images(ambiguities, x) if not outside_laws(setting, i) and cost.keeps(i))
    return next(inside, x)


def several(setting: Setting, ambiguities: Sequence[Ambiguity], x: np.ndarray) -> bool:
    """Whether laws and bounds admit another image of x: (n,)."""
    return any(not outside_laws(setting, i) for i in images(ambiguities, x))
