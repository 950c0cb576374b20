"""How many members of a family are simulated, differentiated and trained on in a second?

    python examples/learning/throughput.py [--members 4096] [--repeats 9]

The damped oscillator with the laws of examples/dho.lag, 40 steps of 0.1, r = 2 (order 6), double
precision. Forward: positions and momenta of all members from given coefficients. Gradient: of the
mean squared distance of positions and momenta from those of other members, with respect to all
coefficients. Drawn: members drawn from the laws and simulated. Trained: updates of the default
network, members drawn for each. Times are the best of several repetitions, by the clock and by the
processor: on a machine that others use, the second is the one to believe. Beside them stand the
published times of slimpletic-jax for the same family, 417 and 887 ns a step and trajectory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import lagc
from lagc.learn.family import Family, draw, initial_states, make_family, simulate
from lagc.learn.progress import Progress
from lagc.learn.train import train
from lagc.learn.train_options import TrainOptions

jax.config.update("jax_enable_x64", True)
STEPS, STEP, R = 40, 0.1, 2
PUBLISHED = {"forward": 417.0, "gradient": 887.0}  # ns a step and trajectory
WARM, UPDATES = 20, 120


def best(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Seconds by the clock and of the processor, the smallest of each, compilation left out."""
    jax.block_until_ready(run())
    clock, processor = [], []
    for _ in range(repeats):
        began = time.perf_counter(), time.process_time()
        jax.block_until_ready(run())
        clock.append(time.perf_counter() - began[0])
        processor.append(time.process_time() - began[1])
    return min(clock), min(processor)


def simulated(family: Family, count: int, repeats: int) -> dict[str, object]:
    """Times of a step and trajectory, and members in a second."""
    first, other = (draw(family, jax.random.key(seed), count) for seed in (0, 1))
    states = initial_states(family, jax.random.key(2), count)

    @jax.jit
    def forward(coefficients: jax.Array) -> tuple[jax.Array, jax.Array]:
        members = simulate(family, coefficients, states)
        return members.q, members.p

    @jax.jit
    @jax.grad
    def gradient(coefficients: jax.Array) -> jax.Array:
        members = simulate(family, coefficients, states)
        return jnp.mean((members.q - other.q) ** 2 + (members.p - other.p) ** 2)

    result: dict[str, object] = {}
    for name, function in (("forward", forward), ("gradient", gradient)):
        clock, processor = (
            1e9 * s / (count * STEPS)
            for s in best(lambda function=function: function(first.coefficients), repeats)
        )
        result[name] = {
            "ns a step and trajectory": round(clock, 2),
            "ns of the processor": round(processor, 2),
            "times faster than published": round(PUBLISHED[name] / clock, 1),
            "by the processor": round(PUBLISHED[name] / processor, 1),
        }
    drawn = jax.jit(lambda key: draw(family, key, count))
    clock, processor = best(lambda: drawn(jax.random.key(3)), repeats)
    result["members drawn and simulated in a second"] = round(count / clock)
    result["the same, in a second of the processor"] = round(count / processor)
    return result


def trained(system: lagc.System) -> dict[str, object]:
    """Members in a second of a training run, once it is compiled."""
    options = TrainOptions(network="mlp", systems=UPDATES * TrainOptions().batch, held_out=64)
    marks: dict[int, tuple[float, float]] = {}

    def progress(now: Progress) -> None:
        marks[now.done] = time.perf_counter(), time.process_time()

    with tempfile.TemporaryDirectory() as folder:
        train(system, options, output=Path(folder), overwrite=True, progress=progress)
    # The last update is followed by a validation, which is compiled then.
    (clock, processor), (end, work) = marks[WARM], marks[UPDATES - 1]
    members = (UPDATES - 1 - WARM) * options.batch
    return {
        "batch": options.batch,
        "members trained on in a second": round(members / (end - clock)),
        "the same, in a second of the processor": round(members / (work - processor)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--members", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    system = lagc.load(Path(__file__).parents[1] / "dho.lag")
    family = make_family(system, dt=STEP, steps=STEPS, r=R)
    report = {"members": options.members, "steps": STEPS, "r": R, "published": PUBLISHED}
    report |= simulated(family, options.members, options.repeats)
    report["training, mlp"] = trained(system)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
