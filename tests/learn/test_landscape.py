"""Landscapes of models whose sum of squares is known in closed form."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.cli import common
from lagc.cli.main import run
from lagc.learn.data import Recording
from lagc.learn.landscape import QUANTILE, Landscape, landscape
from lagc.runtime import System

# x'' = a + b t + c t^2: positions are linear in the coefficients, which the integrator has exactly.
THROWN = """
model thrown
coordinate x
coefficient a = 1
coefficient b = 1
coefficient c in (-1, 1) = 0.1
L = 1/2*x'^2 + (a + b*t + c*t^2)*x
"""
T = np.linspace(0.0, 3.0, 31)
BASIS = np.stack([T**2 / 2, T**3 / 6, T**4 / 12, np.ones_like(T), T], axis=-1)
SIGMA = 0.02


@pytest.fixture(scope="module")
def thrown() -> System:
    return lagc.loads(THROWN)


@pytest.fixture(scope="module")
def positions() -> np.ndarray:
    exact = BASIS @ [0.7, -0.4, 0.2, 0.1, 1.5]
    return exact + SIGMA * np.random.default_rng(0).normal(size=len(T))


@pytest.fixture(scope="module")
def found(thrown, positions) -> Landscape:
    recording = Recording("thrown", T, positions[:, None])
    return landscape(thrown, [recording], coefficients=("c", "a"), points=21)


def best(positions: np.ndarray) -> tuple[np.ndarray, float]:
    """Least squares by the basis, and the noise level that it says."""
    solution, squares, *_ = np.linalg.lstsq(BASIS, positions)
    return solution, float(np.sqrt(squares[0] / (len(T) - 5)))


def test_sum_of_squares_is_the_exact_one_everywhere(found, positions):
    solution, sigma = best(positions)
    first, second = found.axes
    assert (first.label, second.label) == ("c", "a")
    assert first.centre == pytest.approx(solution[2], rel=1e-8)
    for i, c in enumerate(first.values):
        for j, a in enumerate(second.values):
            moved = np.array([a, solution[1], c, *solution[3:]])
            exact = float(np.sum((BASIS @ moved - positions) ** 2)) / sigma**2
            assert found.chi2[i, j] == pytest.approx(exact, rel=1e-7)
    assert found.chi2.min() == found.minimum == pytest.approx(len(T) - 5, rel=1e-7)


def test_ellipses_are_those_of_the_linear_problem(found, positions):
    solution, sigma = best(positions)
    chosen = [2, 0]
    normal = BASIS.T @ BASIS / sigma**2
    covariance = np.linalg.inv(normal)[np.ix_(chosen, chosen)]
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-7)
    np.testing.assert_allclose(found.section, normal[np.ix_(chosen, chosen)], rtol=1e-7)
    # On its border, chi^2 of this model exceeds the minimum by the quantile exactly.
    for point in found.ellipse(others_free=False, points=7):
        moved = solution.copy()
        moved[chosen] = point
        above = np.sum((BASIS @ moved - positions) ** 2) / sigma**2 - found.minimum
        assert above == pytest.approx(QUANTILE, rel=1e-6)
    # With the others free, at their best for the point.
    others = [1, 3, 4]
    for point in found.ellipse(others_free=True, points=7):
        left = positions - BASIS[:, chosen] @ point
        squares = np.linalg.lstsq(BASIS[:, others], left)[1][0]
        assert squares / sigma**2 - found.minimum == pytest.approx(QUANTILE, rel=1e-6)


def test_principal_directions_diagonalise_the_covariance(thrown, positions):
    recording = Recording("thrown", T, positions[:, None])
    found = landscape(thrown, [recording], points=21, extent=40.0)
    solution, sigma = best(positions)
    sizes = np.abs(list(found.fit.values.values()))
    covariance = np.linalg.inv(BASIS.T @ BASIS / sigma**2)[:3, :3] / np.outer(sizes, sizes)
    values = np.linalg.eigvalsh(covariance)
    np.testing.assert_allclose(found.covariance, np.diag(values[[0, -1]]), atol=1e-7 * values[-1])
    directions = np.array([axis.direction for axis in found.axes]) / sizes
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-9)
    # Outside of -1 < c < 1 there is nothing to see.
    offsets = [a.values[:, None] * a.direction[2] for a in found.axes]
    c = solution[2] + offsets[0] + offsets[1].T
    assert (np.abs(c) >= 1).any() and (np.isnan(found.chi2) == (np.abs(c) >= 1)).all()


def test_what_cannot_be_drawn_is_refused(thrown, positions, monkeypatch):
    # All of it before a fit, which may take minutes.
    monkeypatch.setattr("lagc.learn.landscape.fit", None)
    recording = Recording("thrown", T, positions[:, None])

    def refusal(**options) -> tuple[Code, str]:
        with pytest.raises(LagcError) as caught:
            landscape(thrown, [recording], **options)
        return caught.value.diagnostics[0].code, caught.value.diagnostics[0].message

    assert refusal(points=20)[0] is Code.LAG610
    assert refusal(extent=-1.0)[0] is Code.LAG610
    assert refusal(coefficients=("a", "d"))[0] is Code.LAG503
    held = refusal(coefficients=("a", "b"), fixed={"b": -0.4})
    assert held == (Code.LAG610, "`b` is held")
    assert refusal(coefficients=("a", "a"))[0] is Code.LAG610
    assert refusal(fixed={"b": -0.4, "c": 0.2})[0] is Code.LAG610


def test_command_writes_picture_and_grid(tmp_path, capsys, monkeypatch, thrown, positions):
    # What is compiled already serves again.
    monkeypatch.setattr(common, "load_model", lambda path: thrown)
    model, data = tmp_path / "thrown.lag", tmp_path / "data.csv"
    model.write_text(THROWN)
    rows = [f"{t!r},{x!r}" for t, x in zip(T.tolist(), positions.tolist(), strict=True)]
    data.write_text("t,x\n" + "\n".join(rows) + "\n")
    outputs = [str(tmp_path / name) for name in ("picture.png", "grid.csv", "grid.nc")]
    words = [word for path in outputs for word in ("--output", path)]
    arguments = ["landscape", str(model), str(data), "--coefficients", "a, b", "--points", "21"]
    assert run([*arguments, *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [axis["label"] for axis in found["axes"]] == ["a", "b"]
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"
    grid = np.loadtxt(tmp_path / "grid.csv", delimiter=",", skiprows=2)
    assert grid.shape == (441, 3) and grid[:, 2].min() == found["minimum"]
    import xarray

    with xarray.open_dataset(tmp_path / "grid.nc", engine="h5netcdf") as dataset:
        assert dataset["chi2"].values.ravel().tolist() == grid[:, 2].tolist()
    assert run([*arguments, "--output", str(tmp_path / "x.txt")]) == 2
    assert ".csv, .nc" in capsys.readouterr().err
    assert run([*arguments[:3], "--coefficients", "a"]) == 2
