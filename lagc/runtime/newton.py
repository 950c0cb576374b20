"""Roots of implicit equations, found by damped Newton and differentiated by the implicit
function theorem.

Damping follows the natural monotonicity test of Deuflhard (Newton Methods for Nonlinear Problems,
2004, sec. 3.3): a step is accepted when the next Newton correction is shorter than this one, which
does not depend on how equations are scaled. The iteration ends when the correction is below
eps^(2/3) of the unknown, so that, converging quadratically, what is left is below round-off; or
when corrections no longer shrink and are at the level of round-off.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

MAX_EVALUATIONS = 60
_SHORTEST_DAMPING = 2.0**-24
_ROUND_OFF = 1024.0  # corrections that stagnate below this many eps are round-off


@runtime_checkable
class Problem(Protocol):
    """Equations F(y, x) = 0 for y: (n,), given a pytree x of arrays."""

    def residual(self, y: Float[Array, " n"], x: Any) -> Float[Array, " n"]:
        """F(y, x)."""

    def residual_and_jacobian(
        self, y: Float[Array, " n"], x: Any
    ) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
        """F(y, x) and dF/dy."""

    def scale(self, y: Float[Array, " n"], x: Any) -> Float[Array, " n"]:
        """Magnitudes against which a correction to each unknown is small."""

    def floor(self, y: Float[Array, " n"], x: Any) -> Float[Array, " n"]:
        """Magnitudes whose round-off limits how well each unknown can be known."""


class _State(NamedTuple):
    y: Array
    correction: Array
    length: Array
    damping: Array
    evaluations: Array
    done: Array


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def implicit_root(problem: Problem, guess: Float[Array, " n"], x: Any) -> Float[Array, " n"]:
    """The root near `guess`; non-finite if the equations are not finite there.

    The caller checks the residual: a root that was not found is returned as it stands.
    """
    eps = jnp.finfo(guess.dtype).eps
    tolerance = eps ** (2 / 3)

    def correct(y: Array) -> tuple[Array, Array]:
        value, jacobian = problem.residual_and_jacobian(y, x)
        correction = -solve_dense(jacobian, value)
        scale = problem.scale(y + correction, x)
        length = jnp.max(jnp.abs(correction) / jnp.where(scale > 0, scale, 1))
        return correction, length

    def settled(y: Array, correction: Array, length: Array, previous: Array) -> Array:
        floor = problem.floor(y, x)
        small = jnp.abs(correction) <= 4 * eps * floor + negligible(guess.dtype)
        near = jnp.abs(correction) <= _ROUND_OFF * eps * jnp.max(floor)
        stagnant = length >= 0.25 * previous
        scale = problem.scale(y + correction, x)
        close = jnp.abs(correction) <= tolerance * scale
        return jnp.all(small | close | (near & stagnant))

    def body(s: _State) -> _State:
        candidate = s.y + s.damping * s.correction
        correction, length = correct(candidate)
        finite = jnp.all(jnp.isfinite(correction))
        done = finite & settled(candidate, correction, length, s.length)
        accepted = finite & (done | (length <= (1 - s.damping / 4) * s.length))
        return _State(
            y=jnp.where(accepted, candidate, s.y),
            correction=jnp.where(accepted, correction, s.correction),
            length=jnp.where(accepted, length, s.length),
            damping=jnp.where(accepted, jnp.minimum(1, 2 * s.damping), s.damping / 2),
            evaluations=s.evaluations + 1,
            done=done,
        )

    def unfinished(s: _State) -> Bool[Array, ""]:
        going = (s.evaluations < MAX_EVALUATIONS) & (s.damping > _SHORTEST_DAMPING)
        return ~s.done & going & jnp.isfinite(s.length)

    correction, length = correct(guess)
    one: Int[Array, ""] = jnp.asarray(1, jnp.int32)
    start = _State(guess, correction, length, jnp.ones((), guess.dtype), one, length == 0)
    end = jax.lax.while_loop(unfinished, body, start)
    return jnp.where(jnp.isfinite(end.length), end.y + end.correction * end.done, jnp.nan)


@implicit_root.defjvp
def _implicit_root_jvp(
    problem: Problem, primals: tuple[Any, Any], tangents: tuple[Any, Any]
) -> tuple[Array, Array]:
    """dy = -(dF/dy)^-1 (dF/dx) dx: the iterations and the guess do not enter."""
    guess, x = primals
    y = implicit_root(problem, guess, x)
    _, jacobian = problem.residual_and_jacobian(y, x)
    _, change = jax.jvp(lambda x: problem.residual(y, x), (x,), (tangents[1],))
    return y, -solve_dense(jacobian, change)


def negligible(dtype: Any) -> float:
    """What counts as zero: smaller numbers lose digits to gradual underflow."""
    info = jnp.finfo(dtype)
    return float(info.tiny) / float(info.eps)


def solve_dense(matrix: Float[Array, "n n"], right: Float[Array, " n"]) -> Float[Array, " n"]:
    """matrix^-1 right; a division when there is one unknown."""
    if right.shape[-1] == 1:
        return right / matrix[..., 0]
    return jnp.linalg.solve(matrix, right)
