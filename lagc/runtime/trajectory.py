"""The result of a simulation."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax


class Trajectory(NamedTuple):
    """What `simulate` returns; a pytree, batch axes first (model units).

    t: (..., steps+1); q, v, p: (..., steps+1, dof), positions, velocities and nonconservative
    momenta; energy: (..., steps+1), v.dL/dv - L; status: (...), 0 when every step was solved, k
    when step k was not, -k when step k gave a number that is not finite (then everything from there
    on is NaN); winding: (..., steps+1, dof), whole periods taken out of each `mod` coordinate: the
    angle followed continuously is q + period * winding (`System.unwrap`).
    """

    t: jax.Array
    q: jax.Array
    v: jax.Array
    p: jax.Array
    energy: jax.Array
    status: jax.Array
    winding: jax.Array


def describe_status(status: Any) -> str:
    """The status of one trajectory in words."""
    code = int(status)
    if code == 0:
        return "ok"
    if code > 0:
        return f"not converged at step {code}"
    return f"not finite at step {-code}"
