"""A derivative rule stays with its function: in loops, mapped over, however often it is taken."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lagc.runtime.ruled import NO_TANGENT, dense, with_rule


def search(power: int, x: dict[str, Any], start: Any) -> tuple[Any, Any]:
    """y with y^power = x, by Newton, and how often it was corrected: no derivative passes here."""

    def body(s: Any) -> Any:
        y, count = s
        return y - (y**power - x["of"]) / (power * y ** (power - 1)), count + 1

    def unfinished(s: Any) -> Any:
        return jnp.any(jnp.abs(s[0] ** power - x["of"]) > 1e-14 * x["of"])

    return jax.lax.while_loop(unfinished, body, (start, 0))


def slopes(power: int, primals: Any, tangents: Any) -> Any:
    (x, start), (dx, _) = primals, tangents
    y, count = root(power, x, start)
    dy = dense(x, dx)["of"] / (power * y ** (power - 1))
    return (y, count), (dy, NO_TANGENT)


root = with_rule(search, slopes, static=1)


def plainly(x: Any) -> Any:
    return jnp.sin(root(3, {"of": x, "label": jnp.arange(2)}, jnp.ones(()))[0])


def in_a_loop(x: Any) -> Any:
    return jax.lax.scan(lambda c, _: (plainly(x) * c, None), 1.0, None, length=1)[0]


def in_a_map(x: Any) -> Any:
    return jnp.mean(jax.lax.map(lambda s: plainly(x * s) / 2 + plainly(x) / 2, jnp.ones(2)))


def mapped_over(x: Any) -> Any:
    starts = jnp.array([1.0, 1.5])
    found = jax.vmap(lambda s: root(3, {"of": x, "label": jnp.arange(2)}, s)[0])(starts)
    return jnp.mean(jnp.sin(found))


def remade(x: Any) -> Any:
    return jax.checkpoint(in_a_loop)(x)


@pytest.mark.parametrize(
    "f",
    [
        in_a_loop,
        in_a_map,
        pytest.param(plainly, marks=pytest.mark.long),
        pytest.param(mapped_over, marks=pytest.mark.long),
        pytest.param(remade, marks=pytest.mark.long),
    ],
)
def test_two_and_three_derivatives_in_any_order(f: Callable[[Any], Any]) -> None:
    """Those of sin(x^(1/3)), to round-off; members of a batch have their own."""

    def exact(x: Any) -> Any:
        return jnp.sin(x ** (1 / 3))

    at = jnp.array([1.3, 2.1])
    for ways in [*product([jax.jacfwd, jax.jacrev], repeat=2), (jax.jacrev,) * 3]:
        derivative, expected = f, exact
        for way in ways:
            derivative, expected = way(derivative), way(expected)
        np.testing.assert_allclose(derivative(at[0]), expected(at[0]), rtol=1e-12)
        np.testing.assert_allclose(
            jax.jit(jax.vmap(derivative))(at), jax.vmap(expected)(at), rtol=1e-12
        )


def test_what_is_closed_over() -> None:
    """A traced value is held as it is; a derivative with respect to it is refused, not zero."""

    def scaled(x: Any, factor: Any) -> Any:
        def rule(primals: Any, tangents: Any) -> Any:
            return factor * primals[0], factor * tangents[0]

        return with_rule(lambda x: factor * x, rule, static=0)(x)

    assert jax.jit(lambda x, n: jax.grad(scaled)(x, n))(2.0, 3) == 3
    with pytest.raises(TypeError, match="closed over"):
        jax.grad(scaled, argnums=1)(2.0, 3.0)
