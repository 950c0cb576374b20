"""The last stage of a fit: noise levels from residuals, and steps short enough not to show.

Noise: iteratively reweighted least squares, one level for each coordinate and kind of channel, with
a floor at the round-off of a simulation so that noise-free data work (`noise`). Steps: the
difference between a step and half of it estimates the error; it must stay below a tenth of the
noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lagc.learn.least_squares import Setting, search
from lagc.learn.noise import Noise, estimate_noise
from lagc.learn.starting import Channels

_HIDDEN = 0.1  # part of the noise level that discretisation may reach
_ROUND_OFF = 1e-11  # part of the spread below which halving the step shows nothing
_FOLLOWED = 1e-4  # part of the spread that is near enough while the noise is not known
_MOST_SUBSTEPS = 64
_ROUNDS, _ROBUST_ROUNDS = 10, 40


@dataclass(frozen=True, eq=False)
class Refined:
    """The end of a fit: its setting (noise, substeps, what is free) and the unknowns x: (n,)."""

    setting: Setting
    x: np.ndarray
    converged: bool
    discretisation_error: dict[str, float]
    notes: tuple[str, ...]
    noise: Noise


def refine(setting: Setting, x: np.ndarray, channels: Channels) -> Refined:
    """Weights and values until neither changes, with ever shorter steps until they do not show."""
    while True:
        setting, x, met, noise = _reweighted(setting, x, channels)
        error = discretisation_error(setting, x, channels)
        excess = _excess(setting, channels, error, _HIDDEN * setting.sigma, _ROUND_OFF)
        more = _more_substeps(setting, excess)
        if more == setting.substeps:
            break
        setting = replace(setting, substeps=more)
    notes = []
    if not met:
        notes.append("the search stopped before its tolerance was met")
    if excess > 1:
        notes.append(
            f"even {setting.substeps} integration steps between two rows leave an error of "
            "discretisation that is not small against the residuals; try a higher order"
        )
    return Refined(setting, x, met, error, tuple(notes), noise)


def with_enough_substeps(setting: Setting, x: np.ndarray, channels: Channels) -> Setting:
    """Steps short enough to begin with, judged over the first rows at the start x."""
    while True:
        first = replace(setting, horizon=min(setting.horizon, 32))
        error = discretisation_error(first, x, channels)
        wanted = _FOLLOWED * channels.sizes
        more = _more_substeps(setting, _excess(setting, channels, error, wanted, _ROUND_OFF))
        if more == setting.substeps:
            return setting
        setting = replace(setting, substeps=more)


def discretisation_error(setting: Setting, x: np.ndarray, channels: Channels) -> dict[str, float]:
    """The rms change of the predictions when every step is halved, by channel."""
    change = step_change(setting, x)
    result = {}
    for name, mask in channels.groups.items():
        observed = change[setting.seen & mask]
        observed = observed[np.isfinite(observed)]
        result[name] = float(np.sqrt(np.mean(observed**2))) if observed.size else 0.0
    return result


def step_change(setting: Setting, x: np.ndarray, coarse: int | None = None) -> np.ndarray:
    """How the predictions change when every step is halved: (R, horizon, kinds, dof).

    With `coarse`, when there are twice the present number of steps instead of that many.
    """
    unknowns = setting.split(x)
    before = setting.predictor(coarse).values(*unknowns)
    fine = setting.predictor(2 * setting.substeps).values(*unknowns)
    return np.asarray((before - fine)[:, : setting.horizon])


def _excess(
    setting: Setting,
    channels: Channels,
    error: dict[str, float],
    wanted: np.ndarray,
    round_off: float,
) -> float:
    """The largest ratio of an error to what may be left of it."""
    allowed = np.maximum(wanted, round_off * channels.sizes)
    return max(error[name] / float(allowed[mask][0]) for name, mask in channels.groups.items())


def _more_substeps(setting: Setting, excess: float) -> int:
    """How many the order of the method says are needed, in powers of two."""
    if excess <= 1:
        return setting.substeps
    order = 2 * setting.r + 2
    doublings = max(1, int(np.ceil(np.log2(excess) / order)))
    wanted: int = setting.substeps << min(doublings, 6)
    return min(wanted, max(setting.substeps, _MOST_SUBSTEPS))


def _reweighted(
    setting: Setting, x: np.ndarray, channels: Channels
) -> tuple[Setting, np.ndarray, bool, Noise]:
    """Search and estimate the noise in turn until it settles."""
    met, noise = False, Noise.unknown(setting)
    for _ in range(_ROBUST_ROUNDS if setting.loss.robust else _ROUNDS):
        found = search(setting.rescaled(x), x, rough=False)
        if found is None:
            return setting, x, False, noise
        x, met = found.x, found.met
        # A channel once found to say nothing of its own noise is not asked again: it would answer
        # differently with every other weight.
        noise = estimate_noise(setting, x, channels, noise.pooled)
        change = np.max(np.abs(np.log(noise.sigma / setting.sigma)))
        setting = replace(setting.rescaled(x), sigma=noise.sigma)
        if change < 0.01:
            break
    return setting, x, met, noise
