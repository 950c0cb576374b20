"""`lagc run`: what it prints, what it writes, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest
import xarray

import lagc
from lagc.cli import common, running
from lagc.cli.main import run
from lagc.cli.results import default_of
from tests.conftest import EXAMPLES
from tests.runtime.references import damped_oscillator

DHO = str(EXAMPLES / "dho.lag")


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The object that a successful run prints."""
    assert run(["run", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result: dict[str, Any] = json.loads(captured.out)
    return result


def test_json_has_the_documented_form(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, DHO, "--until", "10", "--step", "0.05", "--order", "8")
    answer = ["model", "steps", "status", "final", "energy", "seconds", "output"]
    assert list(found) == [*answer, "ok", "diagnostics"]
    assert (found["model"], found["steps"], found["status"]) == ("dho", 200, "ok")
    assert set(found["final"]) == {"t", "q", "v", "p"}
    assert set(found["seconds"]) == {"compile", "first_call", "run"}
    assert set(found["energy"]) == {"initial", "final"}
    assert found["output"] is None
    q, v = damped_oscillator(10.0, 1.0, 1.0, 0.1)
    np.testing.assert_allclose([*found["final"]["q"], *found["final"]["v"]], [q, v], atol=1e-11)
    assert found["energy"]["final"] == pytest.approx((q * q + v * v) / 2, rel=1e-9)


@pytest.mark.parametrize(("order", "kept"), [("6", False), ("24", True)])
def test_steps_too_long_for_a_stiff_spring(
    order: str, kept: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """h w = 10: nothing fails at order 6, where the motion grows 13-fold a step."""
    model = tmp_path / "stiff.lag"
    model.write_text(
        "model stiff\ncoordinate x\nL = 1/2*x'^2 - 50*x^2\ninitial x = 1, x' = 0\n"
        "run until 20 step 1\n"
    )
    assert run(["run", str(model), "--order", order, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    codes = [d["code"] for d in answer["diagnostics"]]
    assert answer["status"] == "ok" and codes == ([] if kept else ["LAG512"])
    assert (answer["energy"]["final"] < 100) == kept


def test_a_body_at_rest_keeps_its_energy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "rest.lag"
    model.write_text(
        "model rest\ncoordinate x\nL = 1/2*x'^2 - 50*(x - 3)^2 - 1e3*x\n"
        "initial x = -7, x' = 0\nrun until 20 step 0.1\n"
    )
    assert as_json(capsys, str(model))["diagnostics"] == []


def test_defaults_come_from_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, DHO)
    assert found["steps"] == 1000 and found["final"]["t"] == pytest.approx(100.0)
    exact = damped_oscillator(100.0, 1.0, 1.0, 0.1)
    assert found["final"]["q"][0] == pytest.approx(exact[0], abs=1e-9)


def test_settings_and_initial_values(capsys: pytest.CaptureFixture[str]) -> None:
    changed = ("--set", "c1=2", "--set", "c2=3", "--set", "c3=1", "--until", "4")
    by_velocity = as_json(capsys, DHO, *changed, "--initial", "q = 1/2, q' = 0.25")
    by_momentum = as_json(capsys, DHO, *changed, "--initial", "q = 1/2, p[q] = 1")
    q, v = damped_oscillator(4.0, 4.0, 6.0, 1.0)
    assert by_velocity["final"]["q"] == pytest.approx(by_momentum["final"]["q"], abs=1e-13)
    other = as_json(capsys, DHO, *changed, "--initial", "q=1")
    assert other["final"]["q"][0] == pytest.approx(q, abs=1e-8)
    assert other["final"]["v"][0] == pytest.approx(v, abs=1e-8)
    assert other["final"]["p"][0] == pytest.approx(4 * v, abs=1e-7)


@pytest.mark.parametrize("suffix", ["nc", "npz", "csv"])
def test_result_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    model = str(EXAMPLES / "double_pendulum.lag")
    path = tmp_path / f"out.{suffix}"
    initial = "theta = (3, 3), theta' = (8, 8)"
    found = as_json(
        capsys, model, "--initial", initial, "--until", "1", "--step", "0.05", "--output", str(path)
    )
    assert found["output"] == str(path) and set(found["final"]) == {"t", "q", "v", "p", "winding"}
    if suffix == "nc":
        with xarray.open_dataset(path, engine="h5netcdf") as data:
            assert data.attrs["model"] == "double_pendulum" and data.attrs["coefficient_f"] == 0.01
            q, height = data["q"].to_numpy(), data["height"].to_numpy()
            assert list(data["dof"].to_numpy()) == ["theta[0]", "theta[1]"]
    elif suffix == "npz":
        with np.load(path) as data:
            q, height = data["q"], data["observable height"]
            assert list(data["labels"]) == ["theta[0]", "theta[1]"]
    else:
        lines = [x for x in path.read_text().splitlines() if not x.startswith("#")]
        names = lines[0].split(",")
        assert names[:7] == [
            "t", "theta[0]", "theta[1]", "theta'[0]", "theta'[1]", "p[theta[0]]", "p[theta[1]]",
        ]  # fmt: skip
        table = np.array([[float(x) for x in line.split(",")] for line in lines[1:]])
        q, height = table[:, 1:3], table[:, names.index("height")]
    assert q.shape == (21, 2)
    np.testing.assert_array_equal(q[-1], found["final"]["q"])
    np.testing.assert_allclose(height, -np.cos(q).sum(axis=1), atol=1e-14)


def test_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model in ("dho", "poynting_robertson"):
        path = tmp_path / f"{model}.png"
        assert (
            run(["run", str(EXAMPLES / f"{model}.lag"), "--until", "1", "--plot", str(path)]) == 0
        )
        assert path.read_bytes().startswith(b"\x89PNG")
    assert "wrote" in capsys.readouterr().out


def test_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driven = str(EXAMPLES / "driven.lag")
    start = ("--initial", "x=1, x'=0", "--until", "5", "--step", "0.1")
    constant = as_json(capsys, driven, *start, "--input", "u=0.5")
    recording = tmp_path / "u.csv"
    recording.write_text("t,u\n0,0.5\n10,0.5\n")
    sampled = as_json(capsys, driven, *start, "--input", f"u={recording}")
    assert constant["final"]["q"] == pytest.approx(sampled["final"]["q"], abs=1e-13)
    assert run(["run", driven, *start]) == 2
    assert "LAG506" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column t"),
        ("t,u\n", "at least two rows"),
        ("t,u\n0,1\n", "at least two rows"),
        ("t,u\n0,1\n9\n", "row 2 has 1 cells"),
        ("t,u\n0,1\n9,x\n", "`x` is not a finite number"),
        ("t,u\n0,1\n4,1\n", "from t = 0 to 4 and the run from 0 to 5"),
    ],
)
def test_recordings_that_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    recording = tmp_path / "u.csv"
    recording.write_text(text)
    start = ("--initial", "x=1, x'=0", "--until", "5", "--step", "0.1")
    model = str(EXAMPLES / "driven.lag")
    assert run(["run", model, *start, "--input", f"u={recording}"]) == 2
    captured = capsys.readouterr()
    assert "LAG601" in captured.err and said in captured.err


def test_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(EXAMPLES / "neural_pendulum.lag")
    start = ("--initial", "q=1, q'=0", "--until", "1", "--step", "0.1")
    assert run(["run", model, *start]) == 2
    assert "LAG507" in capsys.readouterr().err
    system = lagc.load(model)
    networks = system.initial_neural(jax.random.key(3))
    path = tmp_path / "weights.eqx"
    eqx.tree_serialise_leaves(path, networks)
    found = as_json(capsys, model, *start, "--weights", str(path))
    same = system.simulate(1.0, 0.0, neural=networks, dt=0.1, steps=10)
    assert found["final"]["q"][0] == pytest.approx(float(same.q[-1, 0]), abs=1e-14)
    path.write_bytes(b"not weights")
    assert run(["run", model, *start, "--weights", str(path)]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--set", "c4=1"], 2, "LAG503"),
        (["--set", "c1"], 2, "LAG510"),
        (["--set", "c1=x"], 2, "LAG510"),
        (["--set", "c1=1", "--set", "c1=2"], 2, "LAG510"),
        (["--set", "c1=-1"], 2, "LAG504"),
        (["--step", "0"], 2, "LAG509"),
        (["--step", "0.3"], 2, "whole number of steps"),
        (["--step", "-0.1"], 2, "LAG509"),
        (["--until", "nan"], 2, "LAG510"),
        (["--order", "5"], 2, "LAG509"),
        (["--order", "0"], 2, "LAG509"),
        (["--set", "c1=1/0"], 2, "LAG510"),
        (["--weights", "w.eqx"], 2, "LAG507"),
        (["--input", "u=1", "--input", "u=2"], 2, "LAG510"),
        (["--input", "u=/nowhere/u.csv"], 2, "LAG001"),
        (["--order", "260"], 2, "LAG509"),
        (["--initial", "z=1"], 2, "LAG215"),
        (["--initial", "q=1,, q'=0"], 2, "LAG102"),
        (["--initial", "q=1, q'=0, p[q]=1"], 2, "LAG501"),
        (["--output", "x.txt"], 2, "LAG510"),
        (["--output", "/nowhere/x.csv"], 2, "LAG002"),
        (["--input", "u=1"], 2, "LAG506"),
        (["--plot", "/nowhere/x.png"], 2, "LAG002"),
        (["--plot", "x.txt"], 2, "LAG510"),
        (["--plot", "."], 2, "LAG510"),
        (["--nonsense"], 2, "No such option"),
    ],
)
def test_options_that_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert run(["run", DHO, *arguments]) == code
    captured = capsys.readouterr()
    assert message in captured.err and "Traceback" not in captured.err
    assert captured.out == ""


def test_missing_values_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.lag"
    model.write_text("coordinate q\ninput push\nL = q'^2 - q^2\nforce q = push\n")
    assert run(["run", str(model)]) == 2
    said = capsys.readouterr().err
    assert said.count("error[") == 3
    assert "--until and --step" in said and "LAG501" in said and "`--input push=1`" in said
    model.write_text("coordinate q\nL = q'^2 - q^2\n")
    assert run(["run", str(model), "--until", "1", "--step", "0.1"]) == 2
    assert "LAG501" in capsys.readouterr().err
    assert run(["run", str(model), "--until", "1", "--step", "0.1", "--initial", "q=1"]) == 2
    assert "q'" in capsys.readouterr().err


def test_numerical_failure_keeps_what_was_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "fall.lag"
    model.write_text("coordinate x\nL = 1/2*x'^2 - log(x)\ninitial x = 1, x' = 0\n")
    path = tmp_path / "fall.csv"
    arguments = ["run", str(model), "--until", "3", "--step", "0.05", "--output", str(path)]
    assert run([*arguments, "--json"]) == 3
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["ok"] is False and [d["code"] for d in found["diagnostics"]] == ["LAG508"]
    assert "step" in found["status"] and 0 < found["steps"] < 60
    rows = [x for x in path.read_text().splitlines() if not x.startswith("#")][1:]
    assert len(rows) == found["steps"] + 1 and "nan" not in "".join(rows)


def test_long_runs_in_chunks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = as_json(capsys, DHO)
    monkeypatch.setattr(running, "CHUNK", 300)
    monkeypatch.setattr(common, "SECONDS_BETWEEN_LINES", 0.0)
    assert run(["run", DHO, "--json"]) == 0
    captured = capsys.readouterr()
    final = json.loads(captured.out)["final"]
    for name, value in whole["final"].items():
        assert final[name] == pytest.approx(value, rel=1e-12, abs=1e-13)
    lines = captured.err.splitlines()
    assert lines[-1] == "integrating 1000/1000" and "integrating 600/1000" in lines


DOUBLE = str(EXAMPLES / "double_pendulum.lag")
START = "theta = (1, 1), theta' = (0, 0)"


def test_interrupt_saves_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "long.npz"
    command = [
        sys.executable, "-c", "from lagc.cli.main import main; main()",
        "run", DOUBLE, "--until", "100000", "--step", "0.01",
        "--initial", START, "--output", str(path),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"integrating")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"Traceback" not in errors
    with np.load(path) as data:
        assert data["q"].shape[0] > 1000 and "interrupted" in str(data["attribute status"])


@pytest.mark.parametrize(
    "command",
    [
        [str(Path(sys.executable).parent / "lagc")],
        [sys.executable, "-m", "lagc"],
        [sys.executable, "-m", "lagc.cli.main"],
    ],
)
def test_every_way_to_start_it(command: list[str]) -> None:
    result = subprocess.run(
        [*command, "--version"], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert result.stdout.strip() == f"lagc, version {lagc.__version__}"


def test_a_default_that_differs_from_site_to_site_is_written_out() -> None:
    system = lagc.loads(
        "index i in 0..3 periodic\ncoordinate x[i]\ncoefficient k[i] = 1 + i\n"
        "coefficient c = 2\nL = sum(i, x'[i]^2/2 - k[i]*x[i]^2/2 - c*x[i])"
    )
    assert [default_of(c) for c in system.spec.coefficients] == [[1.0, 2.0, 3.0, 4.0], 2.0]
