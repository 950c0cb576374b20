"""The models that the learning tests use, and recordings from exact solutions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lagc
from lagc.learn.data import Recording
from lagc.runtime import System

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

PENDULUM = """
model pendulum
coordinate theta mod 2*pi
coefficient w2 > 0 = 1
coefficient c >= 0 = 0.1
coefficient m > 0 = 1
L = m*(1/2*theta'^2 + w2*cos(theta))
R = 1/2*m*c*theta'^2
"""


@pytest.fixture(scope="session")
def dho() -> System:
    """The damped oscillator 2 c1 q'' = -2 c2 q - c3 q'."""
    return lagc.load(EXAMPLES / "dho.lag")


@pytest.fixture(scope="session")
def driven() -> System:
    """An oscillator with an input."""
    return lagc.load(EXAMPLES / "driven.lag")


@pytest.fixture(scope="session")
def pendulum() -> System:
    """A damped pendulum with an angle modulo 2 pi: theta'' = -w2 sin(theta) - c theta'."""
    return lagc.loads(PENDULUM)


def damped_oscillation(
    t: np.ndarray, c: tuple[float, float, float], q0: float = 1.0, v0: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The exact underdamped solution q, q', p of the damped oscillator, each (m,)."""
    rate = c[2] / (4 * c[0])
    omega = np.sqrt(c[1] / c[0] - rate**2)
    cos, sin, fall = np.cos(omega * t), np.sin(omega * t), np.exp(-rate * t)
    s = (v0 + rate * q0) / omega
    q = fall * (q0 * cos + s * sin)
    v = fall * ((s * omega - rate * q0) * cos - (q0 * omega + rate * s) * sin)
    return q, v, 2 * c[0] * v


@pytest.fixture(scope="session")
def oscillation() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """`damped_oscillation`."""
    return damped_oscillation


@pytest.fixture(scope="session")
def record() -> Callable[..., Recording]:
    """Recordings of the damped oscillator, exact or with noise of a given part of the spread."""

    def make(
        c: tuple[float, float, float],
        rows: int,
        second: str,
        *,
        noise: float = 0.0,
        seed: int = 0,
        q0: float = 1.0,
        v0: float = 0.0,
    ) -> Recording:
        t = np.arange(rows) * 0.1
        random = np.random.default_rng(seed)
        q, v, p = (
            (x + noise * np.std(x) * random.normal(size=rows))[:, None]
            for x in damped_oscillation(t, c, q0, v0)
        )
        return Recording("exact", t, q, v if second == "v" else None, p if second == "p" else None)

    return make
