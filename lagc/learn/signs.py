"""Which changes of sign, shifts of phases, and exchanges of coefficients no data can see.

Where accelerations, and the momenta that were observed, are the same functions after a change S of
the coefficients c, f(S c) = f(c), data cannot tell c from S c. Differentiated by c that is
J(S c) S' = J(c), and at the values that S leaves alone f(S c) = f(c) anyway: so the Jacobians at
random states decide, to round-off. A shift leaves no value alone, and f itself is compared as well.
What is looked for is what `lagc check` looks for, among the coefficients that are searched for;
what is held, and what bounds rule out, is no ambiguity.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from lagc.base.reflections import Place, Reflection, Turn, alike, period_of, reflections
from lagc.learn.least_squares import Setting
from lagc.learn.mirrors import Ambiguity, Exchange, Mirror, Winding
from lagc.learn.moves import Cost
from lagc.learn.problem import Problem
from lagc.learn.refine import Refined
from lagc.learn.sizes import by_acceleration
from lagc.learn.structure import motion_and_sensitivity

_ROUND_OFF = 1e-7  # part of the largest derivative by a coefficient
_ZERO = 1e-13  # part of all that goes into an output
_SEEN = 1e-9  # the same: what a change has to move to be told from round-off
_NUDGE = 0.1  # part of the size of a coefficient that starts at zero
_POINTS = 2


def find_ambiguities(problem: Problem, setting: Setting) -> tuple[Ambiguity, ...]:
    """Those of the equations of motion among the free coefficients that bounds allow somewhere;
    none for lattices, and where positions were not observed."""
    return examined(problem, setting)[1]


def examined(problem: Problem, setting: Setting) -> tuple[tuple[Place, ...], tuple[Ambiguity, ...]]:
    """`find_ambiguities`, after bounds and periods of all coefficients."""
    if not by_acceleration(setting):
        return (), ()
    k = setting.coefficients
    seen = _motions(problem, setting)
    places = _places(setting, problem.start[:k], seen)

    def unnoticed(change: Reflection) -> bool:
        by = {i: float(places[i].half) for i in change.shifts}
        return all(motion.reflected(change.signs, by) for motion in seen)

    pairs = (
        (i, j)
        for i, j in combinations(range(k), 2)
        if max(places[i].lower, places[j].lower) < min(places[i].upper, places[j].upper)
    )
    sets = alike(pairs, lambda i, j: all(motion.exchanged(i, j) for motion in seen))
    return places, (
        *(Mirror(change, places) for change in reflections(places, unnoticed)),
        *(Winding(i, p.period, p) for i, p in enumerate(places) if p.period and p.winds),
        *(Exchange(own, places) for own in sets),
    )


def exchanged(
    problem: Problem, setting: Setting, pairs: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Those of pairs of coefficients that could be exchanged if there were no bounds."""
    if not pairs or not by_acceleration(problem.setting):
        return []
    motions = _motions(problem, replace(setting, sizes=problem.setting.sizes))
    return [pair for pair in pairs if all(motion.exchanged(*pair) for motion in motions)]


def _motions(problem: Problem, setting: Setting) -> list[_Motion]:
    """Near the start of a fit."""
    k = setting.coefficients
    generator = np.random.default_rng(1)
    start, sizes = problem.start[:k], setting.sizes[:k]
    points = []
    for _ in range(_POINTS):
        moved = start + sizes * generator.uniform(0.05, 0.3, k)
        points.append(np.where(setting.free[:k] & (moved < setting.upper[:k]), moved, start))
    return [_Motion(setting, point) for point in points]


def _places(setting: Setting, start: np.ndarray, seen: Sequence[_Motion]) -> tuple[Place, ...]:
    """Bounds and periods of all coefficients; what is held lies between its value and itself."""

    def place(index: int) -> Place:
        if not setting.free[index]:
            return Place(float(start[index]), float(start[index]))

        def unnoticed(turn: Turn) -> bool:
            return all(motion.reflected((), {index: float(turn)}) for motion in seen)

        lower, upper = float(setting.lower[index]), float(setting.upper[index])
        return Place(lower, upper, period_of(unnoticed))

    return tuple(place(index) for index in range(setting.coefficients))


class _Motion:
    """What is observed of the motion at one point, at states taken at random and recorded ones,
    with its derivatives by the coefficients; and the same at images of the point.

    Outputs (coordinates, and momenta) differ in size, and each is compared by its own.
    """

    def __init__(self, setting: Setting, point: np.ndarray) -> None:
        self.setting, self.point = setting, point
        self.sizes = setting.sizes[: point.size]
        self.values, self.slopes, self.output = self._at(point)
        outputs = np.unique(self.output)
        rows = [self.output == o for o in outputs]
        place = np.searchsorted(outputs, self.output)
        largest = np.array([np.abs(self.slopes[r]).max(axis=0) for r in rows])
        largest = largest.reshape(len(rows), point.size)
        whole = np.array([np.abs(self.values[r]).max() for r in rows])
        whole = np.maximum(whole, (largest * self.sizes).max(axis=1, initial=0.0))
        self.seen = (largest * self.sizes > _SEEN * whole[:, None]).any(axis=0)
        # Of each row: the largest slopes of its output, and how large all is that it is made of.
        self.largest, self.whole = largest[place], whole[place]

    def reflected(self, signs: Sequence[int], shifts: Mapping[int, float]) -> bool:
        """Whether changes of sign, and shifts, leave everything as it is. A shift that would be
        too small to notice in any case is no period."""
        if not all(self._shows(index, by) for index, by in shifts.items()):
            return False
        turned = np.ones(self.point.size)
        turned[list(signs)] = -1.0
        image = turned * self.point
        for index, by in shifts.items():
            image[index] += by
        values, slopes, _ = self._at(image)
        changed = {*signs, *shifts}
        if not self._unchanged(slopes * turned, changed):
            return False
        moved = self.largest @ np.abs(image - self.point)
        allowed = _ROUND_OFF * moved + _ZERO * self.whole
        return not shifts or bool((np.abs(values - self.values) <= allowed).all())

    def _shows(self, index: int, by: float) -> bool:
        """Whether a change of a coefficient by so much could be told from round-off."""
        return bool((self.largest[:, index] * abs(by) > _SEEN * self.whole).any())

    def exchanged(self, i: int, j: int) -> bool:
        """Whether an exchange of two coefficients does."""
        order = np.arange(self.point.size)
        order[[i, j]] = j, i
        _, slopes, _ = self._at(self.point[order])
        return self._unchanged(slopes[:, order], {i, j})

    def _unchanged(self, slopes: np.ndarray, changed: Collection[int]) -> bool:
        """Whether derivatives are those at the point, which nothing says where what changes is not
        seen there."""
        if slopes.shape != self.slopes.shape or not self.seen[list(changed)].all():
            return False
        allowed = _ROUND_OFF * self.largest + _ZERO * self.whole[:, None] / self.sizes
        return bool((np.abs(slopes - self.slopes) <= allowed).all())

    def _at(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        states, setting = np.random.default_rng(2), self.setting
        return motion_and_sensitivity(
            setting.system, setting.observations, point, states, recorded=True
        )


def off_the_mirrors(
    problem: Problem, setting: Setting, ambiguities: Sequence[Ambiguity]
) -> Problem:
    """The problem with starts moved away from zero where every direction looks alike."""
    start = problem.start.copy()
    for found in ambiguities:
        if isinstance(found, Mirror) and not found.change.shifts:
            own = list(found.indices)
            if not start[own].any():
                moved = _NUDGE * setting.first_sizes[own]
                start[own] = np.minimum(moved, setting.upper[own] / 2)
    return replace(problem, start=start)


def on_the_side_of(
    start: np.ndarray, refined: Refined, ambiguities: Sequence[Ambiguity], cost: Cost
) -> np.ndarray:
    """The solution (n,), or its image where that is on the side of the start, in the period that is
    nearest to the start. An image that costs more is none."""
    x = refined.x
    for found in ambiguities:
        if isinstance(found, Mirror) and found.change.signs:
            first = found.change.signs[0]
            if x[first] * start[first] < 0 and (image := found.image(x, start)) is not None:
                x = image if cost.keeps(image) else x
    for found in ambiguities:
        if isinstance(found, Winding):
            image = found.near(x, start)
            x = image if cost.keeps(image) else x
    return x


def confirmed(ambiguities: Sequence[Ambiguity], x: np.ndarray, cost: Cost) -> tuple[Ambiguity, ...]:
    """Those whose images of the solution x (n,) cost no more, as far as bounds admit any."""
    return tuple(a for a in ambiguities if all(cost.keeps(image) for image in a.images(x)))


def sentences(
    ambiguities: Sequence[Ambiguity], refined: Refined, labels: Sequence[str]
) -> tuple[str, ...]:
    """In words, those that the bounds leave open at the solution."""
    setting, x = refined.setting, refined.x
    return tuple(
        found.words(labels)
        for found in ambiguities
        if setting.free[list(found.indices)].all() and found.admitted(x)
    )
