"""One step of one trajectory by damped Newton, and the Legendre transform: where quick ways end.

Both are `newton.Problem`s, with the magnitudes by which round-off is told from a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from lagc.runtime.banded import solve_banded
from lagc.runtime.equations import Model, StepData, StepEquations, identity_like
from lagc.runtime.linear import solve
from lagc.runtime.method import along_nodes, apply
from lagc.runtime.newton import FOUND, Linearised, barely_moving, implicit_root


@dataclass(frozen=True, eq=False)
class StepProblem:
    """The equations of one step of one trajectory; y: (d (r+1),), displacements."""

    equations: StepEquations

    def displacements(self, y: Float[Array, " n"], x: StepData) -> Array:
        """(d, r+1)."""
        return y.reshape(x.q.shape[0], -1)

    def residual(self, y: Float[Array, " n"], x: StepData) -> Float[Array, " n"]:
        """R_0 + pi_n and R_1 .. R_r."""
        return self.equations.residual(self.displacements(y, x), x).reshape(-1)

    def linearised(self, y: Float[Array, " n"], x: StepData) -> Linearised:
        """The residual, its derivative from the blocks a_q, a_v, b_q, b_v, and its noise.

        The noise of a row is that of a and b: their own size, and what the round-off of q and v
        makes of it (near an equilibrium, where terms of a cancel, the larger part).
        """
        eq, u = self.equations, self.displacements(y, x)
        blocks = eq.blocks(u, x)
        a, b = eq.forces(u, x)
        moved = jnp.abs(u)
        table = eq.method.tableau
        q = jnp.abs(x.q)[:, None] + jnp.concatenate([jnp.zeros_like(moved[:, :1]), moved], axis=1)
        v = apply(abs(eq.method.velocity), moved) / jnp.abs(x.h)
        a_q, a_v, b_q, b_v = blocks
        size_a = jnp.abs(a) + eq.applied(a_q, q) + eq.applied(a_v, v)
        size_b = jnp.abs(b) + eq.applied(b_q, q) + eq.applied(b_v, v)

        def rows(a: Array, b: Array) -> Array:
            weighed = jnp.abs(x.h / 2) * (along_nodes(table.weights, a) * a)
            return self._largest(
                weighed + apply(abs(table.differentiation.T) * table.weights, b), x
            )

        value = eq.balance(a, b, x).reshape(-1)
        size = rows(jnp.abs(a), jnp.abs(b))
        return Linearised(value, eq.jacobian(blocks, x.h), size, rows(size_a, size_b))

    def solve(self, jacobian: Any, value: Float[Array, " n"], x: StepData) -> Float[Array, " n"]:
        """J^-1 value."""
        if self.equations.model.lattice is None:
            return solve(jacobian, value)
        shaped = value.reshape(x.q.shape[0], -1)
        return self.equations.solver(jacobian)(shaped).reshape(-1)

    def identity(self, jacobian: Any) -> Any:
        """The unit matrix in the form of J."""
        return identity_like(jacobian, self.equations.model.lattice)

    def _largest(self, rows: Float[Array, "d s"], x: StepData) -> Float[Array, " n"]:
        """The largest of each degree of freedom with |pi_n|, for every row of the residual."""
        largest = jnp.max(rows, axis=1, keepdims=True) + jnp.abs(x.p)[:, None]
        return jnp.broadcast_to(largest, (rows.shape[0], rows.shape[1] - 1)).reshape(-1)

    def scale(self, y: Float[Array, " n"], x: StepData) -> Float[Array, " n"]:
        """The largest displacement of each degree of freedom."""
        u = jnp.abs(self.displacements(y, x))
        return jnp.broadcast_to(jnp.max(u, axis=1, keepdims=True), u.shape).reshape(-1)

    def floor(self, y: Float[Array, " n"], x: StepData) -> Float[Array, " n"]:
        """Displacement and position: the state's own round-off."""
        u = jnp.abs(self.displacements(y, x))
        size = jnp.abs(x.q)[:, None] + jnp.max(u, axis=1, keepdims=True)
        return jnp.broadcast_to(size, u.shape).reshape(-1)


def robust_step(
    equations: StepEquations, v: Float[Array, " d"], x: StepData, live: Bool[Array, ""]
) -> tuple[Array, Array, Array, Array]:
    """Displacements (d, r+1), forces (d, r+2), whether the equations hold, and the failure.

    v: a velocity, from which the first guess is made.
    """
    problem = StepProblem(equations)
    # From rest, a velocity too small to matter keeps directions such as v/|v| defined.
    v = jnp.where(v == 0, barely_moving(v.dtype), v)
    drift = jnp.asarray(equations.method.drift, v.dtype)
    guess = (v[:, None] * (x.h * drift)[None]).reshape(-1)
    y, failure = implicit_root(problem, guess, x, live)
    u = problem.displacements(y, x)
    a, _ = equations.forces(u, x)
    return u, a, live & (failure == FOUND), failure


class LegendrePoint(NamedTuple):
    """Where a velocity is wanted: q, pi: (d,); t: (); parameters as in `StepData`, inputs ()."""

    q: Float[Array, " d"]
    p: Float[Array, " d"]
    t: Float[Array, ""]
    coefficients: Any
    inputs: Any
    neural: Any


@dataclass(frozen=True, eq=False)
class LegendreProblem:
    """b(q, v, t) = pi for v, as a `newton.Problem`."""

    model: Model

    def _evaluate(self, kernel: Callable[..., Any], y: Array, x: LegendrePoint) -> Any:
        inputs = {name: value[None] for name, value in x.inputs.items()}
        found = self.model.call(kernel, x.q[:, None], y[:, None], x.t[None], x, inputs)
        return jax.tree_util.tree_map(lambda f: f[..., 0], found)

    def residual(self, y: Float[Array, " d"], x: LegendrePoint) -> Float[Array, " d"]:
        """b - pi."""
        return jnp.asarray(self._evaluate(self.model.kernels.momentum, y, x) - x.p)

    def linearised(self, y: Float[Array, " d"], x: LegendrePoint) -> Linearised:
        """b - pi, the mass matrix db/dv, and the noise of b and pi."""
        _, _, b_q, b_v = self._evaluate(self.model.kernels.blocks, y, x)
        residual = self.residual(y, x)
        size = noise = jnp.abs(residual + x.p) + jnp.abs(x.p)
        if self.model.lattice is None:
            noise = noise + _product(b_q, x.q) + _product(b_v, y)
        return Linearised(residual, b_v, size, noise)

    def solve(self, jacobian: Any, value: Array, x: LegendrePoint) -> Array:
        """(db/dv)^-1 value."""
        del x
        lattice = self.model.lattice
        if lattice is None:
            return solve(jacobian, value)
        right = value.reshape(len(lattice.fields), lattice.size)
        return solve_banded(jacobian, right, lattice.periodic).reshape(-1)

    def identity(self, jacobian: Any) -> Any:
        """The unit matrix in the form of db/dv."""
        return identity_like(jacobian, self.model.lattice)

    def scale(self, y: Float[Array, " d"], x: LegendrePoint) -> Float[Array, " d"]:
        """The velocity itself."""
        del x
        return jnp.abs(y)

    def floor(self, y: Float[Array, " d"], x: LegendrePoint) -> Float[Array, " d"]:
        """The velocity itself."""
        del x
        return jnp.abs(y)


def _product(block: Array, size: Array) -> Array:
    return jnp.sum(jnp.nan_to_num(jnp.abs(block), posinf=0) * jnp.abs(size)[None], axis=1)


def velocity(
    problem: LegendreProblem, guess: Float[Array, " d"], x: LegendrePoint
) -> tuple[Float[Array, " d"], Bool[Array, ""]]:
    """v with b(q, v, t) = pi, and whether it was found (if not, v is some finite vector)."""
    guess = jnp.where(guess == 0, barely_moving(guess.dtype), guess)
    live = jnp.all(jnp.isfinite(x.q) & jnp.isfinite(x.p))
    v, failure = implicit_root(problem, jax.lax.stop_gradient(guess), x, live)
    return v, failure == FOUND
