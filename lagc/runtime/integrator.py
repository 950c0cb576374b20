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

from lagc.runtime.newton import implicit_root, negligible
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

    def residual_and_jacobian(
        self, y: Float[Array, " n"], x: Node
    ) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
        """The residual and its derivative from the blocks a_q, a_v, b_q, b_v."""
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
        n = y.shape[0]
        return self.residual(y, x), jacobian[:-1, :, 1:, :].reshape(n, n)

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
        """Whether every equation holds to eps^(2/3) of the terms it is made of."""
        a, b = self.forces(y, x)
        _, w, d = self._arrays(a)
        size = (x.h / 2) * w[:, None] * jnp.abs(a) + jnp.abs(d).T @ (w[:, None] * jnp.abs(b))
        size = jnp.max(jnp.abs(size), axis=0) + jnp.abs(x.p)
        return _balanced(self.residual(y, x).reshape(-1, x.q.shape[0]), size)


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

    def residual_and_jacobian(
        self, y: Float[Array, " d"], x: LegendrePoint
    ) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
        """b - pi and the mass matrix db/dv."""
        b, b_v = self._evaluate(self.kernels.legendre, y, x)
        return b[0] - x.p, b_v[0]

    def scale(self, y: Float[Array, " d"], x: LegendrePoint) -> Float[Array, " d"]:
        """The velocity itself."""
        return jnp.abs(y)

    def floor(self, y: Float[Array, " d"], x: LegendrePoint) -> Float[Array, " d"]:
        """The velocity itself."""
        return jnp.abs(y)

    def solved(self, y: Float[Array, " d"], x: LegendrePoint) -> Bool[Array, ""]:
        """Whether b(q, v, t) is pi to eps^(2/3)."""
        residual = self.residual(y, x)
        return _balanced(residual[None, :], jnp.abs(residual + x.p) + jnp.abs(x.p))


def _balanced(residual: Float[Array, "m d"], size: Float[Array, " d"]) -> Bool[Array, ""]:
    """Equations hold to eps^(2/3) of their own terms or to round-off of the largest terms."""
    eps = jnp.finfo(residual.dtype).eps
    allowed = jnp.maximum(eps ** (2 / 3) * size, 64 * eps * jnp.max(size))
    allowed = allowed + negligible(residual.dtype)
    return jnp.all(jnp.abs(residual) <= allowed[None, :])


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

    t: Float[Array, ...]
    h: Float[Array, ...]
    number: Int[Array, ...]


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
    nodes = jnp.asarray(problem.tableau.nodes, s.q.dtype)
    guess = ((1 + nodes[1:]) * (clock.h / 2))[:, None] * s.v[None, :]
    y = implicit_root(problem, jax.lax.stop_gradient(guess.reshape(-1)), x)
    u = problem.displacements(y, x)
    a, _ = problem.forces(y, x)
    weights = jnp.asarray(problem.tableau.weights, s.q.dtype)
    impulse = (clock.h / 2) * jnp.sum(weights[:, None] * a, axis=0)

    q, q_low = _accumulate(s.q, s.q_low, u[-1])
    p, p_low = _accumulate(s.p, s.p_low, impulse)
    finite = jnp.all(jnp.isfinite(q)) & jnp.all(jnp.isfinite(p))
    solved = problem.solved(y, x)
    event = jnp.where(finite, clock.number, -clock.number).astype(s.status.dtype)
    status = jnp.where((s.status == 0) & ~(finite & solved), event, s.status)
    lost = status != 0
    q = jnp.where(lost, jnp.nan, q)
    p = jnp.where(lost, jnp.nan, p)
    v = jnp.where(lost, jnp.nan, problem.velocities(u, x)[-1])
    q, winding = wrap(q, s.winding, moduli)
    return State(q, p, q_low, p_low, v, winding, status), s.q[None, :] + u


def _accumulate(total: Array, low: Array, increment: Array) -> tuple[Array, Array]:
    """Kahan's sum: what rounding cuts off is carried to the next addition."""
    y = increment - low
    new = total + y
    return new, (new - total) - y


class Ends(NamedTuple):
    """States at the end of every step: q, pi, a guess of v, winding, status; leading axis steps."""

    q: Float[Array, ...]
    p: Float[Array, ...]
    v: Float[Array, ...]
    winding: Int[Array, ...]


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
        return new, Ends(new.q, new.p, new.v, new.winding)

    return jax.lax.scan(body, start, clocks)


def velocity(
    problem: LegendreProblem, guess: Float[Array, " d"], x: LegendrePoint
) -> tuple[Float[Array, " d"], Bool[Array, ""]]:
    """v with b(q, v, t) = pi, NaN where it is not found; and whether it was."""
    v = implicit_root(problem, jax.lax.stop_gradient(guess), x)
    found = problem.solved(v, x)
    return jnp.where(found, v, jnp.nan), found
