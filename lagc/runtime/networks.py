"""The networks a `neural` line asks for, as Equinox modules: (n,) -> ().

Equinox is imported when the first network is built: models without neural terms do not pay for it.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from lagc.runtime.spec import NeuralSpec

# Smooth ones only: the step's Jacobian takes second derivatives of a term in L.
ACTIVATIONS = {
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
    "sigmoid": jax.nn.sigmoid,
    "sin": jnp.sin,
}
OUTPUTS = {"linear": lambda x: x, "positive": jax.nn.softplus}


def initial_network(spec: NeuralSpec, key: jax.Array) -> Any:
    """A multilayer perceptron of the declared widths with freshly drawn weights."""
    import equinox as eqx

    class Perceptron(eqx.Module):
        """Linear layers with an activation between them; (n,) -> ()."""

        layers: tuple[eqx.nn.Linear, ...]
        activation: str = eqx.field(static=True)
        output: str = eqx.field(static=True)

        def __call__(self, x: jax.Array) -> jax.Array:
            for layer in self.layers[:-1]:
                x = ACTIVATIONS[self.activation](layer(x))
            return OUTPUTS[self.output](self.layers[-1](x)[0])

    sizes = (spec.inputs, *spec.widths, 1)
    keys = jax.random.split(key, len(sizes) - 1)
    layers = tuple(
        eqx.nn.Linear(m, n, key=k) for m, n, k in zip(sizes[:-1], sizes[1:], keys, strict=True)
    )
    return Perceptron(layers, spec.activation, spec.output)
