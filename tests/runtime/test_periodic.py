"""Steady states against the exact solution of the driven oscillator and against DOP853."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from lagc.runtime.periodic import periodic_orbit
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def driven() -> lagc.System:
    return lagc.load(EXAMPLES / "driven.lag")


@pytest.mark.parametrize(
    ("gamma", "frequencies"),
    [
        (1e-3, (0.3, 0.99, 1.0, 1.01, 2.5)),
        pytest.param(0.1, (0.3, 0.99, 1.0, 1.01, 2.5), marks=pytest.mark.long),
        (0.9, (0.3, 1.0, 2.5)),
        pytest.param(0.9, (0.99, 1.01), marks=pytest.mark.long),
    ],
)
def test_amplitude_and_phase_across_resonance(
    driven: lagc.System, gamma: float, frequencies: tuple[float, ...]
) -> None:
    """x'' + 2 gamma x' + x = cos(omega t): A = ((1 - w^2)^2 + 4 gamma^2 w^2)^(-1/2)."""
    for omega in frequencies:
        orbit = periodic_orbit(
            driven,
            0.0,
            0.0,
            period=2 * np.pi / omega,
            steps=32,
            r=5,
            coefficients={"gamma": gamma, "omega": omega},
            inputs={"u": 0.0},
        )
        amplitude = np.hypot(orbit.q[0], orbit.v[0] / omega)
        phase = np.arctan2(orbit.v[0] / omega, orbit.q[0])
        exact = 1 / np.hypot(1 - omega**2, 2 * gamma * omega)
        assert abs(amplitude / exact - 1) < 1e-8
        assert abs(phase - np.arctan2(2 * gamma * omega, 1 - omega**2)) < 1e-8
        decay = np.exp(-gamma * 2 * np.pi / omega)
        np.testing.assert_allclose(np.abs(orbit.multipliers), decay, rtol=1e-8)
        assert orbit.attracts


def test_a_nonlinear_orbit_is_one_of_the_flow() -> None:
    """Duffing: the state found comes back to itself under an independent integrator."""
    text = """
        coordinate x
        L = 1/2*x'^2 - 1/2*x^2 - 1/4*x^4
        K = -0.3*x'_+*x_-
        force x = 0.5*cos(1.2*t)
    """
    period = 2 * np.pi / 1.2
    orbit = periodic_orbit(lagc.loads(text), 0.3, 0.0, period=period, steps=40, r=4)

    def motion(t: float, y: np.ndarray) -> list[float]:
        return [y[1], -y[0] - y[0] ** 3 - 0.3 * y[1] + 0.5 * np.cos(1.2 * t)]

    start = [orbit.q[0], orbit.v[0]]
    end = solve_ivp(motion, (0, period), start, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(end, start, atol=1e-10)
    assert orbit.attracts


def test_what_nothing_determines_and_what_does_not_exist() -> None:
    free = lagc.loads("coordinate x\nL = 1/2*x'^2\n")
    with pytest.raises(lagc.LagcError, match="continuous family"):
        periodic_orbit(free, 1.0, 0.1, period=1.0, steps=10)
    falling = lagc.loads("coordinate x\nforce x = 1\nL = 1/2*x'^2\n")
    with pytest.raises(lagc.LagcError, match="LAG508"):
        periodic_orbit(falling, 0.0, 0.0, period=1.0, steps=10)
