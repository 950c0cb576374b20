"""Known steps made linear: the implicit function theorem, for many steps at once."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from lagc.runtime.equations import StepEquations, identity_like
from lagc.runtime.linear import (
    UNROLLED,
    inverse,
    inverse_near_identity,
    matrix_product,
    near_identity,
)
from lagc.runtime.steps import anywhere, fit


class Linearised(NamedTuple):
    """A step made linear: matrix: (2 d, 2 d, *L), d(q', pi')/d(q, pi); by_q, by_p: (n, d, *L), of
    the displacements; inverse: (n, n, *L), of the Jacobian; by_u: (d, n, *L), of the impulse."""

    matrix: Array
    by_q: Array
    by_p: Array
    inverse: Array
    by_u: Array


def linearise(
    eq: StepEquations,
    blocks: tuple[Array, ...],
    h: Array,
    good: Array | None = None,
    mass_inverse: Array | None = None,
) -> Linearised:
    """Steps made linear, from the blocks at their nodes; where not `good`, the identity.

    mass_inverse: M^-1 where constant, with ones where shared: the Jacobian is then first divided by
    its kinetic part.
    """
    s = eq.method.s
    jacobian = eq.jacobian(blocks, h)
    if good is not None:
        jacobian = jnp.where(fit(good, jacobian), jacobian, identity_like(jacobian, None))
    if mass_inverse is None or jacobian.shape[0] > UNROLLED:
        inverted = inverse(jacobian)
    else:
        inverted = _inverse_by_kinetic(eq, jacobian, mass_inverse, h, good)
    by_q = -matrix_product(inverted, eq.start_jacobian(blocks, h))
    by_p = -inverted[:, :: s - 1]  # pi enters R_0 of each degree of freedom
    moment_q, moment_u = eq.impulse_jacobian(blocks, h)
    last = slice(s - 2, None, s - 1)
    eye = identity_like(moment_q, None)
    top = jnp.concatenate([eye + by_q[last], by_p[last]], axis=1)
    below = jnp.concatenate(
        [moment_q + matrix_product(moment_u, by_q), eye + matrix_product(moment_u, by_p)], axis=1
    )
    matrix = jnp.concatenate([top, below])
    if good is not None:
        matrix = jnp.where(fit(good, matrix), matrix, identity_like(matrix, None))
    return Linearised(matrix, by_q, by_p, inverted, moment_u)


def _inverse_by_kinetic(
    eq: StepEquations, jacobian: Array, mass_inverse: Array, h: Array, good: Array | None
) -> Array:
    """J^-1 = (P J)^-1 P, where P J is close to the identity for all usual step lengths.

    Without comparisons and in few passes over memory: 95 ns a step and trajectory for all that
    makes steps of an orbit linear (r = 1, pieces of 48 steps of 64), 300 with pivots.
    Where P J is not close to the identity in some place, the Jacobians of all are inverted so.
    """
    n = jacobian.shape[0]
    eye = jnp.eye(n, dtype=jacobian.dtype).reshape((n, n) + (1,) * h.ndim)
    near = eq.without_kinetic(jacobian, mass_inverse, h)
    if good is not None:
        near = jnp.where(fit(good, near), near, eye)
    kinetic = eq.without_kinetic(eye, mass_inverse, h)

    def quickly(near: Array, jacobian: Array) -> Array:
        return matrix_product(inverse_near_identity(near), kinetic)

    def with_pivots(near: Array, jacobian: Array) -> Array:
        return inverse(jacobian)

    return jax.lax.cond(anywhere(~near_identity(near)), with_pivots, quickly, near, jacobian)
