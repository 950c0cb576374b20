"""How many steps a run takes, from when to when, and what is kept of it: checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.runtime.arguments import as_array, is_known
from lagc.runtime.tableau import MAX_INTERIOR_NODES


def check_steps(steps: Any, r: Any) -> tuple[int, int]:
    """Number of steps and of interior nodes as plain integers in range."""
    for value, what in ((steps, "steps"), (r, "r")):
        if not _is_integer(value):
            raise fail(Code.LAG509, f"{what} = {value!r} is not an integer")
    if not 1 <= steps < 2**31:
        raise fail(Code.LAG509, f"steps = {steps:.3g}: 1 to 2^31 - 1 steps are supported")
    if not 0 <= r <= MAX_INTERIOR_NODES:
        raise fail(Code.LAG509, f"r = {r}: 0 to {MAX_INTERIOR_NODES} interior nodes are supported")
    return int(steps), int(r)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)


def check_saving(every: Any, checkpoint: Any, steps: int) -> tuple[int, int]:
    """`save_every` and `checkpoint` as plain integers in range."""
    for value, what, least in ((every, "save_every", 1), (checkpoint, "checkpoint", 0)):
        if not _is_integer(value) or value < least:
            raise fail(Code.LAG509, f"{what} = {value!r} is not an integer of at least {least}")
    if steps % every:
        raise fail(
            Code.LAG509,
            f"save_every = {every} does not divide the {steps} steps",
            help=f"for instance steps = {-(-steps // int(every)) * int(every)}",
        )
    return int(every), int(checkpoint)


def run_ends(
    arrays: Mapping[str, tuple[jax.Array, int]], steps: int
) -> tuple[jax.Array, jax.Array]:
    """The times at which a run begins and ends."""
    if "times" in arrays:
        grid = arrays["times"][0]
        return grid[0], grid[-1]
    t0, dt = arrays["t0"][0], arrays["dt"][0]
    most = max(t0.ndim, dt.ndim)  # batch axes count from the left
    t0, dt = (x.reshape(x.shape + (1,) * (most - x.ndim)) for x in (t0, dt))
    return t0, t0 + steps * dt


def save_times(times: Any, ends: tuple[jax.Array, jax.Array], dtype: Any) -> jax.Array:
    """Times of output, (m,), within the run; LAG509 where they are not."""
    array = as_array(times, "save_at", dtype)
    if array.ndim != 1 or array.shape[0] < 1:
        raise fail(Code.LAG505, "`save_at` is one axis of at least one time")
    if not all(is_known(x) for x in (array, *ends)):
        return array
    # Only NumPy looks at numbers while jax traces.
    begin, end, values = (np.asarray(x) for x in (*ends, array))
    if not end.size:
        return array
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    slack = 16 * np.finfo(values.dtype).eps * np.maximum(np.abs(low), np.abs(high))
    outside = (np.min(values) < np.max(low - slack)) | (np.max(values) > np.min(high + slack))
    if outside or not np.all(np.isfinite(values)):
        raise fail(
            Code.LAG509,
            f"`save_at` reaches from {np.min(values):g} to {np.max(values):g}; the run covers "
            f"{np.max(low):g} to {np.min(high):g}",
        )
    return array


def check_grid(times: jax.Array) -> None:
    """Raise LAG509 where two times of a grid are the same or not finite."""
    if is_known(times):
        check_dt(np.diff(np.asarray(times)))


def check_onward(times: jax.Array) -> None:
    """Raise LAG509 where a grid turns round: places in it would not be unique."""
    if is_known(times) and len(set(np.sign(np.diff(np.asarray(times))))) > 1:
        raise fail(Code.LAG509, "`save_at` needs `times` that only increase or only decrease")


def check_start(t0: Any) -> None:
    """Raise LAG509 for a time that is not finite."""
    if is_known(t0) and not np.all(np.isfinite(np.asarray(t0))):
        raise fail(Code.LAG509, "the time t0 must be finite")


def check_dt(dt: Any) -> None:
    """Raise LAG509 for a step that is zero or not finite."""
    if not is_known(dt):
        return
    values = np.asarray(dt)
    if not np.all(np.isfinite(values) & (values != 0)):
        raise fail(Code.LAG509, "the step dt must be finite and not zero")
