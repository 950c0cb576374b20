"""The functions of a system: shapes, batches, status, angles, inputs, and what is refused."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from lagc.runtime import describe_status
from tests.conftest import EXAMPLES
from tests.runtime.references import damped_oscillator, double_pendulum, propagate


@pytest.fixture(scope="module")
def dho() -> lagc.System:
    return lagc.load(EXAMPLES / "dho.lag")


@pytest.fixture(scope="module")
def pendulum() -> lagc.System:
    return lagc.load(EXAMPLES / "double_pendulum.lag")


def test_shapes_and_values(dho: lagc.System) -> None:
    t = dho.simulate(1.0, 0.0, dt=0.1, steps=40, r=3)
    assert t.t.shape == t.energy.shape == (41,)
    assert t.q.shape == t.v.shape == t.p.shape == t.winding.shape == (41, 1)
    assert t.status.shape == ()
    exact = np.array([damped_oscillator(x, 1.0, 1.0, 0.1) for x in np.asarray(t.t)])
    np.testing.assert_allclose(np.column_stack([t.q, t.v]), exact, atol=1e-11)
    np.testing.assert_allclose(t.p, t.v, atol=1e-14)
    np.testing.assert_allclose(t.energy, 0.5 * (exact**2).sum(axis=1), atol=1e-11)
    np.testing.assert_allclose(t.t, 0.1 * np.arange(41), rtol=0, atol=1e-15)


def test_batches_lead_and_agree_with_single_runs(dho: lagc.System) -> None:
    q0 = jnp.linspace(0.5, 1.5, 6).reshape(2, 3, 1)
    c3 = jnp.array([0.0, 0.1, 0.7])
    dt = jnp.array([0.1, 0.05])
    t = dho.simulate(q0, jnp.zeros(1), coefficients={"c3": c3[None]}, dt=dt, steps=20)
    assert t.q.shape == (2, 3, 21, 1) and t.t.shape == (2, 3, 21) and t.status.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        one = dho.simulate(q0[i, j], jnp.zeros(1), coefficients={"c3": c3[j]}, dt=dt[i], steps=20)
        for name in ("t", "q", "v", "p", "energy"):
            np.testing.assert_allclose(getattr(t, name)[i, j], getattr(one, name), atol=5e-15)


def test_user_vmap_and_scan(dho: lagc.System) -> None:
    def end(c: jax.Array) -> jax.Array:
        return dho.simulate(1.0, 0.0, coefficients={"c3": c}, dt=0.1, steps=5).q[-1, 0]

    c = jnp.array([0.1, 0.2])
    np.testing.assert_allclose(jax.vmap(end)(c), [float(end(x)) for x in c], atol=1e-15)

    def body(state: tuple[jax.Array, jax.Array], _: None) -> tuple[Any, jax.Array]:
        s = dho.step(*state, dt=0.1)
        return (s.q, s.p), s.q

    _, path = jax.lax.scan(body, (jnp.ones(1), jnp.zeros(1)), None, length=5)
    np.testing.assert_allclose(path, dho.simulate(1.0, 0.0, dt=0.1, steps=5).q[1:], atol=1e-14)


def test_new_coefficient_values_do_not_compile_again(dho: lagc.System) -> None:
    from lagc.runtime import execution

    dho.simulate(1.0, 0.0, dt=0.1, steps=7)
    compiled = execution._simulate._cache_size()
    dho.simulate(1.5, 0.1, coefficients={"c1": 0.9}, dt=0.2, steps=7)
    assert execution._simulate._cache_size() == compiled


def test_chunks_are_the_same_trajectory(pendulum: lagc.System) -> None:
    start = (jnp.array([3.0, 3.0]), jnp.array([8.0, 8.0]))
    whole = pendulum.simulate(*start, dt=0.01, steps=100)
    pieces = list(pendulum.simulate_in_chunks(*start, chunk=30, dt=0.01, steps=100))
    assert [len(p.t) for p in pieces] == [1, 30, 30, 30, 10]
    for name in ("t", "q", "p", "winding"):
        joined = np.concatenate([getattr(p, name) for p in pieces])
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_given_times(dho: lagc.System) -> None:
    times = jnp.array([0.0, 0.1, 0.35, 0.4, 1.0])
    t = dho.simulate(1.0, 0.0, times=times, r=4)
    exact = [damped_oscillator(float(x), 1.0, 1.0, 0.1)[0] for x in times]
    np.testing.assert_allclose(t.q[:, 0], exact, atol=1e-10)


def test_momenta_and_velocities_are_inverse(pendulum: lagc.System) -> None:
    q, v = jnp.array([[1.0, 2.0], [0.3, -1.0]]), jnp.array([[3.0, -2.0], [1.0, 4.0]])
    p = pendulum.momentum(q, v)
    np.testing.assert_allclose(p[0, 0], 2 * v[0, 0] + v[0, 1] * np.cos(-1.0), atol=1e-14)
    np.testing.assert_allclose(pendulum.velocity(q, p), v, atol=1e-13)
    by_velocity = pendulum.simulate(q, v, dt=0.01, steps=10)
    by_momentum = pendulum.simulate(q, p0=p, dt=0.01, steps=10)
    np.testing.assert_allclose(by_velocity.q, by_momentum.q, atol=1e-13)


def test_relativistic_momentum_is_inverted_far_from_the_first_guess() -> None:
    """b = v/sqrt(1 - v^2) has no value beyond v = 1, where a plain Newton step would land."""
    system = lagc.compile(L="-sqrt(1 - x'^2) - 1/2*x^2", coordinates=["x"])
    p = jnp.array([[0.5], [3.0], [200.0]])
    exact = p / jnp.sqrt(1 + p**2)
    np.testing.assert_allclose(system.velocity(jnp.zeros((3, 1)), p), exact, rtol=1e-13)


def test_residual_vanishes_on_a_step(pendulum: lagc.System) -> None:
    q, p = jnp.array([1.0, 2.0]), jnp.array([2.0, -1.0])
    s = pendulum.step(q, p, dt=0.1, r=3)
    rows = pendulum.residual(s.nodes, p, dt=0.1)
    assert rows.shape == (4, 2)
    assert float(jnp.max(jnp.abs(rows))) < 1e-13
    moved = pendulum.residual(s.nodes.at[2, 0].add(1e-3), p, dt=0.1)
    assert float(jnp.max(jnp.abs(moved))) > 1e-4


def test_angles_stay_in_range_without_losing_the_winding(pendulum: lagc.System) -> None:
    start = [3.0, 3.0, 8.0, 8.0]
    t = pendulum.simulate(jnp.array(start[:2]), jnp.array(start[2:]), dt=0.005, steps=400, r=3)
    assert float(jnp.max(jnp.abs(t.q))) <= np.pi
    assert int(jnp.max(t.winding)) >= 2
    end = propagate(double_pendulum, start, 2.0)
    np.testing.assert_allclose(pendulum.unwrap(t)[-1], end[:2], atol=1e-9)


def test_observables(pendulum: lagc.System) -> None:
    t = pendulum.simulate(jnp.array([1.0, 2.0]), jnp.zeros(2), dt=0.1, steps=10)
    height = pendulum.observable("height", t.q, t.v, t.t)
    np.testing.assert_allclose(height, -np.cos(t.q).sum(axis=-1), atol=1e-14)
    with pytest.raises(lagc.LagcError, match="height"):
        pendulum.observable("hight", t.q, t.v)


@pytest.mark.parametrize(
    "signal",
    [
        lambda t: jnp.sin(3 * t),
        lagc.Samples(np.linspace(0, 10, 20001), np.sin(3 * np.linspace(0, 10, 20001))),
    ],
    ids=["callable", "samples"],
)
def test_inputs(signal: Any) -> None:
    import heyoka as hy

    system = lagc.load(EXAMPLES / "driven.lag")
    t = system.simulate(1.0, 0.0, inputs={"u": signal}, dt=0.05, steps=200, r=2)
    x, v = hy.make_vars("x", "v")
    force = -x - 0.2 * v + hy.cos(hy.time) + hy.sin(3.0 * hy.time)
    end = propagate(lambda: [(x, v), (v, force)], [1.0, 0.0], 10.0)
    np.testing.assert_allclose(t.q[-1, 0], end[0], atol=1e-7)


def test_held_samples_are_previous_values() -> None:
    samples = lagc.Samples([0.0, 1.0, 2.0], [5.0, 7.0, 9.0], "previous")
    at = jnp.array([-1.0, 0.0, 0.99, 1.0, 1.5, 3.0])
    np.testing.assert_array_equal(jax.vmap(samples)(at), [5, 5, 5, 7, 7, 9])


def test_constant_input_with_batch() -> None:
    system = lagc.load(EXAMPLES / "driven.lag")
    u = jnp.array([0.0, 2.0])
    t = system.simulate(1.0, 0.0, inputs={"u": u}, dt=0.1, steps=10)
    assert t.q.shape == (2, 11, 1) and float(t.q[1, -1, 0]) > float(t.q[0, -1, 0])


def test_status_says_where_a_trajectory_ended() -> None:
    """The attractor x' = 1/x reaches x = 0; log(x) has no value beyond."""
    system = lagc.compile(L="1/2*x'^2 - log(x)", coordinates=["x"])
    t = system.simulate(jnp.array([[1.0], [50.0]]), jnp.zeros(1), dt=0.05, steps=60)
    bad, good = (int(s) for s in t.status)
    assert good == 0 and bad != 0
    k = abs(bad)
    assert bool(jnp.all(jnp.isfinite(t.q[0, :k]))) and bool(jnp.all(jnp.isnan(t.q[0, k:])))
    assert bool(jnp.all(jnp.isfinite(t.q[1])))
    assert f"step {k}" in describe_status(bad)
    assert describe_status(0) == "ok"


def test_a_step_without_solution_is_not_converged() -> None:
    """r = 0 of x'' = -x^3 * 1e6 with a huge step has no nearby root; no wrong answer comes back."""
    system = lagc.compile(L="1/2*x'^2 + 1/4*x^4*exp(x^2)", coordinates=["x"])
    t = system.simulate(3.0, 10.0, dt=1.0, steps=5)
    assert int(t.status) != 0 and bool(jnp.all(jnp.isnan(t.q[-1])))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"coefficients": {"c4": 1.0}}, "LAG503"),
        ({"coefficients": {"c1": -1.0}}, "LAG504"),
        ({"coefficients": {"c1": 0.0}}, "LAG504"),
        ({"coefficients": {"c1": float("nan")}}, "LAG504"),
        ({"coefficients": {"c1": "a"}}, "LAG505"),
        ({"coefficients": {"c1": 1j}}, "LAG505"),
        ({"coefficients": {"c1": jnp.ones(2), "c2": jnp.ones(3)}}, "LAG505"),
        ({"q0": jnp.ones(3)}, "LAG505"),
        ({"q0": "x"}, "LAG505"),
        ({"q0": jnp.ones(1, jnp.bfloat16)}, "LAG505"),
        ({"dt": 0.0}, "LAG509"),
        ({"dt": float("inf")}, "LAG509"),
        ({"steps": 0}, "LAG509"),
        ({"steps": 2.5}, "LAG509"),
        ({"r": 129}, "LAG509"),
        ({"r": -1}, "LAG509"),
        ({"times": jnp.array([0.0, 1.0])}, "LAG509"),
        ({"p0": 1.0}, "LAG501"),
        ({"v0": None}, "LAG501"),
        ({"inputs": {"u": 1.0}}, "LAG506"),
        ({"neural": {"V": abs}}, "LAG507"),
    ],
)
def test_arguments_that_are_refused(dho: lagc.System, change: dict[str, Any], code: str) -> None:
    good: dict[str, Any] = {"q0": 1.0, "v0": 0.0, "dt": 0.1, "steps": 3}
    with pytest.raises(lagc.LagcError, match=code):
        dho.simulate(**(good | change))


def test_missing_signals_networks_and_defaults() -> None:
    driven = lagc.load(EXAMPLES / "driven.lag")
    with pytest.raises(lagc.LagcError, match="LAG506"):
        driven.simulate(1.0, 0.0, dt=0.1, steps=1)
    for signal in (
        lambda t: np.cos(t),
        lambda t: math.cos(t),
        lambda t: 1.0 if t > 0 else 0.0,
        lambda t: jnp.ones(2) * t,
        lambda t: None,
        lambda: 1.0,
        float("nan"),
        lagc.Samples([0.0, 1.0], [0.0, np.inf]),
    ):
        with pytest.raises(lagc.LagcError, match="LAG506"):
            driven.simulate(1.0, 0.0, dt=0.1, steps=1, inputs={"u": signal})
    neural = lagc.load(EXAMPLES / "neural_pendulum.lag")
    good = {"V": lambda x: x[0] ** 2, "D": lambda x: 1.0 + 0 * x[0]}
    assert int(neural.simulate(1.0, 0.0, neural=good, dt=0.1, steps=1).status) == 0
    for wrong in (
        {},
        {"V": good["V"]},
        good | {"D": lambda q, v: q},
        good | {"D": lambda x: x},
        good | {"D": 3.0},
    ):
        with pytest.raises(lagc.LagcError, match="LAG507"):
            neural.simulate(1.0, 0.0, neural=wrong, dt=0.1, steps=1)
    free = lagc.compile(L="m*q'^2", coordinates=["q"], coefficients={"m": None})
    with pytest.raises(lagc.LagcError, match="LAG502"):
        free.simulate(1.0, 0.0, dt=0.1, steps=1)
    with pytest.raises(lagc.LagcError, match="LAG501"):
        free.initial_state()


def test_single_precision_warns_once_and_works() -> None:
    code = """
import warnings
import lagc
s = lagc.compile(L="1/2*q'^2 - 1/2*q^2", coordinates=["q"])
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("default")
    for _ in range(3):
        t = s.simulate(1.0, 0.0, dt=0.1, steps=100)
assert len(seen) == 1 and "jax_enable_x64" in str(seen[0].message), seen
assert int(t.status) == 0 and t.q.dtype == "float32"
assert abs(float(t.energy[-1]) - 0.5) < 1e-5
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_facts_and_strategy_are_reported(dho: lagc.System) -> None:
    facts = {f.name: f.holds for f in dho.spec.facts}
    assert facts["affine"] and facts["autonomous"] and not facts["conservative"]
    assert dho.strategy == "affine"


def test_known_values_are_looked_at_while_jax_traces() -> None:
    """Times, samples, steps and output times given as NumPy, jax or plain numbers under jit."""
    driven = lagc.load(EXAMPLES / "driven.lag")
    u = lagc.Samples(np.linspace(0, 1, 6), np.sin(np.arange(6.0)))

    def end(**options: Any) -> Any:
        def run(q: Any) -> Any:
            return driven.simulate(q, 0.1, inputs={"u": u}, **options).q[-1, 0]

        compiled = float(jax.jit(run)(1.0))
        assert compiled == pytest.approx(float(run(1.0)), abs=1e-14)
        return compiled

    grid = np.linspace(0, 0.8, 9)
    last = end(dt=0.1, steps=8)
    assert end(times=grid) == pytest.approx(last, abs=1e-14)
    assert end(times=jnp.asarray(grid)) == pytest.approx(last, abs=1e-14)
    at = jnp.array([0.3, 0.8])
    assert end(dt=jnp.float64(0.1), steps=8, save_at=at) == pytest.approx(last, abs=1e-14)
    with pytest.raises(lagc.LagcError, match="LAG509"):
        end(dt=0.0, steps=8)
    with pytest.raises(lagc.LagcError, match="LAG509"):
        end(dt=0.1, steps=8, save_at=at + 1)
