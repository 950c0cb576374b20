"""Standard errors and 95 % intervals of the unknowns of a fit, from its sensitivities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.stats

from lagc.learn.fit_result import Estimate
from lagc.learn.refine import Refined, step_change

_ROUND_OFF = 1e-12
_COMPUTED = 1e-9  # residuals below this part of the spread are those of a computed record


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


def _errors(refined: Refined) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors (n,), NaN where held, and the factors (n,) that make 95 % of them.

    Each noise level is known as well as its degrees of freedom say; those of a combination follow
    from its parts (Satterthwaite, Biometrics Bull. 2, 110, 1946).
    """
    setting = refined.setting.rescaled(refined.x)
    _, matrix = setting.whitened_and_sensitivity(refined.x)
    left, singular, rows = np.linalg.svd(matrix[:, setting.free], full_matrices=False)
    inverse = (rows.T / np.maximum(singular, np.finfo(float).tiny)) @ left.T
    noise = np.linalg.norm(inverse, axis=1)
    change = (_steps_of_both_sides(refined) / setting.sigma)[setting.seen]
    relative = np.hypot(noise, np.abs(inverse @ change))
    stds = np.full(refined.x.size, np.nan)
    stds[setting.free] = np.hypot(relative, _ROUND_OFF) * setting.sizes[setting.free]

    total = setting.count - int(setting.free.sum())
    source = np.broadcast_to(refined.noise.source, setting.seen.shape)[setting.seen]
    spread = np.zeros(noise.size)
    for which, degrees in enumerate(refined.noise.degrees):
        part = np.linalg.norm(inverse[:, source == which], axis=1) / np.maximum(noise, 1e-300)
        spread += part**4 / degrees
    wide = np.full(refined.x.size, np.nan)
    freedom = np.clip(1 / np.maximum(spread, 1 / total), 1.0, None)
    wide[setting.free] = scipy.stats.t.ppf(0.975, freedom)
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
