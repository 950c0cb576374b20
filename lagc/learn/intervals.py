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
_MOST_NUMBERS = 10_000_000  # in the arrays for a correction that is small for so many
_LEAST_INFORMATION = 1.0  # on the logarithm of a variance: that of two degrees of freedom
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
    errors = Errors.of(refined)
    stds, wide = errors.stds, errors.wide
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


@dataclass(frozen=True, eq=False)
class Errors:
    """What makes the errors of a solution.

    sizes: (n,), of the unknowns; parts: (free, m), changes of the free ones over their sizes, by
    noise of one standard deviation in each observation, by the error of the steps and by errors of
    the weights, so that parts @ parts.T is their covariance; stds: (n,), standard errors, NaN
    where held; wide: (n,), the factors that make 95 % of them.
    """

    sizes: np.ndarray
    parts: np.ndarray
    stds: np.ndarray
    wide: np.ndarray

    @classmethod
    def of(cls, refined: Refined) -> Errors:
        """At the end of a fit.

        Each noise level is known as well as its degrees of freedom say; those of a combination
        follow from its parts (Satterthwaite, Biometrics Bull. 2, 110, 1946).
        """
        setting = refined.setting.rescaled(refined.x)
        influence = Influence.of(refined)
        noise = np.linalg.norm(influence.of_noise, axis=1)
        change = (_steps_of_both_sides(refined) / setting.deviations)[setting.seen]
        shift = influence.of_shifts @ change
        source = np.broadcast_to(refined.noise.source, setting.seen.shape)[setting.seen]
        weights = added_by_weights(influence.of_noise, source, refined.noise)
        parts = np.column_stack([influence.of_noise, shift, weights])
        relative = np.linalg.norm(parts, axis=1)
        stds = np.full(refined.x.size, np.nan)
        stds[setting.free] = np.hypot(relative, _ROUND_OFF) * setting.sizes[setting.free]

        total = max(1, setting.count - int(setting.free.sum()))
        least = 0.0 if np.isinf(refined.noise.degrees).any() else 1 / total
        spread = np.zeros(noise.size)
        for which, degrees in enumerate(refined.noise.degrees):
            own = influence.of_noise[:, source == which]
            part = np.linalg.norm(own, axis=1) / np.maximum(noise, 1e-300)
            spread += part**4 / degrees
        wide = np.full(refined.x.size, np.nan)
        freedom = 1 / np.maximum(spread, max(least, 1e-12))
        wide[setting.free] = scipy.stats.t.ppf(0.975, np.maximum(freedom, 1.0))
        return cls(setting.sizes, parts, stds, wide)


def added_by_weights(of_noise: np.ndarray, source: np.ndarray, noise: Noise) -> np.ndarray:
    """What is to be added to the parts of errors because weights between levels are estimated from
    the same residuals: (free, free), or (free, 0) where nothing is. source: (count,), the level of
    each observation.

    To second order in the errors of the levels, the covariance comes out too small by as much as
    the weights add to it, so it is added twice. Source: Kenward & Roger, Biometrics 53, 983 (1997),
    the adjusted covariance with the variances of the levels as parameters.
    """
    present = np.unique(source)
    levels = [i for i in present if np.isfinite(noise.degrees[i])]
    many = len(levels) * len(of_noise) ** 2 > _MOST_NUMBERS
    if not levels or len(present) < 2 or many:
        return np.zeros((len(of_noise), 0))
    basis, rows = np.linalg.qr(of_noise.T)
    own = np.stack([basis[source == i].T @ basis[source == i] for i in levels])
    counts = np.array([np.sum(source == i) for i in levels])
    # Of the logarithms of the variances, from what the unknowns leave (REML).
    flat = own.reshape(len(levels), -1)
    information = flat @ flat.T / 2
    information += np.diag(counts - 2 * np.trace(own, axis1=1, axis2=2)) / 2
    values, vectors = np.linalg.eigh(information)
    covariance = vectors / np.maximum(values, _LEAST_INFORMATION) @ vectors.T
    mixed = (covariance @ flat).reshape(own.shape)
    excess = np.tensordot(np.diag(covariance), own, 1) - np.sum(own @ mixed, axis=0)
    values, vectors = np.linalg.eigh(excess + excess.T)  # twice its symmetric part
    return np.asarray(rows.T @ (vectors * np.sqrt(np.maximum(values, 0.0))))


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
