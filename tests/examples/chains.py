"""Chains: equations of motion by hand, all sites at once, and what is known about the motions."""

from __future__ import annotations

import numpy as np
from numpy import arange, cos, exp, pi, sin, sqrt

from tests.examples.harness import Example, Motion

# --- spring_chain -----------------------------------------------------------------------------


def spring_chain(t: float, y: np.ndarray) -> np.ndarray:
    x, v = np.split(y, 2)
    ends = np.concatenate([[0], x, [0]])
    return np.concatenate([v, np.diff(ends, 2) - 0.02 * v])


def spring_chain_check(run: Motion) -> None:
    """Every normal mode decays and turns on its own; the sum of the exact ones is the motion."""
    sites = arange(1, 25)
    exact = np.zeros_like(run.q)
    for j in sites:
        mode = sin(j * pi * sites / 25)
        amplitude = mode @ run.q[0] / (mode @ mode)
        w = sqrt((2 * sin(j * pi / 50)) ** 2 - 0.01**2)
        course = exp(-0.01 * run.t) * (cos(w * run.t) + 0.01 / w * sin(w * run.t))
        exact += amplitude * course[:, None] * mode
    np.testing.assert_allclose(run.q, exact, atol=1e-6)


# --- sine_gordon -----------------------------------------------------------------------------


def sine_gordon(t: float, y: np.ndarray) -> np.ndarray:
    phi, v = np.split(y, 2)
    bonds = np.concatenate([[0], np.diff(phi), [0]]) * 16  # 1/dx^2
    return np.concatenate([v, np.diff(bonds) - sin(phi) - 0.2 * v - 0.2])


def sine_gordon_check(run: Motion) -> None:
    """The kink tends to the speed 1/sqrt(1 + (4 alpha/(pi bias))^2) of the balance of friction
    and bias (McLaughlin and Scott 1978), within the 2 % that is left out of it."""
    place = run.observable("place")
    late = run.t > 22
    speed = np.polyfit(run.t[late], place[late], 1)[0]
    assert abs(speed * sqrt(1 + (4 / pi) ** 2) - 1) < 0.02


EXAMPLES = [
    Example("spring_chain", spring_chain, 2e-8, spring_chain_check),
    Example("sine_gordon", sine_gordon, 5e-7, sine_gordon_check),
]
