"""What fails says so, and leaves everything else as it would be without it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from lagc.runtime import advance
from lagc.runtime.fused import LARGEST

LOGARITHM = "model g\ncoordinate x\ncoefficient k\nL = 1/2*x'^2 + k*log(x)\n"
PENDULUM = "model c\ncoordinate x\ncoefficient k = 1\nL = 1/2*x'^2 + k*cos(x)\n"
IDLE = "model m\ncoordinate y\ncoordinate x\nL = 1/2*y'^2 + 1/2*x'^2 + 4*cos(y)\n"


@pytest.mark.parametrize("way", ["kinetic", "newton"])
def test_a_coordinate_at_rest_says_nothing_about_the_others(way: str) -> None:
    """Steps too long for the quick ways beside a coordinate that stays where it is."""
    system = lagc.loads(IDLE)
    for dt in (1.5, 2.0):
        run = {"dt": dt, "steps": 10, "r": 2}
        quick = system.simulate([1.0, 1.0], [0.3, 0.0], strategy=way, **run)
        robust = system.simulate([1.0, 1.0], [0.3, 0.0], strategy="robust", **run)
        assert int(quick.status) == int(robust.status) == 0
        np.testing.assert_allclose(quick.q, robust.q, atol=1e-12)


@pytest.mark.parametrize(
    "quantity", ["energy", *(pytest.param(x, marks=pytest.mark.long) for x in "qp")]
)
def test_a_member_beyond_the_domain_does_not_spoil_gradients(quantity: str) -> None:
    system = lagc.loads(LOGARITHM)
    q, v = jnp.array([[1.0], [0.05], [2.0]]), jnp.array([[0.3], [-20.0], [0.1]])

    def loss(k: Any, members: list[int]) -> jax.Array:
        q0, v0 = q[jnp.array(members)], v[jnp.array(members)]
        t = system.simulate(q0, v0, dt=0.05, steps=20, r=1, coefficients={"k": k})
        x = getattr(t, quantity).reshape(len(members), -1)
        counted = (t.status == 0) & np.isin(np.arange(3), [0, 2])
        return jnp.sum(jnp.where(counted[:, None], x, 0) ** 2)

    exact = float(jax.grad(loss)(-1.0, [0, 0, 2]))
    assert abs(exact) > 1
    assert float(jax.grad(loss)(-1.0, [0, 1, 2])) == pytest.approx(exact, rel=1e-12)
    assert float(jax.jacfwd(loss)(-1.0, [0, 1, 2])) == pytest.approx(exact, rel=1e-12)


def test_a_lost_member_does_not_spoil_the_gradients_of_weights() -> None:
    text = LOGARITHM.replace("k\nL", "k = -1\nneural V(x) = mlp(4,4)\nL") + "L += -V(x)\n"
    system = lagc.loads(text)
    networks = system.initial_neural(jax.random.key(0))

    def loss(networks: Any, q: jax.Array) -> jax.Array:
        t = system.simulate(q[:, None], 0 * q[:, None], dt=0.05, steps=12, r=1, neural=networks)
        counted = (t.status == 0) & np.array([True, False, True])
        return jnp.sum(jnp.where(counted[:, None, None], t.q, 0) ** 2)

    gradient = eqx.filter_grad(loss)
    alone = jax.tree_util.tree_leaves(gradient(networks, jnp.array([1.0, 1.5, 2.0])))
    beside = jax.tree_util.tree_leaves(gradient(networks, jnp.array([1.0, jnp.nan, 2.0])))
    for x, y in zip(alone, beside, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-13)


def test_a_start_without_numbers_keeps_those_that_were_given() -> None:
    system = lagc.loads(LOGARITHM)
    q, v = jnp.array([[1.0], [jnp.nan], [2.0]]), jnp.array([[0.3], [0.6], [jnp.inf]])
    t = system.simulate(q, v, dt=0.05, steps=2, coefficients={"k": -1.0})
    np.testing.assert_array_equal(t.v[:, 0], v)
    np.testing.assert_array_equal(t.q[:, 0], q)
    np.testing.assert_array_equal(t.status == 0, [True, False, False])


def test_leaving_the_domain_is_noticed_between_the_steps_too() -> None:
    """With x' too small a barrier, steps jump over the singularity at x = 0."""
    system = lagc.loads(LOGARITHM.replace("k*log", "-1/2*x^2 + k*log").replace("+ -", "- "))
    run: dict[str, Any] = {"dt": 0.1, "steps": 70, "coefficients": {"k": 1e-9}, "r": 1}
    whole = system.simulate(1.0, 0.3, **run)
    status = int(whole.status)
    assert status < 0
    places = system.simulate(1.0, 0.3, **run, save_at=[1.0, 3.0, 6.0])
    assert int(places.status) == status
    assert np.array_equal(np.isnan(places.q[:, 0]), [False, True, True])
    pull = {"dt": 0.05, "r": 1, "coefficients": {"k": -1.0}}
    start = system.simulate(0.05, -20.0, steps=1, **pull)
    step = system.step(0.05, start.p[0], **pull)
    assert int(start.status) == int(step.status) == -1 and np.all(np.isnan(step.q))


def test_samples_at_their_own_times() -> None:
    """The derivative where a node falls on a sample is that of the signal, not half of it."""
    times = np.arange(3.0)
    samples = lagc.Samples(times, 2 * times)
    slopes = [float(jax.grad(samples)(t)) for t in (0.5, 1.0, 1.5)]
    assert slopes == pytest.approx([2.0, 2.0, 2.0])
    system = lagc.loads(PENDULUM + "input u\nL += u*x\n")
    grid = 0.1 * np.arange(11)

    def end(t0: Any, u: Any) -> jax.Array:
        return system.simulate(1.0, 0.2, dt=0.1, steps=9, r=0, t0=t0, inputs={"u": u}).q[-1, 0]

    recorded = jax.grad(end)(0.0, lagc.Samples(grid, 2 * grid))
    assert float(recorded) == pytest.approx(float(jax.grad(end)(0.0, lambda t: 2 * t)), rel=1e-12)


def test_times_of_output_that_a_run_does_not_have() -> None:
    system = lagc.loads(PENDULUM)
    turning = [0, -0.1, 0.4, 0.9]
    with pytest.raises(lagc.LagcError, match="LAG509"):
        system.simulate(1.0, 0.0, times=turning, save_at=[0.4])

    @jax.jit
    def at(times: jax.Array, save_at: jax.Array) -> jax.Array:
        return system.simulate(1.0, 0.0, times=times, save_at=save_at).q[:, 0]

    assert np.all(np.isnan(at(jnp.array(turning), jnp.array([0.4, 0.9]))))
    found = at(jnp.linspace(0, 1, 11), jnp.array([-0.5, 0.0, 0.55, 1.0, 3.0]))
    assert np.array_equal(np.isnan(found), [True, False, False, False, True])


def test_what_a_callable_refers_to_may_change() -> None:
    system, setting = lagc.loads(PENDULUM + "input u\nL += u*x\n"), SimpleNamespace(a=1.0)

    def end(u: Callable[[Any], Any]) -> float:
        return float(system.simulate(1.0, 0.0, inputs={"u": u}, dt=0.1, steps=10).q[-1, 0])

    def drive(t: Any) -> Any:
        return setting.a * t

    first = end(drive)
    setting.a = 5.0
    assert end(drive) == end(lambda t: 5.0 * t) != first


def test_arrays_of_other_programs() -> None:
    """Byte order and precision as files have them."""
    system = lagc.loads(PENDULUM)
    plain = system.simulate([1.0], [0.5], dt=0.1, steps=3).q
    for kind in (">f8", "longdouble"):
        given = np.array([1.0], kind), np.array([0.5], kind)
        assert np.array_equal(system.simulate(*given, dt=0.1, steps=3).q, plain)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"coefficients": [1]}, "LAG505"),
        ({"coefficients": "k"}, "LAG505"),
        ({"inputs": {1, 2}}, "LAG505"),
        ({"t0": np.nan}, "LAG509"),
        ({"q0": np.ma.masked}, "LAG505"),
        ({"v0": np.timedelta64(1)}, "LAG505"),
        ({"steps": np.timedelta64(1)}, "LAG509"),
        ({"steps": 10**30}, "LAG509"),
    ],
)
def test_more_arguments_that_are_refused(change: dict[str, Any], code: str) -> None:
    good: dict[str, Any] = {"q0": 1.0, "v0": 0.0, "dt": 0.1, "steps": 3}
    with pytest.raises(lagc.LagcError, match=code):
        lagc.loads(PENDULUM).simulate(**(good | change))


def test_batches_of_different_rank_and_of_none() -> None:
    system = lagc.loads(PENDULUM)
    dt = 0.1 * np.ones((2, 3))
    found = system.simulate(1.0, 0.0, dt=dt, t0=np.zeros(2), steps=10, save_at=[0.5]).q
    one = system.simulate(1.0, 0.0, dt=0.1, steps=10, save_at=[0.5]).q
    assert found.shape == (2, 3, 1, 1)
    np.testing.assert_allclose(found, np.broadcast_to(one, found.shape), atol=1e-14)

    def nothing(k: Any) -> jax.Array:
        none = np.zeros((0, 1))
        return jnp.sum(system.simulate(none, none, dt=0.1, steps=10, coefficients={"k": k}).q)

    assert float(jax.grad(nothing)(1.0)) == 0.0


def test_the_first_failure_of_few_and_of_many() -> None:
    """Level by level in one function, or as one reduction over more members than that is for."""
    rng = np.random.default_rng(3)
    fails, outside = rng.random((2, 40, 24)) < [[[0.02]], [[0.5]]]
    fails[:, 5], fails[0, 6], fails[39, 7] = False, True, True
    few = advance.first_failure(jnp.asarray(fails), jnp.asarray(outside))
    repeats = (1, LARGEST // 24 + 1)
    many = advance.first_failure(
        jnp.asarray(np.tile(fails, repeats)), jnp.asarray(np.tile(outside, repeats))
    )
    failing = fails.any(axis=0)
    expected = np.where(failing, fails.argmax(axis=0), 40)
    there = outside[np.minimum(expected, 39), np.arange(24)]
    for place, beyond in (few, (many[0][:24], many[1][:24])):
        np.testing.assert_array_equal(place, expected)
        np.testing.assert_array_equal(np.asarray(beyond)[failing], there[failing])
