"""The four systems of `support.py`: true coefficients, equations of motion by hand, and recordings.

Recordings are solutions of the equations below by SciPy's DOP853 at a tolerance of 1e-13, so that
nothing of the models that are fitted to them went into them. Four runs from random states,
positions and velocities, and white noise by its part of the standard deviation of each channel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from lagc.learn.data import Recording

RUNS, ROWS, DT = 4, 100, 0.1
W = 1.3  # frequency of the drive, as in springs_terms.lag
CART = {"a": 0.4, "b": 0.5, "g": 1.5, "c": 0.2, "d": 0.1}


@dataclass(frozen=True)
class Case:
    """A system: what is true, accelerations (t, q, v) -> (dof,), and the ranges of initial
    positions and velocities, (dof,) each."""

    name: str
    truth: dict[str, float]
    accelerations: Callable[[float, np.ndarray, np.ndarray], list[float]]
    reach: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def model(self) -> str:
        """The file with the terms that are there, ten more in L and six more in K."""
        return f"{self.name}_terms.lag"

    def recordings(self, noise: float, seed: int) -> list[Recording]:
        """Four runs; the states at the start are the same at every level of noise."""
        random = np.random.default_rng(seed)
        t = DT * np.arange(ROWS)
        q_reach, v_reach = (np.array(reach) for reach in self.reach)
        dof = q_reach.size
        starts = random.uniform(-1, 1, (RUNS, 2 * dof)) * np.concatenate([q_reach, v_reach])
        runs = np.stack([self._solved(t, start) for start in starts])
        sigma = noise * np.std(runs, axis=(0, 1))
        runs = runs + sigma * random.normal(size=runs.shape)
        return [
            Recording(f"run {i + 1}", t, run[:, :dof], run[:, dof:]) for i, run in enumerate(runs)
        ]

    def _solved(self, t: np.ndarray, start: np.ndarray) -> np.ndarray:
        dof = start.size // 2
        solution = solve_ivp(
            lambda t, y: [*y[dof:], *self.accelerations(t, y[:dof], y[dof:])],
            (0, t[-1]),
            start,
            method="DOP853",
            t_eval=t,
            rtol=1e-13,
            atol=1e-13,
        )
        return np.asarray(solution.y.T)


def _oscillator(t: float, q: np.ndarray, v: np.ndarray) -> list[float]:
    return [-2.0 * q[0] - 0.2 * v[0]]


def _duffing(t: float, q: np.ndarray, v: np.ndarray) -> list[float]:
    return [-q[0] - 1.2 * q[0] ** 3 - 0.2 * v[0]]


def _springs(t: float, q: np.ndarray, v: np.ndarray) -> list[float]:
    x, y = q
    between = 0.7 * (x - y)
    return [-x - between - 0.15 * v[0] + 0.5 * np.cos(W * t), -2 * y + between - 0.15 * v[1]]


def _cart(t: float, q: np.ndarray, v: np.ndarray) -> list[float]:
    a, b, g, c, d = CART.values()
    sin, cos = np.sin(q[1]), np.cos(q[1])
    push = a * v[1] ** 2 * sin - c * v[0]
    turn = -g * sin - d * v[1]
    determinant = b - (a * cos) ** 2
    return [(b * push - a * cos * turn) / determinant, (turn - a * cos * push) / determinant]


CASES = (
    Case("oscillator", {"k": 2.0, "c": 0.2}, _oscillator, ((2.0,), (2.0,))),
    Case("duffing", {"k": 1.0, "b": 1.2, "c": 0.2}, _duffing, ((2.0,), (2.0,))),
    Case(
        "springs",
        {"a": 1.0, "b": 2.0, "m": 0.7, "f": 0.5, "c": 0.15},
        _springs,
        ((1.5, 1.5), (1.5, 1.5)),
    ),
    Case("cart", CART, _cart, ((1.0, 2.5), (1.0, 2.0))),
)
