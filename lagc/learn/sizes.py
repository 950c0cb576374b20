"""How large a change of a coefficient is not small, by what it does to the motion.

A start says so only where it is of the right order. The *effect* of a coefficient is the change
that does as much to the accelerations as the largest term in them, in whatever units; a size should
be no larger, and not much smaller. Where coordinates are hidden, and on lattices, trajectories
stand for accelerations: less surely, since what happens early is seen in all that follows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lagc.learn.gauge import scaled_rows
from lagc.learn.least_squares import Setting
from lagc.learn.structure import reproducible_sensitivity

_SMALLEST = 1e-2, 1e-4  # parts of an effect below which no size is: by accelerations, trajectories
_BESIDE = 0.2  # part of a size
_SMALLER, _LINEAR = 6, 0.5  # how often a size is made smaller until the motion is this linear in it
_SEED = 3


def by_acceleration(setting: Setting) -> bool:
    """Whether accelerations say all that trajectories do: all positions were observed."""
    seen = bool(setting.observations.seen[:, :, 0].any(axis=1).all())
    return seen and setting.system.spec.lattice is None


def raised(setting: Setting, x: np.ndarray) -> Setting:
    """With sizes of the free coefficients that are not far too small, as those of starts x (n,)
    that are almost zero would be."""
    k = setting.coefficients
    smallest = _SMALLEST[0 if by_acceleration(setting) else 1] * effects(setting, x)
    wanted = setting.free[:k] & np.isfinite(smallest)
    first = setting.first_sizes.copy()
    first[:k] = np.maximum(first[:k], np.where(wanted, smallest, 0.0))
    return replace(setting, first_sizes=first, sizes=first)


def following(setting: Setting, x: np.ndarray) -> Setting:
    """With the sizes that belong to a solution x (n,), wherever the search began."""
    k = setting.coefficients
    largest = effects(setting, x)
    first = np.minimum(setting.first_sizes[:k], largest)
    if by_acceleration(setting):
        smallest = _SMALLEST[0] * largest
        first = np.maximum(first, np.where(np.isfinite(smallest), smallest, 0.0))
    sizes = setting.first_sizes.copy()
    sizes[:k] = np.maximum(np.abs(x[:k]), first)
    return replace(setting, sizes=sizes)


def resized(setting: Setting, x: np.ndarray) -> Setting:
    """As `following`, for a search from there: starts at zero say nothing of sizes, and a search in
    wrong ones ends before its minimum."""
    sizes = following(setting, x).sizes
    return replace(setting, first_sizes=sizes, sizes=sizes)


def hidden(setting: Setting) -> np.ndarray:
    """Which coordinates of which recording no channel shows: (R, dof); none on lattices, where the
    sites beside them do."""
    shown_by_channels = setting.observations.seen.any(axis=(1, 2))
    return np.logical_not(shown_by_channels | (setting.system.spec.lattice is not None))


def shown(setting: Setting, x: np.ndarray) -> Setting:
    """With sizes of the initial values of hidden coordinates that move what is seen by its spread
    (`setting.sigma`) in whatever units, but by no more than what it is moved in proportion to. x:
    (n,), where that is looked at."""
    of_hidden = hidden(setting)
    if not of_hidden.any():
        return setting
    recordings, dof = of_hidden.shape
    before, matrix = setting.whitened_and_sensitivity(x)
    effect = np.sqrt(np.mean(matrix**2, axis=0) * recordings)
    known = np.isfinite(effect) & (effect > 0)
    states = np.arange(setting.coefficients, x.size).reshape(recordings, 2, dof)
    sizes = setting.sizes.copy()
    for kind, d in np.ndindex(2, dof):
        mine = states[of_hidden[:, d], kind, d]
        mine = mine[known[mine]]
        if not mine.size:
            continue
        wanted = 1 / effect[mine]  # in the present sizes
        for _ in range(_SMALLER):
            moved = x.copy()
            moved[mine] += wanted * setting.sizes[mine]
            linear = matrix[:, mine] @ wanted
            change = setting.whitened(moved) - before
            if np.linalg.norm(change - linear) < _LINEAR * np.linalg.norm(linear):
                break
            wanted = np.minimum(wanted, np.sqrt(wanted))
        sizes[mine] *= wanted
    return replace(setting, first_sizes=sizes, sizes=sizes)


def effects(setting: Setting, x: np.ndarray) -> np.ndarray:
    """Of the coefficients, at the unknowns x (n,): (k,), infinite where nothing is seen of one."""
    k = setting.coefficients
    values = x[:k]
    if not by_acceleration(setting):
        _, matrix = setting.whitened_and_sensitivity(x)
        rows = scaled_rows(matrix)[:, :k] / setting.sizes[:k]
        largest = np.abs(rows[np.isfinite(rows).all(axis=1)]).max(axis=0, initial=0.0)
        return _effects(largest, largest @ np.abs(values))
    # What enters by its square has no effect at zero: a place beside it counts too.
    moved = values + _BESIDE * np.maximum(np.abs(values), setting.first_sizes[:k])
    moved = np.where(moved < setting.upper[:k], moved, values)
    motion, rows, output = _motion(setting, values)
    _, beside, of_beside = _motion(setting, moved)
    result = np.full(k, np.inf)
    for o in np.unique(output):
        here = np.abs(rows[output == o]).max(axis=0)
        largest = np.maximum(here, np.abs(beside[of_beside == o]).max(axis=0, initial=0.0))
        whole = max(float(np.abs(motion[output == o]).max()), *(here * np.abs(values)))
        result = np.minimum(result, _effects(largest, whole))
    return result


def _motion(setting: Setting, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return reproducible_sensitivity(setting.system, setting.observations, values, _SEED)


def _effects(largest: np.ndarray, whole: float) -> np.ndarray:
    """Changes that make as much as `whole`, given how much one of one does: (k,)."""
    known = (largest > 0) & (whole > 0)
    with np.errstate(over="ignore"):
        return np.where(known, whole / np.where(known, largest, 1.0), np.inf)
