"""Coordinates in which a network speaks of coefficients: the gauge fixed, positive ones as logs.

A direction that the observed channels cannot see is taken out by moving every member along it to
where one coefficient has the value that `lagc fit` would hold it at. Coefficients that cannot be
negative are then spoken of by their logarithm; where zero is among their values, by the logarithm
of the coefficient plus a hundredth of its typical size, so that relative errors count down to there
and zero is an ordinary point. All are standardised by a calibration draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.data import Recording
from lagc.learn.family import Family, Members
from lagc.learn.gauge import representatives, structural_null_space
from lagc.learn.observing import Observed
from lagc.learn.sensitivity import gather
from lagc.learn.starting import middle
from lagc.learn.structure import acceleration_sensitivity
from lagc.runtime.priors import support
from lagc.runtime.spec import CoefficientSpec

_SOFTENING = 1e-2
_BEYOND = 2.0  # standard deviations that a prediction may lie outside of the calibration draw
_POINTS = 3
_SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Gauging:
    """What is held: indices into the coefficients drawn, the values there (h,), and the directions
    (h, k) that lead there, in logarithms (`by_ratio`) or in the coefficients themselves."""

    held: tuple[int, ...] = ()
    values: np.ndarray | None = None
    directions: np.ndarray | None = None
    by_ratio: bool = True

    def fix(self, coefficients: jax.Array) -> jax.Array:
        """Members (..., k) moved to where the held coefficients have their values."""
        if self.values is None or self.directions is None:
            return coefficients
        held = list(self.held)
        own, wanted = coefficients[..., held], _along_last(self.values, coefficients)
        directions = jnp.asarray(self.directions)
        if self.by_ratio:
            moved = coefficients * jnp.exp(jnp.log(wanted / own) @ directions)
        else:
            moved = coefficients + (wanted - own) @ directions
        result: jax.Array = jnp.asarray(moved).at[..., held].set(wanted)
        return result


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Standard coordinates (..., m) of the coefficients drawn (..., k).

    targets: (m,), the indices of those not held; logarithmic, shift: (m,); mean, std, lowest,
    highest: (m,), lowest and highest being the standard coordinates that predictions are clipped
    to; lower, upper: (m,), the legal range of the coefficients.
    """

    gauging: Gauging
    targets: tuple[int, ...]
    logarithmic: np.ndarray
    shift: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    def to_standard(self, coefficients: jax.Array) -> jax.Array:
        """Coordinates (..., m) of coefficients (..., k) in any gauge."""
        values = self.gauging.fix(jnp.asarray(coefficients))[..., list(self.targets)]
        raw = self._raw(values)
        return (raw - _along_last(self.mean, raw)) / _along_last(self.std, raw)

    def to_targets(self, standard: jax.Array) -> jax.Array:
        """Legal values (..., m) of the coefficients not held."""
        low, high = (_along_last(x, standard) for x in (self.lowest, self.highest))
        inside = jnp.clip(standard, low, high)
        raw = _along_last(self.mean, inside) + _along_last(self.std, inside) * inside
        log = _along_last(self.logarithmic, raw)
        values = jnp.where(log, jnp.exp(jnp.where(log, raw, 0.0)), raw)
        values = values - _along_last(self.shift, raw)
        return jnp.clip(values, _along_last(self.lower, raw), _along_last(self.upper, raw))

    def to_coefficients(self, standard: jax.Array) -> jax.Array:
        """All coefficients drawn (..., k), those held at their values."""
        return self.complete(self.to_targets(standard))

    def complete(self, targets: jax.Array) -> jax.Array:
        """Values (..., m) of the coefficients not held with those held: (..., k)."""
        if self.gauging.values is None:
            return targets
        count = len(self.targets) + len(self.gauging.held)
        result = jnp.zeros((*targets.shape[:-1], count), targets.dtype)
        result = result.at[..., list(self.targets)].set(targets)
        held = _along_last(self.gauging.values, targets)
        return result.at[..., list(self.gauging.held)].set(held)

    def slope(self, targets: jax.Array) -> jax.Array:
        """The derivative of the coordinates by the values (..., m)."""
        log = _along_last(self.logarithmic, targets)
        argument = jnp.where(log, targets + _along_last(self.shift, targets), 1.0)
        return 1 / (argument * _along_last(self.std, targets))

    def _raw(self, values: jax.Array) -> jax.Array:
        log = _along_last(self.logarithmic, values)
        argument = jnp.where(log, values + _along_last(self.shift, values), 1.0)
        return jnp.where(log, jnp.log(argument), values)

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`; infinite ends as text."""
        names = ("logarithmic", "shift", "mean", "std", "lowest", "highest", "lower", "upper")
        arrays = {name: _listed(getattr(self, name)) for name in names}
        gauging = self.gauging
        held = {
            "held": list(gauging.held),
            "values": _listed(gauging.values),
            "directions": _listed(gauging.directions),
            "by_ratio": gauging.by_ratio,
        }
        return {"targets": list(self.targets), "gauge": held} | arrays

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Coordinates:
        """What `as_json` wrote."""
        content = dict(content)
        held = content.pop("gauge")
        values, directions = (
            None if held[name] is None else np.array(held[name], float)
            for name in ("values", "directions")
        )
        gauging = Gauging(
            tuple(int(i) for i in held["held"]), values, directions, bool(held["by_ratio"])
        )
        targets = tuple(int(i) for i in content.pop("targets"))
        logarithmic = np.array(content.pop("logarithmic"), bool)
        arrays = {name: np.array([float(x) for x in value]) for name, value in content.items()}
        if any(array.shape != (len(targets),) for array in (logarithmic, *arrays.values())):
            raise ValueError("other shapes")
        return cls(gauging, targets, logarithmic, **arrays)


def _along_last(vector: np.ndarray, like: jax.Array) -> jax.Array:
    """A vector with as many axes as `like`, its own the last."""
    array = jnp.asarray(vector, like.dtype if np.asarray(vector).dtype.kind == "f" else None)
    return jnp.reshape(array, (1,) * (like.ndim - 1) + (-1,))


def _listed(array: np.ndarray | None) -> Any:
    if array is None:
        return None
    if array.ndim > 1:
        return [_listed(row) for row in array]
    return [str(x) if isinstance(x, float) and not np.isfinite(x) else x for x in array.tolist()]


def calibrate(members: Members, drawn: Sequence[CoefficientSpec], gauging: Gauging) -> Coordinates:
    """Coordinates standardised by the finite members of a draw."""
    finite = np.asarray(members.finite)
    coefficients = np.asarray(members.coefficients)[finite]
    targets = tuple(k for k in range(len(drawn)) if k not in gauging.held)
    values = np.asarray(gauging.fix(jnp.asarray(coefficients)))[:, list(targets)]
    own = [drawn[k] for k in targets]
    log = np.array([_never_negative(c) for c in own])
    zero = np.array([_support(c)[0] <= 0 for c in own])
    shift = np.where(log & zero, _SOFTENING * np.array([_typical(x) for x in values.T]), 0.0)
    moved = np.zeros(len(targets), bool)
    if gauging.directions is not None:
        moved = (np.abs(gauging.directions[:, list(targets)]) > 0).any(axis=0)
    ranges = np.array(
        [legal_range(c, coefficients.dtype, by_law=not m) for c, m in zip(own, moved, strict=True)]
    )
    raw = np.where(log, np.log(np.where(log, values + shift, 1.0)), values)
    std = raw.std(axis=0)
    std = np.where(std > 0, std, 1.0)
    standard = (raw - raw.mean(axis=0)) / std
    return Coordinates(
        gauging,
        targets,
        log,
        shift,
        raw.mean(axis=0),
        std,
        standard.min(axis=0) - _BEYOND,
        standard.max(axis=0) + _BEYOND,
        ranges[:, 0],
        ranges[:, 1],
    )


def _typical(values: np.ndarray) -> float:
    """The median size of those values (n,) that are not zero, as more than half of a mixture can
    be; one where all are."""
    sizes = np.abs(values[values != 0])
    return float(np.median(sizes)) if sizes.size else 1.0


def find_gauge(family: Family, members: Members, observed: Observed) -> Gauging:
    """What the channels observed cannot see, where it is a direction of constant components in the
    coefficients or in their logarithms; nothing is held for what is neither."""
    spec = family.system.spec
    if spec.lattice is not None:
        return Gauging()
    # Members with a coefficient at zero have no logarithms; they come last.
    zeros = (np.asarray(members.coefficients) == 0).any(axis=1)
    finite = np.flatnonzero(np.asarray(members.finite))
    finite = finite[np.argsort(zeros[finite], kind="stable")][:_POINTS]
    drawn = [k for k, c in enumerate(spec.coefficients) if c.prior is not None]
    names = {c.name: c.default for c in spec.coefficients}
    rows = []
    for index in finite.tolist():
        second = members.p if observed == "q,p" else members.v
        channels = [np.asarray(x[index]) for x in (members.q, second)]
        times = np.asarray(members.t if members.t.ndim == 1 else members.t[index])
        v, p = (None, channels[1]) if observed == "q,p" else (channels[1], None)
        data = gather([Recording("member", times, channels[0], v, p)], spec)
        values = np.array([0.0 if x is None else x for x in names.values()])
        values[drawn] = np.asarray(members.coefficients[index])
        generator = np.random.default_rng(index)
        rows.append((values, acceleration_sensitivity(family.system, data, values, generator)))
    for by_ratio in (True, False):
        bases = [
            structural_null_space((r * v if by_ratio else r)[:, drawn])
            for v, r in rows
            if not by_ratio or (v[drawn] != 0).all()
        ]
        if not bases or bases[0].shape[1] == 0:
            continue
        if any(_differ(bases[0], other) for other in bases[1:]):
            continue
        found = _held(family.drawn, bases[0], by_ratio)
        if found is not None:
            return found
    return Gauging()


def _differ(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return True
    return bool(np.abs(one - other @ (other.T @ one)).max() > _SAME)


def _held(drawn: Sequence[CoefficientSpec], null: np.ndarray, by_ratio: bool) -> Gauging | None:
    """One coefficient held for each direction (k, h), only such as are never zero for ratios."""
    allowed = [k for k, c in enumerate(drawn) if not by_ratio or _support(c)[0] > 0]
    order = [*allowed, *(k for k in range(len(drawn)) if k not in allowed)]
    chosen = representatives(null[order], len(allowed))
    held = tuple(order[c.index] for c in chosen)
    if any(k not in allowed for k in held):
        return None
    directions = np.zeros((len(held), len(drawn)))
    for row, c in zip(directions, chosen, strict=True):
        row[order] = np.where(np.abs(c.direction) > _SAME, c.direction, 0.0)
    values = []
    for k in held:
        prior, default = drawn[k].prior, drawn[k].default
        assert prior is not None
        given = default is not None and (default > 0 or not by_ratio)
        values.append(default if given else middle(prior))
    return Gauging(held, np.array(values), directions, by_ratio)


def _never_negative(spec: CoefficientSpec) -> bool:
    return _support(spec)[0] >= 0


def _support(spec: CoefficientSpec) -> tuple[float, float]:
    """The smallest interval that the values drawn stay in."""
    assert spec.prior is not None
    low, high = support(spec.prior)
    if spec.lower is not None:
        low = max(low, spec.lower)
    if spec.upper is not None:
        high = min(high, spec.upper)
    return low, high


def legal_range(
    spec: CoefficientSpec, dtype: np.dtype, *, by_law: bool = True
) -> tuple[float, float]:
    """The closed range of numbers of a type that the bounds allow, and the law where it counts."""
    assert spec.prior is not None
    low, high = support(spec.prior) if by_law else (-np.inf, np.inf)
    if spec.lower is not None and spec.lower >= low:
        low = float(np.nextafter(dtype.type(spec.lower), dtype.type(np.inf)))
        low = low if spec.lower_open else spec.lower
    if spec.upper is not None and spec.upper <= high:
        high = float(np.nextafter(dtype.type(spec.upper), dtype.type(-np.inf)))
        high = high if spec.upper_open else spec.upper
    return low, high
