"""Where a fit starts: coefficients from the model, initial states and sizes from the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.learn.losses import SQUARES, Loss
from lagc.learn.recording import PATTERNS
from lagc.learn.sensitivity import Observations
from lagc.runtime.arguments import check_bounds
from lagc.runtime.priors import LogUniform, Mixture, Normal, Point, Prior, Uniform
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_LOCAL_POINTS = 7
_TURNS = 6.0  # a duration in radians of the motion, about


def middle(prior: Prior) -> float:
    """The mean of a law, or the median where it is spread over decades."""
    match prior:
        case Point(value):
            return value
        case Uniform(low, high):
            return (low + high) / 2
        case LogUniform(low, high):
            return float(np.sqrt(low * high))
        case Normal(mean, _):
            return mean
        case Mixture(weights, laws):
            return sum(w * middle(law) for w, law in zip(weights, laws, strict=True))


def starting_coefficients(
    spec: ModelSpec, fixed: Mapping[str, float], guess: Mapping[str, float]
) -> dict[str, float]:
    """What is fixed, else guessed, else the default, else the middle of the law.

    Raises LAG503 for unknown names, LAG504 outside the bounds, LAG502 where there is no value.
    """
    known = {c.name: c for c in spec.coefficients}
    for name in (*fixed, *guess):
        if name not in known:
            hint = did_you_mean(name, known) or f"the model has {', '.join(known) or 'none'}"
            raise fail(Code.LAG503, f"`{name}` is not a coefficient of `{spec.name}`", help=hint)
    values = {}
    for name, coefficient in known.items():
        value = fixed.get(name, guess.get(name, coefficient.default))
        if value is None and coefficient.prior is not None:
            value = middle(coefficient.prior)
        if value is None:
            raise fail(
                Code.LAG502,
                f"coefficient `{name}` of `{spec.name}` has no default to start from",
                help=f"give a guess (`--guess {name}=VALUE`) or a default in the model",
            )
        check_bounds(coefficient, np.asarray(float(value)))
        values[name] = float(value)
    return values


def coefficient_sizes(spec: ModelSpec, values: Mapping[str, float]) -> np.ndarray:
    """How large a change of each coefficient is not small: (n,), positive."""
    sizes = []
    for c in spec.coefficients:
        law = abs(middle(c.prior)) if c.prior is not None else 0.0
        width = c.upper - c.lower if c.upper is not None and c.lower is not None else 0.0
        sizes.append(abs(values[c.name]) or law or width or 1.0)
    return np.array(sizes)


@dataclass(frozen=True, eq=False)
class Channels:
    """The sizes of what was observed: (kinds, dof) by kind and component, the groups that share one
    noise level, name to mask (kinds, dof), and the levels that are known, by name: the root mean
    square of the standard deviations stated."""

    sizes: np.ndarray
    groups: dict[str, np.ndarray]
    known: Mapping[str, float] = field(default_factory=dict)


def observed_channels(
    observations: Observations, spec: ModelSpec, loss: Loss = SQUARES
) -> Channels:
    """One group for each coordinate and kind that was observed, with its spread as its size; LAG615
    where the noise of a group is known for some of its values only."""
    sizes = np.ones((observations.kinds, spec.dof))
    groups: dict[str, np.ndarray] = {}
    known: dict[str, float] = {}
    for kind, pattern in enumerate(PATTERNS[: observations.kinds]):
        start = 0
        for coordinate in spec.coordinates:
            part = slice(start, start + len(coordinate.labels))
            start = part.stop
            seen = observations.values[:, :, kind, part]
            if not np.isfinite(seen).any():
                continue
            mask = np.zeros(sizes.shape, bool)
            mask[kind, part] = True
            name = pattern.format(coordinate.name)
            groups[name] = mask
            level = _known_level(observations, mask, name)
            if level is not None:
                known[name] = level
            values = seen[np.isfinite(seen)]
            size = loss.spread(values) or float(np.max(np.abs(values))) or 1.0
            if kind == 0 and coordinate.modulus is not None:
                size = min(size, coordinate.modulus / 4)
            sizes[mask] = size
    return Channels(sizes, groups, known)


def _known_level(observations: Observations, mask: np.ndarray, name: str) -> float | None:
    """The root mean square of the stated standard deviations of a group, None if none is."""
    if observations.stated is None:
        return None
    stated = observations.stated[:, :, mask][observations.seen[:, :, mask]]
    missing = np.isnan(stated)
    if missing.all():
        return None
    if missing.any():
        raise fail(
            Code.LAG615,
            f"the noise of `{name}` is known for {np.sum(~missing)} of {stated.size} values",
            help="state it for all values of a coordinate and kind, or for none",
        )
    return float(np.sqrt(np.mean(stated**2)))


def relative_noise(observations: Observations, channels: Channels) -> np.ndarray | None:
    """The standard deviations as parts of the level of their group: (R, m, kinds, dof), or None
    where all are equal."""
    if observations.stated is None:
        return None
    relative = np.ones(observations.values.shape)
    for name, level in channels.known.items():
        mask = np.broadcast_to(channels.groups[name], relative.shape) & observations.seen
        relative[mask] = observations.stated[mask] / level
    return relative


def starting_states(
    system: System, observations: Observations, coefficients: Mapping[str, float]
) -> np.ndarray:
    """Initial positions and velocities (R, 2, dof), from the first observations of each recording.

    A velocity that was not observed comes from a parabola through the first positions, else from
    the observed momentum, else from the model's `initial` line.
    """
    spec = system.spec
    states = np.zeros((len(observations.times), 2, spec.dof))
    labels = (spec.labels, spec.velocity_labels)
    for recording, times in enumerate(observations.times):
        for d, period in enumerate(spec.moduli):
            q, v = (observations.values[recording, :, kind, d] for kind in (0, 1))
            defaults = [spec.initial.get(of_kind[d], 0.0) for of_kind in labels]
            position, slope = _local(times, q, period)
            states[recording, 0, d] = defaults[0] if position is None else position
            velocity = _local(times, v, None)[0] if np.isfinite(v).any() else slope
            states[recording, 1, d] = np.nan if velocity is None else velocity
        _velocities_from_momenta(system, observations, coefficients, recording, states[recording])
        missing = np.flatnonzero(np.isnan(states[recording, 1]))
        fallback = np.array([spec.initial.get(label, 0.0) for label in spec.velocity_labels])
        states[recording, 1, missing] = fallback[missing]
    return states


def _velocities_from_momenta(
    system: System,
    observations: Observations,
    coefficients: Mapping[str, float],
    recording: int,
    state: np.ndarray,
) -> None:
    """Fill in the velocities that are missing where all momenta of the first row are known."""
    momenta = observations.values[recording, 0, 2]
    if not np.isnan(state[1]).any() or not np.isfinite(momenta).all():
        return
    inputs = {name: values[recording, 0] for name, values in observations.inputs.items()}
    t = observations.times[recording, 0]
    try:
        found = system.velocity(state[0], momenta, t, coefficients=coefficients, inputs=inputs)
    except LagcError:
        return
    missing = np.flatnonzero(np.isnan(state[1]))
    state[1, missing] = np.asarray(found)[missing]


def _local(
    times: np.ndarray, values: np.ndarray, period: float | None
) -> tuple[float | None, float | None]:
    """Value and slope at the first time, from a parabola or line through the first values."""
    known = np.flatnonzero(np.isfinite(values))[:_LOCAL_POINTS]
    if known.size == 0:
        return None, None
    x, y = times[known] - times[0], values[known]
    if period is not None:
        y = np.unwrap(y, period=period)
    if known.size == 1:
        return float(y[0]), None
    degree = 2 if known.size >= 4 else 1
    fitted = np.polynomial.polynomial.polyfit(x / x[-1], y, degree)
    position = y[0] if known[0] == 0 else fitted[0]
    return float(position), float(fitted[1] / x[-1])


def state_sizes(observations: Observations, channels: Channels, states: np.ndarray) -> np.ndarray:
    """How large a change of each initial value is not small: (R, 2, dof), positive."""
    duration = np.ptp(observations.times, axis=1).mean()
    seen = np.isfinite(observations.values).any(axis=(0, 1))
    # Positions that velocities alone tell go as far as these, whose period is not known.
    hidden = np.where(seen[1], channels.sizes[1] * duration / _TURNS, 1.0)
    q = np.where(seen[0], channels.sizes[0], np.maximum(hidden, np.abs(states[:, 0]).max(axis=0)))
    by_slope = np.maximum(np.abs(states[:, 1]).max(axis=0), q / duration)
    v = np.where(seen[1], channels.sizes[1], by_slope)
    return np.broadcast_to(np.stack([q, v]), states.shape).copy()
