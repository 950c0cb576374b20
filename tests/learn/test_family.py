"""Members of a family: laws, bounds, keys, and the held-out set."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.family import draw, draw_coefficient, held_out, make_family
from lagc.learn.networks import Scaling, calibrate, legal_range
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
    scaling = calibrate(members, family.drawn, "q,p")
    standard = np.asarray(scaling.to_standard(members.coefficients))
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standard.std(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(scaling.to_coefficients(standard), members.coefficients, atol=1e-13)
    wild = np.asarray(scaling.to_coefficients(np.array([[-1e3] * 3, [1e3] * 3])))
    np.testing.assert_array_equal(wild, [[0.01, 0, 0], [20, 20, 20]])


def test_logarithmic_coordinates_of_a_law_over_decades():
    law = LogUniform(1e-3, 1e3)
    spec = CoefficientSpec("k", 1.0, 0.0, None, True, True, law)
    ends = np.log([1e-3, 1e3])
    scaling = Scaling(
        *(jnp.zeros(2), jnp.ones(2), jnp.array([0.0]), jnp.array([2.0])),
        *(jnp.array([x]) for x in legal_range(spec, np.dtype(float))),
        (True,),
    )
    np.testing.assert_allclose(scaling.to_standard(np.array([[1e-3], [1e3]]))[:, 0], ends / 2)
    np.testing.assert_allclose(scaling.to_coefficients(np.array([[0.5]])), np.e)
