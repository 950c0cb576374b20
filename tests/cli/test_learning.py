"""`lagc fit` and `lagc train` from the command line, on data that lagc did not make."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from lagc.cli.main import run
from tests.conftest import EXAMPLES
from tests.runtime.references import damped_oscillator

DHO = str(EXAMPLES / "dho.lag")


def record(path: Path, columns: str, noise: float = 0.0) -> str:
    """100 rows of the exact solution for c1 = 2, c2 = 3, c3 = 1 (mass 4, stiffness 6)."""
    generator = np.random.default_rng(5)
    lines = [columns]
    for t in 0.1 * np.arange(100):
        q, v = damped_oscillator(t, 4.0, 6.0, 1.0)
        second = 4 * v if "p[q]" in columns else v
        values = [t, *(np.array([q, second]) + noise * generator.standard_normal(2))]
        lines.append(",".join(repr(float(x)) for x in values))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_fit_recovers_coefficients(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = record(tmp_path / "data.csv", "t,q,p[q]", noise=0.01)
    draws = tmp_path / "draws.csv"
    asked = ["--posterior", "laplace", "--samples", "500", "--draws", str(draws), "--seed", "3"]
    assert run(["fit", DHO, data, *asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"model", "converged", "observations", "residual_rms", "gauge", "coefficients"} <= set(
        found
    )
    assert found["converged"] and found["observations"] == 200 and found["gauge"] == []
    for name, true in (("c1", 2.0), ("c2", 3.0), ("c3", 1.0)):
        estimate = found["coefficients"][name]
        assert abs(estimate["value"] - true) < 4 * estimate["std"] < 0.4 * true
        low, high = estimate["interval95"]
        assert low < estimate["value"] < high and estimate["identifiable"]
        # Laws that are flat over what the data admit change little.
        marginal = found["posterior"]["coefficients"][name]
        assert marginal["median"] == pytest.approx(estimate["value"], abs=0.3 * estimate["std"])
        assert marginal["std"] == pytest.approx(estimate["std"], rel=0.2)
    header, *rows = draws.read_text().splitlines()
    assert header == "chain,c1,c2,c3,initial q,initial q'" and len(rows) == 500
    median = np.median([float(row.split(",")[1]) for row in rows])
    assert median == pytest.approx(found["posterior"]["coefficients"]["c1"]["median"], rel=1e-12)


def test_options_of_a_posterior_that_is_not_wanted_or_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record(tmp_path / "data.csv", "t,q,p[q]")
    assert run(["fit", DHO, data, "--draws", "draws.csv"]) == 2
    assert "LAG510" in capsys.readouterr().err
    assert run(["fit", DHO, data, "--posterior", "laplace", "--draws", "draws.txt"]) == 2
    assert ".nc, .csv" in capsys.readouterr().err


def test_a_sampler_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "blackjax", None)
    data = record(tmp_path / "data.csv", "t,q,p[q]")
    assert run(["fit", DHO, data, "--posterior", "nuts"]) == 2
    said = capsys.readouterr().err
    assert "LAG003" in said and "pip install 'lagc[posterior]'" in said


def test_fit_says_what_the_data_cannot_decide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record(tmp_path / "data.csv", "t,q,q'")
    assert run(["fit", DHO, data, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["gauge"]) == 1 and "scale" in found["gauge"][0]
    c = found["coefficients"]
    assert c["c1"]["value"] == 0.5 and not c["c1"]["identifiable"] and c["c1"]["std"] is None
    assert c["c2"]["value"] == pytest.approx(0.75, rel=1e-8)
    assert c["c3"]["value"] == pytest.approx(0.25, rel=1e-8)
    assert run(["fit", DHO, data]) == 0
    table = capsys.readouterr().out
    assert "held (fixes the scale)" in table and "not seen" not in table
    # Two ends of an interval that agree to 11 digits are still told apart.
    for line in (line for line in table.splitlines() if " .. " in line):
        low, _, high = line.split("│")[4].strip().partition(" .. ")
        assert float(low) < float(high) and low != high


def test_a_run_of_the_program_is_fitted_within_its_own_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "run.csv")
    values = {"c1": 2.0, "c2": 3.0, "c3": 1.0}
    settings = [word for n, v in values.items() for word in ("--set", f"{n}={v}")]
    assert run(["run", DHO, *settings, "--until", "4", "--output", data]) == 0
    capsys.readouterr()
    assert run(["fit", DHO, data, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["coefficients"]
    for name, true in values.items():
        low, high = found[name]["interval95"]
        assert low <= true <= high and high - low < 1e-8 * true


def test_a_fit_in_a_wrong_minimum_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "fast.lag"
    model.write_text(
        "model fast\ncoordinate q\ncoefficient w >= 0 = 1\ncoefficient c >= 0 = 0.1\n"
        "L = 1/2*q'^2 - 1/2*w*q^2\nK = -c*q'_+*q_-\n"
    )
    # Noise alone, slowly wandering: no oscillator follows it.
    random = np.random.default_rng(2)
    values = np.cumsum(random.normal(size=100))
    rows = [f"{0.1 * k!r},{value!r}" for k, value in enumerate(values.tolist())]
    data = tmp_path / "data.csv"
    data.write_text("\n".join(["t,q", *rows]) + "\n")
    assert run(["fit", str(model), str(data)]) == 3
    table = capsys.readouterr().out
    assert "NOT CONVERGED" in table and "does not follow the data" in table
    assert "held" not in table and "gauge" not in table and table.count("not known") == 2
    output = tmp_path / "fitted.lag"
    assert run(["fit", str(model), str(data), "--output", str(output), "--json"]) == 3
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    (item,) = found["diagnostics"]
    assert not found["ok"] and not found["converged"] and "LAG602" not in captured.err
    assert item["code"] == "LAG602" and item["severity"] == "error" and "--guess" in item["help"]
    assert item["message"].startswith("fast: the fit did not converge")
    said = [note["message"] for note in item["notes"]]
    assert said == [*found["notes"], f"{output} was not written"]
    assert any("does not follow the data" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "LAG601"),
        ("t,q,z\n0,1,2\n1,2,3\n", "`z`"),
        ("q,q'\n0,1\n1,2\n", "`t`"),
        ("t,q\n0,1\n0,2\n", "LAG601"),
        ("t,q\n0,1\n1,abc\n", "abc"),
        ("t,q\n0,1\n", "LAG601"),
        ("t\n0\n1\n", "LAG601"),
        ("t,q\n0,1,3\n1,2\n", "LAG601"),
    ],
)
def test_data_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    assert run(["fit", DHO, str(path)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and "LAG601" in captured.err and captured.out == ""


def test_missing_data_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", DHO, "nowhere.csv"]) == 2
    assert "LAG001" in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of a few updates, drawn over what was there before."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "checkpoint.json").write_text("{}")
    arguments = ["train", DHO, "--systems", "512", *SMALL, "--output", str(folder), "--json"]
    assert run(arguments) == 2  # there is a checkpoint already
    assert run([*arguments, "--overwrite", "--plot", str(folder / "curves.png")]) == 0
    return folder


SMALL = ["--held-out", "50", "--steps", "10", "--features", "trajectory", "--noise", "0..0.01"]


def test_train_reports_resumes_and_refuses(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    first = json.loads((folder / "report.json").read_text())
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "model.lag").read_text() == (EXAMPLES / "dho.lag").read_text()
    small = [*SMALL, "--output", str(folder)]
    assert run(["train", DHO, "--systems", "900", *small, "--resume", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert (first["systems_asked"], first["systems_seen"], first["updates"]) == (512, 512, 2)
    assert (second["systems_asked"], second["systems_seen"]) == (900, 1024)
    assert second["updates"] == 4 and second["coefficients"] != first["coefficients"]
    assert json.loads((folder / "report.json").read_text()).items() <= second.items()
    assert run(["train", DHO, "--systems", "900", *small, "--resume"]) == 0
    table = capsys.readouterr().out
    assert "1024 systems seen, 900 asked for, in whole batches of 256 (" in table
    assert run(["train", DHO, "--systems", "1024", *small, "--resume"]) == 0
    assert "1024 systems seen (" in capsys.readouterr().out
    assert run(["train", DHO, "--systems", "512", *small]) == 2
    refused = capsys.readouterr().err
    assert "LAG604" in refused and "--resume" in refused and "--overwrite" in refused
    assert run(["train", DHO, *small, "--resume", "--overwrite"]) == 2
    assert "LAG510" in capsys.readouterr().err
    assert run(["train", DHO, "--step", "0.1..x", *small, "--resume"]) == 2
    assert "LAG510" in capsys.readouterr().err
    assert run(["train", DHO, "--network", "lstm", "--systems", "1024", *small, "--resume"]) == 2
    assert "LAG604" in capsys.readouterr().err


def test_predict_reads_and_fits(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record(tmp_path / "data.csv", "t,q,p[q]", noise=0.001)
    assert run(["predict", str(trained), data, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (recording,) = found["recordings"]
    assert found["model"] == "dho" and recording["step"] == pytest.approx(0.1)
    assert recording["notes"] == ["the network saw the rows to t = 1, of 9.9"]
    for name, true in (("c1", 2.0), ("c2", 3.0), ("c3", 1.0)):
        low, high = recording["coefficients"][name]["interval95"]
        assert low < recording["coefficients"][name]["value"] < high
        assert recording["fit"]["coefficients"][name]["value"] == pytest.approx(true, rel=0.02)
    assert run(["predict", str(trained), data, data, "--no-polish"]) == 0
    table = capsys.readouterr().out
    assert table.count("predicted") == 2 and "fitted" not in table
    # A text without a name of its own is called as its file was when it was trained on.
    other = shutil.copytree(trained, tmp_path / "run")
    content = json.loads((other / "run.json").read_text())
    content["model"]["name"] = "pendula"
    (other / "run.json").write_text(json.dumps(content))
    assert run(["predict", str(other), data, "--no-polish", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "pendula"


def test_predict_refuses(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = record(tmp_path / "data.csv", "t,q,p[q]")
    for folder in (tmp_path / "nowhere", tmp_path, tmp_path / "data.csv"):
        assert run(["predict", str(folder), data]) == 2
        assert "LAG605" in capsys.readouterr().err
    velocities = record(tmp_path / "velocities.csv", "t,q,q'")
    assert run(["predict", str(trained), velocities]) == 2
    assert "LAG607" in capsys.readouterr().err
    (tmp_path / "short.csv").write_text("t,q,p[q]\n0,1,0\n0.1,1,0\n")
    assert run(["predict", str(trained), str(tmp_path / "short.csv")]) == 2
    assert "LAG607" in capsys.readouterr().err
    (tmp_path / "wrong.csv").write_text("t,x\n0,1\n0.1,1\n")
    assert run(["predict", str(trained), str(tmp_path / "wrong.csv")]) == 2
    assert "LAG601" in capsys.readouterr().err
    other = tmp_path / "other.lag"
    other.write_text((EXAMPLES / "dho.lag").read_text().replace("c2*q^2", "2*c2*q^2"))
    assert run(["predict", str(trained), data, "--model", str(other)]) == 2
    assert "LAG606" in capsys.readouterr().err


def test_predict_says_which_recording_was_not_fitted(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Begins as the family does, and goes on as no oscillator.
    random = np.random.default_rng(2)
    rows = [
        f"{0.1 * k!r},{q!r},{p!r}" for k, (q, p) in enumerate(random.normal(size=(11, 2)).tolist())
    ]
    data = tmp_path / "noise.csv"
    data.write_text("\n".join(["t,q,p[q]", "0,1,0", *rows[1:]]) + "\n")
    assert run(["predict", str(trained), str(data), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    (item,) = found["diagnostics"]
    assert item["code"] == "LAG602" and "noise.csv: " in item["message"]
    assert "lagc fit" in item["help"]
    fit = found["recordings"][0]["fit"]
    assert [note["message"] for note in item["notes"]] == (fit["notes"] if fit else [])


def test_train_needs_laws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pendulum = str(EXAMPLES / "double_pendulum.lag")
    assert run(["train", pendulum, "--output", str(tmp_path / "x")]) == 1
    assert "LAG603" in capsys.readouterr().err
    assert run(["train", DHO, "--systems", "100", "--output", str(tmp_path / "x")]) == 2
    assert "a batch of 256" in capsys.readouterr().err and not (tmp_path / "x").exists()
