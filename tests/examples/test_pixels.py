"""Where a camera sees a pendulum (examples/learning): the distances behind angles, and coefficients
of a pendulum whose pivot moves in the picture."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from tests.conftest import EXAMPLES, ROOT

LEARNING = EXAMPLES / "learning"
RECORDING = ROOT.parent / "shared" / "data" / "real_pend_h_1.txt"
AHEAD = 12  # rows that the filter is not given
W2, C, TILT, LENGTH = 1.4, 0.02, 0.02, 72.0
START = {"w2": 1.36, "c": 0.01, "d": 0.01, "tilt": 0.01}


def _from_examples(name: str) -> ModuleType:
    """A script of the folder, which finds the others there."""
    sys.path.insert(0, str(LEARNING))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(LEARNING))


def _camera(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (n,), and distances (n, 2) in whole pixels of the bob, by DOP853, from where
    the pivot is taken to be."""
    random = np.random.default_rng(seed)
    t = np.arange(240) / 6

    def slope(_: float, y: np.ndarray) -> list[float]:
        return [y[1], -W2 * np.sin(y[0] - TILT) - C * y[1]]

    theta = solve_ivp(slope, t[[0, -1]], [1.3, 0.5], "DOP853", t, rtol=1e-9, atol=1e-11).y[0]
    pivot = np.cumsum(random.normal(size=(len(t), 2)) * [0.1, 0.02], axis=0)
    seen = pivot + LENGTH * np.stack([np.sin(theta), np.cos(theta)], axis=1)
    return t, np.round(seen)


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
def test_a_pendulum_is_found_behind_whole_pixels(seed: int) -> None:
    """Distances are given back exactly; coefficients lie within their intervals; neither quadratic
    friction nor forces are preferred; and the rows behind are seen to come within two pixels."""
    pixels = _from_examples("pixels")
    t, seen = _camera(seed)
    angles = np.arctan2(*seen.T)
    distances, sure, wrong = pixels.positions(angles, LENGTH - 1)
    assert wrong < 1e-15 and sure.mean() > 0.9
    np.testing.assert_allclose(distances[sure], np.hypot(*seen.T)[sure], rtol=1e-13)
    system = lagc.load(LEARNING / "real_pendulum.lag")
    rows = slice(0, len(t) - AHEAD)
    likelihood = pixels.Filter(system, *(x[rows] for x in (t, angles, distances, sure)))
    first = START | {"theta": angles[0], "theta'": 0.5}
    forced = likelihood.fit(("w2", "c", "tilt"), first, ("forces",))
    linear = likelihood.fit(("w2", "c", "tilt"), forced.start, ())
    quadratic = likelihood.fit(("w2", "d", "tilt"), forced.start, ())
    assert forced.converged and linear.converged and quadratic.converged
    assert linear.criterion + 5 < forced.criterion and linear.criterion + 50 < quadratic.criterion
    for name, truth in {"w2": W2, "c": C, "tilt": TILT}.items():
        assert abs(linear.values[name] - truth) < 3 * linear.std[name] < 0.1 * truth
    behind = likelihood.ahead(linear, t[-AHEAD - 1 :])
    assert np.abs(behind - angles[-AHEAD - 1 :]).max() < 2 / LENGTH


@pytest.mark.long
@pytest.mark.skipif(not RECORDING.exists(), reason="the recording is not there")
def test_the_real_pendulum() -> None:
    """Three coefficients, chosen by the training rows alone, predict the rest: linear friction by
    far, and no forces."""
    study = _from_examples("real_pendulum").study
    found = study(RECORDING, [("d", "tilt"), ("c", "tilt")])
    assert found["training rows"] == 444 and found["free rows"] == 111
    first = found["all"][0]
    assert first["terms"] == ("c", "tilt") and first["disturbances"] == ("angle", "clock")
    assert min(o["criterion"] for o in found["all"] if "d" in o["terms"]) > first["criterion"] + 10
    assert first["coordinate MSE"] < 4e-4 and first["energy MSE"] < 1.2e-3
