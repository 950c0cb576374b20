"""Large ensembles on an accelerator, on the CPU, and by a loop written by hand.

`python -m tests.benchmarks.gpu` runs 10^6 damped oscillators for 100 steps (r = 2) and 10^5 orbits
for 1000 (r = 1), every step kept, and says for each: seconds, nanoseconds per step and trajectory,
results written per second against memory bandwidth, and useful floating-point operations per
second against the arithmetic peak. The CPU gets a part of the members and is scaled by their
number. `--small` runs anywhere, to try the script.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lagc
from tests.benchmarks.families import Coefficients, grains, oscillators
from tests.benchmarks.harness import EXAMPLES, Line, machine, versions
from tests.benchmarks.reference import drag_force, ggl_step

# Memory bandwidth in GB/s and 64-bit peak (without tensor cores) in Gflop/s, by part of the name,
# from the manufacturers' data sheets. Overridden by --bandwidth and --peak.
CARDS = {
    "H200": (4800, 34000),
    "H100": (3350, 34000),
    "A100": (1555, 9700),
    "V100": (900, 7800),
    "L40": (864, 1400),
    "L4": (300, 470),
    "T4": (320, 250),
    "4090": (1008, 1290),
    "3090": (936, 560),
}

# Operations that a step needs at the least: the oscillator's step is an affine map of (q, pi), the
# orbit's is three Newton iterations as in poynting_robertson.c, whose operators are about as many.
OSCILLATOR_FLOPS = 6
ORBIT_FLOPS = 1500


@dataclass(frozen=True)
class Ensemble:
    """Arguments by number of members, and two ways to run them: (arguments) -> arrays."""

    name: str
    steps: int
    flops: float
    arguments: Callable[[int], Any]
    lagc: Callable[[Any], Any]
    hand: Callable[[Any], Any]


def _hand(
    force_of: Callable[[Any], Any], start: Callable[[Any], Any], r: int, h: float, n: int
) -> Any:
    """vmap of a scan of plain GGL steps with three Newton iterations and a dense solve."""

    def one(member: Any) -> Any:
        force = force_of(member)

        def body(state: Any, _: Any) -> tuple[Any, Any]:
            state = ggl_step(force, *state, h, r, xp=jnp)
            return state, state

        return jax.lax.scan(body, start(member), None, length=n)[1]

    return jax.jit(jax.vmap(one))


def _linear_force(member: Any) -> Any:
    """a, a_q, a_v of the oscillator divided by its mass 2 c1: b = v."""
    m = 2 * member["c1"]
    k, friction = 2 * member["c2"] / m, member["c3"] / m

    def force(q: Any, v: Any) -> Any:
        unit = jnp.ones((*q.shape, 1), q.dtype)
        return -k * q - friction * v, -k * unit, -friction * unit

    return force


def ensembles(steps: int, orbit_steps: int) -> list[Ensemble]:
    """The two families."""
    dho = lagc.load(EXAMPLES / "dho.lag")
    orbit = lagc.load(EXAMPLES / "poynting_robertson.lag")

    def dho_run(c: Coefficients) -> Any:
        return dho.simulate(1.0, 0.0, dt=0.1, steps=steps, r=2, coefficients=c)

    def orbit_run(x: Any) -> Any:
        c, q, v = x
        return orbit.simulate(q, v, dt=0.01, steps=orbit_steps, r=1, coefficients=c)

    one, nothing = jnp.ones(1), jnp.zeros(1)
    dho_hand = _hand(_linear_force, lambda _: (one, nothing), 2, 0.1, steps)
    orbit_hand = _hand(
        lambda x: lambda q, v: drag_force(q, v, x[0]["beta"], jnp),
        lambda x: (x[1], x[2]),
        1,
        0.01,
        orbit_steps,
    )
    return [
        Ensemble("oscillators", steps, OSCILLATOR_FLOPS, oscillators, dho_run, dho_hand),
        Ensemble("orbits", orbit_steps, ORBIT_FLOPS, grains, orbit_run, orbit_hand),
    ]


def timed(function: Callable[[Any], Any], x: Any, repeats: int) -> tuple[float, float, float, Any]:
    """Seconds of the first call, the best and the median of the others, and the last result."""
    seen = []
    result = None
    for _ in range(repeats + 1):
        result = None  # its memory is free before the next run
        start = time.perf_counter()
        result = jax.block_until_ready(function(x))
        seen.append(time.perf_counter() - start)
    return seen[0], min(seen[1:]), median(seen[1:]), result


def copy_bandwidth(device: Any, gigabytes: float) -> float:
    """Bytes read and written per second by a plain elementwise kernel."""
    x = jax.device_put(jnp.zeros(int(gigabytes * 1e9 / 8)), device)
    scale = jax.jit(lambda x: x + 1.0)
    _, best, _, _ = timed(scale, x, 5)
    return 2 * x.nbytes / best


def measure(
    ensemble: Ensemble, device: Any, members: int, repeats: int, limits: tuple[float, float]
) -> tuple[list[Line], dict[str, float]]:
    """Lines of one family on one device, and seconds per step and trajectory by program."""
    bandwidth, peak = limits
    lines, costs = [], {}
    kind = f"{ensemble.name} x {members} x {ensemble.steps} on {device.platform}"
    with jax.default_device(device):
        x = jax.device_put(ensemble.arguments(members), device)
        work = members * ensemble.steps
        ends = {}
        for name, run in (("lagc", ensemble.lagc), ("hand", ensemble.hand)):
            first, best, middle, result = timed(run, x, repeats)
            written = sum(leaf.nbytes for leaf in jax.tree_util.tree_leaves(result))
            q = result.q if name == "lagc" else result[0]
            ends[name] = np.asarray(q[:, -1])
            if name == "lagc":
                failed = int(np.count_nonzero(np.asarray(result.status)))
            del result, q
            costs[name] = best / work
            what = f"{kind}, {name}"
            lines += [
                Line(f"{what}", best, "s"),
                Line(f"{what}, median", middle, "s"),
                Line(f"{what}, first call", first, "s"),
                Line(f"{what}, per step and trajectory", best / work * 1e9, "ns"),
                Line(f"{what}, results written", written / best / 1e9, "GB/s"),
                Line(f"{what}, of the memory bandwidth", 100 * written / best / bandwidth, "%"),
                Line(f"{what}, useful", ensemble.flops * work / best / 1e9, "Gflop/s"),
                Line(f"{what}, of the peak", 100 * ensemble.flops * work / best / peak, "%"),
            ]
        lines += [
            Line(f"{kind}, hand / lagc", costs["hand"] / costs["lagc"], "x"),
            Line(f"{kind}, trajectories that failed", str(failed)),
            Line(
                f"{kind}, lagc and hand apart",
                float(np.nanmax(np.abs(ends["lagc"] - ends["hand"]))),
            ),
        ]
    return lines, costs


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one line a measurement."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--orbits", type=int, default=100_000)
    parser.add_argument("--orbit-steps", type=int, default=1000)
    parser.add_argument("--cpu-share", type=float, default=0.02, help="of the members, on the CPU")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bandwidth", type=float, help="GB/s (default: measured by copying)")
    parser.add_argument("--peak", type=float, help="64-bit Gflop/s (default: by the card's name)")
    parser.add_argument("--small", action="store_true", help="1000 and 100 members, fewer steps")
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)
    members, orbits, steps, orbit_steps = (
        (1000, 100, 40, 100)
        if given.small
        else (given.members, given.orbits, given.steps, given.orbit_steps)
    )
    device, cpu = jax.devices()[0], jax.devices("cpu")[0]
    name = getattr(device, "device_kind", device.platform)
    card = next((limits for part, limits in CARDS.items() if part in name), None)
    copied = copy_bandwidth(device, 0.1 if given.small or device.platform == "cpu" else 4.0)
    bandwidth = given.bandwidth * 1e9 if given.bandwidth else copied
    peak = 1e9 * (given.peak or (card[1] if card else 50.0))
    print(f"{name}; {machine()}; {versions()}")
    show = [Line("bandwidth of a copy, measured", copied / 1e9, "GB/s")]
    if card:
        show.append(Line("bandwidth on the data sheet", float(card[0]), "GB/s"))
    show.append(Line("64-bit peak taken", peak / 1e9, "Gflop/s"))
    _show(show)
    both = zip(ensembles(steps, orbit_steps), (members, orbits), strict=True)
    for ensemble, count in both:
        lines, costs = measure(ensemble, device, count, given.repeats, (bandwidth, peak))
        _show(lines)
        if device.platform == "cpu":
            continue
        share = max(1, round(count * given.cpu_share))
        with jax.default_device(cpu):
            local = copy_bandwidth(cpu, 0.1)
        lines, on_cpu = measure(ensemble, cpu, share, given.repeats, (local, 50e9))
        _show(lines)
        _show([Line(f"{ensemble.name}: CPU / {name}", on_cpu["lagc"] / costs["lagc"], "x")])


def _show(lines: Sequence[Line]) -> None:
    for line in lines:
        what, value, _, _ = line.cells
        print(f"  {what:72} {value}", flush=True)


if __name__ == "__main__":
    main()
