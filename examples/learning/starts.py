"""Fits of the damped oscillator from many starts: how often do they end at the true coefficients?

    python examples/learning/starts.py [--starts 1000] [--records short,long] [--straight 100]

Two records without noise, from the exact solution: c = (2, 3, 1) over 40 rows, and
c = (1, 10, 0.05) over 1000 rows, 50 periods. Starts are uniform on [0, 1]^3. Beside `fit` stands
least squares over the whole record straight from the start, for the first `--straight` of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import numpy as np
import scipy.optimize

import lagc
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.sensitivity import Predictor, gather
from lagc.runtime import System

jax.config.update("jax_enable_x64", True)
NAMES = ("c1", "c2", "c3")
DT = 0.1
R = 4  # interior nodes: at order 10 one step a row is enough for both records
RECORDS = {"short": ((2.0, 3.0, 1.0), 40), "long": ((1.0, 10.0, 0.05), 1000)}


def exact(c: tuple[float, ...], rows: int) -> Recording:
    """Positions and momenta of the underdamped oscillator from q = 1, q' = 0."""
    t = DT * np.arange(rows)
    rate = c[2] / (4 * c[0])
    omega = np.sqrt(c[1] / c[0] - rate**2)
    q = np.exp(-rate * t) * (np.cos(omega * t) + rate / omega * np.sin(omega * t))
    v = -np.exp(-rate * t) * (omega + rate**2 / omega) * np.sin(omega * t)
    return Recording("exact", t, q[:, None], None, 2 * c[0] * v[:, None])


def straight(system: System, recording: Recording, start: np.ndarray) -> np.ndarray:
    """Trust-region least squares over all rows, initial state known: coefficients (3,)."""
    data = gather([recording], system.spec)
    predictor = Predictor(system, data, R, 1, data.rows)
    states = np.array([[[1.0], [0.0]]])
    seen = data.seen

    def residual(c: np.ndarray) -> np.ndarray:
        return (predictor.values(c, states) - data.values)[seen]

    def slopes(c: np.ndarray) -> np.ndarray:
        return predictor.values_and_derivatives(c, states)[1][seen][:, :3]

    try:
        found = scipy.optimize.least_squares(
            residual, start, slopes, bounds=([1e-6, 0, 0], np.inf), max_nfev=200
        )
    except ValueError:  # a trajectory that is not finite
        return start
    return np.asarray(found.x)


def study(
    system: System, c: tuple[float, ...], rows: int, starts: np.ndarray, straight_starts: int
) -> dict[str, object]:
    """Counts and errors over starts (n, 3); as many of them also straight."""
    recording, truth = exact(c, rows), np.array(c)
    errors, converged = [], 0
    began = time.perf_counter(), time.process_time()
    for start in starts:
        guess = dict(zip(NAMES, map(float, start), strict=True))
        result = fit(system, [recording], guess=guess, r=R)
        converged += result.converged
        found = np.array([result.values[name] for name in NAMES])
        errors.append(float(np.max(np.abs(found / truth - 1))))
        if len(errors) % 50 == 0:
            good = int(np.sum(np.array(errors) < 1e-8))
            print(
                f"{rows} rows: {len(errors)} starts, {converged} converged, {good} within 1e-8, "
                f"largest error {max(errors):.2g}",
                file=sys.stderr,
                flush=True,
            )
    seconds, processor = time.perf_counter() - began[0], time.process_time() - began[1]
    plain = [
        float(np.max(np.abs(straight(system, recording, np.maximum(s, 1e-3)) / truth - 1)))
        for s in starts[:straight_starts]
    ]
    return {
        "truth": c,
        "rows": rows,
        "starts": len(starts),
        "converged": converged,
        "within 1e-8": int(np.sum(np.array(errors) < 1e-8)),
        "largest relative error": max(errors),
        "seconds": round(seconds, 1),
        "seconds of the processor": round(processor, 1),
        "plain least squares, starts": len(plain),
        "plain least squares, within 1e-8": int(np.sum(np.array(plain) < 1e-8)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--starts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--records", default="short,long")
    parser.add_argument("--straight", type=int, default=100, help="starts without regression")
    options = parser.parse_args()
    system = lagc.load(Path(__file__).parents[1] / "dho.lag")
    starts = np.random.default_rng(options.seed).uniform(size=(options.starts, 3))
    for record in options.records.split(","):
        report = study(system, *RECORDS[record], starts, options.straight)
        print(json.dumps(report, indent=2), flush=True)


if __name__ == "__main__":
    main()
