"""What residuals say about a fit, from arrays alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lagc.learn.fit import fit
from lagc.learn.losses import LOSSES, Loss
from lagc.learn.recording import Recording
from lagc.learn.residuals import Residuals
from lagc.learn.starting import Channels
from lagc.learn.uneven import Levels
from lagc.runtime import System

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
def test_gross_errors_do_not_hide_that_a_model_is_wrong(loss: Loss) -> None:
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
def test_noise_that_is_not_white_is_noted_with_what_it_does_to_intervals(loss: Loss) -> None:
    def noted(rho: float, rows: int) -> list[str]:
        found = (residuals([0.03 * autoregressive(rho, rows, s)], loss) for s in range(60))
        return [n for r in found for n in r.notes() if "row to row" in n]

    coloured = noted(0.42, 200)
    assert len(coloured) >= 50
    factors = [float(n.split("about ")[1].split()[0]) for n in coloured]
    assert np.median(factors) == pytest.approx(np.sqrt(1.42 / 0.58), rel=0.1)
    assert not noted(0.0, 200) and not noted(0.05, 1000)


def test_residuals_as_large_as_the_noise_that_was_stated_follow_the_data() -> None:
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


def test_a_conserved_momentum_is_followed_although_all_its_spread_is_noise() -> None:
    random = np.random.default_rng(4)

    def channel(kind: int, predicted: np.ndarray, observed: np.ndarray) -> Residuals:
        values, seen = (np.full((1, len(observed), 3, 1), np.nan) for _ in range(2))
        values[0, :, kind, 0], seen[0, :, kind, 0] = predicted - observed, observed
        mask = np.arange(3)[:, None] == kind
        sizes = np.full((3, 1), np.std(observed))
        deviations = np.full(values.shape, 0.005)
        return Residuals(values, deviations, Channels(sizes, {"p": mask}), LOSSES["squares"], seen)

    for _ in range(20):
        observed = 1 + 0.005 * random.normal(size=41)
        for kind in (1, 2):
            assert not channel(kind, np.ones(41), observed).poor()
            assert channel(kind, np.full(41, 0.7), observed).poor()  # another value
            assert channel(kind, 1 + 0.1 * np.sin(np.arange(41)), observed).poor()
            # What has no value of its own is not followed by none.
            assert channel(kind, np.zeros(41), observed - 1).poor()
        assert channel(0, np.ones(41), observed).poor()


def test_recordings_of_different_noise_are_told_from_those_of_equal_noise() -> None:
    def levels(sizes: list[float], rows: int, seed: int) -> Levels:
        values = np.random.default_rng(seed).normal(size=(len(sizes), rows))
        scaled = values * np.array(sizes)[:, None]
        return Levels.of(scaled, np.full(values.shape, 0.1), False, 1e-9)

    for size in ([1.0] * 2, [1.0] * 10):
        assert not any(levels(size, rows, seed).differ for rows in (20, 100) for seed in range(50))
    assert all(levels([1.0, 5.0], 100, seed).differ for seed in range(20))
    assert all(levels([1.0] * 9 + [10.0], 20, seed).differ for seed in range(20))
    assert levels([1.0, 5.0], 400, 1).levels == pytest.approx([1.05, 5.27], rel=0.1)
    assert not levels([1.0, 100.0], 15, 1).differ  # too few values


def test_a_short_loud_recording_does_not_decide_what_a_quiet_one_counts_for(
    dho: System, record: Callable[..., Recording]
) -> None:
    truth, covered, ratios = (2.0, 3.0, 1.0), 0, []
    for seed in range(8):
        quiet = record(truth, 100, "p", noise=1e-3, seed=seed)
        loud = record(truth, 100, "p", noise=0.1, seed=100 + seed)
        result = fit(dho, [quiet, loud])
        assert result.converged
        assert sum("differs between recordings" in note for note in result.notes) == 2
        alone = fit(dho, [quiet])
        for name, true in zip(("c1", "c2", "c3"), truth, strict=True):
            estimate, best = result.coefficients[name], alone.coefficients[name].std
            assert estimate.std is not None and estimate.interval95 is not None
            assert estimate.std == pytest.approx(best, rel=0.3)
            covered += estimate.interval95[0] <= true <= estimate.interval95[1]
            ratios.append((estimate.value - true) / estimate.std)
    assert covered >= 20 and np.sqrt(np.mean(np.square(ratios))) < 1.5
