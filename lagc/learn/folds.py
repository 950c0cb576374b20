"""Solutions at which the data see a change of coefficients only by its square, or a higher power.

A coefficient that enters by its square has no sensitivity where it is zero, and neither has the
difference of two that can be exchanged where they are equal. With y the change along such a
direction, s = |y|^p is seen as others are, so that the interval of s gives that of y. Where s
comes out too small to be told from zero, a point a little off the fold stands for the solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lagc.base.gauge import listed
from lagc.learn.fit_result import Estimate
from lagc.learn.gauge import Held
from lagc.learn.intervals import estimate
from lagc.learn.least_squares import Setting
from lagc.learn.refine import Refined

_FIRST, _LAST = 1e-3, 0.3  # relative changes at which growth of the sensitivity is looked at
_MUCH = 30.0  # growth of the sensitivity to there that tells it from that at the solution
_POWERS = (2, 3, 4)
_WHOLE = 0.2  # how near to a whole number a power is
_NOT_NOTICED = 0.1  # standard deviations by which the observations change at most
_TAKES_PART = 1e-2
_ORDINALS = {2: "square", 3: "cube", 4: "fourth power"}


@dataclass(frozen=True, eq=False)
class Fold:
    """held: the unknown and its direction, relative to sizes (n,); power: what is seen of a change;
    offset: a change along the direction that the observations do not notice."""

    held: Held
    step: np.ndarray
    power: int
    offset: float

    @classmethod
    def at(cls, refined: Refined, held: Held) -> Fold | None:
        """None where the sensitivity does not grow from zero as that of a power does."""
        setting = refined.setting.rescaled(refined.x, floor=1.0)
        k = setting.coefficients
        if held.index >= k:
            return None
        step = np.zeros(refined.x.size)
        step[:k] = held.direction[:k] * setting.sizes[:k]
        part = np.abs(step) > _TAKES_PART * setting.sizes
        step[~part] = 0.0
        here, change = _slope(setting, refined.x, step), _FIRST
        while change <= _LAST:
            slopes = [_slope(setting, refined.x + c * step, step) for c in (change, 2 * change)]
            if np.isfinite(slopes).all() and min(slopes) > _MUCH * here:
                power = 1 + float(np.log2(slopes[1] / slopes[0]))
                whole = round(power)
                if whole not in _POWERS or abs(power - whole) > _WHOLE:
                    return None
                seen = slopes[0] / (whole * change ** (whole - 1))
                return cls(held, step, whole, float((_NOT_NOTICED / seen) ** (1 / whole)))
            change *= 3
        return None

    @property
    def indices(self) -> list[int]:
        """The coefficients that change."""
        return np.flatnonzero(self.step).tolist()

    def beside(self, x: np.ndarray) -> np.ndarray:
        """A point that is not on the fold: (n,)."""
        return x + self.offset * self.step

    def words(self, labels: Sequence[str], x: np.ndarray) -> str:
        """What the data see."""
        names = [labels[i] for i in self.indices]
        seen = _ORDINALS[self.power]
        if len(names) == 1:
            value = f"{x[self.indices[0]]:.3g}"
            return (
                f"near the value found, {value}, the data see only the {seen} of a change of "
                f"{names[0]}: it has an interval, and no standard error"
            )
        return (
            f"near the values found, the data see only the {seen} of a change of {listed(names)} "
            "against each other: they have intervals, and no standard errors"
        )


def folded(refined: Refined, folds: Sequence[Fold]) -> Refined:
    """The solution, beside all folds."""
    x = refined.x
    for fold in folds:
        x = fold.beside(x)
    return replace(refined, x=np.clip(x, refined.setting.lower, refined.setting.upper))


def estimates(refined: Refined, folds: Sequence[Fold], held: dict[int, str]) -> list[Estimate]:
    """As `lagc.learn.intervals.estimate`, of a solution on folds."""
    near = folded(refined, folds)
    result = estimate(near, held, True)
    if not folds:
        return result
    setting = refined.setting
    free = setting.free.copy()
    free[[fold.held.index for fold in folds]] = False
    rest = estimate(replace(refined, setting=replace(setting, free=free)), {}, True)
    for i, value in enumerate(refined.x.tolist()):
        result[i] = _at(result[i], value)
    for fold in folds:
        along = near.x[fold.held.index] - refined.x[fold.held.index]
        own = _half(result[fold.held.index])
        size = fold.step[fold.held.index]
        # By the power s of the change y the data know it as they know others.
        p, y = fold.power, abs(along / size)
        reach = (y**p + p * y ** (p - 1) * own / abs(size)) ** (1 / p)
        others = [_half(rest[i]) for i in fold.indices if i != fold.held.index]
        for i in fold.indices:
            common = min(others, default=0.0) if i == fold.held.index else _half(rest[i])
            half = float(np.hypot(reach * fold.step[i], common))
            low = max(refined.x[i] - half, setting.lower[i])
            high = min(refined.x[i] + half, setting.upper[i])
            interval = (float(low), float(high))
            result[i] = Estimate(float(refined.x[i]), None, interval, False)
    return result


def _at(found: Estimate, value: float) -> Estimate:
    """The same errors around another value."""
    return replace(found, value=value)


def _half(found: Estimate) -> float:
    """Half of an interval, the longer part of one that ends at a bound."""
    if found.interval95 is None:
        return 0.0
    low, high = found.interval95
    return max(high - found.value, found.value - low)


def _slope(setting: Setting, x: np.ndarray, step: np.ndarray) -> float:
    """How fast the observations change along a step at x, in standard deviations."""
    _, matrix = setting.whitened_and_sensitivity(x)
    return float(np.linalg.norm(matrix @ (step / setting.sizes)))
