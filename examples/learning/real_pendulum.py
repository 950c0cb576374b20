"""A real pendulum: coefficients from rows 2 to 445, then a free run over the last 111.

    python examples/learning/real_pendulum.py real_pend_h_1.txt

The file is from the supplementary data of Schmidt & Lipson, Science 324, 81 (2009): trial, time,
angle, angular velocity, 556 rows. Which terms of the model are there, at most four coefficients in
all, is decided within the training rows by a rolling origin: each combination is fitted to the rows
before each of four origins and predicts the 111 rows behind it, as many as there are to predict in
the end. The smallest mean of the errors, each a part of the variance of its rows, is chosen: among
all combinations, and among those that take the velocity to be recorded in the unit of the angle.
(Information criteria take the residuals for white noise, which they are not: the angle and the
velocity of the recording do not quite belong together.) The combination chosen is fitted to all
training rows; nothing of the last 111 rows is used, not even where they begin. The intervals are
those of the fit, and widened for the correlation of the residuals. Beside the result stands always
answering the mean of the training rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

import jax
import numpy as np

import lagc
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.fit_result import FitResult
from lagc.learn.sensitivity import step_grid

jax.config.update("jax_enable_x64", True)
FIRST, LAST = 1, 445  # rows for training, from 0
AHEAD = 111  # rows to predict
ORIGINS = (168, 223, 279, 334)
FRICTIONS = ("c", "d", "f")
TERMS = (*FRICTIONS, "tilt", "k")
NONE = {"c": 0.0, "d": 0.0, "f": 0.0, "tilt": 0.0, "k": 1.0}
MOST = 4  # coefficients
SUBSTEPS = 8
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # times, angles, velocities as recorded


def study(path: Path) -> dict[str, object]:
    """What was selected, and mean-square errors over the last rows."""
    _, t, q, v = np.loadtxt(path, comments="%").T
    system = lagc.load(Path(__file__).with_suffix(".lag"))
    compared = sorted((_rolling(system, terms, (t, q, v)), terms) for terms in _combinations())
    mean_q, mean_v = (np.full(AHEAD, x[FIRST:LAST].mean()) for x in (q, v))
    rest = q[LAST:], v[LAST:]
    with_scale = compared[0][1]
    without = next(terms for _, terms in compared if "k" not in terms)
    return {
        "compared": [{"terms": names, "relative error": error} for error, names in compared],
        "training rows": LAST - FIRST,
        "free rows": len(rest[0]),
        "all terms": _outcome(system, with_scale, (t, q, v)),
        "velocities taken as they are": _outcome(system, without, (t, q, v)),
        "coordinate MSE of the mean": _coordinates(mean_q, mean_v, *rest),
        "energy MSE of the mean": _energies(mean_q, mean_v, *rest),
    }


def _outcome(system: lagc.System, terms: tuple[str, ...], data: Rows) -> dict[str, object]:
    """The fit of a combination to all training rows, and how far its free run is from the rest."""
    t, q, v = data
    fitted = _fitted(system, terms, data, LAST)
    angle, speed = _free_run(system, fitted, t[FIRST:])
    before, after = slice(0, LAST - FIRST), slice(LAST - FIRST, None)
    rest = q[LAST:], v[LAST:]
    wider = _widening([angle[before] - q[FIRST:LAST], speed[before] - v[FIRST:LAST]])
    return {
        "coefficients": {n: _estimate(fitted, n, wider) for n in ("w2", *terms)},
        "intervals widened by": wider,
        "coordinate MSE": _coordinates(angle[after], speed[after], *rest),
        "energy MSE": _energies(angle[after], speed[after], *rest),
        "notes": fitted.notes,
    }


def _combinations() -> list[tuple[str, ...]]:
    """At least one kind of friction, and no more than four coefficients with w2."""
    counts = range(1, MOST)
    chosen = [c for n in counts for c in itertools.combinations(TERMS, n)]
    return [c for c in chosen if set(c) & set(FRICTIONS)]


def _rolling(system: lagc.System, terms: tuple[str, ...], data: Rows) -> float:
    """The mean relative error of the predictions behind the origins."""
    t, q, v = data
    errors = []
    for origin in ORIGINS:
        fitted = _fitted(system, terms, data, origin)
        if not fitted.converged:
            return float("inf")
        rows = slice(origin, origin + AHEAD)
        angle, speed = _free_run(system, fitted, t[FIRST:LAST])
        ahead = slice(origin - FIRST, origin - FIRST + AHEAD)
        spread = float(np.mean([np.var(q[rows]), np.var(v[rows])]))
        errors.append(_coordinates(angle[ahead], speed[ahead], q[rows], v[rows]) / spread)
    print(terms, *(f"{e:.3g}" for e in errors), file=sys.stderr, flush=True)
    return float(np.mean(errors))


def _fitted(system: lagc.System, terms: tuple[str, ...], data: Rows, end: int) -> FitResult:
    """Rows from `end` on are there without their values, so that all fits share their shapes."""
    t, q, v = (x[FIRST:LAST].copy() for x in data)
    q[end - FIRST :], v[end - FIRST :] = np.nan, np.nan
    fixed = {name: value for name, value in NONE.items() if name not in terms}
    recording = Recording("training", t, q[:, None], None, v[:, None])
    return fit(system, [recording], fixed=fixed, r=1)


def _free_run(
    system: lagc.System, fitted: FitResult, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Angle and velocity as it would be recorded, started where the training rows start."""
    start = fitted.initial_states[0].values
    run = system.simulate(
        start["theta"].value,
        start["theta'"].value,
        times=step_grid(t, SUBSTEPS),
        coefficients=fitted.values,
        r=2,
    )
    return np.asarray(run.q)[::SUBSTEPS, 0], np.asarray(run.p)[::SUBSTEPS, 0]


def _widening(residuals: list[np.ndarray]) -> float:
    """How many times too small standard errors are that take correlated residuals for white: the
    root of the number of rows that count as one, (1 + a)/(1 - a) for a correlation a from row to
    row."""
    a = np.mean([np.corrcoef(x[:-1], x[1:])[0, 1] for x in residuals])
    return float(np.sqrt((1 + a) / (1 - a)))


def _estimate(fitted: FitResult, name: str, wider: float) -> dict[str, object]:
    estimate = fitted.coefficients[name]
    if estimate.interval95 is None:
        return {"value": estimate.value}
    widened = [estimate.value + wider * (end - estimate.value) for end in estimate.interval95]
    if name in FRICTIONS:
        widened[0] = max(widened[0], 0.0)
    return {
        "value": estimate.value,
        "interval95": list(estimate.interval95),
        "widened": widened,
    }


def _coordinates(q: np.ndarray, v: np.ndarray, true_q: np.ndarray, true_v: np.ndarray) -> float:
    return float(np.mean([(q - true_q) ** 2, (v - true_v) ** 2]))


def _energies(q: np.ndarray, v: np.ndarray, true_q: np.ndarray, true_v: np.ndarray) -> float:
    def energy(q: np.ndarray, v: np.ndarray) -> np.ndarray:
        return 2.4 * (1 - np.cos(q)) + v**2

    return float(np.mean((energy(q, v) - energy(true_q, true_v)) ** 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recording", type=Path)
    print(json.dumps(study(parser.parse_args().recording), indent=2))


if __name__ == "__main__":
    main()
