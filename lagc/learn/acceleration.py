"""Accelerations from the equations of motion, as functions of coefficients and state.

d/dt b = a with b = b(q, v, t) gives b_v q'' = a - b_q v - b_t; what stands in b of an input changes
with the input. Source: the equations of motion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from lagc.runtime.linear import solve
from lagc.runtime.system import System

Signal = Callable[[jax.Array], jax.Array]


def acceleration(
    system: System,
    q: jax.Array,
    v: jax.Array,
    t: jax.Array,
    coefficients: Mapping[str, jax.Array],
    signals: Mapping[str, Signal],
) -> jax.Array:
    """q'': (dof,) at one state q, v: (dof,) and time t: (); not finite where the mass is singular.

    signals: inputs by name, as functions of time.
    """
    kernels = system.kernels

    def inputs(t: jax.Array) -> dict[str, jax.Array]:
        return {name: signal(t) for name, signal in signals.items()}

    def momentum(q: jax.Array, v: jax.Array, t: jax.Array) -> jax.Array:
        result: jax.Array = kernels.momentum(q, v, t, coefficients, inputs(t), {})
        return result

    force, _ = kernels.forces(q, v, t, coefficients, inputs(t), {})
    along = (v, jnp.zeros_like(v), jnp.ones_like(t))
    _, drift = jax.jvp(momentum, (q, v, t), along)
    mass = jax.jacfwd(momentum, argnums=1)(q, v, t)
    return solve(mass, force - drift)
