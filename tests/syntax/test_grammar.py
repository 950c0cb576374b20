"""The tables of the parser that are kept belong to the grammar, and read what it reads."""

from __future__ import annotations

import json
from typing import Any

import lark
import pytest

from lagc.syntax.grammar import built, grammar_text, lark_parser, loaded, tables
from tests.conftest import ROOT


def kept_tables() -> dict[str, Any]:
    return json.loads((ROOT / "grammar" / "lag.json").read_text(encoding="utf-8"))


def test_the_tables_are_current() -> None:
    """Otherwise run `python -m lagc.syntax.grammar`."""
    made = tables(grammar_text())["made with"]
    assert kept_tables()["made with"].split()[-1] == made.split()[-1]


def test_tables_of_another_grammar_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    other = grammar_text().replace('TILDE: "~"', 'TILDE: "!"')
    monkeypatch.setattr("lagc.syntax.grammar.grammar_text", lambda: other)
    lark_parser.cache_clear()
    try:
        lark_parser().parse("coefficient c ! uniform(0, 1)", start="statement")
    finally:
        lark_parser.cache_clear()


def test_both_parsers_read_the_same() -> None:
    paths = [*(ROOT / "examples").glob("*.lag"), *(ROOT / "tests").rglob("*.lag")]
    lines = {line for p in paths for line in p.read_text("utf-8", "replace").splitlines()}
    lines = {line.split("#")[0].strip() for line in lines} - {""}
    assert len(lines) > 300
    slow, fast = built(grammar_text()), loaded(kept_tables())
    for line in sorted(lines):
        assert _result(slow, line) == _result(fast, line)


def _result(parser: lark.Lark, line: str) -> object:
    try:
        return parser.parse(line, start="statement")
    except lark.exceptions.UnexpectedInput as error:
        return error.pos_in_stream, error.interactive_parser.accepts()
