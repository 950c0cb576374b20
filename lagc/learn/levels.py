"""The levels of noise that a posterior is given or integrates out, one for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lagc.learn.noise import Noise
from lagc.learn.starting import Channels

_ROUND_OFF = 1e-11  # part of the spread of a channel


@dataclass(frozen=True, eq=False)
class Levels:
    """Channels and their masks (kinds, dof); whether the level of each is known; sigma (G,), the
    level known or estimated by the fit; floors (G,): the errors of the integrator, below which
    residuals say nothing."""

    names: tuple[str, ...]
    masks: tuple[np.ndarray, ...]
    known: tuple[bool, ...]
    sigma: np.ndarray
    floors: np.ndarray

    @classmethod
    def of(
        cls,
        noise: Noise,
        channels: Channels,
        errors: Mapping[str, float],
    ) -> Levels:
        """From the levels found by a fit, or stated with its data; errors: of the integrator.

        A channel with too few rows to say anything about its level is held at what the fit took
        from all channels together.
        """
        sizes = [float(channels.sizes[mask][0]) for mask in channels.groups.values()]
        fitted = [float(noise.sigma[mask][0]) for mask in channels.groups.values()]
        names = tuple(channels.groups)
        return cls(
            names,
            tuple(channels.groups.values()),
            tuple(name in channels.known or name in noise.pooled for name in names),
            np.array(fitted),
            np.hypot(_ROUND_OFF * np.array(sizes), [errors[name] for name in names]),
        )
