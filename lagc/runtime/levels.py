"""Time levels: the first state, velocities and energies, and trajectories as the user sees them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from lagc.runtime.equations import Model, StepData
from lagc.runtime.fused import separately
from lagc.runtime.linear import inverse
from lagc.runtime.method import along_nodes
from lagc.runtime.plan import from_lanes
from lagc.runtime.robust import LegendrePoint, LegendreProblem
from lagc.runtime.robust import velocity as legendre_inverse
from lagc.runtime.ruled import dense, with_rule
from lagc.runtime.run import Run, call_kernel, inputs_at, level_times, node_data
from lagc.runtime.solvers import Start, accelerate
from lagc.runtime.steps import State, filled, fit, wrap
from lagc.runtime.strategy import holds
from lagc.runtime.trajectory import Trajectory

if TYPE_CHECKING:
    from lagc.runtime.system import System


def mass_inverse(run: Run, q: jax.Array, v: jax.Array) -> jax.Array | None:
    """M^-1 where M is constant: (d, *L) if diagonal, else (d, d, *L)."""
    spec = run.system.spec
    if not holds(spec, "constant mass matrix"):
        return None
    if spec.lattice is not None and not holds(spec, "diagonal mass matrix"):
        return None
    t = level_times(run, 0, 1)
    kernels = run.system.kernels
    *_, b_v = call_kernel(run, kernels.blocks, q[:, None], v[:, None], t, inputs_at(run, t))
    rank = len(run.lanes.shape)
    lattice = spec.lattice
    if lattice is not None:
        local = b_v[lattice.reach]
        diagonal = [local[i, i] for i in range(len(lattice.fields))]
        mass = jnp.concatenate(diagonal)
        return 1 / mass.reshape(-1, *mass.shape[mass.ndim - rank :])
    mass = b_v.reshape(*b_v.shape[:2], *b_v.shape[3:])
    if holds(spec, "diagonal mass matrix"):
        return 1 / jnp.stack([mass[i, i] for i in range(mass.shape[0])])
    return inverse(mass)


def find_velocities(
    run: Run, guess: jax.Array, q: jax.Array, p: jax.Array, t: jax.Array, inputs: Any
) -> tuple[jax.Array, jax.Array]:
    """The Legendre inverse at (d, k, *L), and where it was found: (k, *L)."""
    problem = LegendreProblem(run.setting.model)
    coefficients = run.lanes.named("coefficient ")
    t = jnp.broadcast_to(t, q.shape[1:])

    def one(guess: Any, q: Any, p: Any, t: Any, c: Any, u: Any) -> Any:
        point = LegendrePoint(q, p, t, c, u, run.setting.weights)
        return legendre_inverse(problem, guess, point)

    over_levels = jax.vmap(one, in_axes=(1, 1, 1, 0, None, 0), out_axes=(1, 0))
    if not run.lanes.shape:
        found: tuple[jax.Array, jax.Array] = over_levels(guess, q, p, t, coefficients, inputs)
        return found
    count = run.lanes.shape[0]
    filled = {k: jnp.broadcast_to(c, (*c.shape[:-1], count)) for k, c in coefficients.items()}
    over_lanes = jax.vmap(over_levels, in_axes=-1, out_axes=-1)
    both: tuple[jax.Array, jax.Array] = over_lanes(guess, q, p, t, filled, inputs)
    return both


class Beginning(NamedTuple):
    """The first state, its velocity (d, *L), and M^-1 where constant."""

    state: State
    v: jax.Array
    mass_inverse: jax.Array | None


def begin(run: Run) -> Beginning:
    """The initial state; a velocity from the momentum or a momentum from the velocity."""
    arrays = run.lanes.arrays
    q, t = arrays["q"], level_times(run, 0, 1)
    inputs = inputs_at(run, t)
    status = jnp.zeros(run.lanes.shape, jnp.int32)
    if "p" in arrays:
        p = arrays["p"]
        mass = mass_inverse(run, q, jnp.zeros_like(q))
        if mass is not None:
            v = accelerate(Start(p, jnp.zeros(run.lanes.shape), mass), p)
        else:
            rest = jnp.zeros_like(q)[:, None]
            found = find_velocities(run, rest, q[:, None], p[:, None], t, inputs)
            v, status = found[0][:, 0], jnp.where(found[1][0], 0, 1).astype(jnp.int32)
    else:
        v = arrays["v"]
        mass = mass_inverse(run, q, v)
        x = node_data(run, q[:, None], v[:, None], t, inputs)
        p = _inside("momentum", run.setting.model, x)[:, 0]
    eq, zeros = run.machine.equations, jnp.zeros_like(q)
    if run.machine.way == "newton":
        memory = along_nodes(eq.method.drift, v[:, None]) * v[:, None]
    else:
        a, _ = call_kernel(run, run.system.kernels.forces, q[:, None], v[:, None], t, inputs)
        memory = jnp.broadcast_to(a, (a.shape[0], eq.method.s, *a.shape[2:]))
    memory = jax.lax.stop_gradient(memory)
    q, winding = wrap(q, run.system.spec.moduli)
    one = jnp.ones(run.lanes.shape, q.dtype)
    mass = None if mass is None else jax.lax.stop_gradient(mass)
    return Beginning(State(q, p, zeros, zeros, memory, one, winding, status), v, mass)


class Levels(NamedTuple):
    """Time levels: t: (k, *L) or ones; q, v, p: (d, k, *L); energy: (k, *L); winding: (d, k, *L)
    or (0, k, *L)."""

    t: jax.Array
    q: jax.Array
    v: jax.Array
    p: jax.Array
    energy: jax.Array
    winding: jax.Array


def find_levels(
    run: Run,
    mass_inverse: jax.Array | None,
    t: jax.Array,
    q: jax.Array,
    p: jax.Array,
    winding: jax.Array,
    v: jax.Array | None = None,
    good: jax.Array | None = None,
) -> tuple[Levels, jax.Array]:
    """Velocities (where not known) and energies, and where the velocity was found: (k, *L).

    good: where q, p and v are finite, (k or 1, *L); looked at if not known.
    """
    inputs = inputs_at(run, t)
    full = (q.shape[1], *run.lanes.shape)
    found = jnp.ones(full, bool)
    # Where a trajectory is lost, another level stands in, so that derivatives stay finite there.
    # (The slopes of an affine model are finite wherever its levels are.)
    reached, shielded = (q, v, p), not holds(run.system.spec, "affine")
    if good is None:
        good = jnp.all(jnp.isfinite(jnp.concatenate([q, p] if v is None else [q, p, v])), axis=0)
    if shielded:
        q, p = filled(good, (q, p))
        v = None if v is None else filled(good, v)
    if v is None and mass_inverse is not None:
        # The mass matrix depends on coefficients, so it is looked at anew where derivatives pass.
        v = accelerate(Start(p, jnp.zeros(run.lanes.shape), _exact_mass_inverse(run)), p)
    elif v is None:
        v, found = find_velocities(run, jnp.zeros_like(q), q, p, t, inputs)
    angle = q
    if winding.shape[0]:
        # L may be periodic up to a constant (a constant torque): its energy follows the angle.
        periods = [0.0 if m is None else m for m in run.system.spec.moduli]
        shape = (-1,) + (1,) * (q.ndim - 1)
        angle = q + winding * jnp.array(periods, q.dtype).reshape(shape)
    x = node_data(run, angle, v, t, inputs)
    if shielded:
        # Kept, as it is read for the output and for where the trajectory is lost.
        energy = separately(partial(_inside, "energy", run.setting.model))(x)
        energy = jnp.where(good, energy, jnp.nan)
    else:
        energy = _inside("energy", run.setting.model, x)
    given_q, given_v, given_p = reached
    v = v if given_v is None else given_v
    return Levels(t, given_q, v, given_p, energy, winding), found


def _everywhere(kernel: str, model: Model, x: StepData) -> jax.Array:
    """A kernel by its name at q, v (in the place of pi): (d, k, *L), t: (k, *L) or ones."""
    t = jnp.broadcast_to(x.t, x.q.shape[1:])
    values: jax.Array = model.call(getattr(model.kernels, kernel), x.q, x.p, t, x, x.inputs)
    return values


def _inside(kernel: str, model: Model, x: StepData) -> jax.Array:
    """As above, with derivatives zero outside of the domain of L."""
    values: jax.Array = _values_and_slopes(kernel, model, x)
    return values


def _slopes(kernel: str, model: Model, primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (x,) = primals
    values = _inside(kernel, model, x)
    good = jnp.isfinite(values)
    if good.ndim == x.q.ndim:
        good = jnp.all(good, axis=0)
    q, v = filled(good, (x.q, x.p))
    named = {k: jnp.where(jnp.isfinite(c), c, 1) for k, c in x.coefficients.items()}
    inside = x._replace(q=q, p=v, coefficients=named)
    every = dense(primals, tangents)
    _, slopes = jax.jvp(partial(_everywhere, kernel, model), (inside,), every)
    return values, jnp.where(fit(good, slopes), slopes, 0)


_values_and_slopes = with_rule(_everywhere, _slopes, static=2)


def _exact_mass_inverse(run: Run) -> jax.Array:
    arrays = run.lanes.arrays
    mass = mass_inverse(run, arrays["q"], arrays.get("v", jnp.zeros_like(arrays["q"])))
    assert mass is not None
    return mass


def as_trajectory(run: Run, levels: Levels, lost: jax.Array, status: jax.Array) -> Trajectory:
    """Levels with NaN where lost: (k, *L), axes as the user sees them."""

    def vectors(x: jax.Array) -> jax.Array:
        return from_lanes(run.static, jnp.moveaxis(x, 0, 1))

    def mask(x: jax.Array) -> jax.Array:
        return jnp.where(lost if x.ndim == lost.ndim else lost[None], jnp.nan, x)

    full = lost.shape
    winding = levels.winding
    if not winding.shape[0]:
        winding = jnp.zeros((levels.q.shape[0], *full), jnp.int32)
    return Trajectory(
        from_lanes(run.static, jnp.broadcast_to(levels.t, full)),
        vectors(mask(levels.q)),
        vectors(mask(levels.v)),
        vectors(mask(levels.p)),
        from_lanes(run.static, mask(levels.energy)),
        from_lanes(run.static, status),
        vectors(winding.astype(jnp.int32)),
    )


def without_known(system: System, trajectory: Trajectory) -> Trajectory:
    """Without what `with_known` puts back: it is written once for a batch, not in portions."""
    turns = any(m is not None for m in system.spec.moduli)
    kept = trajectory.winding if turns else None
    return trajectory._replace(t=None, winding=kept)  # type: ignore[arg-type]


def with_known(run: Run, trajectory: Trajectory) -> Trajectory:
    """The trajectory with the times of its levels, and no turns where nothing turns."""
    every, steps = run.static.save_every, run.static.steps
    t = level_times(run, 0, steps + 1)[::every]
    t = from_lanes(run.static, jnp.broadcast_to(t, (t.shape[0], *run.lanes.shape)))
    winding = trajectory.winding
    if winding is None:
        winding = jnp.zeros(trajectory.q.shape, jnp.int32)
    return trajectory._replace(t=t, winding=winding)


def join(first: Levels, rest: Levels) -> Levels:
    return Levels(
        *(
            jnp.concatenate([a, b], axis=0 if name in ("t", "energy") else 1)
            for name, a, b in zip(Levels._fields, first, rest, strict=True)
        )
    )


def first_level(run: Run, begun: Beginning) -> Levels:
    s, t = begun.state, level_times(run, 0, 1)
    q, p, winding = s.q[:, None], s.p[:, None], s.winding[:, None]
    level, _ = find_levels(run, begun.mass_inverse, t, q, p, winding, begun.v[:, None])
    return level
