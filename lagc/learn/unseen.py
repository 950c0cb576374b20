"""Holding what the data turned out not to see at the end of a search.

The sensitivities only say what happens near the solution: where the data see the square of a
coefficient that is zero, they vanish though another value would not do. So a coefficient is brought
to its starting value only if the others can make up for it, and stays where it was found if not.
A start that happens to be near says nothing of that: where the sensitivities grow from zero as
those of a power do, the coefficient stays, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lagc.learn.folds import of_stuck
from lagc.learn.gauge import Held, null_space, structural_null_space
from lagc.learn.least_squares import Setting
from lagc.learn.moves import Cost
from lagc.learn.problem import Problem, hold
from lagc.learn.refine import Refined, refine
from lagc.learn.sizes import following

_UNSEEN = 1e-2  # a relative change of 100 moves the observations by less than their noise
_LARGEST = 10.0  # power by which a coefficient goes with another


@dataclass(frozen=True, eq=False)
class Unseen:
    """A fit in which nothing is free that the data do not see: held is at its starting value,
    stuck at the value that was found, from where it cannot be moved at no cost."""

    refined: Refined
    held: tuple[Held, ...]
    stuck: tuple[Held, ...]


def hold_unseen(problem: Problem, refined: Refined) -> Unseen:
    """Hold what these data turn out not to see, and refine again."""
    unseen: list[Held] = []
    stuck: list[Held] = []
    for _ in range(refined.setting.coefficients):
        null = _null(refined)
        if null.shape[1] in (0, int(refined.setting.free.sum())):
            break
        _, chosen = hold(refined.setting, null)
        if on_folds := [one for one in chosen if _on_fold(refined, one)]:
            stuck += on_folds
            refined = replace(refined, setting=_without(refined.setting, on_folds))
            continue
        moved = _moved(problem, refined, chosen)
        if moved is not None:
            refined = moved
            unseen += chosen
            continue
        for held in chosen:
            one = _moved(problem, refined, [held]) if len(chosen) > 1 else None
            (stuck if one is None else unseen).append(held)
            refined = one or replace(refined, setting=_without(refined.setting, [held]))
    return Unseen(refined, tuple(unseen), tuple(stuck))


def _on_fold(refined: Refined, held: Held) -> bool:
    """Whether the data see a power of a change, and notice one as large as the coefficient."""
    fold = of_stuck(refined, held)
    return fold is not None and fold.offset < 1


def _null(refined: Refined) -> np.ndarray:
    """Directions (free, n) that the data do not see at the solution."""
    setting = following(refined.setting, refined.x)
    _, matrix = setting.whitened_and_sensitivity(refined.x)
    free = matrix[:, setting.free]
    null = structural_null_space(free)
    return null if null.shape[1] else null_space(free, tolerance=_UNSEEN)


def _moved(problem: Problem, refined: Refined, chosen: Sequence[Held]) -> Refined | None:
    """The fit with these at their starting values, None where it is a worse one."""
    setting, x = _without(refined.setting, chosen), refined.x
    for held in chosen:
        x = _moved_along(setting, x, held, problem.start[held.index])
    later = refine(setting, x, problem.channels)
    same = Cost.of(refined, problem.channels).keeps(later.x, later.setting.substeps)
    return later if same else None


def _without(setting: Setting, chosen: Sequence[Held]) -> Setting:
    """These are no longer searched for."""
    free = setting.free.copy()
    free[[held.index for held in chosen]] = False
    return replace(setting, free=free)


def _moved_along(setting: Setting, x: np.ndarray, held: Held, value: float) -> np.ndarray:
    """Bring one unknown to `value` along its null direction.

    In the logarithm of coefficients the direction of a scale is constant, so that the move is exact
    for a scale and a start for the next search otherwise.
    """
    k, index = setting.coefficients, held.index
    result = x.copy()
    if index < k and x[index] * value > 0:
        changes = held.direction[:k] * following(setting, x).sizes[:k]
        changes = changes / changes[index]
        powers = changes * x[index] / np.where(x[:k] != 0, x[:k], np.inf)
        # What is next to zero has no such power.
        straight = x[:k] + changes * (value - x[index])
        ordinary = np.abs(powers) <= _LARGEST
        moved = np.where(
            ordinary, x[:k] * (value / x[index]) ** np.where(ordinary, powers, 0.0), straight
        )
        result[:k] = np.clip(moved, setting.lower[:k], setting.upper[:k])
    result[index] = value
    return result
