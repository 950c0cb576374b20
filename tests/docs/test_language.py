"""docs/language.md: every block compiles or fails as it says; the grammar is the current one."""

from __future__ import annotations

import re

import pytest

from docs.grammar_listing import PAGE, listing, with_listing
from lagc.base.diagnostics import LagcError
from lagc.base.spans import Source
from lagc.driver import compile_source

TEXT = PAGE.read_text(encoding="utf-8")
# (kind, code, text, line) of every fenced block
BLOCKS = [
    (found[1], found[2] or "", found[3], TEXT.count("\n", 0, found.start()) + 1)
    for found in re.finditer(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
]
MODELS = [
    pytest.param(kind, code, text, id=f"line{line}")
    for kind, code, text, line in BLOCKS
    if kind.startswith("lag")
]


@pytest.mark.parametrize(("kind", "code", "text"), MODELS)
def test_a_block_does_what_it_says(kind: str, code: str, text: str) -> None:
    try:
        found = [("warning", w.code.name) for w in compile_source(Source("m.lag", text)).warnings]
    except LagcError as error:
        found = [("error", d.code.name) for d in error.diagnostics]
    expected = {"lag": [], "lag-error": [("error", code)], "lag-warning": [("warning", code)]}
    assert found == expected[kind]


def test_every_block_says_what_it_is() -> None:
    assert {kind for kind, *_ in BLOCKS} == {"lag", "lag-error", "lag-warning", "ebnf"}
    assert all((kind == "lag" or kind == "ebnf") == (code == "") for kind, code, *_ in BLOCKS)


def test_every_statement_and_function_is_shown() -> None:
    from lagc.semantics.functions import FUNCTION_NAMES
    from lagc.syntax.lines import CLAUSES, STATEMENTS

    shown = set(re.findall(r"\w+", " ".join(text for kind, _, text, _ in BLOCKS if kind != "ebnf")))
    assert {*STATEMENTS, *CLAUSES, "L", "K", "R"} <= shown
    assert {name for name in FUNCTION_NAMES if f"`{name}" not in TEXT} == set()


def test_the_grammar_listing_is_current() -> None:
    """`make language` writes it."""
    assert with_listing(TEXT) == TEXT
    assert '"coordinate" NAME' in listing() and "[LKR]" not in listing()
