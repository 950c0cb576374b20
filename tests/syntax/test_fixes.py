"""What a diagnostic says to write can be written: it is not refused for the same reason again."""

from __future__ import annotations

import re

import pytest

from lagc.base.diagnostics import Diagnostic, Diagnostics
from lagc.base.spans import Source
from lagc.semantics.functions import FUNCTION_NAMES
from lagc.syntax.aliases import CALLS, FUNCTIONS, renamed
from lagc.syntax.parser import parse, parse_assignments
from tests.conftest import ROOT

MODELS = sorted((ROOT / "tests" / "bad").glob("*.lag"))


def found_in(text: str) -> list[Diagnostic]:
    diagnostics = Diagnostics()
    parse(Source("m.lag", text), diagnostics)
    return diagnostics.items


def test_a_fix_is_not_refused_again() -> None:
    fixed = 0
    for path in MODELS:
        text = path.read_bytes().decode()
        for item in found_in(text):
            if item.fix is None:
                continue
            assert item.span is not None
            mended = text[: item.span.start] + item.fix + text[item.span.end :]
            again = [(d.message, d.span.start) for d in found_in(mended) if d.span]
            assert (item.message, item.span.start) not in again, path.name
            fixed += 1
    assert fixed > 120


@pytest.mark.parametrize(
    ("typed", "whole"),
    [
        (r"L = \frac{1}{2} m \dot{q}^{2} - m g (1 - \cos q)", "L = 1/2*m*q'^2 - m*g*(1 - cos(q))"),
        (r"L = \frac{m}{2} \left( \dot{x}^2 + \dot{y}^2 \right)", "L = m/2*(x'^2 + y'^2)"),
        (r"K = -\lambda \dot\theta_{+} \theta_{-}", "K = -lambda*theta'_+*theta_-"),
        ("L = ½m(θ' )² − 2cos θ", "L = 1/2*m*(θ')^2 - 2*cos(θ)"),
        ("L = 0.5*m*q.dot**2 - np.cos(q);", "L = 0.5*m*q'^2 - cos(q)"),
        ("L := 1/2 q'(t)^2 - 2q(1 - q)", "L = 1/2*q'^2 - 2*q*(1 - q)"),
        ("x0 = 2 sin²(3t)/√2", "let x0 = 2*sin(3*t)^2/sqrt(2)"),
        ("run(until = 10,0, step = 0,1)", ""),
    ],
)  # fmt: skip
def test_a_statement_is_mended_as_a_whole(typed: str, whole: str) -> None:
    (item,) = found_in(typed)
    assert item.help.startswith("the whole statement:") is bool(whole)
    assert whole in item.help
    assert not whole or not found_in(whole)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("q = 1 q' = 0", "write `,` after `1`"),
        ("q = 1; q' = 0", "write `,`"),
        ("r[0] = 1 r[1] = 2", "write `,` after `1`"),
        ("q = 1,5", "write `1.5`"),
        ("q(0) = 1", "write `q`"),
        ("initial q = 1", "remove this"),
        ("r = [1, 2]", "write `(1, 2)`"),
    ],
)
def test_the_assignments_of_a_command_line_are_mended_too(typed: str, said: str) -> None:
    diagnostics = Diagnostics()
    parse_assignments(Source("<--initial>", typed), diagnostics)
    (item,) = diagnostics.items
    assert item.label == said


def test_the_functions_that_are_advised_are_those_of_the_language() -> None:
    advised = {name for text in CALLS.values() for name in re.findall(r"[a-z]\w*(?=\()", text)}
    assert advised | set(FUNCTIONS) <= FUNCTION_NAMES
    assert not FUNCTION_NAMES & CALLS.keys()
    assert (renamed("arctan2"), renamed("ln"), renamed("pow")) == ("atan2", "log", "pow")
