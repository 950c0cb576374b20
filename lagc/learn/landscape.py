"""The sum of squares around a fitted solution, over two coefficients or two principal directions.

The grid is one batch through the integrator: chi^2(a, b) is the weighted sum of squares with
everything else held at the solution. Beside it stand two ellipses of the linearised problem, both
for 95 %: that of the section itself, where chi^2 exceeds its minimum by the quantile of its law
with two degrees of freedom, and the larger one with all other unknowns free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.learn.batch import Lanes, Layout, batch_of, residuals
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.fit_result import FitResult
from lagc.learn.least_squares import Setting
from lagc.learn.noise import Noise, estimate_noise
from lagc.learn.problem import Problem
from lagc.learn.progress import Callback, Progress, silent
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

QUANTILE = float(scipy.stats.chi2.ppf(0.95, 2))
_REACH = 6.0  # standard errors to each side
_PORTION = 1024
_ROUNDS = 3
_LARGEST = 1001


@dataclass(frozen=True, eq=False)
class Axis:
    """One direction of a landscape: its label, the change (k,) of all coefficients for one unit of
    it, and the values (points,) it is seen at, the solution at `centre`."""

    label: str
    direction: np.ndarray
    values: np.ndarray
    centre: float


@dataclass(frozen=True, eq=False)
class Landscape:
    """chi2: (points of the first axis, points of the second), NaN outside the bounds of a
    coefficient, infinite where the trajectory is lost; minimum: at the solution; section: (2, 2),
    half the second derivatives of chi2 in the two axes as linearised; covariance: (2, 2), of the
    two axes with all other unknowns free."""

    fit: FitResult
    axes: tuple[Axis, Axis]
    chi2: np.ndarray
    minimum: float
    section: np.ndarray
    covariance: np.ndarray

    def ellipse(self, *, others_free: bool, points: int = 181) -> np.ndarray:
        """The linearised 95 % region, its border (points, 2) in the axes: of the section, or with
        all other unknowns free."""
        shape = self.covariance if others_free else np.linalg.inv(self.section)
        angle = np.linspace(0, 2 * np.pi, points)
        circle = np.stack([np.cos(angle), np.sin(angle)])
        border = np.sqrt(QUANTILE) * np.linalg.cholesky(shape) @ circle
        return np.asarray(border.T + [axis.centre for axis in self.axes])

    def columns(self) -> dict[str, np.ndarray]:
        """The grid as columns: the values of both axes, and chi2."""
        first, second = np.meshgrid(*(axis.values for axis in self.axes), indexing="ij")
        labels = [axis.label for axis in self.axes]
        return {labels[0]: first.ravel(), labels[1]: second.ravel(), "chi2": self.chi2.ravel()}


def landscape(
    system: System,
    recordings: Sequence[Recording],
    *,
    coefficients: tuple[str, str] | None = None,
    points: int = 61,
    extent: float | None = None,
    fixed: Mapping[str, float] | None = None,
    guess: Mapping[str, float] | None = None,
    r: int = 2,
    progress: Callback = silent,
) -> Landscape:
    """Fit, and evaluate chi^2 on a grid of points x points around the solution.

    coefficients: the two to vary, or None for principal directions: those of the normal matrix of
    the free coefficients relative to their values, the best and the worst determined; points: odd,
    so that the solution is one of them; extent: how far to each side, as a part of the values,
    or None for six standard errors. fixed, guess and r are as for `fit`; noise
    is as the residuals or the recordings say. Raises what `fit` raises, LAG610 where there are no
    two coefficients to vary, accelerations were observed, or the fit does not follow the data.
    """
    if points < 3 or points % 2 == 0 or points > _LARGEST:
        raise _refuse(f"points = {points}: an odd number from 3 to {_LARGEST} is needed")
    if extent is not None and not 0 < extent < np.inf:
        raise _refuse(f"extent = {extent:g} is not positive")
    if any(recording.a is not None for recording in recordings):
        raise _refuse("the sum of squares of accelerations is not drawn: leave their columns out")
    _check_names(system.spec, coefficients, fixed or {})
    progress(Progress("landscape", 0, 2, "fit"))
    result = fit(system, recordings, fixed=fixed, guess=guess, r=r)
    if not result.converged:
        raise _refuse(
            "the fit did not converge, so that there is no solution to look around",
            "`lagc fit` says why, in its notes",
        )
    setting, x = _at(system, recordings, result, r)
    free = [n for n, e in result.coefficients.items() if e.identifiable]
    chosen = _chosen(result, free, coefficients)
    axes, section, covariance = _axes(setting, x, chosen, coefficients is None, points, extent)
    progress(Progress("landscape", 1, 2, f"{points} x {points} points"))
    chi2 = _evaluated(setting, x, axes)
    minimum = float(chi2[points // 2, points // 2])
    progress(Progress("landscape", 2, 2, "done"))
    return Landscape(result, axes, chi2, minimum, section, covariance)


def _check_names(
    spec: ModelSpec, coefficients: tuple[str, str] | None, fixed: Mapping[str, float]
) -> None:
    """Refuse, before anything is fitted, coefficients that cannot be varied whatever the data."""
    names = [c.name for c in spec.coefficients]
    for name in coefficients or ():
        if name not in names:
            hint = did_you_mean(name, names) or f"the model has {', '.join(names) or 'none'}"
            raise fail(Code.LAG503, f"`{name}` is not a coefficient of `{spec.name}`", help=hint)
        if name in fixed:
            raise _refuse(f"`{name}` is held", "vary another one, or leave it free")
    if coefficients is not None and coefficients[0] == coefficients[1]:
        raise _refuse("two different coefficients are needed")
    free = [name for name in names if name not in fixed]
    if len(free) < 2:
        raise _refuse(f"the fit has {len(free)} free coefficients; two are needed")


def _chosen(result: FitResult, free: list[str], coefficients: tuple[str, str] | None) -> list[str]:
    """The coefficients that take part, in the order of the model or as asked for."""
    if coefficients is None:
        if len(free) < 2:
            raise _refuse(
                f"the data determine {len(free)} of the coefficients; two are needed",
                "`lagc fit` says what they cannot decide",
            )
        return free
    for name in coefficients:
        if name not in free:
            raise _refuse(
                f"`{name}` is not determined by the data", "`lagc fit` says what they cannot decide"
            )
    return list(coefficients)


def _at(
    system: System, recordings: Sequence[Recording], result: FitResult, r: int
) -> tuple[Setting, np.ndarray]:
    """The setting of a fit at its solution, with its noise levels, and the unknowns."""
    held = {name: result.coefficients[name].value for name in result.fixed}
    guess = {n: v for n, v in result.values.items() if n not in held}
    problem = Problem.of(system, recordings, held, guess, r)
    labels = (*system.spec.labels, *system.spec.velocity_labels)
    states = [s.values[label].value for s in result.initial_states for label in labels]
    x = np.concatenate([list(result.values.values()), states])
    known = [e.std is not None for e in result.coefficients.values()]
    known += [s.values[n].std is not None for s in result.initial_states for n in labels]
    setting = replace(problem.setting, substeps=result.substeps, free=np.array(known))
    noise = Noise.unknown(setting)
    for _ in range(_ROUNDS):
        noise = estimate_noise(setting, x, problem.channels, noise.pooled)
        setting = replace(setting, sigma=noise.sigma)
    return setting, x


def _axes(
    setting: Setting,
    x: np.ndarray,
    chosen: list[str],
    principal: bool,
    points: int,
    extent: float | None,
) -> tuple[tuple[Axis, Axis], np.ndarray, np.ndarray]:
    """The axes, the normal matrix of the section and the covariance in them."""
    names, k = [c.name for c in setting.system.spec.coefficients], setting.coefficients
    setting = setting.rescaled(x)
    _, matrix = setting.whitened_and_sensitivity(x)
    free = np.flatnonzero(setting.free)
    inverse = np.linalg.pinv(matrix[:, free])
    index = np.array([names.index(name) for name in chosen])
    own = inverse[np.searchsorted(free, index)]
    covariance = own @ own.T  # of the chosen coefficients, relative, all others free
    combine = np.eye(len(chosen))[:2]
    labels, centres = list(chosen[:2]), x[index[:2]]
    if principal:
        _, vectors = np.linalg.eigh(covariance)
        combine = vectors.T[[0, -1]]
        combine *= np.sign(combine[np.arange(2), np.abs(combine).argmax(axis=1)])[:, None]
        labels, centres = [_combination(row, chosen) for row in combine], np.zeros(2)
    directions = np.zeros((2, k))
    directions[:, index] = combine * setting.sizes[index]
    # Coefficients are their own units; principal directions are relative changes.
    units = np.ones(2) if principal else setting.sizes[index[:2]]
    directions /= units[:, None]
    covariance = combine @ covariance @ combine.T * np.outer(units, units)
    columns = matrix[:, :k] / setting.sizes[:k] @ directions.T
    reach = _REACH * np.sqrt(np.diag(covariance)) if extent is None else extent * units
    steps = np.linspace(-1, 1, points)
    axes = [
        Axis(labels[i], directions[i], centres[i] + reach[i] * steps, float(centres[i]))
        for i in range(2)
    ]
    return (axes[0], axes[1]), columns.T @ columns, covariance


def _combination(row: np.ndarray, names: list[str]) -> str:
    """A principal direction in words: relative changes of coefficients."""
    parts = [f"{x:+.2g} {name}" for x, name in zip(row, names, strict=True) if abs(x) > 5e-3]
    return " ".join(parts).removeprefix("+")


def _evaluated(setting: Setting, x: np.ndarray, axes: tuple[Axis, Axis]) -> np.ndarray:
    """chi^2 at all points of the grid."""
    system, spec = setting.system, setting.system.spec
    values, states = setting.split(x)
    offsets = [np.outer(a.values - a.centre, a.direction) for a in axes]
    grid = values + offsets[0][:, None] + offsets[1][None]
    flat = grid.reshape(-1, len(values))
    inside = np.ones(len(flat), bool)
    for i, c in enumerate(spec.coefficients):
        if c.lower is not None:
            inside &= (flat[:, i] > c.lower) if c.lower_open else (flat[:, i] >= c.lower)
        if c.upper is not None:
            inside &= (flat[:, i] < c.upper) if c.upper_open else (flat[:, i] <= c.upper)
    batch = batch_of(spec, setting.observations, states)
    names = [c.name for c in spec.coefficients]
    layout = Layout.of(
        spec, batch, names, r=setting.r, substeps=setting.substeps, states_free=False
    )
    sigma = np.stack([setting.deviations[:, :, *place] for place in layout.components], axis=-1)
    result = np.full(len(flat), np.nan)
    index = np.flatnonzero(inside)
    size = min(_PORTION, len(flat))
    total = np.zeros(len(index))
    for recording in range(len(batch)):
        one = batch.some(np.array([recording]))
        weights = 1 / sigma[[recording]]
        lanes = Lanes.of(one, setting.substeps, weights, {}).some(np.zeros(size, int))
        for first in range(0, len(index), size):
            part = np.resize(flat[index[first : first + size]], (size, len(values)))
            sums = _summed(system, layout, part, lanes)
            total[first : first + size] += sums[: len(index) - first]
    result[index] = total
    return result.reshape(grid.shape[:2])


def _summed(system: System, layout: Layout, x: np.ndarray, lanes: Lanes) -> np.ndarray:
    """Sums of squares (n,), infinite where a trajectory is lost."""
    sums, solved = _sums(system, layout, x, lanes)
    if not bool(solved):
        sums, _ = _sums(system, replace(layout, whole=True), x, lanes)
    return np.where(np.isfinite(sums), sums, np.inf)


@partial(jax.jit, static_argnums=(0, 1))
def _sums(
    system: System, layout: Layout, x: jax.Array, lanes: Lanes
) -> tuple[jax.Array, jax.Array]:
    values, solved = residuals(system, layout, x, lanes)
    return jnp.sum(values**2, axis=1), solved


def _refuse(message: str, help: str = "") -> LagcError:
    return fail(Code.LAG610, message, help=help)
