"""What `lagc show` and `--dump` print is checked in."""

from __future__ import annotations

import pytest

from lagc.cli.main import run
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden"
SHOWN = {
    "double_pendulum": "examples/double_pendulum.lag",
    "poynting_robertson": "examples/poynting_robertson.lag",
    "wave": "examples/wave.lag",
    "neural_vector": "tests/good/neural_vector.lag",
}
COMMANDS = (
    {
        "show_chain.txt": ["show", "tests/good/lattices/chain.lag"],
        "show_order_8.txt": ["show", "--order", "8", "examples/dho.lag"],
        "show_driven.json": ["show", "--json", "examples/driven.lag"],
        "show_greek.tex": ["show", "--latex", "tests/good/greek.lag"],
    }
    | {
        f"show_{name}.{suffix}": ["show", *option, path]
        for name, path in SHOWN.items()
        for suffix, option in (("txt", []), ("tex", ["--latex"]), ("html", ["--html"]))
    }
    | {
        f"dump_{stage}.txt": ["compile", "--dump", stage, "examples/dho.lag"]
        for stage in ("ast", "model", "nodes", "facts", "program")
    }
    | {
        f"dump_{stage}_wave.txt": ["compile", "--dump", stage, "examples/wave.lag"]
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
    path = GOLDEN / name
    if update_golden:
        path.write_text(captured.out, encoding="utf-8")
    assert captured.out == path.read_text(encoding="utf-8")
    assert captured.err == ""
