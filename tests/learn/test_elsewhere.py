"""Two masses of which one is seen: another pair of springs has almost the same frequencies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.fit_result import FitResult

TEXT = """
coordinate x
coordinate y
coefficient k1 > 0 = 1
coefficient k2 > 0 = 1
coefficient c >= 0 = 0.1
{more}
L = 1/2*x'^2 + 1/2*y'^2 - 1/2*k1*x^2 - 1/2*k2*(y - x)^2
K = -c*x'_+*x_- {friction}
"""
CHAIN = lagc.loads(TEXT.format(more="", friction=""))
T = np.linspace(0, 20, 201)


def seen(truth: tuple[float, ...], start: tuple[float, ...], noise: float) -> np.ndarray:
    """Positions of the first mass: (m,)."""
    k1, k2, c, d = (*truth, 0.0)[:4]

    def slope(_: float, s: np.ndarray) -> list[float]:
        first = -k1 * s[0] + k2 * (s[1] - s[0]) - c * s[2]
        return [s[2], s[3], first, k2 * (s[0] - s[1]) - d * s[3]]

    x = solve_ivp(slope, T[[0, -1]], start, "DOP853", T, rtol=1e-12, atol=1e-13).y[0]
    return np.asarray(x + noise * np.random.default_rng(5).normal(size=len(T)))


def fitted(x: np.ndarray, system: lagc.System = CHAIN, **guess: float) -> FitResult:
    q = np.stack([x, np.full(len(x), np.nan)], axis=1)
    return fit(system, [Recording("one of two", T, q)], guess=guess)


@pytest.mark.parametrize(
    ("truth", "start"),
    [
        # k1 = 2 k2' and k2 = k1'/2 have the same frequencies.
        ((2.3, 0.9, 0.05), (0.7, -0.4, 0.3, 0.5)),
        ((0.574, 3.485, 0.0368), (0.724, 1.619, -1.206, -0.627)),
        ((0.303, 2.873, 0.0437), (0.482, 0.644, -0.208, 0.058)),
    ],
)
@pytest.mark.parametrize("noise", [pytest.param(0.0, marks=pytest.mark.long), 0.005])
def test_the_lower_of_two_minima_is_found(
    truth: tuple[float, ...], start: tuple[float, ...], noise: float
) -> None:
    result = fitted(seen(truth, start, noise))
    assert result.converged
    for name, value in zip(("k1", "k2", "c"), truth, strict=True):
        estimate = result.coefficients[name]
        if noise:
            assert abs(estimate.value - value) < 4 * estimate.std < 0.1 * value
        else:
            assert estimate.value == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_what_is_not_seen_has_the_units_of_what_is(unit: float) -> None:
    """Nothing says how far the hidden mass moves but what it does to the other."""
    x = seen((2.4, 2.7, 0.16), (0.7, -0.4, 0.3, 0.5), 0.005)
    one, other = fitted(x), fitted(unit * x)
    assert one.converged and other.converged and not other.gauge and not other.notes
    for name, expected in one.coefficients.items():
        estimate = other.coefficients[name]
        assert estimate.value == pytest.approx(expected.value, rel=1e-6)
        assert estimate.std == pytest.approx(expected.std, rel=1e-3)


def test_a_second_solution_is_named_and_a_guess_chooses() -> None:
    """Two sets of positive numbers have the same frequencies and the same damping of each mode."""
    system = lagc.loads(TEXT.format(more="coefficient d >= 0 = 0.1", friction="- d*y'_+*y_-"))
    x = seen((2.3, 0.9, 0.05, 0.12), (0.7, -0.4, 0.3, 0.5), 0.002)
    for k1, k2, other in ((2.3, 0.9, "k1 = 1.79"), (1.797, 1.152, "k1 = 2.30")):
        result = fitted(x, system, k1=k1, k2=k2, c=0.05, d=0.12)
        assert result.converged and result.values["k1"] == pytest.approx(k1, rel=0.02)
        (sentence,) = result.gauge
        assert other[:6] in sentence and "another solution" in sentence
