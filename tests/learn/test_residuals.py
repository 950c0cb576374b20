"""What residuals say about a fit, from arrays alone."""

from __future__ import annotations

import numpy as np
import pytest

from lagc.learn.losses import LOSSES, Loss
from lagc.learn.residuals import Residuals
from lagc.learn.starting import Channels

Q = np.array([[True], [False], [False]])


def residuals(
    values: list[np.ndarray],
    loss: Loss = LOSSES["squares"],
    sigma: list[np.ndarray] | None = None,
    path: np.ndarray | None = None,
) -> Residuals:
    """Those of positions, an array (m,) for each recording; sigma: as stated; path: (m,), what was
    to be seen without noise in each recording, else a sine."""
    rows = max(len(v) for v in values)
    found = np.full((len(values), rows, 3, 1), np.nan)
    deviations, observed = np.ones(found.shape), np.full(found.shape, np.nan)
    for i, own in enumerate(values):
        found[i, : len(own), 0, 0] = own
        along = np.sqrt(2) * np.sin(np.arange(len(own)) / 5) if path is None else path
        observed[i, : len(own), 0, 0] = along - own
        if sigma is not None:
            deviations[i, : len(own), 0, 0] = sigma[i]
    seen = observed[np.isfinite(observed)]
    known = {}
    if sigma is not None:
        known["q"] = float(np.sqrt(np.mean(np.concatenate(sigma) ** 2)))
    sizes = np.full((3, 1), loss.spread(seen))
    return Residuals(found, deviations, Channels(sizes, {"q": Q}, known), loss, observed)


def gross(values: np.ndarray, seed: int) -> np.ndarray:
    """A tenth of the values moved by one and a half to three times the spread of a sine."""
    random = np.random.default_rng(seed)
    moved = random.choice(len(values), len(values) // 10, replace=False)
    result = values.copy()
    result[moved] += random.choice([-1, 1], moved.size) * random.uniform(1.5, 3, moved.size)
    return result


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_gross_errors_do_not_hide_that_a_model_is_wrong(loss):
    noise = 0.02 * np.random.default_rng(2).normal(size=90)
    wave = 0.4 * np.sin(np.arange(90) / 4) + noise
    for seed in range(5):
        assert residuals([gross(wave, seed)], loss).poor()
        smaller = residuals([gross(0.2 * wave, seed)], loss)
        assert smaller.poor() or any("row to row" in note for note in smaller.notes())
        right = residuals([gross(noise, seed)], loss)
        assert not right.poor() and not any("row to row" in note for note in right.notes())


def autoregressive(rho: float, rows: int, seed: int) -> np.ndarray:
    """Normal noise of size one with a correlation from row to row: (rows,)."""
    random = np.random.default_rng(seed).normal(size=rows)
    for i in range(1, rows):
        random[i] = rho * random[i - 1] + np.sqrt(1 - rho**2) * random[i]
    return random


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_noise_that_is_not_white_is_noted_with_what_it_does_to_intervals(loss):
    def noted(rho: float, rows: int) -> list[str]:
        found = (residuals([0.03 * autoregressive(rho, rows, s)], loss) for s in range(60))
        return [n for r in found for n in r.notes() if "row to row" in n]

    coloured = noted(0.42, 200)
    assert len(coloured) >= 50
    factors = [float(n.split("about ")[1].split()[0]) for n in coloured]
    assert np.median(factors) == pytest.approx(np.sqrt(1.42 / 0.58), rel=0.1)
    assert not noted(0.0, 200) and not noted(0.05, 1000)


def test_residuals_as_large_as_the_noise_that_was_stated_follow_the_data():
    # A quiet recording, and a short loud one, whose few rows decide how correlated all seem.
    random = np.random.default_rng(1)
    sigma = [np.full(100, 0.002), np.full(20, 0.7)]
    slow = np.sin(np.arange(20) / 2) * np.sqrt(2)
    values = [0.002 * random.normal(size=100), 0.7 * slow]
    assert residuals(values).poor()
    assert not residuals(values, sigma=sigma).poor()
    # Larger than stated, and not by chance: the model misses something.
    wave = np.sin(np.arange(100) / 5)
    assert residuals([0.4 * wave], sigma=[np.full(100, 0.1)]).poor()
