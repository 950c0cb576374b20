"""Support recovery: which of twenty terms are there, and how large are they?

    python examples/learning/support.py [--seeds 20] [--systems duffing,cart] [--noise 0,1,5,10]
        [--results support.jsonl]

Four systems (`support_systems.py`), each in a family with ten terms in L and six in K that it does
not have; four runs of 100 rows, positions and velocities, at several levels of noise in percent.
How often is the support found exactly, and how wrong is the worst of the true coefficients? Beside
it stands PySINDy on the same recordings (`support_sindy.py`), if it is installed. With `--results`
each data set is a line of a file as soon as it is done, and those that the file has are not done
again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

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


def measured(system: lagc.System, case: Case, noise: float, seed: int) -> dict[str, Any]:
    """One data set by all methods, with the seconds of the processor that the selection took."""
    began = time.process_time()
    outcomes = {"selection": recovered(system, case, noise, seed)}
    seconds = time.process_time() - began
    if support_sindy is not None:
        found = support_sindy.recover(case, case.recordings(noise, seed))
        outcomes |= {f"PySINDy, {name}": (f.exact, f.error) for name, f in found.items()}
    key = {"system": case.name, "noise": noise, "seed": seed}
    return key | {"seconds": round(seconds, 2), "outcomes": outcomes}


def compared(case: Case, noise: float, rows: list[dict[str, Any]]) -> dict[str, object]:
    """Rates and errors of all methods over the seeds."""
    return {
        "system": case.name,
        "noise": noise,
        "seeds": len(rows),
        "CPU seconds of a selection, median": float(np.median([row["seconds"] for row in rows])),
        **{name: _summary([row["outcomes"][name] for row in rows]) for name in rows[0]["outcomes"]},
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
    parser.add_argument("--results", type=Path, help="lines of JSON, added to and read again")
    options = parser.parse_args()
    done: dict[tuple[str, float, int], dict[str, Any]] = {}
    if options.results is not None and options.results.exists():
        for line in options.results.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            done[row["system"], row["noise"], row["seed"]] = row
    for case in CASES:
        if case.name not in options.systems.split(","):
            continue
        system = lagc.load(Path(__file__).parent / case.model)
        for noise in (float(percent) / 100 for percent in options.noise.split(",")):
            rows = []
            for seed in range(options.seeds):
                row = done.get((case.name, noise, seed))
                if row is None:
                    row = measured(system, case, noise, seed)
                    line = json.dumps(row)
                    print(line, file=sys.stderr, flush=True)
                    if options.results is not None:
                        with options.results.open("a", encoding="utf-8") as file:
                            file.write(line + "\n")
                rows.append(row)
            print(json.dumps(compared(case, noise, rows), indent=2), flush=True)


if __name__ == "__main__":
    main()
