"""Terms that are there are kept, and terms that are not are left out; coefficients against an
independent integrator."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import lagc
from lagc.learn.data import Recording
from lagc.learn.selection import select

DUFFING = "1/2*q'^2 - a*q^2 - b*q^4 + d1*q + d6*q^6"
DRAG = "-(c + e*q_+^2)*q'_+*q_-"
TRUE = {"a": 0.5, "b": 0.3, "c": 0.2}


@pytest.fixture(scope="module")
def system() -> lagc.System:
    zero = dict.fromkeys(("a", "b", "c", "d1", "d6", "e"), 0.0)
    return lagc.compile(L=DUFFING, K=DRAG, coordinates=["q"], coefficients=zero)


def recording(noise: float) -> Recording:
    """Positions and velocities of q'' = -q - 1.2 q^3 - 0.2 q'."""
    t = np.arange(150) * 0.1
    solution = solve_ivp(
        lambda _, y: [y[1], -y[0] - 1.2 * y[0] ** 3 - 0.2 * y[1]],
        (0, t[-1]),
        [1.5, 0.0],
        method="DOP853",
        t_eval=t,
        rtol=1e-13,
        atol=1e-13,
    )
    random = np.random.default_rng(3)
    q, v = (x + noise * np.std(x) * random.normal(size=t.size) for x in solution.y)
    return Recording("duffing", t, q[:, None], v[:, None])


@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 1e-8), (0.02, 0.05)])
def test_support_and_values(system: lagc.System, noise: float, tolerance: float) -> None:
    chosen = select(system, [recording(noise)], r=4)
    kept = {n for n, e in chosen.result.coefficients.items() if n not in chosen.without}
    assert kept == set(TRUE)
    for name, value in TRUE.items():
        assert chosen.result.coefficients[name].value == pytest.approx(value, rel=tolerance)
    assert set(chosen.candidates[0].without) == set(chosen.without)


def test_nothing_to_select_among() -> None:
    only = lagc.loads("model m\ncoordinate q\ncoefficient m > 0 = 1\nL = m*q'^2 - 1/2*q^2")
    with pytest.raises(lagc.LagcError, match="nothing to select"):
        select(only, [recording(0.0)])
