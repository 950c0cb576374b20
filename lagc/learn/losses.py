"""Losses that decide how much a residual far from all others counts.

A loss is rho(z) of z = (residual / sigma)^2; half of its sum is what a search makes smallest, its
derivative rho' is the weight of the observation in the least squares that are solved again and
again. The constants make the estimates 95 % as efficient as least squares where the noise is
normal (Holland & Welsch, Commun. Stat. A 6, 813, 1977). Huber, Ann. Math. Stat. 35, 73 (1964);
Beaton & Tukey, Technometrics 16, 147 (1974).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.stats

from lagc.base.codes import Code
from lagc.base.diagnostics import did_you_mean, fail

_NORMAL = float(scipy.stats.norm.ppf(0.75))  # the median of |x| for a standard normal x
_FALSE_ALARMS = 0.01  # outliers expected among all observations of a channel if all are normal


@dataclass(frozen=True)
class Loss:
    """name; tuning constant, in standard deviations; rho, rho' and rho'' of z: (m,) -> (3, m)."""

    name: str
    tuning: float
    derivatives: Callable[[np.ndarray], np.ndarray]

    @property
    def robust(self) -> bool:
        """Whether large residuals count less than their squares."""
        return self.name != "squares"

    def psi(self, residual: np.ndarray) -> np.ndarray:
        """Half the derivative of the loss by the residual, in standard deviations: (m,)."""
        return np.asarray(residual * self.derivatives(residual**2)[1])

    def slope(self, residual: np.ndarray) -> np.ndarray:
        """The derivative of `psi`: (m,)."""
        _, first, second = self.derivatives(residual**2)
        return np.asarray(first + 2 * residual**2 * second)

    def size(self, residual: np.ndarray) -> float:
        """The standard deviation of residuals around zero: their root mean square, or for a loss
        that large ones must not decide the median of their sizes as a part of a normal one's."""
        if residual.size == 0:
            return 0.0
        if not self.robust:
            return float(np.sqrt(np.mean(residual**2)))
        return float(np.median(np.abs(residual))) / _NORMAL

    def spread(self, values: np.ndarray) -> float:
        """How far values reach, gross errors left out where the loss is robust."""
        if self.robust and values.size:
            values = np.clip(values, *np.quantile(values, (0.1, 0.9)))
        return float(np.std(values))


def _squares(z: np.ndarray) -> np.ndarray:
    return np.stack([z, np.ones_like(z), np.zeros_like(z)])


def _huber(z: np.ndarray, k: float = 1.345) -> np.ndarray:
    inside = z <= k**2
    root = np.sqrt(np.where(inside, 1.0, z))
    return np.stack(
        [
            np.where(inside, z, 2 * k * root - k**2),
            np.where(inside, 1.0, k / root),
            np.where(inside, 0.0, -k / (2 * root**3)),
        ]
    )


def _cauchy(z: np.ndarray, k: float = 2.385) -> np.ndarray:
    near = 1 / (1 + z / k**2)
    return np.stack([k**2 * np.log1p(z / k**2), near, -(near**2) / k**2])


def _tukey(z: np.ndarray, k: float = 4.685) -> np.ndarray:
    left = np.clip(1 - z / k**2, 0.0, None)
    return np.stack([k**2 / 3 * (1 - left**3), left**2, -2 * left / k**2])


SQUARES = Loss("squares", np.inf, _squares)
LOSSES = {
    loss.name: loss
    for loss in (
        SQUARES,
        Loss("huber", 1.345, _huber),
        Loss("cauchy", 2.385, _cauchy),
        Loss("tukey", 4.685, _tukey),
    )
}


def loss_named(name: str) -> Loss:
    """The loss of a name; LAG617 for a name that is none."""
    if name not in LOSSES:
        hint = did_you_mean(name, LOSSES) or f"losses are {', '.join(LOSSES)}"
        raise fail(Code.LAG617, f"`{name}` is not a loss", help=hint)
    return LOSSES[name]


def outlying(count: int) -> float:
    """How many standard deviations make an outlier among `count` normal observations: so many that
    less than one in a hundred such sets has any."""
    return float(scipy.stats.norm.isf(_FALSE_ALARMS / (2 * max(count, 1))))
