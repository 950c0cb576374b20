"""Phases that have no more room than a period: a search that ends at a bound may have to go on at
the other one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lagc.base.reflections import Place
from lagc.learn.fit_result import Estimate
from lagc.learn.horizon import Grown, nearer
from lagc.learn.least_squares import Setting
from lagc.learn.problem import Problem

_AT = 1e-3  # part of the room of a phase within which it is at a bound
_STARTS = (0.05, 0.5, 0.95)  # parts of it at which a search begins again
_SAME = 1e-9


def around(
    problem: Problem, setting: Setting, places: Sequence[Place], x: np.ndarray
) -> Grown | None:
    """The best of other searches where a phase is on a bound at the solution x (n,); None where
    nothing is nearer to the data. setting: of the whole data."""
    return nearer(setting, x, _starts(setting, places, x), problem.channels)


def _starts(setting: Setting, places: Sequence[Place], x: np.ndarray) -> Iterator[np.ndarray]:
    """x with such a phase elsewhere."""
    for i, place in enumerate(places):
        room = place.upper - place.lower
        if place.period is None or place.winds or not setting.free[i]:
            continue
        if min(x[i] - place.lower, place.upper - x[i]) > _AT * room:
            continue
        for part in _STARTS:
            moved = x.copy()
            moved[i] = place.lower + part * room
            yield moved


def wrapped(places: Sequence[Place], estimates: Sequence[Estimate]) -> list[int]:
    """The phases whose bounds are one period apart and whose interval reaches a bound."""
    found = []
    for i, place in enumerate(places):
        interval = estimates[i].interval95
        if place.period is None or interval is None:
            continue
        period = float(place.period)
        whole = abs(place.upper - place.lower - period) <= _SAME * period
        if whole and (interval[0] <= place.lower or interval[1] >= place.upper):
            found.append(i)
    return found


def wrap_note(name: str, place: Place) -> str:
    """On a phase whose interval goes on at the other bound."""
    return (
        f"both bounds of {name}, {place.lower:g} and {place.upper:g}, are the same phase: its "
        "interval goes on at the other one"
    )
