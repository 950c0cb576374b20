"""What a fit returns: values with intervals, what the data could not fix, and how well it fits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lagc.learn.identification import Identification


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error and 95 % interval (model units).

    `std` and `interval95` are None and `identifiable` is False for a value that was held, `held`
    saying why in a few words, and for every value of a fit that does not follow the data. Where the
    data see only the square of a small change there is an interval, and no `std`.
    """

    value: float
    std: float | None
    interval95: tuple[float, float] | None
    identifiable: bool
    held: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        interval = None if self.interval95 is None else list(self.interval95)
        return {
            "value": self.value,
            "std": self.std,
            "interval95": interval,
            "identifiable": self.identifiable,
        }


@dataclass(frozen=True)
class InitialState:
    """The fitted state of one recording at its first time `t`, by label (`q`, `q'`)."""

    recording: str
    t: float
    values: dict[str, Estimate]

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        values = {label: estimate.as_json() for label, estimate in self.values.items()}
        return {"recording": self.recording, "t": self.t, "values": values}


@dataclass(frozen=True)
class Outlier:
    """An observation so far from the model that noise hardly reaches there: the row by its number
    in the file, the column by its name, and (observed - predicted) in standard deviations."""

    recording: str
    row: int
    t: float
    column: str
    observed: float
    predicted: float
    size: float

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        names = ("recording", "row", "t", "column", "observed", "predicted", "size")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, eq=False)
class Line:
    """The fitted model at the rows of a recording and between them: times (m,), values (m, n) of
    the columns of a curve."""

    times: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Curve:
    """One recording beside the fitted model at its times (m,): columns (n,) by name, observed (NaN
    where nothing was), predicted, and deviations, the noise of each: (m, n). Angles are those of
    the model followed continuously, observations at the nearest period. line: None until asked
    for."""

    recording: str
    times: np.ndarray
    columns: tuple[str, ...]
    observed: np.ndarray
    predicted: np.ndarray
    deviations: np.ndarray
    line: Line | None = None


@dataclass(frozen=True)
class FitResult:
    """The outcome of `fit`, in model units.

    residual_rms: by channel (`q`, `q'`, `p[q]`) and `overall`; aic, bic: information criteria, to
    compare models fitted to the same data (infinite where the model loses them); gauge: what the
    data do not fix, in words, one sentence for each value held and for each sign left open; fixed:
    the names the caller held; substeps: integration steps between two observations;
    discretisation_error: by channel, its rms as estimated by halving the step; loss: its name;
    noise: by channel, its standard deviation, as found or as stated; outliers: the observations
    that noise does not explain; identification: the sensitivities, None where the model does not
    follow the data; curves: data and predictions."""

    model: str
    converged: bool
    observations: int
    residual_rms: dict[str, float]
    aic: float
    bic: float
    gauge: tuple[str, ...]
    coefficients: dict[str, Estimate]
    initial_states: tuple[InitialState, ...]
    fixed: tuple[str, ...]
    notes: tuple[str, ...]
    order: int
    substeps: int
    discretisation_error: dict[str, float]
    loss: str = "squares"
    noise: dict[str, float] = field(default_factory=dict)
    outliers: tuple[Outlier, ...] = ()
    identification: Identification | None = None
    curves: tuple[Curve, ...] = field(default=(), repr=False, compare=False)

    @property
    def values(self) -> dict[str, float]:
        """Name to value, as `simulate` takes them."""
        return {name: estimate.value for name, estimate in self.coefficients.items()}

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        return {
            "model": self.model,
            "converged": self.converged,
            "observations": self.observations,
            "residual_rms": self.residual_rms,
            "aic": self.aic if math.isfinite(self.aic) else None,
            "bic": self.bic if math.isfinite(self.bic) else None,
            "gauge": list(self.gauge),
            "coefficients": {name: e.as_json() for name, e in self.coefficients.items()},
            "initial_states": [state.as_json() for state in self.initial_states],
            "fixed": list(self.fixed),
            "notes": list(self.notes),
            "order": self.order,
            "substeps": self.substeps,
            "discretisation_error": self.discretisation_error,
            "loss": self.loss,
            "noise": self.noise,
            "outliers": [outlier.as_json() for outlier in self.outliers],
            "sensitivities": None if self.identification is None else self.identification.as_json(),
        }
