"""Other minima where coordinates are hidden.

A coordinate that no channel shows is known by what it does to the others, and two models can do
almost the same: two masses and springs have the frequencies of two others. The sum of squares then
has a minimum near each, and no regression says which is the lower one. They lie apart in the
directions that the data decide least; where a solution leaves what is no noise, they are looked for
everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lagc.learn.horizon import Grown, nearer
from lagc.learn.least_squares import Setting, search
from lagc.learn.moves import Cost, cost
from lagc.learn.problem import Problem
from lagc.learn.refine import Refined
from lagc.learn.residuals import Residuals
from lagc.learn.sizes import hidden

_DIRECTIONS = 2
_STEPS = (-0.5, -0.2, 0.2, 0.5)  # of the coefficient that moves most, as a part of its size
_ROUNDS = 4
_DRAWS = 32
_DIFFERENT = 1e-3  # part of a size
_AS_GOOD = 4.0  # of a sum of squares in standard deviations: two of one of them


def elsewhere(problem: Problem, setting: Setting, x: np.ndarray) -> Grown | None:
    """The best of other searches where a coordinate is hidden; None where nothing is nearer to the
    data than the solution x (n,). setting: of the whole data."""
    if not hidden(setting).any():
        return None
    near = _along_the_weakest(problem, setting, x)
    far = _drawn(problem, setting, x if near is None else near.x)
    if far is None:
        return near
    return _along_the_weakest(problem, setting, far.x) or far


def as_good(problem: Problem, refined: Refined) -> list[np.ndarray]:
    """Other solutions (n,) that the data do not tell from one where a coordinate is hidden: the
    ends of searches from there that cost hardly more, with what costs more between."""
    setting = refined.setting
    if not hidden(setting).any():
        return []
    known = Cost.of(refined, problem.channels)
    found = [refined.x]
    for start in _weakest(setting.rescaled(refined.x), refined.x):
        end = search(setting.rescaled(start), start, rough=False)
        if end is None or cost(known.setting, end.x) > known.here + _AS_GOOD:
            continue
        halfway = [cost(known.setting, (x + end.x) / 2) for x in found]
        if min(halfway) > known.here + _AS_GOOD:
            found.append(end.x)
    return found[1:]


def in_words(solutions: Sequence[np.ndarray], refined: Refined, labels: Sequence[str]) -> list[str]:
    """That there are such solutions: their coefficients, or what else is another."""
    k, sizes, sentences = refined.setting.coefficients, refined.setting.sizes, []
    for x in solutions:
        differs = np.abs(x - refined.x) > _DIFFERENT * sizes
        named = range(k) if differs[:k].any() else np.flatnonzero(differs).tolist()
        values = ", ".join(f"{labels[i]} = {x[i]:.6g}" for i in named)
        sentences.append(
            f"the data are followed as well by another solution: {values}; a guess or bounds "
            "choose (`--guess`)"
        )
    return sentences


def _along_the_weakest(problem: Problem, setting: Setting, x: np.ndarray) -> Grown | None:
    """Where the data are least against it, until nothing is nearer to them."""
    best = None
    for _ in range(_ROUNDS):
        starts = _weakest(_weighed(problem, setting, x), x)
        found = nearer(setting, x, starts, problem.channels)
        if found is None:
            break
        best, x = found, found.x
    return best


def _drawn(problem: Problem, setting: Setting, x: np.ndarray) -> Grown | None:
    """Everywhere, while what is left is no noise: about x and about where the fit began."""
    best, generator, k = None, np.random.default_rng(0), setting.coefficients
    weighed = _weighed(problem, setting, x)
    if _is_noise(problem, weighed, x):
        return None
    for number in range(_DRAWS):
        moved = x.copy()
        about = (problem.start if number % 2 else x)[:k]
        about = np.where(about != 0, about, weighed.sizes[:k])
        drawn = about * np.exp(generator.normal(size=k))
        moved[:k] = np.where(setting.free[:k], drawn, x[:k])
        found = nearer(setting, x, _with_states(weighed, moved), problem.channels)
        if found is None:
            continue
        best, x = found, found.x
        weighed = _weighed(problem, setting, x)
        if _is_noise(problem, weighed, x):
            break
    return best


def _weighed(problem: Problem, setting: Setting, x: np.ndarray) -> Setting:
    return replace(setting, sigma=problem.channels.sizes).rescaled(x)


def _is_noise(problem: Problem, setting: Setting, x: np.ndarray) -> bool:
    """Whether nothing says that a lower minimum is there."""
    residuals = Residuals.of(setting, x, problem.channels)
    return not residuals.poor() and all(map(residuals.white, problem.channels.groups))


def _weakest(setting: Setting, x: np.ndarray) -> Iterator[np.ndarray]:
    """x moved in the directions that the data decide least."""
    k = setting.coefficients
    chosen, states = np.flatnonzero(setting.free[:k]), setting.free.copy()
    states[:k] = False
    _, matrix = setting.whitened_and_sensitivity(x)
    if not chosen.size or not np.isfinite(matrix).all():
        return
    own, others = matrix[:, chosen], matrix[:, states]
    own = own - others @ np.linalg.lstsq(others, own, rcond=None)[0]
    for direction in np.linalg.svd(own, full_matrices=False)[2][::-1][:_DIRECTIONS]:
        for step in _STEPS:
            moved = x.copy()
            moved[chosen] += step * direction / np.abs(direction).max() * setting.sizes[chosen]
            yield from _with_states(setting, moved)


def _with_states(setting: Setting, x: np.ndarray) -> Iterator[np.ndarray]:
    """x with initial states that suit its coefficients, where there is a trajectory."""
    states = setting.free.copy()
    states[: setting.coefficients] = False
    x = np.clip(x, setting.lower, setting.upper)
    found = search(replace(setting, free=states), x, rough=True)
    if found is not None:
        yield found.x
