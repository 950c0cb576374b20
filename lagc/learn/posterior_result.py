"""What a posterior comes to: draws, and of each unknown mean, spread and credible intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_LEVELS = (0.025, 0.05, 0.5, 0.95, 0.975)


@dataclass(frozen=True)
class Marginal:
    """One unknown: mean, standard deviation, median and equal-tailed credible intervals of all
    draws; points: the probability of each value that the law gives one of its own; of chains,
    the rank-normalised R-hat and the effective number of draws (None otherwise)."""

    mean: float
    std: float
    median: float
    interval90: tuple[float, float]
    interval95: tuple[float, float]
    points: dict[float, float]
    r_hat: float | None = None
    effective: float | None = None

    @classmethod
    def of(
        cls,
        draws: np.ndarray,
        points: dict[float, float],
        r_hat: float | None = None,
        effective: float | None = None,
    ) -> Marginal:
        """From draws (N,) of equal weight."""
        a, b, middle, c, d = np.quantile(draws, _LEVELS).tolist()
        mean, std = float(np.mean(draws)), float(np.std(draws, ddof=1))
        return cls(mean, std, middle, (b, c), (a, d), points, r_hat, effective)

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        result: dict[str, Any] = {
            "mean": self.mean,
            "std": self.std,
            "median": self.median,
            "interval90": list(self.interval90),
            "interval95": list(self.interval95),
        }
        if self.points:
            points = [{"value": v, "probability": p} for v, p in self.points.items()]
            result["points"] = points
        if self.r_hat is not None:
            result |= {"r_hat": self.r_hat, "effective_draws": self.effective}
        return result


@dataclass(frozen=True, eq=False)
class Posterior:
    """The posterior of what a fit estimated, given the data, in model units.

    labels, draws: (N, n), of equal weight, coefficients first, then initial states as `initial q`
    (`initial q in NAME` of several recordings); chain: (N,), which chain each is from; coefficients
    and initial: by name and label; conditions: values of what the fit held, on which all is
    conditional; noise: by channel the level, where it is known, or None for one integrated out.

    log_evidence (with its standard error) and log_evidence_laplace compare models and laws for the
    same data; None where a coefficient has no law. effective_draws: how many equal and independent
    draws importance sampling is worth, or the smallest of any unknown of the chains; r_hat: the
    largest, and divergences: of transitions after the warm-up, both None without chains.
    """

    method: str
    labels: tuple[str, ...]
    draws: np.ndarray
    chain: np.ndarray
    coefficients: dict[str, Marginal]
    initial: dict[str, Marginal]
    conditions: dict[str, float]
    noise: dict[str, float | None]
    log_evidence: float | None
    log_evidence_error: float | None
    log_evidence_laplace: float | None
    effective_draws: float
    r_hat: float | None
    divergences: int | None
    seed: int
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`; without the draws."""
        return {
            "method": self.method,
            "draws": len(self.draws),
            "seed": self.seed,
            "coefficients": {name: m.as_json() for name, m in self.coefficients.items()},
            "initial": {label: m.as_json() for label, m in self.initial.items()},
            "conditions": self.conditions,
            "noise": self.noise,
            "log_evidence": self.log_evidence,
            "log_evidence_error": self.log_evidence_error,
            "log_evidence_laplace": self.log_evidence_laplace,
            "effective_draws": self.effective_draws,
            "r_hat": self.r_hat,
            "divergences": self.divergences,
            "notes": list(self.notes),
        }
