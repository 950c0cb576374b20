"""Roots of implicit equations, found by damped Newton and differentiated by the implicit
function theorem.

Damping follows the natural monotonicity test of Deuflhard (Newton Methods for Nonlinear Problems,
2004, sec. 3.3): a step is accepted when it makes the equations smaller, before and after measured
by the corrections that the same Jacobian gives for them, so that it does not matter how equations
are scaled. (Here it is the Jacobian after the step, which is needed in any case. Corrections by two
Jacobians are not comparable: where the Jacobian falls steeply, as for a particle near the speed of
light, they grow on the way to the root.) The iteration ends when the correction is below
eps^(2/3) of the unknown, so that, converging quadratically, what is left is below round-off; or
when every equation holds to the round-off of its own evaluation, which a problem estimates.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from lagc.runtime.ruled import dense, with_rule

MAX_EVALUATIONS = 60
_SHORTEST_DAMPING = 2.0**-24
_ROUND_OFF = 16.0  # residuals below this many eps of their noise cannot be improved

FOUND, NOT_CONVERGED, NOT_FINITE = 0.0, 1.0, 2.0


class Linearised(NamedTuple):
    """F(y, x), dF/dy, the size of the terms of each F_i, and the magnitudes whose round-off limits
    how well it is known."""

    value: Float[Array, " n"]
    jacobian: Any
    size: Float[Array, " n"]
    noise: Float[Array, " n"]


@runtime_checkable
class Problem(Protocol):
    """Equations F(y, x) = 0 for y: (n,), given a pytree x of arrays."""

    def residual(self, y: Float[Array, " n"], x: Any) -> Float[Array, " n"]:
        """F(y, x)."""

    def linearised(self, y: Float[Array, " n"], x: Any) -> Linearised:
        """F(y, x), its derivative and its noise."""

    def solve(self, jacobian: Any, value: Float[Array, " n"], x: Any) -> Float[Array, " n"]:
        """(dF/dy)^-1 value."""

    def identity(self, jacobian: Any) -> Any:
        """The unit matrix in the form of a Jacobian."""

    def scale(self, y: Float[Array, " n"], x: Any) -> Float[Array, " n"]:
        """Magnitudes against which a correction to each unknown is small."""

    def floor(self, y: Float[Array, " n"], x: Any) -> Float[Array, " n"]:
        """Magnitudes whose round-off limits how well each unknown can be known."""


class _State(NamedTuple):
    y: Array
    candidate: Array
    correction: Array
    value: Array
    damping: Array
    evaluations: Array
    started: Array
    done: Array


def implicit_root(
    problem: Problem, guess: Float[Array, " n"], x: Any, live: Bool[Array, ""]
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    """The root near `guess`, and FOUND, NOT_CONVERGED or NOT_FINITE.

    FOUND says that every equation holds to eps^(2/3) of its terms, or to their round-off. Without a
    root the last point reached comes back, where the equations are finite if they are so anywhere
    on the way from zero to the guess; its derivative is zero. Where not `live`, nothing is
    searched.
    """
    found: tuple[Array, Array] = _root(problem, guess, x, live)
    return found


def _search(
    problem: Problem, guess: Float[Array, " n"], x: Any, live: Bool[Array, ""]
) -> tuple[Float[Array, " n"], Float[Array, ""]]:
    eps = jnp.finfo(guess.dtype).eps
    tolerance = eps ** (2 / 3)
    rest = at_rest(guess.dtype)

    def correct(y: Array, before: Array) -> tuple[Array, Array, Array, Array]:
        value, jacobian, size, noise = problem.linearised(y, x)
        both = jax.vmap(lambda f: -problem.solve(jacobian, f, x))(jnp.stack([value, before]))
        correction = both[0]
        scale = problem.scale(y + correction, x)
        lengths = jnp.max(jnp.abs(both) / (scale + rest)[None], axis=1)
        small = jnp.abs(correction) <= 4 * eps * problem.floor(y, x) + rest
        close = jnp.abs(correction) <= tolerance * scale
        exact = jnp.all(jnp.abs(value) <= _ROUND_OFF * eps * noise)
        balanced = jnp.all(jnp.abs(value) <= tolerance * size + 64 * eps * noise + rest)
        return correction, value, lengths, balanced & (jnp.all(small | close) | exact)

    def body(s: _State) -> _State:
        correction, value, lengths, settled = correct(s.candidate, s.value)
        finite = jnp.all(jnp.isfinite(correction))
        done = finite & settled
        better = lengths[0] <= (1 - s.damping / 4) * lengths[1]
        accepted = finite & (done | better | ~s.started)
        started = s.started | accepted
        y = jnp.where(accepted, s.candidate, s.y)
        correction = jnp.where(accepted, correction, s.correction)
        longer = jnp.where(s.started, jnp.minimum(1, 2 * s.damping), 1)
        damping = jnp.where(accepted, longer, s.damping / 2)
        # A guess outside the domain of the equations is drawn back towards zero.
        candidate = jnp.where(started, y + damping * correction, s.candidate / 2)
        return _State(
            y=y,
            candidate=candidate,
            correction=correction,
            value=jnp.where(accepted, value, s.value),
            damping=damping,
            evaluations=s.evaluations + 1,
            started=started,
            done=done,
        )

    def unfinished(s: _State) -> Bool[Array, ""]:
        going = (s.evaluations < MAX_EVALUATIONS) & (s.damping > _SHORTEST_DAMPING)
        return live & ~s.done & going

    one = jnp.ones((), guess.dtype)
    count: Int[Array, ""] = jnp.asarray(0, jnp.int32)
    no = jnp.zeros((), bool)
    shortest = _SHORTEST_DAMPING * guess
    zero = jnp.zeros_like(guess)
    start = _State(shortest, guess, zero, zero, one, count, no, no)
    end = jax.lax.while_loop(unfinished, body, start)
    failure = jnp.where(end.started, NOT_CONVERGED, NOT_FINITE)
    failure = jnp.where(live & end.done, FOUND, failure).astype(guess.dtype)
    return jnp.where(failure == FOUND, end.y + end.correction, end.y), failure


def _slopes(
    problem: Problem, primals: tuple[Any, Any, Any], tangents: tuple[Any, Any, Any]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """dy = -(dF/dy)^-1 (dF/dx) dx: the iterations and the guess do not enter."""
    guess, x, live = primals
    y, failure = implicit_root(problem, guess, x, live)
    found = failure == FOUND
    jacobian = problem.linearised(y, x).jacobian
    jacobian = jnp.where(found, jacobian, problem.identity(jacobian))
    _, change = jax.jvp(lambda x: problem.residual(y, x), (x,), (dense(x, tangents[1]),))
    slope = -problem.solve(jacobian, jnp.where(found, change, 0), x)
    return (y, failure), (slope, jnp.zeros_like(failure))


_root = with_rule(_search, _slopes, static=1)


def at_rest(dtype: Any) -> float:
    """What counts as zero: displacements and momenta that gradual underflow leaves few digits."""
    return float(jnp.finfo(dtype).tiny) ** 0.45


def barely_moving(dtype: Any) -> float:
    """A velocity that counts as zero, yet can be squared without underflow."""
    return float(jnp.finfo(dtype).tiny) ** 0.48
