"""Coefficients of a pendulum from where a camera sees it, by the likelihood of a Kalman filter.

A camera sees the bob at whole pixels from where it takes the pivot to be. Across the rod that is an
angle; along it, it tells how far the pivot has moved in the picture, since a rod keeps its length.
The filter (Jazwinski, Stochastic Processes and Filtering Theory, 1970, ch. 8) carries the mean and
the covariance of a state from row to row: angle and angular velocity, through the integrator and
its derivative, and what disturbs them or the picture:

- the pivot in the picture, two coordinates, each a random walk;
- `forces`: white forces that push the pendulum;
- `angle`: an error of the angle that is forgotten in some time (an Ornstein-Uhlenbeck process);
- `clock`: an error of the time of a row, forgotten in the same manner.

The probability of each row given all before it makes the likelihood. Coefficients, sizes of the
disturbances and of the noise, the length of the rod and the initial state are those that make it
largest, by scoring: steps with the information matrix of independent Gaussian innovations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

import lagc

DISTURBANCES = ("forces", "angle", "clock")
SUBSTEPS = 4  # of the integrator between two rows
R = 1
# What is looked for besides coefficients, where searches begin, and how far one step may go.
NUISANCE = {
    "radius": (71.0, 1.0),  # of the circle of the bob, pixels
    "theta": (0.0, 0.05),
    "theta'": (0.0, 0.3),
    "x": (0.0, 1.0),  # the pivot at the first row, from where the camera takes it to be, pixels
    "y": (0.0, 1.0),
    # Logarithms of sizes.
    "across": (np.log(0.4), 1.0),  # noise across the rod, pixels
    "along": (np.log(0.4), 1.0),
    "wander x": (np.log(0.3), 1.0),  # of the pivot, pixels over the root of 1 s
    "wander y": (np.log(0.1), 1.0),
    "forces": (np.log(5e-3), 1.0),  # rad/s^2 over the root of 1 Hz
    "angle": (np.log(5e-3), 1.0),  # rad
    "angle time": (np.log(3.0), 1.0),  # s
    "clock": (np.log(5e-3), 1.0),  # s
    "clock time": (np.log(3.0), 1.0),  # s
}
SIZES = tuple(NUISANCE)[5:]  # the logarithms
GAIN = 1e-3  # of minus twice the logarithm of the likelihood: nothing
NONE = 1e-6  # a size below which there is nothing
SURE = 6  # pixels: from here on positions in one direction are told apart by their distance


@dataclass(frozen=True, eq=False)
class Fitted:
    """The largest likelihood: coefficients by name, with standard errors (NaN where fixed or at a
    bound); sizes of the disturbances and of the noise, in their units; where another search may
    begin; all unknowns; the filtered state at the last row: angle, angular velocity, pivot x and
    y, errors of angle and clock; innovations over their standard deviations, (rows, 2), across and
    along the rod; minus twice the logarithm of the likelihood, and Schwarz's criterion."""

    values: dict[str, float]
    std: dict[str, float]
    sizes: dict[str, float]
    start: dict[str, float]
    unknowns: np.ndarray
    last: np.ndarray
    innovations: np.ndarray
    deviance: float
    criterion: float
    converged: bool


def positions(angles: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Distances (n,) in pixels from the pivot that an angle (n,) was computed from, and which of
    them are sure: a tangent that is a ratio of whole numbers a/b comes from (a, b) or a multiple,
    and the multiple nearest to `radius` is taken, which leaves no doubt unless a and b are small.
    Also the largest difference between a tangent and its ratio."""
    ratios = [Fraction(float(x)).limit_denominator(int(1.2 * radius)) for x in np.tan(angles)]
    lengths = np.array([np.hypot(f.numerator, f.denominator) for f in ratios])
    wrong = np.abs(np.arctan([float(f) for f in ratios]) - angles)
    return np.round(radius / lengths) * lengths, lengths >= SURE, float(wrong.max())


class Filter:
    """The likelihood of a pendulum at times (n,): angles (n,) and distances from the pivot (n,) of
    the bob, of which those that are not `sure` (n,) do not count."""

    def __init__(
        self,
        system: lagc.System,
        t: np.ndarray,
        angles: np.ndarray,
        distances: np.ndarray,
        sure: np.ndarray,
    ) -> None:
        self.system, self.t, self.angles = system, t, angles
        self.coefficients = tuple(c.name for c in system.spec.coefficients)
        self.names = (*self.coefficients, *NUISANCE)
        self.observed = len(t) + int(sure.sum())
        rows = jnp.asarray(angles), jnp.asarray(distances), jnp.asarray(sure, float)

        def run(x: jax.Array, on: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            """Innovations over their standard deviations, (n, 2), logarithms of their variances,
            and the last state."""
            p = self._named(x)
            noise = jnp.exp(2 * jnp.stack([p["across"], p["along"]]))
            start = jnp.stack([p["theta"], p["theta'"], p["x"], p["y"], 0.0, 0.0])
            spread = jnp.zeros(4), on[1:] * jnp.exp(2 * jnp.stack([p["angle"], p["clock"]]))

            def seen(state: jax.Array, covariance: jax.Array, row: tuple[jax.Array, ...]):  # type: ignore[no-untyped-def]
                """Across the rod, then along it."""
                angle, distance, counts = row
                slope = jax.jacfwd(_picture)(state, p["radius"], angle)
                missed = jnp.stack([0.0, distance]) - _picture(state, p["radius"], angle)
                innovations, variances = [], []
                for k, weight in enumerate((1.0, counts)):
                    h = slope[k]
                    variance = h @ covariance @ h + noise[k]
                    gain = weight * (covariance @ h) / variance
                    innovations.append(weight * missed[k] / jnp.sqrt(variance))
                    variances.append(weight * jnp.log(2 * jnp.pi * variance))
                    change = gain * missed[k]
                    state, missed = state + change, missed - slope @ change
                    covariance = covariance - jnp.outer(gain, h @ covariance)
                return state, covariance, (jnp.stack(innovations), jnp.stack(variances))

            def step(carry, row):  # type: ignore[no-untyped-def]
                state, covariance = carry
                dt, *row = row
                slope = jax.jacfwd(self._later)(state, x, dt)
                state = self._later(state, x, dt)
                covariance = slope @ covariance @ slope.T + _added(p, on, dt)
                state, covariance, out = seen(state, covariance, tuple(row))
                return (state, covariance), out

            first = seen(start, jnp.diag(jnp.concatenate(spread)), tuple(r[0] for r in rows))
            rest = (jnp.asarray(np.diff(t)), *(r[1:] for r in rows))
            (last, _), outs = jax.lax.scan(step, first[:2], rest)
            e, v = (jnp.concatenate([a[None], b]) for a, b in zip(first[2], outs, strict=True))
            return e, v, last

        self._run = jax.jit(run)
        self._slopes = jax.jit(jax.jacfwd(lambda x, on: run(x, on)[:2]))

    def fit(
        self, terms: Collection[str], start: Mapping[str, float], disturbances: Collection[str]
    ) -> Fitted:
        """The largest likelihood over the coefficients in `terms`, the others being zero, under
        some of DISTURBANCES; `start`: where the search begins. Bounds are those of the model."""
        on = np.array([d in disturbances for d in DISTURBANCES], float)
        absent = {d for d in DISTURBANCES if d not in disturbances}
        absent |= {f"{d} time" for d in absent}
        free = np.array([n in terms or (n in NUISANCE and n not in absent) for n in self.names])
        x = np.array([start.get(n, NUISANCE.get(n, (0.0,))[0]) for n in self.names])
        x[[n in self.coefficients and n not in terms for n in self.names]] = 0.0
        low = np.array([np.log(NONE) if n in SIZES else -np.inf for n in self.names])
        for i, c in enumerate(self.system.spec.coefficients):
            low[i] = -np.inf if c.lower is None else c.lower
        far = [NUISANCE[n][1] if n in NUISANCE else 0.1 for n in self.names]
        x, converged = self._scoring(x, on, free, low, np.array(far))
        information, _ = self._information(x, on)
        moving = free & (x > low)
        std = np.full(len(x), np.nan)
        std[moving] = np.sqrt(np.diag(np.linalg.inv(information[np.ix_(moving, moving)])))
        e, v, last = map(np.asarray, self._run(x, on))
        deviance = float(np.sum(e**2) + np.sum(v))
        k = len(self.coefficients)
        found = {n: x[i] for i, n in enumerate(self.names) if free[i]}
        return Fitted(
            dict(zip(self.coefficients, x[:k].tolist(), strict=True)),
            dict(zip(self.coefficients, std[:k].tolist(), strict=True)),
            {n: float(np.exp(a)) for n, a in found.items() if n in SIZES},
            {n: float(a) for n, a in found.items() if n not in SIZES},
            x,
            last,
            e,
            deviance,
            deviance + free.sum() * np.log(self.observed),
            converged,
        )

    def ahead(self, fitted: Fitted, times: np.ndarray) -> np.ndarray:
        """Angles (n,) as the camera will give them at times (n,), of which the first is the last
        row: the means of the state, with nothing of the rows behind it."""
        later = jax.jit(self._later)
        states = [jnp.asarray(fitted.last)]
        for dt in np.diff(times):
            states.append(later(states[-1], fitted.unknowns, dt))
        radius = self._named(fitted.unknowns)["radius"]
        theta, speed, x, y, angle, clock = np.array(states).T
        seen = theta + angle + speed * clock
        return np.asarray(np.arctan2(x + radius * np.sin(seen), y + radius * np.cos(seen)))

    def _scoring(
        self, x: np.ndarray, on: np.ndarray, free: np.ndarray, low: np.ndarray, far: np.ndarray
    ) -> tuple[np.ndarray, bool]:
        """Damped steps until nothing is gained, and whether nothing is to be gained there."""
        damping, deviance = 1.0, self._deviance(x, on)
        for _ in range(200):
            information, slope = self._information(x, on)
            moving = free & ((x > low) | (slope < 0))
            scale = np.sqrt(np.diag(information)[moving])
            matrix = information[np.ix_(moving, moving)] / np.outer(scale, scale)
            downhill = -slope[moving] / (2 * scale)
            if downhill @ np.linalg.solve(matrix, downhill) < GAIN:
                return x, True
            new = np.inf
            while not new < deviance:
                change = np.linalg.solve(matrix + damping * np.eye(len(matrix)), downhill) / scale
                change *= min(1.0, float(np.min(far[moving] / np.abs(change))))
                tried = x.copy()
                tried[moving] = np.maximum(x[moving] + change, low[moving])
                new = self._deviance(tried, on)
                damping *= 5
                if damping > 1e12:
                    return x, False
            x, deviance, damping = tried, new, max(damping / 25, 1e-9)
        return x, False

    def _deviance(self, x: np.ndarray, on: np.ndarray) -> float:
        e, v, _ = self._run(x, on)
        value = float(jnp.sum(e**2) + jnp.sum(v))
        return value if np.isfinite(value) else np.inf

    def _information(self, x: np.ndarray, on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The information matrix, and the slope of minus twice the logarithm of the likelihood."""
        e = np.asarray(self._run(x, on)[0]).reshape(-1, 1)
        of_e, of_v = (np.asarray(s).reshape(-1, len(x)) for s in self._slopes(x, on))
        of_mean = of_e + e * of_v / 2  # slopes of the innovations, over standard deviations
        slope = 2 * of_e.T @ e[:, 0] + of_v.sum(0)
        return of_mean.T @ of_mean + of_v.T @ of_v / 2, slope

    def _later(self, state: jax.Array, x: jax.Array, dt: jax.Array) -> jax.Array:
        """The mean of the state after a time."""
        p = self._named(x)
        run = self.system.simulate(
            state[:1],
            state[1:2],
            coefficients={n: p[n] for n in self.coefficients},
            dt=dt / SUBSTEPS,
            steps=SUBSTEPS,
            r=R,
        )
        kept = jnp.exp(-dt / jnp.exp(jnp.stack([p["angle time"], p["clock time"]])))
        return jnp.concatenate([run.q[-1], run.v[-1], state[2:4], kept * state[4:]])

    def _named(self, x: jax.Array | np.ndarray) -> dict[str, jax.Array]:
        return dict(zip(self.names, x, strict=True))


def _picture(state: jax.Array, radius: jax.Array, angle: jax.Array) -> jax.Array:
    """Where the camera sees the bob, across and along a direction (2,), pixels."""
    theta, speed, x, y, error, clock = state
    off = theta + error + speed * clock - angle
    return jnp.stack(
        [
            x * jnp.cos(angle) - y * jnp.sin(angle) + radius * jnp.sin(off),
            x * jnp.sin(angle) + y * jnp.cos(angle) + radius * jnp.cos(off),
        ]
    )


def _added(p: dict[str, jax.Array], on: jax.Array, dt: jax.Array) -> jax.Array:
    """What the disturbances add to the covariance (6, 6) in a time that is short beside a
    period."""
    pushed = on[0] * jnp.exp(2 * p["forces"])
    walked = dt * jnp.exp(2 * jnp.stack([p["wander x"], p["wander y"]]))
    sizes = on[1:] * jnp.exp(2 * jnp.stack([p["angle"], p["clock"]]))
    times = jnp.exp(jnp.stack([p["angle time"], p["clock time"]]))
    renewed = sizes * -jnp.expm1(-2 * dt / times)
    added = jnp.diag(jnp.concatenate([jnp.zeros(2), walked, renewed]))
    return added.at[:2, :2].set(pushed * jnp.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]))
