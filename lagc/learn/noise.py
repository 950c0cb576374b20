"""The noise level of each channel, from its residuals.

A channel that the unknowns can follow exactly leaves no residual whatever its noise; its weight
would then grow without limit and drag every interval to zero. So each level is that of the degrees
of freedom the channel really has, its observations less its part of the trace of the projection
onto the sensitivities, and a channel with too few of them is taken to be as good, relative to its
spread, as all channels together.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from lagc.learn.least_squares import Setting
from lagc.learn.starting import Channels

_FLOOR = 1e-12  # part of the spread of a channel
_FEWEST = 2.0  # degrees of freedom that say something about a level
_RANK = 1e-12


@dataclass(frozen=True, eq=False)
class Noise:
    """Levels: sigma (kinds, dof); from which estimate each comes: source (kinds, dof), or (R, 1,
    kinds, dof) where recordings have their own, an index to the degrees of freedom (infinite:
    known); the channels that share the level of all; the largest
    residual, rms, as a part of the spread of its channel."""

    sigma: np.ndarray
    source: np.ndarray
    degrees: tuple[float, ...]
    pooled: frozenset[str]
    largest_part: float

    @classmethod
    def unknown(cls, setting: Setting) -> Noise:
        """One level for all, with the degrees of freedom of the whole."""
        total = max(1.0, float(setting.count - setting.free.sum()))
        source = np.zeros(setting.sigma.shape, int)
        return cls(setting.sigma, source, (total,), frozenset(), np.inf)


def estimate_noise(
    setting: Setting, x: np.ndarray, channels: Channels, pooled: Collection[str]
) -> Noise:
    """The levels at a solution x; the channels in `pooled` stay with the level of all, those whose
    noise is stated with theirs."""
    loss = setting.loss
    residual, leverage = residuals_and_leverage(setting, x)
    if setting.relative is not None:
        residual = residual / setting.relative[:, : setting.horizon]
    names, sums, degrees, parts = [], [], [], []
    sigma, source = setting.sigma.copy(), np.zeros(setting.sigma.shape, int)
    of_sources = [1.0]
    for name, mask in channels.groups.items():
        seen = setting.seen[:, :, mask]
        count = int(seen.sum())
        if count == 0:
            continue
        level = loss.size(residual[:, :, mask][seen])
        parts.append(level / float(channels.sizes[mask][0]))
        if name in channels.known:
            sigma[mask], source[mask] = channels.known[name], len(of_sources)
            of_sources.append(np.inf)
            continue
        names.append(name)
        sums.append(count * level**2)
        degrees.append(max(0.0, count - float(leverage[:, :, mask].sum())))
    together = frozenset(
        n for n, d in zip(names, degrees, strict=True) if d < _FEWEST or n in pooled
    )
    total = max(1.0, float(np.sum(degrees)))
    sizes = [float(channels.sizes[channels.groups[name]][0]) for name in names]
    relative = np.sqrt(sum(s / size**2 for s, size in zip(sums, sizes, strict=True)) / total)
    of_sources[0] = total
    for name, square, freedom, size in zip(names, sums, degrees, sizes, strict=True):
        mask = channels.groups[name]
        level = relative * size
        if name not in together:
            level = np.sqrt(square / freedom)
            source[mask] = len(of_sources)
            of_sources.append(freedom)
        sigma[mask] = max(level, _FLOOR * size)
    return Noise(sigma, source, tuple(of_sources), together, float(max(parts, default=np.inf)))


def residuals_and_leverage(setting: Setting, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At x, the residuals, and the part of each that the unknowns take, 0..1: (R, horizon, kinds,
    dof) each, 0 where nothing was observed."""
    whitened, matrix = setting.rescaled(x).whitened_and_sensitivity(x)
    residual, leverage = np.zeros(setting.seen.shape), np.zeros(setting.seen.shape)
    residual[setting.seen] = whitened * setting.deviations[setting.seen]
    weights = setting.loss.derivatives(whitened**2)[1]
    leverage[setting.seen] = _leverage(matrix[:, setting.free] * np.sqrt(weights)[:, None])
    return residual, leverage


def _leverage(matrix: np.ndarray) -> np.ndarray:
    """The diagonal of the projection onto the columns: (m,), in 0..1, adding up to the rank."""
    if not np.isfinite(matrix).all():
        return np.full(matrix.shape[0], matrix.shape[1] / matrix.shape[0])
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    if singular.size == 0:
        return np.zeros(matrix.shape[0])
    return np.asarray((left[:, singular > _RANK * singular[0]] ** 2).sum(axis=1))
