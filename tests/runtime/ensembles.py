"""What `test_ensembles` runs in a process of its own, after `same_bits`: a trajectory in a batch is
the one it would be alone, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

import lagc
from tests.conftest import EXAMPLES

RELATIVISTIC = "-sqrt(1 - q'^2) - 1/2*k*q^2"


@pytest.fixture(autouse=True, scope="module")
def _same_bits() -> None:
    lagc.same_bits()


@cache
def model(name: str) -> lagc.System:
    """Models by name, compiled once."""
    if name == "duffing":
        L = "1/2*q'^2 + 1/2*a*q^2 - 1/4*q^4"
        return lagc.compile(
            L=L, K="-c*q'_+*q_-", coordinates=["q"], coefficients={"a": 1, "c": 0.1}
        )
    if name == "relativistic":
        return lagc.compile(L=RELATIVISTIC, coordinates=["q"], coefficients={"k": 1.0})
    return lagc.load(EXAMPLES / f"{name}.lag")


def assert_members_alone(
    run: Callable[..., lagc.Trajectory], arguments: dict[str, Any], members: list[tuple[int, ...]]
) -> lagc.Trajectory:
    """Members of a batch over `arguments` are bitwise those of `run` with their own arguments."""
    whole = run(**arguments)
    for member in members:
        alone = run(**{name: value[member] for name, value in arguments.items()})
        for name in lagc.Trajectory._fields:
            x, y = getattr(whole, name)[member], getattr(alone, name)
            assert x.dtype == y.dtype
            assert np.array_equal(x, y, equal_nan=x.dtype.kind == "f"), (member, name)
    return whole


def spread(count: int, low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, count)


Run = Callable[..., lagc.Trajectory]


def oscillator(a: Any, v: Any, c: Any, h: Any) -> lagc.Trajectory:
    return model("dho").simulate(a, v, coefficients={"c1": c, "c3": 0.3}, dt=h, steps=9, r=2)


def dust(a: Any, v: Any, c: Any, h: Any) -> lagc.Trajectory:
    q, v = np.stack([a, 0 * a], axis=-1), np.stack([v, 6.5 + 0 * v], axis=-1)
    orbit = model("poynting_robertson")
    return orbit.simulate(q, v, coefficients={"beta": c / 10}, dt=h / 10, steps=9, r=1)


def duffing(a: Any, v: Any, c: Any, h: Any) -> lagc.Trajectory:
    return model("duffing").simulate(a, v, coefficients={"a": c, "c": c / 5}, dt=h, steps=9, r=2)


def pendula(a: Any, v: Any, c: Any, h: Any) -> lagc.Trajectory:
    q, v = np.stack([a, 2 * a], axis=-1), np.stack([v, -v], axis=-1)
    return model("double_pendulum").simulate(q, v, coefficients={"f": c}, dt=h, steps=9, r=1)


# One state (...,) -> (..., 1) where there is one degree of freedom.
def states(run: Run) -> Run:
    if run in (dust, pendula):
        return run
    return lambda a, v, c, h: run(a[..., None], v[..., None], c, h)


@pytest.mark.parametrize(
    ("run", "count"),
    [
        (oscillator, 5),
        (dust, 3000),
        pytest.param(duffing, 2, marks=pytest.mark.long),
        (duffing, 5),
        (duffing, 3000),
        (pendula, 2),
        pytest.param(pendula, 3000, marks=pytest.mark.long),
    ],
)
def test_members_of_a_batch(run: Run, count: int) -> None:
    """Initial states, coefficients and steps all at once; batch sizes of different compilations."""
    arguments = {
        "a": spread(count, 0.7, 1.2),
        "v": spread(count, -0.4, 0.6)[::-1],
        "c": spread(count, 0.4, 0.8) ** 2,
        "h": spread(count, 0.05, 0.12)[::-1],
    }
    whole = assert_members_alone(states(run), arguments, [(0,), (count // 2,), (count - 1,)])
    assert not np.any(whole.status) and np.all(np.ptp(whole.q[..., 0], axis=1) > 1e-3)
    ends = np.asarray(whole.q[:, -1, 0])
    assert len(np.unique(ends)) == count, "members differ from one another"


@pytest.mark.parametrize("over", ["a", "v", "c", "h"])
def test_batches_over_one_argument(over: str) -> None:
    """The others are shared, and given once."""
    one = {"a": 1.0, "v": 0.3, "c": 0.6, "h": 0.1}

    def run(x: Any) -> lagc.Trajectory:
        values = {k: np.asarray(v) for k, v in one.items()} | {over: np.asarray(x)}
        return duffing(values["a"][..., None], values["v"][..., None], values["c"], values["h"])

    arguments = {"x": one[over] * spread(5, 0.8, 1.1)}
    whole = assert_members_alone(run, arguments, [(i,) for i in range(5)])
    assert len(np.unique(np.asarray(whole.q[:, -1, 0]))) == 5


def test_batches_over_inputs() -> None:
    """Constant inputs, and samples with values (..., m) at common times."""
    driven, times = model("driven"), np.linspace(0.0, 1.0, 6)
    common = {"dt": 0.1, "steps": 9, "r": 0}

    def held(u: Any) -> lagc.Trajectory:
        return driven.simulate(1.0, 0.3, inputs={"u": u}, **common)

    def sampled(values: Any) -> lagc.Trajectory:
        u = lagc.Samples(times, values)
        return driven.simulate(1.0, 0.3, inputs={"u": u}, **common)

    arguments = {"u": spread(4, -1.0, 1.0)}
    whole = assert_members_alone(held, arguments, [(0,), (3,)])
    assert len(np.unique(np.asarray(whole.q[:, -1, 0]))) == 4
    values = np.sin(np.outer([1.0, 2.0, 3.0, 4.0], times))
    whole = assert_members_alone(sampled, {"values": values}, [(0,), (3,)])
    assert len(np.unique(np.asarray(whole.q[:, -1, 0]))) == 4


@pytest.mark.parametrize(
    "interpolation", ["linear", pytest.param("previous", marks=pytest.mark.long)]
)
def test_samples_and_everything_else(interpolation: Any) -> None:
    driven, times = model("driven"), np.linspace(0.0, 1.0, 6)

    def run(q: Any, v: Any, gamma: Any, values: Any, h: Any, t0: Any) -> lagc.Trajectory:
        return driven.simulate(
            q,
            v,
            coefficients={"gamma": gamma},
            inputs={"u": lagc.Samples(times, values, interpolation)},
            dt=h,
            t0=t0,
            steps=9,
        )

    arguments = {
        "q": spread(4, 0.5, 1.0)[:, None],
        "v": spread(4, -0.5, 1.0)[:, None],
        "gamma": spread(4, 0.0, 0.2),
        "values": np.sin(np.outer([1.0, 2.0, 3.0, 4.0], times)),
        "h": spread(4, 0.08, 0.11),
        "t0": spread(4, 0.0, 0.1),
    }
    assert_members_alone(run, arguments, [(0,), (1,), (3,)])


def test_two_batch_axes() -> None:
    """Axes lead and count from the left: the state has both, the coefficient the first."""
    k = spread(2, 0.5, 1.0)
    q = spread(6, 0.5, 1.0).reshape(2, 3, 1)
    system = model("duffing")
    whole = system.simulate(q, 0.2, coefficients={"a": k}, dt=0.1, steps=9)
    assert whole.q.shape == (2, 3, 10, 1) and whole.status.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        alone = system.simulate(q[i, j], 0.2, coefficients={"a": k[i]}, dt=0.1, steps=9)
        for name in lagc.Trajectory._fields:
            assert np.array_equal(getattr(whole, name)[i, j], getattr(alone, name)), name


@pytest.mark.parametrize("count", [pytest.param(3, marks=pytest.mark.long), 600])
def test_a_failing_member_changes_no_other(count: int) -> None:
    """v0 = 1.5 is beyond the domain of L: that member is NaN, the rest the same to the bit."""
    v = np.linspace(0.1, 0.6, count)
    system, run = model("relativistic"), {"dt": 0.1, "steps": 20, "r": 1}
    good = system.simulate(0.0, v[:, None], **run)
    assert not np.any(good.status)
    v[1] = 1.5
    mixed = system.simulate(0.0, v[:, None], **run)
    assert int(mixed.status[1]) != 0 and np.all(np.isnan(mixed.q[1, 1:]))
    others = np.arange(count) != 1
    for name in lagc.Trajectory._fields:
        x, y = np.asarray(getattr(mixed, name)), np.asarray(getattr(good, name))
        assert np.array_equal(x[others], y[others]), name


def test_a_member_that_needs_the_robust_way_changes_no_other() -> None:
    """Stiff beside soft: the block is done again for the stiff one only, and it is as alone."""
    system = lagc.compile(
        L="1/2*q'^2 - 1/2*k*q^2 - 1/4*q^4", coordinates=["q"], coefficients={"k": 1}
    )
    stiffness = np.array([1.0, 1e4, 2.0])

    def run(k: Any) -> lagc.Trajectory:
        return system.simulate(1e-2, 0.0, coefficients={"k": k}, dt=0.1, steps=20, r=6)

    whole = assert_members_alone(run, {"k": stiffness}, [(0,), (2,), (1,)])
    assert not np.any(whole.status)
