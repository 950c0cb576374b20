"""Pendulums and tops: equations of motion by hand, and what is known about the motions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy import cos, pi, sin, sqrt
from scipy.special import ellipk

from tests.examples.harness import Example, Motion, simulate
from tests.examples.oscillators import assert_changes_by, returns

# --- pendulum --------------------------------------------------------------------------------


def pendulum(t: float, y: np.ndarray) -> list[float]:
    return [y[1], -9.81 * sin(y[0])]


def pendulum_check(run: Motion) -> None:
    """The period is 4 sqrt(l/g) K(sin(theta_0/2)), K the complete elliptic integral, and the
    energy error does not grow."""
    period = 4 * sqrt(1 / 9.81) * ellipk(sin(2.5 / 2) ** 2)
    passed = returns(run.t, run.q[:, 0], run.v[:, 0])
    np.testing.assert_allclose(np.diff(passed), period, rtol=1e-5)
    error = np.abs(run.energy - run.energy[0])
    half = len(error) // 2
    assert 0 < np.max(error[half:]) < 1.1 * np.max(error[:half])


# --- spherical_pendulum: in Cartesian coordinates, with the pull of the rod ------------------


def spherical_pendulum(t: float, y: np.ndarray) -> np.ndarray:
    r, v = y[:3], y[3:]
    gravity = np.array([0, 0, -9.81])
    return np.concatenate([v, gravity - (v @ v + gravity @ r) * r])


def spherical_start(q: np.ndarray, v: np.ndarray) -> list[float]:
    (theta, _), (_, turning) = q, v  # phi = theta' = 0
    return [sin(theta), 0, -cos(theta), 0, sin(theta) * turning, 0]


def spherical_positions(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, z, down, u, v, rate = y[:, 0], y[:, 1], -y[:, 2], y[:, 3], y[:, 4], y[:, 5]
    level = np.hypot(x, z)
    q = np.stack([np.arctan2(level, down), np.unwrap(np.arctan2(z, x))], axis=1)
    return q, np.stack([rate / level, (x * v - z * u) / level**2], axis=1)


def spherical_pendulum_check(run: Motion) -> None:
    """The angular momentum about the vertical is conserved to round-off, the energy to 10^-8."""
    np.testing.assert_allclose(run.p[:, 1], run.p[0, 1], rtol=1e-12)
    np.testing.assert_allclose(run.energy, run.energy[0], rtol=1e-8)


# --- driven_pendulum -------------------------------------------------------------------------


def driven_pendulum(t: float, y: np.ndarray) -> list[float]:
    return [y[1], -sin(y[0]) - 0.5 * y[1] + 1.15 * cos(2 / 3 * t)]


def driven_pendulum_check(run: Motion) -> None:
    """The energy changes by the work of torque and friction; with a torque of 0.9 the motion
    settles to the period of the drive, with 1.07 to twice that."""
    for torque, periods in ((0.9, 1), (1.07, 2)):
        settled = simulate(run.system, coefficients={"torque": torque}, longer=16)
        speeds = settled.v[::60, 0]
        apart = [abs(speeds[-1] - speeds[-1 - n]) for n in (1, 2)]
        assert apart[periods - 1] < 1e-6 and (periods == 1 or apart[0] > 0.05)
    power = 1.15 * cos(2 / 3 * run.t) * run.v[:, 0] - 0.5 * run.v[:, 0] ** 2
    assert_changes_by(run.energy, power, run.t, 1e-4)


# --- coupled_pendulums -----------------------------------------------------------------------


def coupled_pendulums(t: float, y: np.ndarray) -> list[float]:
    a, b, u, v = y
    pull = 0.5 * (b - a)
    return [u, v, -9.81 * sin(a) + pull, -9.81 * sin(b) - pull]


def coupled_pendulums_check(run: Motion) -> None:
    """After half a beat, pi over the difference of the two normal frequencies, the second
    pendulum has all but a hundredth of the energy, after a whole one the first has it again."""
    beat = pi / (sqrt(9.81 + 1) - sqrt(9.81))
    first, second = run.observable("first"), run.observable("second")
    share = second / (first + second)

    def near(t: float) -> np.ndarray:
        return share[np.abs(run.t - t) < 0.6]

    assert np.min(near(beat)) > 0.99 and np.max(near(2 * beat)) < 0.01 < 0.4 < np.max(share[:300])
    np.testing.assert_allclose(run.energy, run.energy[0], rtol=1e-10)


# --- elastic_pendulum: in polar coordinates --------------------------------------------------


def elastic_pendulum(t: float, y: np.ndarray) -> list[float]:
    r, theta, u, w = y
    return [u, w, r * w * w + cos(theta) - 4 * (r - 0.75), -(sin(theta) + 2 * u * w) / r]


def elastic_start(q: np.ndarray, v: np.ndarray) -> list[float]:
    return [np.hypot(*q), np.arctan2(q[0], -q[1]), 0, 0]


def elastic_positions(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r, theta, u, w = y.T
    outward = np.stack([sin(theta), -cos(theta)], axis=1)
    onward = np.stack([cos(theta), sin(theta)], axis=1)
    return r[:, None] * outward, u[:, None] * outward + (r * w)[:, None] * onward


def elastic_pendulum_check(run: Motion) -> None:
    """The bounce becomes a swing and a bounce again: a sway of 0.01 grows to 0.3 and
    comes back, while the energy stays the same."""
    sway = np.abs(run.q[:, 0])
    peak = int(np.argmax(sway))
    assert sway[peak] > 25 * sway[0]
    assert np.min([np.max(sway[k : k + 60]) for k in range(peak, len(sway) - 60)]) < 0.06
    np.testing.assert_allclose(run.energy, run.energy[0], rtol=1e-8)


# --- atwood ----------------------------------------------------------------------------------


def atwood(t: float, y: np.ndarray) -> list[float]:
    r, theta, u, w = y
    return [u, w, (r * w * w - 3 + cos(theta)) / 4, -(2 * u * w + sin(theta)) / r]


def atwood_check(run: Motion) -> None:
    """The second constant of the motion for M = 3m (Tufillaro 1986) is conserved."""
    second = run.observable("second")
    assert np.ptp(run.q[:, 1]) > 1
    np.testing.assert_allclose(second, second[0], rtol=1e-8)


# --- cart_pendulum ---------------------------------------------------------------------------


def push(t: jax.Array) -> jax.Array:
    """A push that is never the same."""
    return 2 * jnp.cos(t + t * t / 10)


def cart_pendulum(t: float, y: np.ndarray) -> list[float]:
    _, theta, u, w = y
    along = 2 * np.cos(t + t * t / 10) - 0.1 * u + 0.1 * sin(theta) * w * w
    across = -0.2 * 9.81 * 0.5 * sin(theta) - 0.005 * w
    mass = np.array([[1.2, 0.1 * cos(theta)], [0.1 * cos(theta), 0.05]])
    return [u, w, *np.linalg.solve(mass, [along, across])]


def cart_pendulum_check(run: Motion) -> None:
    """The momentum of the whole changes by the push and the friction of the wheels."""
    rate = 2 * cos(run.t + run.t**2 / 10) - 0.1 * run.v[:, 0]
    assert_changes_by(run.p[:, 0], rate, run.t, 2e-6)


# --- hoop ------------------------------------------------------------------------------------


def hoop(t: float, y: np.ndarray) -> list[float]:
    theta, w = y
    return [w, 36 * sin(theta) * cos(theta) - 9.81 / 0.5 * sin(theta) - 0.2 * w]


def hoop_check(run: Motion) -> None:
    """The bead comes to rest where cos(theta) = g/(a omega^2), turning below sqrt(g/a) at the
    bottom."""
    rest = np.arccos(9.81 / (0.5 * 36))
    assert np.max(np.abs(run.q[-20:, 0] - rest)) < 0.05 < rest - run.q[0, 0]
    slow = simulate(run.system, coefficients={"omega": 4.0})
    assert np.max(np.abs(slow.q[-20:, 0])) < 1e-3


# --- heavy_top: the axis n and the angular momentum J in space -------------------------------

_A, _C, _WEIGHT = 1e-3, 4e-4, 0.5 * 9.81 * 0.04


def heavy_top(t: float, y: np.ndarray) -> np.ndarray:
    n, spin = y[:3], y[3:6]
    turning = np.cross(spin, n) / _A
    torque = np.cross(n, [0, 0, -_WEIGHT])
    along = spin @ n
    # phi' from the motion of the axis, psi' from the spin about it
    precession = (n[0] * turning[1] - n[1] * turning[0]) / (n[0] ** 2 + n[1] ** 2)
    return np.concatenate([turning, torque, [precession, along / _C - precession * n[2]]])


def heavy_top_start(q: np.ndarray, v: np.ndarray) -> list[float]:
    n = [0, -sin(q[0]), cos(q[0])]  # where Euler's z-x-z angles with phi = 0 have the axis
    return [*n, *(_C * v[2] * np.array(n)), 0, 0]


def heavy_top_positions(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rates = np.array([heavy_top(0, row) for row in y])
    n, theta = y[:, :3], np.arccos(y[:, 2])
    falling = -rates[:, 2] / sin(theta)
    assert np.max(np.abs(np.linalg.norm(n, axis=1) - 1)) < 1e-11
    q = np.stack([theta, y[:, 6], y[:, 7]], axis=1)
    return q, np.stack([falling, rates[:, 6], rates[:, 7]], axis=1)


def heavy_top_check(run: Motion) -> None:
    """Both angular momenta are conserved to round-off; on average a fast top precesses at
    m g l/(C psi')."""
    np.testing.assert_allclose(run.p[:, 1:], run.p[:1, 1:].repeat(len(run.p), 0), rtol=1e-12)
    rate = (run.q[-1, 1] - run.q[0, 1]) / run.t[-1]
    assert abs(rate / (_WEIGHT / (_C * 300)) - 1) < 0.03


EXAMPLES = [
    Example("pendulum", pendulum, 5e-9, pendulum_check),
    Example(
        "spherical_pendulum",
        spherical_pendulum,
        2e-9,
        spherical_pendulum_check,
        spherical_start,
        spherical_positions,
    ),
    Example("driven_pendulum", driven_pendulum, 2e-8, driven_pendulum_check),
    Example("coupled_pendulums", coupled_pendulums, 5e-9, coupled_pendulums_check),
    Example(
        "elastic_pendulum",
        elastic_pendulum,
        5e-9,
        elastic_pendulum_check,
        elastic_start,
        elastic_positions,
    ),
    Example("atwood", atwood, 1e-8, atwood_check),
    Example("cart_pendulum", cart_pendulum, 1e-8, cart_pendulum_check, inputs={"push": push}),
    Example("hoop", hoop, 2e-8, hoop_check),
    Example("heavy_top", heavy_top, 2e-9, heavy_top_check, heavy_top_start, heavy_top_positions),
]
