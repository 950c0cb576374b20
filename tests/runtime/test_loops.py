"""Second derivatives through loops: portions, pieces of a trajectory, the loops of a caller."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc

OSCILLATOR = "coordinate q\ncoefficient k = 1\nL = 1/2*q'^2 - 1/4*k*q^4\n"
OF_VARYING_MASS = "coordinate q\ncoefficient k = 1\nL = (1/2 + q^2/4)*q'^2 - 1/4*k*q^4\n"


def squares(k: jax.Array, members: int, source: str = OSCILLATOR, **options: Any) -> jax.Array:
    """The mean of q^2 of some trajectories."""
    q = jnp.linspace(0.5, 1.5, members)[:, None]
    options = {"dt": 0.1, "steps": 9, "r": 1} | options
    run = lagc.loads(source).simulate(q, 0 * q, coefficients={"k": k}, **options)
    return jnp.mean(run.q**2) + jnp.mean(run.v**2)


def in_the_loop_of_a_caller(k: jax.Array, **options: Any) -> jax.Array:
    system = lagc.loads(OSCILLATOR)

    def body(state: tuple[jax.Array, jax.Array], _: None) -> Any:
        run = system.simulate(*state, coefficients={"k": k}, dt=0.1, steps=3, r=1, **options)
        return (run.q[-1], run.v[-1]), None

    start = (jnp.ones(1), jnp.zeros(1))
    return jnp.sum(jax.lax.scan(body, start, None, length=3)[0][0])


def unrolled(k: jax.Array) -> jax.Array:
    """The same without the loop."""
    run = lagc.loads(OSCILLATOR).simulate(1.0, 0.0, coefficients={"k": k}, dt=0.1, steps=9, r=1)
    return run.q[-1, 0]


def in_two_parts(k: jax.Array) -> jax.Array:
    """A batch of 66 that is not taken in portions of a loop."""
    q = jnp.linspace(0.5, 1.5, 66)[:, None]
    options: dict[str, Any] = {"dt": 0.1, "steps": 9, "r": 1}
    system = lagc.loads(OSCILLATOR)
    runs = [system.simulate(x, 0 * x, coefficients={"k": k}, **options) for x in (q[:33], q[33:])]
    return sum((jnp.mean(run.q**2) + jnp.mean(run.v**2) for run in runs), jnp.zeros(())) / 2


@pytest.mark.parametrize(
    ("looped", "plain"),
    [
        (in_the_loop_of_a_caller, unrolled),
        pytest.param(partial(squares, members=66), in_two_parts, marks=pytest.mark.long),
        pytest.param(
            partial(in_the_loop_of_a_caller, strategy="newton"), unrolled, marks=pytest.mark.long
        ),
        pytest.param(
            partial(in_the_loop_of_a_caller, strategy="robust"), unrolled, marks=pytest.mark.long
        ),
        pytest.param(
            partial(squares, members=66, strategy="newton"), in_two_parts, marks=pytest.mark.long
        ),
        pytest.param(
            partial(squares, members=7, steps=30, checkpoint=10),
            partial(squares, members=7, steps=30),
            marks=pytest.mark.long,
        ),
        pytest.param(
            partial(squares, members=1, steps=100, save_every=5, checkpoint=20),
            partial(squares, members=1, steps=100, save_every=5, checkpoint=100),
            marks=pytest.mark.long,
        ),
        pytest.param(
            partial(squares, members=3, source=OF_VARYING_MASS, checkpoint=3),
            partial(squares, members=3, source=OF_VARYING_MASS),
            marks=pytest.mark.long,
        ),
    ],
)
def test_second_derivatives_through_loops(
    looped: Callable[[jax.Array], jax.Array], plain: Callable[[jax.Array], jax.Array]
) -> None:
    """Portions of a batch, pieces of a trajectory and loops of a caller change none of the orders
    in which derivatives are taken."""
    at = jnp.asarray(1.1)
    gradient = jax.jit(jax.grad(looped))
    expected = jax.jit(jax.hessian(plain))(at)
    difference = (gradient(at + 1e-4) - gradient(at - 1e-4)) / 2e-4
    np.testing.assert_allclose(expected, difference, rtol=1e-6)
    modes = (jax.jacfwd, jax.jacrev)
    ways = [second(first(looped)) for first, second in product(modes, modes)]
    for found in jax.jit(lambda k: [way(k) for way in ways])(at):
        np.testing.assert_allclose(found, expected, rtol=1e-11)
