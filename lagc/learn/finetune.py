"""Fine-tuning: a trained network improved by the trajectories that its coefficients lead to.

The coefficients that a network answers with are simulated from the true initial states, and the
loss is the mean square distance from the true trajectory, in positions and in momenta or
velocities, each in units of its spread over the family. Its parts:

- a weight that may grow or fall along the trajectory;
- a cap on the square at each row, c log(1 + d^2/c), whose slope falls off but is never zero, so
  that a trajectory that is far off still says where to go;
- soft bounds, w log(1 + exp(x/w)) above a lower one, where clipping would end the gradient; they
  are there in the loss alone, predictions being clipped as before;
- a part of the likelihood by which the network was trained, which keeps its uncertainties.

Gradients pass through the integrator. Members that the coefficients lose are left to the last part.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.checkpoint import write_json
from lagc.learn.coordinates import Coordinates
from lagc.learn.family import Family, Members
from lagc.learn.observing import Observed

FILE = "fine-tuning.json"
_WARM_UP = 50
_FARTHEST = 1.0  # standard coordinates over which a prediction is bent back into their range


@dataclass(frozen=True)
class FineTune:
    """How a network is fine-tuned.

    updates: how many, after all others; learning_rate: of AdamW from fresh moments, after a warm-up
    constant; late: weights of rows go with exp(late t/T), their mean being one; cap: of the square
    at a row, in units of the spread (infinite for none); softness: width of soft bounds, as a part
    of the typical size of a coefficient; likelihood: the part of the first loss that is added.
    """

    updates: int = 0
    learning_rate: float = 1e-4
    late: float = 0.0
    cap: float = 1.0
    softness: float = 1e-2
    likelihood: float = 0.1


Loss = Callable[[jax.Array, Members], jax.Array]


def check_fine_tune(options: FineTune) -> None:
    """Raise LAG611 for values that no fine-tuning can have."""
    if options.updates < 0:
        raise fail(Code.LAG611, f"{options.updates} updates: a number of at least 0 is needed")
    for name in ("learning_rate", "cap", "softness"):
        value = getattr(options, name)
        if not value > 0 or (name != "cap" and not math.isfinite(value)):
            raise fail(Code.LAG611, f"{name} = {value:g} is not positive")
    if not (math.isfinite(options.likelihood) and options.likelihood >= 0):
        raise fail(Code.LAG611, f"likelihood = {options.likelihood:g} is negative or not finite")
    if not math.isfinite(options.late):
        raise fail(Code.LAG611, f"late = {options.late:g} is not finite")


def begin(folder: Path, options: FineTune, after: int) -> None:
    """Note in a folder with which options and after how many updates fine-tuning begins."""
    write_json(folder / FILE, _record(options, after))


def check_resumed(folder: Path, options: FineTune, after: int, updates: int) -> None:
    """See that a run that has made so many updates goes on as it was fine-tuned; LAG611 if not."""
    path = folder / FILE
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8")))
        begun = int(found["after"]) < updates
    except FileNotFoundError:
        found, begun = {}, after < updates
    except (OSError, ValueError, TypeError, KeyError):
        raise fail(Code.LAG611, f"{path} is damaged") from None
    wanted = _record(options, after)
    for name in sorted({*found, *wanted}) if begun else ():
        if found.get(name) != wanted.get(name):
            raise fail(
                Code.LAG611,
                f"{folder} was fine-tuned with {name} = {found.get(name)}, not {wanted.get(name)}",
                help="go on with the same options, or train in another folder",
            )


def _record(options: FineTune, after: int) -> dict[str, Any]:
    """What must stay as it is, as JSON has it; the number of updates need not."""
    own = asdict(options) | {"after": after, "cap": str(options.cap)}
    own.pop("updates")
    result: dict[str, Any] = json.loads(json.dumps(own))
    return result


def schedule(options: FineTune) -> Callable[[Any], Any]:
    """The learning rate by the number of updates."""
    return lambda count: options.learning_rate * jnp.minimum(1.0, (count + 1) / _WARM_UP)


def make_loss(
    family: Family,
    coordinates: Coordinates,
    observed: Observed,
    calibration: Members,
    options: FineTune,
) -> Loss:
    """The loss as a function of standard coordinates (n, m) and members: (n,), finite.

    calibration: a draw whose spread is the unit of each channel. Momenta or velocities are compared
    as `observed` says, and begin the simulations.
    """
    finite = np.asarray(calibration.finite)
    by_momentum = observed == "q,p"
    channels = [calibration.q, calibration.p if by_momentum else calibration.v]
    sizes = np.concatenate([np.asarray(x)[finite].std(axis=(0, 1)) for x in channels])
    sizes = np.where(sizes > 0, sizes, 1.0)
    part = np.linspace(0, 1, family.steps + 1)
    weights = np.exp(options.late * (part - 1))
    weights /= weights.mean()

    def second(members: Members) -> jax.Array:
        return members.p if by_momentum else members.v

    def simulated(coefficients: jax.Array, members: Members) -> jax.Array:
        first = members.q[:, 0], second(members)[:, 0]
        start: dict[str, Any] = {"p0" if by_momentum else "v0": first[1]}
        trajectory = family.system.simulate(
            first[0],
            **start,
            coefficients={c.name: coefficients[:, k] for k, c in enumerate(family.drawn)},
            dt=members.dt,
            steps=family.steps,
            r=family.r,
        )
        other = trajectory.p if by_momentum else trajectory.v
        return jnp.concatenate([family.system.unwrap(trajectory), other], axis=-1)

    def loss(standard: jax.Array, members: Members) -> jax.Array:
        coefficients = soft_coefficients(coordinates, standard, options.softness)
        use, members = members.finite, _usable(members)
        true = jnp.concatenate([members.q, second(members)], axis=-1)
        # Zero times a derivative that is not finite is not zero: members that are lost are
        # simulated with their own coefficients instead.
        trial = jax.lax.stop_gradient(simulated(coefficients, members))
        kept = jnp.isfinite(trial).all(axis=(1, 2)) & use
        own = coordinates.gauging.fix(members.coefficients)
        usable = jnp.where(kept[:, None], coefficients, jax.lax.stop_gradient(own))
        difference = (simulated(usable, members) - true) / jnp.asarray(sizes)[None, None]
        square = capped(jnp.mean(difference**2, axis=-1), options.cap)
        mean = jnp.mean(square * jnp.asarray(weights)[None], axis=1)
        return jnp.where(kept, mean, 0.0)

    return loss


def _usable(members: Members) -> Members:
    """Members with those that are not finite replaced by one that is."""
    n = members.finite.shape[0]
    index = jnp.where(members.finite, jnp.arange(n), jnp.argmax(members.finite))
    own_times = members.t.ndim == 2
    return Members(
        *(
            x if name == "t" and not own_times else x[index]
            for name, x in zip(Members._fields, members, strict=True)
        )
    )


def capped(square: jax.Array, cap: float) -> jax.Array:
    """c log(1 + x/c): x for small x, and a slope that is never zero."""
    if math.isinf(cap):
        return square
    return cap * jnp.log1p(square / cap)


def soft_coefficients(coordinates: Coordinates, standard: jax.Array, softness: float) -> jax.Array:
    """All coefficients drawn (..., k) from standard coordinates (..., m), within their bounds and
    with a slope everywhere."""
    free = np.full(len(coordinates.targets), np.inf)
    open_ended = replace(coordinates, lowest=-free, highest=free, lower=-free, upper=free)
    far = np.full(len(free), _FARTHEST)
    inside = _bent(standard, coordinates.lowest, coordinates.highest, far)
    typical = np.where(
        coordinates.logarithmic,
        np.exp(np.where(coordinates.logarithmic, coordinates.mean, 0.0)),
        coordinates.std,
    )
    values = open_ended.to_targets(inside)
    values = _bent(values, coordinates.lower, coordinates.upper, softness * typical)
    return coordinates.complete(values)


def _bent(x: jax.Array, low: np.ndarray, high: np.ndarray, width: np.ndarray) -> jax.Array:
    """x (..., m) between bounds (m,), softly over a width; infinite bounds leave it as it is."""

    def along(vector: np.ndarray) -> jax.Array:
        return jnp.reshape(jnp.asarray(vector, x.dtype), (1,) * (x.ndim - 1) + (-1,))

    w = along(width)
    for bound, side in ((low, 1.0), (high, -1.0)):
        known = np.isfinite(bound)
        end = along(np.where(known, bound, 0.0))
        bent = end + side * w * jax.nn.softplus(side * (x - end) / w)
        x = jnp.where(along(known.astype(float)) > 0, bent, x)
    return x
