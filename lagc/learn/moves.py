"""Whether a move that the data should not notice leaves what a search makes smallest as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lagc.learn.least_squares import Setting
from lagc.learn.refine import Refined
from lagc.learn.starting import Channels

_COMPUTED = 1e-8  # part of the spread below which residuals are those of a computed record
_ROUND_OFF = 1e-8  # part of the cost
_NOTHING = 1e-2  # of a sum of squares in standard deviations: a tenth of one of them


@dataclass(frozen=True, eq=False)
class Cost:
    """The sum over the observations of the loss, with the levels of noise at one solution, and how
    large it is there."""

    setting: Setting
    here: float

    @classmethod
    def of(cls, refined: Refined, channels: Channels) -> Cost:
        """At the end of a search. Levels of round-off are raised: it differs between images."""
        sigma = np.maximum(refined.setting.sigma, _COMPUTED * channels.sizes)
        setting = replace(refined.setting, sigma=sigma)
        return cls(setting, cost(setting, refined.x))

    def keeps(self, x: np.ndarray, substeps: int | None = None) -> bool:
        """Whether x (n,), perhaps with more steps, costs no more, to round-off."""
        setting = replace(self.setting, substeps=substeps or self.setting.substeps)
        allowed = self.here + _ROUND_OFF * self.here + _NOTHING
        return bool(cost(setting, x) <= allowed)


def cost(setting: Setting, x: np.ndarray) -> float:
    """At the unknowns x (n,); infinite where the trajectory is lost."""
    whitened = setting.whitened(x)
    if not np.isfinite(whitened).all():
        return float("inf")
    return float(np.sum(setting.loss.derivatives(whitened**2)[0]))
