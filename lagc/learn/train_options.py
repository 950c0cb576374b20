"""What a training run is asked for, and what it reports."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import jax.numpy as jnp

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.checkpoint import finite
from lagc.learn.family import Family, Range, States, make_family
from lagc.learn.finetune import FineTune, check_fine_tune
from lagc.learn.networks import Kind
from lagc.learn.observing import Observed
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

DEFAULT_STEPS = 40
DEFAULT_STEP = 0.1
DEFAULT_SYSTEMS = 500_000
MOST_SEED = 2**63 - 1  # a key is made of 64 bits with a sign, and of the next number too


Features = Literal["regression", "trajectory"]


@dataclass(frozen=True)
class TrainOptions:
    """A training run: everything that its result depends on besides the model.

    systems: different members drawn, rounded up to whole batches (None: 500,000), each of them seen
    `passes` times, with noise and gaps of its own each time; held_out: members of the fixed test
    set; steps, step: integration steps and their length, or the range it is drawn from (None: the
    `run` line's, else 0.1); r: interior nodes; states, spread: as in `make_family`; noise: the
    range of its level, a part of the standard deviation of a channel; missing: the range of the
    part of values that are; features: what a network sees beside the trajectory, `regression` being
    estimates from the equations of motion (`weak_form`); width: hidden units (None: 128 for `mlp`,
    64 for `lstm`); learning_rate: at its peak, of AdamW with warm-up and then a decay with the
    square root of the number of updates; precision: of the network, simulations having the one jax
    is configured for (single precision is faster and costs no accuracy here); fine_tune: updates
    through the integrator after all others.
    """

    network: Kind = "mlp"
    systems: int | None = None
    passes: int = 1
    held_out: int = 1000
    steps: int = DEFAULT_STEPS
    step: float | Range | None = None
    r: int = 2
    states: States | None = None
    spread: float = 1.0
    noise: Range = (0.0, 0.0)
    missing: Range = (0.0, 0.0)
    observed: Observed = "q,p"
    features: Features = "regression"
    batch: int = 256
    width: int | None = None
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    precision: Literal["float32", "float64"] = "float32"
    seed: int = 0
    held_out_seed: int = 1_000_003
    checkpoint_every: int = 1000
    fine_tune: FineTune = field(default_factory=FineTune)

    @property
    def updates(self) -> int:
        """Number of batches, all passes together, before fine-tuning."""
        return self.passes * self.updates_of_a_pass

    @property
    def updates_of_a_pass(self) -> int:
        """Number of batches with different members."""
        return math.ceil(self.total / self.batch)

    @property
    def total(self) -> int:
        """Different members drawn, the default resolved."""
        return self.systems or DEFAULT_SYSTEMS

    @property
    def hidden(self) -> int:
        """Hidden units, the default resolved."""
        return self.width or (128 if self.network == "mlp" else 64)

    def step_of(self, spec: ModelSpec) -> float | Range:
        """The integration step or its range: asked for, or of the model's `run` line, or 0.1."""
        if self.step is not None:
            return self.step
        return spec.run.step if spec.run.step is not None else DEFAULT_STEP

    def family_of(self, system: System) -> Family:
        """The family that is drawn from."""
        return make_family(
            system,
            dt=self.step_of(system.spec),
            steps=self.steps,
            r=self.r,
            states=self.states,
            spread=self.spread,
        )

    def identity(self) -> dict[str, Any]:
        """What must be the same to go on from a checkpoint; the length of the run need not be, but
        for the number of systems where they are seen several times."""
        excluded = ["checkpoint_every", "passes", "fine_tune"]  # `finetune` has its own record
        if self.passes == 1:
            excluded.append("systems")
        own = {name: value for name, value in asdict(self).items() if name not in excluded}
        return own | {"width": self.hidden}


def check_options(options: TrainOptions) -> None:
    """Raise LAG510 for values that no run can have."""
    counts = ("systems", "passes", "held_out", "steps", "batch", "width", "checkpoint_every")
    for name in counts:
        value = getattr(options, name)
        if value is not None and value < 1:
            raise fail(Code.LAG510, f"{name} = {value}: at least 1 is needed")
    if options.network not in ("lstm", "mlp"):
        raise fail(Code.LAG510, f"network `{options.network}`: there are `lstm` and `mlp`")
    if options.observed not in ("q,p", "q,v"):
        raise fail(Code.LAG510, f"observed `{options.observed}`: there are `q,p` and `q,v`")
    if options.features not in ("regression", "trajectory"):
        raise fail(
            Code.LAG510, f"features `{options.features}`: there are `regression` and `trajectory`"
        )
    _check_ranges(options)
    check_fine_tune(options.fine_tune)
    if not (math.isfinite(options.learning_rate) and options.learning_rate > 0):
        raise fail(Code.LAG510, f"learning_rate = {options.learning_rate} is not positive")
    if options.precision not in ("float32", "float64"):
        raise fail(Code.LAG510, f"precision `{options.precision}`: there are float32 and float64")
    if options.precision == "float64" and jnp.asarray(0.0).dtype != jnp.float64:
        raise fail(Code.LAG510, "a network in float64 needs jax in 64-bit mode")
    for name in ("seed", "held_out_seed"):
        value = getattr(options, name)
        if not 0 <= value < MOST_SEED:
            raise fail(Code.LAG510, f"{name} = {value}: a number from 0 to 2^63 - 2 is needed")
    if options.seed == options.held_out_seed:
        raise fail(Code.LAG510, "training and held-out members need different seeds")


def _check_ranges(options: TrainOptions) -> None:
    steps = options.step if isinstance(options.step, tuple) else (options.step or 1.0,) * 2
    ranges = {"step": steps, "noise": options.noise, "missing": options.missing}
    for name, (low, high) in ranges.items():
        if not (math.isfinite(low) and math.isfinite(high) and 0 <= low <= high):
            raise fail(Code.LAG510, f"{name} = {low:g}..{high:g} is not a range of such numbers")
    if steps[0] <= 0:
        raise fail(Code.LAG510, f"step = {steps[0]:g}: a positive number is needed")
    if options.missing[1] > 0.9:
        raise fail(Code.LAG510, f"missing = {options.missing[1]:g}: at most 0.9 can be")
    if options.states not in (None, "fixed", "normal"):
        raise fail(Code.LAG510, f"states `{options.states}`: there are `fixed` and `normal`")
    if not (math.isfinite(options.spread) and options.spread > 0):
        raise fail(Code.LAG510, f"spread = {options.spread} is not positive")


@dataclass(frozen=True)
class CoefficientError:
    """Errors of one coefficient on the held-out set; of always saying the mean of its law; and of
    the regression among the features alone (None where there is none).

    Relative errors leave out members whose true value is zero. coverage95: the part of members
    whose true value lies within the 95 % interval; median_std: of the standard errors.
    """

    median_relative_error: float
    percentile95_relative_error: float
    rmse: float
    coverage95: float
    median_std: float
    baseline_median_relative_error: float
    baseline_rmse: float
    regression_median_relative_error: float | None
    regression_rmse: float | None


@dataclass(frozen=True)
class TrajectoryError:
    """Root mean squares over time between a true trajectory and a predicted one (model units).

    pooled_rms: over all members; median, percentile95: of the members' own; baseline_*: the same
    with the mean trajectory of the family as the prediction; regression_*: with the regression
    among the features alone (None where there is none).
    """

    pooled_rms: float
    median: float
    percentile95: float
    baseline_pooled_rms: float
    baseline_median: float
    baseline_percentile95: float
    regression_pooled_rms: float | None
    regression_median: float | None
    regression_percentile95: float | None


@dataclass(frozen=True)
class TrainReport:
    """The outcome of `train`.

    systems_asked: how many were to be drawn, rounded up to whole batches of `batch`; systems_seen:
    different ones drawn and simulated for updates, of which, over all passes,
    `dropped` were not finite; calibration: as many more, for standard coordinates and for how wide
    intervals are; loss: of the last batch, minus the logarithm of the likelihood in standard
    coordinates; held_out: systems in the test set; coefficients: those not `held`, in the gauge
    that `held` fixes; trajectories: by `q` and `p` (or `v`, where that is observed), of
    simulations with predicted coefficients, of which `lost_trajectories` were not finite (left out,
    and counted here); joint_coverage95: the part of members all of whose coefficients lie within
    their intervals; seconds, cpu_seconds: of this call, on the clock and of the processor.
    """

    model: str
    network: str
    observed: str
    features: str
    supervision: str
    seed: int
    systems_asked: int
    batch: int
    systems_seen: int
    passes: int
    calibration: int
    dropped: int
    updates: int
    loss: float
    held_out: int
    held_out_dropped: int
    lost_trajectories: int
    coefficients: dict[str, CoefficientError]
    held: dict[str, float]
    joint_coverage95: float
    trajectories: dict[str, TrajectoryError]
    seconds: float
    cpu_seconds: float

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`; null for what is not finite, as where all true values are zero."""
        result: dict[str, Any] = finite(asdict(self))
        return result
