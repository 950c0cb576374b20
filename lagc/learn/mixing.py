"""Whether chains agree, and how many independent draws they are worth.

Rank-normalised split R-hat, the larger of that of draws and of their distances from the median, and
bulk effective size by Geyer's initial monotone sequence: Vehtari, Gelman, Simpson, Carpenter &
Buerkner, Bayesian Anal. 16, 667 (2021).
"""

from __future__ import annotations

import numpy as np
import scipy.special
import scipy.stats


def r_hat(draws: np.ndarray) -> float:
    """Of one unknown: draws (chains, N); 1 where all chains see the same law."""
    halves = _halves(draws)
    folded = np.abs(halves - np.median(halves))
    return max(_scale_reduction(_ranked(halves)), _scale_reduction(_ranked(folded)))


def effective_draws(draws: np.ndarray) -> float:
    """How many independent draws those of one unknown, (chains, N), are worth for its centre."""
    values = _ranked(_halves(draws))
    m, n = values.shape
    centred = values - values.mean(axis=1, keepdims=True)
    padded = np.fft.rfft(centred, 2 * n, axis=1)
    covariance = np.fft.irfft(np.abs(padded) ** 2, axis=1)[:, :n].mean(axis=0) / n
    within = covariance[0] * n / (n - 1)
    total = within * (n - 1) / n + values.mean(axis=1).var(ddof=1)
    if not total > 0:
        return 0.0
    correlation = 1 - (within - covariance * n / (n - 1)) / total
    correlation[0] = 1.0
    pairs = correlation[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if negative.size else None])
    time = max(2 * float(pairs.sum()) - 1, 1 / np.log10(m * n))
    return float(m * n / time)


def _halves(draws: np.ndarray) -> np.ndarray:
    """Each chain cut in two: (2 chains, N // 2)."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _ranked(values: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks of all values together."""
    ranks = scipy.stats.rankdata(values).reshape(values.shape)
    return np.asarray(scipy.special.ndtri((ranks - 0.375) / (values.size + 0.25)))


def _scale_reduction(values: np.ndarray) -> float:
    n = values.shape[1]
    within = values.var(axis=1, ddof=1).mean()
    between = values.mean(axis=1).var(ddof=1)
    if not within > 0:
        return float("inf") if between > 0 else 1.0
    return float(np.sqrt((n - 1) / n + between / within))
