"""One trajectory: the Galerkin-Gauss-Lobatto step, the Legendre inverse, and the scan over steps.

Unknowns of a step are the displacements U_i = Q_i - q_n of the nodes i = 1..r+1, which keep their
relative accuracy where Q_i would lose it. With D the differentiation matrix and w the weights on
[-1, 1] (Farr & Bertschinger 2007; Tsang et al. 2015, eq. 8-11),

    V_i = (2/h) sum_j D_ij U_j            R_i = (h/2) w_i a_i + sum_j w_j D_ji b_j
    R_0 + pi_n = 0                        R_i = 0,  i = 1..r

Because the rows of D sum to zero, adding up all R_i gives the update without cancellation:
pi_{n+1} = pi_n + (h/2) sum_i w_i a_i, and q_{n+1} = q_n + U_{r+1}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from lagc.runtime.newton import FOUND, NOT_FINITE, Linearised, at_rest, barely_moving, implicit_root
from lagc.runtime.spec import Kernels
from lagc.runtime.tableau import Tableau

Signal = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Environment:
    """What the node functions need besides the state, with array leaves told apart.

    `signals` and `neural` take the values of `parameters` as their last argument, so that no
    traced value is hidden in a closure and every derivative is seen.
    """

    signals: Mapping[str, Callable[[Array, Any], Array]]
    neural: Mapping[str, Callable[[Array, Any], Array]]

    def at(
        self, t: Float[Array, " s"], parameters: Any
    ) -> tuple[dict[str, Array], dict[str, Callable[[Array], Array]]]:
        """Input values at the times `t` and the neural terms as functions of one vector."""
        values = {
            name: jax.vmap(_with(f, parameters["signals"][name]))(t)
            for name, f in self.signals.items()
        }
        terms: dict[str, Callable[[Array], Array]] = {
            name: _with(f, parameters["neural"][name]) for name, f in self.neural.items()
        }
        return values, terms


def _with(f: Callable[[Array, Any], Array], extra: Any) -> Callable[[Array], Array]:
    return lambda x: f(x, extra)


class Node(NamedTuple):
    """Where a step starts: q, pi, t: and its length h; parameters as in `Environment`."""

    q: Float[Array, " d"]
    p: Float[Array, " d"]
    t: Float[Array, ""]
    h: Float[Array, ""]
    parameters: Any


@dataclass(frozen=True, eq=False)
class StepProblem:
    """The discrete Euler-Lagrange equations of one step as a `newton.Problem`."""

    kernels: Kernels
    environment: Environment
    tableau: Tableau

    def _arrays(self, like: Array) -> tuple[Array, Array, Array]:
        table = self.tableau
        dtype = like.dtype
        return (
            jnp.asarray(table.nodes, dtype),
            jnp.asarray(table.weights, dtype),
            jnp.asarray(table.differentiation, dtype),
        )

    def displacements(self, y: Float[Array, " n"], x: Node) -> Float[Array, "s d"]:
        """U_0 = 0 and the unknown U_1 .. U_{r+1}."""
        unknown = y.reshape(-1, x.q.shape[0])
        return jnp.concatenate([jnp.zeros_like(unknown[:1]), unknown])

    def velocities(self, u: Float[Array, "s d"], x: Node) -> Float[Array, "s d"]:
        """V_i = (2/h) sum_j D_ij U_j."""
        return (2 / x.h) * (self._arrays(u)[2] @ u)

    def _nodes(self, y: Array, x: Node) -> tuple[Any, ...]:
        u = self.displacements(y, x)
        nodes = self._arrays(u)[0]
        times = x.t + (1 + nodes) * (x.h / 2)
        values, terms = self.environment.at(times, x.parameters)
        q = x.q[None, :] + u
        return q, self.velocities(u, x), times, x.parameters["coefficients"], values, terms

    def forces(
        self, y: Float[Array, " n"], x: Node
    ) -> tuple[Float[Array, "s d"], Float[Array, "s d"]]:
        """a and b at the nodes."""
        a, b = self.kernels.forces(*self._nodes(y, x))
        return a, b

    def _rows(self, a: Float[Array, "s d"], b: Float[Array, "s d"], x: Node) -> Float[Array, "s d"]:
        _, w, d = self._arrays(a)
        return (x.h / 2) * w[:, None] * a + d.T @ (w[:, None] * b)

    def residual(self, y: Float[Array, " n"], x: Node) -> Float[Array, " n"]:
        """R_0 + pi_n and R_1 .. R_r."""
        rows = self._rows(*self.forces(y, x), x)[:-1]
        return jnp.concatenate([rows[:1] + x.p[None, :], rows[1:]]).reshape(-1)

    def linearised(self, y: Float[Array, " n"], x: Node) -> Linearised:
        """The residual, its derivative from the blocks a_q, a_v, b_q, b_v, and its noise.

        The noise of a row is that of a and b: their own size, and what the round-off of q and v
        makes of it (near an equilibrium, where terms of a cancel, the larger part).
        """
        a_q, a_v, b_q, b_v = self.kernels.blocks(*self._nodes(y, x))
        _, w, d = self._arrays(y)
        half = x.h / 2
        eye = jnp.eye(w.shape[0], dtype=y.dtype)
        jacobian = (
            jnp.einsum("i,ik,iab->iakb", half * w, eye, a_q)
            + jnp.einsum("i,ik,iab->iakb", w, d, a_v)
            + jnp.einsum("k,ki,kab->iakb", w, d, b_q)
            + jnp.einsum("j,ji,jab,jk->iakb", w / half, d, b_v, d)
        )
        u = jnp.abs(self.displacements(y, x))
        q = jnp.abs(x.q)[None, :] + u
        v = jnp.abs(d / half) @ u
        a, b = (jnp.abs(f) for f in self.forces(y, x))
        a = a + _applied(a_q, q) + _applied(a_v, v)
        b = b + _applied(b_q, q) + _applied(b_v, v)
        n = y.shape[0]
        noise = self._largest(jnp.abs(half) * w[:, None] * a + jnp.abs(d).T @ (w[:, None] * b), x)
        jacobian = jacobian[:-1, :, 1:, :].reshape(n, n)
        return Linearised(self.residual(y, x), jacobian, noise)

    def _largest(self, rows: Float[Array, "s d"], x: Node) -> Float[Array, " n"]:
        """The largest of each degree of freedom with |pi_n|, for every row of the residual."""
        largest = jnp.max(rows, axis=0) + jnp.abs(x.p)
        shape = (rows.shape[0] - 1, rows.shape[1])
        return jnp.broadcast_to(largest, shape).reshape(-1)

    def scale(self, y: Float[Array, " n"], x: Node) -> Float[Array, " n"]:
        """The largest displacement of each degree of freedom."""
        u = y.reshape(-1, x.q.shape[0])
        return jnp.broadcast_to(jnp.max(jnp.abs(u), axis=0), u.shape).reshape(-1)

    def floor(self, y: Float[Array, " n"], x: Node) -> Float[Array, " n"]:
        """Displacement and position: the state's own round-off."""
        u = y.reshape(-1, x.q.shape[0])
        size = jnp.abs(x.q) + jnp.max(jnp.abs(u), axis=0)
        return jnp.broadcast_to(size, u.shape).reshape(-1)

    def solved(self, y: Float[Array, " n"], x: Node) -> Bool[Array, ""]:
        """Whether every equation holds to eps^(2/3) of its terms, or to their noise."""
        y, x = jax.lax.stop_gradient((y, x))
        a, b = self.forces(y, x)
        _, w, d = self._arrays(a)
        size = jnp.abs(x.h / 2) * w[:, None] * jnp.abs(a) + jnp.abs(d).T @ (w[:, None] * jnp.abs(b))
        return _balanced(self.linearised(y, x), self._largest(size, x))


def _applied(block: Float[Array, "s d d"], size: Float[Array, "s d"]) -> Float[Array, "s d"]:
    """|block| |x| at every node; where a block is not finite, nothing."""
    return jnp.einsum("sab,sb->sa", jnp.nan_to_num(jnp.abs(block), posinf=0), size)


class LegendrePoint(NamedTuple):
    """Where a velocity is wanted: q, pi, t; parameters as in `Environment`."""

    q: Float[Array, " d"]
    p: Float[Array, " d"]
    t: Float[Array, ""]
    parameters: Any


@dataclass(frozen=True, eq=False)
class LegendreProblem:
    """b(q, v, t) = pi for v, as a `newton.Problem`."""

    kernels: Kernels
    environment: Environment

    def _evaluate(self, kernel: Callable[..., Any], y: Array, x: LegendrePoint) -> Any:
        t = x.t[None]
        values, terms = self.environment.at(t, x.parameters)
        coefficients = x.parameters["coefficients"]
        return kernel(x.q[None, :], y[None, :], t, coefficients, values, terms)

    def residual(self, y: Float[Array, " d"], x: LegendrePoint) -> Float[Array, " d"]:
        """b - pi."""
        return jnp.asarray(self._evaluate(self.kernels.momentum, y, x)[0] - x.p)

    def linearised(self, y: Float[Array, " d"], x: LegendrePoint) -> Linearised:
        """b - pi, the mass matrix db/dv, and the noise of b and pi."""
        _, _, b_q, b_v = self._evaluate(self.kernels.blocks, y, x)
        residual = self.residual(y, x)
        noise = jnp.abs(residual + x.p) + jnp.abs(x.p)
        noise = noise + (_applied(b_q, jnp.abs(x.q)[None]) + _applied(b_v, jnp.abs(y)[None]))[0]
        return Linearised(residual, b_v[0], noise)

    def scale(self, y: Float[Array, " d"], x: LegendrePoint) -> Float[Array, " d"]:
        """The velocity itself."""
        return jnp.abs(y)

    def floor(self, y: Float[Array, " d"], x: LegendrePoint) -> Float[Array, " d"]:
        """The velocity itself."""
        return jnp.abs(y)

    def solved(self, y: Float[Array, " d"], x: LegendrePoint) -> Bool[Array, ""]:
        """Whether b(q, v, t) is pi to eps^(2/3), or to the noise of b."""
        y, x = jax.lax.stop_gradient((y, x))
        found = self.linearised(y, x)
        return _balanced(found, jnp.abs(found.value + x.p) + jnp.abs(x.p))


def _balanced(found: Linearised, size: Float[Array, " n"]) -> Bool[Array, ""]:
    """Every equation holds to eps^(2/3) of its own terms, or to its round-off."""
    eps = jnp.finfo(size.dtype).eps
    allowed = eps ** (2 / 3) * size + 64 * eps * found.noise + at_rest(size.dtype)
    return jnp.all(jnp.abs(found.value) <= allowed)


class State(NamedTuple):
    """Between two steps: q and pi with the part that rounding cut off, v as a guess for the next
    step, the number of periods taken out of each angle, and the status so far."""

    q: Float[Array, " d"]
    p: Float[Array, " d"]
    q_low: Float[Array, " d"]
    p_low: Float[Array, " d"]
    v: Float[Array, " d"]
    winding: Int[Array, " d"]
    status: Int[Array, ""]


class Clock(NamedTuple):
    """Time at the start of a step, its length, and its number counted from 1."""

    t: Float[Array, "..."]
    h: Float[Array, "..."]
    number: Int[Array, "..."]


def wrap(
    q: Float[Array, " d"], winding: Int[Array, " d"], moduli: tuple[float | None, ...]
) -> tuple[Float[Array, " d"], Int[Array, " d"]]:
    """Angles brought into [-P/2, P/2), the whole periods counted in `winding`."""
    if all(m is None for m in moduli):
        return q, winding
    period = np.array([np.inf if m is None else m for m in moduli])
    p = jnp.asarray(period, q.dtype)
    turns = jnp.floor(jax.lax.stop_gradient(q) / p + 0.5)
    turns = jnp.where(jnp.isfinite(p), turns, 0)
    wrapped = jnp.where(jnp.isfinite(p), q - turns * jnp.where(jnp.isfinite(p), p, 0), q)
    count = jnp.where(jnp.isfinite(turns), turns, 0).astype(winding.dtype)
    return wrapped, winding + count


def take_step(
    problem: StepProblem, moduli: tuple[float | None, ...], s: State, clock: Clock, parameters: Any
) -> tuple[State, Float[Array, "s d"]]:
    """One step: the next state, and the node positions Q_0 .. Q_{r+1} (not wrapped)."""
    x = Node(s.q, s.p, clock.t, clock.h, parameters)
    live = s.status == 0
    nodes = jnp.asarray(problem.tableau.nodes, s.q.dtype)
    # From rest, a velocity too small to matter keeps directions such as v/|v| defined.
    v = jnp.where(s.v == 0, barely_moving(s.v.dtype), s.v)
    guess = ((1 + nodes[1:]) * (clock.h / 2))[:, None] * v[None, :]
    y, failure = implicit_root(problem, jax.lax.stop_gradient(guess.reshape(-1)), x, live)
    u = problem.displacements(y, x)
    a, _ = problem.forces(y, x)
    weights = jnp.asarray(problem.tableau.weights, s.q.dtype)
    impulse = (clock.h / 2) * jnp.sum(weights[:, None] * a, axis=0)

    q, q_low = _accumulate(s.q, s.q_low, u[-1])
    p, p_low = _accumulate(s.p, s.p_low, impulse)
    finite = jnp.all(jnp.isfinite(q)) & jnp.all(jnp.isfinite(p)) & (failure != NOT_FINITE)
    good = live & finite & (failure == FOUND) & problem.solved(y, x)
    event = jnp.where(finite, clock.number, -clock.number).astype(s.status.dtype)
    status = jnp.where(live & ~good, event, s.status)
    q, winding = wrap(q, s.winding, moduli)
    reached = State(q, p, q_low, p_low, problem.velocities(u, x)[-1], winding, status)
    # A trajectory that failed stays at its last good state, so that derivatives of others in a
    # batch do not meet a NaN; what is returned of it is masked.
    kept = jax.tree_util.tree_map(lambda new, old: jnp.where(good, new, old), reached, s)
    return kept._replace(status=status), s.q[None, :] + u


def _accumulate(total: Array, low: Array, increment: Array) -> tuple[Array, Array]:
    """Kahan's sum: what rounding cuts off is carried to the next addition."""
    y = increment - low
    new = total + y
    return new, (new - total) - y


class Ends(NamedTuple):
    """States at the end of every step: q, pi, a guess of v, winding, and whether the trajectory has
    failed by then; leading axis steps."""

    q: Float[Array, "..."]
    p: Float[Array, "..."]
    v: Float[Array, "..."]
    winding: Int[Array, "..."]
    lost: Bool[Array, "..."]


def advance(
    problem: StepProblem,
    moduli: tuple[float | None, ...],
    start: State,
    clocks: Clock,
    parameters: Any,
) -> tuple[State, Ends]:
    """All the steps of `clocks` (leading axis: steps), every end point kept."""

    def body(s: State, clock: Clock) -> tuple[State, Ends]:
        new, _ = take_step(problem, moduli, s, clock, parameters)
        return new, Ends(new.q, new.p, new.v, new.winding, new.status != 0)

    return jax.lax.scan(body, start, clocks)


def velocity(
    problem: LegendreProblem, guess: Float[Array, " d"], x: LegendrePoint
) -> tuple[Float[Array, " d"], Bool[Array, ""]]:
    """v with b(q, v, t) = pi, and whether it was found (if not, v is some finite vector)."""
    guess = jnp.where(guess == 0, barely_moving(guess.dtype), guess)
    live = jnp.all(jnp.isfinite(x.q) & jnp.isfinite(x.p))
    v, failure = implicit_root(problem, jax.lax.stop_gradient(guess), x, live)
    return v, (failure == FOUND) & problem.solved(v, x)
