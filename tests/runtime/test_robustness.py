"""Places where an integrator can say no to a right answer, or yes to a wrong one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from tests.conftest import EXAMPLES

SPRING = "-q'_+*q_-"


@pytest.mark.parametrize("r", [0, 2])
def test_coming_to_rest_away_from_the_origin(r: int) -> None:
    """Near an equilibrium the terms of a cancel; their round-off is not a failure."""
    hanging = lagc.compile(L="1/2*q'^2 - 9.81*q - 50*q^2", K=SPRING, coordinates=["q"])
    t = hanging.simulate(0.0, 0.0, dt=0.05, steps=1000, r=r)
    assert int(t.status) == 0 and float(t.q[-1, 0]) == pytest.approx(-0.0981, abs=1e-9)
    L = "1/2*q'^2 - 1/2*(q - x0)^2"
    shifted = lagc.compile(L=L, K=SPRING, coordinates=["q"], coefficients={"x0": 0.0})
    x0 = jnp.array([0.3, 1.1, 1000.0])
    t = shifted.simulate(
        x0[:, None] + 1, jnp.zeros(1), coefficients={"x0": x0}, dt=0.1, steps=1500, r=r
    )
    assert not np.any(t.status)
    np.testing.assert_allclose(t.q[:, -1, 0], x0, rtol=1e-14)


@pytest.mark.parametrize("offset", [1e4, 1e6])
@pytest.mark.parametrize("c", [2.0, 8.0, 12.0, 20.0, 120.0])
def test_friction_does_not_care_where_the_origin_is(offset: float, c: float) -> None:
    """Displacements far below the round-off of positions, and sweeps that contract slowly (h c of
    0.2 to 12), turning round what is wrong, or not at all."""
    system = lagc.compile(
        L="1/2*x'^2", K="-c*(1 + x'_+^2)*x'_+*x_-", coordinates=["x"], coefficients={"c": c}
    )
    here, there = (system.simulate(q, 1e-9, dt=0.1, steps=24, r=1) for q in (0.0, offset))
    assert not int(here.status) and not int(there.status)
    np.testing.assert_allclose(there.p, here.p, rtol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "offset"),
    [("f4", 1.0), ("f4", 100.0), pytest.param("f8", 1e6, marks=pytest.mark.long)],
)
def test_friction_along_a_lattice_far_from_the_origin(dtype: str, offset: float) -> None:
    """A force that friction holds: sweeps turn round what is wrong (h c of 2 to 4), and a step
    moves by less than the round-off of positions."""
    system = lagc.loads(
        "index i in 0..9 periodic\ncoordinate x[i]\ncoefficient c\n"
        "L = sum(i, 1/2*x'[i]^2 - 1/2*(x[i+1] - x[i])^2)\nK = -sum(i, c*x'_+[i]*x_-[i])\n"
        "force x[i] = 1e-3*(1 + sin(t)/2)\n"
    )
    rates = np.array([20, 200, 300, 350, 400], dtype)
    start = np.full(10, offset, dtype), np.zeros(10, dtype)
    dt = np.dtype(dtype).type(0.01)
    run = system.simulate(*start, dt=dt, steps=600, r=2, coefficients={"c": rates})
    assert not np.any(run.status)
    round_off = float(np.finfo(dtype).eps) * offset / 1e-3  # in the forces of the springs
    for k, c in enumerate(rates.astype(float)):
        t, late = (
            np.asarray(run.t[k], float),
            slice(int(1500 / c) + 100, None),
        )  # some ten times 1/c
        held = 1e-3 / c + 5e-4 * (c * np.sin(t) - np.cos(t)) / (c * c + 1)
        np.testing.assert_allclose(run.v[k, late, 0], held[late], rtol=1e-3 + 4 * round_off)


@pytest.mark.parametrize("r", [2, pytest.param(4, marks=pytest.mark.long)])
def test_friction_that_sets_in(r: int) -> None:
    """Sweeps contract until friction stiffens: what was seen before says nothing of it."""
    system = lagc.loads(
        "coordinate x\ncoefficient c\nL = 1/2*x'^2\n"
        "K = -(c*(1 + tanh(1000*(t - 1)))/2 + 1/10)*x'_+*x_-\nforce x = 1e-3*(1 + sin(t)/2)\n"
    )
    q, v, dt = np.array([100, 1e-3, 0.01], "f4")
    c = np.array([300, 350, 400, 500], "f4")
    quick, robust = (
        system.simulate(q, v, dt=dt, steps=700, r=r, strategy=way, coefficients={"c": c})
        for way in ("kinetic", "robust")
    )
    assert not np.any(quick.status) and not np.any(robust.status)
    largest = np.max(np.abs(robust.v[:, 150:]), axis=1, keepdims=True)
    assert np.max(np.abs(quick.v - robust.v)[:, 150:] / largest) < 3e-5


@pytest.mark.parametrize("ratio", [20.0, 100.0, 1000.0])
@pytest.mark.parametrize("strategy", ["newton", "robust"])
@pytest.mark.parametrize("way", [1, -1])
def test_steps_of_very_different_lengths(ratio: float, strategy: str, way: int) -> None:
    """The equations have other roots, far away for a short step: a guess must not lead there."""
    system = lagc.compile(
        L="1/2*(1 + x^2)*x'^2 - 1/2*x^2",
        K="-c*x'_+^3*x_-",
        coordinates=["x"],
        coefficients={"c": -1.0 * way},
    )
    short = 0.1 / ratio
    times = way * np.cumsum([0.0, 0.1, 0.1, short, short, 0.1])
    whole = system.simulate(0.2, 1.0, times=times, r=2, strategy=strategy)
    assert int(whole.status) == 0
    q, v = 0.2, 1.0
    for k, (a, b) in enumerate(pairwise(times), start=1):
        one = system.simulate(q, v, dt=b - a, steps=1, t0=a, r=2)
        q, v = float(one.q[-1, 0]), float(one.v[-1, 0])
        np.testing.assert_allclose([whole.q[k, 0], whole.v[k, 0]], [q, v], rtol=1e-12)


@pytest.mark.parametrize("r", [0, pytest.param(1, marks=pytest.mark.long), 3])
def test_small_motions_about_an_equilibrium(r: int) -> None:
    L = "1/2*dot(r', r') - 25*(norm(r) - 1)^2 - 9.81*r[1]"
    elastic = lagc.compile(L=L, coordinates=["r[2]"])
    q0 = jnp.array([[1e-4, -1 - 9.81 / 50], [0.0, -1 - 9.81 / 50]])
    t = elastic.simulate(q0, jnp.zeros(2), dt=0.05, steps=400, r=r)
    assert not np.any(t.status)
    assert 1e-5 < float(jnp.max(jnp.abs(t.q[0, :, 0]))) < 1.1e-4
    double = lagc.load(EXAMPLES / "double_pendulum.lag")
    upright = double.simulate(jnp.array([np.pi, np.pi]), jnp.zeros(2), dt=0.1, steps=10, r=r)
    assert int(upright.status) == 0


def test_a_heavy_neighbour_hides_nothing() -> None:
    """A step that is not solved is not accepted because another momentum is large."""
    L = "1/2*M*x'^2 + 1/2*q'^2 + cos(q)"
    system = lagc.compile(L=L, coordinates=["x", "q"], coefficients={"M": 1.0})
    mass = jnp.array([1.0, 1e14, 1e20])
    start = (jnp.array([0.0, 2.0]), jnp.array([1.0, 0.5]))
    t = system.simulate(*start, coefficients={"M": mass}, dt=14.0, steps=10, r=8)
    assert int(t.status[0]) != 0
    np.testing.assert_array_equal(t.status, t.status[0])


def test_velocity_near_the_speed_of_light() -> None:
    """b = v/sqrt(1 - v^2) rises so steeply that Newton's corrections grow before they shrink."""
    system = lagc.compile(L="-sqrt(1 - q'^2)", coordinates=["q"])
    p = np.array([0.5, 0.86, 0.9, 0.99, 0.9999, 1.2, 3.0, 100.0])[:, None]
    v = system.velocity(np.zeros_like(p), p)
    np.testing.assert_allclose(v, p / np.sqrt(1 + p * p), rtol=1e-14)


def test_drag_from_rest() -> None:
    """v/|v| has no value at rest; the motion has: v = v_end tanh(g t / v_end)."""
    system = lagc.compile(
        L="1/2*dot(r', r') - g*r[1]",
        K="-c*norm(r'_+)*dot(r'_+, r_-)",
        coordinates=["r[2]"],
        coefficients={"g": 9.81, "c": 0.1},
    )
    t = system.simulate(jnp.zeros(2), jnp.zeros(2), dt=0.02, steps=100)
    fastest = np.sqrt(9.81 / 0.1)
    exact = -fastest * np.tanh(9.81 * np.asarray(t.t) / fastest)
    np.testing.assert_allclose(t.v[:, 1], exact, atol=1e-9)
    weightless = system.simulate(
        jnp.zeros(2), jnp.zeros(2), coefficients={"g": 0.0}, dt=0.1, steps=10
    )
    assert int(weightless.status) == 0 and float(jnp.max(jnp.abs(weightless.v))) < 1e-100


def test_symbolic_exponent_at_zero() -> None:
    system = lagc.compile(L="q'^2/2 - q^n/4", coordinates=["q"], coefficients={"n": 4})
    same = lagc.compile(L="q'^2/2 - q^4/4", coordinates=["q"])
    t, exact = (s.simulate(0.0, 1.0, dt=0.1, steps=10) for s in (system, same))
    np.testing.assert_allclose(t.q, exact.q, atol=1e-14)


def test_energy_follows_an_angle_under_constant_torque() -> None:
    L = "1/2*q'^2 + F*q + cos(q)"
    system = lagc.compile(L=L, coordinates=["q mod 2*pi"], coefficients={"F": 0.5})
    t = system.simulate(0.0, 2.0, dt=0.01, steps=1000)
    assert int(t.winding[-1, 0]) > 3
    np.testing.assert_allclose(t.energy, 1.0, atol=1e-9)


def test_members_that_fail_or_never_start_do_not_spoil_gradients() -> None:
    """With respect to a coefficient, also of the mass, and to a shift that all starts share."""
    L = "-m*sqrt(1 - q'^2) - 1/2*m*k*q^2"
    system = lagc.compile(L=L, coordinates=["q"], coefficients={"k": 1.0, "m": 1.0})

    def loss(x: jax.Array, v0: jax.Array) -> jax.Array:
        q0 = jnp.full((len(v0), 1), x[2])
        own = {"k": x[0], "m": x[1]}
        t = system.simulate(q0, v0[:, None], coefficients=own, dt=0.1, steps=10)
        counted = (t.status == 0) & (np.arange(4) < 2)
        return jnp.sum(jnp.where(counted[:, None], t.q[..., 0] ** 2 + t.p[..., 0], 0.0))

    x = jnp.array([1.0, 1.3, 0.1])
    with_failure, without = jnp.array([0.1, 0.5, 1.5, jnp.nan]), jnp.array([0.1, 0.5, 0.2, 0.3])
    (value, exact), (beside, found) = (
        jax.value_and_grad(loss)(x, v0) for v0 in (without, with_failure)
    )
    assert float(beside) == pytest.approx(float(value), abs=1e-13)
    assert np.all(np.abs(exact) > 1e-3)
    np.testing.assert_allclose(found, exact, rtol=1e-11)


def test_callables_are_known_by_what_they_refer_to() -> None:
    """Changing a number inside a callable is not answered with an old result."""
    system = lagc.compile(L="1/2*q'^2 - V(q)", coordinates=["q"], neural={"V(q)": "mlp(4)"})

    class Quadratic:
        stiffness = 1.0

        def __call__(self, x: jax.Array) -> jax.Array:
            return 0.5 * self.stiffness * x[0] ** 2

    def end(function: Any) -> float:
        t = system.simulate(1.0, 0.0, neural={"V": function}, dt=0.1, steps=10, r=3)
        return float(t.q[-1, 0])

    function = Quadratic()
    assert end(function) == pytest.approx(np.cos(1.0), abs=1e-9)
    function.stiffness = 4.0
    assert end(function) == pytest.approx(np.cos(2.0), abs=1e-7)
    stiffness = np.array(1.0)

    def closed(x: jax.Array) -> jax.Array:
        return 0.5 * stiffness * x[0] ** 2

    assert end(closed) == pytest.approx(np.cos(1.0), abs=1e-9)
    stiffness[...] = 4.0
    assert end(closed) == pytest.approx(np.cos(2.0), abs=1e-7)


def test_batch_axes_lead_in_point_functions() -> None:
    """A batch as long as the trajectory has time levels is not mistaken for time."""
    L = "1/2*m*q'^2 - 1/2*q^2"
    system = lagc.compile(L=L, coordinates=["q"], coefficients={"m": 1})
    m = jnp.linspace(1, 2, 11)
    t = system.simulate(1.0, 0.5, coefficients={"m": m}, dt=0.1, steps=10)
    np.testing.assert_allclose(
        system.energy(t.q, t.v, t.t, coefficients={"m": m}), t.energy, rtol=1e-14
    )


@pytest.mark.parametrize(
    "signal",
    [
        lagc.Samples([0.0, 2.0, 1.0], [0.0, 1.0, 2.0]),
        lagc.Samples([0.0, 1.0], [0.0, 1.0, 2.0]),
        lagc.Samples([0.0, 1.0], [0.0, 1.0], "cubic"),  # type: ignore[arg-type]
        np.zeros(11),
        np.zeros(10),
    ],
)
def test_signals_that_are_refused(signal: Any) -> None:
    driven = lagc.load(EXAMPLES / "driven.lag")
    with pytest.raises(lagc.LagcError, match="LAG506"):
        driven.simulate(1.0, 0.0, inputs={"u": signal}, dt=0.1, steps=10)


def test_a_guess_outside_the_domain_is_no_failure_of_another_kind() -> None:
    """Half a step leads beyond x = 0, where log has no value: a status, never a number."""
    system = lagc.compile(L="1/2*q'^2 + log(q)", coordinates=["q"])
    t = system.simulate(1.0, -30.0, dt=0.05, steps=3)
    assert int(t.status) != 0 and bool(jnp.all(jnp.isnan(t.q[-1])))


@pytest.mark.parametrize("chunk", [0, -3, 2.5])
def test_chunks_are_positive(chunk: Any) -> None:
    system = lagc.load(EXAMPLES / "dho.lag")
    with pytest.raises(lagc.LagcError, match="LAG509"):
        system.simulate_in_chunks(1.0, 0.0, dt=0.1, steps=10, chunk=chunk)
