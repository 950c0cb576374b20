"""Signs and exchanges of coefficients that no data can see."""

from __future__ import annotations

import numpy as np
import pytest

import lagc
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.problem import Problem
from lagc.learn.signs import Mirror, find_mirrors

T = np.arange(30) * 0.1
REST = 0.5 / 2.25
# q'' = -2.25 q + 0.5, from rest at 1.
DATA = [Recording("x", T, (REST + (1 - REST) * np.cos(1.5 * T))[:, None])]
SINGLE = "the data fix a only up to its sign: it stays on the side of its start"
COMMON = "the data fix a and b only up to a common change of sign: a stays on the side of its start"


def model(stiffness: str, force: str, bounds: str = "", a: str = "-2") -> lagc.System:
    return lagc.loads(
        f"coordinate q\ncoefficient a {bounds} = {a}\ncoefficient b = -1\n"
        f"L = 1/2*q'^2 - 1/2*{stiffness}*q^2 + {force}*q\n"
    )


def mirrors(system: lagc.System) -> tuple[Mirror, ...]:
    problem = Problem.of(system, DATA, {}, {}, 2)
    return find_mirrors(problem, problem.setting)


def test_a_square_is_fixed_up_to_its_sign_and_stays_on_its_side():
    system = model("a^2", "b")
    for start in (-2.0, 0.0, 2.0):
        result = fit(system, DATA, guess={"a": start})
        expected = {"a": -1.5 if start < 0 else 1.5, "b": 0.5}
        assert result.values == pytest.approx(expected, rel=1e-8)
        assert result.gauge == (SINGLE,) and result.coefficients["a"].identifiable


def test_mirrors_of_the_equations_of_motion_alone():
    labels = ("a", "b")
    assert [m.words(labels) for m in mirrors(model("abs(a)", "b"))] == [SINGLE]
    both = mirrors(model("(a^2 + b^2)", "a*b"))
    exchange = "the data do not tell a from b: their values may be exchanged"
    assert [m.words(labels) for m in both] == [COMMON, exchange]
    assert mirrors(model("a^2", "a*b")) == (Mirror((0, 1)),)
    assert mirrors(model("(a^2 + a/100)", "b")) == ()


def test_bounds_decide():
    assert mirrors(model("a^2", "b", "> 0", "2")) == ()
    partly = model("a^2", "b", "in [-1, 10]", "2")
    problem = Problem.of(partly, DATA, {}, {}, 2)
    (mirror,) = find_mirrors(problem, problem.setting)
    assert not mirror.admitted(problem.setting, np.array([1.5, 0.5, 0, 0]))
    assert mirror.admitted(problem.setting, np.array([0.5, 0.5, 0, 0]))
