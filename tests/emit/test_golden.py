"""Generated modules: the checked-in text to the byte, and that same text at work."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.mechanics.models import COMPILABLE, PATHS, compiled

GOLDEN = ROOT / "tests" / "golden"


@pytest.mark.parametrize("name", COMPILABLE)
def test_the_text_is_the_golden_one(name: str, update_golden: bool) -> None:
    path = GOLDEN / f"{name}_lag.py"
    if update_golden:
        path.write_text(compiled(name).text, encoding="utf-8")
    assert compiled(name).text == path.read_text(encoding="utf-8")


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"golden_{name}", GOLDEN / f"{name}_lag.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("name", COMPILABLE)
def test_the_golden_module_makes_a_step(name: str) -> None:
    import jax

    lag = module(name)
    n = lag.SPEC.dof
    q, v = np.linspace(0.5, 0.8, n), np.linspace(0.3, -0.2, n)
    options = {"inputs": dict.fromkeys(lag.SPEC.inputs, 0.25)}
    options["neural"] = lag.initial_neural(jax.random.key(0))
    p = lag.momentum(q, v, 0.5, **options)
    step = lag.step(q, p, 0.5, dt=1e-3, r=1, **options)
    assert int(step.status) == 0
    residual = lag.residual(step.nodes, p, 0.5, dt=1e-3, **options)
    assert float(np.max(np.abs(residual))) < 1e-11
    # to first order in the step, q moves by v dt: no force is missing a factor 1/dt
    np.testing.assert_allclose(step.q, q + 1e-3 * v, atol=1e-4)
    assert np.all(np.asarray(step.q) != q)


def test_the_golden_oscillator_is_an_oscillator() -> None:
    lag = module("dho")
    values = {"c1": 0.5, "c2": 2.0, "c3": 0.0}
    trajectory = lag.simulate([1.0], [0.0], coefficients=values, dt=0.05, steps=100, r=3)
    np.testing.assert_allclose(trajectory.q[:, 0], np.cos(2 * trajectory.t), atol=1e-9)


def test_the_same_bytes_whatever_the_hash_seed() -> None:
    code = (
        "import hashlib, sys\n"
        "from lagc.driver import compile_source, read_source\n"
        "for p in sys.argv[1:]:\n"
        "    c = compile_source(read_source(p))\n"
        "    print(hashlib.sha256((c.text + str(c.facts)).encode()).hexdigest())\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, *map(str, PATHS.values())],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "2")
    ]
    results = [process.communicate()[0].split() for process in running]
    here = [
        hashlib.sha256((compiled(n).text + str(compiled(n).facts)).encode()).hexdigest()
        for n in PATHS
    ]
    assert results == [here, here, here]


@pytest.mark.parametrize("name", PATHS)
def test_the_text_is_tidy(name: str) -> None:
    lines = compiled(name).text.splitlines()
    assert not [line for line in lines if line != line.rstrip()]
    assert str(ROOT) not in compiled(name).text
    compile(compiled(name).text, "m", "exec", dont_inherit=True)
