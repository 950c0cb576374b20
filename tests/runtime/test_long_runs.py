"""Long runs: which levels are kept, in what pieces they are made, and what round-off does."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from tests.conftest import EXAMPLES

KEPLER = "1/2*dot(r', r') + 1/norm(r)"


@cache
def model(name: str) -> lagc.System:
    """Models by name, compiled once."""
    if name == "kepler":
        return lagc.compile(L=KEPLER, coordinates=["r[2]"])
    return lagc.load(EXAMPLES / f"{name}.lag")


def close(a: lagc.Trajectory, b: lagc.Trajectory, bound: float) -> None:
    """Level by level the same, to `bound` of the largest value."""
    for name in lagc.Trajectory._fields:
        x, y = np.asarray(getattr(a, name)), np.asarray(getattr(b, name))
        assert x.shape == y.shape, name
        assert np.max(np.abs(x - y)) <= bound * max(1.0, np.max(np.abs(y))), name


def every(t: lagc.Trajectory, k: int) -> lagc.Trajectory:
    """Every k-th level of a run that is not a batch."""
    return lagc.Trajectory(
        *(x if name == "status" else x[::k] for name, x in zip(t._fields, t, strict=True))
    )


@pytest.mark.parametrize(("k", "steps"), [(5, 40), (3, 201)])
def test_levels_kept(k: int, steps: int) -> None:
    """More than one piece (of 64 steps and a bit) in the second case."""
    t = np.linspace(0, 30, 61)
    run: dict[str, Any] = {"inputs": {"u": lagc.Samples(t, np.sin(t))}, "dt": 0.1, "t0": 0.2}
    whole = model("driven").simulate(1.0, 0.3, steps=steps, **run)
    kept = model("driven").simulate(1.0, 0.3, steps=steps, save_every=k, **run)
    assert kept.q.shape == (steps // k + 1, 1)
    np.testing.assert_array_equal(kept.t, whole.t[::k])
    close(kept, every(whole, k), 1e-14)


def test_levels_far_apart() -> None:
    """More steps between them than are held in memory at once."""
    pendulum = lagc.compile(L="1/2*q'^2 + cos(q)", coordinates=["q"])
    far, near = (
        pendulum.simulate(1.0, 0.0, dt=0.1, steps=40000, r=1, save_every=k) for k in (20000, 4000)
    )
    for name in ("t", "q", "v", "p", "energy"):
        np.testing.assert_array_equal(getattr(far, name), getattr(near, name)[::5])
    falling = lagc.compile(L="1/2*q'^2 + 1/10/q^2", coordinates=["q"])
    lost = [
        int(falling.simulate(1.0, -0.3, dt=1e-3, steps=20000, r=1, save_every=k).status)
        for k in (20000, 1)
    ]
    assert lost[0] == lost[1] != 0


def test_levels_kept_of_a_failing_run() -> None:
    """A failure between two levels kept is known by the number of its step: q'' = 4 q^3 ends at
    t = 0.93."""
    growing = lagc.compile(L="1/2*q'^2 + q^4", coordinates=["q"])
    whole = growing.simulate(1.0, 0.0, dt=0.05, steps=30)
    kept = growing.simulate(1.0, 0.0, dt=0.05, steps=30, save_every=10)
    assert int(whole.status) % 10 != 0 and int(kept.status) == int(whole.status)
    np.testing.assert_array_equal(np.isnan(kept.q), np.isnan(whole.q[::10]))


QUARTIC = "1/2*q'^2 - 1/4*q^4", "-c*q_+^2*q'_+*q_-"
DRIVEN = "1/2*q'^2 - 1/2*q^2", "-c*q'_+*q_- + cos(3*t)*q_-"


@pytest.mark.parametrize(
    ("terms", "options"),
    [
        (QUARTIC, {"checkpoint": 7}),
        (QUARTIC, {"checkpoint": 7, "save_every": 5}),
        pytest.param(QUARTIC, {"checkpoint": 7, "save_every": 20}, marks=pytest.mark.long),
        (DRIVEN, {"checkpoint": 7, "save_every": 5}),
        pytest.param(DRIVEN, {"checkpoint": 7}, marks=pytest.mark.long),
        pytest.param(DRIVEN, {"checkpoint": 7, "save_every": 20}, marks=pytest.mark.long),
    ],
)
def test_checkpoints_change_no_gradient(terms: tuple[str, str], options: dict[str, int]) -> None:
    """With respect to initial values, a coefficient and the step; reverse."""
    L, K = terms
    system = lagc.compile(L=L, K=K, coordinates=["q"], coefficients={"c": 0.1})

    def loss(x: jax.Array, **more: int) -> jax.Array:
        t = system.simulate(x[:1], x[1:2], coefficients={"c": x[2]}, dt=x[3], steps=40, **more)
        return t.energy[-1] + jnp.sin(t.q[-1, 0])

    x = jnp.array([0.9, -0.4, 0.1, 0.05])
    plain = jax.grad(loss)(x)
    pieces = jax.grad(lambda x: loss(x, **options))(x)
    assert np.all(np.abs(plain) > 1e-4)
    np.testing.assert_allclose(pieces, plain, rtol=1e-12)


@pytest.mark.long
def test_memory_of_forced_linear_motion_is_bounded_too() -> None:
    """Forward by the levels kept, of a gradient by the checkpoint."""
    system = lagc.compile(L=DRIVEN[0], K=DRIVEN[1], coordinates=["q"], coefficients={"c": 0.1})

    def end(c: Any, steps: int, **more: int) -> jax.Array:
        run: dict[str, Any] = {"dt": 0.01, "r": 1, "coefficients": {"c": c}}
        return system.simulate(1.0, 0.0, steps=steps, save_every=steps // 2, **run, **more).q[-1, 0]

    def needed(steps: int, gradient: bool, **more: int) -> int:
        of = partial(end, steps=steps, **more)
        compiled = jax.jit(jax.grad(of) if gradient else of).lower(0.1).compile()
        return int(compiled.memory_analysis().temp_size_in_bytes)

    assert needed(524288, False) < 2 * needed(65536, False)
    assert needed(524288, True, checkpoint=128) < needed(524288, True) / 50


def test_memory_of_a_gradient_is_bounded_by_the_checkpoint() -> None:
    """However few levels are kept, and all of these are there."""
    system = lagc.compile(L="1/2*q'^2 + cos(q)", coordinates=["q"])

    def loss(x: jax.Array, **more: int) -> jax.Array:
        return jnp.sum(system.simulate(x[:1], x[1:], dt=0.01, steps=32768, r=1, **more).q[-1])

    def needed(**more: int) -> int:
        lowered = jax.jit(jax.grad(partial(loss, **more))).lower(jnp.array([1.0, 0.9]))
        return int(lowered.compile().memory_analysis().temp_size_in_bytes)

    whole = needed()
    for every in (1, 32768):
        assert needed(checkpoint=256, save_every=every) < whole / 3, every
    start = jnp.array([1.0]), jnp.array([0.9])
    run: dict[str, Any] = {"dt": 0.01, "steps": 40000, "r": 1}
    some = system.simulate(*start, save_every=10000, checkpoint=20000, **run)
    np.testing.assert_array_equal(some.q, system.simulate(*start, **run).q[::10000])


@pytest.mark.parametrize("chunk", [13, 64])
def test_chunks_are_the_whole(chunk: int) -> None:
    run: dict[str, Any] = {"inputs": {"u": jnp.cos}, "dt": 0.1, "steps": 90, "t0": -1.0}
    whole = model("driven").simulate(1.0, 0.3, **run)
    pieces = list(model("driven").simulate_in_chunks(1.0, 0.3, chunk=chunk, **run))
    assert [p.t.shape[0] for p in pieces[:2]] == [1, chunk]
    joined = lagc.Trajectory(
        *(
            pieces[-1].status
            if name == "status"
            else jnp.concatenate([getattr(p, name) for p in pieces])
            for name in lagc.Trajectory._fields
        )
    )
    close(joined, whole, 1e-14)


def test_chunks_of_a_run_that_needs_the_robust_way() -> None:
    """A piece that a quick way cannot do is done like the whole."""
    system = lagc.compile(L="1/2*q'^2 - 1/2*k*q^2", coordinates=["q"], coefficients={"k": 1e4})
    whole = system.simulate(1.0, 0.0, dt=0.1, steps=20, r=6)
    *_, last = system.simulate_in_chunks(1.0, 0.0, dt=0.1, steps=20, r=6, chunk=10)
    assert int(last.status) == int(whole.status) == 0
    np.testing.assert_allclose(last.q, whole.q[11:], atol=1e-12)


def test_time_grids() -> None:
    """Uneven, with gaps and reversed: each step is the step of its own length."""
    system = model("driven")
    grid = np.array([0.3, 0.35, 0.5, 0.51, 1.0, 1.001, 1.3, 1.2, 0.9, 0.3])
    signal = {"u": jnp.sin}
    t = system.simulate(1.0, 0.4, inputs=signal, times=grid)
    np.testing.assert_array_equal(t.t, grid)
    q, p = t.q[0], t.p[0]
    for start, length, found in zip(grid[:-1], np.diff(grid), t.q[1:], strict=True):
        q, p, *_ = system.step(q, p, start, dt=length, inputs=signal)
        np.testing.assert_allclose(q, found, atol=1e-15)
    # A regular grid is the run with dt.
    grid = 0.3 + 0.1 * np.arange(10)
    by_grid = system.simulate(1.0, 0.4, inputs=signal, times=grid)
    by_step = system.simulate(1.0, 0.4, inputs=signal, dt=0.1, steps=9, t0=0.3)
    close(by_grid, by_step, 1e-14)


def test_backward() -> None:
    """Steps of negative length, from the end of a run to its beginning."""
    run: dict[str, Any] = {"inputs": {"u": jnp.sin}, "steps": 30}
    there = model("driven").simulate(1.0, 0.4, dt=0.1, t0=0.5, **run)
    back = model("driven").simulate(there.q[-1], there.v[-1], dt=-0.1, t0=there.t[-1], **run)
    np.testing.assert_allclose(back.t, there.t[::-1], atol=1e-14)
    np.testing.assert_allclose(back.q, there.q[::-1], atol=1e-13)


def test_energy_of_a_hundred_thousand_steps() -> None:
    """Kepler, e = 0.6, 1600 turns at r = 8: round-off alone, growing like a random walk.

    64 steps a turn, so that the truncation error is far below round-off; kept once a turn.
    """
    q, v = np.array([0.4, 0.0]), np.array([0.0, 2.0])
    steps = 102_400
    t = model("kepler").simulate(q, v, dt=2 * np.pi / 64, steps=steps, r=8, save_every=64)
    assert int(t.status) == 0
    angular = np.asarray(t.q[:, 0] * t.v[:, 1] - t.q[:, 1] * t.v[:, 0])
    for x, exact in ((np.asarray(t.energy), -0.5), (angular, 0.8)):
        error = np.abs(x - exact) / abs(exact)
        walk = np.finfo(float).eps * np.sqrt(64 * np.arange(1, len(x) + 1))
        assert np.all(error < 8 * walk), np.max(error / walk)
        assert np.ptp(x) > 0
        drift = np.polyfit(np.arange(len(x)) / len(x), x, 1)[0]
        assert abs(drift) < 4 * walk[-1]
