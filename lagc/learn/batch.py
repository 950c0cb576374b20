"""Observations of many systems of one family side by side, and what the model predicts for them.

The systems are independent: each has coefficients, an initial state and a step of its own. With
equal times between rows they are one batch of the integrator; with uneven times or inputs each is
a run of its own, mapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.learn.sensitivity import Observations, observed_rows, step_grid
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_EVEN = 1e-9  # part of the mean interval by which intervals may differ and still be equal


@dataclass(frozen=True, eq=False)
class Batch:
    """Observations of n systems (model units).

    values: (n, rows, channels), NaN where nothing was observed; channels: their labels (`q`, `q'`,
    `p[q]`); times: (n, rows); q0 with v0 or p0: (n, dof), states at the first row, known or where a
    search begins; inputs: name to (n, rows); even: whether each system has one interval between all
    of its rows.
    """

    values: np.ndarray
    channels: tuple[str, ...]
    times: np.ndarray
    q0: np.ndarray
    v0: np.ndarray | None
    p0: np.ndarray | None
    inputs: Mapping[str, np.ndarray]
    even: bool

    def __len__(self) -> int:
        return len(self.values)

    @property
    def seen(self) -> np.ndarray:
        """What was observed: (n, rows, channels)."""
        return np.isfinite(self.values)

    @property
    def by_momentum(self) -> bool:
        """Whether initial states are given by momenta."""
        return self.p0 is not None

    @property
    def second(self) -> np.ndarray:
        """v0 or p0: (n, dof)."""
        second = self.p0 if self.v0 is None else self.v0
        assert second is not None
        return second

    def some(self, index: np.ndarray) -> Batch:
        """The systems of an index (m,)."""
        return replace(
            self,
            values=self.values[index],
            times=self.times[index],
            q0=self.q0[index],
            v0=None if self.v0 is None else self.v0[index],
            p0=None if self.p0 is None else self.p0[index],
            inputs={name: values[index] for name, values in self.inputs.items()},
        )


def make_batch(
    spec: ModelSpec,
    values: Any,
    channels: Sequence[str],
    *,
    dt: Any = None,
    times: Any = None,
    q0: Any,
    v0: Any = None,
    p0: Any = None,
    seen: Any = None,
    inputs: Mapping[str, Any] | None = None,
) -> Batch:
    """A checked batch from arrays.

    values: (n, rows, channels); dt: () or (n,), the interval between rows, or times: (rows,) or
    (n, rows); q0 with v0 or p0: (dof,) or (n, dof); seen: which values count, broadcast to their
    shape, NaN never counting; inputs: name to (rows,) or (n, rows). Raises LAG609.
    """
    array = np.array(values, dtype=float)
    if array.ndim != 3 or array.shape[1] < 2 or array.shape[2] != len(channels) or not len(array):
        raise _refuse(
            f"data have the shape {array.shape}; (systems, rows, {len(channels)}) is needed, with "
            "at least one system and two rows"
        )
    n, rows, _ = array.shape
    _check_channels(spec, channels)
    if seen is not None:
        array[~_broadcast(seen, array.shape, "seen").astype(bool)] = np.nan
    if np.isinf(array).any():
        raise _refuse("data hold infinite values")
    if not np.isfinite(array).any(axis=(1, 2)).all():
        raise _refuse("a system has no observed value")
    if (dt is None) == (times is None):
        raise _refuse("give either `dt` or `times`")
    if times is None:
        dt = np.broadcast_to(_broadcast(dt, (n,), "dt"), (n,))
        times = dt[:, None] * np.arange(rows)
    grid = _broadcast(times, (n, rows), "times").astype(float)
    if not (np.isfinite(grid).all() and (np.diff(grid) > 0).all()):
        raise _refuse("the times must be finite and increase from row to row")
    intervals = np.diff(grid)
    spread = np.ptp(intervals, axis=1)
    if (v0 is None) == (p0 is None):
        raise _refuse("give either `v0` or `p0`")
    given = {"q0": q0, "v0": v0, "p0": p0}
    states = {
        name: None if x is None else _broadcast(x, (n, spec.dof), name).astype(float)
        for name, x in given.items()
    }
    if not all(x is None or np.isfinite(x).all() for x in states.values()):
        raise _refuse("initial states must be finite")
    own = dict(inputs or {})
    for name in (*spec.inputs, *own):
        if name not in own or name not in spec.inputs:
            what = "is missing" if name not in own else "is not one of the model"
            raise _refuse(f"input `{name}` {what}")
    signals = {name: _broadcast(x, (n, rows), name).astype(float) for name, x in own.items()}
    if not all(np.isfinite(x).all() for x in signals.values()):
        raise _refuse("inputs must be finite")
    q = states["q0"]
    assert q is not None
    return Batch(
        values=array,
        channels=tuple(channels),
        times=grid,
        q0=q,
        v0=states["v0"],
        p0=states["p0"],
        inputs=signals,
        even=not signals and bool((spread <= _EVEN * intervals.mean(axis=1)).all()),
    )


def batch_of(spec: ModelSpec, observations: Observations, states: np.ndarray) -> Batch:
    """Recordings side by side as the systems of a batch, with states (n, 2, dof) at their first
    times; rows beyond the end of one hold no observation."""
    kinds = (spec.labels, spec.velocity_labels, spec.momentum_labels)
    seen = observations.seen.any(axis=(0, 1))
    places = np.argwhere(seen)
    return make_batch(
        spec,
        np.stack([observations.values[:, :, kind, d] for kind, d in places], axis=-1),
        [kinds[kind][d] for kind, d in places],
        times=observations.times,
        q0=states[:, 0],
        v0=states[:, 1],
        inputs=observations.inputs,
    )


def _broadcast(value: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Axes count from the right, as in NumPy: what is the same for all systems lacks the first."""
    array = np.asarray(value)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise _refuse(f"`{what}` has the shape {array.shape}; {shape} is needed") from None


def _check_channels(spec: ModelSpec, channels: Sequence[str]) -> None:
    known = (*spec.labels, *spec.velocity_labels, *spec.momentum_labels)
    for index, label in enumerate(channels):
        if label not in known:
            raise fail(
                Code.LAG609,
                f"`{label}` is not a channel of `{spec.name}`",
                help=did_you_mean(label, known) or f"there are {', '.join(known[:12])}",
            )
        if label in channels[:index]:
            raise _refuse(f"channel `{label}` appears twice")


class Lanes(NamedTuple):
    """The arrays of some systems, for compiled functions; every one has the systems in front.

    values and weights: (n, rows, channels), weights zero where nothing counts; grid: (n, steps+1),
    the times of the steps; constants: coefficients that are not searched, name to (n,); inputs:
    name to (n, rows).
    """

    values: Any
    weights: Any
    grid: Any
    q0: Any
    second: Any
    constants: dict[str, Any]
    inputs: dict[str, Any]

    @classmethod
    def of(
        cls, batch: Batch, substeps: int, weights: np.ndarray, constants: Mapping[str, np.ndarray]
    ) -> Lanes:
        """Those of a batch, with `substeps` steps between two rows."""
        return cls(
            np.where(batch.seen, batch.values, 0.0),
            np.where(batch.seen, weights, 0.0),
            step_grid(batch.times, substeps),
            batch.q0,
            batch.second,
            dict(constants),
            dict(batch.inputs),
        )

    def some(self, index: np.ndarray) -> Lanes:
        """The systems of an index."""
        return Lanes(*jax.tree_util.tree_map(lambda x: x[index], tuple(self)))


@dataclass(frozen=True)
class Layout:
    """What compiled functions are specialised to.

    names: the coefficients among the unknowns, in their order; components: kind (0: q, 1: v, 2: p)
    and degree of freedom of each channel; states_free: whether initial states follow the
    coefficients among the unknowns; whole: with the fallback of the integrator compiled in.
    """

    r: int
    substeps: int
    names: tuple[str, ...]
    components: tuple[tuple[int, int], ...]
    by_momentum: bool
    states_free: bool
    even: bool
    whole: bool = False

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        batch: Batch,
        names: Sequence[str],
        *,
        r: int,
        substeps: int,
        states_free: bool,
    ) -> Layout:
        """That of a batch."""
        groups = (spec.labels, spec.velocity_labels, spec.momentum_labels)
        places = {x: (kind, d) for kind, group in enumerate(groups) for d, x in enumerate(group)}
        components = tuple(places[c] for c in batch.channels)
        return cls(
            r, substeps, tuple(names), components, batch.by_momentum, states_free, batch.even
        )


def predict(
    system: System, layout: Layout, x: jax.Array, lanes: Lanes
) -> tuple[jax.Array, jax.Array]:
    """The channels at the rows, (n, rows, channels), for unknowns x: (n, u); NaN once a trajectory
    is lost. Also whether the strategy of the model was enough, ()."""
    k, dof = len(layout.names), system.spec.dof
    coefficients = {name: x[:, i] for i, name in enumerate(layout.names)} | lanes.constants
    q0, second = lanes.q0, lanes.second
    if layout.states_free:
        q0, second = x[:, k : k + dof], x[:, k + dof : k + 2 * dof]
    start = {"q0": q0, "p0" if layout.by_momentum else "v0": second}
    if layout.even:
        steps = lanes.grid.shape[1] - 1
        options: dict[str, Any] = {
            "coefficients": coefficients,
            "dt": (lanes.grid[:, -1] - lanes.grid[:, 0]) / steps,
            "steps": steps,
            "t0": lanes.grid[:, 0],
            "save_every": layout.substeps,
            "r": layout.r,
        }
        if layout.whole:
            trajectory, solved = system.simulate(**start, **options), jnp.array(True)
        else:
            trajectory, solved = system.attempt(**start, **options)
        kinds = (trajectory.q, trajectory.v, trajectory.p)
    else:
        one = partial(observed_rows, system, layout.r, layout.substeps, layout.whole)
        times = lanes.grid[:, :: layout.substeps]
        every, of_each = jax.vmap(one)(coefficients, start, lanes.grid, times, lanes.inputs)
        kinds = tuple(jnp.moveaxis(every, 2, 0))
        solved = jnp.all(of_each)
    return jnp.stack([kinds[kind][..., d] for kind, d in layout.components], axis=-1), solved


def residuals(
    system: System, layout: Layout, x: jax.Array, lanes: Lanes
) -> tuple[jax.Array, jax.Array]:
    """Weighted predicted minus observed, angles to the nearest period, (n, rows * channels), and
    whether the strategy of the model was enough; zero where nothing counts."""
    predicted, solved = predict(system, layout, x, lanes)
    difference = predicted - lanes.values
    periods = [system.spec.moduli[d] if kind == 0 else None for kind, d in layout.components]
    if any(p is not None for p in periods):
        period = jnp.array([p or jnp.inf for p in periods])[None, None]
        turns = jnp.where(jnp.isfinite(period), jnp.round(difference / period), 0.0)
        difference = difference - jnp.where(turns == 0, 0.0, turns * period)
    counted = jnp.where(lanes.weights > 0, difference * lanes.weights, 0.0)
    return counted.reshape(x.shape[0], -1), solved


def residuals_and_jacobian(
    system: System, layout: Layout, x: jax.Array, lanes: Lanes
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`residuals`, and their derivatives by the unknowns: (n, m) and (n, m, u)."""

    def along(direction: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        moved = jnp.broadcast_to(direction, x.shape)
        return jax.jvp(lambda x: residuals(system, layout, x, lanes), (x,), (moved,), has_aux=True)

    every = jnp.eye(x.shape[1])
    values, columns, solved = jax.vmap(along, out_axes=(None, -1, None))(every)
    return values, columns, solved


def _refuse(message: str) -> LagcError:
    return fail(Code.LAG609, message)
