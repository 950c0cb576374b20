"""Solutions that lagc has no part in: closed forms, and heyoka's Taylor integrator at 1e-18.

The equations of motion are written out by hand here, not derived by lagc.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import heyoka as hy
import numpy as np

FORCED = """
model forced
coordinate x
constant w = 3/4
L  = 1/2*(1 + 1/4*sin(t))*x'^2 - 1/2*x^2 - 1/24*x^4 + x*cos(w*t)
K  = -(1/5 + 1/10*cos(t))*x'_+*x_-
"""


def damped_oscillator(t: float, m: float, k: float, friction: float) -> tuple[float, float]:
    """q and q' of m q'' + friction q' + k q = 0 from q = 1, q' = 0 (underdamped)."""
    g = friction / (2 * m)
    w = np.sqrt(k / m - g * g)
    decay = np.exp(-g * t)
    q = decay * (np.cos(w * t) + g / w * np.sin(w * t))
    v = -decay * (w + g * g / w) * np.sin(w * t)
    return float(q), float(v)


def propagate(
    system: Callable[[], list[tuple[hy.expression, hy.expression]]],
    start: Sequence[float],
    until: float,
) -> np.ndarray:
    """The state at `until`."""
    integrator = hy.taylor_adaptive(system(), list(start), tol=1e-18)
    integrator.propagate_until(until)
    return np.array(integrator.state)


def poynting_robertson() -> list[tuple[hy.expression, hy.expression]]:
    """Gravity reduced by radiation pressure, and drag, in AU, yr and solar masses."""
    mu, c, beta = 39.478758435, 63241.3, 0.01153812
    x, y, u, v = hy.make_vars("x", "y", "u", "v")
    s2 = x * x + y * y
    pull = -(1 - beta) * mu * s2 ** (-1.5)
    drag = -beta * mu / (c * s2)
    radial = (x * u + y * v) / s2
    return [
        (x, u),
        (y, v),
        (u, pull * x + drag * (u + radial * x)),
        (v, pull * y + drag * (v + radial * y)),
    ]


def double_pendulum() -> list[tuple[hy.expression, hy.expression]]:
    """Two unit bobs on unit rods with friction f in both joints, solved for the accelerations."""
    g, f = 9.8, 0.01
    a, b, p, q = hy.make_vars("a", "b", "p", "q")
    cosine, sine = hy.cos(a - b), hy.sin(a - b)
    first = -q * q * sine - 2 * g * hy.sin(a) - f * p + f * (q - p)
    second = p * p * sine - g * hy.sin(b) - f * (q - p)
    determinant = 2 - cosine * cosine
    return [
        (a, p),
        (b, q),
        (p, (first - cosine * second) / determinant),
        (q, (2 * second - cosine * first) / determinant),
    ]


def forced() -> list[tuple[hy.expression, hy.expression]]:
    """d/dt(m(t) x') = -x - x^3/6 + cos(3t/4) - (1/5 + cos(t)/10) x', m = 1 + sin(t)/4."""
    x, v = hy.make_vars("x", "v")
    t = hy.time
    mass = 1 + 0.25 * hy.sin(t)
    mass_rate = 0.25 * hy.cos(t)
    force = -x - x * x * x / 6.0 + hy.cos(0.75 * t) - (0.2 + 0.1 * hy.cos(t)) * v
    return [(x, v), (v, (force - mass_rate * v) / mass)]


DRIVEN_PAIR = """
model driven_pair
coordinate x
coordinate y
constant w = 3/4
L  = 1/2*x'^2 + 1/2*y'^2 - 1/2*x^2 - 1/4*(x - y)^4 + x*y*cos(w*t)
K  = -(1/5 + 1/10*cos(t))*x_+^2*x'_+*x_- - 1/10*(x'_+ - y'_+)*(x_- - y_-)
"""

VARYING_PAIR = """
model varying_pair
coordinate x
coordinate y
L  = 1/2*(1 + x^2/4)*x'^2 + 1/2*(1 + sin(t)/4)*y'^2 + 1/2*x^2*y' - 1/2*x^2 - 1/2*x^2*y^2 - 1/2*y^2
K  = -1/10*x'_+*x_- - cos(t)/5*y'_+^2*y_-
"""


def driven_pair() -> list[tuple[hy.expression, hy.expression]]:
    """A quartic bond, parametric forcing, and friction that depends on place and time."""
    x, y, u, v = hy.make_vars("x", "y", "u", "v")
    t, z = hy.time, x - y
    bond, forcing = z * z * z, hy.cos(0.75 * t)
    return [
        (x, u),
        (y, v),
        (u, -x - bond + forcing * y - (0.2 + 0.1 * hy.cos(t)) * x * x * u - 0.1 * (u - v)),
        (v, bond + forcing * x + 0.1 * (u - v)),
    ]


def varying_pair() -> list[tuple[hy.expression, hy.expression]]:
    """Masses that vary with place and with time, a gyroscopic term, quadratic friction."""
    x, y, u, v = hy.make_vars("x", "y", "u", "v")
    t = hy.time
    first = x * v - x - x * y * y - 0.1 * u - 0.25 * x * u * u
    second = -x * x * y - y - 0.2 * hy.cos(t) * v * v - 0.25 * hy.cos(t) * v - x * u
    return [(x, u), (y, v), (u, first / (1 + 0.25 * x * x)), (v, second / (1 + 0.25 * hy.sin(t)))]
