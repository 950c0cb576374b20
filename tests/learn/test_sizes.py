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
