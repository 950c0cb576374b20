"""Numbers of options in the language's own notation, and models with other defaults."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lagc
from lagc.base.diagnostics import LagcError
from lagc.cli import common
from lagc.cli.main import run
from lagc.loader import load_module

MODEL = """
model m
coordinate r[2]
coordinate p
constant d = (1, 2)
coefficient k > 0 = 2
coefficient e[2] in [0, 1] = (1/4, 1/2)
L = 1/2*dot(r', r') + 1/2*p'^2 - 1/2*k*dot(r - d, r - d)
K = -dot(e, r'_+)*p_-
initial r = 2*d, r' = (0, 0), p = 1, p' = 0
run until 1 step 1/4
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "m.lag"
    path.write_text(MODEL, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1/3", 1 / 3),
        ("2*pi", 2 * math.pi),
        (" -1.5e-3 ", -1.5e-3),
        ("sqrt(2)/2", math.sqrt(2) / 2),
        ("0.1", 0.1),
        ("2^-52", 2.0**-52),
        ("if(1 < 2, 3, 4)", 3.0),
        ("(1 + 2)/7", 3 / 7),
    ],
)
def test_a_number_is_an_expression_rounded_once(text: str, value: float) -> None:
    assert common.number(text, "--until") == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "inf", "nan", "1/0", "1 2", "q = 1", "(1, 2)", "1_0", "0x1", "1\n2", "e", "t"),
        *("sqrt(-1)", "1e500", "1e-400", "9^9^9", "((((", "__import__('os')"),
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(LagcError) as caught:
        common.number(text, "--until")
    (found,) = caught.value.diagnostics
    assert found.code.name == "LAG510" and found.help


def test_options_hold_expressions(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--until", "2*pi", "--step", "pi/64", "--set", "k=1/9+8/9", "--set", "e[0]=0"]
    options += [
        "--set",
        "e[1]=1 - 1",
        "--initial",
        "r = d + (1, 0), p[r] = (0, d[1]/2), p[p] = 2^2",
    ]
    assert run(["run", model, *options, "--json"]) == 0
    final: dict[str, Any] = json.loads(capsys.readouterr().out)["final"]
    # A whole period of the oscillator; p moves at a constant speed.
    np.testing.assert_allclose(final["q"], [2, 2, 1 + 8 * math.pi], atol=1e-9)
    np.testing.assert_allclose(final["p"], [0, 1, 4], atol=1e-9)


def test_other_defaults_are_compiled_into_the_module(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["show", model, "--set", "k=pi/4", "--set", "e[1]=1/3"]) == 0
    shown = capsys.readouterr().out
    assert "k in (0, inf) = pi/4" in shown
    assert "e[0] in [0, 1] = 0.25" in shown and "e[1] in [0, 1] = 1/3" in shown
    assert run(["compile", model, "-o", "-", "--set", "k=pi/4"]) == 0
    system = load_module(capsys.readouterr().out, "m").system
    expected = {"k": math.pi / 4, "e[0]": 0.25, "e[1]": 0.5}
    assert {c.name: c.default for c in system.spec.coefficients} == expected
    assert run(["compile", model, "--dump", "model", "--set", "k=pi/4"]) == 0
    assert "default: pi/4" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["check"], ["show"], ["compile", "-o", "-"]])
@pytest.mark.parametrize(
    ("setting", "code"),
    [
        *(("k=0", "LAG504"), ("e[1]=2", "LAG504"), ("kk=1", "LAG503"), ("e=1", "LAG503")),
        *(("k", "LAG510"), ("k=d", "LAG510"), ("d[0]=1", "LAG503")),
    ],
)
def test_defaults_that_do_not_fit_are_refused(
    model: str, command: list[str], setting: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command[0], model, *command[1:], "--set", setting]) == 2
    assert f"error[{code}]" in capsys.readouterr().err


def test_systems_with_other_defaults() -> None:
    system = lagc.loads(MODEL)
    other = system.with_defaults({"k": 1 / 3, "e": (0.0, 1.0)})
    given = {"coefficients": {"k": 1 / 3, "e": (0.0, 1.0)}, "dt": 0.25, "steps": 4}
    start = np.array([2.0, 4.0, 1.0]), np.array([1.0, 0.0, 0.5])
    expected = system.simulate(*start, **given)
    found = other.simulate(*start, dt=0.25, steps=4)
    np.testing.assert_array_equal(found.q, expected.q)
    assert [c.default for c in system.spec.coefficients] == [2.0, 0.25, 0.5]  # as it was
    for wrong, code in (
        ({"k": -1.0}, "LAG504"),
        ({"x": 1.0}, "LAG503"),
        ({"k": [1.0, 2.0]}, "LAG505"),
        ({"k": "1"}, "LAG505"),
        ({"e": 1.0}, "LAG505"),
    ):
        with pytest.raises(LagcError, match=code):
            system.with_defaults(wrong)


@pytest.mark.parametrize(
    ("setting", "help"),
    [
        ("e=1,2", "write 1.2 for a number, (1, 2) for a vector"),
        ("e[0]=0,5", "write 0.5"),
        ("e=[1,2]", "a vector is written `(1,2)`"),
        ("e=1;2", "a vector is written in brackets: `(1, 2)`"),
        ("e=(1, 0, 1)", "`e` has 2 components, numbered from 0"),
        ("k=2 [m]", "the number is given without its unit: 2"),
        ("d[0]=1", "it is a constant; what changes from run to run is declared `coefficient`"),
    ],
)
def test_settings_of_other_notation_are_told_how(
    model: str, setting: str, help: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", model, "--set", setting]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"   = help: {help}"
