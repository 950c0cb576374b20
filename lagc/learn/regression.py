"""Where to start a search: coefficients by regression on the weak form of the equations of motion.

Multiplied by a bump phi that vanishes at the ends of a window and integrated by parts, the
equations d/dt b = a say that the integral of phi' b + phi a is zero, b and a being linear in the
coefficients of most models. Paths are smoothed first (cubic splines that leave out as much as the
noise seen between neighbouring rows), so that nothing is integrated and no start has to be near:
for a model linear in its coefficients the answer does not depend on it. A momentum that was
observed takes the place of b, and b is compared with it; an acceleration that was observed is put
into b_v q'' + b_q q' + b_t = a. A path that was not observed is the integral of its velocity, from
where the search starts. Recordings too short for a smooth path are left out. Source of the weak
form: Messenger & Bortz, Multiscale Model. Simul. 19, 1474 (2021).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.interpolate
import scipy.optimize

from lagc.learn.least_squares import Setting
from lagc.learn.screening import screened
from lagc.learn.sensitivity import Observations
from lagc.learn.smoothing import SmoothingSplines
from lagc.learn.subsets import Subsets
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_WIDTHS = (12, 24, 48, 96)  # of windows, in rows
_FEWEST_ROWS = 8
_MOST_ROWS = 4096  # of a recording: enough to start from
_BUMP = 4  # phi = (1 - s^2)^4
_GAP = 3.5  # windows reach over no interval so much longer than usual
_SAME_TIME = 1e-4  # of the mean interval: rows that a spline cannot tell apart
_REWEIGHTED = 3
_RESIZED, _FAR = 10, 1e-3  # times at most, where sizes are wrong by more
_ENDS = 3
_ROUGHEST, _SMOOTHEST, _BISECTIONS = -6.0, 8.0, 20  # decades of smoothing, in cubed intervals


@dataclass(frozen=True, eq=False)
class _Path:
    """A smoothed recording: t: (m,); q, v: (m, dof); p, a: (m, dof) or None; inputs: name to (m,),
    and how fast they change."""

    t: np.ndarray
    q: np.ndarray
    v: np.ndarray
    p: np.ndarray | None
    a: np.ndarray | None
    inputs: dict[str, np.ndarray]
    input_slopes: dict[str, np.ndarray]


def regress(setting: Setting, start: np.ndarray) -> np.ndarray | None:
    """The unknowns (n,) with the free coefficients by regression and initial states from the
    smoothed paths, as far as there are any; None where there are none of them, or no path."""
    regression = _Regression.of(setting, start)
    found = None if regression is None else regression.solved()
    if regression is None or found is None:
        return None
    k = setting.coefficients
    states = setting.split(start)[1].copy()
    states[regression.used] = [(q[0], v[0]) for _, q, v, *_ in regression.recordings]
    initial = np.where(setting.free[k:], states.reshape(-1), start[k:])
    return np.concatenate([found.values, initial])


class Regressed(NamedTuple):
    """What the regression says of each subset, and the recordings that it rests on."""

    subsets: Subsets
    used: list[int]


def subsets(setting: Setting, start: np.ndarray, optional: tuple[int, ...]) -> Regressed | None:
    """What the regression says of each subset of the coefficients of these indices, to first order
    where the model is not linear in them; None where `regress` gives None."""
    regression = _Regression.of(setting, start)
    found = None if regression is None else regression.solved()
    if regression is None or found is None:
        return None
    values = found.values / setting.sizes[: setting.coefficients]
    sizes = setting.sizes[regression.free]
    matrix = np.zeros((found.residual.size, values.size))
    matrix[:, regression.free] = found.matrix / found.sizes * sizes
    always = np.setdiff1d(regression.free, optional)
    found_subsets = Subsets.of(found.residual, matrix, values, optional, always, least=0.0)
    return Regressed(found_subsets, regression.used)


def _smoothed(data: Observations, index: int, spec: ModelSpec, state: np.ndarray) -> _Path | None:
    """One recording as smooth functions at its times, or None for one too short; state: (2, dof),
    where it starts as far as that was not observed."""
    seen = data.seen[index].any(axis=(1, 2))
    rows = min(int(np.flatnonzero(seen)[-1]) + 1, _MOST_ROWS) if seen.any() else 0
    t = data.times[index, :rows]
    if rows < _FEWEST_ROWS:
        return None
    q, v, p, a = (np.full((rows, spec.dof), np.nan) for _ in range(4))
    for d, period in enumerate(spec.moduli):
        observed = [data.values[index, :rows, kind, d] for kind in range(data.kinds)]
        position = _spline(t, observed[0], period)
        velocity, momentum, *rest = (_spline(t, values, None) for values in observed[1:])
        acceleration = rest[0] if rest else None
        if position is None and velocity is None:
            velocity = _integrated(acceleration, t[0], state[1, d])
        if position is None:
            position = _integrated(velocity, t[0], state[0, d])
        if position is None:
            return None
        q[:, d] = position(t)
        v[:, d] = position.derivative()(t) if velocity is None else velocity(t)
        if momentum is not None:
            p[:, d] = momentum(t)
        if acceleration is not None:
            a[:, d] = acceleration(t)
    inputs = {name: values[index, :rows] for name, values in data.inputs.items()}
    slopes = {name: np.gradient(values, t) for name, values in inputs.items()}
    momenta, accelerations = (x if np.isfinite(x).all() else None for x in (p, a))
    return _Path(t, q, v, momenta, accelerations, inputs, slopes)


def _integrated(slope: Any, first: float, value: float) -> Any:
    """The integral of a spline that has a value at a first time, None for None."""
    if slope is None:
        return None
    integral = slope.antiderivative()
    shift = value - float(integral(first))
    # The elements of a B-spline basis add up to one.
    return type(integral)(integral.t, integral.c + shift, integral.k)


def _spline(t: np.ndarray, values: np.ndarray, period: float | None) -> Any:
    known = np.flatnonzero(np.isfinite(values))
    if known.size < _FEWEST_ROWS:
        return None
    x, y = t[known], values[known]
    if period is not None:
        y = np.unwrap(y, period=period)
    x, y = _merged(x, y)
    if x.size < _FEWEST_ROWS:
        return None
    wanted = noise_of(x, y)
    smoothing = SmoothingSplines(x, y)
    low, high = _ROUGHEST, _SMOOTHEST
    if smoothing.residual(low) >= wanted:
        return scipy.interpolate.make_interp_spline(x, y, k=5)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if smoothing.residual(middle) < wanted else (low, middle)
    return scipy.interpolate.make_interp_spline(x, smoothing.values(low), k=3, bc_type="natural")


def _merged(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (m,) with the mean in place of those that are almost at one time: the second
    derivatives of splines through them are differences over nothing."""
    apart = np.diff(x) > _SAME_TIME * (x[-1] - x[0]) / (x.size - 1)
    if apart.all():
        return x, y
    group = np.concatenate([[0], np.cumsum(apart)])
    count = np.bincount(group)
    first = x[np.concatenate([[True], apart])]
    return first + np.bincount(group, x - first[group]) / count, np.bincount(group, y) / count


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


Arrays = tuple[Any, ...]  # t, q, v, p, a, inputs and their slopes, and weights of phi' and phi


def _equations(system: System, coefficients: jax.Array, arrays: Arrays) -> list[jax.Array]:
    """Groups of equations of one recording, one for each component and kind: (equations,) each."""
    t, q, v, p, acceleration, inputs, input_slopes, slopes, bumps = arrays
    values = {c.name: coefficients[i] for i, c in enumerate(system.spec.coefficients)}
    kernels = system.kernels
    a, b = kernels.forces(q.T, v.T, t, values, inputs, {})
    carried = b if p is None else p.T
    motion = [slopes @ carried[d] + bumps @ a[d] for d in range(len(a))]
    # Slopes of a smoothed path are poor at its ends.
    inner = slice(_ENDS, -_ENDS)
    nothing = [a[0][:0]] * len(a)  # recordings with other channels have the same groups
    motion += nothing if p is None else list((b - carried)[:, inner])
    if acceleration is None:
        motion += nothing
    else:
        along = (v.T, acceleration.T, jax.numpy.ones_like(t), input_slopes)
        _, rate = jax.jvp(
            lambda q, v, t, u: kernels.momentum(q, v, t, values, u, {}),
            (q.T, v.T, t, inputs),
            along,
        )
        motion += list((rate - a)[:, inner])
    return motion


_residuals = jax.jit(_equations, static_argnums=0)
_slopes = jax.jit(jax.jacfwd(_equations, argnums=1), static_argnums=0)


class _Found(NamedTuple):
    """All coefficients (k,), the residuals (equations,) in units of their size, their derivatives
    by the free coefficients in units of theirs (equations, free), and these units (free,)."""

    values: np.ndarray
    residual: np.ndarray
    matrix: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True, eq=False)
class _Regression:
    """The equations of the recordings `used`; `scales` of the groups say what their residuals
    weigh; sizes: (free,), the units of the coefficients."""

    setting: Setting
    used: list[int]
    recordings: list[Arrays]
    free: np.ndarray
    start: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, setting: Setting, start: np.ndarray) -> _Regression | None:
        """None where there is nothing to regress, or no smooth path to do it on."""
        data, spec, k = setting.observations, setting.system.spec, setting.coefficients
        if setting.loss.robust:
            data = screened(data, spec)
        _, states = setting.split(start)
        free = np.flatnonzero(setting.free[:k])
        if spec.lattice is not None or free.size == 0:
            return None
        used: list[int] = []
        recordings: list[Arrays] = []
        for index in range(len(data.times)):
            path = _smoothed(data, index, spec, states[index])
            if path is None:
                continue
            observed = (path.t, path.q, path.v, path.p, path.a, path.inputs, path.input_slopes)
            used.append(index)
            recordings.append((*observed, *_windows(path.t)))
        own = start[:k], setting.sizes[free]
        return cls(setting, used, recordings, free, *own) if used else None

    def full(self, u: np.ndarray) -> np.ndarray:
        """All coefficients (k,) from the free ones in units of their sizes."""
        values = self.start.copy()
        values[self.free] = u * self.sizes
        return values

    def residuals(self, u: np.ndarray) -> list[np.ndarray]:
        """By group: (equations,)."""
        values = self.full(u)
        of_each = [_residuals(self.setting.system, values, r) for r in self.recordings]
        return [np.concatenate(parts) for parts in zip(*of_each, strict=True)]

    def slopes(self, u: np.ndarray) -> list[np.ndarray]:
        """Their derivatives: (equations, free)."""
        values, sizes = self.full(u), self.sizes
        of_each = [_slopes(self.setting.system, values, r) for r in self.recordings]
        return [np.concatenate(parts)[:, self.free] * sizes for parts in zip(*of_each, strict=True)]

    def solved(self) -> _Found | None:
        """The values in the sense of least squares, or None where there are none.

        Values that turn out far from their sizes are looked for again, in units of their own:
        searches end when nothing changes that is large in the units they began with.
        """
        regression, found = self, self._solved()
        for _ in range(_RESIZED):
            nearer = None if found is None else regression._resized(found)
            if nearer is None:
                break
            regression, found = nearer, nearer._solved()
        return found

    def _resized(self, found: _Found) -> _Regression | None:
        """From what was found, in units that belong to it; None where it is so already."""
        lengths = np.linalg.norm(found.matrix, axis=0) / self.sizes
        # Of a value that is about zero, what the residuals leave open.
        level = float(np.sqrt(np.mean(found.residual**2)))
        open_to = level / np.where(lengths > 0, lengths, np.inf)
        sizes = np.maximum(np.abs(found.values[self.free]), open_to)
        far = (sizes > 0) & ((sizes < _FAR * self.sizes) | (self.sizes < _FAR * sizes))
        if not far.any():
            return None
        return replace(self, start=found.values, sizes=np.where(far, sizes, self.sizes))

    def _solved(self) -> _Found | None:
        """From the start, in units of the sizes.

        Equations of a kind weigh as much as their residuals turn out small.
        """
        free, setting, sizes = self.free, self.setting, self.sizes
        bounds = setting.lower[free] / sizes, setting.upper[free] / sizes
        u = np.clip(self.start[free] / sizes, *bounds)
        scales = [float(np.abs(j).max(initial=0.0)) or 1.0 for j in self.slopes(u)]
        for _ in range(_REWEIGHTED):
            value = partial(self._weighed, self.residuals, scales)
            slope = partial(self._weighed, self.slopes, scales)
            if not (np.isfinite(value(u)).all() and np.isfinite(slope(u)).all()):
                return None
            found = scipy.optimize.least_squares(
                value, u, slope, bounds=bounds, x_scale="jac", max_nfev=100
            )
            u = found.x
            scales = [
                max(float(np.sqrt(np.sum(group**2) / max(1, group.size))), 1e-12 * scale)
                for group, scale in zip(self.residuals(u), scales, strict=True)
            ]
        matrix = self._weighed(self.slopes, scales, u)
        residual = self._weighed(self.residuals, scales, u)
        return _Found(self.full(u), residual, matrix, sizes)

    @staticmethod
    def _weighed(
        function: Callable[[np.ndarray], list[np.ndarray]], scales: list[float], u: np.ndarray
    ) -> np.ndarray:
        parts = zip(function(u), scales, strict=True)
        return np.concatenate([group / scale for group, scale in parts])
