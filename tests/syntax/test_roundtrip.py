"""The printer and the parser are inverse to each other, and no text makes the parser crash."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from lagc.base.diagnostics import Diagnostics
from lagc.base.render import as_json, render_text
from lagc.base.spans import Source
from lagc.syntax import ast
from lagc.syntax.parser import parse, parse_assignments
from lagc.syntax.printer import format_assignments, format_expression, format_file
from tests.syntax.strategies import EXAMPLES, expressions, files, mutated_programs, soups, texts


def read(text: str) -> ast.File:
    diagnostics = Diagnostics()
    file = parse(Source("m.lag", text), diagnostics)
    diagnostics.raise_if_errors()
    return file


def value(text: str) -> ast.Expression:
    statement = read(f"let x = {text}").statements[0]
    assert isinstance(statement, ast.Let)
    return statement.value


@given(files)
@settings(max_examples=150, deadline=None)
def test_every_tree_is_read_back(file: ast.File) -> None:
    assert read(format_file(file)) == file


@given(expressions)
@settings(max_examples=150, deadline=None)
def test_every_expression_is_read_back_and_printing_is_stable(expression: ast.Expression) -> None:
    text = format_expression(expression)
    again = value(text)
    assert again == expression
    assert format_expression(again) == text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_read_back(path) -> None:
    file = read(path.read_text(encoding="utf-8"))
    assert read(format_file(file)) == file


@pytest.mark.parametrize(
    "text",
    [
        "-a^b", "(-a)^b", "a^-b", "a^b^c", "(a^b)^c", "a*-b", "-a*b", "-(a*b)", "(a*b)*c",
        "a*(b*c)", "a/(b/c)", "a - (b - c)", "(a - b) - c", "--a", "a - -b", "(a + b)*c",
        "(a + b)[0]", "theta'[0]", "f(x)[0][1]", "r_+[1]^2", "(a, b + c, (d, e))", "f()",
        "mixture(0.05: 0, 0.95: uniform(0, 20))", "mlp(64, activation = tanh)", "2^-(a + b)",
        "q_- - q_+", "(a^b)[0]", "(-a)[0]", "a^(b*c)", "if(a > 0, b, c)", "((a, b), (c, d))*v",
        "if(a > 0 and b <= c + 1 or d < 0, x, y)", "if(a > 0 and (b > 0 or c > 0), x, y)",
        "if((a + b)*c > 0, x, y)", "M[0][1]", "and + or",
    ],
)  # fmt: skip
def test_canonical_expressions_are_printed_as_written(text: str) -> None:
    assert format_expression(value(text)) == text


def test_parentheses_that_say_nothing_go() -> None:
    assert format_expression(value("((a) + ((b*c)))")) == "a + b*c"


def test_a_range_of_decimals_keeps_its_dots_apart() -> None:
    file = read("index i in 1. .. .5")
    assert format_file(file) == "index i in 1. .. .5\n"
    assert read(format_file(file)) == file


def test_assignments_are_printed_as_read() -> None:
    text = "q = 1, theta'[0] = -2"
    assert format_assignments(parse_assignments(Source("-", text), Diagnostics())) == text


@given(texts | soups | mutated_programs())
@settings(max_examples=400, deadline=None)
def test_any_text_gives_a_tree_or_diagnostics_in_place(text: str) -> None:
    for diagnostics, result in _both(text):
        for item in diagnostics.items:
            assert item.code.name.startswith("LAG1")
            assert render_text(item)
            as_json(item)
            if item.span is not None:
                assert 0 <= item.span.start <= item.span.end <= len(text)
                assert item.span.start < len(text) or not text
        if isinstance(result, ast.File) and not diagnostics.items:
            assert read(format_file(result)) == result


def _both(text: str):
    for reader in (parse, parse_assignments):
        diagnostics = Diagnostics()
        yield diagnostics, reader(Source("m.lag", text), diagnostics)
