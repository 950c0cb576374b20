"""The tables of the parser that are kept belong to the grammar, and read what it reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import lark
import pytest

from lagc.syntax import grammar
from lagc.syntax.automaton import Automaton, node
from lagc.syntax.grammar import automaton, built, grammar_text, lark_parser, loaded, tables
from tests.conftest import ROOT


def kept_tables() -> dict[str, Any]:
    return json.loads((ROOT / "grammar" / "lag.json").read_text(encoding="utf-8"))


def test_the_tables_are_current() -> None:
    """Otherwise run `python -m lagc.syntax.grammar`."""
    made, kept = tables(grammar_text()), kept_tables()
    assert kept["grammar"] == made["grammar"]
    assert kept["automaton"]["scanner"] == made["automaton"]["scanner"]


def test_tables_of_another_grammar_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    other = grammar_text().replace('TILDE: "~"', 'TILDE: "!"')
    monkeypatch.setattr(grammar, "grammar_text", lambda: other)
    lark_parser.cache_clear()
    automaton.cache_clear()
    try:
        lark_parser().parse("coefficient c ! uniform(0, 1)", start="statement")
        assert automaton().derivation("coefficient c ! uniform(0, 1)", "statement")
    finally:
        lark_parser.cache_clear()
        automaton.cache_clear()


def test_all_parsers_read_the_same() -> None:
    paths = [*(ROOT / "examples").glob("*.lag"), *(ROOT / "tests").rglob("*.lag")]
    lines = {line for p in paths for line in p.read_text("utf-8", "replace").splitlines()}
    lines = {line.split("#")[0].strip() for line in lines} - {""}
    assert len(lines) > 300
    slow, fast = built(grammar_text()), loaded(kept_tables())
    without_lark = Automaton(kept_tables()["automaton"])
    for line in sorted(lines):
        found = _result(slow, line)
        assert found == _result(fast, line)
        derivation = without_lark.derivation(line, "statement")
        assert found == (node(derivation, _Trees()) if derivation else found)
        assert isinstance(found, lark.Tree) == (derivation is not None)


class _Trees:
    """Builds what Lark builds."""

    def __getattr__(self, name: str) -> Callable[[list[Any]], object]:
        return lambda parts: lark.Tree(name, list(parts))


def _result(parser: lark.Lark, line: str) -> object:
    try:
        return parser.parse(line, start="statement")
    except lark.exceptions.UnexpectedInput as error:
        return error.pos_in_stream, error.interactive_parser.accepts()
