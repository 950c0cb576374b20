"""The formatter sets blanks and nothing else: meaning, words and comments are the author's."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Source
from lagc.syntax import ast
from lagc.syntax.formatter import format_source
from lagc.syntax.parser import parse
from lagc.syntax.printer import format_file
from lagc.syntax.words import words_of
from tests.conftest import ROOT
from tests.syntax.strategies import files, mutated_programs, soups, texts

MODELS = [*sorted(ROOT.glob("examples/**/*.lag")), *sorted(ROOT.glob("tests/good/**/*.lag"))]
GOLDEN = ROOT / "tests" / "golden" / "formatter"


def formatted(text: str) -> str | None:
    return format_source(Source("m.lag", text), Diagnostics())


def tree(text: str) -> ast.File | None:
    diagnostics = Diagnostics()
    found = parse(Source("m.lag", text), diagnostics)
    return None if diagnostics.errors else found


def words(text: str) -> list[str]:
    return [word.text for word in words_of(Source("m.lag", text), 0, len(text))]


def comments(text: str) -> list[str]:
    return [comment.rstrip(" \t\r") for comment in re.findall("#[^\n]*", text)]


def check(text: str) -> None:
    """Everything that holds for the formatter on a text that can be read."""
    result = formatted(text)
    assert result is not None
    assert tree(result) == tree(text)
    assert words(result) == words(text.removeprefix("\ufeff"))
    assert comments(result) == comments(text)
    assert formatted(result) == result
    assert not re.search(r"[ \t]\r?\n|\n\r?\n\r?\n|\A\r?\n|\n\r?\n\Z", result)


@given(files)
@settings(max_examples=100, deadline=None)
def test_printer_and_formatter_have_one_style(file: ast.File) -> None:
    text = format_file(file)
    assert formatted(text) == text


@st.composite
def untidy(draw: st.DrawFn) -> str:
    """A program with blanks, line ends and comments wherever the language allows them."""
    text = draw(
        files.map(format_file) | st.sampled_from(MODELS).map(lambda p: p.read_text("utf-8"))
    )
    chance = random.Random(draw(st.integers(0, 2**32)))  # a draw a word would take minutes
    between = ["\n", "  ", "\t", "# a  b \n", "#\n", " #'é\U0001d7d9(\n"]
    result: list[str] = []
    depth = 0
    for line in text.split("\n"):
        code, mark, comment = line.partition("#")
        for word in re.findall(r"[\w'.]+(?:_[+-])?|\s+|.", code):
            depth += (word in "([") - (word in ")]")
            result.append(word)
            if (depth > 0 or word in "*/^=~,") and chance.random() < 0.3:
                result += [" ", *chance.choices(between, k=chance.randint(0, 4))]
            elif word.isspace():
                result.append(chance.choice(["", " ", "\t"]))
        result += [mark, comment, chance.choice(["\n", "\n", "\r\n", "\n\n\n", " # x\n"])]
    return "".join(result)


@given(untidy())
@settings(max_examples=150, deadline=None)
def test_comments_and_line_ends_anywhere(text: str) -> None:
    assume(tree(text) is not None)
    check(text)


@given(texts | soups | mutated_programs())
@settings(max_examples=150, deadline=None)
def test_what_cannot_be_read_is_left_alone(text: str) -> None:
    if tree(text) is None:
        assert formatted(text) is None
    else:
        check(text)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_the_models_of_the_repository_are_formatted(path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


@pytest.mark.parametrize("name", ["layout", "windows"])
def test_golden_layouts(name: str, update_golden: bool) -> None:
    text = (GOLDEN / f"{name}.in").read_bytes().decode()
    check(text)
    result = formatted(text)
    assert result is not None
    path = GOLDEN / f"{name}.out"
    if update_golden:
        path.write_bytes(result.encode())
    assert path.read_bytes().decode() == result
