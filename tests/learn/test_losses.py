"""Losses: their derivatives, their efficiency, and fits to data with gross errors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from lagc.base.diagnostics import LagcError
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.losses import LOSSES, loss_named
from lagc.learn.screening import screened
from lagc.learn.sensitivity import gather

ROBUST = [loss for loss in LOSSES.values() if loss.robust]
TRUTH = (2.0, 3.0, 1.0)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_derivatives_are_those_of_the_loss(loss):
    z = np.array([0.01, 0.5, 1.5, 1.9, 4.0, 12.0, 20.0, 30.0, 400.0])
    step = 1e-6 * z
    for order in (0, 1):
        up, down = (loss.derivatives(x)[order] for x in (z + step, z - step))
        expected = loss.derivatives(z)[order + 1]
        np.testing.assert_allclose((up - down) / (2 * step), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", ROBUST, ids=lambda loss: loss.name)
def test_normal_noise_costs_five_per_cent_of_the_information(loss):
    def mean(function):
        def density(x):
            return function(np.array([x]))[0] * scipy.stats.norm.pdf(x)

        parts = (-12, -loss.tuning, 0, loss.tuning, 12)
        return sum(scipy.integrate.quad(density, a, b)[0] for a, b in pairwise(parts))

    slope, square = mean(loss.slope), mean(lambda x: loss.psi(x) ** 2)
    assert slope**2 / square == pytest.approx(0.95, abs=2e-3)


def test_a_loss_that_is_none():
    with pytest.raises(LagcError, match="did you mean `huber`"):
        loss_named("hubert")


def with_gross_errors(recording: Recording, part: float, seed: int) -> tuple[Recording, np.ndarray]:
    """A part of all values moved by one to three times the spread of their channel."""
    random = np.random.default_rng(seed)
    shape = recording.q.shape
    q, p = (
        x
        + np.where(random.random(shape) < part, 1, 0)
        * np.std(x)
        * random.uniform(1, 3, shape)
        * random.choice([-1, 1], shape)
        for x in (recording.q, recording.p)
    )
    moved = (q != recording.q) | (p != recording.p)
    return Recording("errors", recording.times, q, None, p), moved


def test_gross_errors_are_screened_without_a_model(dho, record):
    data, moved = with_gross_errors(record(TRUTH, 100, "p", noise=0.01), 0.1, 5)
    found = gather([data], dho.spec)
    kept = screened(found, dho.spec).seen[0, :, [0, 2], 0].T
    was = np.stack([data.q[:, 0], data.p[:, 0]], 1)
    clean = record(TRUTH, 100, "p", noise=0.01)
    bad = was != np.stack([clean.q[:, 0], clean.p[:, 0]], 1)
    assert bad.sum() > 15 and moved.any()
    assert (~kept & bad).sum() >= 0.9 * bad.sum() and (~kept & ~bad).sum() <= 2


@pytest.mark.parametrize("loss", ROBUST, ids=lambda loss: loss.name)
def test_gross_errors_in_good_data_do_no_harm_and_are_named(dho, record, loss):
    data, moved = with_gross_errors(record(TRUTH, 100, "p", noise=1e-6), 0.1, 1)
    result = fit(dho, [data], loss=loss.name)
    assert result.converged and result.loss == loss.name
    for name, true in zip(("c1", "c2", "c3"), TRUTH, strict=True):
        assert result.coefficients[name].value == pytest.approx(true, rel=2e-6)
    assert {o.row - 1 for o in result.outliers} == set(np.flatnonzero(moved).tolist())


def test_intervals_cover_the_truth_with_one_value_in_ten_wrong(dho, record):
    seeds, covered, ratios = 16, 0, []
    for seed in range(seeds):
        data, _ = with_gross_errors(record(TRUTH, 100, "p", noise=0.01, seed=seed), 0.1, seed)
        result = fit(dho, [data], loss="huber")
        for name, true in zip(("c1", "c2", "c3"), TRUTH, strict=True):
            estimate = result.coefficients[name]
            covered += estimate.interval95[0] <= true <= estimate.interval95[1]
            ratios.append((estimate.value - true) / estimate.std)
    # 48 intervals, 32 of them independent: 95 % +- 2.5 standard deviations of 3.9 %.
    assert covered / (3 * seeds) >= 0.85
    assert 0.7 < np.sqrt(np.mean(np.square(ratios))) < 1.3


def test_known_noise_is_used_and_judged(dho, record):
    data = record(TRUTH, 100, "p", noise=0.01, seed=4)
    sizes = {"q": 0.01 * np.std(record(TRUTH, 100, "p").q), "p[q]": 0.01 * np.std(data.p)}
    known, found = fit(dho, [data], sigma=sizes), fit(dho, [data])
    assert known.noise == pytest.approx(sizes) and known.notes == ()
    for name, estimate in known.coefficients.items():
        assert estimate.std == pytest.approx(found.coefficients[name].std, rel=0.2)
        low, high = estimate.interval95
        assert (high - low) / 2 == pytest.approx(scipy.stats.norm.ppf(0.975) * estimate.std)
    wrong = fit(dho, [data], sigma={"q": sizes["q"] / 3})
    assert any("times the noise stated" in note for note in wrong.notes)
    # Also where residuals are round-off, and the intervals have nothing to do with them.
    exact = fit(dho, [record(TRUTH, 100, "p")], sigma=sizes)
    assert sum("smaller than stated" in note for note in exact.notes) == 2


def test_rows_of_different_quality_weigh_as_they_are_said_to(dho, record):
    # Every second value of q is a hundred times worse, and the file says so.
    data = record(TRUTH, 100, "p", noise=1e-4, seed=2)
    sigma = np.full((100, 4, 1), np.nan)
    sigma[:, 0, 0] = np.where(np.arange(100) % 2, 1e-2, 1e-4) * np.std(data.q)
    q = data.q + sigma[:, 0] * np.where(np.arange(100) % 2, 1, 0)[:, None] * (
        np.random.default_rng(1).normal(size=(100, 1))
    )
    result = fit(dho, [Recording("mixed", data.times, q, None, data.p, sigma=sigma)])
    ratio = result.coefficients["c2"].value / result.coefficients["c1"].value
    assert ratio == pytest.approx(1.5, abs=3e-4) and result.notes == ()


def test_recordings_of_very_different_noise_each_count_by_their_own(dho, oscillation):
    """With one level for all the loud ones pull the path off the quiet ones, which is no fault of
    the model."""
    t, levels = np.linspace(0.0, 10.0, 60), (0.005, 0.02, 0.08, 0.3)
    states = ((1, 0), (0, 1), (2, -1), (0.5, 0.5))
    covered = 0
    for seed in range(40):
        random = np.random.default_rng(1000 + seed)
        data = []
        for i, (state, level) in enumerate(zip(states, levels, strict=True)):
            q = oscillation(t, (0.5, 1.0, 0.3), *state)[0] + level * random.normal(size=60)
            data.append(Recording(f"run {i}", t, q[:, None]))
        found = fit(dho, data, fixed={"c1": 0.5})
        assert found.converged and sum("by its own level" in note for note in found.notes) == 1
        low, high = found.coefficients["c2"].interval95
        covered += low <= 1.0 <= high
    assert 34 <= covered <= 40


def test_a_recording_that_is_all_noise_does_not_hide_the_others(dho, oscillation):
    t, random = np.linspace(0.0, 12.0, 100), np.random.default_rng(5)
    data = [
        Recording(name, t, (oscillation(t, (0.5, 1.5, 0.2), *state)[0] + level)[:, None])
        for name, state, level in (
            ("quiet", (1, 0), 1e-3 * random.normal(size=100)),
            ("loud", (0, 1), 1.0 * random.normal(size=100)),
        )
    ]
    found = fit(dho, data, fixed={"c1": 0.5})
    assert found.converged
    for name, truth in (("c2", 1.5), ("c3", 0.2)):
        estimate = found.coefficients[name]
        assert abs(estimate.value - truth) < 4 * estimate.std < 2e-3
