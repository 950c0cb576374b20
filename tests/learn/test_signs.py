"""Signs, phases and exchanges of coefficients that no data can see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

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


ORBIT = "coordinate r[2]\ncoefficient mu > 0 = 4e14\nL = 1/2*dot(r', r') + mu/norm(r)\n"
RESONATOR = (
    "coordinate q\ncoefficient k > 0 = 4e13\ncoefficient c >= 0 = 3e4\ncoefficient b = {b}\n"
    "L = 1/2*q'^2 - 1/2*k*q^2 - b/4*q^4 {drive}\nK = -c*q'_+*q_-\n"
)
DRIVE = "+ A*cos(2e6*t + ph)*q\ncoefficient A = {A}\ncoefficient ph = 0.3"
PHASE = {"A, ph: pi", "ph: 2*pi"}


def found_in(text: str, scale: float, q: np.ndarray) -> set[str]:
    """In data of time in units of `scale`, after what is held."""
    system = lagc.loads(text)
    problem = Problem.of(system, [Recording("x", T * scale, q)], {}, {}, 2)
    setting, _ = hold_structural(problem)
    names = [c.name for c in system.spec.coefficients]
    return {said(ambiguity, names) for ambiguity in find_ambiguities(problem, setting)}


def test_a_large_coefficient_is_no_phase():
    """A shift that nothing notices because it is a part of 1e-13 of the coefficient says nothing;
    periods are still found beside such coefficients."""
    circle = 7e6 * np.column_stack([np.cos(T), np.sin(T)])
    assert found_in(ORBIT, 1000.0, circle) == set()
    q = 1e-6 * np.cos(6.3 * T)[:, None]
    for b in ("0", "1e25"):
        assert found_in(RESONATOR.format(b=b, drive=""), 1e-6, q) == set()
    for amplitude in (1e-2, 1.0, 1e6, 1e15):
        drive = DRIVE.format(A=amplitude)
        assert found_in(RESONATOR.format(b="0", drive=drive), 1e-6, q) == PHASE


def test_a_fit_in_small_units_has_no_gauge():
    system = lagc.loads(
        "coordinate q\ncoefficient k > 0 = 4e13\ncoefficient c = 1e5\n"
        "L = 1/2*q'^2 - 1/2*k*q^2\nK = -c*q'_+*q_-\n"
    )
    noise = 1e-3 * np.random.default_rng(0).normal(size=T.size)
    result = fit(system, [Recording("x", T / 1e7, (np.cos(2 * T) + noise)[:, None])])
    assert result.converged and result.gauge == ()
    assert result.values["k"] == pytest.approx(4e14, rel=1e-2)


@pytest.mark.long
def test_an_orbit_in_metres_and_seconds_fixes_the_mass_of_its_centre():
    mu, t = 3.986004418e14, np.linspace(0, 12000, 200)

    def slope(_: float, y: np.ndarray) -> list[float]:
        pull = -mu / np.hypot(y[0], y[1]) ** 3
        return [y[2], y[3], pull * y[0], pull * y[1]]

    start = [7e6, 0, 0, 7.8e3]
    y = solve_ivp(slope, (0, 12000), start, method="DOP853", t_eval=t, rtol=1e-12, atol=1e-6).y
    r = y[:2].T + 100 * np.random.default_rng(0).normal(size=(200, 2))
    result = fit(lagc.loads(ORBIT), [Recording("orbit", t, r)])
    estimate = result.coefficients["mu"]
    assert result.converged and result.gauge == ()
    assert estimate.std < 1e-5 * mu and abs(estimate.value - mu) < 3 * estimate.std


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
