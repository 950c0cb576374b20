"""Further steps of a trajectory, the levels kept on the way, and where it is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from lagc.runtime import affine
from lagc.runtime.doubled import Doubled
from lagc.runtime.fused import LARGEST, VECTOR, as_one_function
from lagc.runtime.levels import Beginning, Levels, find_levels, join
from lagc.runtime.march import known_steps, march
from lagc.runtime.run import Run, call_kernel, inputs_at, level_times, world_of
from lagc.runtime.steps import UNSOLVED, Path, State
from lagc.runtime.strategy import holds

_LONGEST = 8192  # steps of which all levels are found before some are left out
_PIECE, _AFFINE_PIECE = 64, 4096  # fewest of them, where levels are left out


def advance(
    run: Run, begun: Beginning, state: State, first: Any, steps: int
) -> tuple[State, Levels, jax.Array]:
    """The state after `steps` further steps, the levels kept on the way, and where lost: in one
    go, or in pieces of which only the ends are kept for the derivative."""
    every, piece = run.static.save_every, run.static.checkpoint
    found = None
    if run.static.way == "affine":
        linear, found = holds(run.system.spec, "linear"), _affine_map(run, state, steps)
        if (every > 1 and linear) or (every == 1 and not piece):
            state, path = _affine_steps(run, found, state, first, steps, every)
            t = level_times(run, first + every, (steps // every - 1) * every + 1)[::every]
            return checked(run, begun, state, path, first, every, t)
    longest = min(_LONGEST, piece or _LONGEST)
    if every > longest:
        piece = every
    elif every > 1:
        least = _PIECE if found is None else _AFFINE_PIECE
        piece = every * max(1, (piece or least + every - 1) // every)
    piece = min(piece or steps, steps)

    def remade(function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.checkpoint(function) if run.static.checkpoint else function

    def all_kept(state: State, first: Any, count: int) -> tuple[State, tuple[Levels, jax.Array]]:
        if found is not None:
            state, path = _affine_steps(run, found, state, first, count, 1)
        else:
            world = world_of(run, begun.mass_inverse, first, count)
            state, path = march(run.machine, count, False, state, world, jnp.asarray(first))
        t = level_times(run, first + 1, count)
        state, levels, lost = checked(run, begun, state, path, first, 1, t)
        return state, (levels, lost)

    def some(state: State, first: Any, count: int) -> tuple[State, tuple[Levels, jax.Array]]:
        kept = every
        if every > longest:  # one level, at the end: nothing of the way there is held in memory
            starts = first + longest * jnp.arange((count - 1) // longest)
            on = remade(lambda s, n: (all_kept(s, n, longest)[0], None))
            state, _ = jax.lax.scan(on, state, starts)
            first = first + longest * starts.shape[0]
            kept = count = count - longest * starts.shape[0]
        last: Callable[..., Any] = partial(all_kept, count=count)
        state, (levels, lost) = (remade(last) if every > longest else last)(state, first)
        return state, (_thinned(levels, kept), lost[kept - 1 :: kept])

    if piece == steps:
        state, (levels, lost) = some(state, first, steps)
        return state, levels, lost
    body: Callable[..., Any] = partial(some, count=piece)
    if every <= longest:
        body = remade(body)
    whole = steps // piece
    starts = first + piece * jnp.arange(whole)
    state, (levels, lost) = jax.lax.scan(lambda s, n: body(s, n), state, starts)
    levels, lost = _flattened(levels), lost.reshape((-1, *lost.shape[2:]))
    if steps % piece:
        state, (rest, rest_lost) = some(state, first + whole * piece, steps % piece)
        levels, lost = join(levels, rest), jnp.concatenate([lost, rest_lost])
    return state, levels, lost


def checked(
    run: Run, begun: Beginning, state: State, path: Path, first: Any, every: int, t: jax.Array
) -> tuple[State, Levels, jax.Array]:
    """The levels of a path with every `every`-th step, and where the trajectory is lost.

    A level without a velocity, or outside the domain of L (where its energy has no value), ends the
    trajectory there, as a failed step does: what would follow solves other equations.
    """
    q, p, winding = (jnp.moveaxis(x, 0, 1) for x in (path.q, path.p, path.winding))
    good = None
    if run.static.way != "affine":  # an iteration holds the last state that is finite
        good = jnp.all(jnp.isfinite(jnp.concatenate([q[:, :1], p[:, :1]])), axis=0)
    levels, found = find_levels(run, begun.mass_inverse, t, q, p, winding, good=good)
    inside = jnp.isfinite(levels.energy) | ~found
    place, outside = first_failure(~path.lost & ~(found & inside), ~inside)
    lost = path.lost | _from(place, path.lost)
    number = first + every * (1 + place)
    # Negative where it is the domain of L that is left.
    event = jnp.where(outside, -number, number).astype(jnp.int32)
    later = (state.status != UNSOLVED) & (jnp.abs(state.status) > number)
    earlier = (state.status == 0) | later
    new = (place < path.lost.shape[0]) & earlier
    return state._replace(status=jnp.where(new, event, state.status)), levels, lost


def _thinned(levels: Levels, every: int) -> Levels:
    """Every `every`-th level."""
    chosen = slice(every - 1, None, every)
    return Levels(
        *(
            x[chosen] if name in ("t", "energy") else x[:, chosen]
            for name, x in zip(Levels._fields, levels, strict=True)
        )
    )


def _flattened(levels: Levels) -> Levels:
    """Pieces, leading, put one after the other."""

    def merged(name: str, x: jax.Array) -> jax.Array:
        if name in ("t", "energy"):
            return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))
        x = jnp.moveaxis(x, 0, 1)
        return x.reshape((x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:]))

    return Levels(*(merged(n, x) for n, x in zip(Levels._fields, levels, strict=True)))


def _first(x: jax.Array) -> jax.Array:
    """Where along the first axis it is true for the first time, or its length: (k, *L) to (*L)."""
    return jnp.min(jnp.where(x, _numbers(x), x.shape[0]), axis=0)


def _numbers(x: jax.Array) -> jax.Array:
    """0, 1, .. along the first axis of x, with ones for the others."""
    return jnp.arange(x.shape[0], dtype=jnp.int32).reshape((-1,) + (1,) * (x.ndim - 1))


def first_failure(fails: jax.Array, outside: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`_first` of fails: (k, *L) to (*L), and what `outside` is there."""
    lanes = fails[0].size
    if not VECTOR <= lanes <= LARGEST:
        count, index = fails.shape[0], _numbers(fails)
        found = jnp.min(jnp.where(fails, 2 * index + ~outside, 2 * count), axis=0)
        return found // 2, found % 2 == 0

    # Level by level in one function: as a reduction it takes as long as two sweeps of all steps.
    def along(fails: jax.Array, outside: jax.Array) -> tuple[jax.Array, jax.Array]:
        count = fails.shape[0]

        def body(found: tuple[jax.Array, jax.Array], level: Any) -> Any:
            place, there = found
            number, fails, outside = level
            new = fails & (place == count)
            return (jnp.where(new, number, place), there | (new & outside)), None

        none = jnp.full(fails.shape[1:], count, jnp.int32), jnp.zeros(fails.shape[1:], bool)
        numbers = jnp.arange(count, dtype=jnp.int32)
        return jax.lax.scan(body, none, (numbers, fails, outside))[0]

    first: tuple[jax.Array, jax.Array] = as_one_function(along)(fails, outside)
    return first


def _from(place: jax.Array, like: jax.Array) -> jax.Array:
    """From a place on: (k, *L)."""
    return _numbers(like) >= place[None]


def _affine_map(run: Run, state: State, steps: int) -> tuple[affine.StepMap, bool]:
    """The map of a step of an affine model, and whether it is only good for short runs."""
    t, origin = level_times(run, 0, 1), jnp.zeros_like(state.q)[:, None]
    kernel = run.system.kernels.blocks
    blocks = call_kernel(run, kernel, origin, origin, t, inputs_at(run, t))
    short = affine.is_short(run.static.r, steps)
    h, equations = run.lanes.arrays["dt"], run.machine.equations
    return affine.find_map(equations, [b[:, :, 0] for b in blocks], h, short), short


def _affine_steps(
    run: Run,
    found_map: tuple[affine.StepMap, bool],
    state: State,
    first: Any,
    steps: int,
    every: int,
) -> tuple[State, Path]:
    """`march` for an affine model, every step by a power of one matrix, and with every `every`-th
    step alone."""
    found, short = found_map
    matrix, gained, count, small = found.matrix, None, steps, found.good
    if not holds(run.system.spec, "linear"):
        gained = _forcing(run, found.inverse, first, steps)
    elif every > 1:
        (matrix, small), count = affine.power(matrix, every), steps // every
    start = jnp.concatenate([state.q, state.p])
    started = jnp.all(jnp.isfinite(start), axis=0)
    low = jnp.concatenate([-state.q_low, -state.p_low])
    z = Doubled(*(jnp.where(started, x, 0) for x in (start, low)))
    path, end, finite = affine.propagate(matrix, z, gained, count, short)
    dof = state.q.shape[0]
    finite = finite & (small & found.good & started & (state.status == 0))[None]
    place = _first(~finite)
    lost = _from(place, finite)
    event = jnp.where(found.good, -(first + every * (1 + place)), first + 1)
    status = jnp.where((state.status == 0) & lost[-1], event, state.status).astype(jnp.int32)
    winding = jnp.zeros((path.shape[0], *state.winding.shape), path.dtype)
    end_state = state._replace(
        q=end.high[:dof],
        p=end.high[dof:],
        q_low=-end.low[:dof],
        p_low=-end.low[dof:],
        status=status,
    )
    return end_state, Path(path[:, :dof], path[:, dof:], None, winding, lost)


def _forcing(run: Run, inverted: jax.Array, first: Any, steps: int) -> jax.Array:
    """What steps gain from rest at the origin: (steps, 2 dof, *L), or one if always the same."""
    autonomous = holds(run.system.spec, "autonomous")
    world = world_of(run, None, first, 1 if autonomous else steps)
    count = 1 if autonomous else steps
    zero = jnp.zeros((count, run.system.spec.dof, *run.lanes.shape), inverted.dtype)
    lost = jnp.zeros((count, *run.lanes.shape), bool)
    u = jnp.zeros((*zero.shape[:2], run.machine.equations.method.s - 1, *run.lanes.shape))
    still = Path(zero, zero, u.astype(zero.dtype), zero[:, :0], lost)
    x, _, _ = known_steps(run.machine, world, (zero[0], zero[0]), still, first, count)
    gained = affine.forced_part(run.machine.equations, inverted[:, :, None], x)
    return jnp.moveaxis(gained, 1, 0)


# --- what the face calls -------------------------------------------------------------------------
