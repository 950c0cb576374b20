"""What the residuals of a fit say: how large they are, and whether the model follows the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.stats

from lagc.learn.least_squares import Setting
from lagc.learn.losses import LOSSES, Loss, outlying
from lagc.learn.starting import Channels

_CORRELATED = 0.5  # autocorrelation that is noted however few the rows
_NOTICEABLE = 0.15  # autocorrelation below which intervals are hardly too narrow
_BY_CHANCE = 3.5  # standard errors of an autocorrelation that white noise does not reach
_LARGEST = 0.98  # autocorrelation for which a factor of the standard errors is given
_POOR = 0.2  # part of the spread of a channel
_HOPELESS = 0.7  # no more than this can pass for noise
_STRUCTURE = 0.3  # autocorrelation that residuals this large must not have
_ROUND_OFF = 1e-10  # part of the spread below which residuals say nothing
_COMPUTED = 1e-8  # part of the spread below which residuals are no noise
_GROSS = 2.5  # robust standard deviations from which on values are left out of correlations
_MOST_LAGS = 20
_FEWEST_PAIRS = 20
_SURPRISING = 1e-3  # probability of residuals so far from the noise that was stated
_TRUSTED = 0.75  # part of the observations that a robust fit has to follow


@dataclass(frozen=True, eq=False)
class Residuals:
    """Predicted minus observed at a solution, (R, horizon, kinds, dof), NaN where nothing was seen;
    deviations: the standard deviation of each, as found or stated; loss: of the search; observed:
    the values that were seen, in the shape of the residuals, or None where they are not at hand."""

    values: np.ndarray
    deviations: np.ndarray
    channels: Channels
    loss: Loss
    observed: np.ndarray | None = None

    @classmethod
    def of(cls, setting: Setting, x: np.ndarray, channels: Channels) -> Residuals:
        """Those at the unknowns x, over the horizon of the setting."""
        differences = setting.differences(setting.predictor().values(*setting.split(x)))
        # A lost trajectory is infinitely far from what was observed there.
        lost = setting.seen & ~np.isfinite(differences)
        values = np.where(setting.seen, np.where(lost, np.inf, differences), np.nan)
        # A search on the way there weighs channels by their spread, whatever was stated.
        sigma = setting.sigma.copy()
        for name, level in channels.known.items():
            sigma[channels.groups[name]] = level
        deviations = replace(setting, sigma=sigma).deviations
        observed = setting.observations.values[:, : setting.horizon]
        return cls(values, deviations, channels, setting.loss, observed)

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
            sizes = self._deviations(mask)
            if count and np.ptp(sizes) > 0:
                # Recordings with levels of their own, whose mean goes with the level of all.
                common = float(np.exp(np.mean(np.log(sizes))))
                values = values / sizes * common
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

        Large residuals without any structure are noise, and no fault of the model; neither are
        such as the noise that was stated explains.
        """
        result = {}
        for name, mask in self._groups():
            part = self._part(mask)
            if part <= _POOR or (name in self.channels.known and self._explained(mask)):
                continue
            if (part > _HOPELESS and not self._steady(mask)) or not self._noise(mask):
                result[name] = part
        return result

    def white(self, name: str) -> bool:
        """Whether residuals of a channel are no more alike from row to row than white noise is."""
        return not self._row_to_row(name, self.channels.groups[name])

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
            if self._part(mask) > _COMPUTED:
                notes += self._row_to_row(name, mask)
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

    def _row_to_row(self, name: str, mask: np.ndarray) -> list[str]:
        """Whether residuals of neighbouring rows are more alike than white noise has them.

        The mean of n values of an autoregressive noise with the correlation rho from row to row has
        (1 + rho)/(1 - rho) times the variance of the mean of white noise (Bayley & Hammersley,
        J. R. Stat. Soc. Suppl. 8, 184, 1946), and so has whatever changes little between two rows.
        """
        whole, _ = self._correlation(mask, 1)
        rho, pairs = self._correlation(mask, 1, kept=True)
        if whole <= _CORRELATED and rho <= max(_NOTICEABLE, _BY_CHANCE / np.sqrt(max(pairs, 1))):
            return []
        rho = min(max(whole, rho) if whole > _CORRELATED else rho, _LARGEST)
        factor = float(np.sqrt((1 + rho) / (1 - rho)))
        return [
            f"the residuals of {name} are correlated from row to row ({rho:.2g}): the model misses "
            "something or the noise is not white, and the intervals are too narrow; where it is "
            f"the noise, standard errors should be about {factor:.2g} times as large"
        ]

    def _explained(self, mask: np.ndarray) -> bool:
        """Whether residuals are no larger than the noise that was stated can be by chance."""
        standard = self._seen(mask) / self._deviations(mask)
        total = self.loss.size(standard) ** 2 * standard.size
        return bool(scipy.stats.chi2.sf(total, standard.size) >= _SURPRISING)

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
        quarters that are smallest, as a part of what they have in a normal distribution. Where rows
        are of different quality each counts by its own: those that are all noise hide no others.

        Gross errors spread the values, too, so that residuals look small beside them: where it is
        larger, the part is that among the values which are none.
        """
        weights = self._weights(mask)
        values = self.values[:, :, mask] * weights
        seen = values[~np.isnan(values)]
        kept = self._kept(mask)
        spread = self._spread_of(~np.isnan(values), mask, weights)
        own = min(spread, self._spread_of(kept, mask, weights)) if kept.any() else spread
        size = _rms(seen)
        if not self.loss.robust:
            return max(size / spread, _rms(values[kept]) / own)
        if seen.size:
            within = float(scipy.stats.norm.ppf((1 + _TRUSTED) / 2))
            size = float(np.quantile(np.abs(seen), _TRUSTED, method="higher")) / within
        return size / own

    def _weights(self, mask: np.ndarray) -> np.ndarray:
        """Of the values, by their deviations; ones where these are alike: (R, horizon,
        components)."""
        deviations = self._deviations(mask)
        if not deviations.size or np.ptp(deviations) == 0 or not np.all(deviations > 0):
            return np.ones_like(self.values[:, :, mask])
        whole = self.deviations[:, :, mask]
        return np.asarray(np.exp(np.mean(np.log(deviations))) / np.where(whole > 0, whole, np.inf))

    def _spread_of(self, kept: np.ndarray, mask: np.ndarray, weights: np.ndarray) -> float:
        """The spread of the observations that are kept, by weight, all (R, horizon, components); at
        most that of the channel, which of an angle is no more than a quarter of its period."""
        spread = float(self.channels.sizes[mask][0])
        if self.observed is None or not kept.any():
            return spread
        values, w = self.observed[:, :, mask][kept], weights[kept]
        largest = float(np.max(np.abs(values * w)))
        most = spread * float(np.sqrt(np.mean(w**2)))
        own = float(np.sqrt(np.mean(((values - np.average(values, weights=w**2)) * w) ** 2)))
        # Values that are constant to round-off have no spread to compare with.
        return min(most, own) if own > _ROUND_OFF * largest else most

    def _steady(self, mask: np.ndarray) -> bool:
        """Whether a channel is a velocity or momentum that hardly changes, as a conserved one does:
        its spread is that of the noise, but the model has its value, of which residuals are a small
        part. (That of a coordinate says nothing, as its origin is anywhere.)"""
        if self.observed is None or mask[0].any():
            return False
        values, observed = self.values[:, :, mask], self.observed[:, :, mask]
        return _rms(values) <= _POOR * _rms(np.where(np.isnan(values), np.nan, observed))

    def _noise(self, mask: np.ndarray) -> bool:
        """Whether the residuals of neighbouring rows have nothing to do with each other, neither
        all of them nor those that are no gross errors."""
        for lag in range(1, _MOST_LAGS + 1):
            correlation, pairs = self._correlation(mask, lag)
            if pairs < _FEWEST_PAIRS:
                return lag > 4
            if abs(correlation) > max(_STRUCTURE, 4 / np.sqrt(pairs)):
                return False
            correlation, pairs = self._correlation(mask, lag, kept=True)
            if abs(correlation) > max(_STRUCTURE, 4 / np.sqrt(max(pairs, 1))):
                return False
        return True

    def _relative(self, mask: np.ndarray) -> np.ndarray:
        """Residuals in standard deviations, which only count among each other: (R, horizon,
        components)."""
        deviations = self.deviations[:, :, mask]
        return np.asarray(self.values[:, :, mask] / np.where(deviations > 0, deviations, 1.0))

    def _kept(self, mask: np.ndarray) -> np.ndarray:
        """Which values are surely no gross errors, by the median of the sizes of the residuals,
        whatever the loss: (R, horizon, components). A wave is left whole."""
        values = self._relative(mask)
        finite = np.isfinite(values)
        sizes = np.abs(values[finite])
        if sizes.size == 0:
            return finite
        limit = _GROSS * LOSSES["huber"].size(sizes)
        return np.asarray(finite & (np.abs(values) <= limit))

    def _correlation(self, mask: np.ndarray, lag: int, kept: bool = False) -> tuple[float, int]:
        """Correlation of residuals `lag` rows apart, 0 where there are too few; how many pairs.

        With a robust loss outliers are cut off where they begin, so that none decides. `kept`: of
        those pairs neither of which is a gross error. A tenth of the values cut off still has most
        of the variance and hides how alike all others are.
        """
        values = self._relative(mask)
        if kept:
            values = np.where(self._kept(mask), values, np.nan)
        elif self.loss.robust:
            seen = values[~np.isnan(values)]
            limit = outlying(seen.size) * self.loss.size(seen)
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
