"""Inverses close to the identity, and steps made linear by them, against NumPy and pivots."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lagc.runtime.equations import Model, StepEquations
from lagc.runtime.linear import inverse_near_identity, near_identity
from lagc.runtime.linearised import linear_step
from lagc.runtime.method import method
from lagc.runtime.spec import Kernels


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 12])
def test_inverse_near_identity(n: int) -> None:
    rng = np.random.default_rng(n)
    rest = rng.uniform(-1, 1, size=(5, n, n))
    matrix = np.eye(n) + 0.499 * rest / np.abs(rest).sum(axis=2).max(axis=1)[:, None, None]
    found = inverse_near_identity(jnp.asarray(np.moveaxis(matrix, 0, -1)))
    np.testing.assert_allclose(np.moveaxis(found, -1, 0), np.linalg.inv(matrix), atol=1e-14)


def test_what_is_near_the_identity() -> None:
    rest = np.array([[0.2, -0.29], [0.0, 0.0]])
    far = np.array([[0.2, -0.31], [0.0, 0.0]])
    unknown = np.array([[np.nan, 0.0], [0.0, 0.0]])
    matrices = np.eye(2)[:, :, None] + np.stack([rest, far, unknown], axis=-1)
    assert near_identity(jnp.asarray(matrices)).tolist() == [True, False, False]


@pytest.mark.parametrize("diagonal", [True, False])
@pytest.mark.parametrize("stiffness", [1.0, 1e4])
def test_steps_made_linear_with_and_without_the_kinetic_part(
    stiffness: float, diagonal: bool
) -> None:
    """At h^2 k/m up to 100, where pivots are needed, and where they are not."""
    rng = np.random.default_rng(7)
    steps, h = 4, jnp.full(4, 0.1)
    mass = np.array([[1.3, 0.0], [0.0, 0.6]]) if diagonal else np.array([[1.3, 0.4], [0.4, 0.6]])
    for r in (0, 1, 3):
        equations = StepEquations(Model(Kernels(*[_unused] * 5), {}, {}), method(r))
        shape = (2, 2, r + 2, steps)
        a_q = stiffness * rng.normal(size=shape)
        a_v = 0.3 * rng.normal(size=shape)
        b_v = np.broadcast_to(mass[:, :, None, None], shape)
        blocks = tuple(map(jnp.asarray, (a_q, a_v, np.zeros(shape), b_v)))
        inverse = np.linalg.inv(mass)
        given = jnp.asarray(np.diag(inverse)[:, None] if diagonal else inverse[:, :, None])
        plain = linear_step(equations, blocks, h)
        quick = linear_step(equations, blocks, h, jnp.array([True, True, True, False]), given)
        found = (*plain, plain.transition()), (*quick, quick.transition())
        for one, other in zip(*found, strict=True):
            size = np.abs(one).max()
            np.testing.assert_allclose(other[..., :3], one[..., :3], rtol=0, atol=1e-11 * size)
        np.testing.assert_array_equal(quick.transition()[..., 3], np.eye(4))


def _unused(*_: Any) -> Any:
    raise AssertionError
