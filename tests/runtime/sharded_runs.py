"""A program that `test_shards` starts: a batch on two devices of the CPU, which jax must be told of
before it starts. Prints what differs from the same batch on one."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

import lagc
from tests.conftest import EXAMPLES


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", 2)
    mesh = jax.make_mesh((2,), ("members",))
    sharding = NamedSharding(mesh, PartitionSpec("members"))
    angles = jnp.linspace(0.1, 1.5, 140)
    found = {}
    for name, r, options in (
        ("pendulum", 2, {}),
        ("dho", 1, {}),
        ("pendulum", 0, {"save_every": 5}),
        ("driven", 1, {"inputs": {"u": 0.2}}),
    ):
        system = lagc.load(EXAMPLES / f"{name}.lag")
        kwargs = {"dt": 0.05, "steps": 20, "r": r} | options
        q = angles[:, None]
        one = system.simulate(q, jnp.zeros_like(q), **kwargs)
        both = system.simulate(jax.device_put(q, sharding), jnp.zeros_like(q), **kwargs)
        leaves = zip(jax.tree_util.tree_leaves(one), jax.tree_util.tree_leaves(both), strict=True)
        found[f"{name} {r}"] = {
            "apart": max(float(np.max(np.abs(np.asarray(x) - np.asarray(y)))) for x, y in leaves),
            "devices": len(both.q.sharding.device_set),
            "shape": both.q.shape == one.q.shape,
        }
    system = lagc.load(EXAMPLES / "pendulum.lag")

    def loss(q: jax.Array) -> jax.Array:
        return jnp.mean(system.simulate(q, jnp.zeros_like(q), dt=0.05, steps=20, r=1).q ** 2)

    alone = jax.grad(loss)(angles[:, None])
    with jax.set_mesh(mesh):
        slope = jax.jit(jax.grad(loss))(jax.device_put(angles[:, None], sharding))
    found["gradient"] = {
        "apart": float(np.max(np.abs(np.asarray(alone) - np.asarray(slope)))),
        "devices": len(slope.sharding.device_set),
        "shape": slope.shape == alone.shape,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
