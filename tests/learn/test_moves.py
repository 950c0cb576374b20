"""What is moved at the end of a fit because the data should not notice, and do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from lagc.analysis.identifiability import identify
from lagc.analysis.motion import Motion
from lagc.base.diagnostics import LagcError
from lagc.learn.data import Recording
from lagc.learn.fit import fit, solve
from lagc.learn.images import outside_laws, several
from lagc.learn.moves import Cost
from lagc.learn.noise import Noise
from lagc.learn.posterior import posterior
from lagc.learn.problem import Problem, hold_structural
from lagc.learn.refine import Refined
from lagc.learn.signs import confirmed, find_ambiguities, on_the_side_of
from tests.mechanics.models import compile_text

T = np.linspace(0, 12, 121)
PULSE = """
coordinate x
coefficient A = 1
coefficient k > 0 = 1
L = 1/2*x'^2 - 1/2*k*x^2
force x = A*exp(-((t-50)/0.1)^2)
"""
CHANNELS = """
coordinate z
coordinate y
coefficient a = -1
coefficient k > 0 = 1
L = 1/2*z'^2 - 1/2*a^2*z^2 + 1/2*y'^2 - 1/2*k*y^2
force y = a
"""


def noisy(x: np.ndarray, seed: int) -> list[Recording]:
    noise = 0.01 * np.random.default_rng(seed).normal(size=x.size)
    return [Recording("x", T, (x + noise)[:, None])]


@pytest.mark.parametrize("bounds", ["", ">= 0"])
def test_a_coefficient_seen_by_its_square_stays_where_that_is_zero(bounds):
    system = lagc.loads(
        f"coordinate x\ncoefficient a {bounds} = 1\ncoefficient k > 0 = 1\n"
        "L = 1/2*x'^2 - 1/2*k*x^2 - 1/4*a^2*x^4\n"
    )
    # The square comes out below zero, and above it by less than its error.
    for seed, value in ((3, 0.0), (0, 0.065)):
        solution = solve(system, noisy(np.cos(np.sqrt(2) * T), seed))
        result = solution.result
        a, k = result.coefficients["a"], result.coefficients["k"]
        assert result.converged and result.residual_rms["x"] < 0.0115
        assert a.value == pytest.approx(value, abs=1e-2) and a.std is None and a.held == ""
        # With s = a^2 free, k and s are known to 0.03: a is no more than the root of twice that.
        low, high = a.interval95
        assert 0.2 < high < 0.6 and low == (0 if bounds else pytest.approx(-high, rel=1e-3))
        assert k.interval95[0] < 2 < k.interval95[1] and 0.01 < k.std < 0.1
        said = "near a = 0 the data see only the square of a change of a"
        assert any(said in note for note in result.notes)
        assert not any("do not depend on a" in sentence for sentence in result.gauge)
        if not bounds:  # neither data nor a law say how wide a normal law would be
            with pytest.raises(LagcError, match="only powers of a change of a"):
                posterior(solution)


def test_two_that_can_be_exchanged_stay_where_they_are_equal():
    system = lagc.loads(
        "coordinate x\ncoefficient a > 0 = 0.5\ncoefficient b > 0 = 1.5\n"
        "L = 1/2*x'^2 - 1/2*a*b*x^2\nK = -0.2*(a + b)*x'_+*x_-\n"
    )
    rate = 0.3
    omega = np.sqrt(2.25 - rate**2)
    x = np.exp(-rate * T) * (np.cos(omega * T) + rate / omega * np.sin(omega * T))
    result = fit(system, noisy(x, 0))
    assert result.converged and result.residual_rms["x"] < 0.0115
    for estimate in result.coefficients.values():
        low, high = estimate.interval95
        assert low < 1.5 < high and 0.2 < high - low < 1
        assert estimate.std is None and estimate.held == ""
    assert any("of a and b against each other" in note for note in result.notes)


EXCHANGE = """
coordinate x
coefficient a {} = 1
coefficient b {} = 2
L = 1/2*x'^2 - 1/2*a*b*x^2
force x = -(a + b)*x'
"""
TEN = np.linspace(0, 10, 100)


def damped(d: float, seed: int) -> list[Recording]:
    """Positions with a = 1 - d and b = 1 + d, from (1, 1)."""
    own = (2 + d) / (2 * d) if d else 0.0
    x = own * np.exp((d - 1) * TEN) + (1 - own) * np.exp((-d - 1) * TEN)
    x = x if d else (1 + 2 * TEN) * np.exp(-TEN)
    noise = 0.01 * np.random.default_rng(seed).normal(size=x.size)
    return [Recording("x", TEN, (x + noise)[:, None])]


def test_a_start_next_to_a_fold_makes_no_difference():
    system = lagc.loads(EXCHANGE.format("", ""))
    system_bounded = lagc.loads(EXCHANGE.format("in [0, 1]", "in [1, 5]"))
    for seed in (1, 3):
        # From 1, where a is found to 0.002, from where it could not be told, and from elsewhere.
        first, *others = (
            fit(system, damped(0, seed), guess=g) for g in ({}, {"a": 0.97, "b": 1.4})
        )
        assert first.gauge == ("the data do not tell a from b: their values may be exchanged",)
        for one in (first, *others):
            for name, estimate in one.coefficients.items():
                low, high = estimate.interval95
                assert low < 1 < high and 0.3 < high - low < 0.5 and estimate.std is None
                assert estimate.interval95 == pytest.approx(
                    first.coefficients[name].interval95, abs=1e-4
                )
        # Bounds between which nothing can be exchanged cut the interval, and do nothing else.
        bounded = fit(system_bounded, damped(0, seed)).coefficients
        low, high = first.coefficients["a"].interval95
        assert bounded["a"].interval95 == pytest.approx((low, 1), abs=1e-3)
        assert bounded["b"].interval95 == pytest.approx((1, high), abs=1e-3)
        assert bounded["a"].std is None and bounded["b"].std is None


@pytest.mark.parametrize("d", [0.1, pytest.param(0.2, marks=pytest.mark.long)])
def test_intervals_near_a_fold_cover_the_truth(d):
    system = lagc.loads(EXCHANGE.format("", ""))
    covered, count = np.zeros(2), 100
    for seed in range(count):
        found = fit(system, damped(d, 1000 + seed)).coefficients.values()
        for i, one in enumerate(sorted(found, key=lambda e: e.value)):
            low, high = one.interval95
            covered[i] += low <= 1 + (2 * i - 1) * d <= high
    assert (covered >= 0.92 * count).all()


def test_a_product_is_no_fold():
    # Straight ahead, a change of a against b is seen by its square; but b makes up for a.
    system = lagc.loads(
        "coordinate x\ncoordinate y\ncoefficient a = 1.2\ncoefficient b = 1\n"
        "L = 1/2*x'^2 + 1/2*y'^2 - 1/2*a*b*x^2 - 1/2*a*y^2\n"
    )
    random = np.random.default_rng(0)
    x = np.cos(np.sqrt(2) * T) + 0.01 * random.normal(size=T.size)
    y = 1e-9 * random.normal(size=T.size)  # at rest, and so silent on a
    result = fit(system, [Recording("x", T, np.stack([x, y], 1))], sigma={"y": 0.01})
    assert result.coefficients["a"].value == 1.2 and result.coefficients["a"].held == "by choice"
    assert result.coefficients["b"].value == pytest.approx(2 / 1.2, rel=1e-2)
    assert any("do not determine a and b separately" in sentence for sentence in result.gauge)


PHASE = """
coordinate x
coefficient A > 0 = 1
coefficient ph in [0, 2*pi] = 0.5
L = 1/2*x'^2 - 1/2*x^2
force x = A*cos(2*t + ph)
"""


def driven(phase: float) -> np.ndarray:
    """From rest at 1, under 0.8 cos(2 t + phase)."""
    free = 1 + 0.8 / 3 * np.cos(phase), -1.6 / 3 * np.sin(phase)
    return free[0] * np.cos(T) + free[1] * np.sin(T) - 0.8 / 3 * np.cos(2 * T + phase)


def test_a_phase_goes_on_at_the_other_end_of_its_bounds():
    system = lagc.loads(PHASE)
    result = fit(system, noisy(driven(5.9), 0))
    phase = result.coefficients["ph"]
    assert result.converged and abs(phase.value - 5.9) < 4 * phase.std < 0.05
    assert not any("bound" in note for note in result.notes)
    near = fit(system, noisy(driven(6.278), 0), guess={"ph": 3.0})
    assert any("both bounds of ph, 0 and 6.28319, are the same phase" in n for n in near.notes)
    assert not any("one-sided" in note for note in near.notes)


def test_laws_choose_among_images():
    system = lagc.loads(PHASE.replace("in [0, 2*pi] = 0.5", "= 6 ~ uniform(0, 2*pi)"))
    solution = solve(system, noisy(driven(0.2), 0))
    assert solution.result.values["ph"] == pytest.approx(0.2, abs=0.03)
    assert "that the laws admit" in solution.result.gauge[-1]
    setting, x = solution.refined.setting, solution.refined.x
    beyond = x + np.array([0, 2 * np.pi, 0, 0])
    assert outside_laws(setting, x) == [] and outside_laws(setting, beyond) == [1]
    assert not several(setting, solution.ambiguities, x)
    assert several(setting, solution.ambiguities, beyond)
    assert not any("mode" in note for note in posterior(solution).notes)
    away = replace(solution, refined=replace(solution.refined, x=beyond))
    notes = " ".join(posterior(away).notes)
    assert "outside the law of ph" in notes and "one mode of several" in notes


def test_what_is_known_does_not_depend_on_the_start(dho, record):
    data = [record((0.5, 0.5, 0.1), 100, "p", noise=0.01)]
    first, second = (fit(dho, data, guess={"c2": c2}) for c2 in (0.4, 40.0))
    assert second.values == pytest.approx(first.values, rel=1e-6)
    values = [r.identification.singular_values for r in (first, second)]
    assert values[1] == pytest.approx(values[0], rel=1e-4)


def test_a_pulse_that_is_missed_at_most_times_is_no_phase():
    t = np.linspace(0, 100, 1001)
    times = Recording("x", t, np.cos(t)[:, None])
    problem = Problem.of(lagc.loads(PULSE), [times], {}, {}, 2)
    assert find_ambiguities(problem, problem.setting) == ()
    assert hold_structural(problem)[1] == []
    nodes = compile_text(PULSE).nodes
    found = identify(nodes, Motion(nodes.model))
    assert found is not None
    assert found.positions.signs == found.positions.shifts == ()


def test_a_large_channel_does_not_hide_what_a_small_one_sees():
    system, noise = lagc.loads(CHANNELS), np.random.default_rng(0).normal(size=(121, 2))
    # From rest at 1e7 and at 1, with k = 2.
    z, y = np.cos(1.3 * T), 0.65 + 0.35 * np.cos(np.sqrt(2) * T)
    data = [Recording("x", T, (np.column_stack([z, y]) + 0.01 * noise) * np.array([1e7, 1.0]))]
    problem = Problem.of(system, data, {}, {}, 2)
    assert find_ambiguities(problem, problem.setting) == ()
    # The start is on the other side, from where the force on y leads to the right one.
    result = fit(system, data)
    assert result.converged and result.gauge == result.notes == ()
    assert result.coefficients["a"].value == pytest.approx(1.3, abs=2e-3)


def test_an_image_that_costs_more_is_neither_taken_nor_claimed():
    text = "coordinate x\ncoefficient a = -1\nL = 1/2*x'^2 - 1/2*a^2*x^2\n"
    mirror = lagc.loads(text)
    odd = lagc.loads(text.replace("a^2*x^2", "a^2*x^2 + a/10*x"))
    motion = solve_ivp(
        lambda _, y: [y[1], -1.69 * y[0] + 0.13], (0, 12), [1, 0], t_eval=T, rtol=1e-10, atol=1e-12
    )
    for system, taken in ((mirror, True), (odd, False)):
        data = noisy(motion.y[0], 1)
        claimed = Problem.of(mirror, data, {}, {}, 2)
        ambiguities = find_ambiguities(claimed, claimed.setting)
        assert len(ambiguities) == 1
        problem = Problem.of(system, data, {}, {}, 2)
        x = np.array([1.3, 1.0, 0.0])
        noise = Noise.unknown(problem.setting)
        refined = Refined(problem.setting, x, True, {}, (), noise)
        cost = Cost.of(refined, problem.channels)
        assert on_the_side_of(problem.start, refined, ambiguities, cost)[0] == (
            -1.3 if taken else 1.3
        )
        assert confirmed(ambiguities, x, cost) == (ambiguities if taken else ())
