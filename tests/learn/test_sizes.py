"""Fits whose starts, or units, are many orders of magnitude from what is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.fit_result import FitResult
from lagc.learn.gauge import structural_null_space
from lagc.learn.problem import Problem, hold_structural
from lagc.learn.sizes import effects
from lagc.learn.structure import REPEATS, without_round_off

T = np.linspace(0, 10, 100)
NOISE = 0.01 * np.random.default_rng(0).normal(size=T.size)


def oscillator(terms: str = "", declared: str = "", k: str = "1", c: str = "0.1") -> lagc.System:
    return lagc.loads(
        f"coordinate x\ncoefficient k >= 0 = {k}\ncoefficient c >= 0 = {c}\n{declared}\n"
        f"L = 1/2*x'^2 - 1/2*k*x^2 {terms}\nK = -c*x'_+*x_-\n"
    )


QUARTIC = oscillator("- 1/4*b*x^4", "coefficient b = 0.1")
LINEAR = oscillator()
CONSTANT = oscillator("+ g*x", "coefficient g = 0.1")


def simulated(k: float, c: float, b: float = 0.0, g: float = 0.0, start=(0.6, 0.3)) -> np.ndarray:
    """Positions of x'' = g - k x - b x^3 - c x' at the times T: (m,)."""

    def slope(t: float, y: np.ndarray) -> list[float]:
        return [y[1], g - k * y[0] - b * y[0] ** 3 - c * y[1]]

    return solve_ivp(slope, (0, T[-1]), start, t_eval=T, rtol=1e-11, atol=1e-13).y[0]


def recorded(x: np.ndarray, scale: float = 1.0) -> Recording:
    return Recording("x", T * scale, x[:, None])


def assert_same(found: FitResult, expected: FitResult) -> None:
    """Values to a part of their errors, errors to 1 %, and nothing held or noted."""
    assert found.converged and expected.converged
    assert found.gauge == found.notes == expected.gauge == expected.notes == ()
    assert found.substeps == expected.substeps == 1
    own, wanted = (
        [*r.coefficients.values(), *r.initial_states[0].values.values()] for r in (found, expected)
    )
    for one, other in zip(own, wanted, strict=True):
        assert one.identifiable and other.identifiable
        assert one.value == pytest.approx(other.value, abs=1e-3 * other.std)
        assert one.std == pytest.approx(other.std, rel=1e-2)


@pytest.fixture(scope="module")
def quartic_fit() -> FitResult:
    return fit(QUARTIC, [recorded(simulated(2, 0.1, 0.5) + NOISE)])


@pytest.mark.parametrize(
    "guess",
    [
        {"b": 1e-10},
        pytest.param({"b": 1e-20, "c": 1e-9}, marks=pytest.mark.long),
        pytest.param({"k": 1e10}, marks=pytest.mark.long),
    ],
)
def test_no_coefficient_is_lost_for_its_start(quartic_fit, guess):
    found = fit(QUARTIC, [recorded(simulated(2, 0.1, 0.5) + NOISE)], guess=guess)
    assert_same(found, quartic_fit)
    assert found.values["k"] == pytest.approx(2, abs=3 * found.coefficients["k"].std)


def test_defaults_and_middles_of_laws_that_are_almost_zero(quartic_fit):
    for declared in ("coefficient b = 1e-10", "coefficient b ~ uniform(-1e-10, 1.2e-10)"):
        system = oscillator("- 1/4*b*x^4", declared)
        problem = Problem.of(system, [recorded(simulated(2, 0.1, 0.5) + NOISE)], {}, {}, 2)
        _, held = hold_structural(problem)
        assert held == []


def test_a_coefficient_that_is_hardly_seen_is_reported_so():
    noisy = [recorded(simulated(2, 0.02) + 10 * NOISE)]
    assert_same(fit(LINEAR, noisy, guess={"c": 1e-9}), fit(LINEAR, noisy))


@pytest.mark.parametrize("scale", [1e5, pytest.param(1e7, marks=pytest.mark.long)])
def test_units_of_time_do_not_matter(scale):
    x = simulated(9, 0.5, start=(1, 0.5)) + NOISE
    found = fit(LINEAR, [recorded(x, scale)])
    near = fit(LINEAR, [recorded(x, scale)], guess={"k": 10 / scale**2, "c": 1 / scale})
    assert_same(found, near)
    unit = fit(LINEAR, [recorded(x)])
    for name, power in (("k", 2), ("c", 1)):
        one, other = found.coefficients[name], unit.coefficients[name]
        assert one.value * scale**power == pytest.approx(other.value, abs=1e-3 * other.std)
        assert one.std * scale**power == pytest.approx(other.std, rel=1e-2)


@pytest.mark.long
def test_starts_that_are_too_small_and_too_large_at_once():
    x = simulated(0.5, 0.4, g=9.0, start=(1, 0)) + 0.1 * NOISE
    start = {"k": 1.0, "c": 1e-5, "g": 1e-9}
    found = fit(CONSTANT, [recorded(x, 1e4)], guess=start)
    assert_same(found, fit(CONSTANT, [recorded(x, 1e4)], guess={"k": 4e-9, "c": 3e-5, "g": 8e-8}))


def gauge_names(system: lagc.System, recording: Recording) -> dict[str, np.ndarray]:
    problem = Problem.of(system, [recording], {}, {}, 2)
    _, held = hold_structural(problem)
    return {problem.labels[h.index]: h.direction for h in held}


def test_what_no_data_can_see_is_held_beside_a_start_that_is_almost_zero():
    """Round-off of cancelling terms is no effect, though it is larger than that of b at its
    start."""
    system = oscillator(
        "- 1/4*b*x^4 + d*sin(x)^2 + d*cos(x)^2 + e*exp(x)*x'",
        "coefficient b = 1e-18\ncoefficient d = 1\ncoefficient e = 1e6",
    )
    recording = recorded(simulated(2, 0.1, 0.5))
    assert set(gauge_names(system, recording)) == {"d", "e"}
    problem = Problem.of(system, [recording], {}, {}, 2)
    largest = effects(problem.setting, problem.start)
    assert np.isfinite(largest[:3]).all() and np.isinf(largest[3:]).all()


def test_a_scale_has_all_its_coefficients_however_small_they_start():
    system = lagc.loads(
        "coordinate x\ncoefficient m > 0 = 1\ncoefficient k >= 0 = 1\ncoefficient c >= 0 = 1e-20\n"
        "L = 1/2*m*x'^2 - 1/2*k*x^2\nK = -c*x'_+*x_-\n"
    )
    ((name, direction),) = gauge_names(system, recorded(simulated(2, 0.1))).items()
    assert name == "m"
    assert direction == pytest.approx([1, 1, 1, 0, 0], abs=1e-6)


def test_trajectories_too_tell_round_off_from_small_effects():
    """From velocities alone, where nothing depends on the position."""
    system = lagc.loads(
        "coordinate x\ncoefficient c >= 0 = 1e-13\ncoefficient d = 1\n"
        "L = 1/2*x'^2 + d*x*x'\nK = -c*x'_+*x_-\n"
    )
    recording = Recording("v", T, v=np.exp(-0.1 * T)[:, None])
    assert set(gauge_names(system, recording)) == {"d", "the initial x"}


FROM_ZERO = lagc.loads(
    "coordinate x\n" + "".join(f"coefficient {name} = 0\n" for name in "kbcd") + "L = 1/2*x'^2"
    " - 1/2*k*x^2 - 1/4*b*x^4\nK = -c*x'_+*x_- - d*x'_+^3*x_-\n"
)


@pytest.mark.parametrize(("time", "length"), [(1e3, 1.0), (1e3, 1e-9), (1e-6, 1e3)])
def test_velocities_in_other_units_lose_no_coefficient(time: float, length: float) -> None:
    """All start at zero, and nothing but the data says how large they are."""
    v = np.gradient(simulated(2, 0.1, 0.5), T)
    recording = Recording("v", T * time, v=(v * length / time)[:, None])
    assert not gauge_names(FROM_ZERO, recording)


def driven(w: float, unit: float = 1.0, more: str = "", declared: str = "") -> lagc.System:
    """An oscillator with a drive of known frequency; starts in units of time of `unit`."""
    return lagc.loads(
        f"coordinate x\nconstant w = {w}\ncoefficient k >= 0 = {1.4 / unit**2}\n"
        f"coefficient c >= 0 = {0.1 / unit}\ncoefficient A = {0.65 / unit**2}\n"
        f"coefficient B = {0.33 / unit**2}\n{declared}\n"
        f"L = 1/2*x'^2 - 1/2*k*x^2 + (A*sin(w*t) + B*cos(w*t))*x {more}\nK = -c*x'_+*x_-\n"
    )


LATE = 1.7e9  # seconds since 1970


def test_late_times_and_fast_drives_hold_nothing():
    """The last digit of t is a part of 1e-6 of a period there, and the drive no round-off."""
    x = simulated(1.5, 0.2)
    for late in (1e6, LATE, 1e12):
        assert gauge_names(driven(2.0), Recording("x", late + T, x[:, None])) == {}
    for unit in (1e-15, 1e-7, 1e-4):
        assert gauge_names(driven(2e15, unit), recorded(x, unit)) == {}


def test_a_drive_of_more_periods_than_numbers_have_digits_is_held():
    assert set(gauge_names(driven(2e17), recorded(simulated(1.5, 0.2)))) == {"A", "B"}


@pytest.mark.parametrize(
    "term", ["d*(sin(t)^2 + cos(t)^2 - 1)*x", "d*(sin(w*t) - 2*sin(w*t/2)*cos(w*t/2))*x^2"]
)
def test_round_off_is_held_at_late_times_too(term):
    x = simulated(1.5, 0.2)
    for late in (0.0, LATE):
        system = driven(2.0, more=f"+ {term}", declared="coefficient d = 1")
        assert set(gauge_names(system, Recording("x", late + T, x[:, None]))) == {"d"}


def test_only_what_nothing_reproduces_is_round_off():
    random = np.random.default_rng(0)
    rows = random.normal(size=(80, 3))
    rows[:, 1] *= 1e-16 * np.exp(3 * random.normal(size=80))  # a few are much larger than others
    rows[:, 2] *= 1e-12
    again = []
    for _ in range(REPEATS):
        other = rows * (1 + 1e-3 * random.uniform(-1, 1, rows.shape))
        other[:, 1] = random.permutation(rows[:, 1])
        again.append(other)
    cleaned = without_round_off(rows, again)
    assert (cleaned[:, 1] == 0).all()
    assert (cleaned[:, [0, 2]] == rows[:, [0, 2]]).all()


def test_a_drive_is_fitted_in_seconds_since_1970():
    late, t = LATE, np.linspace(0, 40, 200)
    truth = {"k": 1.5, "c": 0.2, "A": 0.7, "B": 0.3}
    phase = 2 * (late % np.pi)

    def slope(t: float, y: np.ndarray) -> list[float]:
        drive = 0.7 * np.sin(2 * t + phase) + 0.3 * np.cos(2 * t + phase)
        return [y[1], drive - 1.5 * y[0] - 0.2 * y[1]]

    x = solve_ivp(slope, (0, 40), [1, 0], t_eval=t, rtol=1e-11, atol=1e-12).y[0]
    noisy = x + 0.01 * np.random.default_rng(1).normal(size=t.size)
    found = fit(driven(2.0), [Recording("late", late + t, noisy[:, None])])
    assert found.converged and found.gauge == ()
    for name, value in truth.items():
        estimate = found.coefficients[name]
        assert estimate.std < 3e-3 and abs(estimate.value - value) < 3 * estimate.std


def test_columns_of_any_size_keep_their_null_space():
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(20, 4))
    matrix[:, 3] = matrix[:, 0] - 2 * matrix[:, 1]
    sizes = np.array([1.0, 1e-7, 1e-14, 1e-7])
    null = structural_null_space(matrix * sizes, by_column=True)
    assert null.shape == (4, 1)
    assert null[:, 0] / null[3, 0] == pytest.approx([-1e-7, 2, 0, 1], abs=1e-6)
    assert structural_null_space(matrix * sizes).shape == (4, 2)
    matrix[:, 2] = 0.0
    assert structural_null_space(matrix * sizes, by_column=True).shape == (4, 2)
