"""A real pendulum: coefficients from rows 2 to 445, then a free run over the last 111.

    python examples/learning/real_pendulum.py real_pend_h_1.txt [--criterion rolling]

The file is from the supplementary data of Schmidt & Lipson, Science 324, 81 (2009): trial, time,
angle, angular velocity, 556 rows. The velocity of a row is no measurement of its own: it is the
slope, at that row, of the parabola of least squares through the angles of nine rows, from three
before it to five after (`derived`; "velocities derived" says how exactly, over the training rows).
So angles alone are fitted, and what is predicted is an angle, and a velocity derived from angles in
the same way. Velocities of the last five training rows rest on later angles, and are not used.

The terms of the model are chosen among combinations of at most four coefficients, from the training
rows alone; nothing of the last 111 rows is used, not even where they begin.

`likelihood`, by default: residuals of a pendulum left to itself wander slowly, so that white forces
of an unknown size push it, and the likelihood is that of a Kalman filter (`random_forces.py`). Its
innovations are white, which Schwarz's criterion supposes, and the smallest is chosen. The free run
starts from the filtered state at the last training row.

`rolling`: each combination is fitted by least squares to the rows before each of four origins and
predicts the 111 rows behind it. The smallest mean of the errors, each a part of the variance of its
rows, is chosen. The free run starts where the training rows start. Intervals are widened for the
correlation of the residuals.

All combinations are then run over the last rows, for comparison: none of that is part of the
choice. Beside the result stands always answering the mean of the training rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from random_forces import Filter

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
TERMS = (*FRICTIONS, "tilt")
BEFORE, AFTER = 3, 5  # rows that the velocity of a row is derived from
MOST = 4  # coefficients
SUBSTEPS = 8
START = {"w2": 1.0, "c": 0.01, "d": 0.01, "f": 0.01, "tilt": 0.0}  # where searches begin
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # times, angles, velocities as recorded


def study(path: Path, criterion: str) -> dict[str, object]:
    """What was selected, and mean-square errors over the last rows."""
    _, t, q, v = np.loadtxt(path, comments="%").T
    data = t, q, v
    system = lagc.load(Path(__file__).with_suffix(".lag"))
    known = slice(FIRST + BEFORE, LAST - AFTER)
    difference = derived(t[FIRST:LAST], q[FIRST:LAST])[BEFORE:-AFTER] - v[known]
    outcomes = (_by_likelihood if criterion == "likelihood" else _by_rolling)(system, data)
    mean_q, mean_v = (np.full(AHEAD, x[FIRST:LAST].mean()) for x in (q, v))
    rest = q[LAST:], v[LAST:]
    return {
        "velocities derived": {
            "rows": len(difference),
            "largest difference": float(np.max(np.abs(difference))),
        },
        "training rows": LAST - FIRST,
        "free rows": len(rest[0]),
        "criterion": criterion,
        "chosen": outcomes[0],
        "coordinate MSE of the mean": _coordinates(mean_q, mean_v, *rest),
        "energy MSE of the mean": _energies(mean_q, mean_v, *rest),
        "all": [
            {k: o[k] for k in ("terms", "criterion", "coordinate MSE", "energy MSE")}
            for o in outcomes
        ],
    }


def _by_likelihood(system: lagc.System, data: Rows) -> list[dict[str, Any]]:
    """All combinations, the one to choose first: Schwarz's criterion of a pendulum under random
    forces."""
    t, q, v = data
    likelihood = Filter(system, t[FIRST:LAST], q[FIRST:LAST])
    outcomes = []
    for terms in _combinations():
        fitted = likelihood.fit(("w2", *terms), START, {"w2": 0.1} | dict.fromkeys(FRICTIONS, 0.0))
        angle, speed = _behind(system, fitted.values, fitted.last, t, q)
        e = fitted.innovations
        outcomes.append(
            {
                "terms": terms,
                "criterion": fitted.bic if fitted.converged else float("inf"),
                "coefficients": {
                    n: {
                        "value": fitted.values[n],
                        "interval95": [fitted.values[n] + s * fitted.std[n] for s in (-1.96, 1.96)],
                    }
                    for n in ("w2", *terms)
                },
                "size of the forces": fitted.force,
                "noise of the angle": fitted.noise,
                "correlation of innovations, 1 to 5 rows": [
                    round(float(np.corrcoef(e[:-k], e[k:])[0, 1]), 3) for k in range(1, 6)
                ],
                "coordinate MSE": _coordinates(angle, speed, q[LAST:], v[LAST:]),
                "energy MSE": _energies(angle, speed, q[LAST:], v[LAST:]),
            }
        )
    return sorted(outcomes, key=lambda o: o["criterion"])


def _behind(
    system: lagc.System, values: dict[str, float], state: np.ndarray, t: np.ndarray, q: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Angles and velocities of the rows behind the training rows, from a state at the last of
    these: the first velocities are derived from angles of training rows too, as all were."""
    times, angles = _run(system, values, state, t[LAST - 1 :])
    known = slice(LAST - 1 - BEFORE, LAST - 1)
    times, angles = np.append(t[known], times), np.append(q[known], angles)
    rows = slice(BEFORE + 1, BEFORE + 1 + AHEAD)
    return angles[rows], derived(times, angles)[rows]


def _by_rolling(system: lagc.System, data: Rows) -> list[dict[str, Any]]:
    """All combinations, the one to choose first: the mean error behind the origins."""
    compared = sorted((_rolling(system, terms, data), terms) for terms in _combinations())
    return [
        {"terms": terms, "criterion": error} | _outcome(system, terms, data)
        for error, terms in compared
    ]


def derived(t: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Velocities (n,) as they were recorded, from angles (n,); NaN where rows for it lack."""
    v = np.full(len(t), np.nan)
    for i in range(BEFORE, len(t) - AFTER):
        rows = slice(i - BEFORE, i + AFTER + 1)
        v[i] = np.polynomial.polynomial.polyfit(t[rows] - t[i], q[rows], 2)[1]
    return v


def _outcome(system: lagc.System, terms: tuple[str, ...], data: Rows) -> dict[str, Any]:
    """The fit of a combination to all training rows, and how far its free run is from the rest."""
    t, q, v = data
    fitted = _fitted(system, terms, data, LAST)
    angle, speed = _free_run(system, fitted, t[FIRST:])
    before, after = slice(0, LAST - FIRST), slice(LAST - FIRST, None)
    rest = q[LAST:], v[LAST:]
    residuals = angle[before] - q[FIRST:LAST]
    wider = _widening([residuals])
    return {
        "coefficients": {n: _estimate(fitted, n, wider) for n in ("w2", *terms)},
        "rms residual of the angle": float(np.sqrt(np.mean(residuals**2))),
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
        angle, speed = _free_run(system, fitted, t[FIRST:LAST])
        rows = slice(origin, min(origin + AHEAD, LAST - AFTER))
        ahead = slice(rows.start - FIRST, rows.stop - FIRST)
        spread = float(np.mean([np.var(q[rows]), np.var(v[rows])]))
        errors.append(_coordinates(angle[ahead], speed[ahead], q[rows], v[rows]) / spread)
    print(terms, *(f"{e:.3g}" for e in errors), file=sys.stderr, flush=True)
    return float(np.mean(errors))


def _fitted(system: lagc.System, terms: tuple[str, ...], data: Rows, end: int) -> FitResult:
    """Rows from `end` on are there without their values, so that all fits share their shapes."""
    t, q = data[0][FIRST:LAST], data[1][FIRST:LAST].copy()
    q[end - FIRST :] = np.nan
    fixed = {name: 0.0 for name in TERMS if name not in terms}
    return fit(system, [Recording("training", t, q[:, None], None, None)], fixed=fixed, r=1)


def _free_run(
    system: lagc.System, fitted: FitResult, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Angles and velocities as they would be recorded, started where the training rows start."""
    start = fitted.initial_states[0].values
    state = np.array([start["theta"].value, start["theta'"].value])
    times, angles = _run(system, fitted.values, state, t)
    return angles[: len(t)], derived(times, angles)[: len(t)]


def _run(
    system: lagc.System, values: dict[str, float], state: np.ndarray, t: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Times and angles from a state at the first, and of rows at the usual interval behind the
    last, of which its velocity needs some."""
    times = np.append(t, t[-1] + np.min(np.diff(t)) * np.arange(1, AFTER + 1))
    grid = step_grid(times, SUBSTEPS)
    run = system.simulate(state[:1], state[1:], times=grid, coefficients=values, r=2)
    return times, np.asarray(run.q)[::SUBSTEPS, 0]


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
    parser.add_argument("--criterion", choices=["likelihood", "rolling"], default="likelihood")
    options = parser.parse_args()
    print(json.dumps(study(options.recording, options.criterion), indent=2))


if __name__ == "__main__":
    main()
