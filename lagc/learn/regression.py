"""Where to start a search: coefficients by regression on the weak form of the equations of motion.

Multiplied by a bump phi that vanishes at the ends of a window and integrated by parts, the
equations d/dt b = a say that the integral of phi' b + phi a is zero, b and a being linear in the
coefficients of most models. Paths are smoothed first (cubic splines that leave out as much as the
noise seen between neighbouring rows), so that nothing is integrated and no start has to be near:
for a model linear in its coefficients the answer does not depend on it. A momentum that was
observed takes the place of b, and b is compared with it. Source of the weak form: Messenger &
Bortz, Multiscale Model. Simul. 19, 1474 (2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.interpolate
import scipy.optimize

from lagc.learn.least_squares import Setting
from lagc.learn.sensitivity import Observations
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_WIDTHS = (12, 24, 48, 96)  # of windows, in rows
_FEWEST_ROWS = 8
_MOST_ROWS = 4096  # of a recording: enough to start from
_BUMP = 4  # phi = (1 - s^2)^4
_GAP = 3.5  # windows reach over no interval so much longer than usual
_REWEIGHTED = 3
_ENDS = 3
_ROUGHEST, _SMOOTHEST, _BISECTIONS = -6.0, 8.0, 20  # decades of smoothing, in cubed intervals


@dataclass(frozen=True, eq=False)
class _Path:
    """A smoothed recording: t: (m,); q, v: (m, dof); p: (m, dof) or None; inputs: name to (m,)."""

    t: np.ndarray
    q: np.ndarray
    v: np.ndarray
    p: np.ndarray | None
    inputs: dict[str, np.ndarray]


def regress(setting: Setting, start: np.ndarray) -> np.ndarray | None:
    """The unknowns (n,) with the free coefficients by regression and initial states from the
    smoothed paths; None where positions were not observed, or in too few rows."""
    regression = _Regression.of(setting, start)
    found = None if regression is None else regression.solved()
    if regression is None or found is None:
        return None
    k = setting.coefficients
    states = np.array([(q[0], v[0]) for _, q, v, *_ in regression.recordings]).reshape(-1)
    initial = np.where(setting.free[k:], states, start[k:])
    return np.concatenate([found.values, initial])


def elimination_order(
    setting: Setting, start: np.ndarray, candidates: Sequence[int]
) -> tuple[int, ...]:
    """The indices of the free coefficients among `candidates`, in the order in which they can best
    be left out: each time the one that is smallest in units of its standard error. Shorter where
    the regression finds no values."""
    order: list[int] = []
    regression = _Regression.of(setting, start)
    while regression is not None:
        found = regression.solved()
        left = [i for i in regression.free.tolist() if i in candidates]
        if found is None or not left:
            break
        ratio = dict(zip(regression.free.tolist(), found.ratios, strict=True))
        weakest = min(left, key=lambda i: ratio[i])
        order.append(weakest)
        values = found.values.copy()
        values[weakest] = 0.0
        free = regression.free[regression.free != weakest]
        regression = replace(regression, free=free, start=values) if free.size else None
    return tuple(order)


def exchanges(
    setting: Setting, start: np.ndarray, kept: Sequence[int], left_out: Sequence[int]
) -> list[tuple[int, int]]:
    """Pairs of a coefficient that is kept and one left out, those first whose exchange leaves the
    smallest residual in the regression; start: (n,), with what is left out at zero."""
    regression = _Regression.of(setting, start)
    if regression is None:
        return []
    free = np.setdiff1d(regression.free, left_out)
    reference = replace(regression, free=free).solved()
    if reference is None:
        return []
    costs: dict[tuple[int, int], float] = {}
    for out in kept:
        for into in left_out:
            values = start[: setting.coefficients].copy()
            values[out] = 0.0
            support = np.append(free[free != out], into)
            found = replace(regression, free=support, start=values).solved(reference.scales)
            if found is not None:
                costs[out, into] = found.cost
    return sorted(costs, key=lambda pair: costs[pair])


def _smoothed(data: Observations, index: int, spec: ModelSpec) -> _Path | None:
    """One recording as smooth functions at its times, or None."""
    seen = data.seen[index].any(axis=(1, 2))
    rows = min(int(np.flatnonzero(seen)[-1]) + 1, _MOST_ROWS) if seen.any() else 0
    t = data.times[index, :rows]
    if rows < _FEWEST_ROWS:
        return None
    q, v, p = (np.full((rows, spec.dof), np.nan) for _ in range(3))
    for d, period in enumerate(spec.moduli):
        observed = [data.values[index, :rows, kind, d] for kind in range(3)]
        position = _spline(t, observed[0], period)
        if position is None:
            return None
        velocity = _spline(t, observed[1], None)
        momentum = _spline(t, observed[2], None)
        q[:, d] = position(t)
        v[:, d] = position.derivative()(t) if velocity is None else velocity(t)
        if momentum is not None:
            p[:, d] = momentum(t)
    inputs = {name: values[index, :rows] for name, values in data.inputs.items()}
    return _Path(t, q, v, p if np.isfinite(p).all() else None, inputs)


def _spline(t: np.ndarray, values: np.ndarray, period: float | None) -> Any:
    known = np.flatnonzero(np.isfinite(values))
    if known.size < _FEWEST_ROWS:
        return None
    x, y = t[known], values[known]
    if period is not None:
        y = np.unwrap(y, period=period)
    wanted = noise_of(x, y)
    interpolated = scipy.interpolate.make_interp_spline(x, y, k=5)
    unit = float(np.median(np.diff(x)) ** 3)
    low, high = _ROUGHEST, _SMOOTHEST
    smoothed = scipy.interpolate.make_smoothing_spline(x, y, lam=10.0**low * unit)
    if np.sqrt(np.mean((smoothed(x) - y) ** 2)) >= wanted:
        return interpolated
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        candidate = scipy.interpolate.make_smoothing_spline(x, y, lam=10.0**middle * unit)
        if np.sqrt(np.mean((candidate(x) - y) ** 2)) < wanted:
            low, smoothed = middle, candidate
        else:
            high = middle
    return smoothed


def noise_of(x: np.ndarray, y: np.ndarray) -> float:
    """The standard deviation of the noise: how far values are from the polynomial through their
    neighbours, three on each side (median, as a part of a normal distribution's)."""
    around = np.array([-3, -2, -1, 1, 2, 3])
    centre = np.arange(3, len(x) - 3)
    near = x[centre[:, None] + around] - x[centre, None]
    weights = np.ones_like(near)
    for j in range(6):
        for i in set(range(6)) - {j}:
            weights[:, j] *= near[:, i] / (near[:, i] - near[:, j])
    misses = y[centre] - np.sum(weights * y[centre[:, None] + around], axis=1)
    return float(np.median(np.abs(misses) / np.sqrt(1 + np.sum(weights**2, axis=1))) / 0.6745)


def _windows(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of phi' and of phi at the rows, by the trapezoidal rule: (w, m) each."""
    m = len(t)
    gaps = np.diff(t)
    long = gaps > _GAP * np.median(gaps)
    trapezoid = np.concatenate([[gaps[0]], gaps[:-1] + gaps[1:], [gaps[-1]]]) / 2
    slopes, bumps = [], []
    widths = [w for w in _WIDTHS if w < m] or [m - 1]
    for width in widths:
        for first in range(0, m - width, max(1, width // 4)):
            last = first + width
            if long[first:last].any():
                continue
            part = slice(first, last + 1)
            half, middle = (t[last] - t[first]) / 2, (t[last] + t[first]) / 2
            s = (t[part] - middle) / half
            weight = trapezoid[part] / half
            slope, bump = np.zeros(m), np.zeros(m)
            bump[part] = weight * half * (1 - s**2) ** _BUMP
            slope[part] = weight * -2 * _BUMP * s * (1 - s**2) ** (_BUMP - 1)
            slopes.append(slope)
            bumps.append(bump)
    return np.array(slopes).reshape(-1, m), np.array(bumps).reshape(-1, m)


Arrays = tuple[Any, ...]  # t, q, v, p or None, inputs, and the weights of phi' and phi


def _equations(system: System, coefficients: jax.Array, arrays: Arrays) -> list[jax.Array]:
    """Groups of equations of one recording, one for each component and kind: (equations,) each."""
    t, q, v, p, inputs, slopes, bumps = arrays
    values = {c.name: coefficients[i] for i, c in enumerate(system.spec.coefficients)}
    a, b = system.kernels.forces(q.T, v.T, t, values, inputs, {})
    carried = b if p is None else p.T
    motion = [slopes @ carried[d] + bumps @ a[d] for d in range(len(a))]
    # Slopes of a smoothed path are poor at its ends.
    return motion if p is None else motion + list((b - carried)[:, _ENDS:-_ENDS])


_residuals = jax.jit(_equations, static_argnums=0)
_slopes = jax.jit(jax.jacfwd(_equations, argnums=1), static_argnums=0)


class _Found(NamedTuple):
    """All coefficients (k,), how many standard errors each of the free ones is from zero, what the
    groups of equations were divided by, and half the sum of squares."""

    values: np.ndarray
    ratios: np.ndarray
    scales: list[float]
    cost: float


@dataclass(frozen=True, eq=False)
class _Regression:
    """The equations of all recordings; `scales` of the groups say what their residuals weigh."""

    setting: Setting
    recordings: list[Arrays]
    free: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, setting: Setting, start: np.ndarray) -> _Regression | None:
        """None where there is nothing to regress, or no smooth path to do it on."""
        data, spec, k = setting.observations, setting.system.spec, setting.coefficients
        free = np.flatnonzero(setting.free[:k])
        if spec.lattice is not None or free.size == 0:
            return None
        recordings: list[Arrays] = []
        for index in range(len(data.times)):
            path = _smoothed(data, index, spec)
            if path is None:
                return None
            recordings.append((path.t, path.q, path.v, path.p, path.inputs, *_windows(path.t)))
        return cls(setting, recordings, free, start[:k])

    def full(self, u: np.ndarray) -> np.ndarray:
        """All coefficients (k,) from the free ones in units of their sizes."""
        values = self.start.copy()
        values[self.free] = u * self.setting.sizes[self.free]
        return values

    def residuals(self, u: np.ndarray) -> list[np.ndarray]:
        """By group: (equations,)."""
        values = self.full(u)
        of_each = [_residuals(self.setting.system, values, r) for r in self.recordings]
        return [np.concatenate(parts) for parts in zip(*of_each, strict=True)]

    def slopes(self, u: np.ndarray) -> list[np.ndarray]:
        """Their derivatives: (equations, free)."""
        values, sizes = self.full(u), self.setting.sizes[self.free]
        of_each = [_slopes(self.setting.system, values, r) for r in self.recordings]
        return [np.concatenate(parts)[:, self.free] * sizes for parts in zip(*of_each, strict=True)]

    def solved(self, scales: list[float] | None = None) -> _Found | None:
        """The values in the sense of least squares, or None where there are none.

        Equations of a kind weigh as much as their residuals turn out small, unless `scales` says
        how much.
        """
        free, setting = self.free, self.setting
        sizes = setting.sizes[free]
        bounds = setting.lower[free] / sizes, setting.upper[free] / sizes
        u = np.clip(self.start[free] / sizes, *bounds)
        given = scales is not None
        scales = scales or [float(np.abs(j).max()) or 1.0 for j in self.slopes(u)]
        for _ in range(1 if given else _REWEIGHTED):
            value = partial(self._weighed, self.residuals, scales)
            slope = partial(self._weighed, self.slopes, scales)
            if not (np.isfinite(value(u)).all() and np.isfinite(slope(u)).all()):
                return None
            found = scipy.optimize.least_squares(
                value, u, slope, bounds=bounds, x_scale="jac", max_nfev=100
            )
            u = found.x
            if given:
                break
            scales = [
                max(float(np.sqrt(np.mean(group**2))), 1e-12 * scale)
                for group, scale in zip(self.residuals(u), scales, strict=True)
            ]
        matrix = self._weighed(self.slopes, scales, u)
        return _Found(self.full(u), _ratios(u, matrix), scales, float(found.cost))

    @staticmethod
    def _weighed(
        function: Callable[[np.ndarray], list[np.ndarray]], scales: list[float], u: np.ndarray
    ) -> np.ndarray:
        parts = zip(function(u), scales, strict=True)
        return np.concatenate([group / scale for group, scale in parts])


def _ratios(u: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """|u| over its standard error, for residuals of unit size: (free,)."""
    _, singular, directions = np.linalg.svd(matrix, full_matrices=False)
    floor = max(np.finfo(float).eps * float(singular.max()), np.finfo(float).tiny ** 0.5)
    errors = np.linalg.norm(directions / np.maximum(singular, floor)[:, None], axis=0)
    return np.asarray(np.abs(u) / errors)
