"""Units on the command line: what is said about them and where they stand in results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from matplotlib.figure import Figure

import lagc
from lagc.cli import running
from lagc.cli.main import run
from lagc.cli.results import Result, write_result
from tests.conftest import EXAMPLES, ROOT

PENDULUM = str(ROOT / "tests" / "units" / "pendulum.lag")
GRAIN = str(ROOT / "tests" / "units" / "poynting_robertson.lag")
SHORT = ["--until", "0.1", "--step", "0.05", "--order", "2", "--input", "u=0"]


def test_check_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.lag"
    model.write_text(
        "coordinate q [m]\ncoefficient k = 1\ncoefficient b = 1\ncoefficient c = 1\n"
        "L = 1/2*q'^2 - 1/2*k*q^2\nR = b*c*q'^2\nrun until 1 [s]"
    )
    assert run(["check", str(model)]) == 0
    line = "units agree; inferred: coefficient k [1/s^2], coefficient c"
    assert line.rsplit(",", 1)[0] in capsys.readouterr().out
    assert run(["check", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["units"]
    assert found["of"]["coefficient k"] == "1/s^2" and found["of"]["energy"] == "m^2/s^2"
    # Of b and c only the product is known.
    assert set(found["undetermined"]) == {"coefficient b", "coefficient c"}
    assert run(["check", str(EXAMPLES / "dho.lag"), "--json"]) == 0
    assert "units" not in json.loads(capsys.readouterr().out)


def test_show_writes_units_behind_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", PENDULUM]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for line in (
        "coordinate   theta [rad] mod 2*pi",
        "constant     g = 9.81 [m/s^2]",
        "coefficient  b in [0, inf) = 0.01 [J*s]",
        "input        u(t) [N*m]",
        "time         t [s]",
        "units agree",
    ):
        assert line in lines
    assert [x for x in lines if x.startswith("tension =") and x.endswith("# [kg*m/s^2]")]


def test_a_module_knows_its_units() -> None:
    spec = lagc.load(PENDULUM).spec
    assert spec.units["input u"] == "N*m" and spec.unit_of("theta'") == "rad/s"
    grain = lagc.load(GRAIN).spec
    columns = ("t", "r[1]", "r'[0]", "p[r[1]]", "energy", "angular_momentum", "nothing")
    units = ["yr", "AU", "AU/yr", "AU/yr", "AU^2/yr^2", "AU^2/yr", ""]
    assert [grain.unit_of(column) for column in columns] == units
    assert lagc.load(EXAMPLES / "dho.lag").spec.unit_of("q") == ""


def test_units_stand_in_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (drawn.append(f), save(f, *a, **k)))
    out = {suffix: str(tmp_path / f"o.{suffix}") for suffix in ("nc", "npz", "csv", "png")}
    given = ["--initial", "theta = 1 [rad], theta' = 0 [rad/s]"]

    def write_all(result: Result, path: str) -> None:
        for suffix in ("nc", "npz", "csv"):
            write_result(result, out[suffix])

    monkeypatch.setattr(running, "write_result", write_all)
    files = ["--output", out["nc"], "--plot", out["png"]]
    assert run(["run", PENDULUM, *SHORT, *given, *files]) == 0
    with xarray.open_dataset(out["nc"], engine="h5netcdf") as data:
        found = {name: data[name].attrs.get("units") for name in data.variables}
        assert data["t"].dtype == np.float64
        assert data.attrs["unit_coefficient_m"] == "kg"
    assert found["q"] == "rad" and found["v"] == "rad/s" and found["t"] == "s"
    assert found["energy"] == "kg*m^2/s^2" and found["height"] == "m" and found["dof"] is None
    with np.load(out["npz"]) as data:
        assert str(data["unit t"]) == "s"
    assert "# unit theta': rad/s\n" in Path(out["csv"]).read_text()
    upper, lower = drawn[0].axes
    assert upper.get_legend().get_texts()[0].get_text() == "theta [rad]"
    assert (lower.get_xlabel(), lower.get_ylabel()) == ("t [s]", "energy [kg*m^2/s^2]")
    capsys.readouterr()


def test_units_of_two_kinds_stand_beside_the_degrees_of_freedom(tmp_path: Path) -> None:
    model, path = tmp_path / "m.lag", str(tmp_path / "o.nc")
    model.write_text(
        "coordinate x [m]\ncoordinate theta [rad]\nconstant l = 2 [m]\n"
        "L = x'^2 + l^2*theta'^2\ninitial x = 1, x' = 1, theta = 0, theta' = 1\n"
        "run until 1 [days] step 1/2 [days]"
    )
    assert run(["run", str(model), "--output", path]) == 0
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert data["t"].attrs["units"] == "day" and data["t"].dtype == np.float64
        assert list(data["q_units"].to_numpy()) == ["m", "rad"]
        assert list(data["v_units"].to_numpy()) == ["m/day", "rad/day"]


@pytest.mark.parametrize(
    ("model", "given", "code"),
    [
        (PENDULUM, "theta = 57 [deg]", "LAG245"),
        (PENDULUM, "theta = 1 [s]", "LAG244"),
        (PENDULUM, "theta = 1 [radd]", "LAG241"),
        (str(EXAMPLES / "dho.lag"), "q = 1 [m]", "LAG244"),
    ],
)
def test_units_of_initial_values_are_those_of_the_model(
    model: str, given: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = ["--input", "u=0"] if model == PENDULUM else []
    assert run(["run", model, *SHORT[:-2], *signal, "--initial", given]) == 2
    assert f"error[{code}]" in capsys.readouterr().err
