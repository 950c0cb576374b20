"""Batches spread over several devices."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import ROOT


def test_two_devices_as_one() -> None:
    command = [sys.executable, "-m", "tests.runtime.sharded_runs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) >= 4
    for name, result in found.items():
        assert result["apart"] <= 1e-13, name
        assert result["devices"] == 2 and result["shape"], name
