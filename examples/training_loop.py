"""A compiled model inside a training loop: stiffness and friction from one recorded swing.

Run after `lagc compile examples/dho.lag` (which writes dho_lag.py), in the same folder:

    python examples/training_loop.py
"""

import sys

import jax
import jax.numpy as jnp
import optax

jax.config.update("jax_enable_x64", True)
sys.path.insert(0, ".")
import dho_lag as dho  # noqa: E402

true = {"c1": 0.5, "c2": 2.0, "c3": 0.4}
recorded = dho.simulate(1.0, 0.0, coefficients=true, dt=0.1, steps=100).q


def loss(c):
    """Mean square distance from the recording; c1, the mass, is known."""
    run = dho.simulate(1.0, 0.0, coefficients={"c1": 0.5, **c}, dt=0.1, steps=100)
    return jnp.mean((run.q - recorded) ** 2)


coefficients = {"c2": jnp.asarray(1.5), "c3": jnp.asarray(0.1)}
optimizer = optax.adam(0.05)
state = optimizer.init(coefficients)


@jax.jit
def update(coefficients, state):
    """One step of Adam through the integrator."""
    value, gradient = jax.value_and_grad(loss)(coefficients)
    changes, state = optimizer.update(gradient, state)
    return optax.apply_updates(coefficients, changes), state, value


for _ in range(400):
    coefficients, state, value = update(coefficients, state)

print(f"loss {value:.1e}: c2 = {coefficients['c2']:.6f} (2), c3 = {coefficients['c3']:.6f} (0.4)")
