"""What `lagc show` and `--dump` print is checked in."""

from __future__ import annotations

import pytest

from lagc.cli.main import run
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden"
COMMANDS = (
    {
        "show_poynting_robertson": ["show", "examples/poynting_robertson.lag"],
        "show_double_pendulum": ["show", "examples/double_pendulum.lag"],
        "show_latex_driven": ["show", "--latex", "examples/driven.lag"],
        "show_neural_vector": ["show", "tests/good/neural_vector.lag"],
        "show_wave": ["show", "examples/wave.lag"],
        "show_latex_wave": ["show", "--latex", "examples/wave.lag"],
        "show_chain": ["show", "tests/good/lattices/chain.lag"],
    }
    | {
        f"dump_{stage}": ["compile", "--dump", stage, "examples/dho.lag"]
        for stage in ("ast", "model", "nodes", "facts", "program")
    }
    | {
        f"dump_{stage}_wave": ["compile", "--dump", stage, "examples/wave.lag"]
        for stage in ("nodes", "program")
    }
)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_output_is_the_golden_one(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    update_golden: bool,
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(COMMANDS[name]) == 0
    captured = capsys.readouterr()
    path = GOLDEN / f"{name}.txt"
    if update_golden:
        path.write_text(captured.out, encoding="utf-8")
    assert captured.out == path.read_text(encoding="utf-8")
    assert captured.err == ""
