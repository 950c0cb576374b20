"""What programs read: `--json` and `--sarif` on every command that has them, the page of codes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from lagc.base.codes import Code
from lagc.cli.main import lagc, run
from tests.conftest import EXAMPLES, ROOT

BAD = "model 𝟙\n# θ\ncoordinate q\nL = 𝟙*q\nL = 1/2*q'^2 - 𐐷*q\ncoordinate q\nK = {\n"
SUBSET = json.loads((Path(__file__).parent / "sarif_subset.json").read_text(encoding="utf-8"))
WITH_DATA = {"fit", "landscape", "predict"}
WITHOUT_JSON = {"lsp"}  # its stdout is the protocol


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("a b.lag").write_text(BAD, encoding="utf-8")
    return "a b.lag"


def output(capsys: pytest.CaptureFixture[str]) -> Any:
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_every_command_answers_in_json(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = lagc.list_commands(click.Context(lagc))
    assert {"check", "run"} <= set(names)
    for name in set(names) - WITHOUT_JSON:
        subject = ["LAG99"] if name == "explain" else [bad, *["data.csv"] * (name in WITH_DATA)]
        code = run([name, "--json", *subject])
        found = output(capsys)
        assert found["ok"] is False and code in (1, 2), name
        assert {"code", "severity", "message", "label", "help", "span", "notes"} == set(
            found["diagnostics"][0]
        )
        assert list(found)[-2:] == ["ok", "diagnostics"]


def test_answers_of_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dho = str(EXAMPLES / "dho.lag")
    nothing = {"ok": True, "diagnostics": []}
    made = {"model": "dho", "dof": 1, "output": "dho_lag.py"}
    assert run(["compile", dho, "--json"]) == 0
    assert output(capsys) == made | nothing
    assert run(["compile", dho, "--json", "--check"]) == 0
    assert output(capsys) == made | {"current": True} | nothing
    assert run(["fmt", dho, "--json"]) == 0
    assert output(capsys) == {"files": {dho: False}} | nothing
    assert run(["explain", "lag203", "--json"]) == 0
    assert output(capsys)["codes"]["LAG203"]["title"] == Code.LAG203.title
    assert run(["show", dho, "--json"]) == 0
    shown = output(capsys)
    assert shown["model"] == "dho" and "c1*q'^2" in json.dumps(shown["sections"])
    for arguments in (["-o", "-", "--json"], ["--dump", "ast", "--sarif"], ["--json", "--sarif"]):
        assert run(["compile", dho, *arguments]) == 2
        assert "stdout" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--json", "--sarif"])
def test_failures_of_lagc_are_in_the_object(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("a pass fell over\nsecond line")

    monkeypatch.setattr("lagc.driver.elaborate", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run(["check", str(EXAMPLES / "dho.lag"), option]) == 70
    found = output(capsys)
    (report,) = tmp_path.glob("lagc-report-*.txt")
    assert "in broken" in report.read_text(encoding="utf-8")
    if option == "--sarif":
        jsonschema.Draft202012Validator(SUBSET).validate(found)
        assert found["runs"][0]["results"][0]["ruleId"] == "LAG000"
        assert found["runs"][0]["invocations"][0]["exitCode"] == 70
        return
    assert found["ok"] is False
    (diagnostic,) = found["diagnostics"]
    assert (diagnostic["code"], diagnostic["severity"]) == ("LAG000", "error")
    assert diagnostic["message"] == "internal error: RuntimeError: a pass fell over"
    assert report.name in diagnostic["help"]


def test_command_lines_that_cannot_be_understood_are_answered_in_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["show", "--json", "--nonsense", "m.lag"]) == 2
    assert "--nonsense" in capsys.readouterr().err


def test_sarif(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", bad, "--sarif"]) == 1
    log = output(capsys)
    jsonschema.Draft202012Validator(SUBSET).validate(log)
    (found,) = log["runs"]
    assert found["columnKind"] == "utf16CodeUnits"
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    lines = BAD.split("\n")
    marked = {}
    for result in found["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        (place,) = (at["physicalLocation"] for at in result["locations"])
        assert place["artifactLocation"]["uri"] == "a%20b.lag"
        region = place["region"]
        units = lines[region["startLine"] - 1].encode("utf-16-le")
        covered = units[2 * region["startColumn"] - 2 : 2 * region["endColumn"] - 2]
        marked[result["ruleId"], region["startLine"]] = covered.decode("utf-16-le")
    assert marked["LAG101", 4] == "𝟙" and marked["LAG203", 5] == "𐐷" and marked["LAG202", 6] == "q"
    (again,) = (r for r in found["results"] if r["ruleId"] == "LAG202")
    (first,) = again["relatedLocations"]
    assert first["physicalLocation"]["region"]["startLine"] == 3
    brace = next(r for r in found["results"] if r["ruleId"] == "LAG101" and "{{" in str(r))
    assert brace["message"]["text"].startswith("`{{` is not part of the language")
    assert found["invocations"] == [{"executionSuccessful": True, "exitCode": 1}]


def test_sarif_of_a_file_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", "missing.lag", "--sarif"]) == 2
    log = output(capsys)
    jsonschema.Draft202012Validator(SUBSET).validate(log)
    (result,) = log["runs"][0]["results"]
    assert (result["ruleId"], result["locations"]) == ("LAG001", [])
    assert log["runs"][0]["invocations"] == [{"executionSuccessful": False, "exitCode": 2}]


def test_the_page_of_codes_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    """`make codes` writes it."""
    assert run(["explain", "--all", "--markdown"]) == 0
    page = (ROOT / "docs" / "codes.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page
    assert [f"### {code.name}" in page for code in Code] == [True] * len(Code)
