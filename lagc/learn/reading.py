"""From what was seen to what a network is given, and from its answer to coefficients.

Each channel of a member is divided by its own root mean square, whose logarithm goes into the
context, with step, noise level, part of missing values (where they vary) and the estimates by
regression (where they are among the features). The context is standardised by a calibration draw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.coordinates import Coordinates
from lagc.learn.family import Family
from lagc.learn.networks import Law, Network, Sizes, law, scales
from lagc.learn.observing import Observation
from lagc.learn.train_options import TrainOptions
from lagc.learn.weak_form import SETS, Estimates, WeakForm

QUANTILE = 1.959963984540054  # of the normal law, for 95 %
_FARTHEST = 10.0  # standard deviations of context
_MARGIN = 0.05  # of the range of a number of the context
_THIRDS = (1 / 6, 1 / 2, 5 / 6)
_FAINT = 1e-9
_APART = 1e-3  # standard coordinates in which two estimates differ little


class Inputs(NamedTuple):
    """rows: (n, rows, channels) and context: (n, c), before they are standardised; estimates:
    (n, s, m), in standard coordinates, and spreads: (n, s, m), their standard errors."""

    rows: jax.Array
    context: jax.Array
    estimates: jax.Array
    spreads: jax.Array


class Prediction(NamedTuple):
    """values, std, low, high: (n, m), of the coefficients not held: point, standard error, and the
    ends of the 95 % interval."""

    values: jax.Array
    std: jax.Array
    low: jax.Array
    high: jax.Array


@dataclass(frozen=True, eq=False)
class Reader:
    """Everything about a family that its network does not learn.

    centre, width: (c,), of the context; least, most: (c,), the ends of its calibration draw (not
    finite where they are not known); widening: (m,), what scales are multiplied with so that
    95 % intervals cover 95 % of a calibration draw.
    """

    family: Family
    options: TrainOptions
    coordinates: Coordinates
    weak: WeakForm | None
    centre: np.ndarray
    width: np.ndarray
    least: np.ndarray
    most: np.ndarray
    widening: np.ndarray

    @classmethod
    def of(cls, family: Family, options: TrainOptions, coordinates: Coordinates) -> Reader:
        """Not calibrated yet."""
        weak = None
        if options.features == "regression" and family.system.spec.lattice is None:
            weak = WeakForm.of(family, options.observed, coordinates)
        one, any_ = np.ones(1), np.full(1, np.inf)
        widening = np.ones(len(coordinates.std))
        return cls(family, options, coordinates, weak, one * 0, one, -any_, any_, widening)

    @property
    def held(self) -> dict[str, float]:
        """The coefficients that are held in the gauge predictions are made in, by name."""
        gauging, drawn = self.coordinates.gauging, self.family.drawn
        values = [] if gauging.values is None else gauging.values.tolist()
        return {drawn[k].name: value for k, value in zip(gauging.held, values, strict=True)}

    @property
    def sizes(self) -> Sizes:
        """What the network is built for."""
        rows, channels = self.family.steps + 1, 2 * self.family.system.spec.dof
        m = len(self.coordinates.targets)
        s = 0 if self.weak is None else SETS
        context = channels + len(self._varying()) + (3 * s * m - m if s else 0)
        seen = channels if self.options.missing[1] > 0 else 0
        return Sizes(rows, channels + seen + len(self._varying()), context, m, s)

    def _varying(self) -> tuple[str, ...]:
        """What differs between members beside coefficients and states."""
        low, high = self.family.step_range
        ranges = {"step": (low, high), "noise": self.options.noise, "missing": self.options.missing}
        return tuple(name for name, (low, high) in ranges.items() if high > low)

    def calibrated(self, inputs: Inputs) -> Reader:
        """With the context standardised by the middle two thirds of a draw: the logarithm of a
        channel that is at rest for some members lies far from all others."""
        context = np.asarray(inputs.context, float)
        low, centre, high = np.quantile(context, _THIRDS, axis=0)
        width = (high - low) / 2
        width = np.where(width > 0, width, 1.0)
        ends = {"least": context.min(axis=0), "most": context.max(axis=0)}
        return replace(self, centre=centre, width=width, **ends)

    def unlike(self, inputs: Inputs) -> np.ndarray:
        """Which of these (n,) have a context well outside of what the calibration draw has."""
        context = np.asarray(inputs.context, float)
        margin = _MARGIN * np.maximum(self.most - self.least, self.width)
        outside = (context < self.least - margin) | (context > self.most + margin)
        return np.asarray(outside.any(axis=1))

    def widened(self, found: Law, standard: jax.Array) -> Reader:
        """With intervals that cover 95 % of a draw, by what a network says of it; standard: (n, m),
        the true coordinates."""
        scale = jax.vmap(scales)(found)
        ratio = np.abs(np.asarray((standard - found.mean) / scale))
        return replace(self, widening=np.quantile(ratio, 0.95, axis=0) / QUANTILE)

    def inputs(self, seen: Observation) -> Inputs:
        """What the network is given; composes with jit."""
        sizes = self._sizes(seen)
        rows = [seen.values / sizes[:, None]]
        if self.options.missing[1] > 0:
            assert seen.seen is not None
            rows.append(seen.seen.astype(seen.values.dtype))
        context, m = [jnp.log(sizes)], len(self.coordinates.targets)
        missing = 0.0 * seen.dt if seen.seen is None else 1 - jnp.mean(seen.seen, axis=(1, 2))
        of_each = {"step": jnp.log(seen.dt), "noise": seen.noise, "missing": missing}
        context += [of_each[name][:, None] for name in self._varying()]
        standard = spreads = jnp.zeros((len(seen.dt), 0, m), seen.values.dtype)
        if self.weak is not None:
            standard, spreads = self._standard(self.weak.estimates(seen))
            apart = jnp.arcsinh((standard[:, 1:] - standard[:, :1]) / _APART)
            features = [standard, jnp.log(spreads + _FAINT), apart]
            context += [x.reshape(len(seen.dt), -1) for x in features]
        return Inputs(
            jnp.concatenate(rows, axis=-1), jnp.concatenate(context, axis=-1), standard, spreads
        )

    def laws(self, network: Network, inputs: Inputs) -> Law:
        """What a network says of each member (n, ...); composes with jit."""
        dtype, precision = inputs.context.dtype, self.options.precision
        centre, width = (jnp.asarray(x, dtype)[None] for x in (self.centre, self.width))
        context = jnp.clip((inputs.context - centre) / width, -_FARTHEST, _FARTHEST)
        rows, varying = inputs.rows, len(self._varying())
        if varying:
            first = 2 * self.family.system.spec.dof
            own = context[:, None, first : first + varying]
            own = jnp.broadcast_to(own, (*rows.shape[:2], varying))
            rows = jnp.concatenate([rows, own], axis=-1)
        numbers = jax.vmap(network)(rows.astype(precision), context.astype(precision))
        return jax.vmap(law)(numbers, inputs.estimates, inputs.spreads)

    def _sizes(self, seen: Observation) -> jax.Array:
        """Root mean squares of the channels: (n, c)."""
        squares = jnp.sum(seen.values**2, axis=1)
        count = seen.values.shape[1] if seen.seen is None else jnp.sum(seen.seen, axis=1)
        return jnp.sqrt(squares / jnp.maximum(count, 1)) + _FAINT

    def _standard(self, found: Estimates) -> tuple[jax.Array, jax.Array]:
        """Estimates and their standard errors in standard coordinates, (n, s, m) each."""
        c = self.coordinates
        low, high = (jnp.asarray(x)[None, None] for x in (c.lower, c.upper))
        values = jnp.clip(found.values, low, high)
        standard = c.to_standard(c.complete(values))
        limits = (jnp.asarray(x)[None, None] for x in (c.lowest, c.highest))
        return jnp.clip(standard, *limits), found.std * c.slope(values)

    def predict(self, network: Network, inputs: Inputs) -> Prediction:
        """Coefficients with calibrated uncertainties; composes with jit."""
        found = self.laws(network, inputs)
        scale = jax.vmap(scales)(found) * jnp.asarray(self.widening)[None]
        to_targets = self.coordinates.to_targets
        values = to_targets(found.mean)
        ends = [to_targets(found.mean + z * scale) for z in (-QUANTILE, QUANTILE, -1.0, 1.0)]
        return Prediction(values, (ends[3] - ends[2]) / 2, ends[0], ends[1])

    def regression(self, inputs: Inputs) -> jax.Array | None:
        """What the most certain of the estimates says on its own: (n, m), legal values."""
        if self.weak is None:
            return None
        best = jnp.argmin(inputs.spreads, axis=1)
        return self.coordinates.to_targets(
            jnp.take_along_axis(inputs.estimates, best[:, None], axis=1)[:, 0]
        )

    def as_json(self) -> dict[str, Any]:
        """What was calibrated, for `json.dumps`."""
        names = ("centre", "width", "least", "most", "widening")
        own = {name: getattr(self, name).tolist() for name in names}
        return {"coordinates": self.coordinates.as_json()} | own

    @classmethod
    def from_json(cls, family: Family, options: TrainOptions, content: dict[str, Any]) -> Reader:
        """What `as_json` wrote, for the same family and options; ValueError for other shapes."""
        coordinates = Coordinates.from_json(content["coordinates"])
        centre, width, widening = (
            np.array(content[name], float) for name in ("centre", "width", "widening")
        )
        plain = cls.of(family, options, coordinates)
        context, m = (plain.sizes.context,), (len(coordinates.targets),)
        expected = ((centre, context), (width, context), (widening, m))
        if any(x.shape != shape or not np.isfinite(x).all() for x, shape in expected):
            raise ValueError("other shapes")
        # Folders without them are older: nothing is known to be unlike then.
        least = np.array(content.get("least", [-np.inf] * len(centre)), float)
        most = np.array(content.get("most", [np.inf] * len(centre)), float)
        if least.shape != context or most.shape != context:
            raise ValueError("other shapes")
        own = replace(plain, centre=centre, width=width, least=least, most=most)
        return replace(own, widening=widening)
