"""Pieces of recordings: where they are cut, and that together they know the exact solution."""

from __future__ import annotations

import numpy as np
import pytest

import lagc
from lagc.learn.data import Recording
from lagc.learn.losses import SQUARES
from lagc.learn.pieces import Pieces
from lagc.learn.problem import Problem

OMEGA = 1.3


@pytest.fixture(scope="module")
def system() -> lagc.System:
    return lagc.loads("model m\ncoordinate q\ncoefficient k = 0\nL = 1/2*q'^2 - 1/2*k*q^2")


def recording(name: str, first: float, rows: int) -> Recording:
    """Exact positions and velocities, row by row 0.1 apart."""
    t = first + 0.1 * np.arange(rows)
    q, v = np.cos(OMEGA * t), -OMEGA * np.sin(OMEGA * t)
    return Recording(name, t, q[:, None], v[:, None])


def pieces(system: lagc.System, *recordings: Recording) -> Pieces:
    problem = Problem.of(system, recordings, {}, {}, 4, SQUARES)
    return Pieces.of(problem, problem.setting)


def test_pieces_meet_and_begin_with_their_first_rows(system: lagc.System) -> None:
    cut = pieces(system, recording("long", 0.0, 100), recording("short", 2.0, 20))
    assert cut.owners == (0, -1, -1, 1)
    data = cut.setting.observations
    assert data.seen[..., 0, 0].sum(axis=1).tolist() == [33, 34, 33, 20]
    np.testing.assert_allclose(data.times[:, 0], [0.0, 3.3, 6.7, 2.0])


def test_long_recordings_are_thinned_out_evenly(system: lagc.System) -> None:
    cut = pieces(system, recording("long", 0.0, 6400))
    starts = cut.setting.observations.times[:, 0]
    assert len(starts) == 64
    assert np.ptp(np.diff(starts)) < 4 and starts[-1] > 630


def test_they_find_the_coefficient_and_the_first_states(system: lagc.System) -> None:
    whole = [recording("long", 0.0, 100), recording("other", 5.0, 40)]
    near = pieces(system, *whole).near()
    x = near.whole(np.zeros(5))
    states = [[r.q[0, 0], r.v[0, 0]] for r in whole if r.q is not None and r.v is not None]
    # A start: the search is rough, and pulled a little to where it began.
    np.testing.assert_allclose(x, [OMEGA**2, *np.ravel(states)], atol=1e-3)


def test_what_is_held_stays(system: lagc.System) -> None:
    cut = pieces(system, recording("long", 0.0, 100), recording("other", 5.0, 40))
    held = cut.restricted(np.array([False]), np.array([1.5]))
    assert held.x[0] == 1.5 and not held.setting.free[0]
    assert held.setting.free[1:].all()
