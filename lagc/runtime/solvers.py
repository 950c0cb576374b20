"""How the equations of a step are solved: the quick ways, each trusted only when it says so.

Every quick way is an iteration U <- U + Delta that evaluates the residual exactly and inverts the
Jacobian approximately, so what it converges to does not depend on the way. A step is taken when the
correction has fallen to the round-off of the positions, or would with one more sweep (judged by the
contraction seen). Where it does not, `ok` is false and the caller solves the step with the damped
Newton iteration of `robust`.

Measured on two cores of an x86-64 server, jax 0.10.2, float64, microseconds a step, one trajectory
of Poynting-Robertson drag (d = 2) at h = 0.01: see docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from lagc.runtime.equations import StepData, StepEquations
from lagc.runtime.linear import times
from lagc.runtime.method import Matrix, along_nodes, apply, apply_to_parts

MAX_SWEEPS = 40
_FLOOR = 2.0  # corrections below this many eps of the displacement are round-off
_BIAS = 1 / 64  # what may be left undone, in eps: it adds up with every step, unlike round-off
_STALLED_FLOOR = 64.0  # accepted if nothing gets better any more
_FAR_FLOOR = 4.0  # the same in eps of the position
_SLOW = 0.7  # a contraction above this is none
_PATIENCE = 8  # sweeps without one: friction may turn round what is wrong before it shrinks
_QUICK, _QUICK_PATIENCE = 0.1, 3  # where the last steps contracted by so much
_NEARLY = 1 - 2.0**-20  # for the same comparison made again, perhaps with another rounding
_LEAST = 1e-4  # no contraction is trusted to be below this
_MOST_APART = 4  # degrees of freedom that are computed one by one


class Solved(NamedTuple):
    """Displacements (d, r+1, *L), momentum gained (d, *L), memory for the next guess, contraction
    seen (*L), and whether the equations hold (*L)."""

    u: Array
    impulse: Array
    memory: Array
    contraction: Array
    ok: Array


class Start(NamedTuple):
    """What a step begins with besides its data: memory of the last step, contraction seen there,
    and M^-1: (d, *L) if diagonal, else (d, d, *L); None where M is not constant."""

    memory: Array
    contraction: Array
    mass_inverse: Array | None


Components = list[Array]  # (1, k, *L) of each degree of freedom, or (d, k, *L) of many together
Sweep = Callable[[Components], tuple[Components, Any]]


def kinetic(equations: StepEquations, start: Start, x: StepData) -> Solved:
    """b = M v with constant M: forces are evaluated, the kinetic part is inverted once for all.

    Contracts when h^2 |M^-1 a_q| and h |M^-1 a_v| are well below 1. The forces of the last step,
    extrapolated, give the first guess. The last node does not act on the displacements, so it is
    looked at once, when they are known; the first, which does not move, is apart from the others,
    so that what its forces owe to the position alone is computed once a step.
    """
    method = equations.method
    drift = (x.h[None] * accelerate(start, x.p))[:, None]
    free = _apart(along_nodes(method.drift, start.memory) * drift)
    square = (x.h * x.h)[None, None]
    acting = [nodes for nodes in (slice(0, 1), slice(1, method.s - 1)) if nodes.start < nodes.stop]

    def from_forces(matrix: Matrix, a: Components) -> Components:
        gained = apply_to_parts(matrix, accelerate_apart(start, a))
        return [f + square * g for f, g in zip(free, gained, strict=True)]

    def sweep(u: Components) -> tuple[Components, Components]:
        found = [equations.forces_at(nodes, u, x) for nodes in acting]
        a = [jnp.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]
        return from_forces(method.force[:, :-1], a), a

    guess = from_forces(method.force_ahead, _apart(start.memory))
    model = equations.model
    impatient = model.by_positions or model.lattice is not None
    u, a, contraction, settled, explained = _iterate(sweep, guess, start, x, impatient=impatient)
    ok = settled | explained
    if not model.by_positions:
        doubted = explained & ~settled
        rate = _picard_rate_if(doubted, equations, u, start, x)
        ok = settled | (doubted & (rate <= _SLOW))
        contraction = jnp.where(doubted, jnp.minimum(rate, 1), contraction)
    last = equations.forces_at(slice(method.s - 1, method.s), u, x)
    forces = jnp.concatenate(
        [jnp.concatenate([some, end], axis=1) for some, end in zip(a, last, strict=True)]
    )
    ok = ok & jnp.all(jnp.isfinite(forces), (0, 1))
    return Solved(jnp.concatenate(u), equations.impulse(forces, x.h), forces, contraction, ok)


def explicit(equations: StepEquations, start: Start, x: StepData) -> Solved:
    """r = 0, forces that depend on positions alone: Stoermer-Verlet, nothing to iterate."""
    method = equations.method
    free = along_nodes(method.drift, start.memory) * (x.h[None] * accelerate(start, x.p))[:, None]
    rest = jnp.zeros_like(free)
    a, _ = equations.forces(rest, x)
    gained = apply(method.force[:, :-1], accelerate(start, a[:, :-1]))
    u = free + (x.h * x.h)[None, None] * gained
    a, _ = equations.forces(u, x)
    ok = jnp.all(jnp.isfinite(u) & jnp.isfinite(a[:, :-1]), axis=(0, 1))
    return Solved(u, equations.impulse(a, x.h), a, start.contraction, ok)


def newton(equations: StepEquations, start: Start, x: StepData) -> Solved:
    """Any model: the Jacobian at the first guess is factorised once and kept for the step.

    The last step's polynomial, extrapolated, gives the first guess; it is remembered in units of
    the step, so that it stands for velocities where the next step is longer or shorter.
    """
    guess = x.h[None, None] * apply(equations.method.displacement_ahead, start.memory)
    solve = equations.solver(equations.jacobian(equations.blocks(guess, x), x.h))

    def sweep(u: Components) -> tuple[Components, Array]:
        a, b = equations.forces(u[0], x)
        return [u[0] - solve(equations.balance(a, b, x))], a

    (u,), a, contraction, settled, explained = _iterate(sweep, [guess], start, x, impatient=True)
    ok = (settled | explained) & jnp.all(jnp.isfinite(a), (0, 1))
    return Solved(u, equations.impulse(a, x.h), u / x.h[None, None], contraction, ok)


def accelerate(start: Start, a: Array) -> Array:
    """M^-1 a: (d, *L) or (d, s, *L)."""
    m = start.mass_inverse
    assert m is not None
    lanes = start.contraction.ndim
    diagonal = m.ndim == lanes + 1
    if a.ndim > lanes + 1:
        m = m[:, None] if diagonal else m[:, :, None]
    return m * a if diagonal else times(m, a)


def accelerate_apart(start: Start, a: Components) -> Components:
    """M^-1 a, component by component."""
    if len(a) == 1:
        return [accelerate(start, a[0])]
    m = start.mass_inverse
    assert m is not None
    if m.ndim == start.contraction.ndim + 1:
        return [m[i : i + 1, None] * c for i, c in enumerate(a)]
    rows = [[m[i : i + 1, j, None] * c for j, c in enumerate(a)] for i in range(len(a))]
    return [sum(row[1:], row[0]) for row in rows]


def _apart(x: Array) -> Components:
    """(d, k, *L) as its components, where they are few.

    XLA:CPU computes what the entries of one array have in common, such as a root in all components
    of a force, anew for each of them.
    """
    d = x.shape[0]
    return [x[i : i + 1] for i in range(d)] if d <= _MOST_APART else [x]


class _State(NamedTuple):
    """Of an iteration: what to sweep from, what the last sweep gave, the relative sizes of the last
    two corrections and the least one (*L), how many sweeps did not make it less (*L), whether a
    place is done (*L), and how many sweeps there were."""

    before: Components
    u: Components
    by_sweep: Any
    last: Array
    size: Array
    least: Array
    vain: Array
    done: Array
    sweeps: Array


def _iterate(
    sweep: Sweep, guess: Components, start: Start, x: StepData, *, impatient: bool
) -> tuple[Components, Any, Array, Array, Array]:
    """Displacements, what else the sweep gave with them, contraction, whether they solve the
    equations, and whether they do so if sweeps contract: (*L).

    A place that is done is swept from the same displacements again until all are, which gives the
    same numbers; so only these have to be held. `impatient`: one sweep without gain is the end,
    where forces depend on positions alone, by Newton, and on a lattice, of which some place is
    always at rest.
    """
    eps = jnp.finfo(guess[0].dtype).eps
    tiny = jnp.finfo(guess[0].dtype).tiny ** 0.45
    moved = [jnp.max(jnp.abs(g), axis=1) + tiny for g in guess]
    each = [1 / m for m in moved]

    patience: Any = 1
    if not impatient:
        quick = start.contraction <= _QUICK
        patience = jnp.where(quick, _QUICK_PATIENCE, _PATIENCE)

    def changes(u: Components, before: Components) -> Components:
        return [jnp.max(jnp.abs(new - old), axis=1) for new, old in zip(u, before, strict=True)]

    def settled(size: Array, last: Array, later: Array) -> Array:
        """Without dividing for the contraction size / last; that of the last step at first."""
        left = jnp.where(later, size, start.contraction) * size
        small = (left <= _BIAS * eps * jnp.where(later, last, 1)) & (_LEAST * size <= _BIAS * eps)
        return (size <= _FLOOR * eps) | small

    def body(s: _State) -> _State:
        u, by_sweep = sweep(s.before)
        sizes = zip(changes(u, s.before), each, strict=True)
        size = _largest([jnp.max(c * e, axis=0) for c, e in sizes])
        vain = jnp.where(size <= _SLOW * s.least, 0, s.vain + 1)
        stalled = ~(size < jnp.inf) | ((s.sweeps > 1) & (vain >= patience))
        done = s.done | settled(size, s.size, s.sweeps > 0) | stalled
        return _State(
            [jnp.where(done, old, new) for new, old in zip(u, s.before, strict=True)],
            u,
            by_sweep,
            jnp.where(s.done, s.last, s.size),
            jnp.where(s.done, s.size, size),
            jnp.minimum(s.least, size),
            vain,
            done,
            s.sweeps + 1,
        )

    def unfinished(s: _State) -> Array:
        return jnp.any(~s.done) & (s.sweeps < MAX_SWEEPS)

    lanes = guess[0].shape[2:]
    huge = jnp.full(lanes, jnp.inf, guess[0].dtype)
    empty = jax.tree_util.tree_map(
        lambda y: jnp.zeros(y.shape, y.dtype), jax.eval_shape(lambda u: sweep(u)[1], guess)
    )
    no, none = jnp.zeros(lanes, bool), jnp.zeros((), jnp.int32)
    vain = jnp.zeros(lanes, guess[0].dtype)
    begin = _State(guess, guess, empty, huge, huge, huge, vain, no, none)
    end = jax.lax.while_loop(unfinished, body, begin)
    twice = end.last < jnp.inf
    contraction = jnp.where(twice, jnp.maximum(end.size / end.last, _LEAST), start.contraction)
    # What is done and has not settled is stalled: accepted where the round-off of displacements,
    # each by itself, explains it (one at rest says nothing about the others), and where sweeps
    # contract, that of positions: what is small beside a position far from the origin can be all of
    # a displacement.
    q = [x.q[:, None]] if len(guess) == 1 else _apart(x.q[:, None])
    parts = list(zip(changes(end.u, end.before), moved, q, strict=True))
    at_floor, near_floor = (
        _all(
            [
                jnp.all(c <= eps * (_STALLED_FLOOR * m + far * jnp.abs(y[:, 0])), axis=0)
                for c, m, y in parts
            ]
        )
        for far in (0, _FAR_FLOOR)
    )
    well = settled(end.size * _NEARLY, end.last, twice)
    contraction = jnp.where(well, contraction, start.contraction)
    done = end.done & _all([jnp.all(jnp.isfinite(u), (0, 1)) for u in end.u])
    return end.u, end.by_sweep, contraction, done & (well | at_floor), done & near_floor


def _picard_rate_if(
    wanted: Array, equations: StepEquations, u: Components, start: Start, x: StepData
) -> Array:
    """`picard_rate` at the displacements of a step, for use where it is wanted: (*L)."""

    def look(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        u = state[2]
        return picard_rate(equations, u, start, x), jnp.zeros((), bool), -u

    doubt, none = jnp.any(wanted), jnp.ones(wanted.shape, u[0].dtype)
    # A loop that ends at once where there is no doubt may stand in `fused.as_one_function`. What is
    # the same in every round XLA would do before the loop: so displacements change in it.
    rate, _, _ = jax.lax.while_loop(lambda s: s[1], look, (none, doubt, jnp.concatenate(u)))
    return rate


def picard_rate(
    equations: StepEquations, u: Float[Array, "d k *L"], start: Start, x: StepData
) -> Float[Array, "*L"]:
    """About by how much a sweep of `kinetic` shrinks what is wrong: h^2/2 |M^-1 a_q| +
    h |M^-1 a_v|, the largest of all rows."""
    a_q, a_v, _, _ = equations.blocks(u, x)
    one = jnp.ones((u.shape[0], equations.method.s, *u.shape[2:]), u.dtype)
    h = jnp.abs(x.h)
    rows = (h * h / 2)[None, None] * equations.applied(a_q, one)
    rows = rows + h[None, None] * equations.applied(a_v, one)
    assert start.mass_inverse is not None
    sizes = start._replace(mass_inverse=jnp.abs(start.mass_inverse))
    return jnp.max(accelerate(sizes, rows), axis=(0, 1))


def _largest(x: list[Array]) -> Array:
    return x[0] if len(x) == 1 else jnp.maximum(x[0], _largest(x[1:]))


def _all(x: list[Array]) -> Array:
    return x[0] if len(x) == 1 else x[0] & _all(x[1:])
