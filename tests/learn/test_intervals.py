"""Standard errors against how estimates vary over many draws of the noise."""

from __future__ import annotations

import numpy as np

from lagc.learn.intervals import added_by_weights
from lagc.learn.noise import Noise


def weighted_mean(x: np.ndarray, source: np.ndarray) -> tuple[float, np.ndarray, Noise]:
    """The mean of values (n,) of two levels of noise, by source, that are estimated with it; what
    it is made of, (1, n) in standard deviations; the levels."""
    sigma = np.ones(2)
    for _ in range(20):
        weights = sigma[source] ** -2.0
        mean = float(np.sum(weights * x) / np.sum(weights))
        leverage = weights / np.sum(weights)
        own = [source == i for i in (0, 1)]
        degrees = [float(np.sum(1 - leverage[i])) for i in own]
        squares = [np.sum((x - mean)[i] ** 2) for i in own]
        sigma = np.sqrt(np.array(squares) / degrees)
    parts = (sigma[source] * leverage)[None]
    return mean, parts, Noise(sigma, source, tuple(degrees), frozenset(), 1.0)


def test_weights_estimated_from_few_residuals_add_to_the_errors():
    random, source = np.random.default_rng(0), np.repeat([0, 1], 6)
    means, before, after = [], [], []
    for _ in range(1500):
        mean, parts, noise = weighted_mean(random.normal(size=12), source)
        added = added_by_weights(parts, source, noise)
        means.append(mean)
        before.append(np.sum(parts**2))
        after.append(np.sum(parts**2) + np.sum(added**2))
    actual = np.var(means)
    assert np.mean(before) < 0.8 * actual
    assert 0.85 * actual < np.mean(after) < 1.05 * actual


def test_levels_that_are_known_or_one_add_nothing():
    source = np.repeat([0, 1], 6)
    parts = np.full((1, 12), 1 / 12)
    sigma = np.ones(2)
    known = Noise(sigma, source, (np.inf, np.inf), frozenset(), 1.0)
    assert added_by_weights(parts, source, known).size == 0
    one = Noise(sigma, 0 * source, (11.0,), frozenset(), 1.0)
    assert added_by_weights(parts, 0 * source, one).size == 0
