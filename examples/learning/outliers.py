"""Gross errors in the data: what the losses make of them.

    python examples/learning/outliers.py [--seeds 40]

Positions and momenta of the damped oscillator 2 c1 q'' = -2 c2 q - c3 q' (exact solution) and
positions of the damped Duffing oscillator x'' + c x' + k x + b x^3 = 0 (DOP853), 100 rows, 1 %
normal noise; of every channel a part of the values is moved by one to three times its spread.
Printed: fits that converged, the root mean square of relative errors, that of errors in standard
errors (1 where those are honest), and the 95 % intervals that cover the truth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from scipy.integrate import solve_ivp

import lagc
from lagc.learn.fit import fit
from lagc.learn.losses import LOSSES
from lagc.learn.recording import Recording

jax.config.update("jax_enable_x64", True)
DHO = Path(__file__).parents[1] / "dho.lag"
DUFFING = (
    "coordinate x\ncoefficient k > 0 = 1\ncoefficient b >= 0 = 0.5\ncoefficient c >= 0 = 0.1\n"
    "L = 1/2*x'^2 - 1/2*k*x^2 - 1/4*b*x^4\nK = -c*x'_+*x_-\n"
)
NOISE, ROWS = 0.01, 100
PARTS = (0.0, 0.05, 0.1)


def oscillator() -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, float]]:
    """Times, exact channels, coefficients."""
    c1, c2, c3 = 2.0, 3.0, 1.0
    t = 0.1 * np.arange(ROWS)
    rate = c3 / (4 * c1)
    omega = np.sqrt(c2 / c1 - rate**2)
    fall = np.exp(-rate * t)
    q = fall * (np.cos(omega * t) + rate / omega * np.sin(omega * t))
    v = -fall * (omega + rate**2 / omega) * np.sin(omega * t)
    return t, {"q": q, "p": 2 * c1 * v}, {"c1": c1, "c2": c2, "c3": c3}


def duffing() -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, float]]:
    """Times, exact channels, coefficients."""
    k, b, c = 1.5, 1.0, 0.2
    t = 0.15 * np.arange(ROWS)

    def motion(_: float, y: np.ndarray) -> list[float]:
        return [y[1], -c * y[1] - k * y[0] - b * y[0] ** 3]

    found = solve_ivp(motion, (0, t[-1]), [1.5, 0.0], "DOP853", t, rtol=1e-12, atol=1e-12)
    return t, {"q": found.y[0]}, {"k": k, "b": b, "c": c}


def disturbed(t: np.ndarray, channels: dict[str, np.ndarray], part: float, seed: int) -> Recording:
    """Noise on everything, gross errors on a part."""
    random = np.random.default_rng(seed)
    arrays = {}
    for name, exact in channels.items():
        spread = np.std(exact)
        sizes = random.uniform(1, 3, ROWS) * random.choice([-1, 1], ROWS)
        gross = np.where(random.random(ROWS) < part, sizes, 0.0)
        arrays[name] = (exact + spread * (NOISE * random.normal(size=ROWS) + gross))[:, None]
    return Recording(f"seed {seed}", t, **arrays)


def study(system: lagc.System, case: Callable[[], tuple], seeds: int) -> None:
    """One line for each loss and part of gross errors."""
    t, channels, truth = case()
    for part in PARTS:
        for loss in LOSSES:
            converged, relative, ratios, covered = 0, [], [], 0
            for seed in range(seeds):
                result = fit(system, [disturbed(t, channels, part, seed)], loss=loss)
                converged += result.converged
                for name, true in truth.items():
                    estimate = result.coefficients[name]
                    relative.append(estimate.value / true - 1)
                    if estimate.std is not None:
                        ratios.append((estimate.value - true) / estimate.std)
                        covered += estimate.interval95[0] <= true <= estimate.interval95[1]
            line = {
                "case": case.__name__,
                "gross errors": part,
                "loss": loss,
                "converged": converged,
                "of": seeds,
                "relative error": float(np.sqrt(np.mean(np.square(relative)))),
                "errors in standard errors": float(np.sqrt(np.mean(np.square(ratios or [0])))),
                "covered": covered,
                "of intervals": len(ratios),
            }
            print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=40)
    seeds = parser.parse_args().seeds
    study(lagc.load(DHO), oscillator, seeds)
    study(lagc.loads(DUFFING), duffing, seeds)


if __name__ == "__main__":
    main()
