"""PySINDy on the recordings of `support.py`: sparse regression on a library of right-hand sides.

What it is given: velocities as observed, so that only accelerations are to be found; a library that
contains every term of the true accelerations (for the cart divided by the true determinant of its
mass matrix) and as many others as the Lagrangian family has; columns of unit norm. What is tuned:
smoothing (Savitzky-Golay windows, for values and derivatives), ridge and threshold of STLSQ, 3 x 2
x 16 settings. `validated`: the setting whose model, found on three of the runs, predicts the
velocities of the fourth best, within one standard error the sparsest; then found on all four.
`oracle`: of all settings the one that comes nearest to the true support, which nobody could choose
who does not know it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pysindy
from scipy.integrate import cumulative_simpson
from scipy.signal import savgol_filter
from support_systems import CART, DT, ROWS, Case, W

from lagc.learn.data import Recording

Library = dict[str, Callable[..., np.ndarray]]
WINDOWS = (0, 9, 19)  # rows; 0: differences of order 8 of the values as they are
LAG = 10  # rows over which predictions are integrated
RIDGES = (1e-10, 1e-3)
THRESHOLDS = np.geomspace(1e-4, 2.0, 16)


def _one_dimensional(even: str) -> Library:
    powers = {f"q^{n}": (lambda q, v, t, n=n: q**n) for n in (0, 1, 2, 3, 5)}
    powers |= {"q^4": lambda q, v, t: q**4} if even == "duffing" else {}
    waves = {
        "sin 2q": lambda q, v, t: np.sin(2 * q),
        "cos 2q": lambda q, v, t: np.cos(2 * q),
        "sin 4q": lambda q, v, t: np.sin(4 * q),
        "cos 4q": lambda q, v, t: np.cos(4 * q),
    }
    frictions = {
        "v": lambda q, v, t: v,
        "v^3": lambda q, v, t: v**3,
        "v^5": lambda q, v, t: v**5,
        "tanh 4v": lambda q, v, t: np.tanh(4 * v),
        "q^2 v": lambda q, v, t: q**2 * v,
        "q^4 v": lambda q, v, t: q**4 * v,
        "v sin 2q": lambda q, v, t: v * np.sin(2 * q),
        "v^2": lambda q, v, t: v**2,
        "q v^2": lambda q, v, t: q * v**2,
    }
    return powers | waves | frictions


def _springs() -> Library:
    return {
        "1": lambda x, y, u, v, t: np.ones_like(x),
        "x": lambda x, y, u, v, t: x,
        "y": lambda x, y, u, v, t: y,
        "x^2": lambda x, y, u, v, t: x**2,
        "y^2": lambda x, y, u, v, t: y**2,
        "x^3": lambda x, y, u, v, t: x**3,
        "y^3": lambda x, y, u, v, t: y**3,
        "(x-y)^3": lambda x, y, u, v, t: (x - y) ** 3,
        "x y": lambda x, y, u, v, t: x * y,
        "cos wt": lambda x, y, u, v, t: np.cos(W * t),
        "sin wt": lambda x, y, u, v, t: np.sin(W * t),
        "cos 2wt": lambda x, y, u, v, t: np.cos(2 * W * t),
        "u": lambda x, y, u, v, t: u,
        "v": lambda x, y, u, v, t: v,
        "u^3": lambda x, y, u, v, t: u**3,
        "v^3": lambda x, y, u, v, t: v**3,
        "x^2 u": lambda x, y, u, v, t: x**2 * u,
        "y^2 v": lambda x, y, u, v, t: y**2 * v,
    }


def _determinant(angle: np.ndarray) -> np.ndarray:
    return CART["b"] - (CART["a"] * np.cos(angle)) ** 2


def _cart() -> Library:
    divided: Library = {
        "s^2 sin": lambda x, a, u, s, t: s**2 * np.sin(a),
        "s^2 sin cos": lambda x, a, u, s, t: s**2 * np.sin(a) * np.cos(a),
        "u": lambda x, a, u, s, t: u,
        "u cos": lambda x, a, u, s, t: u * np.cos(a),
        "sin": lambda x, a, u, s, t: np.sin(a),
        "sin cos": lambda x, a, u, s, t: np.sin(a) * np.cos(a),
        "s": lambda x, a, u, s, t: s,
        "s cos": lambda x, a, u, s, t: s * np.cos(a),
        "x": lambda x, a, u, s, t: x,
        "x cos": lambda x, a, u, s, t: x * np.cos(a),
        "u^3": lambda x, a, u, s, t: u**3,
        "s^3": lambda x, a, u, s, t: s**3,
    }
    plain: Library = {
        "1": lambda x, a, u, s, t: np.ones_like(x),
        "sin only": lambda x, a, u, s, t: np.sin(a),
        "cos only": lambda x, a, u, s, t: np.cos(a),
        "x^3": lambda x, a, u, s, t: x**3,
        "tanh 4u": lambda x, a, u, s, t: np.tanh(4 * u),
        "tanh 4s": lambda x, a, u, s, t: np.tanh(4 * s),
        "x^2 u": lambda x, a, u, s, t: x**2 * u,
        "sin 3a": lambda x, a, u, s, t: np.sin(3 * a),
    }
    over = {
        f"{name}/D": (lambda x, a, u, s, t, f=f: f(x, a, u, s, t) / _determinant(a))
        for name, f in divided.items()
    }
    return over | plain


LIBRARIES = {
    "oscillator": _one_dimensional("oscillator"),
    "duffing": _one_dimensional("duffing"),
    "springs": _springs(),
    "cart": _cart(),
}


def true_terms(case: Case) -> list[dict[str, float]]:
    """The accelerations in terms of the library, one dictionary for each component."""
    c = case.truth
    match case.name:
        case "oscillator":
            return [{"q^1": -c["k"], "v": -c["c"]}]
        case "duffing":
            return [{"q^1": -c["k"], "q^3": -c["b"], "v": -c["c"]}]
        case "springs":
            first = {"x": -c["a"] - c["m"], "y": c["m"], "u": -c["c"], "cos wt": c["f"]}
            return [first, {"x": c["m"], "y": -c["b"] - c["m"], "v": -c["c"]}]
    a, b, g = c["a"], c["b"], c["g"]
    cart = {
        "s^2 sin/D": a * b,
        "u/D": -b * c["c"],
        "sin cos/D": a * g,
        "s cos/D": a * c["d"],
    }
    pendulum = {
        "sin/D": -g,
        "s/D": -c["d"],
        "s^2 sin cos/D": -(a**2),
        "u cos/D": a * c["c"],
    }
    return [cart, pendulum]


@dataclass(frozen=True)
class Found:
    """Whether the support is the true one, and the largest relative error of a true term."""

    exact: bool
    error: float


def recover(case: Case, recordings: list[Recording]) -> dict[str, Found]:
    """`validated` and `oracle`."""
    library = LIBRARIES[case.name]
    truth = np.array([[row.get(n, 0.0) for n in library] for row in true_terms(case)])
    settings = []
    for window in WINDOWS:
        data = [_smoothed(r, window, library) for r in recordings]
        for ridge in RIDGES:
            for threshold in THRESHOLDS:
                part = _stlsq(data[:-1], ridge, threshold)
                whole = _judged(_stlsq(data, ridge, threshold), truth)
                settings.append((*_score(part, data[-1]), np.count_nonzero(part), whole))
    best = min(settings, key=lambda s: s[0])
    good = [s for s in settings if s[0] <= best[0] + best[1]]
    *_, validated = min(good, key=lambda s: (s[2], s[0]))
    oracle = min((found for *_, found in settings), key=lambda f: (not f.exact, f.error))
    return {"validated": validated, "oracle": oracle}


@dataclass(frozen=True, eq=False)
class _Rows:
    """Library columns (m, terms), accelerations (m, dof), velocities as observed (m, dof)."""

    columns: np.ndarray
    accelerations: np.ndarray
    velocities: np.ndarray


def _smoothed(recording: Recording, window: int, library: Library) -> _Rows:
    """The rows of one run, without those at its ends."""
    assert recording.q is not None and recording.v is not None
    q, v, inner = recording.q, recording.v, slice(4, ROWS - 4)
    if window:
        smooth_q, smooth_v = (savgol_filter(x, window, 4, axis=0) for x in (q, v))
        accelerations = savgol_filter(v, window, 4, deriv=1, delta=DT, axis=0)
    else:
        smooth_q, smooth_v = q, v
        accelerations = pysindy.FiniteDifference(order=8)(v, recording.times)
    arguments = *smooth_q[inner].T, *smooth_v[inner].T, recording.times[inner]
    columns = np.stack([f(*arguments) for f in library.values()], axis=1)
    return _Rows(columns, np.asarray(accelerations)[inner], v[inner])


def _stlsq(data: list[_Rows], ridge: float, threshold: float) -> np.ndarray:
    """Coefficients (dof, terms)."""
    columns = np.concatenate([rows.columns for rows in data])
    accelerations = np.concatenate([rows.accelerations for rows in data])
    size = np.sqrt(np.mean(columns**2, axis=0))
    optimizer = pysindy.STLSQ(threshold=threshold, alpha=ridge, max_iter=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a threshold leaves nothing
        optimizer.fit(columns / size, accelerations)
    return np.asarray(optimizer.coef_) / size


def _score(coefficients: np.ndarray, data: _Rows) -> tuple[float, float]:
    """How badly the accelerations, integrated, predict the velocities a while later: mean square as
    a part of the variance, and its standard error. The measure is the same for every smoothing."""
    gained = cumulative_simpson(data.columns @ coefficients.T, dx=DT, axis=0, initial=0)
    misses = (data.velocities - gained)[LAG:] - (data.velocities - gained)[:-LAG]
    squares = (misses / np.std(data.velocities, axis=0)) ** 2
    return float(squares.mean()), float(squares.std() / np.sqrt(squares.size / LAG))


def _judged(coefficients: np.ndarray, truth: np.ndarray) -> Found:
    there = truth != 0
    error = np.max(np.abs(coefficients[there] / truth[there] - 1))
    return Found(bool(((coefficients != 0) == there).all()), float(error))
