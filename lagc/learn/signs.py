"""Discrete ambiguities: changes of sign, and exchanges, of coefficients that no data can see.

Where accelerations, and the momenta that were observed, are the same functions after a change S of
the coefficients c, f(S c) = f(c), data cannot tell c from S c. Differentiated by c that is
J(S c) S = J(c), and at the values that S leaves alone f(S c) = f(c) anyway: so the Jacobians at
random states decide, to round-off. Looked for are the signs of single coefficients, of two at a
time, and exchanges of two; what is held, and what bounds rule out, is no ambiguity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from lagc.learn.least_squares import Setting
from lagc.learn.problem import Problem
from lagc.learn.refine import Refined
from lagc.learn.structure import acceleration_sensitivity

_ROUND_OFF = 1e-7  # part of the largest derivative by a coefficient
_NUDGE = 0.1  # part of the size of a coefficient that starts at zero
_POINTS = 2


@dataclass(frozen=True)
class Mirror:
    """A change of one or two coefficients, by index: of their signs, or an exchange."""

    indices: tuple[int, ...]
    exchange: bool = False

    def applied(self, values: np.ndarray) -> np.ndarray:
        """To values or derivatives, along the last axis."""
        result = values.copy()
        own = list(self.indices)
        result[..., own] = values[..., own[::-1]] if self.exchange else -values[..., own]
        return result

    def admitted(self, setting: Setting, x: np.ndarray) -> bool:
        """Whether the bounds admit the image of x, and this is another point."""
        own = list(self.indices)
        image = self.applied(x)[own]
        allowed = (image >= setting.lower[own]) & (image <= setting.upper[own])
        return bool(allowed.all() and (image != x[own]).any())

    def words(self, labels: Sequence[str]) -> str:
        """What the data do not fix."""
        names = [labels[i] for i in self.indices]
        if self.exchange:
            return f"the data do not tell {names[0]} from {names[1]}: their values may be exchanged"
        if len(names) == 1:
            return f"the data fix {names[0]} only up to its sign: it stays on the side of its start"
        return (
            f"the data fix {names[0]} and {names[1]} only up to a common change of sign: "
            f"{names[0]} stays on the side of its start"
        )


def find_mirrors(problem: Problem, setting: Setting) -> tuple[Mirror, ...]:
    """Those of the equations of motion among the free coefficients that bounds allow somewhere;
    none for lattices, and where positions were not observed."""
    data = setting.observations
    if setting.system.spec.lattice is not None or not data.seen[:, :, 0].any(axis=1).all():
        return ()
    k = setting.coefficients
    free = np.flatnonzero(setting.free[:k]).tolist()
    both = [i for i in free if setting.lower[i] < 0 < setting.upper[i]]
    generator = np.random.default_rng(1)
    start, sizes = problem.start[:k], setting.sizes[:k]
    points = []
    for _ in range(_POINTS):
        moved = start + sizes * generator.uniform(0.05, 0.3, k)
        points.append(np.where(setting.free[:k] & (moved < setting.upper[:k]), moved, start))
    seen = [_Jacobian(setting, point) for point in points]

    def holds(mirror: Mirror) -> bool:
        return all(jacobian.unchanged(mirror) for jacobian in seen)

    single = [mirror for mirror in (Mirror((i,)) for i in both) if holds(mirror)]
    alone = {mirror.indices[0] for mirror in single}
    pairs = [Mirror(p) for p in combinations([i for i in both if i not in alone], 2)]
    overlap = [
        p
        for p in combinations(free, 2)
        if max(setting.lower[list(p)]) < min(setting.upper[list(p)])
    ]
    exchanges = [Mirror(p, exchange=True) for p in overlap]
    return (*single, *(mirror for mirror in [*pairs, *exchanges] if holds(mirror)))


class _Jacobian:
    """Derivatives by the coefficients at one point, and at its images, at the same states."""

    def __init__(self, setting: Setting, point: np.ndarray) -> None:
        self.setting, self.point = setting, point
        self.here = self._at(point)
        self.largest = np.abs(self.here).max(axis=0, initial=0.0)

    def unchanged(self, mirror: Mirror) -> bool:
        """Whether the mirror leaves everything as it is, which nothing says without a slope."""
        there = self._at(mirror.applied(self.point))
        if there.shape != self.here.shape or not (self.largest[list(mirror.indices)] > 0).all():
            return False
        difference = np.abs(mirror.applied(there) - self.here).max(axis=0, initial=0.0)
        return bool((difference <= _ROUND_OFF * self.largest).all())

    def _at(self, point: np.ndarray) -> np.ndarray:
        states = np.random.default_rng(2)
        setting = self.setting
        return acceleration_sensitivity(setting.system, setting.observations, point, states)


def off_the_mirrors(problem: Problem, setting: Setting, mirrors: Sequence[Mirror]) -> Problem:
    """The problem with starts moved away from zero where every direction looks alike."""
    start = problem.start.copy()
    for mirror in mirrors:
        own = list(mirror.indices)
        if not mirror.exchange and not start[own].any():
            moved = _NUDGE * setting.first_sizes[own]
            start[own] = np.minimum(moved, setting.upper[own] / 2)
    return replace(problem, start=start)


def on_the_side_of(start: np.ndarray, refined: Refined, mirrors: Sequence[Mirror]) -> np.ndarray:
    """The solution (n,), or its image where that is on the side of the start."""
    x = refined.x
    for mirror in mirrors:
        first = mirror.indices[0]
        if mirror.exchange or x[first] * start[first] >= 0:
            continue
        if mirror.admitted(refined.setting, x):
            x = mirror.applied(x)
    return x


def ambiguities(
    mirrors: Sequence[Mirror], refined: Refined, labels: Sequence[str]
) -> tuple[str, ...]:
    """In words, those that the bounds leave open at the solution."""
    setting, x = refined.setting, refined.x
    return tuple(
        mirror.words(labels)
        for mirror in mirrors
        if setting.free[list(mirror.indices)].all() and mirror.admitted(setting, x)
    )
