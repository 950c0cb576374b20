"""Signs, phases and exchanges of coefficients that no data can see."""

from __future__ import annotations

import numpy as np
import pytest

import lagc
from lagc.analysis.identifiability import identify
from lagc.analysis.motion import Motion
from lagc.base.reflections import Reflection
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.mirrors import Ambiguity, Exchange, Mirror, Winding
from lagc.learn.problem import Problem, hold_structural
from lagc.learn.signs import find_ambiguities
from tests.mechanics.models import compile_text

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


def mirrors(system: lagc.System) -> tuple[Ambiguity, ...]:
    problem = Problem.of(system, DATA, {}, {}, 2)
    return find_ambiguities(problem, problem.setting)


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
    (pair,) = mirrors(model("a^2", "a*b"))
    assert isinstance(pair, Mirror) and pair.change == Reflection((0, 1))
    assert mirrors(model("(a^2 + a/100)", "b")) == ()


def test_bounds_decide():
    assert mirrors(model("a^2", "b", "> 0", "2")) == ()
    (mirror,) = mirrors(model("a^2", "b", "in [-1, 10]", "2"))
    assert not mirror.admitted(np.array([1.5, 0.5, 0, 0]))
    assert mirror.admitted(np.array([0.5, 0.5, 0, 0]))


# For each model: signs, shifts and exchanges as `lagc check` names them, with the period of phases.
AGREED = [
    ("A*cos(w*t + p)*q", {}, ["w+p", "p: 2*pi", "A, p: pi"]),
    ("A*sin(w*t + p)*q", {}, ["A+w+p", "p: 2*pi", "A, p: pi"]),
    ("A*cos(w*t + p)^2*q", {}, ["w+p", "p: pi"]),
    ("A*cos(w*t + 2*pi*p)*q", {"w": "> 0 = 0.7"}, ["p: 1", "A, p: 0.5"]),
    ("A*cos(w*t + p*pi/180)*q", {"w": "> 0 = 0.7"}, ["p: 360", "A, p: 180"]),
    # bounds of less than a period, of half a period, and such as fix one sign of two
    ("A*sin(w*t + p)*q", {"p": "in [0, 2*pi] = 0.7", "A": "> 0 = 0.7"}, ["w+p, p: pi"]),
    ("A*sin(w*t + p)*q", {"p": "in [2, 4] = 3", "w": "> 0 = 0.7"}, []),
    ("A*cos(w*t + p)*q", {"p": "in [0, 2*pi] = 0.7", "A": "> 0 = 0.7"}, ["w+p"]),
    ("A*cos(q - p)*w", {"w": "> 0 = 0.7", "A": "> 0 = 0.7"}, ["p: 2*pi"]),
    # no phases: a slope that does not change with what is shifted, and a large coefficient
    ("A*q^2 + w*q^4 + p*sin(w)*q", {"p": "> 0 = 0.7"}, []),
    ("A*w*q^2 + (A + w)*q^4 + p*q", {}, ["A~w"]),
    ("A*w*q^2 + (A + w)*q^4 + p*q", {"A": "in [0, 1] = 0.7", "w": "in [1, 2] = 1.7"}, []),
    ("A*w*p*q^2 + (A + w + p)*q^4 + (A^2 + w^2 + p^2)*q", {}, ["A~w~p"]),
    ("A*w*q^2 + p^2*q", {"A": "> 0 = 0.7", "w": "> 0 = 0.7"}, ["p"]),
]


@pytest.mark.parametrize(("potential", "bounds", "expected"), AGREED)
def test_check_and_fit_find_the_same(
    potential: str, bounds: dict[str, str], expected: list[str]
) -> None:
    names = "Awp"
    given = "".join(f"coefficient {c} {bounds.get(c, '= 0.7')}\n" for c in names)
    text = f"coordinate q\n{given}L = q'^2/2 - ({potential})\n"
    nodes = compile_text(text).nodes
    found = identify(nodes, Motion(nodes.model))
    assert found is not None
    observed = found.positions
    checked = ["+".join(signs) for signs in observed.signs]
    for shift in observed.shifts:
        by = [f"{name}: {amount}" for name, amount in shift.by]
        checked.append(", ".join(["+".join(shift.signs), *by] if shift.signs else by))
    checked += ["~".join(same) for same in observed.exchanges]
    assert checked == expected

    system = lagc.loads(text)
    recording = [Recording("x", T, np.cos(1.5 * T)[:, None])]
    # What no data fix is held: then nothing of the kind is left to be told apart.
    problem = Problem.of(system, recording, {}, {}, 2)
    setting, _ = hold_structural(problem)
    fitted = [said(ambiguity, names) for ambiguity in find_ambiguities(problem, setting)]
    assert sorted(fitted) == sorted(expected)


def said(ambiguity: Ambiguity, names: str) -> str:
    if isinstance(ambiguity, Winding):
        return f"{names[ambiguity.index]}: {ambiguity.period}"
    if isinstance(ambiguity, Exchange):
        return "~".join(names[i] for i in ambiguity.indices)
    signs = "+".join(names[i] for i in ambiguity.change.signs)
    shifts = [f"{names[i]}: {ambiguity.places[i].half}" for i in ambiguity.change.shifts]
    return ", ".join([signs, *shifts] if signs else shifts)


def test_a_phase_stays_near_its_start_and_an_amplitude_on_its_side():
    system = lagc.loads(
        "coordinate q\ncoefficient A = 1\ncoefficient ph = 0\n"
        "L = 1/2*q'^2 - 1/2*q^2 + A*cos(2*t + ph)*q\n"
    )
    # A = 0.6, ph = 0.4: q = -0.2 cos(2 t + 0.4) is a solution.
    data = [Recording("x", T, -0.2 * np.cos(2 * T + 0.4)[:, None])]
    for amplitude, phase, expected in (
        (-1, 0, (-0.6, 0.4 - np.pi)),
        (1, 13, (0.6, 0.4 + 4 * np.pi)),
        (-1, 13, (-0.6, 0.4 + 5 * np.pi)),
    ):
        result = fit(system, data, guess={"A": amplitude, "ph": phase})
        assert list(result.values.values()) == pytest.approx(expected, rel=1e-7)
        assert result.converged and result.coefficients["ph"].identifiable
    assert result.gauge == (
        "the data do not fix the sign of A with a shift of ph by pi: A stays on the side of its "
        "start",
        "the data do not fix multiples of 2*pi in ph: it stays as near to its start as can be",
    )
    held = fit(system, data, fixed={"A": 0.6})
    assert held.gauge == result.gauge[1:]
