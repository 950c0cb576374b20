"""Energy over a long time, where Runge-Kutta methods drift (Tsang et al. 2015, fig. 1)."""

from __future__ import annotations

import numpy as np
import pytest

import lagc
from docs.figures.energy_drift import FRICTION, energy_errors, runge_kutta_errors
from tests.conftest import EXAMPLES


@pytest.mark.parametrize(("order", "limit"), [(2, 3e-3), (4, 1e-6)])
def test_no_secular_growth(order: int, limit: float) -> None:
    """dho with c3 = 1e-4 and dt = 0.1 up to t = 10^4: the relative error stays within its limit."""
    t, error = energy_errors(order)
    assert t[-1] == pytest.approx(1e4)
    assert FRICTION == 1e-4
    assert np.max(error) < limit
    early, late = (np.max(part) for part in (error[: len(t) // 10], error[-len(t) // 10 :]))
    assert late < 1.5 * early + 1e-9
    assert early > 1e-12, "nothing to grow from"


@pytest.mark.parametrize("order", [2, 4])
def test_runge_kutta_grows(order: int) -> None:
    t, error = runge_kutta_errors(order)
    early, late = (np.max(part) for part in (error[: len(t) // 10], error[-len(t) // 10 :]))
    assert late > 5 * early


def test_decay_to_nothing() -> None:
    """A motion that dies out until its squares underflow is zero, not a failure."""
    system = lagc.load(EXAMPLES / "dho.lag")
    *_, last = system.simulate_in_chunks(1.0, 0.0, dt=0.1, steps=200_000, chunk=20_000)
    assert int(last.status) == 0
    assert float(abs(last.q[-1, 0])) < 1e-130
