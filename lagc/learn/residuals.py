"""What the residuals of a fit say: how large they are, and whether the model follows the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.stats

from lagc.learn.least_squares import Setting
from lagc.learn.losses import LOSSES, Loss, outlying
from lagc.learn.starting import Channels

_CORRELATED = 0.5
_POOR = 0.2  # part of the spread of a channel
_HOPELESS = 0.7  # no more than this can pass for noise
_STRUCTURE = 0.3  # autocorrelation that residuals this large must not have
_ROUND_OFF = 1e-10  # part of the spread below which residuals say nothing
_COMPUTED = 1e-8  # part of the spread below which residuals are no noise
_MOST_LAGS = 20
_FEWEST_PAIRS = 20
_SURPRISING = 1e-3  # probability of residuals so far from the noise that was stated
_TRUSTED = 0.75  # part of the observations that a robust fit has to follow


@dataclass(frozen=True, eq=False)
class Residuals:
    """Predicted minus observed at a solution, (R, horizon, kinds, dof), NaN where nothing was seen;
    deviations: the standard deviation of each, as found or stated; loss: of the search."""

    values: np.ndarray
    deviations: np.ndarray
    channels: Channels
    loss: Loss

    @classmethod
    def of(cls, setting: Setting, x: np.ndarray, channels: Channels) -> Residuals:
        """Those at the unknowns x, over the horizon of the setting."""
        differences = setting.differences(setting.predictor().values(*setting.split(x)))
        # A lost trajectory is infinitely far from what was observed there.
        lost = setting.seen & ~np.isfinite(differences)
        values = np.where(setting.seen, np.where(lost, np.inf, differences), np.nan)
        return cls(values, setting.deviations, channels, setting.loss)

    def rms(self) -> dict[str, float]:
        """By channel, and `overall`."""
        result = {name: _rms(self.values[:, :, mask]) for name, mask in self._groups()}
        return {**result, "overall": _rms(self.values)}

    def criteria(self, unknowns: int) -> tuple[float, float]:
        """Akaike's and Schwarz's criteria, AIC and BIC, of normal noise with a level of its own in
        each channel; levels that are not stated count among the unknowns. For a robust loss the
        level is one that gross errors hardly move and that all other residuals do (Yohai & Zamar,
        J. Am. Stat. Assoc. 83, 406, 1988). Comparable for the same data and loss only."""
        deviance, observed, levels = 0.0, 0, 0
        for name, mask in self._groups():
            values = self._seen(mask)
            count = values.size
            observed += count
            if name in self.channels.known:
                sizes = self._deviations(mask)
                deviance += float(np.sum(np.log(2 * np.pi * sizes**2)))
                deviance += float(np.sum(self.loss.derivatives((values / sizes) ** 2)[0]))
                continue
            floor = _ROUND_OFF * float(self.channels.sizes[mask][0])
            size = max(self.loss.size(values), floor)
            if self.loss.robust and count:
                bounded = LOSSES["tukey"].derivatives((values / size) ** 2)[0]
                size *= float(np.sqrt(np.mean(bounded)))
            deviance += count * (np.log(2 * np.pi * size**2) + 1)
            levels += count > 0
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

    def standardised(self) -> np.ndarray:
        """In standard deviations, but not in such as round-off alone has: as the values."""
        least = np.ones(self.values.shape)
        for _, mask in self._groups():
            least[:, :, mask] = _COMPUTED * float(self.channels.sizes[mask][0])
        return np.asarray(self.values / np.maximum(self.deviations, least))

    def outliers(self) -> list[tuple[int, int, int, int]]:
        """Places (recording, row, kind, component) of residuals so large that normal noise has none
        of them, in the order of the rows."""
        far = np.zeros(self.values.shape, bool)
        sizes = np.abs(self.standardised())
        for _, mask in self._groups():
            limit = outlying(self._seen(mask).size)
            with np.errstate(invalid="ignore"):
                far[:, :, mask] = np.isfinite(sizes[:, :, mask]) & (sizes[:, :, mask] > limit)
        return [(r, m, k, d) for r, m, k, d in np.argwhere(far).tolist()]

    def notes(self) -> list[str]:
        """Signs that the model does not follow the data: large or correlated residuals."""
        poor = self.poor()
        notes = [
            f"the residual of {name} is {100 * part:.3g} % of its spread: the model does not "
            "follow the data, or the search is in a wrong minimum; try another start (`--guess`)"
            for name, part in poor.items()
        ]
        for name, mask in self._groups():
            if name in poor:
                continue
            if self._part(mask) > _COMPUTED and self._correlation(mask, 1)[0] > _CORRELATED:
                notes.append(
                    f"the residuals of {name} are correlated from row to row: the model misses "
                    "something or the noise is not white, and the intervals are too narrow"
                )
            if name in self.channels.known:
                notes += self._against_stated(name, mask)
        far = 0 if poor or self.loss.robust else len(self.outliers())
        if far:
            notes.append(
                f"{far} observation{'s are' if far > 1 else ' is'} further from the model than "
                "noise reaches, and squares let them decide: try a robust loss, as by "
                "`lagc fit --loss huber`"
            )
        return notes

    def _against_stated(self, name: str, mask: np.ndarray) -> list[str]:
        """Whether residuals are as large as the noise that was stated, by their sum of squares."""
        standard = self._seen(mask) / self._deviations(mask)
        part = self.loss.size(standard)
        total = part**2 * standard.size
        if scipy.stats.chi2.sf(total, standard.size) < _SURPRISING:
            reason = "the model misses something, or the noise is larger; intervals are too narrow"
        elif scipy.stats.chi2.cdf(total, standard.size) < _SURPRISING * 1e-3:
            reason = "the noise is smaller than stated; intervals are too wide"
        else:
            return []
        return [f"the residuals of {name} are {part:.3g} times the noise stated: {reason}"]

    def _groups(self) -> Iterator[tuple[str, np.ndarray]]:
        yield from self.channels.groups.items()

    def _seen(self, mask: np.ndarray) -> np.ndarray:
        values = self.values[:, :, mask]
        return np.asarray(values[~np.isnan(values)])

    def _deviations(self, mask: np.ndarray) -> np.ndarray:
        return np.asarray(self.deviations[:, :, mask][~np.isnan(self.values[:, :, mask])])

    def _part(self, mask: np.ndarray) -> float:
        """The size of the residuals as a part of the spread; with a robust loss of those three
        quarters that are smallest, as a part of what they have in a normal distribution."""
        values = self._seen(mask)
        size = _rms(values)
        if self.loss.robust and values.size:
            within = float(scipy.stats.norm.ppf((1 + _TRUSTED) / 2))
            size = float(np.quantile(np.abs(values), _TRUSTED, method="higher")) / within
        return size / float(self.channels.sizes[mask][0])

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
        """Correlation of residuals `lag` rows apart, 0 where there are too few; how many pairs.

        With a robust loss outliers are cut off where they begin, so that none decides.
        """
        values = self.values[:, :, mask]
        if self.loss.robust:
            limit = outlying(self._seen(mask).size) * self.loss.size(self._seen(mask))
            values = np.where(np.isinf(values), values, np.clip(values, -limit, limit))
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
