"""Coefficients of a system that random forces push about, by the likelihood of a Kalman filter.

A state (positions, velocities) follows the equations of motion between two rows, and white forces
of an unknown size are added; positions are observed with white noise of an unknown size. The filter
carries the mean and the covariance of the state from row to row, through the integrator and its
derivative; the probability of each row given all before it makes the likelihood (Jazwinski,
Stochastic Processes and Filtering Theory, 1970, ch. 8). Coefficients, the two sizes and the initial
state are those that make it largest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize

import lagc

SUBSTEPS = 4  # of the integrator between two rows
R = 1


@dataclass(frozen=True, eq=False)
class Filtered:
    """The maximum of the likelihood: values by name, with standard errors; the sizes of forces and
    of noise; the filtered state at the last row, (2,); innovations over their standard
    deviations, (rows - 1,); minus twice the log-likelihood, and Schwarz's criterion."""

    values: dict[str, float]
    std: dict[str, float]
    force: float
    noise: float
    last: np.ndarray
    innovations: np.ndarray
    deviance: float
    bic: float
    converged: bool


class Filter:
    """The likelihood of positions (n,) at times (n,) of a system with one coordinate, compiled."""

    def __init__(self, system: lagc.System, t: np.ndarray, q: np.ndarray) -> None:
        self.system, self.t, self.q = system, t, q
        self.names = tuple(c.name for c in system.spec.coefficients)
        intervals, seen = jnp.asarray(np.diff(t)), jnp.asarray(q)

        def flow(state: jax.Array, values: jax.Array, dt: jax.Array) -> jax.Array:
            run = system.simulate(
                state[:1],
                state[1:],
                coefficients=dict(zip(self.names, values, strict=True)),
                dt=dt / SUBSTEPS,
                steps=SUBSTEPS,
                r=R,
            )
            return jnp.concatenate([run.q[-1], run.v[-1]])

        def run(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
            """Unknowns: coefficients, logarithms of the two sizes, the initial state."""
            k = len(self.names)
            values, force, noise = x[:k], jnp.exp(2 * x[k]), jnp.exp(2 * x[k + 1])

            def step(carry: tuple[jax.Array, jax.Array], row: tuple[jax.Array, jax.Array]):  # type: ignore[no-untyped-def]
                state, covariance = carry
                dt, position = row
                slope = jax.jacfwd(flow)(state, values, dt)
                state = flow(state, values, dt)
                # What a white force adds over an interval that is short beside a period.
                added = jnp.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
                covariance = slope @ covariance @ slope.T + force * added
                variance = covariance[0, 0] + noise
                missed = position - state[0]
                gain = covariance[:, 0] / variance
                state = state + gain * missed
                covariance = covariance - jnp.outer(gain, covariance[0])
                return (state, covariance), (missed, variance)

            start = x[k + 2 :]
            first = seen[0] - start[0]
            (last, _), (missed, variance) = jax.lax.scan(
                step, (start, jnp.zeros((2, 2))), (intervals, seen[1:])
            )
            missed = jnp.concatenate([first[None], missed])
            variance = jnp.concatenate([noise[None], variance])
            deviance = jnp.sum(missed**2 / variance + jnp.log(2 * jnp.pi * variance))
            return deviance, (last, missed, variance)

        self._run = jax.jit(run)
        self._slope = jax.jit(jax.value_and_grad(lambda x: run(x)[0]))

    def fit(
        self, terms: Sequence[str], start: Mapping[str, float], bounds: Mapping[str, float]
    ) -> Filtered:
        """The largest likelihood over the coefficients in `terms`, the others being zero; bounds:
        the least values of some."""
        k = len(self.names)
        velocity = (self.q[1] - self.q[0]) / (self.t[1] - self.t[0])
        x = np.array([start[n] if n in terms else 0.0 for n in self.names])
        x = np.concatenate([x, np.log([1e-3, 5e-3]), [self.q[0], velocity]])
        free = np.array([n in terms for n in self.names] + [True] * 4)
        low = np.array([bounds.get(n, -np.inf) for n in self.names] + [-np.inf] * 4)
        size = np.array([0.1 if n == "w2" else 0.01 for n in self.names] + [1, 1, 0.01, 0.1])

        def cost(z: np.ndarray) -> tuple[float, np.ndarray]:
            y = x.copy()
            y[free] = z * size[free]
            value, slope = self._slope(y)
            return float(value), np.asarray(slope)[free] * size[free]

        found = scipy.optimize.minimize(
            cost,
            (x / size)[free],
            jac=True,
            method="L-BFGS-B",
            bounds=[(b, None) for b in (low / size)[free]],
            options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-4},
        )
        x[free] = found.x * size[free]
        deviance, (last, missed, variance) = self._run(x)
        std = np.full(len(x), np.nan)
        std[free] = size[free] * _errors(lambda z: cost(z)[1], found.x)
        return Filtered(
            dict(zip(self.names, x[:k].tolist(), strict=True)),
            dict(zip(self.names, std[:k].tolist(), strict=True)),
            *np.exp(x[k : k + 2]).tolist(),
            np.asarray(last),
            np.asarray(missed / jnp.sqrt(variance)),
            float(deviance),
            float(deviance) + free.sum() * np.log(len(self.q)),
            bool(found.success),
        )


def _errors(slope: Callable[[np.ndarray], np.ndarray], z: np.ndarray) -> np.ndarray:
    """Standard errors from the curvature of minus twice the log-likelihood, by differences of its
    slope."""
    h = 1e-3
    rows = [(slope(z + h * e) - slope(z - h * e)) / (2 * h) for e in np.eye(len(z))]
    curvature = np.array(rows)
    inverse = np.linalg.pinv((curvature + curvature.T) / 4)
    return np.asarray(np.sqrt(np.maximum(np.diag(inverse), 0.0)))
