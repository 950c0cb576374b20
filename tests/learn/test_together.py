"""Fits of many recordings side by side, against exact solutions and single fits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn import predict as predicting
from lagc.learn.data import Recording
from lagc.learn.fit import fit
from lagc.learn.fit_result import Estimate
from lagc.learn.predict import Predicted
from lagc.learn.together import _with_ambiguities, fit_together
from tests.learn.conftest import damped_oscillation

NAMES = ("c1", "c2", "c3")
TRUE = np.array([[2.0, 3.0, 1.0], [0.5, 8.0, 0.3], [1.0, 10.0, 0.05]])


def recordings() -> list[Recording]:
    """Of different lengths, with rows too far apart for one step of order 4 to do."""
    random, result = np.random.default_rng(0), []
    for c, rows in zip(TRUE, (60, 45, 50), strict=True):
        t = 0.2 * np.arange(rows)
        q, _, p = damped_oscillation(t, tuple(c), 1.0, 0.5)
        q, p = (x + 0.02 * np.std(x) * random.normal(size=rows) for x in (q, p))
        result.append(Recording(f"run {rows}", t, q[:, None], None, p[:, None]))
    return result


def test_results_are_those_of_single_fits(dho):
    noisy = recordings()
    near = TRUE * [1.2, 0.9, 1.3]
    starts = {name: near[:, k].copy() for k, name in enumerate(NAMES)}
    found = fit_together(dho, noisy, starts, {}, r=1)
    assert max(result.substeps for result in found) > 1
    for i, (together, c) in enumerate(zip(found, TRUE, strict=True)):
        assert together.converged and together.initial_states[0].recording == noisy[i].name
        for k, name in enumerate(NAMES):
            estimate = together.coefficients[name]
            assert abs(estimate.value - c[k]) < 4 * estimate.std
        assert together.initial_states[0].values["q'"].value == pytest.approx(0.5, abs=0.2)
    guess = dict(zip(NAMES, TRUE[1].tolist(), strict=True))
    alone, together = fit(dho, noisy[1:2], guess=guess, r=1), found[1]
    assert together.observations == alone.observations
    assert together.residual_rms == pytest.approx(alone.residual_rms, rel=1e-3)
    assert (together.aic, together.bic) == pytest.approx((alone.aic, alone.bic), rel=1e-3)
    for name in NAMES:
        one, other = together.coefficients[name], alone.coefficients[name]
        # The single fit leaves an error of discretisation of up to a tenth of the noise in each of
        # 90 values: in the worst case 0.1 sqrt(90) standard errors.
        assert abs(one.value - other.value) < 0.3 * other.std
        assert one.std == pytest.approx(other.std, rel=0.03)


def test_what_no_data_tell_apart_is_named_as_by_single_fits():
    system = lagc.loads(
        "coordinate q\ncoefficient a = 1\ncoefficient b in [-2, 2] = 1\n"
        "L = 1/2*q'^2 - 1/2*(a^2 + b^2)*q^2 + a*b*q"
    )
    t = 0.1 * np.arange(40)
    noise = 0.01 * np.random.default_rng(0).normal(size=t.size)
    data, pairs = [], np.array([[1.5, 0.5], [3.0, 0.5]])
    for i, (a, b) in enumerate(pairs):
        rest, omega = a * b / (a**2 + b**2), np.hypot(a, b)
        q = rest + (1 - rest) * np.cos(omega * t) + noise
        data.append(Recording(f"run {i}", t, q[:, None]))
    starts = {"a": pairs[:, 0] * 1.02, "b": pairs[:, 1] * 0.98}
    found = fit_together(system, data, starts, {})
    for i, result in enumerate(found):
        alone = fit(system, [data[i]], guess={name: x[i] for name, x in starts.items()})
        assert result.converged and result.gauge == alone.gauge
    # The bounds of b exclude the exchange in the second alone.
    assert len(found[0].gauge) == 2 and len(found[1].gauge) == 1
    bare = replace(found[1], gauge=())
    (result,) = _with_ambiguities(
        system, data[1:], [bare], {n: -x[1:] for n, x in starts.items()}, 2
    )
    assert result.gauge == ("the data fix a and b only up to a common change of sign",)


def test_predictions_are_fitted_together_and_alone_where_that_fails(dho, monkeypatch):
    family = SimpleNamespace(system=dho, drawn=dho.spec.coefficients, r=2)
    coordinates = SimpleNamespace(targets=(1, 2))  # c1 is held, as where velocities are observed
    run = SimpleNamespace(reader=SimpleNamespace(family=family, coordinates=coordinates))
    data = [Recording(f"run {i}", np.arange(3.0), np.zeros((3, 1))) for i in range(2)]
    guesses = [
        Predicted(d.name, 0.1, (), {n: Estimate(x, None, None, True) for n, x in values}, None)
        for d, values in zip(
            data, [zip(NAMES, (0.5, 1.0 + i, 2.0), strict=True) for i in range(2)], strict=True
        )
    ]

    def together(system, recordings, starts, fixed, **options):
        assert {name: x.tolist() for name, x in starts.items()} == {"c2": [1, 2], "c3": [2, 2]}
        assert {name: x.tolist() for name, x in fixed.items()} == {"c1": [0.5, 0.5]}
        return "first", "second"

    monkeypatch.setattr(predicting, "fit_together", together)
    found = predicting._polished_together(run, data, guesses, lambda progress: None)
    assert [x.fit for x in found] == ["first", "second"]

    def refused(*args, **options):
        raise fail(Code.LAG609, "too few")

    def alone(system, recordings, **options):
        if recordings[0].name == "run 1":
            raise fail(Code.LAG601, "two values")
        return "alone"

    monkeypatch.setattr(predicting, "fit_together", refused)
    monkeypatch.setattr(predicting, "fit", alone)
    found = predicting._polished_together(run, data, guesses, lambda progress: None)
    assert [(x.fit, x.failure) for x in found] == [("alone", ""), (None, "two values")]
