"""Posteriors against exact ones: of a model that is linear in all unknowns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.data import Recording
from lagc.learn.fit import Solution, solve
from lagc.learn.laws import Density
from lagc.learn.losses import loss_named
from lagc.learn.mixing import effective_draws, r_hat
from lagc.learn.posterior import posterior
from lagc.runtime.priors import LogUniform, Mixture, Normal, Point, Uniform
from lagc.runtime.spec import CoefficientSpec

T = np.linspace(0, 3, 16)
NOISE = 0.3
POINT, HIGH = 0.3, 4.0  # probability of f = 0, and the end of its law
# x'' = -g + f t, so that x = x0 + v0 t - g t^2/2 + f t^3/6.
MODEL = f"""
coordinate x
coefficient g = 9 ~ normal(9, 2)
coefficient f in [0, {HIGH}] = 0.1 ~ mixture({POINT}: 0, {1 - POINT}: uniform(0, {HIGH}))
L = 1/2*x'^2 - (g - f*t)*x
"""
COLUMNS = np.stack([-(T**2) / 2, T**3 / 6, np.ones_like(T), T], axis=1)


@pytest.fixture(scope="module")
def system() -> lagc.System:
    return lagc.loads(MODEL)


def record(f: float, seed: int) -> np.ndarray:
    noise = NOISE * np.random.default_rng(seed).normal(size=T.size)
    return COLUMNS @ np.array([9.5, f, 1.0, 2.0]) + noise


def solved(system: lagc.System, x: np.ndarray, sigma: float | None = NOISE) -> Solution:
    known = None if sigma is None else {"x": sigma}
    return solve(system, [Recording("fall", T, x[:, None])], sigma=known)


@dataclass(frozen=True)
class Exact:
    """The normal law that data and the law of g make of the unknowns whose columns are kept: its
    mean and covariance, and the logarithm of its integral."""

    mean: np.ndarray
    covariance: np.ndarray
    log_integral: float

    @classmethod
    def of(cls, x: np.ndarray, kept: list[int]) -> Exact:
        matrix = np.concatenate([COLUMNS[:, kept] / NOISE, np.eye(len(kept))[:1] / 2])
        right = np.append(x / NOISE, 9 / 2)
        covariance = np.linalg.inv(matrix.T @ matrix)
        mean = covariance @ matrix.T @ right
        misfit = np.sum((matrix @ mean - right) ** 2)
        size = T.size * np.log(NOISE * np.sqrt(2 * np.pi)) + np.log(2 * np.sqrt(2 * np.pi))
        volume = np.linalg.slogdet(2 * np.pi * covariance)[1]
        return cls(mean, covariance, -misfit / 2 - size + volume / 2)

    @property
    def f(self) -> scipy.stats.rv_continuous:
        """The law of f, cut off at its bounds."""
        mean, std = self.mean[1], np.sqrt(self.covariance[1, 1])
        return scipy.stats.truncnorm(-mean / std, (HIGH - mean) / std, mean, std)

    @property
    def log_evidence_of_continuous_f(self) -> float:
        mean, std = self.mean[1], np.sqrt(self.covariance[1, 1])
        inside = np.diff(scipy.stats.norm.cdf([0, HIGH], mean, std))[0]
        return self.log_integral + np.log(inside / HIGH)

    @property
    def g(self) -> float:
        """The mean of g, given that f is within its bounds."""
        slope = self.covariance[0, 1] / self.covariance[1, 1]
        return float(self.mean[0] + slope * (self.f.mean() - self.mean[1]))


def agrees(found, x: np.ndarray, effective: float) -> None:
    """Marginals of draws where f is hardly zero, within 4 standard errors of the draws."""
    exact = Exact.of(x, [0, 1, 2, 3])
    f = found.coefficients["f"]
    error = exact.f.std() / np.sqrt(effective)
    assert exact.f.ppf(0.5) > 2 and f.points[0.0] < 1e-3
    assert f.mean == pytest.approx(exact.f.mean(), abs=4 * error)
    assert f.std == pytest.approx(exact.f.std(), rel=4 / np.sqrt(effective))
    for level, value in ((0.025, f.interval95[0]), (0.5, f.median), (0.95, f.interval90[1])):
        width = np.sqrt(level * (1 - level) / effective)
        assert abs(exact.f.cdf(value) - level) < 4 * width
    std = np.sqrt(exact.covariance[0, 0])
    assert found.coefficients["g"].mean == pytest.approx(exact.g, abs=4 * std / effective**0.5)


@pytest.fixture(scope="module")
def at_upper_bound(system) -> tuple[Solution, np.ndarray]:
    x = record(5.0, 1)  # above the end of the law
    assert Exact.of(x, [0, 1, 2, 3]).mean[1] > HIGH
    return solved(system, x), x


def test_laplace_of_a_mode_at_a_bound(at_upper_bound):
    solution, x = at_upper_bound
    found = posterior(solution)
    assert found.effective_draws > 500 and found.notes == ()
    agrees(found, x, found.effective_draws / 2)
    expected = Exact.of(x, [0, 1, 2, 3]).log_evidence_of_continuous_f + np.log(1 - POINT)
    assert found.log_evidence == pytest.approx(expected, abs=5 * found.log_evidence_error)
    again = posterior(solution)
    np.testing.assert_array_equal(found.draws, again.draws)
    # The fit itself stays within the bounds, says so, and its interval is one-sided.
    f = solution.result.coefficients["f"]
    assert f.identifiable and f.interval95[1] == HIGH
    assert any(
        "f ends on its bound 4: its interval is one-sided" in n for n in solution.result.notes
    )


def test_chains_of_a_mode_at_a_bound(at_upper_bound):
    solution, x = at_upper_bound
    found = posterior(solution, method="nuts", seed=4)
    assert found.r_hat < 1.02 and found.effective_draws > 400
    assert found.divergences <= 5
    agrees(found, x, found.effective_draws / 2)


def test_the_probability_of_a_point_and_an_unknown_level_of_noise(system):
    x = record(0.0, 3)
    solution = solved(system, x)
    found = posterior(solution)
    at_point = Exact.of(x, [0, 2, 3]).log_integral + np.log(POINT)
    spread = Exact.of(x, [0, 1, 2, 3])
    elsewhere = spread.log_evidence_of_continuous_f + np.log(1 - POINT)
    probability = 1 / (1 + np.exp(elsewhere - at_point))
    assert 0.1 < probability < 0.97
    assert found.coefficients["f"].points[0.0] == pytest.approx(probability, abs=0.02)
    assert np.mean(found.draws[:, 1] == 0) == pytest.approx(probability, abs=0.02)
    mean = (1 - probability) * spread.f.mean()
    assert found.coefficients["f"].mean == pytest.approx(mean, abs=0.1 * spread.f.std())
    # Without a level that is known, Student's t: wider, about the same place.
    unknown = posterior(solved(system, x, sigma=None))
    assert unknown.noise == {"x": None} and found.noise == {"x": NOISE}
    assert unknown.coefficients["f"].points[0.0] == pytest.approx(probability, abs=0.15)


def refusal(*arguments, **options) -> Code:
    with pytest.raises(LagcError) as caught:
        posterior(*arguments, **options)
    return caught.value.diagnostics[0].code


def test_refusals(at_upper_bound):
    solution, _ = at_upper_bound
    assert refusal(solution, samples=5) is Code.LAG510
    assert refusal(solution, seed=-1) is refusal(solution, seed=2**63) is Code.LAG510
    robust = replace(solution.refined.setting, loss=loss_named("huber"))
    refined = replace(solution.refined, setting=robust)
    assert refusal(replace(solution, refined=refined)) is Code.LAG618
    assert refusal(replace(solution, follows=False)) is Code.LAG618


LAWS = [
    (Uniform(1, 3), 1.0, 3.0),
    (LogUniform(0.01, 100), 0.0, None),
    (Normal(1, 2), 0.0, None),
    (Normal(0, 3), None, None),
    (Normal(-5, 1), 0.0, 4.0),
    (Mixture((0.2, 0.3, 0.5), (Point(0.0), Normal(1, 1), Uniform(0, 3))), 0.0, None),
    (None, -1.0, 2.0),
]


@pytest.mark.parametrize(("law", "low", "high"), LAWS)
def test_densities_are_those_of_draws_within_bounds(law, low, high):
    density = Density.of(CoefficientSpec("c", None, low, high, prior=law))
    total = sum(p for _, p in density.points) + density.spread
    assert density.proper and total == pytest.approx(1)
    z = np.linspace(-60, 60, 240001)
    values, weights = np.asarray(density.axis.value(z)), np.exp(density.log_density(z))
    # Simpson's rule is as good as the interval where the density jumps, at an end of a part.
    rel = 1e-3 if isinstance(law, Mixture) else 1e-6
    assert scipy.integrate.simpson(weights, x=z) == pytest.approx(1, rel=rel)
    if law is not None:
        random = np.random.default_rng(0)
        mean = scipy.integrate.simpson(weights * values, x=z)
        draws = _draws(law, random)
        draws = draws[(draws >= (-np.inf if low is None else low))]
        draws = draws[draws <= (np.inf if high is None else high)]
        if draws.size > 1000:
            expected = density.spread * mean
            assert np.mean(draws) == pytest.approx(
                expected, abs=5 * np.std(draws) / draws.size**0.5
            )


def _draws(law, random: np.random.Generator, count: int = 40000) -> np.ndarray:
    match law:
        case Point(value):
            return np.full(count, value)
        case Uniform(low, high):
            return random.uniform(low, high, count)
        case LogUniform(low, high):
            return np.exp(random.uniform(np.log(low), np.log(high), count))
        case Normal(mean, std):
            return random.normal(mean, std, count)
    parts = [
        _draws(part, random, round(w * count))
        for w, part in zip(law.weights, law.laws, strict=True)
    ]
    return np.concatenate(parts)


def test_effective_draws_of_an_autoregressive_process():
    random = np.random.default_rng(0)
    chains, correlation = np.zeros((4, 20000)), 0.8
    steps = random.normal(size=chains.shape)
    for i in range(1, chains.shape[1]):
        chains[:, i] = correlation * chains[:, i - 1] + steps[:, i]
    expected = chains.size * (1 - correlation) / (1 + correlation)
    assert effective_draws(chains) == pytest.approx(expected, rel=0.1)
    assert r_hat(chains) < 1.01
    assert r_hat(chains + np.arange(4)[:, None]) > 1.05
    assert r_hat(chains * np.array([1, 1, 1, 3])[:, None]) > 1.05
