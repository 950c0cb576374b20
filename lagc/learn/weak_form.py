"""Estimates of the coefficients from the equations of motion, as features for a network.

For many members at once, jitted: channels are interpolated by quintic splines, the equations
d/dt b = a integrated against test functions, and the coefficients found by least squares, as in
`regression` for one recording. Several sets of test functions give several estimates: single
intervals, which see fast transients and average no noise; broad bumps, which average it; and both.
A member says by its residuals how sure each is. Residuals count in units of their root mean
square, and the law of the family as one more observation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate

from lagc.learn.coordinates import Coordinates
from lagc.learn.family import Family
from lagc.learn.observing import Observation, Observed

SETS = 3
_DEGREE = 5
_GAUSS = 3  # points an interval
_BUMP = 4
_PARTS = (4, 2, 1)  # of the rows that bumps are wide
_ROUNDS = 4
_LINEARISATIONS = 3
_SAME = 1e-9
_ROUND_OFF = 1e3  # of values, in units of their precision
_LEAST_LEVEL = 1e-7  # of residuals, as a part of what they consist of
_ROUGHNESS = 1e-9  # weight of the third derivative where values are missing


class Estimates(NamedTuple):
    """values, std: (n, SETS, m), of the coefficients not held."""

    values: jax.Array
    std: jax.Array


@dataclass(frozen=True, eq=False)
class _Operators:
    """On rows a unit of time apart, at points (Gauss points, then rows): value, slope:
    (points, rows); phi, dphi, ends: (tests, points), integrals against a test function and its
    derivative, and the boundary term; sets: (SETS, tests); rough: (rows, rows)."""

    value: np.ndarray
    slope: np.ndarray
    times: np.ndarray
    phi: np.ndarray
    dphi: np.ndarray
    ends: np.ndarray
    sets: np.ndarray
    rough: np.ndarray


def _operators(rows: int) -> _Operators:
    x = np.arange(rows, dtype=float)
    degree = min(_DEGREE, rows - 1 if rows % 2 == 0 else rows - 2)
    spline = scipy.interpolate.make_interp_spline(x, np.eye(rows), k=max(degree, 1))
    nodes, weights = np.polynomial.legendre.leggauss(_GAUSS)
    inner = (x[:-1, None] + (nodes + 1) / 2).reshape(-1)
    weight = np.concatenate([np.tile(weights / 2, rows - 1), np.zeros(rows)])
    points = np.concatenate([inner, x])
    at_row = np.concatenate([np.full(inner.size, -1), np.arange(rows)])
    phi, dphi, ends = [], [], []
    for first in range(rows - 1):
        phi.append(((points > first) & (points < first + 1)) * weight)
        dphi.append(np.zeros(points.size))
        ends.append((at_row == first + 1) * 1.0 - (at_row == first))
    narrow = len(phi)
    for part in _PARTS:
        width = max(2, (rows - 1) // part)
        for first in range(0, rows - width, max(1, width // 4)):
            s = (points - first) * 2 / width - 1
            inside = np.abs(s) < 1
            phi.append(np.where(inside, (1 - s**2) ** _BUMP, 0) * weight)
            slope = -2 * _BUMP * s * (1 - s**2) ** (_BUMP - 1) * 2 / width
            dphi.append(np.where(inside, slope, 0) * weight)
            ends.append(np.zeros(points.size))
    index = np.arange(len(phi))
    sets = np.stack([index < narrow, index >= narrow, index >= 0]) * 1.0
    third = spline.derivative(min(3, spline.k))(inner)
    rough = (third * weight[: inner.size, None]).T @ third
    return _Operators(
        spline(points),
        spline.derivative()(points),
        points,
        np.array(phi),
        np.array(dphi),
        np.array(ends),
        sets,
        rough,
    )


@dataclass(frozen=True, eq=False)
class WeakForm:
    """Regression for the members of a family; middle, sizes: (m,), of the coefficients not held."""

    family: Family
    observed: Observed
    coordinates: Coordinates
    operators: _Operators
    middle: np.ndarray
    sizes: np.ndarray
    affine: bool = False

    @classmethod
    def of(cls, family: Family, observed: Observed, coordinates: Coordinates) -> WeakForm:
        """The middle of the coordinates is the expected value, their width its uncertainty."""
        zero = jnp.zeros(len(coordinates.targets))
        middle, high, low = (np.asarray(coordinates.to_targets(zero + z)) for z in (0, 1.0, -1.0))
        sizes = np.maximum((high - low) / 2, np.finfo(float).tiny)
        operators = _operators(family.steps + 1)
        weak = cls(family, observed, coordinates, operators, middle, sizes)
        return replace(weak, affine=weak._is_affine())

    def _is_affine(self) -> bool:
        """Do the equations depend on the coefficients linearly, so that one step finds them?"""
        rows, channels = self.operators.rough.shape[0], 2 * self.family.system.spec.dof
        generator = np.random.default_rng(0)
        values = jnp.asarray(generator.normal(size=(rows, channels)))
        ends = [jnp.asarray(self.middle), jnp.asarray(self.middle + 0.3 * self.sizes)]
        at = jnp.stack([*ends, (ends[0] + ends[1]) / 2])
        equations = jax.jit(jax.vmap(self._equations, in_axes=(0, None, None)))
        one, other, between = np.asarray(equations(at, values, jnp.asarray(0.1)))
        return bool(np.abs(one + other - 2 * between).max() <= _SAME * np.abs(one).max())

    def estimates(self, seen: Observation) -> Estimates:
        """Of every member by every set of test functions; composes with jit."""
        values = seen.values if seen.seen is None else self._filled(seen.values, seen.seen)
        by_set = jax.vmap(self._solved, in_axes=(None, None, 0))
        return Estimates(
            *jax.vmap(by_set, in_axes=(0, 0, None))(
                values, seen.dt, jnp.asarray(self.operators.sets)
            )
        )

    def _filled(self, values: jax.Array, seen: jax.Array) -> jax.Array:
        """Values (n, rows, c) where some were not seen, by a spline as smooth as it can be."""
        weight = jnp.swapaxes(seen, 1, 2).astype(values.dtype)
        rough = _ROUGHNESS * jnp.asarray(self.operators.rough)[None, None]
        floor = 1e-12 * jnp.eye(values.shape[1])[None, None]
        matrix = weight[..., None] * jnp.eye(values.shape[1])[None, None] + rough + floor
        given = weight * jnp.swapaxes(values, 1, 2)
        return jnp.swapaxes(jnp.linalg.solve(matrix, given[..., None])[..., 0], 1, 2)

    def _equations(self, targets: jax.Array, values: jax.Array, dt: jax.Array) -> jax.Array:
        """Residuals (groups, tests) of one member: the equations of motion, one a component, and
        what the momenta are, where they were observed."""
        o, spec = self.operators, self.family.system.spec
        dof = spec.dof
        points, slopes = jnp.asarray(o.value) @ values, jnp.asarray(o.slope) @ values / dt
        q, second = points[:, :dof].T, points[:, dof:].T
        by_momentum = self.observed == "q,p"
        v = slopes[:, :dof].T if by_momentum else second
        drawn = self.coordinates.complete(targets)
        c = {
            x.name: jnp.asarray(0.0 if x.default is None else x.default) for x in spec.coefficients
        }
        c |= {x.name: drawn[k] for k, x in enumerate(self.family.drawn)}
        a, b = self.family.system.kernels.forces(q, v, dt * jnp.asarray(o.times), c, {}, {})
        carried = second if by_momentum else b
        phi = jnp.asarray(o.phi).T
        motion = carried @ (jnp.asarray(o.ends) - jnp.asarray(o.dphi)).T - dt * (a @ phi)
        return jnp.concatenate([motion, dt * ((b - second) @ phi)]) if by_momentum else motion

    def _linear(
        self, targets: jax.Array, values: jax.Array, dt: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Residuals (groups, tests), and their derivatives (groups, tests, m) by the coefficients
        in units of their sizes."""
        middle, sizes = jnp.asarray(self.middle), jnp.asarray(self.sizes)

        def equations(u: jax.Array) -> jax.Array:
            return self._equations(middle + sizes * u, values, dt)

        u = (targets - middle) / sizes
        return equations(u), jax.jacfwd(equations)(u)

    def _solved(
        self, values: jax.Array, dt: jax.Array, use: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Values and standard errors (m,) for one member by the tests (tests,) that count."""
        middle, sizes = jnp.asarray(self.middle), jnp.asarray(self.sizes)
        targets, std = middle, sizes
        faint = _ROUND_OFF * jnp.finfo(values.dtype).eps * jnp.max(jnp.abs(values))
        for _ in range(1 if self.affine else _LINEARISATIONS):
            r, slope = self._linear(targets, values, dt)
            u, error = _reweighted(r, slope, (targets - middle) / sizes, use, faint)
            good = jnp.isfinite(u) & jnp.isfinite(error)
            targets = jnp.where(good, middle + sizes * u, middle)
            std = jnp.where(good, sizes * error, sizes)
        return targets, std


def _reweighted(
    r: jax.Array, slope: jax.Array, start: jax.Array, use: jax.Array, faint: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Where r + slope (u - start), residuals (groups, tests), is least, and its standard errors:
    each group in units of its root mean square, found in turn, and u (m,) being 0 with standard
    error 1 as one more observation; no residual is believed below `faint`, as of a member that is
    at rest."""
    precision, tiny = 10 * jnp.finfo(r.dtype).eps, jnp.finfo(r.dtype).tiny
    r, slope = r * use[None], slope * use[None, :, None]
    # Of a group that no coefficient is part of, the residuals are the size.
    size = jnp.sqrt(jnp.mean(slope**2, axis=(1, 2)) + jnp.mean(r**2, axis=1)) + tiny
    r, slope = r / size[:, None], slope / size[:, None, None]
    least = jnp.maximum(_LEAST_LEVEL, faint / size)
    products = jnp.einsum("gtm,gtn->gmn", slope, slope)
    against = jnp.einsum("gtm,gt->gm", slope, r)
    identity = jnp.eye(start.size, dtype=r.dtype)

    def round_(level: jax.Array, prior: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        weight = 1 / jnp.maximum(level, least) ** 2
        normal = jnp.einsum("g,gmn->mn", weight, products) + prior * identity
        # In units of the diagonal, so that no group is so sure that the others do not count.
        unit = 1 / jnp.sqrt(jnp.diagonal(normal) + tiny)
        inverse = jnp.linalg.inv(normal * jnp.outer(unit, unit) + precision * identity)
        change = -unit * (inverse @ (unit * (weight @ against + prior * start)))
        left = r + slope @ change
        level = jnp.sqrt(jnp.sum(left**2, axis=1) / jnp.sum(use))
        std = unit * jnp.sqrt(jnp.abs(jnp.diagonal(inverse)))
        return level, (start + change, std)

    priors = jnp.where(jnp.arange(_ROUNDS) == 0, 0.0, 1.0).astype(r.dtype)
    _, (found, errors) = jax.lax.scan(round_, jnp.ones(r.shape[0], r.dtype), priors)
    return found[-1], errors[-1]
