"""Many systems with coefficients of their own at once, and gradients through runs.

`python -m tests.benchmarks.families DEVICES REPEATS COUNT` prints, as JSON, seconds of so many
orbits spread over devices of the processor.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lagc
from tests.benchmarks.harness import (
    EXAMPLES,
    SEED,
    Line,
    Options,
    Timing,
    in_new_process,
    interleaved,
    processor_seconds,
)

Coefficients = dict[str, jax.Array]


def oscillators(count: int) -> Coefficients:
    """Coefficients over the ranges of the example's priors; in one of twenty, c2 or c3 is zero."""
    rng = np.random.default_rng(SEED)
    c1, c2, c3 = rng.uniform(0.01, 20, size=(3, count))
    c2[rng.random(count) < 0.05] = 0
    c3[rng.random(count) < 0.05] = 0
    return {"c1": jnp.asarray(c1), "c2": jnp.asarray(c2), "c3": jnp.asarray(c3)}


def grains(count: int) -> tuple[Coefficients, jax.Array, jax.Array]:
    """Light grains: beta, and orbits with eccentricities up to about 0.3."""
    rng = np.random.default_rng(SEED + 1)
    beta = jnp.asarray(rng.uniform(0.001, 0.1, size=count))
    distance, speed = rng.uniform(0.7, 1.3, size=count), rng.uniform(0.9, 1.1, size=count)
    q = np.stack([distance, np.zeros(count)], axis=-1)
    v = np.stack([np.zeros(count), speed * np.sqrt(39.478758435 / distance)], axis=-1)
    return {"beta": beta}, jnp.asarray(q), jnp.asarray(v)


def _runs(options: Options) -> dict[str, tuple[Callable[..., Any], Coefficients, int]]:
    """By name: a run as a function of coefficients, the coefficients, and steps x trajectories."""
    dho = lagc.load(EXAMPLES / "dho.lag")
    orbit = lagc.load(EXAMPLES / "poynting_robertson.lag")
    count = options.size(4096, 256)
    beta, q, v = grains(count)
    long = options.size(10_000, 1_000)
    one = {"beta": jnp.asarray(0.01153812)}
    return {
        "dho, 40 steps, r = 2": (
            lambda c: dho.simulate(1.0, 0.0, dt=0.1, steps=40, r=2, coefficients=c),
            oscillators(count),
            40 * count,
        ),
        "orbits, 400 steps, r = 1": (
            lambda c: orbit.simulate(q, v, dt=0.01, steps=400, r=1, coefficients=c),
            beta,
            400 * count,
        ),
        "one orbit, 10^4 steps, r = 1": (
            lambda c: orbit.simulate(q[0], v[0], dt=0.01, steps=long, r=1, coefficients=c),
            one,
            long,
        ),
    }


def forward(options: Options) -> list[Line]:
    """Nanoseconds per step and trajectory, every step kept."""
    runs = _runs(options)
    targets = dict(zip(runs, (15.0, 60.0), strict=False))
    lines = []
    for name, target in targets.items():
        run, c, work = runs[name]
        timing = interleaved({name: _call(run, c)}, options, at_least=0.2)[name]
        spent = processor_seconds(_call(run, c), options)
        status = np.asarray(run(c).status)
        lines += [
            Line(name, timing.best / work * 1e9, "ns", target),
            Line(f"{name}, median", timing.middle / work * 1e9, "ns"),
            Line(f"{name}, processor time of all threads", spent / work * 1e9, "ns"),
            Line(f"{name}, first call", timing.first, "s"),
            Line(f"{name}, trajectories that failed", f"{np.count_nonzero(status)}"),
        ]
    count, cores = options.size(4096, 256), os.cpu_count() or 1
    for devices in (cores,) if cores > 1 and count % cores == 0 else ():
        seconds = in_new_process("tests.benchmarks.families", devices, options.repeats, count)
        what = f"orbits, 400 steps, r = 1, spread over {devices} cores"
        lines.append(Line(what, seconds / (400 * count) * 1e9, "ns"))
    return lines


def spread_over(devices: int, repeats: int, count: int) -> float:
    """Seconds of the orbits, 400 steps of each, with the members spread over devices; the best."""
    orbit = lagc.load(EXAMPLES / "poynting_robertson.lag")
    beta, q, v = grains(count)
    members = jax.NamedSharding(jax.make_mesh((devices,), ("members",)), jax.P("members"))
    q = jax.device_put(q, members)

    def run() -> Any:
        return orbit.simulate(q, v, dt=0.01, steps=400, r=1, coefficients=beta)

    return interleaved({"spread": run}, Options(repeats), at_least=0.2)["spread"].best


def _call(function: Callable[..., Any], c: Coefficients) -> Callable[[], Any]:
    return lambda: function(c)


def gradients(options: Options) -> list[Line]:
    """The mean square of all positions, and its gradient with respect to every coefficient."""
    lines = []
    for (name, (run, c, work)), target in zip(_runs(options).items(), (4, 4, 6), strict=True):

        def loss(values: Coefficients, run: Callable[..., Any] = run) -> jax.Array:
            return jnp.mean(run(values).q ** 2)

        calls = {
            "loss": _call(jax.jit(loss), c),
            "both": _call(jax.jit(jax.value_and_grad(loss)), c),
        }
        timings: dict[str, Timing] = interleaved(calls, options, at_least=0.2)
        ratio = timings["both"].best / timings["loss"].best
        gradient = jax.jit(jax.grad(loss))(c)
        finite = all(bool(jnp.all(jnp.isfinite(g))) for g in gradient.values())
        lines += [
            Line(f"{name}: value and gradient / value", ratio, "x", float(target)),
            Line(
                f"{name}: value and gradient / value, processor time",
                processor_seconds(calls["both"], options)
                / processor_seconds(calls["loss"], options),
                "x",
            ),
            Line(f"{name}: value", timings["loss"].best / work * 1e9, "ns"),
            Line(f"{name}: value and gradient", timings["both"].best / work * 1e9, "ns"),
            Line(f"{name}: first call of value and gradient", timings["both"].first, "s"),
            Line(f"{name}: gradient finite", "yes" if finite else "no"),
        ]
    return lines


def main(devices: int, repeats: int, count: int) -> None:
    """As many devices as asked for, then the time of the spread run."""
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", devices)
    print(json.dumps(spread_over(devices, repeats, count)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
