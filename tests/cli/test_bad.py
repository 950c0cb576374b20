"""Every model in tests/bad has one mistake; what `lagc check` says about it is checked in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lagc.base.codes import Code
from lagc.cli.main import run
from tests.conftest import ROOT

BAD = ROOT / "tests" / "bad"
MODELS = sorted(path.stem for path in BAD.glob("*.lag"))

# Codes of the compiler that no file of tests/bad shows.
NOT_SHOWN: frozenset[str] = frozenset()


@pytest.mark.parametrize("name", MODELS)
def test_what_is_said(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    update_golden: bool,
) -> None:
    monkeypatch.chdir(BAD)
    code = run(["check", f"{name}.lag"])
    captured = capsys.readouterr()
    said = f"{captured.err}{captured.out}exit code {code}\n"
    expected = Path(f"{name}.expected")
    if update_golden:
        # A failure of lagc itself is never what is expected.
        assert code != 70 and "/tmp/" not in said, said
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    assert code == (1 if "error[" in captured.err else 0)


def test_no_expectation_is_left_over() -> None:
    assert sorted(path.stem for path in BAD.glob("*.expected")) == MODELS


def test_every_code_of_the_compiler_is_shown() -> None:
    shown = set()
    for path in BAD.glob("*.expected"):
        shown |= set(re.findall(r"\[(LAG\d+)\]", path.read_text(encoding="utf-8")))
    compiler = {code.name for code in Code if "LAG101" <= code.name < "LAG400"}
    assert compiler - shown == NOT_SHOWN
