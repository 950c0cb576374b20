"""The same bits in a batch as alone: a process without multiply-add instructions.

XLA:CPU contracts a*b + c to one rounding in some kernels and not in others, so that a trajectory
of a batch agrees with the same one alone to round-off. Without these instructions the bits agree;
runs then take up to a third longer.
"""

from __future__ import annotations

import os
import platform

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail

_FLAG = "--xla_cpu_max_isa=AVX"


def same_bits() -> None:
    """From here on a trajectory has the same bits in a batch as alone, on the CPU of this process.

    To be called before anything is computed with jax. Raises `LagcError` (LAG511) where jax has
    started already, or where the processor is of a kind whose multiply-add instructions XLA cannot
    leave out.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if _FLAG not in flags.split():
        os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}".strip()
    if platform.machine() not in ("x86_64", "AMD64"):
        reason = f"processors of the kind {platform.machine()} have no setting for it"
    elif _contracts():
        os.environ["XLA_FLAGS"] = flags
        reason = "jax has computed something already, and takes its settings once"
    else:
        return
    raise fail(
        Code.LAG511,
        f"multiply-add instructions cannot be left out: {reason}",
        help="call `lagc.same_bits()` first of all; without it members of a batch agree with the "
        "same trajectories alone to round-off",
    )


def _contracts() -> bool:
    """Whether a*b + c is rounded once: (1 + e)(1 - e) - 1 is -e^2 then, and 0 otherwise."""
    e = np.float32(2.0**-14)
    a, b, c = (np.full(64, x, np.float32) for x in (1 + e, 1 - e, -1))
    with jax.default_device(jax.devices("cpu")[0]):
        return bool(jnp.any(jax.jit(lambda x, y, z: x * y + z)(a, b, c) != 0))
