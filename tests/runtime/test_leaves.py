"""Derivatives of runs whose callables hold more than real numbers: integers, booleans, random keys
and complex numbers.

The reference is the same callable with such values as Python constants.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc

POTENTIAL = "coordinate q\nneural V(q) = mlp(4)\nL = 1/2*q'^2 - V(q)\n"
INERTIA = "coordinate q\nneural V(q) = mlp(4)\nL = 1/2*(1 + V(q)^2)*q'^2 - V(q)\n"
DRIVEN = "coordinate q\ninput u\nL = 1/2*q'^2 - 1/4*q^4 + q*u\n"
X = jnp.array([0.3, 0.5, 0.8])  # two weights and where the run starts
NUMBER = float(jax.random.uniform(jax.random.key(3)))
LONG = pytest.mark.long


class Held(eqx.Module):
    """One weight chosen by an index, the others by a mask, and a wave of a random length."""

    w: jax.Array
    index: Any
    mask: Any
    key: Any
    phase: Any

    def __call__(self, z: jax.Array) -> jax.Array:
        masked = jnp.sum(jnp.where(self.mask, self.w, 0.0))
        wave = self.phase * jnp.exp(1j * jax.random.uniform(self.key) * z[0])
        return self.w[self.index[0]] * z[0] ** 4 + masked * jnp.real(wave)


def in_a_module(w: jax.Array) -> Any:
    return Held(w, jnp.array([1]), jnp.array([True, False]), jax.random.key(3), jnp.array(1 + 0j))


def in_numpy(w: jax.Array) -> Any:
    key = np.asarray(jax.random.PRNGKey(3))
    return Held(w, np.array([1]), np.array([True, False]), key, np.array(1 + 0j))


def in_a_partial(w: jax.Array) -> Any:
    def call(w: jax.Array, rest: Any, z: jax.Array) -> jax.Array:
        return Held(w, *rest)(z)

    rest = (jnp.array([1]), jnp.array([True, False]), jax.random.key(3), jnp.array(1 + 0j))
    return jax.tree_util.Partial(call, w, rest)


def in_a_closure(w: jax.Array) -> Any:
    """The integer and the mask are traced under jit, as they follow from the weights."""
    index, mask = jnp.argsort(w)[1:], w < 0.4
    return lambda z: Held(w, index, mask, jax.random.key(3), 1 + 0j)(z)


def of_constants(w: jax.Array) -> Any:
    return lambda z: w[1] * z[0] ** 4 + w[0] * jnp.cos(NUMBER * z[0])


def end(source: str, make: Callable[[jax.Array], Any], x: jax.Array) -> jax.Array:
    """A number that depends on the path and its energy."""
    system = lagc.loads(source)
    t = system.simulate(x[2], 0.0, neural={"V": make(x[:2])}, dt=0.1, steps=4, r=0)
    return t.q[-1, 0] + 0.1 * t.energy[-1]


def slopes(source: str, make: Callable[[jax.Array], Any]) -> Callable[[jax.Array], Any]:
    """The Hessian and the gradient, of the weights and the start."""

    def gradient(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = jax.grad(partial(end, source, make))(x)
        return found, found

    return jax.jit(jax.jacfwd(gradient, has_aux=True))


@cache
def expected(source: str) -> Callable[[jax.Array], Any]:
    return slopes(source, of_constants)


def close(computed: Any, expected: Any) -> None:
    np.testing.assert_allclose(computed, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("source", "make"),
    [
        (POTENTIAL, in_a_module),
        (POTENTIAL, in_a_partial),
        pytest.param(POTENTIAL, in_numpy, marks=LONG),
        pytest.param(INERTIA, in_a_module, marks=LONG),
    ],
    ids=["module", "partial", "numpy", "inertia"],
)
def test_gradients(source: str, make: Any) -> None:
    _, gradient = expected(source)(X)
    assert np.all(np.abs(gradient) > 1e-4)
    close(jax.grad(partial(end, source, make))(X), gradient)


@pytest.mark.parametrize(
    ("source", "make"),
    [
        (POTENTIAL, in_a_closure),
        pytest.param(POTENTIAL, in_a_module, marks=LONG),
        pytest.param(INERTIA, in_a_module, marks=LONG),
    ],
    ids=["closure", "module", "inertia"],
)
def test_second_derivatives_of_many(source: str, make: Any) -> None:
    several = jnp.stack([X, 0.9 * X])
    hessians, gradients = jax.vmap(slopes(source, make))(several)
    for x, hessian, gradient in zip(several, hessians, gradients, strict=True):
        close(hessian, expected(source)(x)[0])
        close(gradient, expected(source)(x)[1])


@LONG
def test_over_modules_that_differ_in_what_they_hold() -> None:
    @jax.vmap
    def slope(w: jax.Array, *rest: jax.Array) -> jax.Array:
        def run(w: jax.Array) -> jax.Array:
            return end(POTENTIAL, lambda w: Held(w, *rest, 1 + 0j), jnp.append(w, 0.8))

        return jax.grad(run)(w)

    w, masks = jnp.array([[0.3, 0.5], [0.5, 0.3]]), jnp.array([[True, False], [False, True]])
    keys = jnp.stack([jax.random.key(3)] * 2)
    one, other = slope(w, jnp.array([[1], [0]]), masks, keys)
    close(one, expected(POTENTIAL)(X)[1][:2])
    close(other, one[::-1])


@LONG
def test_inputs_that_hold_an_integer() -> None:
    system = lagc.loads(DRIVEN)

    def at(number: Callable[[jax.Array], Any], w: jax.Array) -> jax.Array:
        i = number(w)
        inputs = {"u": lambda t: w[i] * jnp.sin(t)}
        return system.simulate(w[0], 0.0, inputs=inputs, dt=0.1, steps=4, r=0).q[-1, 0]

    held, constant = (jax.jit(jax.grad(partial(at, f))) for f in (jnp.argmax, lambda _: 1))
    close(held(X[:2]), constant(X[:2]))
