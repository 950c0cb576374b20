"""How good predicted coefficients are, beside what knowing nothing about a member would give."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from lagc.learn.family import Family, Members, simulate
from lagc.learn.train_options import CoefficientError, TrajectoryError


def coefficient_errors(
    family: Family, predicted: np.ndarray, true: np.ndarray, mean: np.ndarray
) -> dict[str, CoefficientError]:
    """By coefficient: predicted and true (n, k), and the mean of the family (k,) as baseline."""
    result = {}
    for k, c in enumerate(family.drawn):
        baseline = np.full(len(true), mean[k])
        pairs = [_relative_and_rmse(x, true[:, k]) for x in (predicted[:, k], baseline)]
        result[c.name] = CoefficientError(*pairs[0], *pairs[1])
    return result


def _relative_and_rmse(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    error, nonzero = predicted - true, true != 0
    relative = np.abs(error[nonzero] / true[nonzero])
    median = float(np.median(relative)) if relative.size else float("nan")
    return median, float(np.sqrt(np.mean(error**2)))


def trajectory_errors(
    family: Family, predicted: np.ndarray, members: Members, mean: Members
) -> tuple[dict[str, TrajectoryError], int]:
    """By `q` and `p`: simulations with predicted coefficients (n, k) against the members' own.

    mean: one trajectory, the baseline. Also returns how many simulations were not finite.
    """
    second = members.v if family.p0 is None else members.p
    states = members.q[:, 0], second[:, 0]
    again = simulate(family, jnp.asarray(predicted), states)
    finite = np.asarray(again.finite)
    if not finite.any():
        return {}, len(finite)
    result = {}
    for name in ("q", "p"):
        true = np.asarray(getattr(members, name))
        close = _rms_over_time(np.asarray(getattr(again, name)) - true)[finite]
        far = _rms_over_time(np.asarray(getattr(mean, name)) - true)
        result[name] = TrajectoryError(*_summary(close), *_summary(far))
    return result, int((~finite).sum())


def _rms_over_time(difference: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.mean(difference**2, axis=(1, 2))))


def _summary(rms: np.ndarray) -> tuple[float, float, float]:
    pooled = np.sqrt(np.mean(rms**2))
    return float(pooled), float(np.median(rms)), float(np.percentile(rms, 95))
