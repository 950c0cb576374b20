"""Periodic orbits of the discrete map: the steady state of a driven system, for instance, found
without waiting for transients to die away.

Newton's method for the root of Phi(x) - x, Phi being the map over one period and x the state; its
Jacobian comes from the exact derivatives of the integrator. For affine models one iteration is
exact. The eigenvalues of dPhi/dx at the orbit, the Floquet multipliers, say whether it attracts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.runtime.arguments import as_vector
from lagc.runtime.system import System
from lagc.runtime.trajectory import Trajectory

_ITERATIONS = 50
_HALVINGS = 12
_ROUND_OFF = 64.0


@dataclass(frozen=True, eq=False)
class PeriodicOrbit:
    """One period: `trajectory` from q, v: (dof,) back to them; multipliers: (2 dof,) complex, all
    below 1 in modulus where the orbit attracts; residual: the largest part of the state by which it
    does not close."""

    q: np.ndarray
    v: np.ndarray
    trajectory: Trajectory
    multipliers: np.ndarray
    residual: float

    @property
    def attracts(self) -> bool:
        """Whether what is near comes nearer with every period."""
        return bool(np.all(np.abs(self.multipliers) < 1))


def periodic_orbit(
    system: System, q: Any, v: Any, *, period: float, steps: int, **options: Any
) -> PeriodicOrbit:
    """The orbit of the given period near the state q, v: (dof,), in `steps` steps.

    Angles may have turned by whole periods of their own. options: as `System.simulate`
    (coefficients, inputs, t0, r, ...). Raises LAG508 where the search finds no orbit, or where the
    orbit is one of a continuous family, so that nothing determines it.
    """
    spec = system.spec
    start = [np.asarray(as_vector(x, name, spec), float) for x, name in ((q, "q"), (v, "v"))]
    dof = spec.dof
    moduli = np.array([np.inf if m is None else m for m in spec.moduli])

    def run(state: jax.Array) -> Trajectory:
        return system.simulate(state[:dof], state[dof:], dt=period / steps, steps=steps, **options)

    def ends(state: jax.Array) -> jax.Array:
        trajectory = run(state)
        return jnp.concatenate([trajectory.q[-1], trajectory.v[-1]])

    both = jax.jit(lambda x: (ends(x), jax.jacfwd(ends)(x)))
    misses = partial(_misses, moduli=moduli)
    x = np.concatenate(start)
    end, slope = (np.asarray(y) for y in both(x))
    miss = misses(end, x)
    for _ in range(_ITERATIONS):
        size = np.maximum(np.abs(x), np.max(np.abs(x), initial=np.finfo(float).tiny))
        if not np.isfinite(miss).all():
            raise fail(Code.LAG508, "the trajectory over one period from the first guess is lost")
        if np.max(np.abs(miss) / size) <= _ROUND_OFF * np.finfo(x.dtype).eps:
            break
        matrix = np.eye(2 * dof) - slope
        if np.linalg.cond(matrix) > 1 / (_ROUND_OFF * np.finfo(x.dtype).eps):
            raise fail(
                Code.LAG508,
                "nothing determines the orbit: it is one of a continuous family",
                help="an undamped system without drive has a periodic orbit for every energy",
            )
        step = np.linalg.solve(matrix, miss)
        accepted = False
        for halving in range(_HALVINGS):
            candidate = x + step / 2**halving
            end_there, slope_there = (np.asarray(y) for y in both(candidate))
            miss_there = misses(end_there, candidate)
            if np.linalg.norm(miss_there) < np.linalg.norm(miss):
                x, miss, slope, accepted = candidate, miss_there, slope_there, True
                break
        if not accepted:
            break
    residual = float(np.max(np.abs(miss)))
    size = float(np.max(np.abs(x), initial=1e-300))
    if not residual <= 1e-9 * size:
        raise fail(
            Code.LAG508,
            f"no orbit of period {period:g} was found: the best does not close by {residual:.3g}",
            help="start nearer to it, for instance at the end of a longer run",
        )
    return PeriodicOrbit(x[:dof], x[dof:], run(jnp.asarray(x)), np.linalg.eigvals(slope), residual)


def _misses(end: np.ndarray, start: np.ndarray, moduli: np.ndarray) -> np.ndarray:
    """End less start, angles to the nearest turn."""
    miss = end - start
    finite = np.isfinite(moduli)
    turns = np.zeros_like(moduli)
    angle = miss[: len(moduli)]
    turns[finite] = np.round(angle[finite] / moduli[finite]) * moduli[finite]
    miss[: len(moduli)] -= turns
    return miss
