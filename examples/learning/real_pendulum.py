"""A real pendulum: coefficients from rows 2 to 445, then a free run over the last 111.

    python examples/learning/real_pendulum.py real_pend_h_1.txt

The file is from the supplementary data of Schmidt & Lipson, Science 324, 81 (2009): trial, time,
angle, angular velocity, 556 rows. Which terms of the model are there, at most four coefficients in
all, is decided within the training rows: each combination is fitted to the first three quarters of
them and judged by a free run over the last. (Information criteria take the residuals for white
noise, which they are not: the angle and the velocity of the recording do not quite belong
together.) The combination chosen is fitted to all training rows; nothing of the last 111 rows is
used, not even where they begin. Beside the result stands always answering the mean of the training
rows.
"""

from __future__ import annotations

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
FIRST, MIDDLE, LAST = 1, 334, 445  # rows for training, from 0; where judging begins
TERMS = ("c", "d", "f", "tilt")
MOST = 4  # coefficients
SUBSTEPS = 8


def study(path: Path) -> dict[str, object]:
    """What was selected, and mean-square errors over the last rows."""
    _, t, q, v = np.loadtxt(path, comments="%").T
    system = lagc.load(Path(__file__).with_suffix(".lag"))
    compared = []
    for terms in _combinations():
        fitted = _fitted(system, terms, (t, q, v), slice(FIRST, MIDDLE))
        angle, speed = _free_run(system, fitted, t[FIRST:LAST], MIDDLE - FIRST)
        error = _coordinates(angle, speed, q[MIDDLE:LAST], v[MIDDLE:LAST])
        compared.append((error if fitted.converged else np.inf, terms))
    compared.sort()
    terms = compared[0][1]
    fitted = _fitted(system, terms, (t, q, v), slice(FIRST, LAST))
    angle, speed = _free_run(system, fitted, t[FIRST:], LAST - FIRST)
    mean_q, mean_v = (np.full_like(angle, x[FIRST:LAST].mean()) for x in (q, v))
    rest = q[LAST:], v[LAST:]
    return {
        "coefficients": {
            name: {"value": fitted.coefficients[name].value, "interval95": interval}
            for name in ("w2", *terms)
            if (interval := fitted.coefficients[name].interval95)
        },
        "compared": [{"terms": names, "coordinate MSE": error} for error, names in compared],
        "training rows": LAST - FIRST,
        "free rows": len(angle),
        "coordinate MSE": _coordinates(angle, speed, *rest),
        "coordinate MSE of the mean": _coordinates(mean_q, mean_v, *rest),
        "energy MSE": _energies(angle, speed, *rest),
        "energy MSE of the mean": _energies(mean_q, mean_v, *rest),
        "notes": fitted.notes,
    }


def _combinations() -> list[tuple[str, ...]]:
    """At least one kind of friction, and no more than four coefficients with w2."""
    counts = range(1, MOST)
    chosen = [c for n in counts for c in itertools.combinations(TERMS, n)]
    return [c for c in chosen if set(c) & {"c", "d", "f"}]


def _fitted(
    system: lagc.System, terms: tuple[str, ...], data: tuple[np.ndarray, ...], rows: slice
) -> FitResult:
    t, q, v = (x[rows] for x in data)
    fixed = {name: 0.0 for name in TERMS if name not in terms}
    return fit(system, [Recording("training", t, q[:, None], v[:, None])], fixed=fixed, r=1)


def _free_run(
    system: lagc.System, fitted: FitResult, t: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """Angle and velocity from row `first` on, started where the training rows start."""
    start = fitted.initial_states[0].values
    run = system.simulate(
        start["theta"].value,
        start["theta'"].value,
        times=step_grid(t, SUBSTEPS),
        coefficients=fitted.values,
        r=2,
    )
    return np.asarray(run.q)[::SUBSTEPS, 0][first:], np.asarray(run.v)[::SUBSTEPS, 0][first:]


def _coordinates(q: np.ndarray, v: np.ndarray, true_q: np.ndarray, true_v: np.ndarray) -> float:
    return float(np.mean([(q - true_q) ** 2, (v - true_v) ** 2]))


def _energies(q: np.ndarray, v: np.ndarray, true_q: np.ndarray, true_v: np.ndarray) -> float:
    def energy(q: np.ndarray, v: np.ndarray) -> np.ndarray:
        return 2.4 * (1 - np.cos(q)) + v**2

    return float(np.mean((energy(q, v) - energy(true_q, true_v)) ** 2))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(json.dumps(study(Path(sys.argv[1])), indent=2))
