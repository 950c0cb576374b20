"""The first call of `simulate` in a new process: tracing and compiling.

All orders in turn, several times, since what disturbs a machine lasts longer than one of them.

`python -m tests.benchmarks.first_call R` prints one measurement as JSON.
"""

from __future__ import annotations

import json
import sys
import time

from tests.benchmarks.harness import EXAMPLES, Line, Options, in_new_process


def first_calls(options: Options) -> list[Line]:
    """Every r, each in a process of its own, the best of a few."""
    orders = (1, 4, 16) if options.quick else tuple(range(17))
    repeats = 1 if options.quick else min(3, options.repeats)
    rounds = [
        {r: in_new_process("tests.benchmarks.first_call", r)["first"] for r in orders}
        for _ in range(repeats)
    ]
    seconds = {r: min(found[r] for found in rounds) for r in orders}
    lines = [Line(f"r = {r}", s, "s", 2.0) for r, s in seconds.items()]
    return [*lines, Line("r = 16 / r = 1", seconds[16] / seconds[1], "x", 1.5)]


def main(r: int) -> None:
    """Jax imported and started, the model loaded; then the first call is timed."""
    import jax
    import jax.numpy as jnp

    import lagc

    jax.config.update("jax_enable_x64", True)
    jax.block_until_ready(jax.jit(lambda x: x + 1)(jnp.zeros(3)))
    system = lagc.load(EXAMPLES / "poynting_robertson.lag")
    q0, v0, _ = system.initial_state()
    start = time.perf_counter()
    jax.block_until_ready(system.simulate(q0, v0, dt=0.01, steps=100, r=r))
    print(json.dumps({"first": time.perf_counter() - start}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
