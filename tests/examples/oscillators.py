"""Particles and oscillators: equations of motion by hand, and what is known about the motions."""

from __future__ import annotations

import numpy as np
from numpy import cos, exp, log, pi, sin, sqrt

from tests.examples.harness import Example, Motion, simulate

# --- duffing ---------------------------------------------------------------------------------


def duffing(t: float, y: np.ndarray) -> list[float]:
    x, v = y
    return [v, x - x**3 - 0.3 * v + 0.37 * cos(1.2 * t)]


def duffing_check(run: Motion) -> None:
    """In the end the motion repeats after five periods of the drive and after no fewer; the
    energy changes by the work of drive and friction."""
    levels = np.stack([run.q[::50, 0], run.v[::50, 0]])
    apart = [float(np.max(np.abs(levels[:, -1] - levels[:, -1 - n]))) for n in range(1, 6)]
    assert apart[4] < 1e-7 < 0.1 < min(apart[:4])
    power = 0.37 * cos(1.2 * run.t) * run.v[:, 0] - 0.3 * run.v[:, 0] ** 2
    assert_changes_by(run.energy, power, run.t, 1e-4)


def assert_changes_by(y: np.ndarray, rate: np.ndarray, t: np.ndarray, within: float) -> None:
    """That y changes by the integral of `rate`, to the error of Simpson's rule over two steps."""
    h = t[1] - t[0]
    pieces = h / 3 * (rate[:-2:2] + 4 * rate[1:-1:2] + rate[2::2])
    assert np.ptp(y) > 100 * within
    np.testing.assert_allclose(y[2::2] - y[0], np.cumsum(pieces), atol=within, rtol=0)


# --- van_der_pol -----------------------------------------------------------------------------


def van_der_pol(t: float, y: np.ndarray) -> list[float]:
    x, v = y
    return [v, (1 - x * x) * v - x]


def van_der_pol_check(run: Motion) -> None:
    """The limit cycle of mu = 1/2 has the frequency of the Lindstedt series up to mu^8, and a
    motion that begins near rest with mu = 1 grows to the amplitude 2.0086."""
    weak = simulate(run.system, coefficients={"mu": 0.5}, start=([2.0], [0.0]))
    ends = returns(weak.t, weak.q[:, 0], weak.v[:, 0])
    # Andersen and Geer, SIAM J. Appl. Math. 42, 678 (1982)
    series = (1, -1 / 16, 17 / 3072, 35 / 884736, -678899 / 5096079360)
    frequency = sum(c * 0.5 ** (2 * k) for k, c in enumerate(series))
    assert abs(2 * pi / (ends[-1] - ends[-2]) - frequency) < 1e-6
    assert abs(np.max(np.abs(run.q[run.t > 30])) - 2.0086) < 1e-3


def returns(t: np.ndarray, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """When x passes zero upward, from the cubic through the levels about it."""
    found = []
    for k in np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0)):
        h = t[k + 1] - t[k]
        s = 0.5
        for _ in range(50):  # Newton on the Hermite cubic
            a, b, c, d = x[k], h * v[k], x[k + 1], h * v[k + 1]
            p3, p2 = 2 * a + b - 2 * c + d, -3 * a - 2 * b + 3 * c - d
            s -= (((p3 * s + p2) * s + b) * s + a) / ((3 * p3 * s + 2 * p2) * s + b)
        found.append(t[k] + s * h)
    return np.array(found)


# --- rlc -------------------------------------------------------------------------------------


def rlc(t: float, y: np.ndarray) -> list[float]:
    charge, current = y
    return [current, (5 * cos(800 * t) - 2 * current - charge / 100e-6) / 10e-3]


def rlc_check(run: Motion) -> None:
    """The current settles to the voltage over the impedance R + i (w H - 1/(w F))."""
    impedance = 2 + 1j * (800 * 10e-3 - 1 / (800 * 100e-6))
    settled = (5 / impedance * exp(800j * run.t)).real
    left = 5 * exp(-2 / (2 * 10e-3) * run.t)  # the transient decays at R/(2 H)
    assert np.all(np.abs(run.v[:, 0] - settled) <= left + 1e-8)
    assert left[-1] < 3e-4 < np.max(np.abs(settled))


# --- foucault --------------------------------------------------------------------------------

_TURN = 7.292115e-5 * sin(48.846 * pi / 180)


def foucault(t: float, y: np.ndarray) -> list[float]:
    x, north, u, v = y
    w2 = 9.81 / 67
    return [u, v, -w2 * x + 2 * _TURN * v, -w2 * north - 2 * _TURN * u]


def foucault_check(run: Motion) -> None:
    """The plane of the swing turns clockwise by omega*sin(latitude), 11.3 degrees in the hour."""
    fast = sqrt(9.81 / 67 + _TURN**2)
    still = 3 * (cos(fast * run.t) + 1j * _TURN / fast * sin(fast * run.t))
    exact = exp(-1j * _TURN * run.t) * still
    np.testing.assert_allclose(run.q[:, 0] + 1j * run.q[:, 1], exact, atol=1e-6, rtol=0)
    assert 11.2 < np.degrees(_TURN * run.t[-1]) < 11.4


# --- henon_heiles ----------------------------------------------------------------------------


def henon_heiles(t: float, y: np.ndarray) -> list[float]:
    x, z, u, v = y
    return [u, v, -x - 2 * x * z, -z - x * x + z * z]


def henon_heiles_check(run: Motion) -> None:
    """The energy stays 1/8 to a part in 10^8, and the run backward ends where it began."""
    np.testing.assert_allclose(run.energy, 1 / 8, rtol=1e-8)
    *_, back = run.system.simulate_in_chunks(
        run.q[-1], run.v[-1], dt=-0.5, steps=200, r=3, chunk=40
    )
    np.testing.assert_allclose(back.q[-1], run.q[0], atol=1e-11)


# --- relativistic ----------------------------------------------------------------------------


def relativistic(t: float, y: np.ndarray) -> list[float]:
    v = y[1]
    rest = 1 - v * v
    return [v, (1 - 0.1 * v / sqrt(rest)) * rest * sqrt(rest)]


def relativistic_check(run: Motion) -> None:
    """The momentum tends to F/b as (1 - exp(-b t)) F/b; without drag the motion is hyperbolic."""
    np.testing.assert_allclose(run.p[:, 0], (1 - exp(-0.1 * run.t)) / 0.1, atol=1e-8)
    free = simulate(run.system, coefficients={"b": 0.0})
    np.testing.assert_allclose(free.q[:, 0], sqrt(1 + free.t**2) - 1, atol=1e-8)


# --- charged_particle ------------------------------------------------------------------------


def charged_particle(t: float, y: np.ndarray) -> list[float]:
    u, v, w = y[3:]
    return [u, v, w, 2 * v - 0.1 * u, -2 * u - 0.1 * v, -0.1 * w]


def charged_particle_check(run: Motion) -> None:
    """The spiral is the exact one, and the speed falls as exp(-gamma t/m)."""
    rate = 0.1 + 2j
    exact = 1 + 1j * (1 - exp(-rate * run.t)) / rate
    np.testing.assert_allclose(run.q[:, 0] + 1j * run.q[:, 1], exact, atol=3e-8)
    speed = np.linalg.norm(run.v, axis=1)
    np.testing.assert_allclose(speed, speed[0] * exp(-0.1 * run.t), atol=3e-8)


# --- bouncing_ball ---------------------------------------------------------------------------


def bouncing_ball(t: float, y: np.ndarray) -> list[float]:
    z, v = y
    return [v, -9.81 + 1e4 * max(-z, 0.0) ** 1.5 * (1 - 0.2 * v)]


def bouncing_ball_check(run: Motion) -> None:
    """Without gravity the speeds v before and w after a contact obey Hunt and Crossley's law
    d (v + w) = log((1 + d v)/(1 - d w)); with it, every bounce is lower than the one before."""
    free = simulate(run.system, coefficients={"g": 0.0}, start=([0.5], [-2.0]))
    down, up, d = 2.0, free.v[-1, 0], 0.2
    assert 0 < up < down
    assert abs(d * (down + up) - log((1 + d * down) / (1 - d * up))) < 1e-6
    z = run.q[:, 0]
    tops = z[1:-1][(z[1:-1] > z[2:]) & (z[1:-1] > z[:-2])]
    assert len(tops) >= 2 and np.all(np.diff([z[0], *tops]) < 0)


EXAMPLES = [
    Example("duffing", duffing, 5e-9, duffing_check),
    Example("van_der_pol", van_der_pol, 5e-9, van_der_pol_check),
    Example("rlc", rlc, 5e-9, rlc_check),
    Example("foucault", foucault, 1e-7, foucault_check),
    Example("henon_heiles", henon_heiles, 5e-8, henon_heiles_check),
    Example("relativistic", relativistic, 1e-9, relativistic_check),
    Example("charged_particle", charged_particle, 5e-9, charged_particle_check),
    Example("bouncing_ball", bouncing_ball, 5e-5, bouncing_ball_check, order=2.5),
]
