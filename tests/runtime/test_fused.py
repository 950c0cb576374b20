"""Small loops compiled as one function: nothing breaks down, and nothing else changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import lagc
from tests.conftest import EXAMPLES, ROOT
from tests.runtime.fused_runs import LONG, RUNS

Outputs = tuple[list[np.ndarray], list[np.ndarray]]


def outputs_of(runs: list[Any], *arguments: str) -> Outputs:
    """The results of all runs, fused and not, each from a process of its own; the plain ones are
    compiled in haste, to round-off the same."""
    command = [sys.executable, "-m", "tests.runtime.fused_runs", *arguments]
    hasty = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    processes = [
        subprocess.Popen(
            [*command, *how], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | flags
        )
        for how, flags in (([], {}), (["plain"], hasty))
    ]
    texts = [p.communicate(timeout=600)[0] for p in processes]
    for process, text in zip(processes, texts, strict=True):
        done = len(text.splitlines())
        assert process.returncode == 0, (
            f"broke down in run {done}: {runs[min(done, len(runs) - 1)]}"
        )
    fused, plain = ([np.array(json.loads(x)) for x in text.splitlines()] for text in texts)
    return fused, plain


def assert_same(fused: np.ndarray, plain: np.ndarray, kind: str) -> None:
    """Round-off of at most 100 steps; all numbers finite."""
    assert fused.shape == plain.shape and np.all(np.isfinite(fused)) and np.ptp(fused) > 0.1
    bound = 1e-13 if kind == "f8" else 1e-5
    assert np.max(np.abs(fused - plain)) <= bound * np.max(np.abs(plain))


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    return outputs_of(RUNS)


@pytest.mark.parametrize("number", range(len(RUNS)), ids=lambda n: "-".join(map(str, RUNS[n][:5])))
def test_the_same_results(outputs: Outputs, number: int) -> None:
    assert_same(outputs[0][number], outputs[1][number], RUNS[number][-1])


@pytest.mark.long
def test_more_sizes() -> None:
    """Of the arrays of a step, among them the largest that are compiled as one function."""
    for run, fused, plain in zip(LONG, *outputs_of(LONG, "long"), strict=True):
        assert_same(fused, plain, run[-1])


def test_there_is_a_difference_to_look_at() -> None:
    """A loop over small arrays does carry the attribute that XLA acts on."""
    import jax
    import jax.numpy as jnp

    from lagc.runtime.fused import as_one_function

    if jax.default_backend() != "cpu":
        pytest.skip("on CPU only")
    lowered = jax.jit(as_one_function(lambda x: x + 1)).lower(jnp.ones(3)).as_text()
    assert "xla_cpu_small_call" in lowered


def test_mapped_from_outside() -> None:
    """vmap makes arrays larger than they were when the loop was taken to be small."""
    import jax

    orbit = lagc.load(EXAMPLES / "poynting_robertson.lag")
    q, v = np.array([0.8, 0.0]), np.linspace(7, 7.5, 4000)[:, None] * np.array([0.0, 1.0])
    mapped = jax.vmap(lambda v: orbit.simulate(q, v, dt=0.01, steps=9, r=1))(v)
    batch = orbit.simulate(q, v, dt=0.01, steps=9, r=1)
    assert not np.any(mapped.status)
    np.testing.assert_allclose(mapped.q, batch.q, atol=1e-14)
