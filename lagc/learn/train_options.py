"""What a training run is asked for, and what it reports."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import jax.numpy as jnp

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.networks import Kind, Observed
from lagc.runtime.spec import ModelSpec

DEFAULT_STEPS = 40
DEFAULT_STEP = 0.1


@dataclass(frozen=True)
class TrainOptions:
    """A training run: everything that its result depends on besides the model.

    systems: members drawn in all, rounded up to whole batches (None: 1,500,000 for `mlp`, 600,000
    for `lstm`); held_out: members of the fixed test set; steps, step: integration steps and their
    length (None: the `run` line's, else 0.1); r: interior nodes; width: hidden units (None: 128 for
    `mlp`, 64 for `lstm`); learning_rate: at its peak, of AdamW with warm-up and then a decay with
    the square root of the number of updates; precision: of the network, simulations having the one
    jax is configured for (single precision is four times as fast and costs no accuracy here).
    """

    network: Kind = "mlp"
    systems: int | None = None
    held_out: int = 1000
    steps: int = DEFAULT_STEPS
    step: float | None = None
    r: int = 2
    observed: Observed = "q,p"
    batch: int = 256
    width: int | None = None
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    precision: Literal["float32", "float64"] = "float32"
    seed: int = 0
    held_out_seed: int = 1_000_003
    checkpoint_every: int = 1000

    @property
    def updates(self) -> int:
        """Number of batches."""
        return math.ceil(self.total / self.batch)

    @property
    def total(self) -> int:
        """Members drawn in all, the default resolved."""
        return self.systems or (1_500_000 if self.network == "mlp" else 600_000)

    @property
    def hidden(self) -> int:
        """Hidden units, the default resolved."""
        return self.width or (128 if self.network == "mlp" else 64)

    def step_of(self, spec: ModelSpec) -> float:
        """The integration step: asked for, or of the model's `run` line, or 0.1."""
        if self.step is not None:
            return self.step
        return spec.run.step if spec.run.step is not None else DEFAULT_STEP

    def identity(self) -> dict[str, Any]:
        """What must be the same to go on from a checkpoint; the length of the run need not be."""
        excluded = ("systems", "checkpoint_every")
        own = {name: value for name, value in asdict(self).items() if name not in excluded}
        return own | {"width": self.hidden}


def check_options(options: TrainOptions) -> None:
    """Raise LAG510 for values that no run can have."""
    for name in ("systems", "held_out", "steps", "batch", "width", "checkpoint_every"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise fail(Code.LAG510, f"{name} = {value}: at least 1 is needed")
    if options.network not in ("lstm", "mlp"):
        raise fail(Code.LAG510, f"network `{options.network}`: there are `lstm` and `mlp`")
    if options.observed not in ("q,p", "q,v"):
        raise fail(Code.LAG510, f"observed `{options.observed}`: there are `q,p` and `q,v`")
    if not (math.isfinite(options.learning_rate) and options.learning_rate > 0):
        raise fail(Code.LAG510, f"learning_rate = {options.learning_rate} is not positive")
    if options.precision not in ("float32", "float64"):
        raise fail(Code.LAG510, f"precision `{options.precision}`: there are float32 and float64")
    if options.precision == "float64" and jnp.asarray(0.0).dtype != jnp.float64:
        raise fail(Code.LAG510, "a network in float64 needs jax in 64-bit mode")
    if options.seed == options.held_out_seed:
        raise fail(Code.LAG510, "training and held-out members need different seeds")


@dataclass(frozen=True)
class CoefficientError:
    """Errors of one coefficient on the held-out set, and of always saying the mean of its law.

    Relative errors leave out members whose true value is zero.
    """

    median_relative_error: float
    rmse: float
    baseline_median_relative_error: float
    baseline_rmse: float


@dataclass(frozen=True)
class TrajectoryError:
    """Root mean squares over time between a true trajectory and a predicted one (model units).

    pooled_rms: over all members; median, percentile95: of the members' own; baseline_*: the same
    with the mean trajectory of the family as the prediction.
    """

    pooled_rms: float
    median: float
    percentile95: float
    baseline_pooled_rms: float
    baseline_median: float
    baseline_percentile95: float


@dataclass(frozen=True)
class TrainReport:
    """The outcome of `train`.

    systems_seen: drawn and simulated, of which `dropped` were not finite; loss: of the last
    batch, mean squared error in standard coordinates; held_out: systems in the test
    set; trajectories: by `q` and `p`, of simulations with predicted coefficients, of which
    `lost_trajectories` were not finite (left out, and counted here).
    """

    model: str
    network: str
    observed: str
    supervision: str
    seed: int
    systems_seen: int
    dropped: int
    updates: int
    loss: float
    held_out: int
    held_out_dropped: int
    lost_trajectories: int
    coefficients: dict[str, CoefficientError]
    trajectories: dict[str, TrajectoryError]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        return asdict(self)
