"""Terms that are there are kept, and terms that are not are left out; coefficients against an
independent integrator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from lagc.learn import comparison, selection
from lagc.learn.data import Recording
from lagc.learn.fit import Solution, solve
from lagc.learn.selection import Selection, select

DUFFING = "1/2*q'^2 - a*q^2 - b*q^4 + d1*q + d6*q^6"
DRAG = "-(c + e*q_+^2)*q'_+*q_-"
TRUE = {"a": 0.5, "b": 0.3, "c": 0.2}


@pytest.fixture(scope="module")
def system() -> lagc.System:
    zero = dict.fromkeys(("a", "b", "c", "d1", "d6", "e"), 0.0)
    return lagc.compile(L=DUFFING, K=DRAG, coordinates=["q"], coefficients=zero)


def recording(noise: float, rows: int = 150, first: float = 1.5, seed: int = 3) -> Recording:
    """Positions and velocities of q'' = -q - 1.2 q^3 - 0.2 q'."""
    t = np.arange(rows) * 0.1
    solution = solve_ivp(
        lambda _, y: [y[1], -y[0] - 1.2 * y[0] ** 3 - 0.2 * y[1]],
        (0, t[-1]),
        [first, 0.0],
        method="DOP853",
        t_eval=t,
        rtol=1e-13,
        atol=1e-13,
    )
    random = np.random.default_rng(seed)
    q, v = (x + noise * np.std(x) * random.normal(size=t.size) for x in solution.y)
    return Recording(f"duffing {rows}", t, q[:, None], v[:, None])


@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 1e-8), (0.02, 0.05)])
def test_support_and_values(system: lagc.System, noise: float, tolerance: float) -> None:
    chosen = select(system, [recording(noise)], r=4)
    kept = {n for n, e in chosen.result.coefficients.items() if n not in chosen.without}
    assert kept == set(TRUE)
    for name, value in TRUE.items():
        assert chosen.result.coefficients[name].value == pytest.approx(value, rel=tolerance)
    assert set(chosen.candidates[0].without) == set(chosen.without)


def criteria(chosen: Selection) -> dict[tuple[str, ...], float]:
    """Of the models compared, by how much they are behind the best."""
    return {c.without: c.criterion - chosen.candidates[0].criterion for c in chosen.candidates}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_units_do_not_choose(system: lagc.System, seed: int) -> None:
    """With starts at zero, nothing says in advance how large a coefficient is."""
    own = recording(0.02, seed=seed)
    unit = select(system, [own], r=4)
    assert unit.result.converged and unit.without == ("d1", "d6", "e")
    for time, length in ((1e-6, 1e-6), (1e6, 1e6), (1e-9, 1e3)):
        assert own.q is not None and own.v is not None
        scaled = Recording("scaled", own.times * time, own.q * length, own.v * length / time)
        chosen = select(system, [scaled], r=4)
        assert chosen.result.converged and chosen.without == unit.without
        units = {"a": time**-2, "b": (time * length) ** -2, "c": 1 / time}
        for name, one in units.items():
            estimate, expected = (x.result.coefficients[name] for x in (chosen, unit))
            assert estimate.value / one == pytest.approx(expected.value, abs=1e-3 * expected.std)
        compared = criteria(chosen)
        for without, behind in criteria(unit).items():
            assert compared.get(without, behind) == pytest.approx(behind, abs=1e-2)


@pytest.mark.long
@pytest.mark.parametrize("scale", [1e-6, 1e-5, 1e6])
def test_units_of_positions_alone_do_not_choose(scale: float) -> None:
    names = "kbefcdh"
    zero = "".join(f"coefficient {n} = 0\n" for n in names)
    drag = "-c*q'_+*q_- - d*abs(q'_+)*q'_+*q_- - h*q'_+^3*q_-"
    wide = lagc.loads(
        f"coordinate q\n{zero}L = 1/2*q'^2 - 1/2*k*q^2 - b/4*q^4 - e/3*q^3 + f*q\nK = {drag}\n"
    )
    t = np.linspace(0, 15, 150)
    clean = solve_ivp(
        lambda _, y: [y[1], -1.2 * y[0] - 0.3 * y[0] ** 3 - 0.1 * y[1]],
        (0, 15),
        [1.5, 0],
        t_eval=t,
        rtol=1e-11,
        atol=1e-12,
    )
    q = clean.y[0] + 0.02 * np.random.default_rng(0).normal(size=t.size)
    chosen = select(wide, [Recording("scaled", t * scale, q[:, None] * scale)])
    assert chosen.result.converged
    assert {n for n in names if n not in chosen.without} == set("kbc")
    assert chosen.result.values["b"] * scale**4 == pytest.approx(0.3, rel=0.1)


@pytest.fixture(scope="module")
def spring() -> lagc.System:
    return lagc.loads(
        "coordinate q\ncoefficient k = 1\ncoefficient c = 0\n"
        "L = 1/2*q'^2 - 1/2*k*q^2\nK = -c*q'_+*q_-\n"
    )


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_data_that_ask_for_no_term_get_none(spring: lagc.System, noise: float) -> None:
    t = np.linspace(0, 8, 80)
    q = 1 + 0.3 * t + noise * np.random.default_rng(0).normal(size=80)
    chosen = select(spring, [Recording("free", t, q[:, None])])
    assert chosen.without == ("k", "c") and chosen.result.converged
    assert chosen.result.values == {"k": 0, "c": 0}
    assert {c.without for c in chosen.candidates} >= {("k", "c"), ("k",), ("c",)}


def test_a_model_that_is_none_without_its_only_term_keeps_it() -> None:
    only = lagc.loads("coordinate q\ncoefficient a = 1\nL = 1/2*a*q'^2 - 1/2*q^2")
    t = np.linspace(0, 8, 80)
    q = 0.3 * t + 0.01 * np.random.default_rng(0).normal(size=80)
    chosen = select(only, [Recording("free", t, q[:, None])])
    assert chosen.without == () and chosen.result.converged
    assert not chosen.candidates[-1].converged


def test_nothing_to_select_among() -> None:
    only = lagc.loads("model m\ncoordinate q\ncoefficient m > 0 = 1\nL = m*q'^2 - 1/2*q^2")
    with pytest.raises(lagc.LagcError, match="nothing to select"):
        select(only, [recording(0.0)])


def test_recordings_too_short_for_the_regression_are_named(system: lagc.System) -> None:
    chosen = select(system, [recording(0.0), recording(0.0, 6, 1.2)], r=4)
    assert chosen.result.converged and chosen.result.observations == 2 * 156
    assert set(chosen.result.coefficients) - set(chosen.without) == set(TRUE)
    (note,) = (x for x in chosen.result.notes if "left out" in x)
    assert "duffing 6:" in note and "150" not in note


def test_short_recordings_alone_are_enough(system: lagc.System) -> None:
    short = [recording(0.0, 7, first) for first in np.linspace(0.3, 2.0, 12)]
    chosen = select(system, short, r=4)
    assert chosen.result.converged
    assert set(chosen.result.coefficients) - set(chosen.without) == set(TRUE)


def test_a_short_recording_of_a_hidden_coordinate_is_named() -> None:
    pair = lagc.loads(
        "model m\ncoordinate x\ncoordinate y\ncoefficient k = 1\n"
        "L = 1/2*x'^2 + 1/2*y'^2 - k*x^2 - 1/2*y^2 - 1/2*x*y"
    )
    q = np.column_stack([np.cos(np.arange(6)), np.full(6, np.nan)])
    with pytest.raises(lagc.LagcError, match="brief has neither positions nor velocities of `y`"):
        select(pair, [Recording("brief", np.arange(6.0), q)])


def test_pieces_take_the_place_of_a_regression_that_misleads(
    system: lagc.System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "regress", lambda *_: None)
    chosen = select(system, [recording(0.1)], r=4)
    assert chosen.result.converged
    assert set(chosen.result.coefficients) - set(chosen.without) == set(TRUE)


def test_a_last_fit_that_fails_begins_again_where_the_comparison_ended(
    system: lagc.System, monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses: list[dict[str, float]] = []

    def failing_once(*args: Any, **options: Any) -> Solution:
        guesses.append(options["guess"])
        solution = solve(*args, **options)
        result = replace(solution.result, converged=len(guesses) > 1)
        return replace(solution, result=result)

    monkeypatch.setattr(selection, "solve", failing_once)
    assert select(system, [recording(0.02)], r=4).result.converged
    assert guesses[0] == {} and guesses[1] == pytest.approx(TRUE, rel=0.05)


def test_a_budget_that_is_spent_is_told(
    system: lagc.System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "_MOST_EVALUATIONS", 5)
    chosen = select(system, [recording(0.02)], r=4)
    assert not chosen.result.converged
    assert "the selection ended after" in chosen.result.notes[-1]


def test_nothing_is_compared_where_no_model_follows(spring: lagc.System) -> None:
    random = np.random.default_rng(0)
    t, values = np.arange(80) * 0.1, random.normal(size=(80, 2))
    chosen = select(spring, [Recording("noise", t, values[:, :1], values[:, 1:])])
    assert not chosen.result.converged
    assert len(chosen.candidates) == 1
    assert "terms were not compared" in chosen.result.notes[-1]


SOFT = (
    "coordinate q\ncoefficient k{k}\ncoefficient b = 0\ncoefficient c = 0\ncoefficient d = 0\n"
    "L = 1/2*q'^2 - 1/2*k*q^2 - 1/4*b*q^4\nK = -c*q'_+*q_- - d*q'_+^3*q_-\n"
)


def motion(k: float, b: float, c: float, start: tuple[float, float]) -> tuple[np.ndarray, ...]:
    """Times, positions and velocities of q'' = -k q - b q^3 - c q'."""
    t = np.linspace(0, 12, 100)
    found = solve_ivp(
        lambda _, y: [y[1], -k * y[0] - b * y[0] ** 3 - c * y[1]],
        (0, 12),
        start,
        method="DOP853",
        t_eval=t,
        rtol=1e-11,
        atol=1e-12,
    )
    return t, *found.y


@pytest.mark.parametrize(
    ("time", "length"), [(1.0, 1.0), pytest.param(1e3, 1e-9, marks=pytest.mark.long)]
)
def test_velocities_alone_lead_to_the_same_minimum(time: float, length: float) -> None:
    """The regression leads to an oscillation about another place, which follows them half way."""
    t, _, v = motion(3, 0.5, 0.1, (1, 0))
    noisy = v + 0.01 * np.random.default_rng(9).normal(size=t.size)
    data = Recording("v", t * time, None, (noisy * length / time)[:, None])
    chosen = select(lagc.loads(SOFT.format(k=" = 0")), [data])
    assert chosen.result.converged and not {"k", "b", "c"} & set(chosen.without)
    for name, value in (("k", 3 / time**2), ("b", 0.5 / (time * length) ** 2), ("c", 0.1 / time)):
        estimate = chosen.result.coefficients[name]
        assert abs(estimate.value - value) < 4 * estimate.std < 0.2 * value, name


@pytest.mark.long
def test_a_loud_recording_does_not_leave_out_what_a_quiet_one_shows() -> None:
    random, data = np.random.default_rng(3), []
    for name, start, level in (("quiet", (1, 0), 1e-3), ("loud", (0, 2), 0.5)):
        t, q, _ = motion(3, 0.02, 0.02, start)
        data.append(Recording(name, t, (q + level * random.normal(size=t.size))[:, None]))
    chosen = select(lagc.loads(SOFT.format(k=" > 0 = 1")), data)
    assert chosen.result.converged and chosen.without == ("d",)
    c = chosen.result.coefficients["c"]
    assert abs(c.value - 0.02) < 4 * c.std < 8e-4
