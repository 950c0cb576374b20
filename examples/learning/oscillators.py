"""Oscillators from 50 samples: a driven one from noisy data, a damped one beyond its window.

    python examples/learning/oscillators.py [--seeds 20]

1. Driven, x'' + 2 gamma x' + x = cos(omega t): steady states as periodic orbits against the exact
   solution; then gamma and omega from 50 rows at 1 % noise, in the steady state and from the
   beginning that examples/driven.lag states, with the least error that any estimator can have
   (`driven_windows.py`).
2. Damped, x'' + b x' + kappa x = 0: 50 exact positions on [0, 5] and what is predicted to t = 15,
   within kappa in [5, 10] and amplitude 1, and outside, kappa in [12, 20] and amplitude 2.

Data are exact solutions; beside the results stands always answering the mean of the window.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import numpy as np
from driven_windows import SAMPLES, Window, chance

import lagc
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.runtime.periodic import periodic_orbit

jax.config.update("jax_enable_x64", True)
DRIVEN = Path(__file__).parents[1] / "driven.lag"
DAMPED = "coordinate x\ncoefficient b >= 0 = 1\ncoefficient kappa > 0 = 1\n" + (
    "L = 1/2*x'^2 - 1/2*kappa*x^2\nK = -b*x'_+*x_-\n"
)
WINDOWS = (
    Window(20, None, velocities=False),
    Window(20, None, velocities=True),
    Window(50, (1.0, 0.0), velocities=False),
    Window(50, (1.0, 0.0), velocities=True),
)
LIMIT = 1e-3  # of the errors of gamma and omega, which are differences, not ratios


def response(gamma: float, omega: float) -> tuple[float, float]:
    """Amplitude and phase of the steady state."""
    amplitude = 1 / np.hypot(1 - omega**2, 2 * gamma * omega)
    return amplitude, np.arctan2(2 * gamma * omega, 1 - omega**2)


def steady_states(system: lagc.System) -> dict[str, float]:
    """The largest errors over friction and frequency."""
    worst = {"amplitude, relative": 0.0, "phase": 0.0}
    for gamma in (1e-3, 1e-2, 0.1, 0.5):
        for omega in (0.2, 0.5, 0.9, 0.99, 0.999, 1.0, 1.001, 1.01, 1.1, 1.5, 3.0):
            orbit = periodic_orbit(
                system,
                0.0,
                0.0,
                period=2 * np.pi / omega,
                steps=32,
                r=5,
                coefficients={"gamma": gamma, "omega": omega},
                inputs={"u": 0.0},
            )
            amplitude, phase = response(gamma, omega)
            found = np.hypot(orbit.q[0], orbit.v[0] / omega)
            turned = np.arctan2(orbit.v[0] / omega, orbit.q[0])
            worst["amplitude, relative"] = max(
                worst["amplitude, relative"], float(abs(found / amplitude - 1))
            )
            worst["phase"] = max(worst["phase"], float(abs(turned - phase)))
    return worst


def driven_window(system: lagc.System, window: Window, seeds: int) -> dict[str, object]:
    """Errors of gamma and omega from a window, beside the least that any estimator can have."""
    errors, bounds, told, converged, covered = [], [], [], 0, 0
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        truth = random.uniform(0.05, 0.3), random.uniform(0.7, 1.5)
        result = fit(system, [window.recording(truth, random)])
        converged += result.converged
        estimates = [result.coefficients[name] for name in ("gamma", "omega")]
        errors.append([e.value - true for e, true in zip(estimates, truth, strict=True)])
        bounds.append(window.bound(truth))
        told.append(window.bound(truth, told=True))
        covered += sum(
            e.interval95 is not None and e.interval95[0] <= true <= e.interval95[1]
            for e, true in zip(estimates, truth, strict=True)
        )
    size = np.abs(errors)
    return {
        "window": window.name,
        "seeds": seeds,
        "converged": converged,
        "intervals that cover the truth": f"{covered} of {2 * seeds}",
        "median error of gamma and omega": np.median(size, axis=0).tolist(),
        "largest error of gamma and omega": size.max(axis=0).tolist(),
        "both within 1e-3": int((size <= LIMIT).all(axis=1).sum()),
        "rms error of gamma and omega": _rms(errors).tolist(),
        "the least standard error, rms": _rms(bounds).tolist(),
        "the least standard error, largest": np.max(bounds, axis=0).tolist(),
        "the same if told how the run begins": np.max(told, axis=0).tolist(),
        "chance that all are within 1e-3": chance(bounds, LIMIT),
        "the same if told": chance(told, LIMIT),
    }


def _rms(values: list[list[float]] | list[np.ndarray]) -> np.ndarray:
    return np.sqrt(np.mean(np.square(values), axis=0))


def damped_windows(seeds: int) -> dict[str, object]:
    """Rms errors of predictions on [0, 15]."""
    system = lagc.loads(DAMPED)
    result: dict[str, object] = {}
    for name, amplitude, low, high in (("within", 1.0, 5.0, 10.0), ("outside", 2.0, 12.0, 20.0)):
        errors, means = [], []
        for seed in range(seeds):
            random = np.random.default_rng(1000 + seed)
            b, kappa = random.uniform(0.5, 1.0), random.uniform(low, high)
            t = np.linspace(0, 15, 3 * SAMPLES - 2)
            rate, omega = b / 2, np.sqrt(kappa - b**2 / 4)
            x = (
                amplitude
                * np.exp(-rate * t)
                * (np.cos(omega * t) + rate / omega * np.sin(omega * t))
            )
            window = slice(0, SAMPLES)
            fitted = fit(system, [Recording("window", t[window], x[window, None])])
            start = fitted.initial_states[0].values
            run = system.simulate(
                start["x"].value,
                start["x'"].value,
                dt=t[1] / 8,
                steps=8 * (len(t) - 1),
                r=4,
                save_every=8,
                coefficients=fitted.values,
            )
            errors.append(float(np.sqrt(np.mean((np.asarray(run.q)[:, 0] - x) ** 2))))
            means.append(float(np.sqrt(np.mean((x[window].mean() - x) ** 2))))
        result[name] = {
            "seeds": seeds,
            "largest rms error": max(errors),
            "rms error of the mean": float(np.mean(means)),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    driven = lagc.load(DRIVEN)
    print(json.dumps({"steady states": steady_states(driven)}, indent=2), flush=True)
    for window in WINDOWS:
        print(json.dumps({"driven": driven_window(driven, window, seeds)}, indent=2), flush=True)
    print(json.dumps({"damped": damped_windows(seeds)}, indent=2), flush=True)


if __name__ == "__main__":
    main()
