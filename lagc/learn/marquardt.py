"""Levenberg-Marquardt for many independent systems at once, between bounds.

Every system has its own damping and ends when it has met its tolerance; what is still under way is
packed together again every few iterations, so that the slowest do not cost the others. Columns are
scaled by their largest norm so far (Moré, Lect. Notes Math. 630, 105, 1978), the damping follows
Nielsen (IMM-REP-1999-05); variables at a bound that the gradient pushes outward are held, and steps
are projected onto the bounds (Kanzow, Yamashita & Fukushima, J. Comput. Appl. Math. 172, 375,
2004). Subproblems are solved by orthogonal transformations, never by normal equations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.learn.batch import Lanes, Layout, residuals_and_jacobian
from lagc.runtime.system import System

PORTION = 256  # systems in one compiled call
_PIECE = 8  # iterations in one compiled call
_MOST = 240
_FIRST_DAMPING = 1e-3
_LEAST_DAMPING = 1e-20
_HOPELESS = 1e13  # damping with which no step changes anything
_MET = 1e-10  # projection of the residual on what the unknowns can change, as a part of it
_ROUND_OFF = 1e-14  # part of the weighted observations that counts as zero
_RANK = 1e-13
_VERIFIABLE = 1e-11  # part of the sum of squares whose change can be seen
_NEAR = _VERIFIABLE**0.5  # as _MET, where no step succeeds: what is left promises no more than that
_IDLE = 24  # steps in a row that promise less than can be seen, from which on there are no others
_WITHIN = 0.9  # part of the way to an open bound that a step may go


class Bounds(NamedTuple):
    """Of the unknowns, (u,) each; open ones are never reached."""

    lower: np.ndarray
    upper: np.ndarray
    lower_open: np.ndarray
    upper_open: np.ndarray

    def inside(self, x: np.ndarray) -> np.ndarray:
        """x (n, u) within the bounds, open ones left by a thousandth of the size of the value."""
        room = 1e-3 * np.maximum(np.abs(x), 1e-3)
        low = np.where(self.lower_open, self.lower + room, self.lower)
        high = np.where(self.upper_open, self.upper - room, self.upper)
        return np.clip(x, low, high)


class Iterate(NamedTuple):
    """Where the systems stand: x: (n, u); damping, growth, idle (steps without visible gain, up to
    now): (n,); scale: (n, u), of the columns; met: tolerance met; stuck: no way on."""

    x: jax.Array
    damping: jax.Array
    growth: jax.Array
    idle: jax.Array
    scale: jax.Array
    met: jax.Array
    stuck: jax.Array


class _Local(NamedTuple):
    """The problem at x: weighted residuals (n, m), their derivatives (n, m, u), and half the sums
    of squares (n,), infinite where anything is not finite."""

    values: jax.Array
    columns: jax.Array
    cost: jax.Array


@dataclass(frozen=True, eq=False)
class Found:
    """Ends of searches: x (n, u), cost (n,), half the sum of squares and infinite where there is no
    finite trajectory, met (n,)."""

    x: np.ndarray
    cost: np.ndarray
    met: np.ndarray

    def put(self, index: np.ndarray, other: Found, chosen: np.ndarray) -> None:
        """Take over the systems of an index (m,) that are chosen (m,) from another search."""
        place = index[chosen]
        self.x[place] = other.x[chosen]
        self.cost[place] = other.cost[chosen]
        self.met[place] = other.met[chosen]


def minimise(
    system: System, layout: Layout, lanes: Lanes, x: np.ndarray, bounds: Bounds, size: int
) -> Found:
    """The minima of the weighted sums of squares near x: (n, u), `size` systems at a time.

    There are at least as many rows times channels as unknowns. Every size is compiled once.
    """
    n = len(x)
    x = bounds.inside(x)
    state = _begun(x)
    cost = np.full(n, np.inf)
    left = np.arange(n)
    for _ in range(_MOST // _PIECE):
        for index in portions(left, size):
            part = Iterate(*(a[index] for a in state))
            new, here = _advanced(system, layout, lanes.some(index), part, bounds, _PIECE)
            for whole, piece in zip(state, new, strict=True):
                whole[index] = np.asarray(piece)
            cost[index] = np.asarray(here.cost)
        left = left[~(state.met[left] | state.stuck[left])]
        if not left.size:
            break
    return Found(np.asarray(state.x), cost, np.asarray(state.met))


def linearise(
    system: System, layout: Layout, lanes: Lanes, x: np.ndarray, bounds: Bounds, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted residuals (n, m) and their derivatives (n, m, u) at x: (n, u), `size` systems at a
    time."""
    n, u = x.shape
    m = lanes.values.shape[1] * lanes.values.shape[2]
    values, columns = np.empty((n, m)), np.empty((n, m, u))
    for index in portions(np.arange(n), size):
        _, here = _advanced(system, layout, lanes.some(index), _begun(x[index]), bounds, 0)
        values[index], columns[index] = here.values, here.columns
    return values, columns


def portion_size(n: int) -> int:
    """For a batch of n and all its parts: a power of two, so that few are compiled."""
    return min(PORTION, 1 << (n - 1).bit_length())


def portions(index: np.ndarray, size: int) -> list[np.ndarray]:
    """An index in pieces of one size, the last filled up with its first entry."""
    pieces = [index[first : first + size] for first in range(0, len(index), size)]
    return [np.concatenate([p, np.full(size - len(p), p[0])]) for p in pieces]


def _begun(x: np.ndarray) -> Iterate:
    n, u = x.shape
    no = np.zeros(n, bool)
    numbers = np.full(n, _FIRST_DAMPING), np.full(n, 2.0), np.zeros(n), np.zeros((n, u))
    parts: list[Any] = [x.copy(), *numbers, no, no.copy()]
    return Iterate(*parts)


def _advanced(
    system: System, layout: Layout, lanes: Lanes, state: Iterate, bounds: Bounds, count: int
) -> tuple[Iterate, _Local]:
    """At most `count` iterations. A program that does without the fallback of the integrator, and
    so compiles in half the time, is enough for nearly all systems."""
    new, here, solved = _advance(system, layout, lanes, state, bounds, count)
    if not bool(solved):
        whole = replace(layout, whole=True)
        new, here, _ = _advance(system, whole, lanes, state, bounds, count)
    return new, here


@partial(jax.jit, static_argnums=(0, 1))
def _advance(
    system: System, layout: Layout, lanes: Lanes, state: Iterate, bounds: Bounds, most: int
) -> tuple[Iterate, _Local, jax.Array]:
    """At most so many iterations, after one that only evaluates; also the problem where they end,
    and whether the strategy of the model was enough.

    The first and the later evaluations are the same code, since it is what compiles longest.
    """
    n, u = state.x.shape
    m = lanes.values.shape[1] * lanes.values.shape[2]
    size = jnp.sqrt(jnp.sum((lanes.values * lanes.weights) ** 2, axis=(1, 2)))
    nothing = _Local(jnp.zeros((n, m)), jnp.zeros((n, m, u)), jnp.full(n, jnp.inf))

    def going(carry: tuple[Iterate, _Local, jax.Array, jax.Array]) -> jax.Array:
        state, _, _, count = carry
        return (count == 0) | ((count <= most) & ~jnp.all(state.met | state.stuck))

    def step(
        carry: tuple[Iterate, _Local, jax.Array, jax.Array],
    ) -> tuple[Iterate, _Local, jax.Array, jax.Array]:
        state, here, solved, count = carry
        first = count == 0
        proposed, predicted, rest, scale = _proposal(state, here, bounds)
        proposed = jnp.where(first, state.x, proposed)
        amount = jnp.sqrt(2 * here.cost)
        met = ~first & (rest <= _MET * amount + _ROUND_OFF * size)
        values, columns, fine = residuals_and_jacobian(system, layout, proposed, lanes)
        finite = jnp.isfinite(values).all(axis=1) & jnp.isfinite(columns).all(axis=(1, 2))
        cost = jnp.where(finite, jnp.sum(values**2, axis=1) / 2, jnp.inf)
        invisible = predicted <= _VERIFIABLE * here.cost
        ratio = jnp.where(invisible, 1.0, (here.cost - cost) / jnp.maximum(predicted, 1e-300))
        good = finite & (cost <= here.cost * (1 + 1e-2 * _VERIFIABLE))
        good &= (ratio > 1e-4) & (predicted >= 0)
        done = state.met | state.stuck | met
        moved = good & ~done
        down = jnp.maximum(0.05, 1 - (2 * jnp.minimum(ratio, 1.0) - 1) ** 3)
        damping = state.damping * jnp.where(good, down, state.growth)
        idle = jnp.where(invisible & ~done, state.idle + 1, 0.0)
        stuck = ~done & ((~good & (damping > _HOPELESS)) | (idle >= _IDLE))
        later = Iterate(
            _where(moved, proposed, state.x),
            jnp.where(done, state.damping, jnp.maximum(damping, _LEAST_DAMPING)),
            jnp.where(done | good, 2.0, 2 * state.growth),
            idle,
            scale,
            state.met | met | (stuck & (rest <= _NEAR * amount)),
            state.stuck | stuck,
        )
        begun = state._replace(stuck=state.stuck | ~finite)
        state = Iterate(*(jnp.where(first, a, b) for a, b in zip(begun, later, strict=True)))
        there = _Local(values, columns, cost)
        here = _Local(*(_where(first | moved, a, b) for a, b in zip(there, here, strict=True)))
        return state, here, solved & fine, count + 1

    state, here, solved, _ = jax.lax.while_loop(
        going, step, (state, nothing, jnp.array(True), jnp.array(0))
    )
    return state, here, solved


def _proposal(
    state: Iterate, here: _Local, bounds: Bounds
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """The next point (n, u), the decrease of the sum of squares predicted there (n,), the norm of
    the residual's projection on what can still be changed (n,), and the new scales (n, u)."""
    x, u = state.x, state.x.shape[1]
    usable = jnp.isfinite(here.cost)[:, None, None]
    whole = jnp.concatenate([here.columns, here.values[..., None]], axis=-1)
    whole = jnp.linalg.qr(jnp.where(usable, whole, 0.0), mode="r")[:, :u]
    triangle, projected = whole[..., :u], whole[..., u]  # J = Q triangle, Q^T residual
    lower, upper, lower_open, upper_open = (jnp.asarray(b)[None] for b in bounds)
    slope = jnp.einsum("nij,ni->nj", triangle, projected)
    held = ((x <= lower) & (slope > 0)) | ((x >= upper) & (slope < 0))
    scale = jnp.maximum(state.scale, jnp.sqrt(jnp.sum(triangle**2, axis=1)))
    divisor = jnp.where(scale > 0, scale, 1.0)
    scaled = jnp.where(held[:, None], 0.0, triangle / divisor[:, None])
    left, singular, rows = jnp.linalg.svd(scaled, full_matrices=False)
    along = jnp.einsum("nij,ni->nj", left, projected)
    known = singular > _RANK * singular[:, :1]
    rest = jnp.sqrt(jnp.sum(jnp.where(known, along, 0.0) ** 2, axis=1))
    filtered = jnp.where(known, singular / (singular**2 + state.damping[:, None]), 0.0)
    step = -jnp.einsum("nji,nj->ni", rows, filtered * along) / divisor
    low = jnp.where(lower_open, x + _WITHIN * (lower - x), lower)
    high = jnp.where(upper_open, x + _WITHIN * (upper - x), upper)
    proposed = jnp.clip(x + jnp.where(held, 0.0, step), low, high)
    change = jnp.einsum("nij,nj->ni", triangle, proposed - x)
    predicted = -jnp.sum(projected * change, axis=1) - jnp.sum(change**2, axis=1) / 2
    return proposed, predicted, rest, scale


def _where(condition: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """By system."""
    return jnp.where(condition.reshape(condition.shape + (1,) * (new.ndim - 1)), new, old)
