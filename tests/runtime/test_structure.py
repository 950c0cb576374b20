"""What the discrete map keeps: time reversal, the symplectic form, volumes."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from lagc.runtime.method import method
from tests.conftest import EXAMPLES

COUPLED = "x'^2 + 1/2*y'^2 + 1/2*x'*y' - cosh(x) - 1/4*(x - y)^4 - 1/2*y^2"


@cache
def model(name: str) -> lagc.System:
    """Models by name, compiled once."""
    if name == "coupled":
        return lagc.compile(L=COUPLED, coordinates=["x", "y"])
    if name == "dragged":  # drag linear in the velocity, the same for every coordinate of momentum
        L = "1/2*x'^2 + 1/2*y'^2 - cosh(x) - 1/4*(x - y)^4 - 1/2*y^2"
        K = "-c*(x'_+*x_- + y'_+*y_-)"
        return lagc.compile(L=L, K=K, coordinates=["x", "y"], coefficients={"c": 0.3})
    if name == "all at once":  # explicit time, varying mass, quadratic and joint drag
        L = "1/2*(1 + x^2/4 + sin(t)/5)*x'^2 + 1/2*y'^2 + x*y'*cos(y)/3 - cosh(x) - (x - y)^4/4"
        K = "-1/10*(1 + x_+^2)*x'_+*x_- - 1/10*y'_+*sqrt(1 + y'_+^2)*y_- - x_+*y_-*cos(t)/5"
        return lagc.compile(L=L, K=K, coordinates=["x", "y"])
    if name == "magnetic":  # b = v + A(q) with a field that is not uniform
        L = "1/2*x'^2 + 1/2*y'^2 + (1 + x^2)*(x*y' - y*x')/2 - 1/2*x^2 - 1/4*y^4"
        return lagc.compile(L=L, coordinates=["x", "y"])
    return lagc.load(EXAMPLES / f"{name}.lag")


Q, V = np.array([0.8, -0.5]), np.array([0.3, 0.6])


@pytest.mark.parametrize(
    ("name", "r"), [("coupled", 0), ("coupled", 3), ("magnetic", 1), ("all at once", 1)]
)
def test_the_map_with_minus_h_is_the_inverse(name: str, r: int) -> None:
    """40 steps there and back, with and without K; the way there is not short."""
    run = {"steps": 40, "r": r}
    there = model(name).simulate(Q, V, dt=0.1, t0=0.3, **run)
    assert np.max(np.abs(np.asarray(there.q) - Q)) > 0.5
    back = model(name).simulate(there.q[-1], p0=there.p[-1], dt=-0.1, t0=there.t[-1], **run)
    assert not there.status and not back.status
    np.testing.assert_allclose(back.t[::-1], there.t, atol=1e-14)
    # Not the end alone: every level is met again.
    np.testing.assert_allclose(back.q[::-1], there.q, atol=2e-13)
    np.testing.assert_allclose(back.p[::-1], there.p, atol=2e-13)


def jacobian(name: str, r: int) -> np.ndarray:
    """d(q', p')/d(q, p) of one step."""
    system = model(name)

    def step(state: jax.Array) -> jax.Array:
        s = system.step(state[:2], state[2:], dt=0.2, r=r)
        return jnp.concatenate([s.q, s.p])

    p = system.momentum(Q, V)
    return np.asarray(jax.jacfwd(step)(jnp.concatenate([jnp.asarray(Q), p])))


FORM = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])


@pytest.mark.parametrize(
    ("name", "r"),
    [
        ("coupled", 0),
        pytest.param("coupled", 1, marks=pytest.mark.long),
        ("coupled", 5),
        pytest.param("magnetic", 0, marks=pytest.mark.long),
        ("magnetic", 2),
    ],
)
def test_symplectic(name: str, r: int) -> None:
    s = jacobian(name, r)
    assert np.max(np.abs(s - np.eye(4))) > 0.1
    assert np.max(np.abs(s.T @ FORM @ s - FORM)) < 1e-12


@pytest.mark.parametrize("r", [pytest.param(0, marks=pytest.mark.long), 2])
def test_symplectic_with_a_mass_matrix_that_varies(r: int) -> None:
    system = model("double_pendulum")

    def step(state: jax.Array) -> jax.Array:
        s = system.step(state[:2], state[2:], dt=0.1, r=r, coefficients={"f": 0.0})
        return jnp.concatenate([s.q, s.p])

    s = np.asarray(jax.jacfwd(step)(jnp.array([1.0, 2.0, 0.7, -0.4])))
    assert np.max(np.abs(s - np.eye(4))) > 0.1
    assert np.max(np.abs(s.T @ FORM @ s - FORM)) < 1e-12


def test_the_jacobian_is_that_of_the_map() -> None:
    """Differences of steps, lest a wrong derivative be symplectic by itself."""
    system, e = model("magnetic"), 1e-3
    start = np.concatenate([Q, np.asarray(system.momentum(Q, V))])

    def step(state: np.ndarray) -> np.ndarray:
        s = system.step(state[:, :2], state[:, 2:], dt=0.2, r=1)
        return np.concatenate([s.q, s.p], axis=1)

    shifts = e * np.concatenate([k * np.eye(4) for k in (1, -1, 2, -2)])
    up, down, up2, down2 = np.split(step(start + shifts), 4)
    differences = (8 * (up - down) - (up2 - down2)) / (12 * e)
    np.testing.assert_allclose(jacobian("magnetic", 1), differences.T, atol=1e-9)


def contraction(r: int, h: float, c: float) -> float:
    """The determinant of a step of q'' = -c q', by hand in terms of the discrete equations.

    b = v and a = -c v at every node: the equations are linear, and pi' = pi - c (q' - q) exactly.
    """
    m = method(r)
    w, d = m.tableau.weights, m.tableau.differentiation
    full = 2 / h * np.einsum("k,ki,kj->ij", w, d, d) - c * w[:, None] * d
    inner = np.linalg.solve(full[:-1, 1:], np.stack([-full[:-1, 0], -np.eye(r + 1)[0]], axis=1))
    nodes = np.concatenate([[[1.0, 0.0]], inner])
    return float(np.linalg.det(np.stack([nodes[-1], full[-1] @ nodes])))


@pytest.mark.parametrize("r", [0, pytest.param(1, marks=pytest.mark.long), 4])
def test_free_drag_contracts_exactly(r: int) -> None:
    """The determinant of free motion with linear drag is that of the linear equations."""
    free = lagc.compile(L="1/2*q'^2", K="-c*q'_+*q_-", coordinates=["q"], coefficients={"c": 0.3})

    def step(state: jax.Array) -> jax.Array:
        s = free.step(state[:1], state[1:], dt=0.5, r=r)
        return jnp.concatenate([s.q, s.p])

    found = float(np.linalg.det(np.asarray(jax.jacfwd(step)(jnp.array([0.4, 1.0])))))
    assert found == pytest.approx(contraction(r, 0.5, 0.3), abs=1e-14)
    assert found < 0.9


def test_volumes_shrink_as_those_of_the_flow() -> None:
    """q'' = F(q) - c q' contracts volumes of (q, p) by exp(-2 c h) whatever F: two coordinates."""
    found = np.linalg.det(jacobian("dragged", 2))
    assert found == pytest.approx(np.exp(-2 * 0.3 * 0.2), abs=3e-8)
