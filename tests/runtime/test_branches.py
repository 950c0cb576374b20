"""Models with `if`, kinks and smooth variants, against SciPy's DOP853 and against jax."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc

# A soft wall at x = 1/2, air that resists the square of the speed, a motor that is switched on.
SOFT_WALL = """
coordinate x
constant d = 1/10
L = 1/2*x'^2 - 1/2*x^2 - if(x > 1/2, 4*(x - 1/2)^4, 0) - 3*max(-x - 3/4, 0)^3
K = -d*abs(x'_+)*x'_+*x_- - smooth_sign(x'_+, 1/4)/5*x_-
force x = if(x < 0 and x' > 0, x^2*x'^2, 0)
"""


def soft_wall(t: float, y: np.ndarray) -> tuple[float, float]:
    x, v = y
    force = -x - 16 * max(x - 0.5, 0.0) ** 3 + 9 * max(-x - 0.75, 0.0) ** 2
    force += -0.1 * abs(v) * v - v / np.sqrt(v * v + 1 / 16) / 5
    force += x * x * v * v if x < 0 and v > 0 else 0.0
    return v, force


def test_a_model_with_branches_moves_as_dop853_has_it() -> None:
    run = lagc.loads(SOFT_WALL).simulate(1.0, 0.0, dt=0.005, steps=2000, r=1)
    right = {"rtol": 1e-12, "atol": 1e-12, "max_step": 0.01}
    expected = solve_ivp(soft_wall, (0, 10), (1.0, 0.0), "DOP853", **right).y[:, -1]
    # Derivatives of the force jump at the walls, so steps that meet one are of a lower order.
    np.testing.assert_allclose([run.q[-1, 0], run.v[-1, 0]], expected, atol=2e-8)


@pytest.mark.parametrize(("dt", "r"), [(0.25, 2), (0.1, 0), (0.1, 3), (0.05, 1)])
@pytest.mark.parametrize("signal", [False, True])
def test_an_abrupt_switch_between_steps_is_exact(dt: float, r: int, signal: bool) -> None:
    # x'' = [1 <= t < 2] from rest: x = (t - 1)^2/2 and then 1/2 + (t - 2).
    force = "u" if signal else "if(t < 1, 0, if(t < 2, 1, 0))"
    inputs = {"u": lagc.Samples([0.0, 1.0, 2.0, 9.0], [0.0, 1.0, 0.0, 0.0], "previous")}
    declared = "input u\n" if signal else ""
    system = lagc.loads(f"coordinate x\n{declared}L = 1/2*x'^2\nforce x = {force}\n")
    run = system.simulate(
        0.0, 0.0, dt=dt, steps=round(4 / dt), r=r, inputs=inputs if signal else None
    )
    t = np.asarray(run.t)
    on, off = np.clip(t - 1, 0, 1), np.maximum(t - 2, 0)
    np.testing.assert_allclose(run.q[:, 0], on**2 / 2 + off, atol=1e-13)
    np.testing.assert_allclose(run.v[:, 0], on, atol=1e-13)


def test_a_switch_between_steps_costs_a_nonlinear_model_no_order() -> None:
    system = lagc.loads("coordinate x\nL = 1/2*x'^2 + cos(x)\nforce x = if(t < 1, 1, 0)\n")
    run = system.simulate(0.0, 0.0, dt=0.1, steps=20, r=4)
    right = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-13}
    on = solve_ivp(lambda t, y: (y[1], 1 - np.sin(y[0])), (0, 1), (0.0, 0.0), **right).y[:, -1]
    off = solve_ivp(lambda t, y: (y[1], -np.sin(y[0])), (1, 2), on, **right).y[:, -1]
    np.testing.assert_allclose([run.q[-1, 0], run.v[-1, 0]], off, atol=2e-11)
    backward = system.simulate(run.q[-1], p0=run.p[-1], t0=2.0, dt=-0.1, steps=20, r=4)
    np.testing.assert_allclose([backward.q[-1, 0], backward.v[-1, 0]], 0.0, atol=1e-13)


PARTIAL = (
    *("sqrt(x)", "log(x)*x^2", "1/x", "x^2.5", "asin(x/2)", "atanh(x/4)", "acosh(1 + x)"),
    *("exp(-1/x)", "atan2(x, x)", "x^e"),
)


def test_the_branch_not_taken_gives_no_nan() -> None:
    text = "coordinate x\ncoefficient e > 0 = 3\nL = 1/2*x'^2\n" + "".join(
        f"observable f{k} = if(x > 1/2, {branch}, x) + if(x <= 1/2, 2*x, {branch})\n"
        for k, branch in enumerate(PARTIAL)
    )
    observables = lagc.loads(text).observables.values()

    def observed(x: jax.Array, e: jax.Array) -> jax.Array:
        return jnp.stack([f(x[None], jnp.ones(1), coefficients={"e": e}) for f in observables])

    forward = jax.jit(jax.jacfwd(observed, argnums=(0, 1)))
    backward = jax.jit(jax.jacrev(observed, argnums=(0, 1)))
    for x in (-1.0, -1e-300, 0.0, 1.0, 1.9):
        slopes = np.array(forward(jnp.float64(x), jnp.float64(3)))
        assert np.all(np.isfinite(slopes))
        again = np.array(backward(jnp.float64(x), jnp.float64(3)))
        np.testing.assert_allclose(slopes, again, rtol=1e-13, atol=1e-15)
        if x <= 0.5:
            np.testing.assert_array_equal(slopes[0], 3.0)
            np.testing.assert_array_equal(slopes[1], 0.0)


def test_gradients_of_a_run_pass_through_branches() -> None:
    text = """
coordinate x
coefficient k > 0 = 2
L = 1/2*x'^2 - 1/2*k*x^2 - if(x > 0, k*x^2*sqrt(x), 0)
"""
    system = lagc.loads(text)

    def end(k: jax.Array) -> jax.Array:
        return system.simulate(1.0, 0.0, coefficients={"k": k}, dt=0.05, steps=60, r=1).q[-1, 0]

    slope = jax.grad(end)(2.0)
    rise = (end(2.0 + 1e-5) - end(2.0 - 1e-5)) / 2e-5
    np.testing.assert_allclose(slope, rise, rtol=1e-7)
