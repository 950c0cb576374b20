"""Many systems polished at once, against exact solutions and the search of a single fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.batch import Batch, make_batch
from lagc.learn.data import Recording
from lagc.learn.least_squares import search
from lagc.learn.noise import estimate_noise
from lagc.learn.polish import Polished, polish
from lagc.learn.problem import Problem
from tests.learn.conftest import damped_oscillation

NAMES = ("c1", "c2", "c3")
ROWS, N = 41, 24
R = 5
SIGMA = np.array([0.01, 0.03])


def truths() -> np.ndarray:
    """Underdamped oscillators, (n, 3)."""
    low, high = np.array([0.5, 1.0, 0.05]), np.array([3.0, 9.0, 1.0])
    return low + (high - low) * np.random.default_rng(1).random((N, 3))


def exact(c: np.ndarray, dt: np.ndarray) -> np.ndarray:
    """q and p from q = 1, q' = 0.5 at rows `dt` apart: (n, rows, 2)."""
    grids = [h * np.arange(ROWS) for h in dt]
    runs = [damped_oscillation(t, tuple(x), 1.0, 0.5) for x, t in zip(c, grids, strict=True)]
    return np.array([np.stack([q, p], axis=-1) for q, _, p in runs])


def start_of(c: np.ndarray, error: float) -> np.ndarray:
    return c * (1 + error * np.random.default_rng(2).uniform(-1, 1, c.shape))


@pytest.fixture(scope="module")
def steps() -> np.ndarray:
    return np.linspace(0.08, 0.12, N)


@pytest.fixture(scope="module")
def noisy(dho, steps) -> Batch:
    """Each system with its own step and its own gaps."""
    random = np.random.default_rng(3)
    data = exact(truths(), steps) + SIGMA * random.normal(size=(N, ROWS, 2))
    seen = random.random(data.shape) > 0.2
    return make_batch(dho.spec, data, ("q", "p[q]"), dt=steps, q0=1.0, v0=0.5, seen=seen)


@pytest.fixture(scope="module")
def free(dho, noisy) -> Polished:
    """The noisy systems with unknown initial states and unknown noise."""
    return polish(dho, noisy, start_of(truths(), 0.3), states_known=False, r=R)


def test_exact_solutions_give_back_every_coefficient_and_state(dho, steps):
    c = truths()
    batch = make_batch(dho.spec, exact(c, steps), ("q", "p[q]"), dt=steps, q0=0.9, v0=0.7)
    result = polish(dho, batch, start_of(c, 0.4), states_known=False, r=R)
    assert result.converged.all()
    np.testing.assert_allclose(result.coefficients, c, rtol=1e-10)
    np.testing.assert_allclose(result.states[:, :, 0], [[1.0, 0.5]] * N, atol=1e-10)
    assert (result.residual_rms < 1e-11).all()


def test_same_minima_errors_and_noise_as_a_single_fit(dho, noisy, free):
    assert free.converged.all()
    for i in range(0, N, 6):
        q, p = (noisy.values[i, :, k, None] for k in (0, 1))
        recording = Recording("one", noisy.times[i], q, None, p)
        guess = dict(zip(NAMES, truths()[i].tolist(), strict=True))
        problem = Problem.of(dho, [recording], {}, guess, R)
        sigma = np.array([[free.sigma[i, 0]], [1.0], [free.sigma[i, 1]]])
        setting = replace(problem.setting, sigma=sigma).rescaled(problem.start)
        found = search(setting, problem.start, rough=False)
        assert found is not None and found.met
        # To the last digits by Gauss-Newton steps: a search ends by its sum of squares.
        x = found.x
        for _ in range(4):
            residual, matrix = setting.whitened_and_sensitivity(x)
            x = x - setting.sizes * np.linalg.lstsq(matrix, residual, rcond=None)[0]
        ours = np.concatenate([free.coefficients[i], free.states[i].reshape(-1)])
        np.testing.assert_allclose(ours, x, rtol=1e-9)
        _, matrix = setting.whitened_and_sensitivity(found.x)
        covariance = np.linalg.inv(matrix.T @ matrix) * np.outer(setting.sizes, setting.sizes)
        std = np.sqrt(np.diag(covariance))
        np.testing.assert_allclose(free.std[i], std[:3], rtol=1e-6)
        np.testing.assert_allclose(free.states_std[i, :, 0], std[3:], rtol=1e-6)
        # Levels settle to a percent, in both.
        noise = estimate_noise(setting, found.x, problem.channels, ()).sigma[[0, 2], 0]
        np.testing.assert_allclose(free.sigma[i], noise, rtol=0.01)


def test_intervals_are_those_of_the_normal_law_where_the_noise_is_known(dho, noisy, free):
    result = polish(dho, noisy, free.coefficients, noise=SIGMA, states_known=False, r=R)
    half = (result.interval95[..., 1] - result.interval95[..., 0]) / 2
    np.testing.assert_allclose(half, 1.959963984540054 * result.std, rtol=1e-9)
    off = (result.coefficients - truths()) / result.std
    # 72 standard normal numbers, most of them independent: mean square 1 +- 0.2.
    assert 0.5 < np.mean(off**2) < 1.6


def test_round_off_keeps_no_search_going(dho):
    """Heavy bodies without a spring, whose stiffness and friction the data hardly tell apart: no
    step that is left changes the sum of squares by what double precision shows."""
    random = np.random.default_rng(2)
    dt = np.linspace(0.05, 0.12, N)
    mass, friction = 2 * random.uniform(10, 20, N), random.uniform(2, 18, N)
    q0, p0 = random.normal(size=(2, N))
    decay = np.exp(-(friction / mass * dt)[:, None] * np.arange(ROWS))
    p = 0.3 * p0[:, None] * decay
    q = q0[:, None] + (p[:, :1] - p) / friction[:, None]
    data = np.stack([q, p], axis=-1)
    data += 0.01 * data.std(axis=1, keepdims=True) * random.normal(size=data.shape)
    begin = data[:, 0]
    v0 = begin[:, 1:] / mass[:, None]
    batch = make_batch(dho.spec, data, ("q", "p[q]"), dt=dt, q0=begin[:, :1], v0=v0)
    start = np.stack([mass / 2, np.full(N, 0.01), friction], axis=-1)
    assert polish(dho, batch, start, states_known=False, r=R).converged.all()


def test_far_starts_end_where_near_ones_do(dho, noisy, free):
    far = np.tile([20.0, 0.5, 10.0], (N, 1))
    result = polish(dho, noisy, far, states_known=False, r=R)
    assert result.converged.all() and result.restarted.any()
    np.testing.assert_allclose(result.coefficients, free.coefficients, rtol=1e-3)
    alone = polish(dho, noisy, far, states_known=False, r=R, restarts=False)
    assert not alone.converged.all()


def test_what_the_data_do_not_fix_has_no_interval(dho, noisy):
    # Positions alone leave the scale open.
    batch = replace(noisy, values=np.where([True, False], noisy.values, np.nan))
    result = polish(dho, batch, start_of(truths(), 0.1), states_known=False, r=R)
    assert not result.identifiable.any() and np.isnan(result.interval95).all()
    assert np.isfinite(result.states_std).all()
    ratio = result.coefficients[:, 1] / result.coefficients[:, 0]
    np.testing.assert_allclose(ratio, truths()[:, 1] / truths()[:, 0], rtol=0.1)


def test_a_coefficient_ends_on_its_bound(dho, steps):
    c = truths()
    c[:, 2] = 0.0
    data = exact(c, steps) + SIGMA * np.random.default_rng(4).normal(size=(N, ROWS, 2))
    batch = make_batch(dho.spec, data, ("q", "p[q]"), dt=steps, q0=1.0, v0=0.5)
    start = start_of(truths(), 0.3)
    result = polish(dho, batch, start, noise=SIGMA, states_known=False, r=R)
    assert result.converged.all()
    at_zero = result.coefficients[:, 2] == 0
    assert 0.2 < at_zero.mean() < 0.8 and (result.at_bound[:, 2] == at_zero).all()
    assert (result.interval95[:, 2, 0] >= 0).all()
    assert not result.at_bound[:, :2].any()


DRIVEN_PENDULUM = """
coordinate theta mod 2*pi
coefficient w2 > 0 = 1
coefficient c >= 0 = 0.1
input u
L = 1/2*theta'^2 + w2*cos(theta) + u*theta
R = 1/2*c*theta'^2
"""


def test_uneven_times_inputs_and_wrapped_angles():
    system = lagc.loads(DRIVEN_PENDULUM)
    t = 0.08 * np.arange(60) + np.random.default_rng(5).uniform(0, 0.05, (2, 60))
    u = np.array([0.2 * t[0] - 0.5, 0.3 - 0.1 * t[1]])
    c = np.array([[4.0, 0.05], [3.0, 0.2]])
    angles = []
    for i in range(2):

        def slope(s: float, y: np.ndarray, i: int = i) -> list[float]:
            force = np.interp(s, t[i], u[i])
            return [y[1], force - c[i, 0] * np.sin(y[0]) - c[i, 1] * y[1]]

        ends = t[i, 0], t[i, -1]
        found = solve_ivp(
            slope, ends, [1.0, 5.0], method="DOP853", t_eval=t[i], rtol=1e-12, atol=1e-12
        )
        angles.append(found.y[0])
    assert np.ptp(angles[0]) > 4 * np.pi
    wrapped = (np.array(angles) + np.pi) % (2 * np.pi) - np.pi
    channels = ("theta",)
    batch = make_batch(
        system.spec, wrapped[..., None], channels, times=t, q0=1.0, v0=5.0, inputs={"u": u}
    )
    result = polish(system, batch, c * 1.02, r=3)
    assert result.converged.all() and (result.states_std == 0).all()
    np.testing.assert_allclose(result.coefficients, c, rtol=1e-7)


def refusal(*args, **options) -> tuple[Code, str]:
    with pytest.raises(LagcError) as caught:
        polish(*args, **options)
    return caught.value.diagnostics[0].code, caught.value.diagnostics[0].message


def test_arguments_that_cannot_be_used_are_refused(dho, noisy):
    start = truths()
    assert refusal(dho, noisy, start[:3]) == (
        Code.LAG609,
        "starts have the shape (3, 3); (24, 3) is needed",
    )
    assert refusal(dho, noisy, start, names=("c1", "c2", "k"))[0] is Code.LAG503
    assert refusal(dho, noisy, start, noise=[0.0, 1.0])[0] is Code.LAG609
    assert (
        refusal(dho, noisy, start[:, :2], names=("c1", "c2"), fixed={"c3": -1.0})[0] is Code.LAG504
    )
    few = replace(noisy, values=np.where(np.arange(ROWS)[:, None] < 1, noisy.values, np.nan))
    assert "cannot determine 3 unknowns" in refusal(dho, few, start)[1]
    for wrong, words in (
        ({"dt": None}, "give either `dt` or `times`"),
        ({"v0": None}, "give either `v0` or `p0`"),
        ({"dt": -0.1}, "increase from row to row"),
        ({"q0": np.zeros((3, 1))}, "`q0` has the shape"),
        ({"channels": ("q", "p")}, "`p` is not a channel"),
    ):
        given = {"channels": ("q", "p[q]"), "dt": 0.1, "q0": 1.0, "v0": 0.5} | wrong
        with pytest.raises(LagcError) as caught:
            make_batch(dho.spec, noisy.values, **given)
        assert caught.value.diagnostics[0].code is Code.LAG609
        assert words in caught.value.diagnostics[0].message
