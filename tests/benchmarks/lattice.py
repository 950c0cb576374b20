"""A string of beads: cost per bead and step, and how it grows with their number.

`python -m tests.benchmarks.lattice BEADS STEPS REPEATS` prints one measurement as JSON.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from tests.benchmarks.harness import EXAMPLES, Line, Options, Skipped, in_new_process, interleaved

R = 1
LIMIT = 300.0  # seconds for one number of beads, loading included


def text(beads: int) -> str:
    """The example with another number of beads on the same string."""
    source = (EXAMPLES / "wave.lag").read_text(encoding="utf-8")
    changed = source.replace("0..49", f"0..{beads - 1}").replace("2/50", f"2/{beads}")
    if beads != 50 and changed.count(str(beads)) < 1:
        raise RuntimeError("the number of beads was not found in examples/wave.lag")
    return changed


def scaling(options: Options) -> list[Line]:
    """Each number of beads in a process of its own, about as many steps as take a second."""
    lines, costs = [], {}
    for beads in (1_000, 10_000, 100_000):
        steps = options.size(max(10, 2_000_000 // beads), 10)
        arguments = (beads, steps, options.repeats)
        try:
            found = in_new_process("tests.benchmarks.lattice", *arguments, limit=LIMIT)
        except Skipped as reason:
            if not costs:
                raise
            lines.append(Line(f"{beads} beads", f"not run: {reason}"))
            break
        costs[beads] = found["best"] / steps
        lines += [
            Line(f"{beads} beads", found["best"] / steps / beads * 1e9, "ns a bead", 150.0),
            Line(f"{beads} beads, median", found["middle"] / steps / beads * 1e9, "ns a bead"),
            Line(f"{beads} beads, loading", found["load"], "s"),
            Line(f"{beads} beads, first call", found["first"], "s"),
            Line(f"{beads} beads, relative error of the energy", found["drift"]),
        ]
    if len(costs) < 2:
        return lines
    slope = float(np.polyfit(np.log(list(costs)), np.log(list(costs.values())), 1)[0])
    return [*lines, Line("time per step grows with beads to the power", slope, "", 1.1)]


def main(beads: int, steps: int, repeats: int) -> None:
    """One number of beads: a smooth wave over the string, steps of half a bead's distance."""
    import jax

    import lagc

    jax.config.update("jax_enable_x64", True)
    start = time.perf_counter()
    system = lagc.loads(text(beads))
    load = time.perf_counter() - start
    x = 2 * np.pi * np.arange(beads) / beads
    q, v = np.sin(x), -np.pi * np.cos(x)
    run = lambda: system.simulate(q, v, dt=1 / beads, steps=steps, r=R)  # noqa: E731
    timing = interleaved({"lagc": run}, Options(repeats))["lagc"]
    energies = np.asarray(run().energy)
    print(
        json.dumps(
            {
                "load": load,
                "first": timing.first,
                "best": timing.best,
                "middle": timing.middle,
                "drift": float(np.max(np.abs(energies / energies[0] - 1))),
            }
        )
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
