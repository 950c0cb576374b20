"""Known steps made linear: the implicit function theorem, for many steps at once."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from lagc.runtime.equations import StepEquations, identity_like
from lagc.runtime.fused import separately
from lagc.runtime.linear import (
    UNROLLED,
    inverse,
    inverse_near_identity,
    matrix_product,
    near_identity,
    times,
)
from lagc.runtime.steps import anywhere, fit


class LinearStep(NamedTuple):
    """A step made linear, from which du and the state behind it follow:

        du = inverse (b - by_start dq - (dpi in the rows of the first nodes))
        dq' = dq + (du of the last nodes)        dpi' = dpi + moment_q dq + moment_u du

    inverse: (n, n, *L), of the Jacobian; by_start: (n, d, *L); moment_q: (d, d, *L); moment_u:
    (d, n, *L); open: (*L), 1, but 0 where the step is not solved: then du = b and the state stays.
    """

    inverse: Array
    by_start: Array
    moment_q: Array
    moment_u: Array
    open: Array

    def transition(self) -> Array:
        """d(q', pi')/d(q, pi): (2 d, 2 d, *L)."""
        d = self.moment_q.shape[0]
        nodes = self.inverse.shape[0] // d
        by_q = -matrix_product(self.inverse, self.by_start)
        by_p = -self.inverse[:, ::nodes] * self.open[None, None]
        last = slice(nodes - 1, None, nodes)
        eye = identity_like(self.moment_q, None)
        top = jnp.concatenate([eye + by_q[last] * self.open[None, None], by_p[last]], axis=1)
        below = [
            self.moment_q + matrix_product(self.moment_u, by_q),
            eye + matrix_product(self.moment_u, by_p),
        ]
        return jnp.concatenate([top, jnp.concatenate(below, axis=1)])


def linear_step(
    eq: StepEquations,
    blocks: tuple[Array, ...],
    h: Array,
    good: Array | None = None,
    mass_inverse: Array | None = None,
) -> LinearStep:
    """Steps made linear, from the blocks at their nodes; where not `good`, nothing moves.

    mass_inverse: M^-1 where constant, with ones where shared: the Jacobian is then first divided by
    its kinetic part.
    """
    jacobian, by_start = eq.jacobian(blocks, h), eq.start_jacobian(blocks, h)
    moment_q, moment_u = eq.impulse_jacobian(blocks, h)
    open = jnp.ones_like(jacobian[0, 0])
    if good is not None:
        jacobian = jnp.where(fit(good, jacobian), jacobian, identity_like(jacobian, None))
        shielded = [jnp.where(fit(good, x), x, 0) for x in (by_start, moment_q, moment_u, open)]
        by_start, moment_q, moment_u, open = shielded
    if mass_inverse is None or jacobian.shape[0] > UNROLLED:
        inverted = inverse(jacobian)
    else:
        inverted = _inverse_by_kinetic(eq, jacobian, mass_inverse, h, good)
    return LinearStep(inverted, by_start, moment_q, moment_u, open)


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
    kinetic = eq.without_kinetic(eye, mass_inverse, h)

    def divided(jacobian: Array) -> Array:
        near = eq.without_kinetic(jacobian, mass_inverse, h)
        return near if good is None else jnp.where(fit(good, near), near, eye)

    near = separately(divided)(jacobian)
    cleared = jax.lax.cond(anywhere(~near_identity(near)), inverse, inverse_near_identity, near)
    return matrix_product(cleared, kinetic)


def displacements(m: LinearStep, z: Array, b: Array) -> Array:
    """du: (n, ...), from the state in front of the step, (2 d, ...), and b."""
    d = z.shape[0] // 2
    rows = _added_at(0, b - times(m.by_start, z[:d]), -m.open[None] * z[d:])
    return times(m.inverse, rows)


def state(m: LinearStep, z: Array, du: Array) -> Array:
    """(q, pi) behind the step."""
    d = z.shape[0] // 2
    nodes = m.inverse.shape[0] // d
    moved = m.open[None] * du[nodes - 1 :: nodes]
    gained = times(m.moment_q, z[:d]) + times(m.moment_u, du)
    return z + jnp.concatenate([moved, gained])


def displacements_back(m: LinearStep, z: Array, b: Array) -> Array:
    """Multipliers of the equations of a step: (n, ...), from those of the state behind it."""
    d = z.shape[0] // 2
    rows = b + times(jnp.swapaxes(m.moment_u, 0, 1), z[d:])
    return times(jnp.swapaxes(m.inverse, 0, 1), _added_at(-1, rows, m.open[None] * z[:d]))


def state_back(m: LinearStep, z: Array, w: Array) -> Array:
    """Those of the state in front of the step, from those behind it and of its equations."""
    d = z.shape[0] // 2
    nodes = m.inverse.shape[0] // d
    q = times(jnp.swapaxes(m.moment_q, 0, 1), z[d:]) - times(jnp.swapaxes(m.by_start, 0, 1), w)
    return z + jnp.concatenate([q, -m.open[None] * w[::nodes]])


def _added_at(node: int, x: Array, values: Array) -> Array:
    """x: (d nodes, ...) with values: (d, ...) added at one node of every degree of freedom."""
    shaped = x.reshape((values.shape[0], -1, *x.shape[1:]))
    nodes = shaped.shape[1]
    here = (np.arange(nodes) == node % nodes).reshape((1, nodes) + (1,) * (x.ndim - 1))
    return (shaped + here * values[:, None]).reshape(x.shape)
