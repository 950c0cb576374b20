"""Regressors from an observed trajectory to the coefficients of the system that made it.

Input and output are standardised by statistics of a calibration draw. The output is a point in
standard coordinates; taken back, it is clipped to the range that bounds and law allow, so that a
prediction is always a legal coefficient, and a law with a mass at an end of its range can be met
exactly there. Coefficients with a log-uniform law are standardised in their logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.family import Members
from lagc.runtime.priors import LogUniform, Mixture, Normal, Point, Prior, Uniform
from lagc.runtime.spec import CoefficientSpec

Kind = Literal["lstm", "mlp"]
Observed = Literal["q,p", "q,v"]


def observe(members: Members, observed: Observed) -> jax.Array:
    """The channels a network sees: (n, steps+1, 2 dof)."""
    second = members.p if observed == "q,p" else members.v
    return jnp.concatenate([members.q, second], axis=-1)


class Scaling(eqx.Module):
    """Standard coordinates of observations and coefficients.

    centre, width: (channels,); mean, std, lower, upper: (k,), of the coefficients or their
    logarithms (where `logarithmic`).
    """

    centre: jax.Array
    width: jax.Array
    mean: jax.Array
    std: jax.Array
    lower: jax.Array
    upper: jax.Array
    logarithmic: tuple[bool, ...] = eqx.field(static=True)

    def features(self, observations: jax.Array) -> jax.Array:
        """Observations (..., channels) with mean 0 and variance 1."""
        centre, width = (_along_last(x, observations) for x in (self.centre, self.width))
        return (observations - centre) / width

    def to_standard(self, coefficients: jax.Array) -> jax.Array:
        """Coefficients (..., k) in standard coordinates."""
        columns = [
            jnp.log(coefficients[..., k]) if log else coefficients[..., k]
            for k, log in enumerate(self.logarithmic)
        ]
        values = jnp.stack(columns, axis=-1)
        return (values - _along_last(self.mean, values)) / _along_last(self.std, values)

    def to_coefficients(self, standard: jax.Array) -> jax.Array:
        """Legal coefficients (..., k) from standard coordinates."""
        raw = _along_last(self.mean, standard) + _along_last(self.std, standard) * standard
        columns = [
            jnp.exp(raw[..., k]) if log else raw[..., k] for k, log in enumerate(self.logarithmic)
        ]
        values = jnp.stack(columns, axis=-1)
        return jnp.clip(values, _along_last(self.lower, values), _along_last(self.upper, values))


def _along_last(vector: jax.Array, like: jax.Array) -> jax.Array:
    """A vector with as many axes as `like`, its own the last."""
    return jnp.reshape(vector, (1,) * (like.ndim - 1) + (-1,))


def calibrate(members: Members, drawn: Sequence[CoefficientSpec], observed: Observed) -> Scaling:
    """Scaling by the statistics of the finite members of a draw."""
    finite = np.asarray(members.finite)
    seen = np.asarray(observe(members, observed))[finite].reshape(-1, 2 * members.q.shape[-1])
    coefficients = np.asarray(members.coefficients)[finite]
    logarithmic = tuple(isinstance(c.prior, LogUniform) for c in drawn)
    values = np.where(logarithmic, np.log(np.where(logarithmic, coefficients, 1)), coefficients)
    ranges = np.array([legal_range(c, coefficients.dtype) for c in drawn])
    return Scaling(
        jnp.asarray(seen.mean(axis=0)),
        jnp.asarray(_positive(seen.std(axis=0))),
        jnp.asarray(values.mean(axis=0)),
        jnp.asarray(_positive(values.std(axis=0))),
        jnp.asarray(ranges[:, 0], coefficients.dtype),
        jnp.asarray(ranges[:, 1], coefficients.dtype),
        logarithmic,
    )


def _positive(widths: np.ndarray) -> np.ndarray:
    return np.where(widths > 0, widths, 1)


def legal_range(spec: CoefficientSpec, dtype: np.dtype) -> tuple[float, float]:
    """The closed range of numbers of a type that bounds and law allow."""
    assert spec.prior is not None
    low, high = support(spec.prior)
    if spec.lower is not None and spec.lower >= low:
        low = float(np.nextafter(dtype.type(spec.lower), dtype.type(np.inf)))
        low = low if spec.lower_open else spec.lower
    if spec.upper is not None and spec.upper <= high:
        high = float(np.nextafter(dtype.type(spec.upper), dtype.type(-np.inf)))
        high = high if spec.upper_open else spec.upper
    return low, high


def support(prior: Prior) -> tuple[float, float]:
    """The smallest interval that a law stays in."""
    match prior:
        case Point(value):
            return value, value
        case Uniform(low, high) | LogUniform(low, high):
            return low, high
        case Normal(_, _):
            return -np.inf, np.inf
        case Mixture(_, laws):
            ends = [support(law) for law in laws]
            return min(low for low, _ in ends), max(high for _, high in ends)


class Perceptron(eqx.Module):
    """A multilayer perceptron on the whole trajectory: (steps+1, channels) -> (k,)."""

    layers: eqx.nn.MLP

    def __init__(self, rows: int, channels: int, outputs: int, width: int, key: jax.Array) -> None:
        self.layers = eqx.nn.MLP(
            rows * channels, outputs, width, depth=3, activation=jax.nn.silu, key=key
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Standard coordinates of the coefficients from one standardised trajectory."""
        result: jax.Array = self.layers(x.reshape(-1))
        return result


class Recurrent(eqx.Module):
    """A long short-term memory over the trajectory, read out at its end: (steps+1, channels) ->
    (k,). Hochreiter & Schmidhuber, Neural Computation 9, 1735 (1997)."""

    cell: eqx.nn.LSTMCell
    readout: eqx.nn.MLP

    def __init__(self, channels: int, outputs: int, width: int, key: jax.Array) -> None:
        cell_key, readout_key = jax.random.split(key)
        self.cell = eqx.nn.LSTMCell(channels, width, key=cell_key)
        self.readout = eqx.nn.MLP(
            width, outputs, width, depth=1, activation=jax.nn.silu, key=readout_key
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Standard coordinates of the coefficients from one standardised trajectory."""
        zeros = jnp.zeros(self.cell.hidden_size, x.dtype)

        def step(
            state: tuple[jax.Array, jax.Array], row: jax.Array
        ) -> tuple[tuple[jax.Array, jax.Array], None]:
            return self.cell(row, state), None

        (hidden, _), _ = jax.lax.scan(step, (zeros, zeros), x)
        result: jax.Array = self.readout(hidden)
        return result


Network = Perceptron | Recurrent


def make_network(
    kind: Kind, rows: int, channels: int, outputs: int, width: int, key: jax.Array
) -> Network:
    """A freshly drawn network for trajectories of `rows` rows."""
    if kind == "mlp":
        return Perceptron(rows, channels, outputs, width, key)
    return Recurrent(channels, outputs, width, key)
