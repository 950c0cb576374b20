"""Networks from an observed trajectory to a law of the coefficients of the system that made it.

A network sees the rows of a trajectory and a few numbers about it (its context), and answers with a
point in standard coordinates and a factor of the precision there. Where estimates by regression
are among the features, the point is a weighted mean of them and of what the network says itself,
the weights its own, for each coefficient: where the regression is exact it need not be learned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

Kind = Literal["lstm", "mlp"]

FREEDOM = 4.0  # of the Student law of the errors: large ones are not unheard of
_SHARPEST, _BLUNTEST = 14.0, -4.0  # logarithms of the precision
_SPREADS = 1e-6, 1e2  # standard errors of a regression that are believed


class Sizes(NamedTuple):
    """What a network is built for: rows and their features, numbers of context, coefficients, and
    estimates of each."""

    rows: int
    channels: int
    context: int
    outputs: int
    estimates: int

    @property
    def numbers(self) -> int:
        """How many numbers a network answers with."""
        m = self.outputs
        gates = m * (self.estimates + 1) if self.estimates else 0
        return m + gates + m * (m + 1) // 2


class Law(NamedTuple):
    """mean: (m,), in standard coordinates; factor: (m, m), lower triangular, so that its transpose
    times an error is spread like a Student law of FREEDOM degrees and unit scale."""

    mean: jax.Array
    factor: jax.Array


class Perceptron(eqx.Module):
    """A multilayer perceptron on the whole trajectory and its context."""

    layers: eqx.nn.MLP

    def __init__(self, sizes: Sizes, width: int, key: jax.Array) -> None:
        self.layers = eqx.nn.MLP(
            sizes.rows * sizes.channels + sizes.context,
            sizes.numbers,
            width,
            depth=3,
            activation=jax.nn.silu,
            key=key,
        )

    def __call__(self, rows: jax.Array, context: jax.Array) -> jax.Array:
        """The numbers of a law from rows (rows, channels) and context (context,)."""
        result: jax.Array = self.layers(jnp.concatenate([rows.reshape(-1), context]))
        return result


class Recurrent(eqx.Module):
    """A long short-term memory over the trajectory, read out at its end together with the context.
    Hochreiter & Schmidhuber, Neural Computation 9, 1735 (1997)."""

    cell: eqx.nn.LSTMCell
    readout: eqx.nn.MLP

    def __init__(self, sizes: Sizes, width: int, key: jax.Array) -> None:
        cell_key, readout_key = jax.random.split(key)
        self.cell = eqx.nn.LSTMCell(sizes.channels, width, key=cell_key)
        self.readout = eqx.nn.MLP(
            width + sizes.context,
            sizes.numbers,
            2 * width,
            depth=2,
            activation=jax.nn.silu,
            key=readout_key,
        )

    def __call__(self, rows: jax.Array, context: jax.Array) -> jax.Array:
        """The numbers of a law from rows (rows, channels) and context (context,)."""
        zeros = jnp.zeros(self.cell.hidden_size, rows.dtype)

        def step(
            state: tuple[jax.Array, jax.Array], row: jax.Array
        ) -> tuple[tuple[jax.Array, jax.Array], None]:
            return self.cell(row, state), None

        (hidden, _), _ = jax.lax.scan(step, (zeros, zeros), rows)
        result: jax.Array = self.readout(jnp.concatenate([hidden, context]))
        return result


Network = Perceptron | Recurrent


def make_network(kind: Kind, sizes: Sizes, width: int, dtype: Any, key: jax.Array) -> Network:
    """A freshly drawn network with weights of a type."""
    build: Callable[..., Network] = Perceptron if kind == "mlp" else Recurrent
    network: Network = jax.tree_util.tree_map(
        lambda x: x.astype(dtype) if eqx.is_inexact_array(x) else x, build(sizes, width, key)
    )
    return network


def law(numbers: jax.Array, estimates: jax.Array, spreads: jax.Array) -> Law:
    """The law that a network's numbers stand for; estimates, spreads: (s, m), those by regression
    in standard coordinates, and their standard errors.

    Where all numbers are zero, estimates count by their inverse variance, beside a mean of zero
    with variance one, and the precision is that of the best.
    """
    count, m = estimates.shape
    numbers = numbers.astype(estimates.dtype)
    own, rest = numbers[:m], numbers[m:]
    sure = jnp.concatenate([jnp.zeros((1, m)), -2 * jnp.log(jnp.clip(spreads, *_SPREADS))])
    mean = own
    if count:
        gates = jax.nn.softmax(rest[: m * (count + 1)].reshape(count + 1, m) + sure, axis=0)
        mean = jnp.sum(gates * jnp.concatenate([own[None], estimates]), axis=0)
        rest = rest[m * (count + 1) :]
    logarithms = rest[:m] + jnp.max(sure, axis=0) / 2
    logarithms = jnp.clip(logarithms, _BLUNTEST, _SHARPEST)
    below = jnp.zeros((m, m), rest.dtype).at[jnp.tril_indices(m, -1)].set(rest[m:])
    # A column counts in units of its diagonal: the precision may span many decades.
    factor = jnp.exp(logarithms)[None, :] * (jnp.eye(m, dtype=rest.dtype) + below)
    return Law(mean, factor)


def loss(found: Law, target: jax.Array) -> jax.Array:
    """Minus the logarithm of the likelihood of a target (m,), up to a constant: ()."""
    m = target.shape[0]
    distance = jnp.sum((found.factor.T @ (target - found.mean)) ** 2)
    size = jnp.sum(jnp.log(jnp.diagonal(found.factor)))
    return (FREEDOM + m) / 2 * jnp.log1p(distance / FREEDOM) - size


def scales(found: Law) -> jax.Array:
    """The scale of each coordinate's own Student law: (m,)."""
    inverse = jax.scipy.linalg.solve_triangular(
        found.factor, jnp.eye(found.mean.shape[0], dtype=found.mean.dtype), lower=True
    )
    return jnp.sqrt(jnp.sum(inverse**2, axis=0))
