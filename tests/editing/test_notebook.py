"""`%%lag` in a real IPython shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tests.conftest import EXAMPLES, ROOT
from tests.runtime.references import damped_oscillator

DHO = (EXAMPLES / "dho.lag").read_text(encoding="utf-8")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.colors = "nocolor"
    made = InteractiveShell.instance(config=settings)
    made.run_line_magic("load_ext", "lagc")
    yield made
    InteractiveShell.clear_instance()


def test_the_system_runs_and_the_result_is_mathematics(shell: InteractiveShell) -> None:
    done = shell.run_cell("%%lag\n" + DHO)
    assert done.success
    data, _ = shell.display_formatter.format(done.result)
    assert data["text/latex"].splitlines() == [
        "\\begin{align*}",
        "L &= c_{1} \\dot{q}^{2} - c_{2} q^{2} \\\\",
        "K &= - c_{3} \\dot{q}_{+} q_{-} \\\\",
        "2 c_{1} \\ddot{q} &= - 2 c_{2} q - c_{3} \\dot{q}",
        "\\end{align*}",
    ]
    assert data["text/plain"].splitlines()[-1] == "2*c1*q'' = -2*c2*q - c3*q'"
    assert shell.run_cell("run = dho.simulate(1.0, 0.0, dt=0.1, steps=100, r=3)").success
    run = shell.user_ns["run"]
    q, v = damped_oscillator(10.0, 1.0, 1.0, 0.1)
    np.testing.assert_allclose([run.q[-1, 0], run.v[-1, 0]], [q, v], atol=1e-9)


def test_lattices_say_where_their_terms_act(shell: InteractiveShell) -> None:
    chain = (ROOT / "tests" / "good" / "lattices" / "chain.lag").read_text(encoding="utf-8")
    done = shell.run_cell("%%lag beads\n" + chain)
    assert done.success and shell.user_ns["beads"].spec.name == "chain"
    latex = done.result._repr_latex_()
    assert "&= m_{i} \\dot{x}_{i} \\\\" in latex
    assert "for i in 2..31" in latex and "in addition for i in 2..5" in latex
    assert latex.count("{") == latex.count("}")
    lines = repr(done.result).splitlines()
    assert lines[-3] == "-gamma*theta'[i]    # in addition for i in 2..5"
    assert lines[-1].startswith("d/dt p[theta[32]] = ") and lines[-1].endswith("    # at i = 32")


def test_mistakes_are_diagnostics_and_stop_the_notebook(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    done = shell.run_cell("%%lag m\ncoordinate q\nL = q'^2 - k*q\n")
    assert not done.success and "m" not in shell.user_ns
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert "error[LAG203]: `k` is not defined" in shown and "<cell 1>:2:12" in shown
    assert "Traceback" not in shown and ".py" not in shown
    for cell in ("%%lag 2 x\n" + DHO, "%%lag\n" + DHO.replace("model dho", "model lambda")):
        assert not shell.run_cell(cell).success
        captured = capsys.readouterr()
        assert "UsageError" in captured.out + captured.err


def test_warnings_are_shown(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run_cell("%%lag m\n" + DHO + "coefficient idle = 1\n").success
    assert "warning[" in capsys.readouterr().err
