"""Gross errors in a recording, found without a model, so that no start rests on them.

A value is one if it is far from the line through its neighbours by repeated medians, which half of
the neighbours cannot mislead (Siegel, Biometrika 69, 242, 1982; Davies, Fried & Gather, J. Stat.
Plan. Inference 122, 65, 2004). Only starts are made without them: in the fit itself the loss
decides how much they count.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lagc.learn.sensitivity import Observations
from lagc.runtime.spec import ModelSpec

_SIDE = 4  # neighbours on each side
_FAR = 6.0  # in robust standard deviations of the neighbours around their line
_NORMAL = 0.6745


def screened(observations: Observations, spec: ModelSpec) -> Observations:
    """The same observations with gross errors taken for not observed."""
    values = observations.values.copy()
    for recording, times in enumerate(observations.times):
        for kind in range(observations.kinds):
            for d, period in enumerate(spec.moduli):
                series = values[recording, :, kind, d]
                known = np.flatnonzero(np.isfinite(series))
                if known.size > 2 * _SIDE:
                    turn = period if kind == 0 else None
                    series[known[_gross(times[known], series[known], turn)]] = np.nan
    return replace(observations, values=values, seen=np.isfinite(values))


def _gross(x: np.ndarray, y: np.ndarray, period: float | None) -> np.ndarray:
    """Which of the values (m,) are gross errors: (m,) bool."""
    count = len(x)
    first = np.clip(np.arange(count) - _SIDE, 0, count - 2 * _SIDE - 1)
    window = first[:, None] + np.arange(2 * _SIDE + 1)
    own = window == np.arange(count)[:, None]
    others = window[~own].reshape(count, 2 * _SIDE)
    near, offset = x[others] - x[:, None], y[others] - y[:, None]
    if period is not None:
        offset = offset - period * np.round(offset / period)
    steps = near[:, :, None] - near[:, None, :]
    rises = offset[:, :, None] - offset[:, None, :]
    slopes = np.where(steps == 0, np.nan, rises / np.where(steps == 0, 1.0, steps))
    slope = np.median(np.nanmedian(slopes, axis=2), axis=1)
    around = offset - slope[:, None] * near
    level = np.median(around, axis=1)
    scatter = np.median(np.abs(around - level[:, None]), axis=1) / _NORMAL
    usual = max(float(np.median(scatter)), 1e-9 * float(np.ptp(y)))
    return np.asarray(np.abs(level) > _FAR * np.maximum(scatter, usual))
