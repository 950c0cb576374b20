"""Standard errors and 95 % intervals of the unknowns of a fit, from its sensitivities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.stats

from lagc.learn.fit_result import Estimate
from lagc.learn.least_squares import Setting
from lagc.learn.noise import Noise
from lagc.learn.refine import Refined, step_change

_ROUND_OFF = 1e-12
_COMPUTED = 1e-9  # residuals below this part of the spread are those of a computed record
_FLATTEST = 0.05  # mean slope of psi below which its sample says nothing


def estimate(refined: Refined, held: Mapping[int, str], follows: bool) -> list[Estimate]:
    """All unknowns, with errors from the sensitivities J: covariance (J^T J)^-1, whitened.

    Where noise does not dominate, two systematic errors do: the shift that halving the steps would
    cause, J^+ (change of the predictions), and the round-off of a simulation. Where the fit does
    not follow the data there are no errors to speak of. `held`: why, by index.
    """
    setting, x = refined.setting, refined.x
    if not follows:
        return [Estimate(float(v), None, None, False, held.get(i, "")) for i, v in enumerate(x)]
    stds, wide = _errors(refined)
    result = []
    for i, value in enumerate(x.tolist()):
        if np.isnan(stds[i]):
            result.append(Estimate(value, None, None, False, held.get(i, "")))
            continue
        half = wide[i] * stds[i]
        low, high = max(value - half, setting.lower[i]), min(value + half, setting.upper[i])
        result.append(Estimate(value, float(stds[i]), (float(low), float(high)), True))
    return result


@dataclass(frozen=True, eq=False)
class Influence:
    """How the free unknowns, in relative coordinates, answer to the observations: (free, count).

    of_shifts: to a shift of the predictions, in standard deviations; of_noise: to noise of one
    standard deviation, so that its rows say how large the errors are, and how they go together.
    For an M-estimate with psi = rho'(z) r these are A^-1 J^T <psi'> and A^-1 J^T <psi^2>^(1/2),
    with A = J^T <psi'> J and the means over the observations of a level, corrected for the number
    of unknowns as in Huber, Robust Statistics (1981), section 7.6; for squares both are
    J^+. weights: (count,), <psi'> / <psi^2>^(1/2), what an observation counts for as a part of a
    normal one.
    """

    of_shifts: np.ndarray
    of_noise: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, refined: Refined) -> Influence:
        """At the end of a fit."""
        setting = refined.setting.rescaled(refined.x)
        whitened, matrix = setting.whitened_and_sensitivity(refined.x)
        slope, size = _means(setting, refined.noise, whitened)
        weight = np.sqrt(slope)
        weighted = matrix[:, setting.free] * weight[:, None]
        # Of columns of one length, whatever the sizes of the unknowns.
        lengths = np.linalg.norm(weighted, axis=0)
        lengths[lengths == 0] = 1.0
        left, singular, rows = np.linalg.svd(weighted / lengths, full_matrices=False)
        inverse = (rows.T / np.maximum(singular, np.finfo(float).tiny)) @ left.T
        inverse /= lengths[:, None]
        return cls(inverse * weight, inverse * (size / weight), slope / size)


def _means(setting: Setting, noise: Noise, whitened: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean slope of psi and the root mean square of psi, of the level of each observation:
    (count,) each; one for squares, where the level is chosen to make it so."""
    slope, size = np.ones(whitened.size), np.ones(whitened.size)
    if not setting.loss.robust:
        return slope, size
    source = np.broadcast_to(noise.source, setting.seen.shape)[setting.seen]
    unknowns = int(setting.free.sum())
    for which in np.unique(source):
        own = source == which
        count = int(own.sum())
        degrees = min(noise.degrees[which], count * (1 - unknowns / whitened.size))
        degrees = max(degrees, 1.0)
        slopes = setting.loss.slope(whitened[own])
        mean = max(float(np.mean(slopes)), _FLATTEST)
        correction = 1 + (count - degrees) / count * float(np.var(slopes)) / mean**2
        slope[own] = mean / correction
        size[own] = np.sqrt(np.sum(setting.loss.psi(whitened[own]) ** 2) / degrees)
    return slope, size


def _errors(refined: Refined) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors (n,), NaN where held, and the factors (n,) that make 95 % of them.

    Each noise level is known as well as its degrees of freedom say; those of a combination follow
    from its parts (Satterthwaite, Biometrics Bull. 2, 110, 1946).
    """
    setting = refined.setting.rescaled(refined.x)
    influence = Influence.of(refined)
    noise = np.linalg.norm(influence.of_noise, axis=1)
    change = (_steps_of_both_sides(refined) / setting.deviations)[setting.seen]
    relative = np.hypot(noise, np.abs(influence.of_shifts @ change))
    stds = np.full(refined.x.size, np.nan)
    stds[setting.free] = np.hypot(relative, _ROUND_OFF) * setting.sizes[setting.free]

    total = setting.count - int(setting.free.sum())
    least = 0.0 if np.isinf(refined.noise.degrees).any() else 1 / total
    source = np.broadcast_to(refined.noise.source, setting.seen.shape)[setting.seen]
    spread = np.zeros(noise.size)
    for which, degrees in enumerate(refined.noise.degrees):
        own = influence.of_noise[:, source == which]
        part = np.linalg.norm(own, axis=1) / np.maximum(noise, 1e-300)
        spread += part**4 / degrees
    wide = np.full(refined.x.size, np.nan)
    freedom = 1 / np.maximum(spread, max(least, 1e-12))
    wide[setting.free] = scipy.stats.t.ppf(0.975, np.maximum(freedom, 1.0))
    return stds, wide


def _steps_of_both_sides(refined: Refined) -> np.ndarray:
    """The error of the integrator in the predictions, and in the data where they were computed.

    A record without noise comes from a program, whose steps may have been as long as its rows.
    """
    setting, x = refined.setting, refined.x
    change = step_change(setting, x)
    if setting.substeps > 1 and refined.noise.largest_part < _COMPUTED:
        rows = step_change(setting, x, coarse=1)
        change = np.where(np.isfinite(rows), rows, change)
    return change
