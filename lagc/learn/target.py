"""The posterior density of the free unknowns of a fit, in coordinates without bounds.

Likelihood: normal noise, white, with one level for each channel as in the fit. A level that the
data determine is integrated out under Jeffreys' prior 1/sigma, which leaves S^(-n/2) of the sum of
squares S of its n residuals, so that the posterior of a linear model is Student's t; a level that
is known, or that too few rows say anything about, is held. Priors: `laws`; initial states have a
flat density. Sums of squares do not fall below what errors of the integrator leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.laws import Density
from lagc.learn.least_squares import Setting
from lagc.learn.levels import Levels
from lagc.learn.sensitivity import _derivatives, _values
from lagc.runtime.system import System

_CHUNK = 256  # densities computed side by side
_CLOSE = 5.0  # standard errors to a bound


class Form(NamedTuple):
    """What a compiled density depends on: integrator, indices of the free unknowns, the prior of
    each (None for a flat one without bounds), periods, which levels of noise are known, how many
    kinds of values there are."""

    system: System
    r: int
    substeps: int
    free: tuple[int, ...]
    priors: tuple[Density | None, ...]
    moduli: tuple[float | None, ...]
    known: tuple[bool, ...]
    kinds: int


class Given(NamedTuple):
    """Its numbers. x: (n,), for what is held; values, seen, relative (the noise of each as a part
    of its level): (R, m, kinds, dof); of each of the G levels masks: (G, kinds, dof), counts,
    floors (of the sums of squares) and sigma (of the known): (G,); shear: (free, free) and centre:
    (free,), see `along`; arguments of the integrator: grid, times, inputs."""

    x: jax.Array
    values: jax.Array
    seen: jax.Array
    relative: jax.Array
    masks: jax.Array
    counts: jax.Array
    floors: jax.Array
    sigma: jax.Array
    shear: jax.Array
    centre: jax.Array
    arguments: tuple[jax.Array, jax.Array, dict[str, jax.Array]]


def along(form: Form, given: Given, z: jax.Array) -> jax.Array:
    """Coordinates along the axes of the priors, (free,), from those in which a density is explored.

    Where a coefficient is close to a bound the others depend linearly on its value, not on its
    coordinate. They are measured from where its value takes them: a shear, which leaves volumes as
    they are, so that the density in both is the same.
    """
    return z + given.shear @ (_values_along(form, z) - given.centre)


def _values_along(form: Form, z: jax.Array) -> jax.Array:
    return jnp.stack(
        [z[i] if prior is None else prior.axis.value(z[i]) for i, prior in enumerate(form.priors)]
    )


def unknowns(form: Form, given: Given, z: jax.Array) -> jax.Array:
    """All unknowns (n,) at the coordinates z: (free,)."""
    values = _values_along(form, along(form, given, z))
    return given.x.at[jnp.array(form.free)].set(values)


def log_posterior(form: Form, given: Given, z: jax.Array, predicted: jax.Array) -> jax.Array:
    """The logarithm of likelihood and prior, (), for predictions (R, m, kinds, dof) at z: (free,);
    minus infinity where an observed value is not finite."""
    differences = predicted - given.values
    for d, period in enumerate(form.moduli):
        if period is not None:
            angle = differences[:, :, 0, d]
            nearest = angle - period * jnp.round(angle / period)
            differences = differences.at[:, :, 0, d].set(nearest)
    finite = jnp.isfinite(differences)
    lost = jnp.any(given.seen & ~finite)
    differences = jnp.where(given.seen & finite, differences, 0.0) / given.relative
    sums = _sums_of_squares(given, differences)
    integrated = (
        jax.scipy.special.gammaln(given.counts / 2)
        - jnp.log(2.0)
        - given.counts / 2 * jnp.log(jnp.pi * (sums + given.floors))
    )
    normal = -0.5 * sums / given.sigma**2 - given.counts * jnp.log(
        jnp.sqrt(2 * jnp.pi) * given.sigma
    )
    each = jnp.sum(jnp.where(given.seen, jnp.log(given.relative), 0.0))
    likelihood = jnp.sum(jnp.where(jnp.array(form.known), normal, integrated)) - each
    z = along(form, given, z)
    prior = sum(p.log_density(z[i]) for i, p in enumerate(form.priors) if p is not None)
    return jnp.where(lost, -jnp.inf, likelihood + prior)


def pulled_back(
    form: Form, given: Given, z: jax.Array, predicted: jax.Array, derivative: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`log_posterior` and its gradient by z: (free,).

    derivative: (R, m, kinds, dof, k + 2 dof), of the predictions by coefficients and own initial
    state."""
    value, (by_z, by_predicted) = jax.value_and_grad(partial(log_posterior, form, given), (0, 1))(
        z, predicted
    )
    seen = jnp.where(given.seen[..., None], derivative, 0.0)
    own = jnp.einsum("rmsd,rmsdj->rj", by_predicted, seen)
    k = len(form.system.spec.coefficients)
    by_unknowns = jnp.concatenate([own[:, :k].sum(axis=0), own[:, k:].reshape(-1)])
    _, pull = jax.vjp(partial(unknowns, form, given), z)
    return value, by_z + pull(by_unknowns)[0]


def value_and_gradient(
    form: Form, given: Given, whole: bool, z: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`pulled_back` through the integrator, without its fallback unless `whole`; not finite where
    that would have been needed, or where the trajectory is lost."""
    values, by_c, by_s, solved = _derivatives(
        form.system,
        form.r,
        form.substeps,
        whole,
        form.kinds,
        *_split(form, given, z),
        *given.arguments,
    )
    flat = by_s.reshape(*by_s.shape[:-2], -1)
    value, gradient = pulled_back(form, given, z, values, jnp.concatenate([by_c, flat], axis=-1))
    return jnp.where(jnp.all(solved), value, -jnp.inf), gradient


_pulled_back = jax.jit(pulled_back, static_argnums=0)
_unknowns = jax.jit(unknowns, static_argnums=0)
_along = jax.jit(along, static_argnums=0)


@partial(jax.jit, static_argnums=(0, 2))
def _many(
    form: Form, given: Given, whole: bool, z: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Densities (N,) and all unknowns (N, n) at z: (N, free), and whether the fallback was never
    needed."""

    def one(z: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        predicted, solved = _values(
            form.system,
            form.r,
            form.substeps,
            whole,
            form.kinds,
            *_split(form, given, z),
            *given.arguments,
        )
        return log_posterior(form, given, z, predicted), unknowns(form, given, z), jnp.all(solved)

    value, x, solved = jax.vmap(one)(z)
    return value, x, jnp.all(solved)


def _split(form: Form, given: Given, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    x = unknowns(form, given, z)
    k = len(form.system.spec.coefficients)
    return x[:k], x[k:].reshape(given.values.shape[0], 2, form.system.spec.dof)


def _sums_of_squares(given: Given, differences: jax.Array) -> jax.Array:
    of_each = jnp.sum(differences**2, axis=(0, 1))
    return jnp.sum(given.masks * of_each[None], axis=(1, 2))


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Of a positive matrix, whatever the units of its rows."""
    scale = 1 / np.sqrt(np.diag(matrix))
    both = scale * scale[:, None]
    return np.asarray(np.linalg.pinv(matrix * both) * both)


class Local(NamedTuple):
    """At one point: log density, gradient (free,), and a positive matrix (free, free) about as
    large as minus the second derivative (Gauss-Newton)."""

    value: float
    gradient: np.ndarray
    metric: np.ndarray


@dataclass(frozen=True, eq=False)
class Target:
    """The density to be explored, and the setting it belongs to."""

    setting: Setting
    form: Form
    given: Given

    @classmethod
    def of(
        cls, setting: Setting, x: np.ndarray, priors: Mapping[int, Density], levels: Levels
    ) -> Target:
        """The posterior of the free unknowns of `setting`, the others held as in x: (n,); priors by
        the index of a coefficient."""
        predictor, spec = setting.predictor(), setting.system.spec
        free = tuple(np.flatnonzero(setting.free).tolist())
        seen = np.array(setting.observations.seen[:, : predictor.rows])
        seen[:, setting.horizon :] = False
        values = np.where(seen, setting.observations.values[:, : predictor.rows], 0.0)
        form = Form(
            setting.system,
            setting.r,
            setting.substeps,
            free,
            tuple(priors.get(i) for i in free),
            spec.moduli,
            levels.known,
            setting.observations.kinds,
        )
        own = None if setting.relative is None else setting.relative[:, : predictor.rows]
        counts = np.array([seen[:, :, mask].sum() for mask in levels.masks], float)
        given = Given(
            x=jnp.asarray(x),
            values=jnp.asarray(values),
            seen=jnp.asarray(seen),
            relative=jnp.ones(seen.shape) if own is None else jnp.asarray(own),
            masks=jnp.asarray(np.stack(levels.masks), float),
            counts=jnp.asarray(counts),
            floors=jnp.asarray(counts * levels.floors**2),
            sigma=jnp.asarray(levels.sigma),
            shear=jnp.zeros((len(free), len(free))),
            centre=jnp.zeros(len(free)),
            arguments=predictor._arguments(),
        )
        return cls(setting, form, given)

    def coordinates(self, x: np.ndarray, margins: np.ndarray) -> np.ndarray:
        """z: (free,) of the unknowns x, which are first moved off their bounds by margins: (n,)."""
        return np.array(
            [
                x[i] if prior is None else prior.axis.coordinate(float(x[i]), float(margins[i]))
                for i, prior in zip(self.form.free, self.form.priors, strict=True)
            ]
        )

    def sheared(self, z: np.ndarray) -> Target:
        """With coordinates for coefficients that are close to a bound near z: (free,), where they
        are the same."""
        x = self.unknowns(z)
        predicted, _ = self.setting.predictor().values_and_derivatives(*self.setting.split(x))
        precision = self._metric(z, x, predicted)
        slopes = self._slopes(z)
        errors = np.sqrt(np.diag(inverse(precision))) * slopes
        free = list(self.form.free)
        values, lower, upper = (a[free] for a in (x, self.setting.lower, self.setting.upper))
        for i, prior in enumerate(self.form.priors):
            if prior is not None:
                lower[i], upper[i] = prior.axis.low, prior.axis.high
        close = np.minimum(values - lower, upper - values) < _CLOSE * errors
        if not close.any() or close.all():
            return self
        rest = ~close
        shear = np.zeros(precision.shape)
        across = precision[np.ix_(rest, close)] / slopes[close]
        shear[np.ix_(rest, close)] = -inverse(precision[np.ix_(rest, rest)]) @ across
        given = self.given._replace(shear=jnp.asarray(shear), centre=jnp.asarray(values))
        return replace(self, given=given)

    def _slopes(self, z: np.ndarray) -> np.ndarray:
        """Of the values by the coordinates along the axes: (free,)."""
        slopes = np.ones(len(z))
        for i, prior in enumerate(self.form.priors):
            if prior is not None:
                slopes[i] = np.exp(float(prior.axis.log_slope(jnp.asarray(z[i]))))
        return slopes

    def unknowns(self, z: np.ndarray) -> np.ndarray:
        """All unknowns (n,) at z: (free,)."""
        return np.asarray(_unknowns(self.form, self.given, z))

    def at(self, z: np.ndarray) -> Local:
        """Density, gradient and metric at z: (free,)."""
        x = self.unknowns(z)
        predicted, derivative = self.setting.predictor().values_and_derivatives(
            *self.setting.split(x)
        )
        value, gradient = _pulled_back(self.form, self.given, z, predicted, derivative)
        metric = self._metric(z, x, predicted)
        return Local(float(value), np.asarray(gradient), metric)

    def values(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log densities (N,) and all unknowns (N, n) at z: (N, free)."""
        parts = []
        for start in range(0, len(z), _CHUNK):
            chunk = z[start : start + _CHUNK]
            padded = np.concatenate([chunk, np.repeat(chunk[-1:], _CHUNK - len(chunk), axis=0)])
            for whole in (False, True):
                value, x, solved = _many(self.form, self.given, whole, padded)
                if bool(solved):
                    break
            parts.append((np.asarray(value)[: len(chunk)], np.asarray(x)[: len(chunk)]))
        values, x = (np.concatenate(p) for p in zip(*parts, strict=True))
        return np.where(np.isnan(values), -np.inf, values), x

    def _metric(self, z: np.ndarray, x: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """J^T J, whitened by the levels that the residuals at hand have, and what priors add."""
        differences = np.where(self.setting.seen, self.setting.differences(predicted), 0.0)
        if self.setting.relative is not None:
            differences = differences / self.setting.relative[:, : self.setting.horizon]
        squares = (differences**2).sum(axis=(0, 1))
        sigma = np.ones_like(squares)
        given = self.given
        for g, known in enumerate(self.form.known):
            mask = np.asarray(given.masks[g]) > 0
            total = squares[mask].sum() + float(given.floors[g])
            sigma[mask] = float(given.sigma[g]) if known else np.sqrt(total / given.counts[g])
        whitening = replace(self.setting, sigma=sigma, sizes=np.ones_like(self.setting.sizes))
        _, matrix = whitening.whitened_and_sensitivity(x)
        place = np.asarray(_along(self.form, self.given, z))
        slopes, stiffness = self._slopes(place), np.zeros(len(z))
        for i, prior in enumerate(self.form.priors):
            if prior is not None:
                stiffness[i] = prior.stiffness(float(place[i]))
        # Only what is not sheared shears the rest, so that its own slopes are those along the axes.
        turned = np.eye(len(z)) + np.asarray(given.shear) * slopes
        matrix = matrix[:, list(self.form.free)] * slopes @ turned
        return np.asarray(matrix.T @ matrix + turned.T @ np.diag(stiffness) @ turned)
