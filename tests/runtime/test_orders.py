"""The order of accuracy is 2r + 2, against solutions lagc has no part in."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from tests.conftest import EXAMPLES
from tests.runtime import references

TOLERANCE = 0.35


@dataclass(frozen=True)
class Case:
    """A model, where it starts, how long it runs, and the coarsest number of steps for some r."""

    name: str
    q: tuple[float, ...]
    v: tuple[float, ...]
    until: float
    coarsest: dict[int, int]

    def system(self) -> lagc.System:
        """The compiled model."""
        if self.name == "forced":
            return lagc.loads(references.FORCED)
        return lagc.load(EXAMPLES / f"{self.name}.lag")

    def exact(self) -> np.ndarray:
        """q and q' at the end."""
        if self.name == "dho":
            return np.array(references.damped_oscillator(self.until, 1.0, 1.0, 0.1))
        equations = getattr(references, self.name)
        return references.propagate(equations, [*self.q, *self.v], self.until)


# The coarsest steps are the largest that lie in the asymptotic range of each method.
CASES = [
    Case("dho", (1.0,), (0.0,), 10.0, {0: 40, 1: 16, 2: 10, 3: 6}),
    Case("poynting_robertson", (0.8, 0.0), (0.0, 7.6508086), 0.5, {0: 20, 1: 10, 2: 5, 3: 5}),
    Case("double_pendulum", (1.0, 2.0), (0.5, -0.3), 2.0, {0: 28, 1: 24, 2: 28, 3: 20}),
    Case("forced", (1.0,), (0.3,), 6.0, {0: 20, 1: 20, 2: 20}),
    Case("forced", (2.0,), (0.0,), 12.0, {3: 18}),
]
# Every order for the models of one coordinate, the lowest and the highest for those of two.
RUNS = [
    pytest.param(
        c, r, id=f"{c.name}-r{r}", marks=[pytest.mark.long] if len(c.q) > 1 and r in (1, 2) else []
    )
    for c in CASES
    for r in c.coarsest
]


def measure(case: Case, r: int) -> list[float]:
    """Largest error in q and q' at the end, the step halved three times."""
    system, exact = case.system(), case.exact()
    errors = []
    for halvings in range(4):
        steps = case.coarsest[r] * 2**halvings
        *_, last = system.simulate_in_chunks(
            jnp.array(case.q),
            jnp.array(case.v),
            dt=case.until / steps,
            steps=steps,
            r=r,
            chunk=case.coarsest[r],
        )
        assert int(last.status) == 0
        end = np.concatenate([system.unwrap(last)[-1], last.v[-1]])
        errors.append(float(np.max(np.abs(end - exact))))
    return errors


@pytest.mark.parametrize(("case", "r"), RUNS)
def test_order_of_accuracy(case: Case, r: int) -> None:
    """Each halving of the step divides the error by 2^(2r+2)."""
    errors = measure(case, r)
    assert min(errors) > 1e-15, "nothing left to measure an order on"
    slopes = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(np.abs(slopes - (2 * r + 2)) < TOLERANCE), (errors, slopes)


@pytest.mark.parametrize("r", [5, 8, 12, 16])
def test_high_orders_reach_round_off(r: int) -> None:
    """One step of 0.1 AU-years at high r is exact to round-off, and never worse with more nodes."""
    case = CASES[1]
    t = case.system().simulate(jnp.array(case.q), jnp.array(case.v), dt=0.05, steps=10, r=r)
    end = np.concatenate([t.q[-1], t.v[-1]])
    assert np.max(np.abs(end - case.exact())) < (1e-12 if r >= 8 else 1e-9)


def test_reversibility() -> None:
    """A step of h and one of -h lead back, for a dissipative model with explicit time too."""
    system = lagc.loads(references.FORCED)
    there = system.simulate(1.0, 0.3, dt=0.1, steps=50, r=2)
    back = system.simulate(there.q[-1], p0=there.p[-1], dt=-0.1, steps=50, r=2, t0=5.0)
    assert float(back.t[-1]) == pytest.approx(0.0, abs=1e-14)
    assert abs(float(back.q[-1, 0]) - 1.0) < 1e-13
    assert abs(float(back.v[-1, 0]) - 0.3) < 1e-13


@pytest.mark.parametrize("r", [0, pytest.param(1, marks=pytest.mark.long), 3])
def test_symplectic_without_coupling(r: int) -> None:
    """The Jacobian S of a step of the undamped double pendulum satisfies S^T J S = J."""
    import jax

    system = lagc.load(EXAMPLES / "double_pendulum.lag")

    def step(state: jax.Array, f: float) -> jax.Array:
        s = system.step(state[:2], state[2:], dt=0.1, r=r, coefficients={"f": f})
        return jnp.concatenate([s.q, s.p])

    start = jnp.array([1.0, 2.0, 0.7, -0.4])
    form = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    defects = []
    for friction in (0.0, 0.5):
        s = np.asarray(jax.jacfwd(step)(start, friction))
        defects.append(np.max(np.abs(s.T @ form @ s - form)))
    assert defects[0] < 1e-12
    assert defects[1] > 1e-3, "friction must break the symplectic form, or nothing was tested"
