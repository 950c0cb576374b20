"""Fine-tuning: the trajectory loss against exact solutions, and a run that uses it."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.coordinates import Coordinates, Gauging
from lagc.learn.family import Family, Members, make_family
from lagc.learn.finetune import (
    FineTune,
    capped,
    check_fine_tune,
    check_resumed,
    make_loss,
    soft_coefficients,
)
from lagc.learn.log import read_log
from lagc.learn.progress import Progress
from lagc.learn.train import train
from lagc.learn.train_options import TrainOptions
from tests.learn.conftest import damped_oscillation

STEPS, DT = 20, 0.1
TRUE = np.array([[0.5, 1.0, 0.2], [2.0, 3.0, 0.0], [1.0, 10.0, 0.05]])
PREDICTED = np.array([[0.6, 1.1, 0.1], [1.9, 2.0, 0.3], [1.5, 9.0, 0.5]])


@pytest.fixture(scope="module")
def family(dho) -> Family:
    return make_family(dho, dt=DT, steps=STEPS, r=3)


def plain(m: int = 3) -> Coordinates:
    """Coordinates that are the coefficients themselves, none of them negative."""
    one, free = np.ones(m), np.full(m, np.inf)
    no = np.zeros(m, bool)
    return Coordinates(
        Gauging(), tuple(range(m)), no, one * 0, one * 0, one, -free, free, one * 0, free
    )


def members(c: np.ndarray) -> Members:
    """Exact solutions from q = 1, q' = 0."""
    t = DT * np.arange(STEPS + 1)
    q, v, p = (
        np.stack(x)[..., None]
        for x in zip(*(damped_oscillation(t, tuple(x)) for x in c), strict=True)
    )
    return Members(*(jnp.asarray(x) for x in (c, t, q, v, p)), jnp.ones(len(c), bool))


@pytest.fixture(scope="module")
def evaluated(family):
    """The loss and its gradient, compiled once."""
    options = FineTune(updates=1, late=0.7, cap=0.5, softness=1e-9)
    loss = make_loss(family, plain(), "q,p", members(TRUE), options)
    both = jax.jit(jax.value_and_grad(lambda x, m: loss(x, m).sum()))
    return lambda x, m: both(jnp.asarray(x), m)


def by_hand(c: np.ndarray) -> float:
    """The same number from exact solutions."""
    true, found = members(TRUE), members(c)
    total = 0.0
    weights = np.exp(0.7 * np.linspace(-1, 0, STEPS + 1))
    squares = np.zeros((len(c), STEPS + 1))
    for name in ("q", "p"):
        size = np.asarray(getattr(true, name)).std()
        squares += np.asarray((getattr(found, name) - getattr(true, name))[..., 0] / size) ** 2 / 2
    total = np.mean(0.5 * np.log1p(squares / 0.5) * weights / weights.mean(), axis=1)
    return float(total.sum())


def test_loss_is_that_of_the_exact_solutions(evaluated):
    value, slope = evaluated(PREDICTED, members(TRUE))
    assert value == pytest.approx(by_hand(PREDICTED), rel=1e-7)
    assert evaluated(TRUE, members(TRUE))[0] < 1e-12
    for i in range(3):
        for k in range(3):
            step = np.zeros((3, 3))
            step[i, k] = 1e-4
            difference = (by_hand(PREDICTED + step) - by_hand(PREDICTED - step)) / 2e-4
            assert slope[i, k] == pytest.approx(difference, rel=1e-5, abs=1e-7)


def test_members_that_are_lost_leave_the_gradient_of_the_others(evaluated):
    lost = PREDICTED.copy()
    lost[1] = [1e-300, 1e10, 0.0]
    value, slope = evaluated(lost, members(TRUE))
    whole_value, whole = evaluated(PREDICTED, members(TRUE))
    assert np.isfinite(value) and 0 < value < whole_value
    assert (slope[1] == 0).all()
    np.testing.assert_allclose(slope[::2], whole[::2], rtol=1e-12)


def test_caps_and_soft_bounds_never_end_the_gradient():
    slope = jax.vmap(jax.grad(lambda x: capped(x, 0.5)))(jnp.array([0.0, 1.0, 1e12]))
    assert slope[0] == 1 and (slope > 0).all()
    assert capped(jnp.asarray(1e-9), 0.5) == pytest.approx(1e-9, rel=1e-8)
    bounded = replace(plain(), upper=np.array([4.0, np.inf, 4.0]))
    x = jnp.array([-0.03, 0.5, 4.05])
    values = soft_coefficients(bounded, x, 1e-2)
    assert 0 < values[0] < 1e-3 and values[1] == pytest.approx(0.5, abs=1e-15)
    assert 3.999 < values[2] < 4
    jacobian = jax.jacfwd(lambda x: soft_coefficients(bounded, x, 1e-2))(x)
    assert (jnp.diagonal(jacobian) > 1e-3).all()


@pytest.mark.parametrize(
    "change", [{"updates": -1}, {"cap": 0.0}, {"softness": -1.0}, {"likelihood": -1.0}]
)
def test_options_out_of_range_are_refused(change):
    with pytest.raises(LagcError) as caught:
        check_fine_tune(replace(FineTune(), **change))
    assert caught.value.diagnostics[0].code is Code.LAG611


@pytest.mark.long
def test_fine_tuning_follows_on_training_and_goes_on_only_as_it_began(dho, tmp_path):
    tune = FineTune(updates=200, learning_rate=1e-3, likelihood=0.0)
    options = TrainOptions(
        steps=STEPS, batch=128, systems=128 * 20, width=32, features="trajectory", fine_tune=tune
    )

    def interrupt(progress: Progress) -> None:
        if progress.done == 181:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dho, options, output=tmp_path, progress=interrupt)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["updates"] == 181
    losses = {line["update"]: line["loss"] for line in read_log(tmp_path / "log.jsonl")}
    first = (losses[40] + losses[60]) / 2
    last = (losses[160] + losses[180]) / 2
    assert 0 < last < 0.8 * first
    check_resumed(tmp_path, tune, 20, 181)
    for changed, after, words in (
        (replace(tune, cap=2.0), 20, "cap = 1.0, not 2.0"),
        (tune, 200, "after = 20, not 200"),
    ):
        with pytest.raises(LagcError) as caught:
            check_resumed(tmp_path, changed, after, 181)
        assert caught.value.diagnostics[0].code is Code.LAG611
        assert words in caught.value.diagnostics[0].message
