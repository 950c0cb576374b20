"""How good predictions are, beside what knowing nothing about a member would give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.coordinates import Coordinates
from lagc.learn.family import Family, Members, in_chunks, simulate
from lagc.learn.observing import Observed
from lagc.learn.reading import Prediction
from lagc.learn.train_options import CoefficientError, TrajectoryError


def coefficient_errors(
    family: Family,
    coordinates: Coordinates,
    predicted: Prediction,
    regression: np.ndarray | None,
    members: Members,
    calibration: Members,
) -> tuple[dict[str, CoefficientError], float]:
    """By coefficient not held, the mean of the calibration draw as baseline; and the part of
    members all of whose coefficients lie within their 95 % intervals."""
    targets = list(coordinates.targets)
    true, others = (
        np.asarray(coordinates.gauging.fix(m.coefficients))[:, targets]
        for m in (members, calibration)
    )
    values, low, high = (np.asarray(x) for x in (predicted.values, predicted.low, predicted.high))
    inside = (low <= true) & (true <= high)
    result = {}
    for k, index in enumerate(targets):
        own = true[:, k]
        median, percentile, rmse = _errors(values[:, k], own)
        baseline = _errors(np.full(len(own), others[:, k].mean()), own)
        alone = (None, None, None) if regression is None else _errors(regression[:, k], own)
        result[family.drawn[index].name] = CoefficientError(
            median,
            percentile,
            rmse,
            float(inside[:, k].mean()),
            float(np.median(predicted.std[:, k])),
            baseline[0],
            baseline[2],
            alone[0],
            alone[2],
        )
    return result, float(inside.all(axis=1).mean())


def _errors(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Median and 95th percentile of the relative error, and the root mean square of the error."""
    error, nonzero = predicted - true, true != 0
    relative = np.abs(error[nonzero] / true[nonzero])
    rmse = float(np.sqrt(np.mean(error**2)))
    if not relative.size:
        return float("nan"), float("nan"), rmse
    return float(np.median(relative)), float(np.percentile(relative, 95)), rmse


def trajectory_errors(
    family: Family,
    observed: Observed,
    predicted: np.ndarray,
    regression: np.ndarray | None,
    members: Members,
    mean: Members,
) -> tuple[dict[str, TrajectoryError], int]:
    """By `q` and `p` or `v`: simulations with predicted coefficients (n, k) against the members'
    own.

    mean: one trajectory, the baseline. Also returns how many simulations were not finite.
    """
    run = _again(family, observed, members)
    again = run(predicted)
    finite = again["finite"]
    if not finite.any():
        return {}, len(finite)
    alone = None if regression is None else run(regression)
    result = {}
    for name in ("q", observed[-1]):
        true = np.asarray(getattr(members, name))
        close = _rms_over_time(again[name] - true)[finite]
        far = _rms_over_time(np.asarray(getattr(mean, name)) - true)
        by_regression: tuple[float | None, ...] = (None, None, None)
        if alone is not None and alone["finite"].any():
            by_regression = _summary(_rms_over_time(alone[name] - true)[alone["finite"]])
        result[name] = TrajectoryError(*_summary(close), *_summary(far), *by_regression)
    return result, int((~finite).sum())


def _again(
    family: Family, observed: Observed, members: Members
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The members simulated with other coefficients (n, k) from where their observed channels
    begin: q, v, p and which are finite."""
    zeros = np.zeros(family.system.spec.dof)
    by_momentum = observed == "q,p"
    second = members.p if by_momentum else members.v
    started = replace(family, v0=None if by_momentum else zeros, p0=zeros if by_momentum else None)
    dt = members.dt if members.t.ndim == 2 else None

    @jax.jit
    def run(
        coefficients: jax.Array, q: jax.Array, other: jax.Array, dt: jax.Array | None
    ) -> dict[str, jax.Array]:
        again = simulate(started, coefficients, (q, other), dt)
        return {name: getattr(again, name) for name in ("q", "v", "p", "finite")}

    return lambda values: {
        name: np.asarray(x)
        for name, x in in_chunks(
            run, jnp.asarray(values), members.q[:, 0], second[:, 0], dt
        ).items()
    }


def _rms_over_time(difference: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.mean(difference**2, axis=(1, 2))))


def _summary(rms: np.ndarray) -> tuple[float, float, float]:
    pooled = np.sqrt(np.mean(rms**2))
    return float(pooled), float(np.median(rms)), float(np.percentile(rms, 95))
