"""Example programs run as they stand, and the same motions by an integrator that lagc has no
part in: SciPy's DOP853 on equations of motion written out by hand.

The tolerance of an example is its method's own error at the step and order of its `run` line,
rounded up, relative to the largest position or velocity. That it is
this error and nothing else is tested by halving the step: the error must fall by 2^order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

import lagc
from tests.conftest import EXAMPLES

_PIECES = 5  # of a run, each by the same compiled function


@dataclass(frozen=True)
class Motion:
    """A trajectory as arrays: t, energy: (n,); q, v, p: (n, dof), angles followed continuously."""

    system: lagc.System
    t: np.ndarray
    q: np.ndarray
    v: np.ndarray
    p: np.ndarray
    energy: np.ndarray

    def observable(self, name: str) -> np.ndarray:
        """The values of an observable of the model."""
        return np.asarray(self.system.observable(name, self.q, self.v, self.t))


@dataclass(frozen=True)
class Example:
    """An example, its equations of motion, and what else must be true of it.

    `equations(t, y)` is dy/dt for the state y of the reference, which starts at `start(q, v)` and
    of which `positions(y)` are q and v as the example has them, each (n, dof); by default the
    state is q and v. `check` asserts what its docstring says, the sentence of the gallery.
    `order` is that of the error where the forces are not smooth enough for the method's own.
    """

    name: str
    equations: Callable[[float, np.ndarray], Any]
    tolerance: float
    check: Callable[[Motion], None]
    start: Callable[[np.ndarray, np.ndarray], Any] = lambda q, v: [*q, *v]
    positions: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] = lambda y: (
        y[:, : y.shape[1] // 2],
        y[:, y.shape[1] // 2 :],
    )
    inputs: Mapping[str, Any] = field(default_factory=dict)
    order: float | None = None

    def system(self) -> lagc.System:
        """The compiled example."""
        return lagc.load(EXAMPLES / f"{self.name}.lag")


def steps_of(system: lagc.System) -> tuple[float, int, int]:
    """Step, number of steps and interior nodes as the `run` line says."""
    run = system.spec.run
    assert run.until and run.step and run.order
    return run.step, round(run.until / run.step), run.order // 2 - 1


def simulate(
    system: lagc.System,
    halvings: int = 0,
    inputs: Mapping[str, Any] | None = None,
    coefficients: Mapping[str, float] | None = None,
    start: tuple[Sequence[float], Sequence[float]] | None = None,
    longer: int = 1,
) -> Motion:
    """The run of a model's `initial` and `run` lines; with steps halved, from elsewhere, longer."""
    dt, steps, r = steps_of(system)
    q, v, _ = system.initial_state()
    if start is not None:
        q, v = np.array(start[0]), np.array(start[1])
    assert steps % _PIECES == 0, "the pieces must be equal to be one compiled function"
    pieces = list(
        system.simulate_in_chunks(
            q,
            v,
            dt=dt / 2**halvings,
            steps=steps * 2**halvings * longer,
            r=r,
            chunk=steps // _PIECES,
            inputs=inputs or {},
            coefficients=coefficients or {},
        )
    )
    assert int(pieces[-1].status) == 0
    parts = [(m.t, system.unwrap(m), m.v, m.p, m.energy) for m in pieces]
    return Motion(system, *(np.concatenate(x) for x in zip(*parts, strict=True)))


def reference(example: Example, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """q and v by DOP853 at the times of a run, each (n, dof)."""
    found = solve_ivp(
        example.equations,
        (0, motion.t[-1]),
        np.asarray(example.start(motion.q[0], motion.v[0]), dtype=float),
        "DOP853",
        t_eval=motion.t,
        rtol=2.5e-14,
        atol=1e-15,
    )
    assert found.success, found.message
    return example.positions(found.y.T)


def largest_error(motion: Motion, exact: tuple[np.ndarray, np.ndarray], every: int = 1) -> float:
    """The largest difference of positions and of velocities, relative to their size."""
    found = motion.q[::every], motion.v[::every]
    return max(
        float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in zip(found, exact, strict=True)
    )
