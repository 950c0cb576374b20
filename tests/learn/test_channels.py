"""Accelerations and every combination of channels: predictions, and coefficients from them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from lagc.base.diagnostics import LagcError
from lagc.learn.acceleration import acceleration
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.recording import with_sigma
from tests.conftest import EXAMPLES

TRUTH = (2.0, 3.0, 1.0)


def test_the_acceleration_counts_what_moves_in_the_momentum():
    # b = (1 + x^2) x' + u + c x: the mass moves with x, and the input with time.
    system = lagc.loads(
        "coordinate x\ncoefficient k = 1\ncoefficient c = 1\ninput u\n"
        "L = 1/2*(1 + x^2)*x'^2 + u*x' - 1/2*k*x^2\nK = -c*x'_+*x_-\n"
    )
    x, v, t, k, c = 0.7, -1.3, 0.4, 2.0, 0.3
    found = acceleration(
        system,
        jnp.array([x]),
        jnp.array([v]),
        jnp.array(t),
        {"k": jnp.array(k), "c": jnp.array(c)},
        {"u": lambda t: jnp.sin(3 * t)},
    )
    expected = (-x * v**2 - 3 * np.cos(3 * t) - k * x - c * v) / (1 + x**2)
    np.testing.assert_allclose(found, [expected], rtol=1e-14)


def test_the_acceleration_of_a_lattice():
    system = lagc.load(EXAMPLES / "spring_chain.lag")
    q, v = np.random.default_rng(0).normal(size=(2, 24))
    values = {"m": 2.0, "k": 3.0, "gamma": 0.5}
    arrays = {name: jnp.array(value) for name, value in values.items()}
    found = jax.jit(lambda q, v: acceleration(system, q, v, jnp.array(0.0), arrays, {}))(q, v)
    walls = np.concatenate([[0.0], q, [0.0]])
    expected = (3.0 * (walls[2:] - 2 * q + walls[:-2]) - 0.5 * v) / 2.0
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("observed", ["v", "p", "qp", "a", "qa", "pa"])
def test_any_channels_give_the_coefficients_that_they_fix(dho, oscillation, observed):
    t, random = np.arange(100) * 0.1, np.random.default_rng(7)
    q, v, p = oscillation(t, TRUTH)
    exact = {"q": q, "v": v, "p": p, "a": -(2 * TRUTH[1] * q + TRUTH[2] * v) / (2 * TRUTH[0])}
    arrays = {}
    for name in observed:
        noisy = exact[name] + 0.01 * np.std(exact[name]) * random.normal(size=100)
        arrays[name] = np.where(random.random(100) < 0.1, np.nan, noisy)[:, None]
    result = fit(dho, [Recording(observed, t, **arrays)])
    assert (
        result.converged
        and result.notes == ()
        and set(result.noise)
        == {{"q": "q", "v": "q'", "p": "p[q]", "a": "q''"}[name] for name in observed}
    )
    # Forces are seen by momenta beside positions or accelerations; without them only ratios are.
    scaled = observed not in ("qp", "pa")
    assert len(result.gauge) == scaled
    scale = 0.5 / TRUTH[0] if scaled else 1.0
    for name, true in zip(("c1", "c2", "c3"), TRUTH, strict=True):
        estimate = result.coefficients[name]
        if scaled and name == "c1":
            assert estimate.value == 0.5
            continue
        assert abs(estimate.value - scale * true) < 4 * estimate.std < 0.05 * scale * true
    found = result.identification
    assert sum(x < 1e-9 * found.singular_values[0] for x in found.singular_values) == scaled
    worst = found.singular_values[1 if scaled else 2]
    relative = max(e.std / e.value for e in result.coefficients.values() if e.std is not None)
    assert 0.3 < relative * worst < 1.5


def test_noise_is_stated_once_and_for_all_values(dho, record):
    data = record(TRUTH, 20, "p")
    partly = np.full((20, 4, 1), np.nan)
    partly[3:, 0] = 0.1
    stated = Recording("x", data.times, data.q, None, data.p, sigma=partly)
    for recordings, levels, said in (
        ([stated], {}, "known for 17 of 20 values"),
        ([stated], {"q": 0.1}, "given twice"),
        ([data], {"q'": 0.1}, "was not observed"),
        ([data], {"q": 0.0}, "must be positive"),
        ([data], {"p": 0.1}, "not a channel"),
    ):
        with pytest.raises(LagcError, match=said) as caught:
            fit(dho, recordings, sigma=levels)
        assert caught.value.diagnostics[0].code.name == "LAG615"
    (known,) = with_sigma([data], {"p[q]": 0.2}, dho.spec)
    assert (known.sigma[:, 2] == 0.2).all() and np.isnan(known.sigma[:, [0, 1, 3]]).all()
