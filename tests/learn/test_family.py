"""Members of a family: laws, bounds, keys, and the held-out set."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.coordinates import Coordinates, Gauging, calibrate, find_gauge, legal_range
from lagc.learn.family import draw, draw_coefficient, held_out, make_family, selected
from lagc.learn.networks import FREEDOM, law, loss, scales
from lagc.learn.observing import longest_gaps, observation, observe
from lagc.learn.weak_form import WeakForm
from lagc.runtime import CoefficientSpec, LogUniform, Mixture, Normal, Point, Uniform


@pytest.fixture(scope="module")
def family(dho):
    return make_family(dho, dt=0.1, steps=10)


@pytest.fixture(scope="module")
def members(family):
    return draw(family, jax.random.key(7), 4000)


def test_draws_follow_the_laws(members):
    c1, c2, c3 = np.asarray(members.coefficients).T
    assert 0.01 <= c1.min() < 0.1 and 19.9 < c1.max() < 20
    # Mean and spread of the uniform law to four standard errors.
    assert c1.mean() == pytest.approx(10.005, abs=4 * 5.77 / 4000**0.5)
    assert c1.std() == pytest.approx(19.99 / 12**0.5, rel=0.03)
    for c in (c2, c3):
        assert np.mean(c == 0) == pytest.approx(0.05, abs=0.014)
        assert c[c > 0].mean() == pytest.approx(10, abs=0.4)


def test_coefficients_are_independent(members):
    correlation = np.corrcoef(np.asarray(members.coefficients).T)
    assert np.abs(correlation - np.eye(3)).max() < 4 / 4000**0.5
    zeros = np.asarray(members.coefficients)[:, 1:] == 0
    assert np.mean(zeros.all(axis=1)) < 0.008  # 0.0025 expected, not 0.05


def test_trajectories_are_those_of_the_coefficients(members, oscillation):
    coefficients = np.asarray(members.coefficients)
    rate, stiffness = coefficients[:, 2] / (4 * coefficients[:, 0]), coefficients[:, 1:2]
    underdamped = stiffness[:, 0] / coefficients[:, 0] > 1.1 * rate**2
    for i in np.flatnonzero(underdamped & (coefficients[:, 0] > 1))[:20]:
        q, _, p = oscillation(np.asarray(members.t), tuple(coefficients[i]))
        np.testing.assert_allclose(members.q[i, :, 0], q, atol=1e-7)
        np.testing.assert_allclose(members.p[i, :, 0], p, atol=1e-5)


def test_same_key_same_members_other_key_others(family):
    first, again, other = (draw(family, jax.random.key(k), 50) for k in (1, 1, 2))
    np.testing.assert_array_equal(first.q, again.q)
    assert not np.any(np.asarray(first.coefficients[:, 0]) == np.asarray(other.coefficients[:, 0]))


def test_draws_outside_the_bounds_are_drawn_again():
    spec = CoefficientSpec("k", 1.0, 0.0, None, True, True, Normal(0.5, 1.0))
    values, allowed = draw_coefficient(spec, jax.random.key(0), 5000)
    assert bool(allowed.all())
    assert float(values.min()) > 0
    # The mean of N(0.5, 1) cut at 0: 0.5 + pdf(0.5)/cdf(0.5).
    assert float(values.mean()) == pytest.approx(0.5 + 0.352065 / 0.691462, abs=0.04)


def test_initial_states_are_normal_without_an_initial_line():
    system = lagc.loads(
        "model m\ncoordinate q\ncoefficient k > 0 = 1 ~ uniform(1, 2)\nL = q'^2 - k*q^2"
    )
    members = draw(make_family(system, dt=0.1, steps=3), jax.random.key(0), 2000)
    for start in (np.asarray(members.q)[:, 0, 0], np.asarray(members.v)[:, 0, 0]):
        assert start.mean() == pytest.approx(0, abs=0.09)
        assert start.std() == pytest.approx(1, abs=0.07)


def test_lost_members_are_marked_and_left_out():
    # q'' = k q^3 runs away in finite time for the larger k only.
    system = lagc.loads(
        "model runaway\ncoordinate q\ncoefficient k = 1 ~ mixture(0.25: 50, 0.75: 0)\n"
        "L = 1/2*q'^2 + 1/4*k*q^4\ninitial q = 1, q' = 1"
    )
    family = make_family(system, dt=0.1, steps=40)
    kept, dropped = held_out(family, seed=3, count=200)
    assert len(kept.coefficients) + dropped == 200
    assert 25 < dropped < 75
    assert np.all(np.asarray(kept.coefficients) == 0)
    assert np.isfinite(np.asarray(kept.q)).all()


def test_held_out_set_depends_on_its_seed_alone(family):
    first, again, other = (held_out(family, seed, 30)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.p, again.p)
    assert not np.array_equal(first.p, other.p)


def refusal(text: str) -> tuple[Code, str]:
    with pytest.raises(LagcError) as caught:
        make_family(lagc.loads(text), dt=0.1, steps=5)
    return caught.value.diagnostics[0].code, caught.value.diagnostics[0].message


def test_families_that_cannot_be_drawn():
    code, words = refusal("model m\ncoordinate q\ncoefficient k = 1\nL = q'^2 - k*q^2")
    assert code is Code.LAG603 and "law" in words
    code, words = refusal(
        "model m\ncoordinate q\ninput u\ncoefficient k = 1 ~ uniform(0, 1)\n"
        "L = q'^2 - k*q^2\nforce q = u"
    )
    assert code is Code.LAG603 and "inputs" in words
    for point in ("0", "mixture(0.5: 2, 0.5: 2)"):
        code, words = refusal(
            "model m\ncoordinate q\ncoefficient k = 1 ~ uniform(0, 1)\n"
            f"coefficient c >= 0 ~ {point}\nL = q'^2 - k*q^2\nK = -c*q'_+*q_-"
        )
        assert code is Code.LAG603 and "`c` has one value" in words


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (CoefficientSpec("k", 1.0, 0.0, None, True, True, Uniform(0.01, 20.0)), (0.01, 20.0)),
        (CoefficientSpec("k", 1.0, 0.0, 5.0, False, False, Normal(1.0, 1.0)), (0.0, 5.0)),
        (CoefficientSpec("k", 1.0, 0.0, None, True, True, Normal(1.0, 1.0)), (5e-324, np.inf)),
        (
            CoefficientSpec(
                "k", 1.0, None, None, prior=Mixture((0.5, 0.5), (Point(-1.0), LogUniform(1.0, 9.0)))
            ),
            (-1.0, 9.0),
        ),
    ],
)
def test_range_of_predictions(spec, expected):
    assert legal_range(spec, np.dtype(np.float64)) == expected


def test_standard_coordinates_and_back(family, members):
    coordinates = calibrate(members, family.drawn, Gauging())
    standard = np.asarray(coordinates.to_standard(members.coefficients))
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standard.std(axis=0), 1, rtol=1e-12)
    back = coordinates.to_coefficients(jnp.asarray(standard))
    np.testing.assert_allclose(back, members.coefficients, atol=1e-13)
    wild = np.asarray(coordinates.to_coefficients(jnp.array([[-1e3] * 3, [1e3] * 3])))
    np.testing.assert_array_equal(wild, [[0.01, 0, 0], [20, 20, 20]])
    # c1 is never zero: equal ratios are equal distances, down to the end of its law.
    ratios = np.asarray(coordinates.to_standard(jnp.array([[0.01, 0, 0], [0.1, 0, 0], [1, 0, 0]])))
    assert ratios[1, 0] - ratios[0, 0] == pytest.approx(ratios[2, 0] - ratios[1, 0])
    text = json.dumps(coordinates.as_json(), allow_nan=False)
    again = Coordinates.from_json(json.loads(text))
    np.testing.assert_array_equal(again.to_standard(members.coefficients), standard)


def test_laws_that_are_mostly_zero_have_coordinates(dho):
    law = Mixture((0.9, 0.1), (Point(0.0), Uniform(0.0, 2.0)))
    specs = [*dho.spec.coefficients[:2], replace(dho.spec.coefficients[2], prior=law)]
    mostly = type(dho)(replace(dho.spec, coefficients=tuple(specs)), dho.kernels)
    family = make_family(mostly, dt=0.1, steps=2)
    some = draw(family, jax.random.key(1), 400)
    coordinates = calibrate(some, family.drawn, Gauging())
    standard = np.asarray(coordinates.to_standard(some.coefficients))
    assert np.isfinite(standard).all() and coordinates.shift[2] == pytest.approx(0.01, rel=0.3)
    back = coordinates.to_coefficients(jnp.asarray(standard))
    np.testing.assert_allclose(back, some.coefficients, atol=1e-13)


def test_scale_that_positions_and_velocities_do_not_fix_is_held(family, members):
    gauging = find_gauge(family, members, "q,v")
    assert gauging.held == (0,) and gauging.by_ratio
    np.testing.assert_allclose(gauging.values, [0.5])  # the default, as `fit` holds it
    coefficients = np.asarray(members.coefficients)
    fixed = np.asarray(gauging.fix(members.coefficients))
    np.testing.assert_allclose(fixed, coefficients * (0.5 / coefficients[:, :1]), rtol=1e-12)
    coordinates = calibrate(members, family.drawn, gauging)
    assert coordinates.targets == (1, 2)
    # One point for all members that these channels cannot tell apart.
    standard = coordinates.to_standard(members.coefficients)
    np.testing.assert_allclose(coordinates.to_standard(7 * members.coefficients), standard)
    np.testing.assert_allclose(coordinates.to_coefficients(standard), fixed, rtol=1e-9, atol=1e-12)
    assert find_gauge(family, members, "q,p").held == ()


def test_sum_that_alone_counts_is_held_as_a_sum():
    system = lagc.loads(
        "model m\ncoordinate q\ncoefficient a = 1 ~ uniform(1, 2)\n"
        "coefficient b = 1 ~ uniform(-1, 3)\nL = 1/2*q'^2 - (a + 2*b)*q^2"
    )
    drawn_family = make_family(system, dt=0.1, steps=10)
    drawn = draw(drawn_family, jax.random.key(0), 64)
    gauging = find_gauge(drawn_family, drawn, "q,v")
    assert len(gauging.held) == 1 and not gauging.by_ratio
    a, b = np.asarray(gauging.fix(drawn.coefficients)).T
    both = np.asarray(drawn.coefficients)
    np.testing.assert_allclose(a + 2 * b, both[:, 0] + 2 * both[:, 1], rtol=1e-9)
    assert np.ptp([a, b][gauging.held[0]]) == 0


@pytest.fixture(scope="module")
def varied(dho):
    """Members with random states and steps."""
    family = make_family(dho, dt=(0.05, 0.2), steps=10, states="normal", spread=2.0)
    return draw(family, jax.random.key(11), 4000)


def test_states_and_steps_are_independent_draws(varied):
    # Around the model's initial state (1, 0), every draw by its own key.
    q0, v0 = np.asarray(varied.q)[:, 0, 0], np.asarray(varied.v)[:, 0, 0]
    dt = np.asarray(varied.dt)
    assert (q0.mean(), v0.mean()) == pytest.approx((1, 0), abs=4 * 2 / 4000**0.5)
    assert (q0.std(), v0.std()) == pytest.approx((2, 2), rel=0.05)
    assert 0.05 <= dt.min() < 0.051 and 0.199 < dt.max() <= 0.2
    drawn = np.column_stack([varied.coefficients, q0, v0, dt])
    assert np.abs(np.corrcoef(drawn.T) - np.eye(6)).max() < 4.5 / 4000**0.5
    # Nor do the ranks of neighbours in a batch know of one another.
    neighbours = np.corrcoef(drawn[:-1].T, drawn[1:].T)[:6, 6:]
    assert np.abs(neighbours).max() < 4.5 / 4000**0.5


def test_steps_of_a_member_are_its_own(varied, oscillation):
    c, t = np.asarray(varied.coefficients), np.asarray(varied.t)
    rate = c[:, 2] / (4 * c[:, 0])
    slow = (c[:, 1] / c[:, 0] > 1.1 * rate**2) & (c[:, 0] > 2)
    for i in np.flatnonzero(slow)[:10]:
        start = {"q0": float(varied.q[i, 0, 0]), "v0": float(varied.v[i, 0, 0])}
        q, v, _ = oscillation(t[i], tuple(c[i]), **start)
        np.testing.assert_allclose(varied.q[i, :, 0], q, atol=1e-5)
        np.testing.assert_allclose(varied.v[i, :, 0], v, atol=1e-5)


def test_noise_and_gaps_are_as_asked_for(varied):
    exact = np.asarray(observe(varied, "q,v"))
    seen = observation(varied, "q,v", (0.0, 0.1), (0.1, 0.3), jax.random.key(1))
    moving = (exact.std(axis=1) > 0).all(axis=1)
    mask = np.asarray(seen.seen)
    assert (np.asarray(seen.values)[~mask] == 0).all()
    part = 1 - mask.mean(axis=(1, 2))
    assert part.mean() == pytest.approx(0.2, abs=0.01) and part.std() > 0.06
    error = np.where(mask, np.asarray(seen.values) - exact, np.nan)[moving]
    error = error / exact[moving].std(axis=1)[:, None]
    spread, level = np.nanstd(error, axis=(1, 2)), np.asarray(seen.noise)[moving]
    assert level.min() < 1e-3 and level.max() > 0.099
    # 22 values a member, of which some are missing.
    assert np.mean(spread / level) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(spread, level)[0, 1] > 0.9
    assert np.abs(np.nanmean(error[:, :, 0] * error[:, :, 1])) < 5e-4


def test_half_of_the_members_have_gaps(varied):
    seen = np.asarray(observation(varied, "q,v", (0, 0), (0.3, 0.3), jax.random.key(2)).seen)
    assert 1 - seen.mean() == pytest.approx(0.3, abs=0.01)
    # A gap begins and ends once: at most one change from seen to not seen in each channel.
    begins = (seen[:, :-1] & ~seen[:, 1:]).sum(axis=1) + ~seen[:, 0]
    assert 0.5 <= np.mean((begins <= 1).all(axis=1)) < 0.65
    assert seen.any(axis=1).all() or np.mean(seen.any(axis=1)) > 0.999
    longest = longest_gaps(seen)
    assert longest.max() == 7 and np.mean(longest > 5) > 0.1  # of 11 rows
    mask = np.array([[1, 0, 0, 1, 0], [1, 1, 0, 1, 1]], bool).T[None]
    assert longest_gaps(mask).tolist() == [2] and longest_gaps(~mask).tolist() == [2]
    assert longest_gaps(mask | True).tolist() == [0]


@pytest.mark.parametrize("observed", ["q,p", "q,v"])
def test_weak_form_finds_the_coefficients_of_slow_members(family, members, observed):
    coordinates = calibrate(members, family.drawn, find_gauge(family, members, observed))
    weak = WeakForm.of(family, observed, coordinates)
    assert weak.affine
    some = selected(members, np.asarray(members.coefficients)[:, 0] > 5)
    some = selected(some, np.arange(64))
    seen = observation(some, observed, (0.0, 0.0), (0.0, 0.0), jax.random.key(0))
    values, std = (np.asarray(x)[:, 0] for x in jax.jit(weak.estimates)(seen))
    true = np.asarray(coordinates.gauging.fix(some.coefficients))[:, list(coordinates.targets)]
    # The first set has single intervals alone: no error but that of the splines.
    moving = np.asarray(some.coefficients)[:, 1] > 0
    np.testing.assert_allclose(values[moving], true[moving], rtol=1e-4, atol=1e-4)
    # A member that stays at rest has no stiffness, and says nothing of its friction.
    stiffness, friction = -2, -1
    assert (~moving).any() and (std[~moving, friction] > 0.5 * weak.sizes[friction]).all()
    np.testing.assert_allclose(values[~moving, stiffness], 0, atol=1e-4)


def test_likelihood_of_a_law_is_that_of_the_student_law():
    numbers = jnp.array([0.3, -0.2, 0.4, -0.1, 0.7])
    found = law(numbers, jnp.zeros((0, 2)), jnp.zeros((0, 2)))
    target = jnp.array([1.0, 0.5])
    factor = np.asarray(found.factor)
    shape = np.linalg.inv(factor @ factor.T)
    expected = scipy.stats.multivariate_t.logpdf(target, found.mean, shape, df=FREEDOM)
    at_mean = scipy.stats.multivariate_t.logpdf(found.mean, found.mean, shape, df=FREEDOM)
    difference = float(loss(found, target) - loss(found, found.mean))
    assert difference == pytest.approx(float(at_mean - expected))
    np.testing.assert_allclose(scales(found), np.sqrt(np.diag(shape)), rtol=1e-12)
