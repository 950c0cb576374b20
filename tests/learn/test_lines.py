"""What a fitted model does between the rows of a recording, and the picture of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import lagc
from lagc.learn.data import Recording
from lagc.learn.fit import solve
from lagc.learn.fit_result import Curve
from lagc.learn.outcome import with_lines
from lagc.plotting import fit_figure

OSCILLATOR = "coordinate q\ncoefficient k > 0 = 1.4\nL = q'^2/2 - k*q^2/2\n"
# A disc that is driven once a turn.
ROTOR = "coordinate q mod 2*pi\ncoefficient f = 0.1\nL = q'^2/2\nforce q = f\n"
T = np.linspace(0, 40, 21)


def drawn(system: lagc.System, recordings: list[Recording], **options: float) -> tuple[Curve, ...]:
    solution = solve(system, recordings, guess=options, r=4)
    assert solution.result.converged
    return with_lines(solution.refined.setting, solution.refined.x, solution.result.curves)


@pytest.fixture(scope="module")
def waves() -> tuple[Curve, ...]:
    """Recordings of different lengths, of less than three rows a period."""
    phases = {f"runs/{k}.csv": 0.3 * k for k in range(3)}
    recordings = [
        Recording(name, T[: 21 - 4 * k], np.cos(1.2 * T + p)[: 21 - 4 * k, None])
        for k, (name, p) in enumerate(phases.items())
    ]
    return drawn(lagc.loads(OSCILLATOR), recordings)


def test_lines_follow_the_solution_between_the_rows(waves: tuple[Curve, ...]) -> None:
    for k, curve in enumerate(waves):
        line = curve.line
        assert line is not None and len(line.times) > 500
        assert line.times[0] == 0 and line.times[-1] == curve.times[-1]
        np.testing.assert_allclose(line.values[:, 0], np.cos(1.2 * line.times + 0.3 * k), atol=1e-7)
        np.testing.assert_allclose(curve.predicted, curve.observed, atol=1e-7)


def test_angles_are_followed_from_step_to_step_and_not_from_row_to_row() -> None:
    t = np.arange(12.0)
    q, v = 4.5 * t + 0.05 * t**2, 4.5 + 0.1 * t  # 0.7 of a turn from row to row
    (curve,) = drawn(lagc.loads(ROTOR), [Recording("x", t, q[:, None], v[:, None])])
    line = curve.line
    assert line is not None
    turned = line.values[:, 0] - line.values[0, 0]
    np.testing.assert_allclose(turned, 4.5 * line.times + 0.05 * line.times**2, atol=1e-7)
    at_rows = np.interp(t, line.times, line.values[:, 0])
    np.testing.assert_allclose(curve.observed[:, 0], at_rows, atol=1e-7)
    np.testing.assert_allclose(curve.predicted, curve.observed, atol=1e-7)


def test_recordings_are_told_apart_in_the_picture(waves: tuple[Curve, ...]) -> None:
    spec = lagc.loads(OSCILLATOR).spec
    figure = fit_figure(waves, spec)
    left, right = figure.axes
    data, lines = left.lines[::2], left.lines[1::2]
    assert [len(x.get_xdata()) for x in data] == [21, 17, 13]
    assert [len(x.get_xdata()) for x in right.lines] == [21, 17, 13]
    assert all(len(x.get_xdata()) > 500 for x in lines)
    colours = [x.get_color() for x in data]
    assert len(set(colours)) == 3 and colours == [x.get_color() for x in lines]
    assert colours == [x.get_color() for x in right.lines]
    (legend,) = figure.legends
    assert [x.get_text() for x in legend.get_texts()] == ["0.csv", "1.csv", "2.csv"]

    many = fit_figure([*waves] * 30, spec)
    data = many.axes[0].lines[::2]
    assert len(data) == 50 and len({tuple(x.get_color()) for x in data}) == 50
    assert len(many.legends[0].get_texts()) == 10
    assert "50 of 90 recordings" in many.axes[0].get_title()


def test_a_line_that_is_lost_does_not_flatten_the_data(waves: tuple[Curve, ...]) -> None:
    spec, (first, second, *_) = lagc.loads(OSCILLATOR).spec, waves
    usual = fit_figure([first, second], spec).axes[0].get_ylim()
    assert usual[0] > -1.3 and usual[1] < 1.3
    assert second.line is not None
    line = replace(second.line, values=200 * second.line.values)
    lost = replace(second, line=line, observed=np.full_like(second.observed, np.nan))
    low, high = fit_figure([first, lost], spec).axes[0].get_ylim()
    assert -3.1 < low < -1 and 1 < high < 3.1
    bare = fit_figure([lost], spec).axes[0].get_ylim()
    assert bare[1] > 190
