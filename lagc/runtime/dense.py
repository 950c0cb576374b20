"""States between the ends of steps, from the polynomials of the steps.

Positions are those of the polynomial of degree r+1 through the nodes. Momenta add up the forces,
pi(t) = pi_n + integral of the polynomial through the a_i from t_n to t, which at the end of the
step is pi_{n+1}; so a state at the end of a step is the one that the step gave.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from lagc.runtime.equations import StepData, StepEquations
from lagc.runtime.fused import separately
from lagc.runtime.method import apply
from lagc.runtime.tableau import tableau


class Place(NamedTuple):
    """Which step a time belongs to, where in it: x in [-1, 1], and whether it is in the run, which
    must not turn round; (m, *L), ones where shared."""

    step: jax.Array
    x: jax.Array
    inside: jax.Array


@lru_cache(maxsize=64)
def _to_legendre(r: int) -> NDArray[np.float64]:
    """Values at the nodes to Legendre coefficients: (s, s)."""
    nodes = tableau(r).nodes
    return np.asarray(np.linalg.inv(legendre.legvander(nodes, nodes.shape[0] - 1)))


def locate(t: jax.Array, starts: jax.Array, lengths: jax.Array) -> Place:
    """The steps that contain t: (m, *L), given starts and lengths of all steps: (N, *L)."""
    last = starts.shape[0] - 1
    sign = jnp.sign(lengths[:1])
    ahead = (t - starts[0][None]) * sign

    def count(starts: jax.Array, t: jax.Array) -> jax.Array:
        return jnp.searchsorted(starts, t, side="right") - 1

    scaled = (starts - starts[:1]) * sign
    if starts.ndim == 1 or starts.shape[1] == 1:
        flat = scaled.reshape(-1)
        step = count(flat, ahead)
    else:
        ahead = jnp.broadcast_to(ahead, (ahead.shape[0], starts.shape[1]))
        step = jax.vmap(count, in_axes=-1, out_axes=-1)(scaled, ahead)
    step = jnp.clip(step, 0, last)
    begin, length = gather(starts, step), gather(jnp.broadcast_to(lengths, starts.shape), step)
    x = 2 * ((t - begin) / length) - 1
    slack = 64 * jnp.finfo(x.dtype).eps * (1 + (jnp.abs(t) + jnp.abs(begin)) / jnp.abs(length))
    onward = jnp.all(lengths * sign > 0, axis=0)
    return Place(step, x, (jnp.abs(x) <= 1 + slack) & onward[None])


def gather(values: jax.Array, step: jax.Array) -> jax.Array:
    """values (N, *L) at steps (m, *L)."""
    if values.ndim == 1:
        return values[step]
    if step.shape[-1] == 1:
        return values[step[:, 0]]
    values = jnp.broadcast_to(values, (*values.shape[:-1], step.shape[-1]))
    return jnp.take_along_axis(values, step, axis=0)


def state_at(
    equations: StepEquations, u: jax.Array, x: StepData, place: Place
) -> tuple[jax.Array, jax.Array]:
    """q and pi at the places: (dof, m, *L), from the displacements of all steps (dof, r+1, N, *L)
    and their data, behind which the lanes are (N, *L)."""
    matrix = _to_legendre(equations.method.r)

    def polynomials(u: jax.Array, a: jax.Array, half: jax.Array) -> tuple[jax.Array, jax.Array]:
        # The first displacement is zero.
        return apply(matrix[:, 1:], u), apply(matrix, a) * half[None, None]

    a, _ = equations.forces(u, x)
    moved, forces = separately(polynomials)(u, a, jnp.broadcast_to(x.h, x.t.shape) / 2)
    return separately(_evaluated)(x.q, x.p, moved, forces, place)


def _evaluated(
    q: jax.Array, p: jax.Array, moved: jax.Array, forces: jax.Array, place: Place
) -> tuple[jax.Array, jax.Array]:
    degree = moved.shape[1] - 1
    values = _legendre_values(place.x, degree + 1)
    integrals = _integrals(values, degree)

    def total(start: jax.Array, coefficients: jax.Array, basis: list[jax.Array]) -> jax.Array:
        """start (N, *L) plus the sum over coefficients (s, N, *L) times the basis."""
        terms = [gather(c, place.step) * b for c, b in zip(coefficients, basis, strict=True)]
        return sum(terms, gather(start, place.step))

    dof = range(q.shape[0])
    positions = [total(q[i], moved[i], values[: degree + 1]) for i in dof]
    momenta = [total(p[i], forces[i], integrals) for i in dof]
    return jnp.stack(positions), jnp.stack(momenta)


def _legendre_values(x: jax.Array, degree: int) -> list[jax.Array]:
    """P_0 .. P_degree at x, by the three-term recurrence."""
    values = [jnp.ones_like(x), x]
    for k in range(2, degree + 1):
        values.append((2 - 1 / k) * (x * values[-1]) - (1 - 1 / k) * values[-2])
    return values[: degree + 1]


def _integrals(values: list[jax.Array], degree: int) -> list[jax.Array]:
    """The integrals of P_0 .. P_degree from -1 to x."""
    first = [values[1] + 1]
    rest = [(values[k + 1] - values[k - 1]) * (1 / (2 * k + 1)) for k in range(1, degree + 1)]
    return first + rest
