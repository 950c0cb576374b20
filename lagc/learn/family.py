"""Members of a family: coefficients drawn from the laws of the model, simulated side by side.

Every coefficient is drawn independently by its own key. Draws outside the bounds are drawn again;
members whose trajectory is not finite are marked, counted by the caller and left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.runtime.spec import CoefficientSpec, ModelSpec
from lagc.runtime.system import System

_REDRAWS = 16
_LEAST_ACCEPTED = 0.5


@dataclass(frozen=True, eq=False)
class Family:
    """A model with laws for its coefficients and a way to run it.

    dt, steps and r as in `simulate`; q0 with v0 or p0, each (dof,), or all None: then initial
    positions and velocities are drawn from the standard normal law (model units).
    """

    system: System
    dt: float
    steps: int
    r: int = 2
    q0: np.ndarray | None = None
    v0: np.ndarray | None = None
    p0: np.ndarray | None = None

    @property
    def drawn(self) -> tuple[CoefficientSpec, ...]:
        """The coefficients that have a law; the others keep their defaults."""
        return tuple(c for c in self.system.spec.coefficients if c.prior is not None)


class Members(NamedTuple):
    """Drawn systems: coefficients (n, k) in the order of `Family.drawn`; t: (steps+1,); q, v, p:
    (n, steps+1, dof), angles followed continuously; finite: (n,), which of them can be used."""

    coefficients: jax.Array
    t: jax.Array
    q: jax.Array
    v: jax.Array
    p: jax.Array
    finite: jax.Array


def make_family(system: System, *, dt: float, steps: int, r: int = 2) -> Family:
    """A family with the initial state of the model's `initial` line, if it has one.

    Raises LAG603 for models without laws, with neural terms or inputs, or whose laws leave the
    bounds more often than not.
    """
    spec = system.spec
    if spec.neural or spec.inputs:
        what = "neural terms" if spec.neural else "inputs"
        raise fail(Code.LAG603, f"training on a family with {what} is not supported yet")
    if not any(c.prior is not None for c in spec.coefficients):
        raise fail(
            Code.LAG603,
            f"no coefficient of `{spec.name}` has a law to be drawn from",
            help="write one after a coefficient: `coefficient c = 1 ~ uniform(0, 2)`",
        )
    _check_acceptance(spec)
    state: tuple[np.ndarray | None, ...] = (None, None, None)
    if spec.initial:
        state = system.initial_state()
    return Family(system, dt, steps, r, *state)


def draw_coefficient(
    spec: CoefficientSpec, key: jax.Array, count: int
) -> tuple[jax.Array, jax.Array]:
    """Draws (count,) of a coefficient from its law, and which of them respect the bounds.

    Each is the first of several draws within the bounds.
    """
    assert spec.prior is not None
    tries = spec.prior.sample(key, (_REDRAWS, count))
    allowed = within_bounds(spec, tries)
    first = jnp.argmax(allowed, axis=0)
    chosen = jnp.take_along_axis(tries, first[None], axis=0)[0]
    return chosen, jnp.any(allowed, axis=0)


def within_bounds(spec: CoefficientSpec, values: jax.Array) -> jax.Array:
    """Which values the bounds of a coefficient admit."""
    result = jnp.isfinite(values)
    if spec.lower is not None:
        result &= (values > spec.lower) if spec.lower_open else (values >= spec.lower)
    if spec.upper is not None:
        result &= (values < spec.upper) if spec.upper_open else (values <= spec.upper)
    return result


def draw(family: Family, key: jax.Array, count: int) -> Members:
    """`count` members drawn by `key` and simulated; composes with jit."""
    spec = family.system.spec
    coefficient_key, state_key = jax.random.split(key)
    draws = [
        draw_coefficient(c, jax.random.fold_in(coefficient_key, k), count)
        for k, c in enumerate(spec.coefficients)
        if c.prior is not None
    ]
    coefficients = jnp.stack([values for values, _ in draws], axis=-1)
    allowed = jnp.stack([good for _, good in draws]).all(axis=0)
    states = initial_states(family, state_key, count)
    members = simulate(family, coefficients, states)
    return members._replace(finite=members.finite & allowed)


def initial_states(family: Family, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Initial positions, and velocities or momenta as the family has them: each (count, dof)."""
    shape = (count, family.system.spec.dof)
    if family.q0 is None:
        q_key, v_key = jax.random.split(key)
        return jax.random.normal(q_key, shape), jax.random.normal(v_key, shape)
    second = family.p0 if family.v0 is None else family.v0
    return jnp.broadcast_to(jnp.asarray(family.q0), shape), jnp.broadcast_to(
        jnp.asarray(second), shape
    )


def simulate(
    family: Family, coefficients: jax.Array, states: tuple[jax.Array, jax.Array]
) -> Members:
    """Members with the given coefficients (n, k) and initial states, each (n, dof)."""
    given = {c.name: coefficients[:, k] for k, c in enumerate(family.drawn)}
    by_momentum = family.p0 is not None
    trajectory = family.system.simulate(
        states[0],
        None if by_momentum else states[1],
        p0=states[1] if by_momentum else None,
        coefficients=given,
        dt=family.dt,
        steps=family.steps,
        r=family.r,
    )
    q = family.system.unwrap(trajectory)
    every = jnp.stack([q, trajectory.v, trajectory.p])
    finite = (trajectory.status == 0) & jnp.isfinite(every).all(axis=(0, 2, 3))
    return Members(coefficients, trajectory.t[0], q, trajectory.v, trajectory.p, finite)


def held_out(family: Family, seed: int, count: int) -> tuple[Members, int]:
    """A fixed set of `count` members drawn by its own seed, the unusable ones left out, and how
    many those were; LAG603 if none is left."""
    members = draw(family, jax.random.key(seed), count)
    keep = np.asarray(members.finite)
    if not keep.any():
        raise fail(
            Code.LAG603,
            f"none of {count} members drawn has a finite trajectory",
            help="use a smaller step, fewer steps, or narrower laws",
        )
    kept = {name: getattr(members, name)[keep] for name in Members._fields if name != "t"}
    return Members(t=members.t, **kept), int((~keep).sum())


def _check_acceptance(spec: ModelSpec) -> None:
    for c in spec.coefficients:
        if c.prior is None:
            continue
        draws = c.prior.sample(jax.random.key(0), (1024,))
        accepted = float(within_bounds(c, draws).mean())
        if accepted < _LEAST_ACCEPTED:
            raise _leaves_bounds(c, accepted)


def _leaves_bounds(c: CoefficientSpec, accepted: float) -> LagcError:
    return fail(
        Code.LAG603,
        f"the law of `{c.name}` is within its bounds {c.range_text} in only "
        f"{100 * accepted:.0f} % of draws",
        help="change the law or the bounds",
    )
