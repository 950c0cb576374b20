"""Noise levels and standard errors for the systems of a batch, all at once.

The same statements as for a single fit (`noise`, `intervals`): a level is that of the degrees of
freedom its channels really have, and intervals are as wide as their knowledge of it allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats

from lagc.learn.batch import Batch, Layout
from lagc.learn.losses import SQUARES
from lagc.learn.residuals import Residuals
from lagc.learn.starting import Channels
from lagc.runtime.spec import ModelSpec

_FLOOR = 1e-12  # part of the spread of a channel
_FEWEST = 2.0  # degrees of freedom that say something about a level
_RANK = 1e-10
_PART = 1e-6  # share in a null direction that makes a value unknown
_ROUND_OFF = 1e-12


def groups(spec: ModelSpec, layout: Layout) -> np.ndarray:
    """Which channels share one noise level, those of a coordinate and kind: (channels,), from 0."""
    owners = [i for i, c in enumerate(spec.coordinates) for _ in c.labels]
    keys = [(kind, owners[d]) for kind, d in layout.components]
    order = list(dict.fromkeys(keys))
    return np.array([order.index(key) for key in keys])


def residuals_of(
    spec: ModelSpec,
    layout: Layout,
    differences: np.ndarray,
    observed: np.ndarray,
    spread: np.ndarray,
    sigma: np.ndarray,
) -> Residuals:
    """The residuals of one system, predicted minus observed, and what was observed: (rows,
    channels), NaN where nothing was; spread, and sigma, the levels of noise: (channels,)."""
    values, data = (np.full((1, len(differences), 3, spec.dof), np.nan) for _ in range(2))
    sizes, levels = np.ones((3, spec.dof)), np.ones((3, spec.dof))
    masks: dict[str, np.ndarray] = {}
    for column, (kind, d) in enumerate(layout.components):
        values[0, :, kind, d] = differences[:, column]
        data[0, :, kind, d] = observed[:, column]
        sizes[kind, d], levels[kind, d] = spread[column], sigma[column]
        if np.isfinite(differences[:, column]).any():
            owner = next(c.name for c in spec.coordinates if spec.labels[d] in c.labels)
            name = ("{}", "{}'", "p[{}]")[kind].format(owner)
            masks.setdefault(name, np.zeros((3, spec.dof), bool))[kind, d] = True
    deviations = np.broadcast_to(levels, values.shape)
    return Residuals(values, deviations, Channels(sizes, masks), SQUARES, data)


def spreads(spec: ModelSpec, batch: Batch, layout: Layout) -> np.ndarray:
    """How much the values of each channel vary: (n, channels), positive."""
    group = groups(spec, layout)
    seen = batch.seen
    values = np.where(seen, batch.values, 0.0)
    result = np.ones((len(batch), len(group)))
    for g in range(group.max() + 1):
        own, mine = values[:, :, group == g], seen[:, :, group == g]
        count = np.maximum(1, mine.sum(axis=(1, 2)))
        mean = own.sum(axis=(1, 2)) / count
        about = np.where(mine, own - mean[:, None, None], 0.0)
        size = np.sqrt((about**2).sum(axis=(1, 2)) / count)
        largest = np.abs(own).max(axis=(1, 2))
        # What is constant but for round-off varies by nothing.
        size = np.where(size > _FLOOR * largest, size, np.where(largest > 0, largest, 1.0))
        kind, d = layout.components[int(np.argmax(group == g))]
        modulus = spec.moduli[d]
        if kind == 0 and modulus is not None:
            size = np.minimum(size, modulus / 4)
        result[:, group == g] = size[:, None]
    return result


@dataclass(frozen=True, eq=False)
class Levels:
    """Noise of n systems: sigma, degrees: (n, channels), degrees of freedom behind each level,
    infinite where it was given; pooled: (n, channels), which share the level of all."""

    sigma: np.ndarray
    degrees: np.ndarray
    pooled: np.ndarray

    @classmethod
    def given(cls, sigma: np.ndarray) -> Levels:
        """Levels that no residual was asked for."""
        return cls(sigma, np.full(sigma.shape, np.inf), np.zeros(sigma.shape, bool))

    def some(self, index: np.ndarray) -> Levels:
        """Those of an index."""
        return Levels(self.sigma[index], self.degrees[index], self.pooled[index])

    def put(self, index: np.ndarray, other: Levels) -> Levels:
        """With those of an index replaced."""
        sigma, degrees, pooled = self.sigma.copy(), self.degrees.copy(), self.pooled.copy()
        sigma[index], degrees[index], pooled[index] = other.sigma, other.degrees, other.pooled
        return Levels(sigma, degrees, pooled)


def estimate_levels(
    residual: np.ndarray,
    columns: np.ndarray,
    before: Levels,
    seen: np.ndarray,
    spread: np.ndarray,
    group: np.ndarray,
) -> Levels:
    """Levels from weighted residuals (n, rows * channels) and their derivatives (..., u).

    seen: (n, rows, channels); spread: (n, channels); group: (channels,).
    """
    shape = seen.shape
    squares = (residual.reshape(shape) * before.sigma[:, None]) ** 2
    left, singular, _ = np.linalg.svd(_normalised(columns)[0], full_matrices=False)
    known = singular > _FLOOR * singular[:, :1]
    leverage = ((left * known[:, None]) ** 2).sum(axis=-1).reshape(shape)
    count = int(group.max()) + 1

    def by_group(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, :, group == g].sum(axis=(1, 2)) for g in range(count)], axis=-1)

    sums, counts = by_group(np.where(seen, squares, 0.0)), by_group(seen)
    freedom = np.maximum(0.0, counts - by_group(np.where(seen, leverage, 0.0)))
    first = [int(np.argmax(group == g)) for g in range(count)]
    size = spread[:, first]
    total = np.maximum(1.0, freedom.sum(axis=1, keepdims=True))
    common = np.sqrt((sums / size**2).sum(axis=1, keepdims=True) / total) * size
    pooled = (freedom < _FEWEST) | before.pooled[:, first]
    sigma = np.where(pooled, common, np.sqrt(sums / np.maximum(freedom, 1e-300)))
    degrees = np.where(pooled, total, freedom)
    sigma = np.maximum(sigma, _FLOOR * size)
    return Levels(sigma[:, group], degrees[:, group], pooled[:, group])


@dataclass(frozen=True, eq=False)
class Errors:
    """std and half, the half width of a 95 % interval: (n, u), NaN where the data do not fix a
    value."""

    std: np.ndarray
    half: np.ndarray


def errors(
    columns: np.ndarray, x: np.ndarray, levels: Levels, rows: int, total: np.ndarray
) -> Errors:
    """Standard errors from the derivatives (n, rows * channels, u) of whitened residuals.

    total: (n,), observations less unknowns. The degrees of freedom of a combination follow from its
    parts (Satterthwaite, Biometrics Bull. 2, 110, 1946).
    """
    n, u = x.shape
    scaled, norms = _normalised(columns)
    left, singular, right = np.linalg.svd(scaled, full_matrices=False)
    known = singular > _RANK * singular[:, :1]
    unknown = ((right * ~known[..., None]) ** 2).sum(axis=1) > _PART
    inverted = np.where(known, 1 / np.where(known, singular, 1.0), 0.0)
    inverse = np.einsum("nki,nk,nmk->nim", right, inverted, left) / norms[..., None]
    parts = (inverse.reshape(n, u, rows, -1) ** 2).sum(axis=2)  # (n, u, channels)
    variance = parts.sum(axis=-1)
    std = np.hypot(np.sqrt(variance), _ROUND_OFF * np.abs(x))
    share = parts / np.maximum(variance, 1e-300)[..., None]
    # Channels of one group share their level, so that their shares add before they are squared.
    spread = np.zeros((n, u))
    for degrees, part in _joined(levels, share):
        spread += part**2 / degrees[:, None]
    freedom = np.clip(1 / np.maximum(spread, 1 / total[:, None]), 1.0, None)
    given = np.isinf(levels.degrees).all(axis=1)[:, None]
    factor = np.where(given, scipy.stats.norm.ppf(0.975), scipy.stats.t.ppf(0.975, freedom))
    std = np.where(unknown, np.nan, std)
    return Errors(std, factor * std)


def _joined(levels: Levels, share: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Degrees of freedom (n,) and shares (n, u), the channels that rest on one level together."""
    result = []
    own = np.where(levels.pooled[:, None], 0.0, share)
    result += [(levels.degrees[:, c], own[..., c]) for c in range(share.shape[-1])]
    pooled = np.where(levels.pooled[:, None], share, 0.0).sum(axis=-1)
    degrees = np.where(levels.pooled, levels.degrees, 0.0).max(axis=1)
    return [*result, (np.where(degrees > 0, degrees, 1.0), pooled)]


def _normalised(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of length one, (n, m, u), and their lengths (n, u), one for what has none."""
    finite = np.isfinite(columns).all(axis=(1, 2))
    columns = np.where(finite[:, None, None], columns, 0.0)
    norms = np.sqrt((columns**2).sum(axis=1))
    norms = np.where(norms > 0, norms, 1.0)
    return columns / norms[:, None], norms
