"""The laws from which members of a family are drawn (the `~` of a coefficient)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Point:
    """Always `value`."""

    value: float

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Draws of the given shape."""
        del key
        return jnp.full(shape, self.value)


@dataclass(frozen=True)
class Uniform:
    """Uniform on [low, high)."""

    low: float
    high: float

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Draws of the given shape."""
        return jax.random.uniform(key, shape, minval=self.low, maxval=self.high)


@dataclass(frozen=True)
class LogUniform:
    """The logarithm is uniform on [log low, log high)."""

    low: float
    high: float

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Draws of the given shape."""
        low, high = jnp.log(self.low), jnp.log(self.high)
        return jnp.exp(jax.random.uniform(key, shape, minval=low, maxval=high))


@dataclass(frozen=True)
class Normal:
    """Gaussian."""

    mean: float
    std: float

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Draws of the given shape."""
        return self.mean + self.std * jax.random.normal(key, shape)


@dataclass(frozen=True)
class Mixture:
    """Each draw is from one of `laws`, chosen with the given `weights` (they sum to 1)."""

    weights: tuple[float, ...]
    laws: tuple[Prior, ...]

    def sample(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Draws of the given shape."""
        pick, *keys = jax.random.split(key, len(self.laws) + 1)
        chosen = jax.random.choice(pick, len(self.laws), shape, p=jnp.asarray(self.weights))
        result = jnp.zeros(shape)
        for i, (law, law_key) in enumerate(zip(self.laws, keys, strict=True)):
            result = jnp.where(chosen == i, law.sample(law_key, shape), result)
        return result


Prior = Point | Uniform | LogUniform | Normal | Mixture


def support(prior: Prior) -> tuple[float, float]:
    """The smallest interval that a law stays in."""
    match prior:
        case Point(value):
            return value, value
        case Uniform(low, high) | LogUniform(low, high):
            return low, high
        case Normal(_, _):
            return -math.inf, math.inf
        case Mixture(_, laws):
            ends = [support(law) for law in laws]
            return min(low for low, _ in ends), max(high for _, high in ends)


def points(prior: Prior) -> frozenset[float]:
    """The values that a law gives a weight of their own."""
    match prior:
        case Point(value):
            return frozenset([value])
        case Mixture(_, laws):
            return frozenset().union(*(points(law) for law in laws))
        case _:
            return frozenset()
