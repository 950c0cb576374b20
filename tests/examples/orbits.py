"""Orbits: equations of motion by hand, and what is known about how they change."""

from __future__ import annotations

import numpy as np
from numpy import exp, pi, sqrt

from tests.examples.harness import Example, Motion, simulate


def elements(q: np.ndarray, v: np.ndarray, mu: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Semi-major axis, eccentricity and longitude of the pericentre of osculating orbits."""
    r = np.linalg.norm(q, axis=-1)
    a = 1 / (2 / r - np.sum(v * v, axis=-1) / mu)
    turning = q[..., 0] * v[..., 1] - q[..., 1] * v[..., 0]
    e = np.stack([v[..., 1] * turning, -v[..., 0] * turning], axis=-1) / mu - q / r[..., None]
    return a, np.linalg.norm(e, axis=-1), np.unwrap(np.arctan2(e[..., 1], e[..., 0]))


def per_orbit(run: Motion, mu: float) -> tuple[float, float, float, float]:
    """Mean a and e between the first and the last apocentre, and their changes per unit time.

    At apocentre every oscillation within an orbit has the same phase.
    """
    a, e, _ = elements(run.q, run.v, mu)
    radial = np.sum(run.q * run.v, axis=1)
    far = np.flatnonzero((radial[:-1] > 0) & (radial[1:] <= 0))
    first, last = far[0], far[-1]
    values = []
    for k in (first, last):  # both elements, linearly at the zero of the radial velocity
        s = radial[k] / (radial[k] - radial[k + 1])
        values.append([(1 - s) * x[k] + s * x[k + 1] for x in (run.t, a, e)])
    (t0, a0, e0), (t1, a1, e1) = values
    assert len(far) > 3
    return (a0 + a1) / 2, (e0 + e1) / 2, (a1 - a0) / (t1 - t0), (e1 - e0) / (t1 - t0)


# --- gas_drag --------------------------------------------------------------------------------


def gas_drag(t: float, y: np.ndarray) -> np.ndarray:
    r, v = y[:2], y[2:]
    s = sqrt(r @ r)
    drag = 2.5e-9 * exp(-(s - 6578) / 40) * sqrt(v @ v)
    return np.concatenate([v, -398600.4418 / s**3 * r - drag * v])


def gas_drag_check(run: Motion) -> None:
    """The orbit shrinks as da/dt = -2 k rho(a) sqrt(GM a), some 2 km a turn, and the satellite
    becomes faster."""
    mu = 398600.4418
    a, *_ = elements(run.q, run.v, mu)
    # H (exp(a/H)) is linear in time but for the slow change of sqrt(a)
    fallen = 40 * (1 - np.exp((a - a[0]) / 40))
    lost = 2 * 2.5e-9 * sqrt(mu * a[0]) * run.t
    turns = run.t > 5400
    np.testing.assert_allclose(fallen[turns], lost[turns], rtol=0.02)
    speed = run.observable("speed")
    assert a[-1] < a[0] - 15 and speed[-1] > speed[0]


# --- tides -----------------------------------------------------------------------------------

_Q, _K, _LAG, _SPIN = 0.02, 0.5, 0.5, 0.02


def tides(t: float, y: np.ndarray) -> np.ndarray:
    """Hut 1981, eq. 8, in polar components."""
    r, v = y[:2], y[2:]
    s = sqrt(r @ r)
    outward = r / s
    onward = np.array([-outward[1], outward[0]])
    radial, turning = v @ outward, v @ onward / s
    bulge = 3 * _Q * _K / s**5
    pull = 1 + bulge * (1 + 3 * radial / s * _LAG)
    drag = -bulge * (_SPIN - turning) * _LAG
    return np.concatenate([v, -(1 + _Q) / s**2 * (pull * outward + drag * onward)])


def tides_check(run: Motion) -> None:
    """Axis and eccentricity change as Hut (1981) found for the average over an orbit."""
    a, e, da, de = per_orbit(run, 1 + _Q)
    x = e * e
    f1 = 1 + 31 / 2 * x + 255 / 8 * x**2 + 185 / 16 * x**3 + 25 / 64 * x**4
    f2 = 1 + 15 / 2 * x + 45 / 8 * x**2 + 5 / 16 * x**3
    f3 = 1 + 15 / 4 * x + 15 / 8 * x**2 + 5 / 64 * x**3
    f4 = 1 + 3 / 2 * x + 1 / 8 * x**2
    ratio, rest = _SPIN / sqrt((1 + _Q) / a**3), 1 - x
    rate = _K * _LAG * _Q * (1 + _Q) / a**8
    hut_a = -6 * rate * a / rest**7.5 * (f1 - rest**1.5 * f2 * ratio)
    hut_e = -27 * rate * e / rest**6.5 * (f3 - 11 / 18 * rest**1.5 * f4 * ratio)
    assert abs(da / hut_a - 1) < 0.02 and abs(de / hut_e - 1) < 0.02


# --- inspiral --------------------------------------------------------------------------------

_NU = 1 / 4


def radiation_reaction(r: np.ndarray, v: np.ndarray) -> np.ndarray:
    """-2/5 nu Q^(5) r with Q the quadrupole r r - r^2/3 of the reduced mass, its derivatives by
    Leibniz' rule from Kepler's r'' = -f r, f = r^-3."""
    s = sqrt(r @ r)
    f, u, w = s**-3, r @ v / s**2, v @ v / s**2
    f1 = -3 * f * u
    f2 = f * (15 * u * u - 3 * w + 3 * f)
    f3 = f * u * (-105 * u * u + 45 * w - 42 * f)
    mixed = (np.outer(r, v) + np.outer(v, r)) / 2
    fifth = (32 * f * f - 16 * f2) * mixed - 20 * f1 * np.outer(v, v)
    fifth += (28 * f * f1 - 2 * f3) * np.outer(r, r)
    fifth -= np.trace(fifth) / 3 * np.eye(2)
    return -2 / 5 * _NU * fifth @ r


def inspiral(t: float, y: np.ndarray) -> np.ndarray:
    """The Lagrange equations of the first post-Newtonian order, solved for the acceleration."""
    r, v = y[:2], y[2:]
    s2, v2, rv = r @ r, v @ v, r @ v
    s = sqrt(s2)
    one = np.eye(2)
    cubic, inert, tilt = (1 - 3 * _NU) / 2, (3 + _NU) / s, _NU / s**3
    # p = (1 + cubic v2 + inert) v + tilt rv r
    mass = (1 + cubic * v2 + inert) * one + 2 * cubic * np.outer(v, v) + tilt * np.outer(r, r)
    moved = -(3 + _NU) * rv / s**3 * v + tilt * (v2 * r + rv * v) - 3 * _NU * rv**2 / s**5 * r
    force = -r / s**3 - (3 + _NU) * v2 / (2 * s**3) * r + r / s**4
    force += _NU * (rv * v / s**3 - 3 / 2 * rv**2 / s**5 * r)
    acceleration = np.linalg.solve(mass, force - moved + radiation_reaction(r, v))
    return np.concatenate([v, acceleration])


def inspiral_check(run: Motion) -> None:
    """With reaction alone, axis and eccentricity shrink as Peters (1964) found from the quadrupole
    formula; with the first order alone, the pericentre turns by 6 pi/(a (1 - e^2)) a turn."""
    far = ([20.8, 0.0], [0.0, sqrt(0.7 / 20.8)])  # at apocentre with a = 16, e = 0.3
    switched = {"first": 0.0, "reaction": 0.05}
    slow = simulate(run.system, coefficients=switched, start=far)
    a, e, da, de = per_orbit(slow, 1.0)
    x = e * e
    peters_a = -64 / 5 * _NU / a**3 * (1 + 73 / 24 * x + 37 / 96 * x**2) / (1 - x) ** 3.5
    peters_e = -304 / 15 * _NU * e / a**4 * (1 + 121 / 304 * x) / (1 - x) ** 2.5
    assert abs(da / (0.05 * peters_a) - 1) < 0.01
    assert abs(de / (0.05 * peters_e) - 1) < 0.01
    turning = simulate(run.system, coefficients={"first": 0.02, "reaction": 0.0}, start=far)
    a, e, _ = elements(turning.q, turning.v, 1.0)
    radial = np.sum(turning.q * turning.v, axis=1)
    apsides = np.flatnonzero((radial[:-1] > 0) & (radial[1:] <= 0))
    angle = np.unwrap(np.arctan2(turning.q[:, 1], turning.q[:, 0]))
    at = []
    for k in apsides:
        s = radial[k] / (radial[k] - radial[k + 1])
        at.append((1 - s) * angle[k] + s * angle[k + 1])
    advance = np.mean(np.diff(at)) - 2 * pi
    assert abs(advance / (0.02 * 6 * pi / (np.mean(a) * (1 - np.mean(e) ** 2))) - 1) < 0.02


# --- three_body ------------------------------------------------------------------------------


def three_body(t: float, y: np.ndarray) -> np.ndarray:
    q, v = y[:6].reshape(3, 2), y[6:]
    gaps = q[None] - q[:, None]
    cubes = np.sum(gaps**2, axis=2) ** 1.5 + np.eye(3)
    return np.concatenate([v, np.sum(gaps / cubes[..., None], axis=1).reshape(-1)])


def three_body_check(run: Motion) -> None:
    """After one period every body is back, a third of it earlier at the place of another, and
    momentum and angular momentum stay zero."""
    q, n = run.q, len(run.q) - 1
    np.testing.assert_allclose(q[-1], q[0], atol=1e-5)
    np.testing.assert_allclose(q[n // 3], np.roll(q[0], 2), atol=1e-5)
    places, momenta = q.reshape(-1, 3, 2), run.p.reshape(-1, 3, 2)
    assert np.max(np.abs(momenta.sum(axis=1) - momenta[0].sum(axis=0))) < 1e-13
    spin = places[..., 0] * momenta[..., 1] - places[..., 1] * momenta[..., 0]
    assert np.max(np.abs(spin.sum(axis=1) - spin[0].sum())) < 1e-12


EXAMPLES = [
    Example("gas_drag", gas_drag, 5e-9, gas_drag_check),
    Example("tides", tides, 5e-9, tides_check),
    Example("inspiral", inspiral, 2e-9, inspiral_check),
    Example("three_body", three_body, 2e-9, three_body_check),
]
