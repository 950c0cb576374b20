"""Thousands of damped oscillators polished at once, from starts as good as a network's, and worse.

    python examples/learning/polish.py [--systems 4000] [--seed 0]

The family 2 c1 q'' = -2 c2 q - c3 q' of examples/dho.lag: c1 ~ U(0.01, 20), c2, c3 ~ U(0, 20) with
5 % zeros each, q0 = 0, p0 = 1, 40 steps of 0.1 with r = 2; q and p observed. The held-out systems
are those of `lagc train` (`lagc.learn.family.held_out`, its default seed). Noise is white, 1 % of
the standard deviation of each channel over all held-out systems and rows. Starts are the true
coefficients times 1 + e z with z from the standard normal law, zeros moved by e times the mean of
the law, within the bounds.

An error is the root mean square, over rows, of the trajectory simulated with the polished
coefficients less the true one without noise: pooled over systems, median and 95th percentile.
Beside it stands always answering the mean trajectory. An interval covers where it holds the true
value; those of values at a bound are counted as all others are, and once more apart.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import lagc
from lagc.learn.batch import make_batch
from lagc.learn.evaluate import trajectory_errors
from lagc.learn.family import Family, Members, held_out
from lagc.learn.polish import Polished, polish
from lagc.learn.train_options import TrainOptions

jax.config.update("jax_enable_x64", True)
CHANNELS = ("q", "p[q]")
STARTS = (0.01, 0.5)
NOISE = 0.01
MEAN_OF_LAW = 10.0


def starts(true: np.ndarray, error: float, random: np.random.Generator) -> np.ndarray:
    """Perturbed coefficients (n, 3) within the bounds."""
    size = np.where(true > 0, true, MEAN_OF_LAW)
    moved = true + error * size * random.normal(size=true.shape)
    return np.maximum(moved, [1e-3, 0.0, 0.0])


def coverage(result: Polished, true: np.ndarray) -> dict[str, str]:
    """How often intervals hold the truth, in percent."""
    low, high = result.interval95[..., 0], result.interval95[..., 1]
    holds = (low <= true) & (true <= high)
    groups = {
        "all": np.ones_like(holds),
        **{name: np.arange(true.shape[1])[None] == k for k, name in enumerate(result.names)},
        "true value zero": true == 0,
        "estimate at the bound": result.at_bound,
        "estimate inside": ~result.at_bound,
    }
    result_of = {}
    for name, mask in groups.items():
        chosen = holds[np.broadcast_to(mask, holds.shape)]
        result_of[name] = f"{100 * chosen.mean():.2f} of {chosen.size}"
    return result_of


def study(
    family: Family, members: Members, error: float, noise: float, known: bool, seed: int
) -> dict[str, object]:
    """One case of the table."""
    random = np.random.default_rng(seed)
    true = np.asarray(members.coefficients)
    exact = np.concatenate([members.q, members.p], axis=-1)
    sigma = noise * exact.std(axis=(0, 1))
    data = exact + sigma * random.normal(size=exact.shape)
    batch = make_batch(family.system.spec, data, CHANNELS, dt=family.dt, q0=family.q0, p0=family.p0)
    begun = time.perf_counter()
    start = starts(true, error, random)
    result = polish(family.system, batch, start, noise=sigma if known else None, r=family.r)
    seconds = time.perf_counter() - begun
    mean = Members(
        jnp.asarray(true.mean(axis=0)),
        members.t,
        *(x.mean(axis=0) for x in (members.q, members.v, members.p)),
        jnp.asarray(True),
    )
    errors, lost = trajectory_errors(family, "q,p", result.coefficients, None, members, mean)
    from_start, _ = trajectory_errors(family, "q,p", start, None, members, mean)
    report: dict[str, object] = {
        "starts off by": error,
        "noise": noise,
        "noise levels": "given" if known else "from residuals",
        "systems": len(true),
        "converged": int(result.converged.sum()),
        "from another start": int(result.restarted.sum()),
        "trajectories lost": lost,
        "seconds": round(seconds, 1),
    }
    for name, e in errors.items():
        report[f"rms in {name}: pooled, median, 95 %"] = [e.pooled_rms, e.median, e.percentile95]
        s = from_start[name]
        report[f"rms in {name} at the start"] = [s.pooled_rms, s.median, s.percentile95]
        baseline = [e.baseline_pooled_rms, e.baseline_median, e.baseline_percentile95]
        report[f"rms in {name} of the mean"] = baseline
    relative = np.abs(result.coefficients - true)[true > 0] / true[true > 0]
    report["relative error of coefficients: median, 95 %"] = np.percentile(
        relative, [50, 95]
    ).tolist()
    if noise:
        report["intervals that cover, %"] = coverage(result, true)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--systems", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    system = lagc.load(Path(__file__).parents[1] / "dho.lag")
    family = Family(system, 0.1, 40, 2, np.zeros(1), None, np.ones(1))
    members, _ = held_out(family, TrainOptions().held_out_seed, options.systems)
    for error in STARTS:
        for noise, known in ((0.0, False), (NOISE, True), (NOISE, False)):
            case = study(family, members, error, noise, known, options.seed)
            print(json.dumps(case, indent=2), flush=True)


if __name__ == "__main__":
    main()
