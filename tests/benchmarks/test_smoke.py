"""The bench can be imported and its reference programs agree; nothing here is timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.__main__ import CASES, main
from tests.benchmarks.harness import Line, report
from tests.benchmarks.reference import compile_c, drag_force, reference_orbit, run_c


def test_every_case_has_a_title(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list"])
    printed = capsys.readouterr().out
    for name, case in CASES.items():
        assert name in printed and case.title in printed


def test_report() -> None:
    lines = [Line("ratio", 2.0, "x", 2.5), Line("faster", 10.0, "x", 20.0, most=False)]
    page = report({"first": ("a title", lines), "other": ("another", "no gcc here")}, "make bench")
    assert "| ratio | 2 x | ≤ 2.5 x | yes |" in page
    assert "| faster | 10 x | ≥ 20 x | no |" in page
    assert "Not run: no gcc here." in page


def test_blocks_of_the_drag_force() -> None:
    """Against central differences."""
    q, v = np.array([0.7, -0.4]), np.array([3.0, 5.0])
    _, a_q, a_v = drag_force(q, v, beta=0.3)
    for i, e in enumerate(1e-6 * np.eye(2)):
        by_q = (drag_force(q + e, v, 0.3)[0] - drag_force(q - e, v, 0.3)[0]) / 2e-6
        by_v = (drag_force(q, v + e, 0.3)[0] - drag_force(q, v - e, 0.3)[0]) / 2e-6
        np.testing.assert_allclose(a_q[:, i], by_q, rtol=1e-7)
        np.testing.assert_allclose(a_v[:, i], by_v, rtol=1e-4, atol=1e-9)


def test_c_program_agrees_with_numpy(tmp_path: Path) -> None:
    program = compile_c(tmp_path)
    if program is None:
        pytest.skip("no gcc")
    _, end, left = run_c(program, 300, 0.01)
    assert left < 1e-12
    np.testing.assert_allclose(end, reference_orbit(300, 0.01), rtol=0, atol=1e-12)
