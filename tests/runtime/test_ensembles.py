"""Batches: the same trajectories as one by one, bitwise after `lagc.same_bits()`, which must come
first of all and so has a process of its own (`ensembles`); to round-off without it.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from tests.conftest import ROOT
from tests.runtime import ensembles


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="elsewhere the fusion cannot be left out"
)
@pytest.mark.parametrize(
    "cases", ["not long", pytest.param("long", marks=pytest.mark.long)], ids=["some", "more"]
)
def test_bitwise(cases: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", cases]
    done = subprocess.run(
        [*command, "tests/runtime/ensembles.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout and "skipped" not in done.stdout


def test_bits_once_jax_has_started() -> None:
    np.asarray(jnp.ones(3) + 1)
    before = os.environ.get("XLA_FLAGS")
    with pytest.raises(lagc.LagcError, match=r"LAG511.*already"):
        lagc.same_bits()
    assert os.environ.get("XLA_FLAGS", "") == (before or "")


@pytest.mark.parametrize("run", [ensembles.dust, ensembles.pendula])
def test_round_off(run: ensembles.Run) -> None:
    """Nine steps of a few roundings each."""
    arguments: dict[str, Any] = {
        "a": ensembles.spread(3, 0.7, 1.2),
        "v": ensembles.spread(3, -0.4, 0.6),
        "c": ensembles.spread(3, 0.4, 0.8),
        "h": ensembles.spread(3, 0.05, 0.12),
    }
    whole = run(**arguments)
    for i in range(3):
        alone = run(**{name: value[i] for name, value in arguments.items()})
        for name in lagc.Trajectory._fields:
            x, y = np.asarray(getattr(whole, name)[i]), np.asarray(getattr(alone, name))
            assert np.max(np.abs(x - y)) <= 64 * np.finfo(float).eps * np.max(np.abs(y)), name
