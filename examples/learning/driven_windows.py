"""Windows of x'' + 2 gamma x' + x = cos(omega t), and how well any of them fixes gamma and omega.

The bound of Cramer and Rao is the least standard error that an estimator without bias can have: the
root of the diagonal of (J' J)^-1, J being the derivatives of the exact solution by gamma, omega and
the state at the start, in units of the noise. An estimator that reaches it has normal errors of
that size, which says how likely it is that they all stay below a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, sqrt

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.data import Recording

SAMPLES, NOISE = 50, 0.01
Truth = tuple[float, float]  # gamma, omega
Number = float | jax.Array


@dataclass(frozen=True)
class Window:
    """50 rows from t = 0 to `end`, from the state `start` or, if None, in the steady state."""

    end: float
    start: tuple[float, float] | None
    velocities: bool

    @property
    def name(self) -> str:
        where = "steady state"
        if self.start is not None:
            where = f"from x = {self.start[0]:g} and x' = {self.start[1]:g}"
        seen = "positions and velocities" if self.velocities else "positions"
        return f"{where}, [0, {self.end:g}], {seen}"

    @property
    def times(self) -> np.ndarray:
        return np.linspace(0, self.end, SAMPLES)

    def exact(self, unknowns: jax.Array) -> jax.Array:
        """Positions, and velocities if seen, (channels, 50) from gamma, omega and a start."""
        rows = motion(unknowns, jnp.asarray(self.times))
        return rows if self.velocities else rows[:1]

    def unknowns(self, truth: Truth) -> np.ndarray:
        """gamma, omega and the state at t = 0."""
        start = steady(*truth, 0.0) if self.start is None else self.start
        return np.array([*truth, *start])

    def recording(self, truth: Truth, random: np.random.Generator) -> Recording:
        """With noise by its part of the standard deviation of each channel."""
        rows = np.asarray(self.exact(jnp.asarray(self.unknowns(truth))))
        rows = rows + NOISE * rows.std(axis=1, keepdims=True) * random.normal(size=rows.shape)
        v = rows[1][:, None] if self.velocities else None
        return Recording("window", self.times, rows[0][:, None], v, inputs={"u": np.zeros(SAMPLES)})

    def bound(self, truth: Truth, *, told: bool = False) -> np.ndarray:
        """The least standard errors of gamma and omega: (2,). An estimator that is told how the run
        begins (in the steady state, or where) has no other unknowns."""
        unknowns = jnp.asarray(self.unknowns(truth))
        rows = np.asarray(self.exact(unknowns))

        def known(pair: jax.Array) -> jax.Array:
            start = jnp.stack(steady(*pair, 0.0)) if self.start is None else unknowns[2:]
            return self.exact(jnp.concatenate([pair, start]))

        function, point = (known, unknowns[:2]) if told else (self.exact, unknowns)
        slopes = np.asarray(jax.jacfwd(function)(point))
        slopes = slopes / (NOISE * rows.std(axis=1))[:, None, None]
        matrix = slopes.reshape(-1, len(point))
        return np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)))[:2]


def steady(gamma: Number, omega: Number, t: Number) -> tuple[jax.Array, jax.Array]:
    """Position and velocity of the steady state."""
    amplitude = 1 / jnp.hypot(1 - omega**2, 2 * gamma * omega)
    phase = omega * t - jnp.arctan2(2 * gamma * omega, 1 - omega**2)
    return amplitude * jnp.cos(phase), -amplitude * omega * jnp.sin(phase)


def motion(unknowns: jax.Array, t: jax.Array) -> jax.Array:
    """Positions and velocities (2, m) at times (m,) from gamma < 1, omega and the state at 0."""
    gamma, omega, x0, v0 = unknowns
    x, v = steady(gamma, omega, t)
    steady_x, steady_v = steady(gamma, omega, 0.0)
    c, d = x0 - steady_x, v0 - steady_v
    own = jnp.sqrt(1 - gamma**2)
    cos, sin, decay = jnp.cos(own * t), jnp.sin(own * t), jnp.exp(-gamma * t)
    x = x + decay * (c * cos + (d + gamma * c) / own * sin)
    v = v + decay * (d * cos - (c + gamma * d) / own * sin)
    return jnp.stack([x, v])


def chance(bounds: Sequence[np.ndarray], limit: float) -> float:
    """That normal errors of these standard deviations all stay below a limit."""
    return float(np.prod([erf(limit / (std * sqrt(2))) for std in np.ravel(bounds)]))
