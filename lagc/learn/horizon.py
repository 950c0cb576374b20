"""Following the data over a growing horizon.

Over a long oscillating record the sum of squares has a minimum for every wrong count of periods.
Over the first few rows it has one; each doubling of the horizon starts within the valley of the
last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.least_squares import Search, Setting, search
from lagc.learn.moves import cost
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.starting import Channels

_FIRST_ROWS = 8
_SLOWER = (2.0, 1.25)  # growth a stage: the first that follows the data
_FOLLOWS = 0.2  # rms residual as a part of the spread of a channel
_BISECTIONS = 6
_BETTER = 0.99
_SHARPENED, _SHARPEST = 3, 1e-3  # searches at lower levels, and the lowest, as a part of the spread


@dataclass(frozen=True, eq=False)
class Grown:
    """Unknowns x: (n,) that follow the data to the horizon of `setting`; is that `complete`?"""

    setting: Setting
    x: np.ndarray
    complete: bool
    notes: tuple[str, ...]


def whole(setting: Setting, x: np.ndarray, channels: Channels) -> Grown | None:
    """All rows at once, from a start that is thought to be near; None if its end does not follow
    the data."""
    current = replace(setting, sigma=channels.sizes).rescaled(x)
    found = _approached(current, x, channels)
    if found is None or _misfit(current, found.x) >= _FOLLOWS:
        return None
    return Grown(current, found.x, True, ())


def nearest(setting: Setting, x: np.ndarray, channels: Channels) -> Grown:
    """All rows at once, and where the end of that does not follow the data over a growing horizon
    too: what comes nearer; errors as `grow`."""
    current = replace(setting, sigma=channels.sizes).rescaled(x)
    found = _approached(current, x, channels)
    misfit = np.inf if found is None else _misfit(current, found.x)
    if found is not None and misfit < _FOLLOWS:
        return Grown(current, found.x, True, ())
    grown = grow(setting, x, channels, silent)
    if found is None or (grown.complete and _misfit(grown.setting, grown.x) < misfit):
        return grown
    return Grown(current, found.x, True, ())


def nearer(
    setting: Setting, x: np.ndarray, starts: Iterable[np.ndarray], channels: Channels
) -> Grown | None:
    """The end of `whole` from other starts that is nearest to the data, None where none is nearer
    than the solution x (n,)."""
    weighed = replace(setting, sigma=channels.sizes)
    least, best = _BETTER * cost(weighed, x), None
    for start in starts:
        found = whole(setting, start, channels)
        if found is not None and (value := cost(weighed, found.x)) < least:
            least, best = value, found
    return best


def grow(setting: Setting, x: np.ndarray, channels: Channels, progress: Callback) -> Grown:
    """Fit the first rows, then more and more; LAG602 if not even the first rows can be computed."""
    best: tuple[float, Setting, np.ndarray] | None = None
    for factor in _SLOWER:
        reached, end = _climb(replace(setting, sigma=channels.sizes), x, factor, channels, progress)
        misfit = _misfit(reached, end)
        # A horizon that was not reached is worse than any misfit.
        misfit += (setting.horizon - reached.horizon) / setting.horizon * 1e3
        if best is None or misfit < best[0]:
            best = misfit, reached, end
        if best[0] < _FOLLOWS:
            break
    assert best is not None
    _, reached, end = best
    complete = reached.horizon == setting.horizon
    notes = () if complete else (_stopped(reached),)
    return Grown(reached, end, complete, notes)


def _climb(
    setting: Setting, x: np.ndarray, factor: float, channels: Channels, progress: Callback
) -> tuple[Setting, np.ndarray]:
    total = setting.horizon
    horizon = _first_horizon(setting)
    found = None
    while found is None:
        current = replace(setting, horizon=horizon).rescaled(x)
        found = _approached(current, x, channels)
        if found is None and horizon <= 2:
            raise fail(
                Code.LAG602,
                "the search cannot start: with the first guess the trajectory is not finite",
                help="give other starting values (`--guess NAME=VALUE`)",
            )
        horizon = horizon if found is not None else max(2, horizon // 2)
    x, failures = found.x, 0
    while horizon < total and failures < _BISECTIONS:
        # After a failure the step to the next horizon is halved, and halved again.
        longer = int(np.ceil(horizon * (1 + (factor - 1) / 2**failures)))
        longer = min(max(longer, horizon + 1), total)
        candidate = replace(setting, horizon=longer).rescaled(x)
        found = _approached(candidate, x, channels)
        if found is None:
            failures += 1
            continue
        current, x, horizon, failures = candidate, found.x, longer, 0
        progress(Progress("horizon", horizon, total, f"{horizon} of {total} rows"))
    return current, x


def _approached(setting: Setting, x: np.ndarray, channels: Channels) -> Search | None:
    """A rough search; with a robust loss again, at the levels that the residuals then have, which
    large errors do not decide: at the spread of a channel hardly anything would be far."""
    found = search(setting, x, rough=True)
    for _ in range(_SHARPENED if setting.loss.robust else 0):
        if found is None:
            break
        residual = np.full(setting.seen.shape, np.nan)
        residual[setting.seen] = setting.whitened(found.x)
        sigma = setting.sigma.copy()
        for mask in channels.groups.values():
            own = residual[:, :, mask]
            level = setting.loss.size(own[np.isfinite(own)])
            sigma[mask] *= float(np.clip(level, _SHARPEST, 1.0))
        found = search(replace(setting, sigma=sigma), found.x, rough=True) or found
    return found


def _misfit(setting: Setting, x: np.ndarray) -> float:
    """The size of the residuals over the horizon, as a part of the spread of the channels."""
    return setting.loss.size(setting.whitened(x))


def _first_horizon(setting: Setting) -> int:
    """Rows enough for twice as many observations as unknowns, and at least a few."""
    counts = np.cumsum(setting.observations.seen.sum(axis=(0, 2, 3)))
    enough = int(np.searchsorted(counts, 2 * int(setting.free.sum()))) + 1
    return min(max(enough, _FIRST_ROWS), setting.horizon)


def _stopped(setting: Setting) -> str:
    rows, times = setting.horizon, setting.observations.times
    return (
        f"only the first {rows} rows (to t = {times[:, rows - 1].max():g}) were used: beyond them "
        "no finite trajectory was found"
    )
