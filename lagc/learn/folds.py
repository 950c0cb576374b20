"""Solutions at which the data see a change of coefficients only by its square, or a higher power.

A coefficient that enters by its square has no sensitivity where it is zero, and neither has the
difference of two that can be exchanged where they are equal. With y the change along such a
direction, s = |y|^p is seen as others are, so that the interval of s gives that of y. Where s
comes out too small to be told from zero, a point a little off the fold stands for the solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from lagc.base.gauge import listed
from lagc.learn.fit_result import Estimate
from lagc.learn.gauge import Held
from lagc.learn.intervals import estimate
from lagc.learn.least_squares import Setting
from lagc.learn.refine import Refined
from lagc.learn.sizes import following

_FIRST, _LAST = 1e-3, 0.3  # relative changes at which growth of the sensitivity is looked at
_MUCH = 30.0  # growth of the sensitivity to there that tells it from that at the solution
_WHOLE = 0.2  # how near to a whole number a power is
_NOT_NOTICED = 0.1  # standard deviations by which the observations change at most
_TAKES_PART = 1e-2
_ORDINALS = {2: "square", 3: "cube", 4: "fourth power"}


@dataclass(frozen=True, eq=False)
class Fold:
    """index: the coefficient that tells how far from the fold a point is; centre: a point on it
    (n,); step: a change of the unknowns (n,) that leads away; power: what is seen of it; offset:
    how far the observations do not notice, in steps."""

    index: int
    centre: np.ndarray
    step: np.ndarray
    power: int
    offset: float

    @classmethod
    def at(cls, setting: Setting, centre: np.ndarray, step: np.ndarray, index: int) -> Fold | None:
        """None where the sensitivity does not grow from zero as that of a power does."""

        def slope(change: float) -> float:
            _, matrix = setting.whitened_and_sensitivity(centre + change * step)
            return float(np.linalg.norm(matrix @ (step / setting.sizes)))

        here = slope(0.0)
        if not slope(_LAST) > _MUCH * here:
            return None
        change = _FIRST
        while change <= _LAST:
            slopes = slope(change), slope(2 * change)
            if np.isfinite(slopes).all() and min(slopes) > _MUCH * here:
                power = 1 + float(np.log2(slopes[1] / slopes[0]))
                whole = round(power)
                if whole not in _ORDINALS or abs(power - whole) > _WHOLE:
                    return None
                seen = slopes[0] / (whole * change ** (whole - 1))
                offset = float((_NOT_NOTICED / seen) ** (1 / whole))
                return cls(index, centre, step, whole, offset)
            change *= 3
        return None

    @property
    def indices(self) -> list[int]:
        """The coefficients that change."""
        return np.flatnonzero(self.step).tolist()

    def distance(self, x: np.ndarray) -> float:
        """Of a point x (n,), in steps."""
        i = self.index
        return float(abs((x[i] - self.centre[i]) / self.step[i]))

    def beside(self, x: np.ndarray) -> np.ndarray:
        """x (n,), or a point off the fold where x is on it."""
        return x if self.distance(x) >= self.offset else x + self.offset * self.step

    def reach(self, x: np.ndarray, half: float) -> tuple[float, bool]:
        """How far from the fold, in steps, an interval of the power reaches, given half of that of
        the coefficient at x (n,); whether it reaches the fold itself."""
        p, y, half = self.power, self.distance(x), half / abs(float(self.step[self.index]))
        wide = p * y ** (p - 1) * half
        return float((y**p + wide) ** (1 / p)), wide >= y**p

    def words(self, labels: Sequence[str]) -> str:
        """What the data see."""
        names, seen = [labels[i] for i in self.indices], _ORDINALS[self.power]
        if len(names) == 1:
            value, size = float(self.centre[self.index]), abs(float(self.step[self.index]))
            value = 0.0 if abs(value) < _FIRST * size else value
            return (
                f"near {names[0]} = {value:.3g} the data see only the {seen} of "
                f"a change of {names[0]}: it has an interval, and no standard error"
            )
        return (
            f"near the values found the data see only the {seen} of a change of {listed(names)} "
            "against each other: they have intervals, and no standard errors"
        )


def of_stuck(refined: Refined, held: Held) -> Fold | None:
    """At the solution, which cannot be moved along a direction that seems not to be seen."""
    setting = following(refined.setting, refined.x)
    k = setting.coefficients
    if held.index >= k:
        return None
    step = np.zeros(refined.x.size)
    step[:k] = held.direction[:k] * setting.sizes[:k]
    step[np.abs(step) <= _TAKES_PART * setting.sizes] = 0.0
    return Fold.at(setting, refined.x, step, held.index)


def nearby(
    refined: Refined, found: Sequence[Estimate], exchanges: Sequence[Sequence[int]]
) -> list[Fold]:
    """Those that are no further from the solution than errors reach, given its estimates: where a
    coefficient is zero, and where two that can be exchanged are equal."""
    setting, x = following(refined.setting, refined.x), refined.x
    candidates = []
    for i in range(setting.coefficients):
        if found[i].std is not None and setting.lower[i] <= 0 <= setting.upper[i]:
            step = np.zeros(x.size)
            step[i] = setting.sizes[i]
            centre = x.copy()
            centre[i] = 0.0
            candidates.append((i, centre, step))
    for i, j in (pair for own in exchanges for pair in combinations(own, 2)):
        if found[i].std is not None and found[j].std is not None:
            step = np.zeros(x.size)
            step[i], step[j] = setting.sizes[i], -setting.sizes[i]
            centre = x.copy()
            centre[i] = centre[j] = (x[i] + x[j]) / 2
            candidates.append((i, centre, step))
    result: list[Fold] = []
    for index, centre, step in candidates:
        if abs(x[index] - centre[index]) > max(_ORDINALS) * _half(found[index]):
            continue
        if any(set(np.flatnonzero(step)) & set(fold.indices) for fold in result):
            continue
        fold = Fold.at(setting, centre, step, index)
        if fold is not None and fold.reach(x, _half(found[index]))[1]:
            result.append(fold)
    return result


def folded(refined: Refined, folds: Sequence[Fold]) -> Refined:
    """The solution, beside all folds."""
    x = refined.x
    for fold in folds:
        x = fold.beside(x)
    return replace(refined, x=np.clip(x, refined.setting.lower, refined.setting.upper))


def estimates(refined: Refined, folds: Sequence[Fold], held: Mapping[int, str]) -> list[Estimate]:
    """As `lagc.learn.intervals.estimate`, of a solution on folds."""
    near = folded(refined, folds)
    result = estimate(near, held, True)
    if not folds:
        return result
    setting, x = refined.setting, refined.x.tolist()
    free = setting.free.copy()
    free[[fold.index for fold in folds]] = False
    rest = estimate(replace(refined, setting=replace(setting, free=free)), {}, True)
    own = {fold.index: _half(result[fold.index]) for fold in folds}
    result = [replace(found, value=value) for found, value in zip(result, x, strict=True)]
    for fold in folds:
        reach, _ = fold.reach(near.x, own[fold.index])
        others = [_half(rest[i]) for i in fold.indices if i != fold.index]
        for i in fold.indices:
            common = min(others, default=0.0) if i == fold.index else _half(rest[i])
            half = float(np.hypot(reach * fold.step[i], common))
            low = max(float(fold.centre[i]) - half, float(setting.lower[i]))
            high = min(float(fold.centre[i]) + half, float(setting.upper[i]))
            result[i] = Estimate(x[i], None, (low, high), False)
    return result


def _half(found: Estimate) -> float:
    """Half of an interval, the longer part of one that ends at a bound."""
    if found.interval95 is None:
        return 0.0
    low, high = found.interval95
    return max(high - found.value, found.value - low)
