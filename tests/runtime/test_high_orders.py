"""Orders on coupled models with explicit time and friction, and very many nodes."""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest

import lagc
from tests.runtime import references
from tests.runtime.precise import DIGITS, PreciseMap

MODELS: dict[str, tuple[str, Callable[..., object]]] = {
    "driven": (references.DRIVEN_PAIR, references.driven_pair),
    "varying": (references.VARYING_PAIR, references.varying_pair),
}
UNTIL = 3.0
START = np.array([1.0, -0.5, 0.3, 0.8])
# Eight starts, since the error of a single one can pass through zero.
STARTS = START + np.random.default_rng(1).uniform(-0.3, 0.3, (8, 4))


def errors(name: str, r: int, steps: list[int]) -> np.ndarray:
    """Root mean square over starts and components of the error at the end, for every step."""
    text, equations = MODELS[name]
    exact = np.array([references.propagate(equations, z, UNTIL) for z in STARTS])
    dt = np.broadcast_to(UNTIL / np.array(steps), (len(STARTS), len(steps)))
    q, v = STARTS[:, None, :2], STARTS[:, None, 2:]
    t = lagc.loads(text).simulate(q, v, dt=dt, steps=max(steps), r=r)
    ends = [np.concatenate([t.q[:, i, n], t.v[:, i, n]], axis=-1) for i, n in enumerate(steps)]
    return np.array([np.sqrt(np.mean((end - exact) ** 2)) for end in ends])


@pytest.mark.parametrize(
    ("name", "r", "steps"),
    [
        pytest.param("driven", 0, [32, 64, 128], marks=pytest.mark.long),
        ("driven", 1, [48, 96, 192]),
        pytest.param("driven", 2, [48, 64, 96], marks=pytest.mark.long),
        ("driven", 3, [24, 32, 40, 48]),
        ("varying", 1, [8, 16, 32]),
        ("varying", 3, [10, 12, 16, 20, 24]),
    ],
)
def test_order_of_accuracy(name: str, r: int, steps: list[int]) -> None:
    found = errors(name, r, steps)
    assert found.min() > 3e-13, "nothing left to measure an order on"
    slopes = np.log(found[:-1] / found[1:]) / np.diff(np.log(steps))
    assert np.all(np.abs(slopes - (2 * r + 2)) < 0.35), (found, slopes)


@pytest.mark.parametrize(
    ("name", "steps"),
    [("driven", [12, 18]), pytest.param("varying", [4, 7], marks=pytest.mark.long)],
)
def test_orders_beyond_double_precision(name: str, steps: list[int]) -> None:
    """r = 4, 5, 6 with forty digits; the compiled step is the same map to round-off."""
    text, equations = MODELS[name]
    precise = PreciseMap(text)
    exact = precise.march(START[:2], START[2:], 1, steps[0], 10)
    heyoka = references.propagate(equations, START, 1.0)
    np.testing.assert_allclose([float(x) for x in exact], heyoka, atol=2e-15)
    system = lagc.loads(text)
    for r in (4, 5, 6):
        ends = [precise.march(START[:2], START[2:], 1, n, r) for n in steps]
        with mp.workdps(DIGITS):
            found = [mp.norm(end - exact) for end in ends]
            slopes = [
                float(mp.log(found[i] / found[i + 1]) / mp.log(mp.mpf(steps[i + 1]) / steps[i]))
                for i in range(len(steps) - 1)
            ]
        assert np.all(np.abs(np.array(slopes) - (2 * r + 2)) < 0.35), (r, slopes)
        t = system.simulate(START[:2], START[2:], dt=1 / steps[0], steps=steps[0], r=r)
        end = np.concatenate([t.q[-1], t.v[-1]])
        np.testing.assert_allclose(end, [float(x) for x in ends[0]], atol=4e-15)


@pytest.mark.parametrize(("r", "steps"), [pytest.param(32, 3, marks=pytest.mark.long), (128, 4)])
def test_very_many_nodes(r: int, steps: int) -> None:
    text, equations = MODELS["driven"]
    t = lagc.loads(text).simulate(START[:2], START[2:], dt=UNTIL / steps, steps=steps, r=r)
    assert int(t.status) == 0
    end = np.concatenate([t.q[-1], t.v[-1]])
    np.testing.assert_allclose(end, references.propagate(equations, START, UNTIL), atol=1e-12)
