"""The law of a coefficient as a prior: point masses, a density, and coordinates without bounds.

A coefficient is a smooth function of a real number z: l + (u - l)/(1 + exp(-z)) between two bounds,
l + exp(z) above one, z without any; one whose law is uniform in the logarithm, in its logarithm.
Laws are cut off at the bounds, as draws outside of them are drawn again. A coefficient without a
law has a flat density within its bounds, which is a law only if there are two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from lagc.runtime.priors import LogUniform, Mixture, Normal, Point, Prior, Uniform
from lagc.runtime.spec import CoefficientSpec


@dataclass(frozen=True)
class Axis:
    """The real numbers mapped onto an interval: `low` and `high` may be infinite."""

    low: float
    high: float
    logarithmic: bool = False

    @property
    def curved(self) -> bool:
        """Whether there is a bound at all; without one the map is the identity."""
        return bool(np.isfinite(self.low) or np.isfinite(self.high))

    def value(self, z: jax.Array) -> jax.Array:
        """The value at the coordinate z."""
        if self.logarithmic:
            return jnp.exp(self._logarithm.value(z))
        if np.isfinite(self.low) and np.isfinite(self.high):
            return self.low + (self.high - self.low) * jax.nn.sigmoid(z)
        if np.isfinite(self.low):
            return self.low + jnp.exp(z)
        return self.high - jnp.exp(z) if np.isfinite(self.high) else z

    def log_slope(self, z: jax.Array) -> jax.Array:
        """The logarithm of |d value/dz|."""
        if self.logarithmic:
            inner = self._logarithm
            return inner.value(z) + inner.log_slope(z)
        if np.isfinite(self.low) and np.isfinite(self.high):
            return jnp.log(self.high - self.low) + jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z)
        return z if self.curved else jnp.zeros_like(z)

    def coordinate(self, value: float, margin: float) -> float:
        """The coordinate of a value, which is taken to be at least `margin` away from the ends."""
        if self.logarithmic:
            within = float(np.clip(value, self.low, self.high))
            return self._logarithm.coordinate(float(np.log(within)), margin / within)
        if not self.curved:
            return value
        margin = min(margin, (self.high - self.low) / 4)
        value = float(np.clip(value, self.low + margin, self.high - margin))
        if np.isfinite(self.low) and np.isfinite(self.high):
            return float(np.log((value - self.low) / (self.high - value)))
        return float(np.log(value - self.low if np.isfinite(self.low) else self.high - value))

    @property
    def _logarithm(self) -> Axis:
        return Axis(float(np.log(self.low)), float(np.log(self.high)))


@dataclass(frozen=True)
class Part:
    """A law with a density, `weight` its share of all that has one, within `low` and `high`."""

    weight: float
    law: Uniform | LogUniform | Normal
    low: float
    high: float

    def log_density(self, value: jax.Array) -> jax.Array:
        """Including the weight; minus infinity outside."""
        inside = (value >= self.low) & (value <= self.high)
        match self.law:
            case Uniform(low, high):
                result = jnp.full_like(value, -np.log(high - low))
            case LogUniform(low, high):
                within = jnp.where(inside, value, self.low)
                result = -jnp.log(within) - np.log(np.log(high / low))
            case Normal(mean, std):
                result = -0.5 * ((value - mean) / std) ** 2 - np.log(std * np.sqrt(2 * np.pi))
                result -= np.log(_mass(self.law, self.low, self.high))
        return jnp.where(inside, result + np.log(self.weight), -jnp.inf)


@dataclass(frozen=True)
class Density:
    """What is believed about a coefficient before the data.

    points: values that have a probability of their own, and this; spread: the probability of all
    others; parts: how they are distributed, () for a flat density along the whole axis that is no
    law. The coordinate along `axis` is a real number.
    """

    axis: Axis
    points: tuple[tuple[float, float], ...]
    spread: float
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, spec: CoefficientSpec) -> Density:
        """The law of a coefficient, or a flat density between its bounds."""
        low = -np.inf if spec.lower is None else spec.lower
        high = np.inf if spec.upper is None else spec.upper
        prior = spec.prior
        if prior is None and np.isfinite(low) and np.isfinite(high):
            prior = Uniform(low, high)
        if prior is None:
            return cls(Axis(low, high), (), 1.0, ())
        points: dict[float, float] = {}
        parts = []
        for weight, law in _flat(prior, 1.0):
            if isinstance(law, Point):
                points[law.value] = points.get(law.value, 0.0) + weight
            elif isinstance(law, Normal):
                parts.append(Part(weight * _mass(law, low, high), law, low, high))
            else:
                parts.append(Part(weight, law, law.low, law.high))
        continuous = sum(part.weight for part in parts)
        total = continuous + sum(points.values())
        parts = [Part(p.weight / continuous, p.law, p.low, p.high) for p in parts if p.weight > 0]
        ends = [(p.low, p.high) for p in parts] or [(low, high)]
        logarithmic = bool(parts) and all(isinstance(p.law, LogUniform) for p in parts)
        axis = Axis(min(e[0] for e in ends), max(e[1] for e in ends), logarithmic)
        of_points = tuple((value, weight / total) for value, weight in points.items())
        return cls(axis, of_points, continuous / total, tuple(parts))

    @property
    def proper(self) -> bool:
        """Whether this is a law."""
        return bool(self.points or self.parts)

    def log_density(self, z: jax.Array) -> jax.Array:
        """Of the coordinate z, given that the value is none of the points; 0 for the values of a
        flat density."""
        slope = self.axis.log_slope(z)
        if not self.parts:
            return slope
        value = self.axis.value(z)
        densities = [part.log_density(value) for part in self.parts]
        if len(densities) == 1:
            return slope + densities[0]
        return slope + jax.scipy.special.logsumexp(jnp.stack(densities), axis=0)

    def stiffness(self, z: float) -> float:
        """About how much minus the logarithm of the density bends at z."""
        result = 1.0 if self.axis.curved else 0.0
        widths = [part.law.std for part in self.parts if isinstance(part.law, Normal)]
        if widths:
            slope = float(np.exp(self.axis.log_slope(jnp.asarray(z))))
            result += (slope / min(widths)) ** 2
        return result


def _flat(
    prior: Prior, weight: float
) -> Iterator[tuple[float, Point | Uniform | LogUniform | Normal]]:
    """The simple laws of which a law is made, with their weights."""
    if not isinstance(prior, Mixture):
        yield weight, prior
        return
    for share, law in zip(prior.weights, prior.laws, strict=True):
        yield from _flat(law, weight * share)


def _mass(law: Normal, low: float, high: float) -> float:
    """The probability of the interval."""
    a, b = (low - law.mean) / law.std, (high - law.mean) / law.std
    if a > 0:  # in the upper tail differences are taken where they are exact
        a, b = -b, -a
    return float(scipy.special.ndtr(b) - scipy.special.ndtr(a))
