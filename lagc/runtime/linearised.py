"""Known steps made linear: the implicit function theorem, for many steps at once."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from lagc.runtime.equations import StepEquations, identity_like
from lagc.runtime.linear import inverse, matrix_product
from lagc.runtime.steps import fit


class Linearised(NamedTuple):
    """A step made linear: matrix: (2 d, 2 d, *L), d(q', pi')/d(q, pi); by_q, by_p: (n, d, *L), of
    the displacements; inverse: (n, n, *L), of the Jacobian; by_u: (d, n, *L), of the impulse."""

    matrix: Array
    by_q: Array
    by_p: Array
    inverse: Array
    by_u: Array


def linearise(
    eq: StepEquations, blocks: tuple[Array, ...], h: Array, good: Array | None = None
) -> Linearised:
    """Steps made linear, from the blocks at their nodes; where not `good`, the identity."""
    s = eq.method.s
    jacobian = eq.jacobian(blocks, h)
    if good is not None:
        jacobian = jnp.where(fit(good, jacobian), jacobian, identity_like(jacobian, None))
    inverted = inverse(jacobian)
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
