"""Fits against exact solutions and an independent integrator: values, intervals, gauges."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.gauge import describe, representatives, structural_null_space

NAMES = ("c1", "c2", "c3")
SCALE = "the data do not fix the overall scale: c1 is held at 0.5; only ratios to it are determined"


@pytest.mark.parametrize(
    ("rows", "c"),
    [
        (100, (2.0, 3.0, 1.0)),
        (100, (0.5, 0.5, 0.1)),
        pytest.param(400, (1.0, 10.0, 0.05), marks=pytest.mark.long),
    ],
)
def test_exact_momenta_give_back_every_coefficient(dho, record, c, rows):
    result = fit(dho, [record(c, rows, "p")])
    assert result.converged and result.gauge == () and result.notes == ()
    assert result.observations == 2 * rows
    for name, true in zip(NAMES, c, strict=True):
        estimate = result.coefficients[name]
        assert estimate.value == pytest.approx(true, rel=1e-10)
        # Only discretisation is left, also that of the data were they computed row by row.
        assert abs(estimate.value - true) < 5 * estimate.std < 1e-7 * true


def test_velocities_leave_the_scale_open(dho, record):
    result = fit(dho, [record((2.0, 3.0, 1.0), 100, "v")])
    assert result.gauge == (SCALE,)
    assert result.coefficients["c1"].value == 0.5
    assert result.coefficients["c1"].std is None
    assert not result.coefficients["c1"].identifiable
    assert result.coefficients["c2"].value == pytest.approx(0.75, rel=1e-10)
    assert result.coefficients["c3"].value == pytest.approx(0.25, rel=1e-10)


def test_fixing_one_coefficient_fixes_the_scale(dho, record):
    result = fit(dho, [record((2.0, 3.0, 1.0), 100, "v")], fixed={"c2": 3.0})
    assert result.gauge == () and result.fixed == ("c2",)
    assert result.coefficients["c1"].value == pytest.approx(2.0, rel=1e-10)
    assert result.coefficients["c3"].value == pytest.approx(1.0, rel=1e-10)


def test_long_fast_record_from_a_slow_guess(dho, record):
    c = (1.0, 10.0, 0.05)
    result = fit(dho, [record(c, 1000, "p", noise=0.01, seed=3)])
    for name, true in zip(NAMES, c, strict=True):
        estimate = result.coefficients[name]
        assert abs(estimate.value - true) < 4 * estimate.std < 0.05 * true


def test_intervals_cover_the_truth_about_as_often_as_they_say(dho, record):
    c, seeds = (0.5, 0.5, 0.1), 60
    covered = 0
    for seed in range(seeds):
        result = fit(dho, [record(c, 100, "p", noise=0.01, seed=seed)])
        for name, true in zip(NAMES, c, strict=True):
            low, high = result.coefficients[name].interval95
            covered += low <= true <= high
    # 180 intervals, about 100 of them independent: 95 % +- 2 standard deviations of 2.2 %.
    assert 0.90 <= covered / (3 * seeds) < 1.0


def test_noise_levels_are_found_for_each_channel(dho, record):
    recording = record((0.5, 0.5, 0.1), 1000, "p", noise=0.01, seed=1)
    exact = record((0.5, 0.5, 0.1), 1000, "p")
    result = fit(dho, [recording])
    for name, noisy, true in (("q", recording.q, exact.q), ("p[q]", recording.p, exact.p)):
        expected = np.sqrt(np.mean((noisy - true) ** 2))
        assert result.residual_rms[name] == pytest.approx(expected, rel=0.03)


def test_a_noisy_channel_does_not_spoil_a_good_one(dho, record):
    good, bad = record((0.5, 0.5, 0.1), 1000, "v"), record((0.5, 0.5, 0.1), 1000, "v", noise=0.3)
    noisy = Recording("x", good.times, good.q, bad.v)
    result = fit(dho, [noisy])
    assert result.coefficients["c2"].value == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("slope", [-0.3, -0.27])
def test_a_channel_that_can_be_followed_exactly_does_not_decide_alone(dho, slope):
    # Three rows of q for four unknowns: its residual says nothing, whatever its noise.
    t = np.array([0.0, 0.1, 0.2])
    q, v = np.array([[1.0], [0.99], [0.97]]), np.array([[0.0], [-0.1], [slope]])
    result = fit(dho, [Recording("short", t, q, v)])
    c2 = result.coefficients["c2"]
    assert result.residual_rms["q'"] > 1e-3
    if result.converged:
        assert c2.std > 0.01 and c2.interval95[1] - c2.interval95[0] > 6 * c2.std
    else:
        assert c2.std is None and any("does not follow" in note for note in result.notes)


def test_short_good_and_long_bad_channels_are_covered(dho, oscillation):
    # Five rows of q among forty of q': the noise of q is hardly known, and intervals allow for it.
    c, t, covered, seeds = (0.5, 0.5, 0.1), np.arange(40) * 0.1, 0, 40
    exact_q, exact_v, _ = oscillation(t, c)
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        q, v = (x[:, None] + 0.02 * random.normal(size=(40, 1)) for x in (exact_q, exact_v))
        q[np.arange(40) % 8 > 0] = np.nan
        result = fit(dho, [Recording("mixed", t, q, v)])
        low, high = result.coefficients["c2"].interval95
        covered += low <= 0.5 <= high
    assert covered >= 0.85 * seeds


def test_a_record_that_is_not_followed_says_nothing(pendulum):
    # Far from any pendulum, so that the end of the search is no minimum worth a statement.
    t, random = np.linspace(0, 10, 150), np.random.default_rng(1)
    theta = np.cumsum(random.normal(size=(150, 1)), axis=0)
    result = fit(pendulum, [Recording("walk", t, theta)])
    assert not result.converged and any("does not follow" in note for note in result.notes)
    assert all(e.std is None and not e.identifiable for e in result.coefficients.values())
    # What no data of this kind determine is known without a fit.
    assert result.gauge == ("the data do not depend on m: it is held at 1",)


def test_several_recordings_of_different_length_share_coefficients(dho, record):
    c = (2.0, 3.0, 1.0)
    states = [(1.0, 0.0, 50), (-0.5, 2.0, 30), (0.0, 1.0, 41)]
    data = [record(c, rows, "p", q0=q0, v0=v0) for q0, v0, rows in states]
    result = fit(dho, data)
    assert result.values == pytest.approx(dict(zip(NAMES, c, strict=True)), rel=1e-9)
    for (q0, v0, _), state in zip(states, result.initial_states, strict=True):
        assert state.values["q"].value == pytest.approx(q0, abs=1e-9)
        assert state.values["q'"].value == pytest.approx(v0, abs=1e-9)


def test_missing_values_and_uneven_times(dho, oscillation):
    random = np.random.default_rng(5)
    t = np.sort(random.uniform(3, 11, 100))
    q, _, p = oscillation(t, (2.0, 3.0, 1.0))
    q, p = (np.where(random.random(100) < 0.4, np.nan, x)[:, None] for x in (q, p))
    result = fit(dho, [Recording("gaps", t, q, None, p)])
    expected = {"c1": 2.0, "c2": 3.0, "c3": 1.0}
    assert result.values == pytest.approx(expected, rel=1e-9)
    assert result.initial_states[0].t == t[0]


@pytest.mark.parametrize("apart", [1e-10, 1e-13])
def test_rows_that_are_almost_at_one_time(dho, oscillation, apart):
    t = np.sort(np.concatenate([np.arange(38) * 0.1, [1.0 + apart, 2.0 + apart]]))
    assert np.diff(t).min() > 0
    q, _, p = oscillation(t, (2.0, 3.0, 1.0))
    noise = 1e-3 * np.random.default_rng(1).normal(size=(2, len(t)))
    seen = Recording("twice", t, (q + noise[0])[:, None], None, (p + noise[1])[:, None])
    result = fit(dho, [seen])
    assert result.converged and result.observations == 2 * len(t)
    for name, value in (("c1", 2.0), ("c2", 3.0), ("c3", 1.0)):
        estimate = result.coefficients[name]
        assert abs(estimate.value - value) < 4 * estimate.std


def test_a_coefficient_on_its_bound_is_reported(dho, record):
    result = fit(dho, [record((0.5, 0.5, 0.0), 100, "p", noise=0.01, seed=2)])
    c3 = result.coefficients["c3"]
    assert c3.interval95[0] >= 0
    if c3.value < 1e-3 * c3.std:
        assert any("c3 ends on its bound 0" in note for note in result.notes)
    clean = fit(dho, [record((0.5, 0.5, 0.0), 100, "p")])
    assert any("c3 ends on its bound 0" in note for note in clean.notes)
    assert clean.coefficients["c2"].value == pytest.approx(0.5, rel=1e-9)


def pendulum_motion(w2: float, c: float, theta: float, speed: float, t: np.ndarray) -> np.ndarray:
    solution = solve_ivp(
        lambda _, y: [y[1], -w2 * np.sin(y[0]) - c * y[1]],
        (t[0], t[-1]),
        [theta, speed],
        t_eval=t,
        method="DOP853",
        rtol=1e-12,
        atol=1e-12,
    )
    return solution.y


def test_wrapped_angles_of_a_whirling_pendulum(pendulum):
    t = np.linspace(0, 10, 150)
    theta = pendulum_motion(4.0, 0.05, 1.0, 5.0, t)[0]
    assert np.ptp(theta) > 4 * np.pi  # it goes round
    wrapped = (theta + np.pi) % (2 * np.pi) - np.pi
    result = fit(pendulum, [Recording("whirl", t, wrapped[:, None])])
    assert result.coefficients["w2"].value == pytest.approx(4.0, rel=1e-7)
    assert result.coefficients["c"].value == pytest.approx(0.05, rel=1e-7)
    assert result.gauge == ("the data do not depend on m: it is held at 1",)


def test_data_at_rest_determine_nothing_and_say_so(pendulum):
    t, zero = np.linspace(0, 10, 150), np.zeros((150, 1))
    result = fit(pendulum, [Recording("rest", t, zero, zero)])
    assert len(result.gauge) == 3
    assert not any(e.identifiable for e in result.coefficients.values())


def test_a_recorded_input_drives_the_model(driven):
    t = np.linspace(0, 15, 301)
    u = np.sin(1.3 * t)
    solution = solve_ivp(
        lambda s, y: [y[1], -y[0] - 0.4 * y[1] + np.cos(1.7 * s) + np.interp(s, t, u)],
        (0, 15),
        [0.0, 0.0],
        t_eval=t,
        method="DOP853",
        rtol=1e-11,
        atol=1e-11,
        max_step=0.05,
    )
    recording = Recording("driven", t, solution.y[:1].T, inputs={"u": u})
    result = fit(driven, [recording])
    assert result.coefficients["gamma"].value == pytest.approx(0.2, rel=1e-6)
    assert result.coefficients["omega"].value == pytest.approx(1.7, rel=1e-6)


def test_wrong_model_is_noticed(dho, oscillation):
    t = np.arange(1000) * 0.1
    q = oscillation(t, (0.5, 0.5, 0.1))[0] + 0.2 * np.sin(2.7 * t)
    result = fit(dho, [Recording("two tones", t, q[:, None])])
    assert any("residual" in note for note in result.notes)


def test_result_is_json(dho, record):
    result = fit(dho, [record((2.0, 3.0, 1.0), 100, "v", noise=0.01)])
    read = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert read["model"] == "dho" and read["converged"] is True and read["observations"] == 200
    assert set(read["residual_rms"]) == {"q", "q'", "overall"}
    assert read["gauge"] == [SCALE]
    assert read["coefficients"]["c1"] == {
        "value": 0.5,
        "std": None,
        "interval95": None,
        "identifiable": False,
    }
    assert read["coefficients"]["c2"]["identifiable"] is True
    low, high = read["coefficients"]["c2"]["interval95"]
    assert low < read["coefficients"]["c2"]["value"] < high


def refusal(*args, **options) -> tuple[Code, str]:
    with pytest.raises(LagcError) as caught:
        fit(*args, **options)
    diagnostic = caught.value.diagnostics[0]
    return diagnostic.code, f"{diagnostic.message} {diagnostic.help}"


def test_refusals_of_values(dho, record):
    data = [record((2.0, 3.0, 1.0), 40, "p")]
    assert refusal(dho, data, guess={"c4": 1.0})[0] is Code.LAG503
    assert refusal(dho, data, fixed={"c1": -1.0})[0] is Code.LAG504
    assert refusal(dho, data, r=129)[0] is Code.LAG509
    assert refusal(dho, [])[0] is Code.LAG601


def test_refusal_of_too_few_observations(dho, record):
    code, words = refusal(dho, [record((2.0, 3.0, 1.0), 2, "p")])
    assert code is Code.LAG601 and "4 observed values cannot determine" in words


def test_refusal_of_missing_input(driven):
    recording = Recording("x", np.arange(10.0), np.zeros((10, 1)))
    code, words = refusal(driven, [recording])
    assert code is Code.LAG601 and "input `u`" in words


def test_coefficient_without_default_needs_a_guess():
    text = "model m\ncoordinate q\ncoefficient k > 0{law}\nL = 1/2*q'^2 - 1/2*k*q^2"
    t = np.arange(30) * 0.05
    data = [Recording("x", t, np.cos(1.5 * t)[:, None])]
    code, words = refusal(lagc.loads(text.format(law="")), data)
    assert code is Code.LAG502 and "--guess k=VALUE" in words
    with_law = fit(lagc.loads(text.format(law=" ~ loguniform(0.1, 100)")), data)
    assert with_law.coefficients["k"].value == pytest.approx(2.25, rel=1e-9)


def test_models_with_neural_terms_are_refused():
    text = "model m\ncoordinate q\ncoefficient m > 0 = 1\nneural V(q) = mlp(4)\nL = m*q'^2 - V(q)"
    recording = Recording("x", np.arange(10.0), np.zeros((10, 1)))
    code, words = refusal(lagc.loads(text), [recording])
    assert code is Code.LAG601 and "neural" in words


def test_a_guess_whose_trajectory_is_lost_at_once():
    text = "model m\ncoordinate q\ncoefficient k > 0 = 1\nL = 1/2*q'^2 - k*sqrt(q)"
    recording = Recording("x", np.arange(20.0), np.full((20, 1), -1.0))
    code, words = refusal(lagc.loads(text), [recording], r=0)
    assert code is Code.LAG602 and "--guess" in words


def test_structural_null_space_of_a_scale_and_of_nothing():
    random = np.random.default_rng(0)
    ratios = random.normal(size=(50, 2))
    # Columns add up to zero: a common relative change of all three is invisible.
    sensitivity = np.column_stack([ratios, -ratios.sum(axis=1)])
    null = structural_null_space(sensitivity)
    np.testing.assert_allclose(np.abs(null[:, 0]), 3**-0.5, rtol=1e-12)
    (held,) = representatives(null, 3)
    assert held.index == 0  # all take part alike: the first declared
    np.testing.assert_allclose(held.direction, 1, rtol=1e-10)
    assert structural_null_space(random.normal(size=(50, 3))).shape == (3, 0)


def test_rows_whose_squares_overflow_keep_their_direction():
    rows = np.array([[1e200, 1e200, 0.0], [2e200, 2e200, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1e-3]])
    null = structural_null_space(rows)
    np.testing.assert_allclose(np.abs(null[:, 0]), [0.5**0.5, 0.5**0.5, 0], atol=1e-12)


def test_growth_in_time_does_not_hide_a_direction():
    random = np.random.default_rng(1)
    sensitivity = random.normal(size=(60, 3)) * np.exp(np.linspace(0, 60, 60))[:, None]
    assert structural_null_space(sensitivity).shape == (3, 0)


def test_sentences_for_two_directions_do_not_contradict_each_other():
    # Only a + b + c is seen: two are held, and neither sentence calls the other determined.
    null = np.linalg.svd(np.ones((1, 3)))[2][1:].T
    held = representatives(null, 3)
    indices = {h.index for h in held}
    assert len(indices) == 2
    (free,) = {0, 1, 2} - indices
    names = ("k1", "k2", "k3")
    values = dict.fromkeys(names, 1.0)
    for one in held:
        words = describe(one, names, values, names, indices).sentence
        assert f"{names[free]} is determined given all values held" in words
        (other,) = indices - {one.index}
        assert names[other] not in words


def test_the_largest_participant_is_held():
    null = np.array([[0.6], [0.0], [0.8]])
    (held,) = representatives(null, 3)
    assert held.index == 2
    np.testing.assert_allclose(held.direction, [0.75, 0, 1])
