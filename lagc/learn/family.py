"""Members of a family: coefficients drawn from the laws of the model, simulated side by side.

Every coefficient, every initial state and every step is drawn independently by its own key. Draws
outside the bounds are drawn again; members whose trajectory is not finite are marked, counted by
the caller and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.learn.devices import PARTS, WHOLE, Devices
from lagc.runtime.priors import support
from lagc.runtime.spec import CoefficientSpec, ModelSpec
from lagc.runtime.system import System

States = Literal["fixed", "normal"]
Range = tuple[float, float]

CHUNK = 256  # members that a program draws or reads at once, where the number is open
_REDRAWS = 16
_LEAST_ACCEPTED = 0.5


@dataclass(frozen=True, eq=False)
class Family:
    """A model with laws for its coefficients and a way to run it.

    steps and r as in `simulate`; dt: the length of a step, or the range it is drawn from,
    uniformly, for each member; q0 with v0 or p0, each (dof,): the initial state of every member, or
    its mean where it is drawn, `spread` being the standard deviation of a normal law (model units).
    """

    system: System
    dt: float | Range
    steps: int
    r: int
    q0: np.ndarray
    v0: np.ndarray | None
    p0: np.ndarray | None
    spread: float = 0.0

    @property
    def drawn(self) -> tuple[CoefficientSpec, ...]:
        """The coefficients that have a law; the others keep their defaults."""
        return tuple(c for c in self.system.spec.coefficients if c.prior is not None)

    @property
    def step_range(self) -> Range:
        """The shortest and the longest step."""
        return self.dt if isinstance(self.dt, tuple) else (self.dt, self.dt)


class Members(NamedTuple):
    """Drawn systems: coefficients (n, k) in the order of `Family.drawn`; t: (steps+1,), or
    (n, steps+1) where steps are drawn; q, v, p: (n, steps+1, dof), angles followed continuously;
    finite: (n,), which of them can be used."""

    coefficients: jax.Array
    t: jax.Array
    q: jax.Array
    v: jax.Array
    p: jax.Array
    finite: jax.Array

    @property
    def dt(self) -> jax.Array:
        """The step of each member: (n,)."""
        first = self.t[..., 1] - self.t[..., 0]
        return jnp.broadcast_to(first, self.q.shape[:1])


def make_family(
    system: System,
    *,
    dt: float | Range,
    steps: int,
    r: int = 2,
    states: States | None = None,
    spread: float = 1.0,
) -> Family:
    """A family that begins at the state of the model's `initial` line, or around it.

    states: `fixed`, or `normal` for a normal law around that state, or around zero positions and
    velocities where the model has none (by default, the first where it has one). Raises LAG603 for
    models without laws, with laws of one value, neural terms or inputs, or whose laws leave the
    bounds more often than not, LAG501 where an initial state is asked for that the model does not
    have.
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
    given = bool(spec.initial_values)
    states = states or ("fixed" if given else "normal")
    if given or states == "fixed":
        q0, v0, p0 = system.initial_state()
    else:
        q0, v0, p0 = np.zeros(spec.dof), np.zeros(spec.dof), None
    return Family(system, dt, steps, r, q0, v0, p0, spread if states == "normal" else 0.0)


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


def draw(family: Family, key: jax.Array, count: int, devices: Devices | None = None) -> Members:
    """`count` members drawn by `key` and simulated, divided among devices; composes with jit."""
    spec = family.system.spec
    # Parts of one split: a key that is folded may be one that its own split gives too.
    coefficient_key, state_key, step_key = jax.random.split(key, 3)
    draws = [
        draw_coefficient(c, jax.random.fold_in(coefficient_key, k), count)
        for k, c in enumerate(spec.coefficients)
        if c.prior is not None
    ]
    coefficients = jnp.stack([values for values, _ in draws], axis=-1)
    allowed = jnp.stack([good for _, good in draws]).all(axis=0)
    states = initial_states(family, state_key, count)
    run: Callable[..., Members] = partial(simulate, family)
    if devices is not None:
        run = devices.divided(run, given=divided_members(family))
    members = run(coefficients, states, draw_steps(family, step_key, count))
    return members._replace(finite=members.finite & allowed)


def initial_states(family: Family, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """Initial positions, and velocities or momenta as the family has them: each (count, dof)."""
    shape = (count, family.system.spec.dof)
    second = family.p0 if family.v0 is None else family.v0
    q, other = (jnp.broadcast_to(jnp.asarray(x), shape) for x in (family.q0, second))
    if family.spread:
        q_key, other_key = jax.random.split(key)
        q = q + family.spread * jax.random.normal(q_key, shape)
        other = other + family.spread * jax.random.normal(other_key, shape)
    return q, other


def draw_steps(family: Family, key: jax.Array, count: int) -> jax.Array | None:
    """The step of each member (count,) where steps are drawn, else None."""
    if not isinstance(family.dt, tuple):
        return None
    low, high = family.dt
    return jax.random.uniform(key, (count,), minval=low, maxval=high)


def simulate(
    family: Family,
    coefficients: jax.Array,
    states: tuple[jax.Array, jax.Array],
    dt: jax.Array | None = None,
) -> Members:
    """Members with the given coefficients (n, k) and initial states, each (n, dof); dt: (n,), where
    the steps of the family are drawn."""
    given = {c.name: coefficients[:, k] for k, c in enumerate(family.drawn)}
    by_momentum = family.p0 is not None
    trajectory = family.system.simulate(
        states[0],
        None if by_momentum else states[1],
        p0=states[1] if by_momentum else None,
        coefficients=given,
        dt=family.dt if dt is None else dt,
        steps=family.steps,
        r=family.r,
    )
    q = family.system.unwrap(trajectory)
    every = jnp.stack([q, trajectory.v, trajectory.p])
    finite = (trajectory.status == 0) & jnp.isfinite(every).all(axis=(0, 2, 3))
    t = trajectory.t[0] if dt is None else trajectory.t
    return Members(coefficients, t, q, trajectory.v, trajectory.p, finite)


draw_compiled = jax.jit(draw, static_argnums=(0, 2, 3))


def draw_many(family: Family, key: jax.Array, count: int) -> Members:
    """As `draw`, in chunks with keys of their own, so that one program draws any number."""
    chunks = [
        draw_compiled(family, jax.random.fold_in(key, i), CHUNK) for i in range(-(-count // CHUNK))
    ]
    own_times = chunks[0].t.ndim == 2
    return Members(
        *(
            parts[0] if name == "t" and not own_times else jnp.concatenate(parts)[:count]
            for name, parts in zip(Members._fields, zip(*chunks, strict=True), strict=True)
        )
    )


def divided_members(family: Family) -> Any:
    """How members lie on several devices: common times are the same everywhere."""
    common = () if isinstance(family.dt, tuple) else ("t",)
    places: list[Any] = [WHOLE if name in common else PARTS for name in Members._fields]
    return Members(*places)


def in_chunks(function: Callable[..., Any], *arrays: Any) -> Any:
    """A function of batched arrays (trees of them, None among them), chunk by chunk: one program
    for any number of members."""
    count = len(jax.tree_util.tree_leaves(arrays)[0])
    parts = []
    for first in range(0, count, CHUNK):
        index = np.minimum(np.arange(first, first + CHUNK), count - 1)
        parts.append(function(*jax.tree_util.tree_map(lambda x, i=index: x[i], arrays)))
    return jax.tree_util.tree_map(lambda *x: jnp.concatenate(x)[:count], *parts)


def held_out(family: Family, seed: int, count: int) -> tuple[Members, int]:
    """A fixed set of `count` members drawn by its own seed, the unusable ones left out, and how
    many those were; LAG603 if none is left."""
    members = draw_many(family, jax.random.key(seed), count)
    keep = np.asarray(members.finite)
    if not keep.any():
        raise fail(
            Code.LAG603,
            f"none of {count} members drawn has a finite trajectory",
            help="use a smaller step, fewer steps, or narrower laws",
        )
    return selected(members, keep), int((~keep).sum())


def selected(members: Members, which: np.ndarray) -> Members:
    """Those members that a mask or indices (n,) pick."""
    own_times = members.t.ndim == 2
    return Members(
        *(
            x if name == "t" and not own_times else x[which]
            for name, x in zip(Members._fields, members, strict=True)
        )
    )


def _check_acceptance(spec: ModelSpec) -> None:
    for c in spec.coefficients:
        if c.prior is None:
            continue
        low, high = support(c.prior)
        if low == high:
            raise fail(
                Code.LAG603,
                f"the law of `{c.name}` has one value, {low:g}: there is nothing to learn",
                help=f"leave the law out: `coefficient {c.name} = {low:g}`",
            )
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
