"""What `lagc fit` writes: a model that runs, a report, a picture; data that `lagc run` wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import lagc
from lagc.cli.main import run
from tests.runtime.references import damped_oscillator

MODEL = """\
# A damped oscillator  # with friction
model oscillator

coordinate x [m]
coefficient m in (0, 10] = 1/2 [kg]     # the mass, which is held
coefficient k > 0 [N/m] ~ uniform(1, 20)  # the spring: no default
coefficient c >= 0 = 0.1 [kg/s]  # friction
L = 1/2*m*x'^2 - 1/2*k*x^2
K = -c*x'_+*x_-
initial x = 1 [m],  # pulled
        x' = 0 [m/s]
"""


def oscillator_rows(first: float = 0.0, rows: int = 60) -> list[str]:
    """The exact solution for m = 1/2, k = 3/2, c = 1/5 with a little noise."""
    generator, lines = np.random.default_rng(3), ["t,x,x'"]
    for t in 0.1 * np.arange(rows):
        x, v = np.array(damped_oscillator(t, 0.5, 1.5, 0.2)) + 1e-3 * generator.normal(size=2)
        lines.append(f"{first + t!r},{x!r},{v!r}".replace("np.float64(", "").replace(")", ""))
    return lines


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model, data and all that one fit writes."""
    folder = tmp_path_factory.mktemp("fit")
    (folder / "model.lag").write_text(MODEL)
    rows = oscillator_rows(first=2.0)
    cells = rows[30].split(",")
    rows[30] = f"{cells[0]},{float(cells[1]) + 1.0!r},{cells[2]}"
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    (folder / "out").mkdir()
    args = ["fit", str(folder / "model.lag"), str(folder / "data.csv"), "--loss", "huber"]
    args += ["--fix", "m", "--guess", "k=2", "--output", str(folder / "out" / "fitted.lag")]
    args += ["--report", str(folder / "report.html"), "--plot", str(folder / "fit.png")]
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("lagc.cli.common.click.echo", lambda m="", **_: said.append(str(m)))
        assert run([*args, "--json"]) == 0
    (folder / "answer.json").write_text(said[-1])
    return folder


def test_the_fitted_model_keeps_its_text(fitted: Path) -> None:
    found = json.loads((fitted / "answer.json").read_text())
    values = {name: c["value"] for name, c in found["coefficients"].items()}
    state = found["initial_states"][0]["values"]
    text = (fitted / "out" / "fitted.lag").read_text()
    header, _, rest = text.partition("\n\n")
    assert header.startswith("# Fitted by lagc") and "data.csv: 60 rows" in header
    assert "t = 0 is 2.0 there" in header and "m = 0.5, fixed" in header
    x, v = state["x"]["value"], state["x'"]["value"]
    expected = MODEL.replace("~ uniform", f"= {values['k']!r} ~ uniform")
    expected = expected.replace("= 0.1 [kg/s]", f"= {values['c']!r} [kg/s]")
    start = expected.index("initial")
    expected = expected[:start] + f"# pulled\ninitial x = {x!r} [m], x' = {v!r} [m/s]\n"
    line = r"run until (\S+) \[s\] step (\S+) \[s\] order 6\n"
    ran = re.fullmatch(re.escape(expected) + line, rest)
    assert ran and float(ran[1]) == pytest.approx(5.9) and 5.9 / float(ran[2]) % 1 < 1e-9


def test_the_fitted_model_runs_through_the_data(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "run.nc")
    assert run(["run", str(fitted / "out" / "fitted.lag"), "--output", output]) == 0
    capsys.readouterr()
    data = np.genfromtxt(fitted / "data.csv", delimiter=",", names=True, deletechars="")
    from lagc.learn.data import read_recordings

    (ran,) = read_recordings(output, lagc.load(fitted / "out" / "fitted.lag").spec)
    steps = (len(ran.times) - 1) // 59
    np.testing.assert_allclose(ran.times[::steps], data["t"] - 2.0, atol=1e-12)
    missed = np.abs(ran.q[::steps, 0] - data["x"])
    assert np.delete(missed, 29).max() < 5e-3 and missed[29] > 0.9


def test_the_outlier_is_named_and_does_not_decide(fitted: Path) -> None:
    found = json.loads((fitted / "answer.json").read_text())
    (outlier,) = found["outliers"]
    assert (outlier["row"], outlier["t"], outlier["column"]) == (31, 4.9, "x")
    assert outlier["size"] > 100
    for name, true in (("k", 1.5), ("c", 0.2)):
        estimate = found["coefficients"][name]
        assert abs(estimate["value"] - true) < 4 * estimate["std"] < 0.02
    assert found["noise"]["x"] == pytest.approx(1e-3, rel=0.5)
    assert len(found["sensitivities"]["singular_values"]) == 2
    np.testing.assert_allclose(np.diag(found["sensitivities"]["correlation"]["matrix"]), 1)


def test_the_report_is_one_page(fitted: Path) -> None:
    page = (fitted / "report.html").read_text()
    for word in ("Coefficients", "Outliers", "Sensitivities", "Correlation", "<math", "svg+xml"):
        assert word in page
    assert not re.search(r"(src|href)=.https?:|<script|<link", page)
    assert (fitted / "fit.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((fitted / "answer.json").read_text())
    names = ("out/fitted.lag", "report.html", "fit.png")
    assert found["written"] == [str(fitted / name) for name in names]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--output", "{}/model.lag"], "LAG616"),
        (["--output", "{}/fitted.txt"], "LAG510"),
        (["--output", "{}/absent/fitted.lag"], "LAG002"),
        (["--report", "{}/report.pdf"], "LAG510"),
        (["--sigma", "y=0.1"], "LAG615"),
        (["--sigma", "x=-1"], "LAG615"),
        (["--sigma", "x''=1"], "LAG615"),
    ],
)
def test_what_cannot_be_written_or_known(
    fitted: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    args = [option.format(fitted) for option in options]
    model, data = (str(fitted / name) for name in ("model.lag", "data.csv"))
    assert run(["fit", model, data, "--guess", "k=2", *args]) == 2
    assert said in capsys.readouterr().err


def test_a_used_coefficient_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "common.lag").write_text("coefficient k > 0 = 1\n")
    model = tmp_path / "model.lag"
    model.write_text('use "common.lag"\ncoordinate x\nL = 1/2*x\'^2 - 1/2*k*x^2\n')
    data = tmp_path / "data.csv"
    data.write_text("t,x\n0,1\n1,0.5\n2,-0.4\n3,-1\n")
    assert run(["fit", str(model), str(data), "--output", str(tmp_path / "fitted.lag")]) == 2
    assert "LAG616" in capsys.readouterr().err and not (tmp_path / "fitted.lag").exists()


def test_a_driven_model_is_written_with_the_state_at_zero(tmp_path: Path) -> None:
    # x'' = -2 x + cos(t) from rest at 0: x = cos(t) - cos(sqrt(2) t).
    model, data, output = (tmp_path / name for name in ("model.lag", "data.csv", "fitted.lag"))
    model.write_text("coordinate x\ncoefficient k > 0 = 1\nL = x'^2/2 - k*x^2/2 + cos(t)*x\n")
    t = 1 + 0.05 * np.arange(50)
    rows = zip(t.tolist(), (np.cos(t) - np.cos(2**0.5 * t)).tolist(), strict=True)
    data.write_text("\n".join(["t,x", *(f"{a!r},{b!r}" for a, b in rows)]) + "\n")
    assert run(["fit", str(model), str(data), "--output", str(output)]) == 0
    system = lagc.load(output)
    assert list(system.spec.initial.values()) == pytest.approx([0.0, 0.0], abs=1e-6)
