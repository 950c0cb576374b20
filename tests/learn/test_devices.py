"""Training divided among devices and processes learns what it learns on one device."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from lagc.base.diagnostics import LagcError
from lagc.learn.devices import Devices, connect
from lagc.learn.run_folder import load_run
from tests.conftest import ROOT
from tests.learn.train_run import OPTIONS, trained


def _started(folder: Path, *place: str, devices: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.learn.train_run", str(folder), *place]
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)


@pytest.mark.long
def test_two_processes_with_two_devices_each_learn_the_same(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    folder = tmp_path / "divided"
    started = [_started(folder, address, "2", str(k), devices=2) for k in range(2)]
    try:
        alone, system = trained(tmp_path / "alone")
        found = []
        for process in started:
            output, errors = process.communicate(timeout=300)
            assert process.returncode == 0, errors
            found.append(json.loads(output.splitlines()[-1]))
    finally:
        for process in started:
            process.kill()
    assert [f["devices"] for f in found] == [4, 4]
    assert [f["leads"] for f in found] == [True, False]
    assert found[0]["loss"] == found[1]["loss"] == pytest.approx(alone.loss, rel=1e-12)
    # The one that leads wrote the same network, and the report on it.
    names = {"run.json", "network.eqx", "report.json", "log.jsonl", "checkpoint.json"}
    assert names <= {path.name for path in folder.iterdir()}
    networks = [load_run(f, system).network for f in (folder, tmp_path / "alone")]
    for one, other in zip(*map(_weights, networks), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def _weights(network: object) -> list[np.ndarray]:
    return [np.asarray(x) for x in jax.tree_util.tree_leaves(eqx.filter(network, eqx.is_array))]


def test_a_batch_must_be_divisible() -> None:
    class Three(Devices):
        count = 3

    with pytest.raises(LagcError, match="evenly among 3 devices"):
        Three(Devices.all().mesh).check(OPTIONS.batch)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("localhost", 2, 0), "HOST:PORT"),
        (("localhost:99999", 2, 0), "HOST:PORT"),
        (("localhost:7000", 2, 2), "counted from 0"),
    ],
)
def test_places_that_make_no_sense(place: tuple[str, int, int], message: str) -> None:
    with pytest.raises(LagcError, match=message):
        connect(*place)
