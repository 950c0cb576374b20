"""Subsets of terms against exhaustive search, and smoothing splines against SciPy's."""

from __future__ import annotations

from itertools import combinations
from math import comb, log

import numpy as np
import pytest
import scipy.interpolate

from lagc.learn.smoothing import SmoothingSplines
from lagc.learn.subsets import Subsets, multiplicity

TERMS, ALWAYS, ROWS = 9, 2, 60


def problem(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residual, sensitivities and values (whitened) at a point off the optimum, columns alike."""
    random = np.random.default_rng(seed)
    common = random.normal(size=(ROWS, 3)) @ random.normal(size=(3, TERMS + ALWAYS))
    matrix = common + 0.3 * random.normal(size=(ROWS, TERMS + ALWAYS))
    truth = np.zeros(TERMS + ALWAYS)
    truth[[1, 4, 6]] = 2.0, -1.5, 1.0
    truth[TERMS:] = 0.7, -0.2
    values = truth + 0.3 * random.normal(size=truth.size)
    return matrix @ (values - truth) + noise * random.normal(size=ROWS), matrix, values


def exhaustive(residual: np.ndarray, matrix: np.ndarray, values: np.ndarray) -> frozenset[int]:
    """The subset of smallest extended criterion, each fitted on its own."""
    target = matrix @ values - residual
    always = list(range(TERMS, TERMS + ALWAYS))
    ranked = []
    for k in range(TERMS + 1):
        for kept in combinations(range(TERMS), k):
            columns = matrix[:, [*kept, *always]]
            misses = columns @ np.linalg.lstsq(columns, target, rcond=None)[0] - target
            count = ROWS - ALWAYS
            square = float(misses @ misses) / count
            criterion = count * log(square) + k * log(count) + 2 * log(comb(TERMS, k))
            ranked.append((criterion, frozenset(kept)))
    return min(ranked, key=lambda pair: pair[0])[1]


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_the_best_subset_is_that_of_exhaustive_search(noise: float) -> None:
    for seed in range(4):
        residual, matrix, values = problem(seed, noise)
        subsets = Subsets.of(
            residual, matrix, values, tuple(range(TERMS)), np.arange(TERMS, TERMS + ALWAYS), 0.0
        )
        assert subsets.best() == exhaustive(residual, matrix, values)


def test_units_of_the_columns_do_not_decide() -> None:
    residual, matrix, values = problem(0, 0.3)
    units = 10.0 ** np.random.default_rng(1).uniform(-20, 20, values.size)
    always = np.arange(TERMS, TERMS + ALWAYS)
    one, other = (
        Subsets.of(residual, matrix * u, values / u, tuple(range(TERMS)), always, 0.0)
        for u in (np.ones(values.size), units)
    )
    everything = frozenset(range(TERMS))
    for support in (frozenset({1, 4, 6}), everything):
        expected = one.values(support)
        assert other.values(support) * units[:TERMS] == pytest.approx(expected, rel=1e-8)
        assert other.criterion(support) == pytest.approx(one.criterion(support), abs=1e-6)
    assert other.best() == one.best()


def test_the_number_of_subsets_counts() -> None:
    assert multiplicity(16, 3) == pytest.approx(2 * log(comb(16, 3)), rel=1e-13)


@pytest.mark.parametrize("decades", [-3.0, 0.0, 3.0])
def test_smoothing_splines_minimise_what_scipy_minimises(decades: float) -> None:
    random = np.random.default_rng(5)
    x = np.cumsum(random.uniform(0.05, 0.2, 80))
    y = np.sin(x) + 0.1 * random.normal(size=x.size)
    weight = 10.0**decades * float(np.median(np.diff(x)) ** 3)
    expected = scipy.interpolate.make_smoothing_spline(x, y, lam=weight)(x)
    assert SmoothingSplines(x, y).values(decades) == pytest.approx(expected, abs=1e-10)
