"""Recordings of one channel whose noise differs: each then counts by a level of its own.

One level for all of them would be that of the worst. The good ones then count for no more than
that, and the intervals have nothing to do with what the coefficients really are known to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lagc.learn.least_squares import Setting
from lagc.learn.losses import LOSSES, outlying
from lagc.learn.noise import Noise, residuals_and_leverage
from lagc.learn.refine import Refined, refine
from lagc.learn.residuals import Residuals
from lagc.learn.starting import Channels

_FEWEST = 20  # values that say something about the level of a recording
_FEWEST_DEGREES = 10.0
_OF_A_MEDIAN = 1.36  # variance of the logarithm of a median of sizes, times their number
_MARGIN = 1.0  # standard errors beyond those of a normal law: that of a median has longer tails
_MATTERS = 1.5  # ratio of levels below which one for all does little harm
_COMPUTED = 1e-6  # part of the spread below which residuals may be errors of integrators
_ROUNDS = 4
_SETTLED = 0.02  # relative change of levels


@dataclass(frozen=True, eq=False)
class Levels:
    """Of one channel, by recording: levels (R,), NaN where too few values say what they are;
    degrees of freedom (R,); whether they differ by more than their numbers explain."""

    levels: np.ndarray
    degrees: np.ndarray
    differ: bool

    @classmethod
    def of(cls, values: np.ndarray, leverage: np.ndarray, robust: bool, floor: float) -> Levels:
        """From residuals (R, values), NaN where nothing was observed, and the part of each that
        the unknowns take: (R, values). floor: the least a level can be."""
        seen = np.isfinite(values)
        counts = seen.sum(axis=1)
        degrees = counts - np.where(seen, leverage, 0.0).sum(axis=1)
        enough = (counts >= _FEWEST) & (degrees >= _FEWEST_DEGREES)
        levels, medians = np.full(len(values), np.nan), np.full(len(values), np.nan)
        for i in np.flatnonzero(enough):
            own = values[i, seen[i]]
            freed = float(np.sqrt(counts[i] / degrees[i]))
            medians[i] = max(LOSSES["huber"].size(own) * freed, floor)
            size = medians[i] if robust else LOSSES["squares"].size(own) * freed
            levels[i] = max(size, floor)
        return cls(levels, degrees, _differ(medians[enough], degrees[enough]))


def _differ(levels: np.ndarray, degrees: np.ndarray) -> bool:
    """Whether medians of so many sizes, (n,) each, differ by more than chance: the one that is
    furthest from all others."""
    if levels.size < 2 or np.max(levels) < _MATTERS * np.min(levels):
        return False
    logs, others = np.log(levels), np.sum(degrees) - degrees
    without = (np.sum(degrees * logs) - degrees * logs) / others
    far = np.abs(logs - without) / np.sqrt(_OF_A_MEDIAN * (1 / degrees + 1 / others))
    return bool(np.max(far) > outlying(levels.size) + _MARGIN)


def differ(setting: Setting, x: np.ndarray, channels: Channels) -> bool:
    """Whether the residuals at x are of different size in different recordings of some channel."""
    return any(levels.differ for levels in _levels(setting, x, channels, ()).values())


def by_recording(refined: Refined, channels: Channels, names: Sequence[str]) -> Refined:
    """A fit, again with a level for each recording where those of a channel differ, and a note;
    names: of the recordings. Where residuals are then not white the levels differ because the model
    misses something, and all stays as it was but for the note."""
    first = _found(refined, channels)
    uneven = [name for name, levels in first.items() if levels.differ]
    if not uneven:
        return refined
    found, result = first, refined
    for _ in range(_ROUNDS):
        setting = _weighed(result, channels, {name: found[name] for name in uneven})
        result = refine(setting, result.x, channels)
        before, found = found, _found(result, channels)
        change = [np.log(found[name].levels / before[name].levels) for name in uneven]
        if np.nanmax(np.abs(change)) < _SETTLED:
            break
    residuals = Residuals.of(result.setting, result.x, channels)
    own = result.converged and not residuals.poor() and all(map(residuals.white, uneven))
    shown = found if own else first
    said = tuple(_note(name, shown[name], names, own) for name in uneven)
    if not own:
        return replace(refined, notes=(*refined.notes, *said))
    noise = _noise(result.noise, channels, {name: found[name] for name in uneven})
    return replace(result, notes=(*result.notes, *said), noise=noise)


def _found(refined: Refined, channels: Channels) -> dict[str, Levels]:
    return _levels(refined.setting, refined.x, channels, refined.noise.pooled)


def _levels(
    setting: Setting, x: np.ndarray, channels: Channels, pooled: Collection[str]
) -> dict[str, Levels]:
    """By channel, of those whose noise is not stated, nor pooled, and is no error of an
    integrator."""
    if len(setting.seen) < 2:
        return {}
    residual, leverage = residuals_and_leverage(setting, x)
    residual = np.where(setting.seen, residual, np.nan)
    result = {}
    for name, mask in channels.groups.items():
        size = float(channels.sizes[mask][0])
        values = residual[:, :, mask].reshape(len(residual), -1)
        if name in channels.known or name in pooled:
            continue
        if not np.any(np.abs(values[np.isfinite(values)]) > _COMPUTED * size):
            continue
        parts = leverage[:, :, mask].reshape(values.shape)
        result[name] = Levels.of(values, parts, setting.loss.robust, _COMPUTED * size)
    return result


def _weighed(refined: Refined, channels: Channels, found: Mapping[str, Levels]) -> Setting:
    """The setting in which each recording has its own level, as a part of the smallest, so that
    steps become short enough for the best of them. One of too few values keeps that of all."""
    setting = refined.setting
    sigma = setting.sigma.copy()
    relative = np.ones(setting.observations.seen.shape)
    if setting.relative is not None:
        relative = setting.relative.copy()
    for name, own in found.items():
        mask = channels.groups[name]
        known = np.isfinite(own.levels)
        least = float(np.min(own.levels[known]))
        weights = np.where(known, own.degrees, 0.0)
        of_all = np.sqrt(np.average(np.where(known, own.levels, 0.0) ** 2, weights=weights))
        levels = np.where(known, own.levels, of_all)
        sigma[mask] = least
        relative[:, :, mask] = (levels / least)[:, None, None]
    return replace(setting, sigma=sigma, relative=relative)


def _noise(noise: Noise, channels: Channels, found: Mapping[str, Levels]) -> Noise:
    """The levels of the recordings as estimates of their own, each with its degrees of freedom."""
    recordings = len(next(iter(found.values())).levels)
    source = np.broadcast_to(noise.source, (recordings, 1, *noise.source.shape)).copy()
    degrees = list(noise.degrees)
    for name, own in found.items():
        for i in np.flatnonzero(np.isfinite(own.levels)).tolist():
            source[i, 0, channels.groups[name]] = len(degrees)
            degrees.append(float(own.degrees[i]))
    return replace(noise, source=source, degrees=tuple(degrees))


def _note(name: str, found: Levels, names: Sequence[str], own: bool) -> str:
    least, most = int(np.nanargmin(found.levels)), int(np.nanargmax(found.levels))
    does = (
        "each recording counts by its own level"
        if own
        else "one level was taken for all, and intervals are wrong where the model is right"
    )
    return (
        f"the noise of {name} differs between recordings, from {found.levels[least]:.3g} in "
        f"{names[least]} to {found.levels[most]:.3g} in {names[most]}: {does}; where it is known, "
        f"state it (columns `sigma[{name}]`)"
    )
