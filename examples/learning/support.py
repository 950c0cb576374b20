"""Support recovery: which of twenty terms are there, and how large are they?

    python examples/learning/support.py [--seeds 20] [--systems duffing,cart] [--noise 0,1,5,10]

Four systems (`support_systems.py`), each in a family with ten terms in L and six in K that it does
not have; four runs of 100 rows, positions and velocities, at several levels of noise in percent.
How often is the support found exactly, and how wrong is the worst of the true coefficients? Beside
it stands PySINDy on the same recordings (`support_sindy.py`), if it is installed. Each data set has
a line on stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np
from support_systems import CASES, Case

import lagc
from lagc.learn.selection import select

try:
    import support_sindy
except ModuleNotFoundError:
    support_sindy = None

jax.config.update("jax_enable_x64", True)
R = 4  # interior nodes: one step a row is enough at every level of noise, and one program
Outcome = tuple[bool, float]


def recovered(system: lagc.System, case: Case, noise: float, seed: int) -> Outcome:
    """Whether the support is exact, and the largest relative error of a true coefficient."""
    chosen = select(system, case.recordings(noise, seed), r=R)
    kept = set(chosen.result.coefficients) - set(chosen.without)
    values = chosen.result.values
    error = max(abs(values[name] / value - 1) for name, value in case.truth.items())
    return kept == set(case.truth), float(error)


def compared(case: Case, noise: float, seeds: range) -> dict[str, object]:
    """Rates and errors of all methods over the seeds."""
    system = lagc.load(Path(__file__).parent / case.model)
    outcomes: dict[str, list[Outcome]] = {}
    began, seconds = time.process_time(), 0.0
    for seed in seeds:
        began = time.process_time()
        row = {"selection": recovered(system, case, noise, seed)}
        seconds = time.process_time() - began
        if support_sindy is not None:
            found = support_sindy.recover(case, case.recordings(noise, seed))
            row |= {f"PySINDy, {name}": (f.exact, f.error) for name, f in found.items()}
        for name, outcome in row.items():
            outcomes.setdefault(name, []).append(outcome)
        print(case.name, noise, seed, row, f"{seconds:.1f} s", file=sys.stderr, flush=True)
    return {
        "system": case.name,
        "noise": noise,
        "seeds": len(seeds),
        "CPU seconds of the last selection": round(seconds, 2),
        **{name: _summary(results) for name, results in outcomes.items()},
    }


def _summary(results: list[Outcome]) -> dict[str, object]:
    errors = [error for _, error in results]
    return {
        "exact support": sum(exact for exact, _ in results),
        "median error": float(np.median(errors)),
        "95th percentile": float(np.percentile(errors, 95)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--systems", default=",".join(case.name for case in CASES))
    parser.add_argument("--noise", default="0,1,5,10")
    options = parser.parse_args()
    for case in CASES:
        if case.name in options.systems.split(","):
            for percent in options.noise.split(","):
                row = compared(case, float(percent) / 100, range(options.seeds))
                print(json.dumps(row, indent=2), flush=True)


if __name__ == "__main__":
    main()
