"""Derivatives by the implicit function theorem against high-precision differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import lagc
from tests.conftest import EXAMPLES

STEPS, DT = 30, 0.1


def discrete_oscillator(c1: mp.mpf, c2: mp.mpf, c3: mp.mpf, q: mp.mpf, v: mp.mpf) -> mp.mpf:
    """The end of the r = 0 discrete map of dho, solved by hand, in any precision.

    With d = q_{n+1} - q_n: p = 2 c1 d/h + (h/2)(2 c2 q_n + c3 d/h), and p grows by the sum of the
    trapezoidal impulses.
    """
    h = mp.mpf(DT)
    p = 2 * c1 * v
    for _ in range(STEPS):
        d = (p - h * c2 * q) / (2 * c1 / h + c3 / 2)
        p += -h * c2 * (2 * q + d) - c3 * d
        q += d
    return q


def test_gradient_of_the_final_state() -> None:
    """Coefficients and initial values, to 1e-8 (in fact to round-off)."""
    system = lagc.load(EXAMPLES / "dho.lag")
    names = ("c1", "c2", "c3")
    point = (0.7, 0.9, 0.2, 1.0, 0.5)

    def final(x: jax.Array) -> jax.Array:
        coefficients = dict(zip(names, x[:3], strict=True))
        t = system.simulate(x[3:4], x[4:5], coefficients=coefficients, dt=DT, steps=STEPS, r=0)
        return t.q[-1, 0]

    x = jnp.array(point)
    with mp.workdps(60):
        exact_point = [mp.mpf(p) for p in point]
        assert abs(float(final(x)) - discrete_oscillator(*exact_point)) < 1e-13
        e = mp.mpf(10) ** -25
        exact = []
        for i in range(5):
            up, down = list(exact_point), list(exact_point)
            up[i] += e
            down[i] -= e
            exact.append(float((discrete_oscillator(*up) - discrete_oscillator(*down)) / (2 * e)))
    forward, reverse = jax.jacfwd(final)(x), jax.jacrev(final)(x)
    np.testing.assert_allclose(forward, exact, rtol=1e-11)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)


def richardson(f: Callable[[float], float], x: float, h: float = 0.02) -> float:
    """The derivative by central differences extrapolated four times: error of order h^10."""
    table = [(f(x + h / 2**k) - f(x - h / 2**k)) / (2 * h / 2**k) for k in range(5)]
    for order in range(1, 5):
        table = [
            (4**order * table[i + 1] - table[i]) / (4**order - 1) for i in range(len(table) - 1)
        ]
    return table[0]


@pytest.mark.parametrize("r", [1, pytest.param(3, marks=pytest.mark.long)])
def test_nonlinear_gradients(r: int) -> None:
    """The double pendulum: friction, initial angle and velocity, and the step."""
    system = lagc.load(EXAMPLES / "double_pendulum.lag")

    def energy(x: jax.Array) -> jax.Array:
        t = system.simulate(
            jnp.stack([x[0], jnp.asarray(2.0)]),
            jnp.stack([x[1], jnp.asarray(-0.3)]),
            coefficients={"f": x[2]},
            dt=x[3],
            steps=20,
            r=r,
        )
        return t.energy[-1] + system.unwrap(t)[-1, 1]

    x = jnp.array([1.0, 0.5, 0.3, 0.05])
    forward, reverse = jax.jacfwd(energy)(x), jax.grad(energy)(x)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)
    compiled = jax.jit(energy)
    for i in range(4):
        scale = 0.05 if i == 3 else 1.0
        exact = richardson(
            lambda y, i=i: float(compiled(x.at[i].set(y))), float(x[i]), 0.02 * scale
        )
        assert abs(float(forward[i]) - exact) < 1e-8 * max(1, abs(exact))


def test_second_derivatives() -> None:
    """The Hessian is the derivative of the gradient, and symmetric."""
    system = lagc.load(EXAMPLES / "double_pendulum.lag")

    def angle(x: jax.Array) -> jax.Array:
        q0 = jnp.stack([x[0], jnp.asarray(2.0)])
        t = system.simulate(q0, jnp.zeros(2), coefficients={"f": x[1]}, dt=0.05, steps=10, r=1)
        return system.unwrap(t)[-1, 0]

    x = jnp.array([1.0, 0.3])
    hessian = jax.hessian(angle)(x)
    gradient = jax.jit(jax.grad(angle))
    assert abs(float(hessian[0, 1] - hessian[1, 0])) < 1e-12
    for i in range(2):
        exact = [
            richardson(lambda y, i=i, j=j: float(gradient(x.at[i].set(y))[j]), float(x[i]))
            for j in range(2)
        ]
        np.testing.assert_allclose(hessian[i], exact, rtol=1e-7, atol=1e-9)


@pytest.mark.long
def test_weights_of_a_neural_term() -> None:
    """Through an Equinox module and through a callable that closes over a traced value."""
    system = lagc.load(EXAMPLES / "neural_pendulum.lag")
    networks = system.initial_neural(jax.random.key(1))

    def loss(nets: dict[str, eqx.Module]) -> jax.Array:
        return system.simulate(1.0, 0.0, neural=nets, dt=0.1, steps=10, r=1).q[-1, 0]

    gradient = eqx.filter_jit(eqx.filter_grad(loss))(networks)
    weight = networks["V"].layers[0].weight
    assert float(jnp.max(jnp.abs(gradient["V"].layers[0].weight))) > 1e-6

    compiled = eqx.filter_jit(loss)

    def moved(y: float) -> float:
        net = eqx.tree_at(lambda n: n.layers[0].weight, networks["V"], weight.at[3, 0].set(y))
        return float(compiled(networks | {"V": net}))

    exact = richardson(moved, float(weight[3, 0]))
    assert abs(float(gradient["V"].layers[0].weight[3, 0]) - exact) < 1e-9

    def closed_over(g: float | jax.Array) -> jax.Array:
        neural = {"V": lambda x: g * (1 - jnp.cos(x[0])), "D": lambda x: 0.1 + 0 * x[0]}
        return system.simulate(1.0, 0.0, neural=neural, dt=0.1, steps=10, r=1).q[-1, 0]

    slope = jax.grad(closed_over)(9.8)
    at = jax.jit(closed_over)
    assert abs(float(slope) - richardson(lambda g: float(at(g)), 9.8, 0.1)) < 1e-9
    assert abs(float(slope) - float(jax.jacfwd(closed_over)(9.8))) < 1e-12


def test_signal_parameters() -> None:
    """An input that closes over a traced frequency."""
    system = lagc.load(EXAMPLES / "driven.lag")

    def final(w: float | jax.Array) -> jax.Array:
        inputs = {"u": lambda t: jnp.sin(w * t)}
        return system.simulate(1.0, 0.0, inputs=inputs, dt=0.1, steps=20, r=1).q[-1, 0]

    compiled = jax.jit(final)
    exact = richardson(lambda w: float(compiled(w)), 3.0)
    assert abs(float(jax.grad(final)(3.0)) - exact) < 1e-9


@pytest.mark.parametrize(
    ("source", "hiding"),
    [
        (
            "coordinate q\ninput F\nL = 1/2*q'^2 - 1/4*q^4\nK = F*q_-\n",
            lambda a: {"inputs": {"F": lambda t: a * jnp.sin(t)}},
        ),
        pytest.param(
            "coordinate q\nneural V(q) = mlp(4, activation = softplus)\nL = 1/2*q'^2 - V(q)\n",
            lambda a: {"neural": {"V": lambda x: a * x[0] ** 4}},
            marks=pytest.mark.long,
        ),
    ],
    ids=["input", "neural"],
)
def test_batches_with_a_callable_that_hides_what_is_traced(
    source: str, hiding: Callable[[Any], dict[str, Any]]
) -> None:
    """No argument shows that a derivative is taken, or that a map is, for which a batch outside of
    a trace is a program with options of its own."""
    system, q = lagc.loads(source), jnp.linspace(0.5, 1.5, 9)[:, None]

    def total(a: Any) -> jax.Array:
        return jnp.sum(system.simulate(q, 0 * q, **hiding(a), dt=0.1, steps=6, r=1).q)

    slope = jax.grad(total)(0.3)
    compiled = jax.jit(total)
    assert abs(float(slope) - richardson(lambda a: float(compiled(a)), 0.3)) < 1e-8
    mapped = jax.vmap(total)(jnp.array([0.3, 0.4]))
    np.testing.assert_allclose(mapped, [compiled(0.3), compiled(0.4)], rtol=1e-12)
    np.testing.assert_allclose(total(0.3), compiled(0.3), rtol=1e-12)


def test_steps_and_members_taken_in_pieces() -> None:
    """Long batches are linearised piece by piece; a single short run is not. Both on a grid of
    uneven times, with a sampled input, the last piece not full."""
    steps, members = 101, 70
    model = "coordinate q\ncoefficient c = 1\ninput u\nL = 1/2*q'^2 - c*q^4/4 + u*q\n"
    model += "K = -1/5*q'_+*q_-\n"
    system = lagc.loads(model)
    grid = 0.03 * jnp.cumsum(1 + 0.3 * jnp.sin(jnp.arange(steps + 1.0)))
    q0 = jnp.linspace(0.5, 1.5, members)[:, None]
    weights = np.zeros(members)
    weights[[0, 41, 69]] = [1.0, -0.5, 2.0]

    def run(q: jax.Array, c: Any, scale: Any, values: Any) -> lagc.Trajectory:
        u = lagc.Samples(jnp.linspace(0, 5, 9) * 2, values)
        inputs, coefficients = {"u": u}, {"c": c}
        return system.simulate(q, 0.2, times=grid * scale, coefficients=coefficients, inputs=inputs)

    def whole(*x: Any) -> jax.Array:
        return jnp.sum(jnp.sum(run(q0, *x).q[..., 0] ** 2, axis=1) * weights)

    def alone(q: jax.Array, *x: Any) -> jax.Array:
        return jnp.sum(run(q, *x).q ** 2)

    at = (1.3, 1.1, jnp.sin(jnp.arange(9.0)))
    found = jax.jit(jax.grad(whole, (0, 1, 2)))(*at)
    gradient = jax.jit(jax.grad(alone, (1, 2, 3)))
    each = [gradient(q0[i], *at) for i in np.flatnonzero(weights)]
    for k in range(3):
        expected = sum(w * g[k] for w, g in zip(weights[weights != 0], each, strict=True))
        np.testing.assert_allclose(found[k], expected, rtol=1e-11, atol=1e-12)
        assert np.max(np.abs(expected)) > 0.1


@pytest.mark.long
@pytest.mark.parametrize("members", [3, 20])
def test_batches_forward_reverse_and_twice(members: int) -> None:
    """Few members have their steps made linear side by side, more of them one after another: both
    agree with tangents taken forward, and second derivatives with differences of the first."""
    system = lagc.load(EXAMPLES / "poynting_robertson.lag")
    spread = jnp.linspace(0.9, 1.1, members)[:, None]
    q0, v0 = jnp.array([[0.8, 0.1]]) * spread, jnp.array([[-0.3, 7.6]]) * spread

    def end(x: jax.Array) -> jax.Array:
        run = system.simulate(q0, v0 * x[0], dt=0.01 * x[2], steps=11, coefficients={"beta": x[1]})
        return run.q[:, -1]

    def loss(x: jax.Array) -> jax.Array:
        return jnp.sum(end(x) ** 2)

    at = jnp.array([1.0, 0.05, 1.0])
    forward, reverse = jax.jit(jax.jacfwd(end))(at), jax.jit(jax.jacrev(end))(at)
    np.testing.assert_allclose(reverse, forward, rtol=1e-11, atol=1e-11)
    gradient = jax.jit(jax.grad(loss))
    second = jax.jit(jax.hessian(loss))(at)
    for i, direction in enumerate(jnp.eye(3)):
        step = 1e-5 * direction
        differences = (gradient(at + step) - gradient(at - step)) / 2e-5
        np.testing.assert_allclose(second[i], differences, rtol=1e-6, atol=1e-6)


def linear_at_times(x: jax.Array) -> jax.Array:
    system = lagc.loads("coordinate q\nL = 1/2*q'^2 - 1/2*q^2\n")
    run = system.simulate(1.0, x[0], times=np.array([0.0, 0.1, 0.3, 0.35]), r=1)
    return jnp.sum(run.q**2)


def linear_on_a_circle(x: jax.Array) -> jax.Array:
    source = "coordinate th mod 2*pi\ncoefficient c = 1/2\nL = 1/2*th'^2\nK = -c*th'_+*th_-\n"
    run = lagc.loads(source).simulate(1.0, x[0], dt=0.1, steps=4, r=1)
    return jnp.sum(run.q**2)


def linear_with_samples(x: jax.Array) -> jax.Array:
    system = lagc.load(EXAMPLES / "driven.lag")
    inputs = {"u": lagc.Samples(jnp.linspace(0, 1, 2), x)}
    return jnp.sum(system.simulate(1.0, 0.0, inputs=inputs, dt=0.1, steps=4, r=1).q ** 2)


def start_and_length_of_steps(x: jax.Array) -> jax.Array:
    system = lagc.loads("coordinate q\ninput u\nL = 1/2*q'^2 - 1/4*q^4 + u*q\n")
    run = system.simulate(1.0, 0.0, t0=x[0], dt=x[1], steps=4, inputs={"u": jnp.sin}, r=1)
    return jnp.sum(run.q**2)


def length_of_steps_of_members(x: jax.Array) -> jax.Array:
    system = lagc.loads("coordinate q\nL = 1/2*q'^2 - 1/4*q^4\n")
    run = system.simulate(jnp.array([[1.0], [0.7]]), 0.1, dt=x, steps=4, r=1)
    return jnp.sum(run.q**2)


def weights(x: jax.Array) -> jax.Array:
    system = lagc.load(EXAMPLES / "neural_pendulum.lag")
    networks = system.initial_neural(jax.random.key(1))
    weight = networks["V"].layers[0].weight
    net = eqx.tree_at(lambda n: n.layers[0].weight, networks["V"], weight.at[:2, 0].set(x))
    run = system.simulate(1.0, 0.0, neural=networks | {"V": net}, dt=0.1, steps=3, r=1)
    return jnp.sum(run.q**2)


@pytest.mark.parametrize(
    ("loss", "at"),
    [
        pytest.param(linear_at_times, [0.3], marks=pytest.mark.long),
        pytest.param(linear_on_a_circle, [0.3], marks=pytest.mark.long),
        (linear_with_samples, [0.2, 0.5]),
        (start_and_length_of_steps, [0.1, 0.12]),
        pytest.param(length_of_steps_of_members, [0.1, 0.15], marks=pytest.mark.long),
        pytest.param(weights, [0.3, -0.2], marks=pytest.mark.long),
    ],
)
def test_second_derivatives_in_any_order(
    loss: Callable[[jax.Array], jax.Array], at: list[float]
) -> None:
    """Both modes over reverse mode, and reverse over forward mode: where the matrices of the steps
    do not depend on the state, and with respect to what acts on the steps."""
    x, gradient = jnp.array(at), jax.jit(jax.grad(loss))
    steps = 1e-4 * jnp.eye(x.size)
    expected = np.stack([(gradient(x + e) - gradient(x - e)) / 2e-4 for e in steps])
    assert np.max(np.abs(expected)) > 1e-4
    ways = [jax.hessian(loss), jax.jacrev(jax.grad(loss))]
    if x.size == 1 or loss is linear_with_samples:
        ways.append(jax.jacrev(jax.jacfwd(loss)))
    first, *others = jax.jit(lambda x: [way(x) for way in ways])(x)
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-5)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-11, atol=1e-12)
