"""`lagc fmt`: files, stdin, exit codes."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from lagc.cli.main import run

UNTIDY = "model a\n\n\n\ncoordinate q\nL=1/2*q'^2#x"
TIDY = "model a\n\ncoordinate q\nL = 1/2*q'^2  #x\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("untidy.lag").write_text(UNTIDY)
    Path("tidy.lag").write_text(TIDY)
    Path("broken.lag").write_text("L=(1\nL=2  *q\n")


def test_files_are_rewritten_and_broken_ones_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    os.chmod("untidy.lag", 0o640)
    os.symlink("untidy.lag", "link.lag")
    before = os.stat("tidy.lag").st_mtime_ns
    assert run(["fmt", "broken.lag", "link.lag", "tidy.lag"]) == 1
    assert "LAG103" in capsys.readouterr().err
    assert Path("untidy.lag").read_text() == TIDY
    assert stat.S_IMODE(os.stat("untidy.lag").st_mode) == 0o640
    assert os.path.islink("link.lag") and os.stat("tidy.lag").st_mtime_ns == before
    assert Path("broken.lag").read_text() == "L=(1\nL=2  *q\n"
    assert run(["fmt", "untidy.lag", "tidy.lag"]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_and_diff_write_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fmt", "--check", "untidy.lag", "tidy.lag"]) == 1
    assert capsys.readouterr().out == "untidy.lag would change\n"
    assert run(["fmt", "--diff", "untidy.lag", "tidy.lag"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["--- untidy.lag", "+++ untidy.lag (formatted)"]
    assert "-L=1/2*q'^2#x" in lines and "+L = 1/2*q'^2  #x" in lines
    assert run(["fmt", "--check", "tidy.lag"]) == run(["fmt", "--diff", "tidy.lag"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run(["fmt", "--check", "--json", "untidy.lag", "tidy.lag"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["files"] == {"untidy.lag": True, "tidy.lag": False}
    assert Path("untidy.lag").read_text() == UNTIDY
    assert run(["fmt", "missing.lag"]) == 2
    assert run(["fmt", "-", "tidy.lag"]) == 2


def test_stdin_to_stdout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = ((UNTIDY, 0, TIDY), (TIDY, 0, TIDY), ("L = ", 1, ""), ("# \udcff", 2, ""))
    for text, code, said in cases:
        data = text.encode("utf-8", "surrogateescape")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert run(["fmt", "-"]) == code
        captured = capsys.readouterr()
        assert captured.out == said and ("<stdin>" in captured.err) == (code != 0)
