"""Weighted nonlinear least squares for the unknowns of a fit, over a horizon of the first rows.

Unknowns are one vector: the coefficients in the order of the model, then position and velocity of
each recording at its first time. Residuals are (predicted - observed)/sigma, angles modulo their
period. The search is the trust-region reflective method of Branch, Coleman & Li (SIAM J. Sci.
Comput. 21, 1, 1999) in SciPy, with exact derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize

from lagc.learn.losses import SQUARES, Loss
from lagc.learn.sensitivity import Observations, Predictor, predictor
from lagc.runtime.system import System

_RIDGE = 1e-3  # pull to the start, in relative coordinates, while the horizon is still short
_SHORTEST_COMPILED = 256
_FLOOR = 1e-2  # part of the first size of a coefficient


@dataclass(frozen=True, eq=False)
class Setting:
    """What a search holds constant.

    sizes (now, and at the start), lower, upper: (n,), of all unknowns; free: (n,) bool; sigma:
    (kinds, dof), noise levels; horizon: rows; relative: (R, m, kinds, dof), the noise of each
    observation as a part of its level, or None where it is the whole; loss: of a residual in
    standard deviations.
    """

    system: System
    observations: Observations
    r: int
    substeps: int
    first_sizes: np.ndarray
    sizes: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    free: np.ndarray
    sigma: np.ndarray
    horizon: int
    relative: np.ndarray | None = None
    loss: Loss = SQUARES

    @property
    def coefficients(self) -> int:
        """How many of the unknowns are coefficients."""
        return len(self.system.spec.coefficients)

    def split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (k,) and initial states (R, 2, dof) from the vector of unknowns."""
        k = self.coefficients
        recordings = len(self.observations.times)
        return x[:k], x[k:].reshape(recordings, 2, self.system.spec.dof)

    def predictor(self, substeps: int | None = None) -> Predictor:
        """Predictions to at least the horizon; few different lengths, each is compiled once."""
        rows = self.observations.rows
        while rows // 8 >= max(self.horizon, _SHORTEST_COMPILED):
            rows //= 8
        return predictor(self.system, self.observations, self.r, substeps or self.substeps, rows)

    @property
    def seen(self) -> np.ndarray:
        """Which observations count: (R, horizon, kinds, dof)."""
        return self.observations.seen[:, : self.horizon]

    @property
    def count(self) -> int:
        """How many observations count."""
        return int(self.seen.sum())

    @property
    def deviations(self) -> np.ndarray:
        """The standard deviation of each observation: (R, horizon, kinds, dof)."""
        if self.relative is None:
            return np.broadcast_to(self.sigma, self.seen.shape)
        return self.sigma * self.relative[:, : self.horizon]

    def differences(self, predicted: np.ndarray) -> np.ndarray:
        """Predicted minus observed, angles to the nearest period: (R, horizon, kinds, dof)."""
        values = self.observations.values[:, : self.horizon]
        result = predicted[:, : self.horizon] - values
        for d, period in enumerate(self.system.spec.moduli):
            if period is not None:
                angle = result[:, :, 0, d]
                result[:, :, 0, d] = angle - period * np.round(angle / period)
        return np.asarray(result)

    def whitened(self, x: np.ndarray) -> np.ndarray:
        """The residual vector over the horizon: (count,)."""
        differences = self.differences(self.predictor().values(*self.split(x)))
        return np.asarray((differences / self.deviations)[self.seen])

    def whitened_and_sensitivity(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`whitened`, and its derivative by relative changes of all unknowns: (count, n)."""
        predicted, derivative = self.predictor().values_and_derivatives(*self.split(x))
        deviations = self.deviations
        residual = (self.differences(predicted) / deviations)[self.seen]
        derivative = derivative[:, : self.horizon] / deviations[..., None]
        matrix = np.zeros((self.count, x.size))
        row, k = 0, self.coefficients
        own = derivative.shape[-1] - k
        for recording, seen in enumerate(self.seen):
            block = derivative[recording][seen]
            rows = slice(row, row + len(block))
            matrix[rows, :k] = block[:, :k]
            first = k + recording * own
            matrix[rows, first : first + own] = block[:, k:]
            row = rows.stop
        return residual, matrix * self.sizes

    def rescaled(self, x: np.ndarray) -> Setting:
        """Relative to the present values, with a floor, a part of the first size, for those that go
        to zero."""
        k = self.coefficients
        sizes = self.first_sizes.copy()
        sizes[:k] = np.maximum(np.abs(x[:k]), _FLOOR * sizes[:k])
        return replace(self, sizes=sizes)


@dataclass(frozen=True, eq=False)
class Search:
    """The end of a search: unknowns (n,), whether the tolerance was met, evaluations spent."""

    x: np.ndarray
    met: bool
    evaluations: int


class _Model:
    """Residual and Jacobian of the free unknowns for SciPy, evaluated together and remembered.

    SciPy weights them in place where the loss is robust, and so gets copies.
    """

    def __init__(self, setting: Setting, start: np.ndarray, ridge: float) -> None:
        self.setting, self.start, self.ridge = setting, start, ridge
        self.ridge_rows = np.flatnonzero(setting.free[: setting.coefficients])
        self.key: bytes | None = None
        self.evaluations = 0

    def full(self, u: np.ndarray) -> np.ndarray:
        x = self.start.copy()
        x[self.setting.free] = u * self.setting.sizes[self.setting.free]
        return x

    def _evaluate(self, u: np.ndarray) -> None:
        if self.key == u.tobytes():
            return
        setting = self.setting
        residual, matrix = setting.whitened_and_sensitivity(self.full(u))
        matrix = matrix[:, setting.free]
        if self.ridge:
            pull = np.zeros((self.ridge_rows.size, matrix.shape[1]))
            pull[:, : self.ridge_rows.size] = self.ridge * np.eye(self.ridge_rows.size)
            anchor = (self.start / setting.sizes)[setting.free]
            residual = np.concatenate([residual, pull @ (u - anchor)])
            matrix = np.concatenate([matrix, pull])
        self.key, self.residual, self.matrix = u.tobytes(), residual, matrix
        self.evaluations += 1

    def value(self, u: np.ndarray) -> np.ndarray:
        self._evaluate(u)
        return self.residual.copy()

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        self._evaluate(u)
        return self.matrix.copy()


def search(
    setting: Setting,
    x: np.ndarray,
    *,
    rough: bool,
    evaluations: int | None = None,
    tolerance: float | None = None,
) -> Search | None:
    """The least-squares minimum near x, or None where the start has no finite trajectory.

    A rough search, on the way to a longer horizon, is pulled a little to where it starts. With
    another loss each step solves least squares weighted by its derivatives at the residuals.
    """
    free, sizes = setting.free, setting.sizes
    model = _Model(setting, x, _RIDGE if rough else 0.0)
    lower, upper = (bound[free] / sizes[free] for bound in (setting.lower, setting.upper))
    start = np.clip(x[free] / sizes[free], lower, upper)
    if not (np.isfinite(model.value(start)).all() and np.isfinite(model.jacobian(start)).all()):
        return None
    tolerance = tolerance or (1e-4 if rough else 1e-11)
    try:
        # Far outliers of a loss that falls off hardly count: SciPy then divides by almost nothing.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            found = scipy.optimize.least_squares(
                model.value,
                start,
                model.jacobian,
                bounds=(lower, upper),
                method="trf",
                loss=setting.loss.derivatives if setting.loss.robust else "linear",
                x_scale=1.0,
                ftol=tolerance,
                xtol=tolerance,
                gtol=tolerance,
                max_nfev=evaluations or (60 if rough else 300),
            )
    except (ValueError, np.linalg.LinAlgError):
        # A Jacobian that is not finite at a point whose residuals are: no way on from there.
        return None
    return Search(model.full(found.x), bool(found.status > 0), model.evaluations)
