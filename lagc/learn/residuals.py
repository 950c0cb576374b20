"""What the residuals of a fit say: how large they are, and whether the model follows the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lagc.learn.least_squares import Setting
from lagc.learn.starting import Channels

_CORRELATED = 0.5
_POOR = 0.2  # part of the spread of a channel
_HOPELESS = 0.7  # no more than this can pass for noise
_STRUCTURE = 0.3  # autocorrelation that residuals this large must not have
_ROUND_OFF = 1e-10  # part of the spread below which residuals say nothing
_MOST_LAGS = 20
_FEWEST_PAIRS = 20


@dataclass(frozen=True, eq=False)
class Residuals:
    """Predicted minus observed at a solution, (R, horizon, 3, dof), NaN where nothing was seen."""

    values: np.ndarray
    channels: Channels

    @classmethod
    def of(cls, setting: Setting, x: np.ndarray, channels: Channels) -> Residuals:
        """Those at the unknowns x, over the horizon of the setting."""
        differences = setting.differences(setting.predictor().values(*setting.split(x)))
        # A lost trajectory is infinitely far from what was observed there.
        lost = setting.seen & ~np.isfinite(differences)
        values = np.where(setting.seen, np.where(lost, np.inf, differences), np.nan)
        return cls(values, channels)

    def rms(self) -> dict[str, float]:
        """By channel, and `overall`."""
        result = {name: _rms(self.values[:, :, mask]) for name, mask in self._groups()}
        return {**result, "overall": _rms(self.values)}

    def criteria(self, unknowns: int) -> tuple[float, float]:
        """Akaike's and Schwarz's criteria, AIC and BIC, of normal noise with a level of its own in
        each channel, the levels counted among the unknowns; comparable for the same data only."""
        deviance, observed, levels = 0.0, 0, 0
        for _, mask in self._groups():
            values = self.values[:, :, mask]
            count = int((~np.isnan(values)).sum())
            size = max(_rms(values), _ROUND_OFF * float(self.channels.sizes[mask][0]))
            deviance += count * (np.log(2 * np.pi * size**2) + 1)
            observed, levels = observed + count, levels + (count > 0)
        parameters = unknowns + levels
        return deviance + 2 * parameters, deviance + np.log(max(observed, 1)) * parameters

    def poor(self) -> dict[str, float]:
        """The channels that the model does not follow, with residual over spread.

        Large residuals without any structure are noise, and no fault of the model.
        """
        result = {}
        for name, mask in self._groups():
            part = self._part(mask)
            if part > _HOPELESS or (part > _POOR and not self._noise(mask)):
                result[name] = part
        return result

    def structured(self) -> list[str]:
        """The channels whose residuals are large and not those of white noise."""
        return [n for n, m in self._groups() if self._part(m) > _POOR and not self._noise(m)]

    def notes(self) -> list[str]:
        """Signs that the model does not follow the data: large or correlated residuals."""
        poor = self.poor()
        notes = [
            f"the residual of {name} is {100 * part:.3g} % of its spread: the model does not "
            "follow the data, or the search is in a wrong minimum; try another `--guess`"
            for name, part in poor.items()
        ]
        for name, mask in self._groups():
            if name in poor or self._part(mask) <= 1e-8:
                continue
            if self._correlation(mask, 1)[0] > _CORRELATED:
                notes.append(
                    f"the residuals of {name} are correlated from row to row: the model misses "
                    "something or the noise is not white, and the intervals are too narrow"
                )
        return notes

    def _groups(self) -> Iterator[tuple[str, np.ndarray]]:
        yield from self.channels.groups.items()

    def _part(self, mask: np.ndarray) -> float:
        return _rms(self.values[:, :, mask]) / float(self.channels.sizes[mask][0])

    def _noise(self, mask: np.ndarray) -> bool:
        """Whether the residuals of neighbouring rows have nothing to do with each other."""
        for lag in range(1, _MOST_LAGS + 1):
            correlation, pairs = self._correlation(mask, lag)
            if pairs < _FEWEST_PAIRS:
                return lag > 4
            if abs(correlation) > max(_STRUCTURE, 4 / np.sqrt(pairs)):
                return False
        return True

    def _correlation(self, mask: np.ndarray, lag: int) -> tuple[float, int]:
        """Correlation of residuals `lag` rows apart, 0 where there are too few; how many pairs."""
        values = self.values[:, :, mask]
        first, second = values[:, :-lag], values[:, lag:]
        both = np.isfinite(first) & np.isfinite(second)
        pairs = int(both.sum())
        if pairs < _FEWEST_PAIRS:
            return 0.0, pairs
        size = float(np.mean(values[np.isfinite(values)] ** 2))
        return float(np.mean(first[both] * second[both])) / max(size, 1e-300), pairs


def _rms(values: np.ndarray) -> float:
    seen = values[~np.isnan(values)]
    return float(np.sqrt(np.mean(seen**2))) if seen.size else 0.0
