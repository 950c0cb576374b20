"""Models with `if`, kinks and smooth variants, against SciPy's DOP853 and against jax."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
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


def test_an_abrupt_switch_between_steps_is_exact() -> None:
    # x'' = [t > 1] from rest: x = (t - 1)^2/2 from then on.
    system = lagc.loads("coordinate x\nL = 1/2*x'^2\nforce x = if(t > 1, 1, 0)\n")
    before = system.simulate(0.0, 0.0, dt=0.25, steps=4)
    np.testing.assert_allclose(before.q[-1, 0], 0.0, atol=1e-15)
    after = system.simulate(0.0, 0.0, t0=1.0 + 1e-12, dt=0.25, steps=8)
    np.testing.assert_allclose(after.q[-1, 0], 2.0, rtol=1e-14)


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
