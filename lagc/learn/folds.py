"""Solutions at which the data see a change of coefficients only by its square, or a higher power.

A coefficient that enters by its square has no sensitivity where it is zero, and neither has the
difference of two that can be exchanged where they are equal. With y the change along such a
direction, s = |y|^p is seen as others are: it and what else changes the coefficients (the mean of
two that can be exchanged) have a normal law together. The interval of a coefficient is all that it
takes where that law is as likely as in the 95 % interval of one parameter, and s not negative: a
profile. Where s comes out too small to be told from zero, the sensitivities a little off the fold
stand for those at the solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from lagc.base.gauge import listed
from lagc.learn.fit_result import Estimate
from lagc.learn.gauge import Held
from lagc.learn.intervals import Errors, estimate
from lagc.learn.least_squares import Setting
from lagc.learn.refine import Refined
from lagc.learn.sizes import following

_FIRST, _LAST = 1e-3, 0.3  # relative changes at which growth of the sensitivity is looked at
_MUCH = 30.0  # growth of the sensitivity to there that tells it from that at the solution
_WHOLE = 0.2  # how near to a whole number a power is
_NOT_NOTICED = 0.1  # standard deviations by which the observations change at most
_TAKES_PART = 1e-2
_UNSEEN = 1e-2  # a relative change of 100 moves the observations by less than their noise
_AROUND = np.linspace(-np.pi, np.pi, 4001)
_ORDINALS = {2: "square", 3: "cube", 4: "fourth power"}
_BENT = 4.0  # times its error, a power beyond which linear errors do for its root
_FAR = _BENT * max(_ORDINALS)  # times half of a linear interval: no power is within that


@dataclass(frozen=True, eq=False)
class Fold:
    """index: the coefficient that tells how far from the fold a point is; centre: a point on it
    (n,); step: a change of the unknowns (n,) that leads away; power: what is seen of it; offset:
    how far the observations do not notice, in steps; reached: whether the errors of the solution
    reach it, which are bent near to it anyway."""

    index: int
    centre: np.ndarray
    step: np.ndarray
    power: int
    offset: float
    reached: bool = True

    @classmethod
    def at(cls, setting: Setting, centre: np.ndarray, step: np.ndarray, index: int) -> Fold | None:
        """None where the sensitivity does not grow from zero as that of a power does, once what all
        other changes could make up for is taken out: along a straight line, it grows where only a
        product is seen, too."""
        along = (step / setting.sizes)[setting.free | (step != 0)]
        across = np.linalg.svd(along[None, :])[2][1:].T

        def slope(change: float) -> float:
            _, matrix = setting.whitened_and_sensitivity(centre + change * step)
            matrix = matrix[:, setting.free | (step != 0)]
            if not np.isfinite(matrix).all():
                return float("nan")
            left, singular, _ = np.linalg.svd(matrix @ across, full_matrices=False)
            left, own = left[:, singular > _UNSEEN], matrix @ along
            return float(np.linalg.norm(own - left @ (left.T @ own)))

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

    def beside(self, x: np.ndarray, setting: Setting) -> np.ndarray:
        """x (n,), or a point off the fold where x is on it, on the side where bounds leave room."""
        if self.distance(x) >= self.offset:
            return x
        sides = [x + sign * self.offset * self.step for sign in (1, -1)]
        outside = [np.abs(side - np.clip(side, setting.lower, setting.upper)) for side in sides]
        return sides[int(outside[1].sum() < outside[0].sum())]

    def side(self, x: np.ndarray) -> float:
        """Of a point x (n,): 1 where the step leads, -1 on the other, 0 on the fold."""
        i = self.index
        return float(np.sign((x[i] - self.centre[i]) * self.step[i]))

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


def close(refined: Refined, found: Sequence[Estimate]) -> list[tuple[int, int]]:
    """Pairs of coefficients that may be equal, given their estimates."""
    x, k = refined.x, refined.setting.coefficients
    free = [i for i in range(k) if found[i].std is not None]
    return [
        (i, j)
        for i, j in combinations(free, 2)
        if abs(x[i] - x[j]) <= 2 * _FAR * min(_half(found[i]), _half(found[j]))
    ]


def nearby(
    refined: Refined,
    known: Sequence[Fold],
    found: Sequence[Estimate],
    exchanges: Sequence[tuple[int, int]],
) -> list[Fold]:
    """Those beside the known ones that matter to the errors of the solution, given its estimates:
    where a coefficient is zero, and where two that can be exchanged are equal."""
    setting, x = following(refined.setting, refined.x), refined.x
    candidates = []
    for i in range(setting.coefficients):
        if found[i].std is not None and setting.lower[i] <= 0 <= setting.upper[i]:
            step = np.zeros(x.size)
            step[i] = setting.sizes[i]
            centre = x.copy()
            centre[i] = 0.0
            candidates.append((i, centre, step))
    for i, j in exchanges:
        step = np.zeros(x.size)
        step[i], step[j] = setting.sizes[i], -setting.sizes[i]
        centre = x.copy()
        centre[i] = centre[j] = (x[i] + x[j]) / 2
        candidates.append((i, centre, step))
    near = folded(refined, known)
    errors: Errors | None = None
    result: list[Fold] = []
    for index, centre, step in candidates:
        if abs(x[index] - centre[index]) > _FAR * _half(found[index]):
            continue
        if any(set(np.flatnonzero(step)) & set(fold.indices) for fold in result):
            continue
        fold = Fold.at(setting, centre, step, index)
        if fold is None:
            continue
        errors = errors or Errors.of(near)
        error = errors.wide[index] * np.linalg.norm(_parts(near, errors, [fold])[0])
        power = fold.distance(x) ** fold.power
        if power <= _BENT * error:
            result.append(replace(fold, reached=bool(power <= error)))
    return result


def folded(refined: Refined, folds: Sequence[Fold]) -> Refined:
    """The solution, beside all folds."""
    x = refined.x
    for fold in (fold for fold in folds if fold.reached):
        x = fold.beside(x, refined.setting)
    return replace(refined, x=np.clip(x, refined.setting.lower, refined.setting.upper))


def estimates(refined: Refined, folds: Sequence[Fold], held: Mapping[int, str]) -> list[Estimate]:
    """As `lagc.learn.intervals.estimate`, of a solution on folds.

    Images of a solution on the two sides of a fold are not told apart, and the interval of a
    coefficient has both.
    """
    near = folded(refined, folds)
    result = estimate(near, held, True)
    if not folds:
        return result
    setting, x = refined.setting, refined.x
    result = [replace(e, value=value) for e, value in zip(result, x.tolist(), strict=True)]
    errors = Errors.of(near)
    powers, across = _parts(near, errors, folds)
    for fold, power in zip(folds, powers, strict=True):
        p, here, side = fold.power, fold.distance(x), fold.side(x)
        for i in fold.indices:
            mean = float(x[i] - side * here * fold.step[i])
            law = errors.wide[i] * np.stack([across[i], power])
            region, step = _Region(mean, here**p, law @ law.T), float(fold.step[i])
            steps = (step, -step) if fold.reached else (side * step,)
            low, high = region.ends(steps, p)
            ends = max(low, float(setting.lower[i])), min(high, float(setting.upper[i]))
            std = None if fold.reached else result[i].std
            result[i] = Estimate(float(x[i]), std, ends, not fold.reached)
    return result


def _parts(near: Refined, errors: Errors, folds: Sequence[Fold]) -> tuple[np.ndarray, np.ndarray]:
    """The parts of errors (`Errors`) beside folds: of the power of the distance from each, (folds,
    count + 1), and of what else changes each unknown, (n, count + 1)."""
    free, point = near.setting.free, near.x.copy()
    for fold in folds:
        point[fold.indices] = fold.centre[fold.indices]
    sizes = near.setting.rescaled(point).sizes  # alike for two that can be exchanged
    changes = np.zeros((near.x.size, errors.parts.shape[1]))
    changes[free] = errors.parts * (errors.sizes / sizes)[free, None]
    steps = np.array([fold.step / sizes for fold in folds]).T
    distances = np.linalg.pinv(steps) @ changes
    across = (changes - steps @ distances) * sizes[:, None]
    slopes = [f.side(near.x) * f.power * f.distance(near.x) ** (f.power - 1) for f in folds]
    return np.array(slopes)[:, None] * distances, across


@dataclass(frozen=True, eq=False)
class _Region:
    """Where the mean of a coefficient over the two sides of a fold and a power s of the distance
    from it may lie: an ellipse around (mean, power) of this shape (2, 2), less s < 0."""

    mean: float
    power: float
    shape: np.ndarray

    def ends(self, steps: Sequence[float], p: int) -> tuple[float, float]:
        """The least and the largest mean + step s^(1/p)."""
        values, vectors = np.linalg.eigh(self.shape)
        axes = vectors * np.sqrt(np.maximum(values, 0.0))
        means, powers = axes @ np.stack([np.cos(_AROUND), np.sin(_AROUND)])
        within = powers + self.power >= 0
        means, roots = self.mean + means[within], (powers[within] + self.power) ** (1 / p)
        found = [means + step * roots for step in steps]
        return float(np.min(found)), float(np.max(found))


def _half(found: Estimate) -> float:
    """Half of an interval, the longer part of one that ends at a bound."""
    if found.interval95 is None:
        return 0.0
    low, high = found.interval95
    return max(high - found.value, found.value - low)
