"""Short runs of affine models: their digits, and what a member that diverges does to the others."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def dho() -> lagc.System:
    return lagc.load(EXAMPLES / "dho.lag")


def cosine(dho: lagc.System, kind: Any, dt: float, r: int, members: int = 0) -> float:
    """The largest error of 100 steps without damping, in units of round-off."""
    start = np.ones((members, 1) if members else (1,), kind)
    c3 = kind(0)
    run = dho.simulate(start, kind(0), dt=kind(dt), steps=100, r=r, coefficients={"c3": c3})
    assert not np.any(run.status)
    assert run.q.dtype == kind
    exact = np.cos(float(kind(dt)) * np.arange(101))
    error = np.max(np.abs(np.asarray(run.q, np.float64)[..., 0] - exact))
    return float(error / np.finfo(kind).eps)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("r", [8, pytest.param(16, marks=pytest.mark.long), 128])
def test_all_digits_at_high_orders(dho: lagc.System, kind: Any, r: int) -> None:
    assert cosine(dho, kind, 1.0, r) < 4


@pytest.mark.parametrize(("r", "members", "most"), [(2, 0, 32), (8, 0, 4), (8, 300, 4)])
def test_digits_of_small_steps(dho: lagc.System, r: int, members: int, most: float) -> None:
    """With few nodes steps are cheap rather than exact to the last digit."""
    assert cosine(dho, np.float32, 0.1, r, members) < most


@pytest.mark.parametrize(
    ("steps", "every", "c3", "dt"),
    [
        (100, 1, 0.1, [0.1, 100.0]),
        pytest.param(2000, 1, 0.01, [0.1, 100.0, 1e3], marks=pytest.mark.long),
        pytest.param(2000, 100, 0.1, [0.1, 100.0], marks=pytest.mark.long),
        pytest.param(100, 1, 0.1, [0.1, 1e80], marks=pytest.mark.long),
    ],
)
def test_a_diverging_member(
    dho: lagc.System, steps: int, every: int, c3: float, dt: list[float]
) -> None:
    """Gradients of the others with respect to a shared coefficient are what they are beside members
    that do not."""
    lengths = np.array(dt)

    def first(c: Any, lengths: Any) -> jax.Array:
        run = dho.simulate(
            np.ones((len(lengths), 1)),
            0.0,
            dt=lengths,
            steps=steps,
            save_every=every,
            coefficients={"c2": c, "c3": c3},
        )
        return jnp.sum(run.q[0] ** 2) + jnp.sum(run.energy[0] ** 2)

    together = jax.grad(first)(0.5, lengths)
    expected = jax.grad(first)(0.5, np.full(len(lengths), lengths[0]))
    assert np.isfinite(together)
    np.testing.assert_allclose(together, expected, rtol=1e-9)
    np.testing.assert_allclose(jax.jacfwd(first)(0.5, lengths), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("steps", "r"),
    [(10, 2), *(pytest.param(*x, marks=pytest.mark.long) for x in ((300, 2), (10, 5)))],
)
def test_a_member_without_numbers(dho: lagc.System, steps: int, r: int) -> None:
    """NaN at the start, an infinite coefficient, a step whose square is no number."""
    lengths, stiffness = np.array([0.1, 0.1, 0.1, 1e200]), np.array([1.0, 1.0, np.inf, 1.0])
    start = np.array([1.0, np.nan, 1.0, 1.0])

    def first(c: Any, members: list[int]) -> jax.Array:
        run = dho.simulate(
            start[members, None] + c,
            c,
            dt=lengths[members],
            steps=steps,
            r=r,
            coefficients={"c1": 2 + c, "c2": stiffness[members] + c, "c3": c},
        )
        return jnp.sum(run.q[0] ** 2) + jnp.sum(run.energy[0] ** 2)

    expected = jax.grad(first)(0.2, [0] * 4)
    every = [0, 1, 2, 3]
    np.testing.assert_allclose(jax.grad(first)(0.2, every), expected, rtol=1e-9)
    np.testing.assert_allclose(jax.jacfwd(first)(0.2, every), expected, rtol=1e-9)
    run = dho.simulate(start[:, None], 0.0, dt=lengths, steps=9, coefficients={"c2": stiffness})
    np.testing.assert_array_equal(run.status == 0, [True, False, False, False])


def test_where_a_member_diverges(dho: lagc.System) -> None:
    lengths = np.array([0.1, 100.0])
    run = dho.simulate(np.ones((2, 1)), 0.0, dt=lengths, steps=100)
    np.testing.assert_array_equal(run.status, [0, -48])
    assert np.all(np.isfinite(run.q[0]))
    np.testing.assert_array_equal(np.isnan(run.q[1, :, 0]), np.arange(101) >= 48)
