"""A real pendulum: coefficients from rows 2 to 445, then a free run over the last 111.

    python examples/learning/real_pendulum.py real_pend_h_1.txt

The file is from the supplementary data of Schmidt & Lipson, Science 324, 81 (2009): trial, time,
angle, angular velocity, 556 rows. What was measured is less than that, as the training rows show:

- the velocity of a row is the slope, at that row, of the parabola of least squares through the
  angles of nine rows, from three before it to five after (`derived`; "velocities derived" says how
  exactly). So angles alone are fitted, and what is predicted is an angle, and a velocity derived
  from angles in the same way. Velocities of the last five training rows rest on later angles, and
  are not used;
- the tangent of every angle is a ratio of two whole numbers ("angles computed from pixels" says how
  exactly): a camera saw the bob some 72 pixels from the pivot. How far it was tells where the pivot
  was in the picture, and it was not always at the same place (`pixels.py`).

What disturbs pendulum and picture is not known either. So the filter is fitted under each set of
disturbances with each combination of terms that makes at most four coefficients, and Schwarz's
criterion chooses among all of these. It rests on the training rows alone; nothing of the last 111
rows is used, not even where they begin. The free run starts from the filtered state at the last
training row.

All models are then run over the last rows, for comparison: none of that is part of the
choice. Beside the result stands always answering the mean of the training rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from pixels import DISTURBANCES, Filter, Fitted, positions

import lagc

jax.config.update("jax_enable_x64", True)
FIRST, LAST = 1, 445  # rows for training, from 0
AHEAD = 111  # rows to predict
FRICTIONS = ("c", "d", "f")
TERMS = (*FRICTIONS, "tilt")
BEFORE, AFTER = 3, 5  # rows that the velocity of a row is derived from
MOST = 4  # coefficients
RADIUS = 71.0  # pixels, near enough to tell multiples of a ratio apart
START = {"w2": 1.36, "c": 0.01, "d": 0.01, "f": 0.003, "tilt": 0.01}  # where searches begin
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # times, angles, velocities as recorded


def study(path: Path, combinations: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """What was selected among combinations of terms, and mean-square errors over the last rows."""
    _, t, q, v = np.loadtxt(path, comments="%").T
    known = slice(FIRST + BEFORE, LAST - AFTER)
    difference = derived(t[FIRST:LAST], q[FIRST:LAST])[BEFORE:-AFTER] - v[known]
    distances, sure, wrong = positions(q[FIRST:LAST], RADIUS)
    system = lagc.load(Path(__file__).with_suffix(".lag"))
    likelihood = Filter(system, t[FIRST:LAST], q[FIRST:LAST], distances, sure)
    outcomes = [
        _outcome(terms, disturbances, fitted, likelihood, (t, q, v))
        for terms in combinations
        for disturbances, fitted in _fits(likelihood, terms)
    ]
    outcomes.sort(key=lambda o: o["criterion"])
    mean_q, mean_v = (np.full(AHEAD, x[FIRST:LAST].mean()) for x in (q, v))
    return {
        "velocities derived": {
            "rows": len(difference),
            "largest difference": float(np.max(np.abs(difference))),
        },
        "angles computed from pixels": {
            "rows": len(distances),
            "largest difference": wrong,
            "distances in doubt": int(np.sum(~sure)),
        },
        "training rows": LAST - FIRST,
        "free rows": len(q) - LAST,
        "chosen": outcomes[0],
        "coordinate MSE of the mean": _coordinates(mean_q, mean_v, q[LAST:], v[LAST:]),
        "energy MSE of the mean": _energies(mean_q, mean_v, q[LAST:], v[LAST:]),
        "all": [
            {
                k: o[k]
                for k in ("terms", "disturbances", "criterion", "coordinate MSE", "energy MSE")
            }
            for o in outcomes
        ],
    }


def _fits(likelihood: Filter, terms: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Fitted]]:
    """Under each set of disturbances. Forces forgive a bad start: what is found under these alone
    is where the other searches begin."""
    t, q = likelihood.t, likelihood.angles
    first = {"theta": q[0], "theta'": (q[1] - q[0]) / (t[1] - t[0])}
    start = likelihood.fit(("w2", *terms), START | first, ("forces",)).start
    counts = range(len(DISTURBANCES) + 1)
    for chosen in (c for n in counts for c in itertools.combinations(DISTURBANCES, n)):
        yield chosen, likelihood.fit(("w2", *terms), start, chosen)


def _outcome(
    terms: tuple[str, ...],
    disturbances: tuple[str, ...],
    fitted: Fitted,
    likelihood: Filter,
    data: Rows,
) -> dict[str, Any]:
    """What a model gives, and how far its free run is from the rest."""
    t, q, v = data
    angle, speed = _behind(likelihood, fitted, t, q)
    e = fitted.innovations[:, 0]
    return {
        "terms": terms,
        "disturbances": disturbances,
        "criterion": fitted.criterion if fitted.converged else float("inf"),
        "coefficients": {
            n: {
                "value": fitted.values[n],
                "interval95": [fitted.values[n] + s * fitted.std[n] for s in (-1.96, 1.96)],
            }
            for n in ("w2", *terms)
        },
        "sizes": fitted.sizes,
        "correlation of innovations across the rod, 1 to 5 rows": [
            round(float(np.corrcoef(e[:-k], e[k:])[0, 1]), 3) for k in range(1, 6)
        ],
        "coordinate MSE": _coordinates(angle, speed, q[LAST:], v[LAST:]),
        "energy MSE": _energies(angle, speed, q[LAST:], v[LAST:]),
    }


def _behind(
    likelihood: Filter, fitted: Fitted, t: np.ndarray, q: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Angles and velocities of the rows behind the training rows, from the state at the last of
    these: the first velocities are derived from angles of training rows too, as all were, and the
    last from angles of rows at the usual interval behind the recording."""
    known = slice(LAST - 1 - BEFORE, LAST - 1)
    times = np.append(t[LAST - 1 :], t[-1] + np.min(np.diff(t)) * np.arange(1, AFTER + 1))
    angles = np.append(q[known], likelihood.ahead(fitted, times))
    rows = slice(BEFORE + 1, BEFORE + 1 + AHEAD)
    return angles[rows], derived(np.append(t[known], times), angles)[rows]


def derived(t: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Velocities (n,) as they were recorded, from angles (n,); NaN where rows for it lack."""
    v = np.full(len(t), np.nan)
    for i in range(BEFORE, len(t) - AFTER):
        rows = slice(i - BEFORE, i + AFTER + 1)
        v[i] = np.polynomial.polynomial.polyfit(t[rows] - t[i], q[rows], 2)[1]
    return v


def all_combinations() -> list[tuple[str, ...]]:
    """At least one kind of friction, and no more than four coefficients with w2."""
    counts = range(1, MOST)
    chosen = [c for n in counts for c in itertools.combinations(TERMS, n)]
    return [c for c in chosen if set(c) & set(FRICTIONS)]


def _coordinates(q: np.ndarray, v: np.ndarray, true_q: np.ndarray, true_v: np.ndarray) -> float:
    return float(np.mean([(q - true_q) ** 2, (v - true_v) ** 2]))


def _energies(q: np.ndarray, v: np.ndarray, true_q: np.ndarray, true_v: np.ndarray) -> float:
    def energy(q: np.ndarray, v: np.ndarray) -> np.ndarray:
        return 2.4 * (1 - np.cos(q)) + v**2

    return float(np.mean((energy(q, v) - energy(true_q, true_v)) ** 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recording", type=Path)
    options = parser.parse_args()
    print(json.dumps(study(options.recording, all_combinations()), indent=2))


if __name__ == "__main__":
    main()
