"""What the parser reads: statements, expressions, names, numbers, lines and spans."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction

import pytest

from lagc.base.diagnostics import Diagnostics, LagcError
from lagc.base.spans import Source
from lagc.syntax import ast
from lagc.syntax.grammar import grammar_text, lark_parser
from lagc.syntax.lines import CLAUSES, STATEMENTS
from lagc.syntax.parser import parse, parse_assignments
from tests.syntax.strategies import EXAMPLES

KEYWORDS = (*STATEMENTS, *CLAUSES, "L", "K", "R")


def read(text: str) -> ast.File:
    diagnostics = Diagnostics()
    file = parse(Source("m.lag", text), diagnostics)
    diagnostics.raise_if_errors()
    return file


def one(text: str) -> ast.Statement:
    (statement,) = read(text).statements
    return statement


def value(text: str) -> ast.Expression:
    statement = one(f"let x = {text}")
    assert isinstance(statement, ast.Let)
    return statement.value


def nodes(node: object) -> Iterator[ast.Node]:
    if isinstance(node, ast.Node):
        yield node
        for field in dataclasses.fields(node):
            yield from nodes(getattr(node, field.name))
    elif isinstance(node, tuple):
        for item in node:
            yield from nodes(item)


# --- programs --------------------------------------------------------------------------------


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 26


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_read_and_every_span_covers_its_node(path) -> None:
    text = path.read_text(encoding="utf-8")
    file = read(text)
    assert file.span.text == text
    for node in nodes(file.statements):
        assert node.span.text == node.span.text.strip()
        if isinstance(node, ast.Name):
            shown = node.name + "'" * node.primes + (f"_{node.side}" if node.side else "")
            assert node.span.text == shown
        if isinstance(node, ast.Number):
            assert node.span.text == node.text
        if isinstance(node, ast.Identifier):
            assert node.span.text == node.name
        if isinstance(node, ast.Call):
            assert node.name_span.text == node.name
            assert node.span.text.startswith(node.name)
            assert node.span.text.endswith(")")


def test_statements_of_the_oscillator() -> None:
    text = next(path for path in EXAMPLES if path.stem == "dho").read_text(encoding="utf-8")
    kinds = [type(statement).__name__ for statement in read(text).statements]
    assert kinds == [
        "ModelName", "Coordinate", "Coefficient", "Coefficient", "Coefficient",
        "Contribution", "Contribution", "Initial", "Run",
    ]  # fmt: skip


# --- statements ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in [a, b)", [(True, False, "a"), (False, True, "b")]),
        ("in (a, b]", [(True, True, "a"), (False, False, "b")]),
        ("> a", [(True, True, "a")]),
        (">= a <= b", [(True, False, "a"), (False, False, "b")]),
        ("< b > a", [(False, True, "b"), (True, True, "a")]),
        ("", []),
    ],
)
def test_bounds(text: str, expected: list[tuple[bool, bool, str]]) -> None:
    statement = one(f"coefficient c {text} = 1 ~ uniform(0, 1)")
    assert isinstance(statement, ast.Coefficient)
    assert [(b.lower, b.strict, b.value.span.text) for b in statement.bounds] == expected
    assert statement.default == value("1")
    assert statement.prior == value("uniform(0, 1)")


def test_a_default_may_follow_a_comparison() -> None:
    statement = one("coefficient omega > 0 = 1")
    assert isinstance(statement, ast.Coefficient)
    assert statement.bounds[0].value == value("0")
    assert statement.default == value("1")


def test_coordinates_have_sizes_and_periods() -> None:
    assert one("coordinate phi[i]") == one("coordinate phi[ i ]")
    statement = one("coordinate theta[2] mod 2*pi")
    assert isinstance(statement, ast.Coordinate)
    assert (statement.size, statement.modulus) == (value("2"), value("2*pi"))


def test_run_takes_its_clauses_in_any_order() -> None:
    assert one("run order 6 until 100 step 0.1") == one("run until 100 step 0.1 order 6")
    assert one("run step 1 + 1") == one("run step 1+1")


def test_a_lattice_index_has_a_range() -> None:
    statement = one("index i in 0..49 periodic")
    assert isinstance(statement, ast.LatticeIndex)
    assert (statement.first, statement.last) == (value("0"), value("49"))
    assert statement.ends == "periodic"
    for ends in ("", "free"):
        statement = one(f"index free in 0..49 {ends}")
        assert isinstance(statement, ast.LatticeIndex)
        assert statement.ends == ends


def test_what_varies_along_a_lattice_has_an_index() -> None:
    mass, spring = one("constant m[i] = 1 + i"), one("coefficient k[i] > 0 = 1 ~ uniform(0, 1)")
    assert isinstance(mass, ast.Constant) and mass.index == value("i")
    assert isinstance(spring, ast.Coefficient) and spring.index == value("i")
    assert (len(spring.bounds), spring.default) == (1, value("1"))


def test_a_sum_may_run_over_a_part_of_a_lattice() -> None:
    total = value("sum(in in 1..n-1, phi[in])")
    assert isinstance(total, ast.Call)
    index, body = total.arguments
    assert (index.value, index.within) == (value("in"), (value("1"), value("n-1")))
    assert (body.value, body.within) == (value("phi[in]"), None)


def test_targets_of_assignments_may_be_components() -> None:
    statement = one("initial theta'[0] = 1, p[q] = 2, q_+ = 3")
    assert isinstance(statement, ast.Initial)
    assert [a.target.span.text for a in statement.assignments] == ["theta'[0]", "p[q]", "q_+"]


def test_assignments_of_a_command_line() -> None:
    found = parse_assignments(Source("--initial", "q=1, q'=0"), Diagnostics())
    assert [(a.target, a.value) for a in found] == [
        (value("q"), value("1")),
        (value("q'"), value("0")),
    ]
    assert found[1].span.text == "q'=0"


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("word", KEYWORDS)
def test_every_keyword_is_also_a_name(word: str) -> None:
    read(
        f"model {word}\ncoordinate {word}\ncoordinate {word} mod {word}\ncoefficient {word} = 2\n"
        f"coefficient {word} in [{word}, {word}) = {word} ~ {word}({word}, {word} = {word})\n"
        f"constant {word} = 3\ninput {word}\nneural {word}({word}, {word}') = {word}({word})\n"
        f"index {word} in {word}..{word} periodic\nlet {word} = -{word}^{word}[{word}]\n"
        f"L = {word}*{word}'_+ + {word}\nforce {word} = {word}\nobservable {word} = {word}\n"
        f"initial {word} = {word}, {word}' = 1\nrun until {word} step {word} order {word}\n"
        f"constraint {word} = {word}\n"
    )


@pytest.mark.parametrize(
    ("text", "name", "primes", "side"),
    [
        ("q", "q", 0, ""),
        ("q''", "q", 2, ""),
        ("q_+", "q", 0, "+"),
        ("a_1'_-", "a_1", 1, "-"),
        ("ω'", "ω", 1, ""),
        ("modelling", "modelling", 0, ""),
        ("a__b", "a__b", 0, ""),
    ],
)
def test_decorations(text: str, name: str, primes: int, side: str) -> None:
    found = value(text)
    assert isinstance(found, ast.Name)
    assert (found.name, found.primes, found.side) == (name, primes, side)


def test_names_are_normalised() -> None:
    assert value("e\N{COMBINING ACUTE ACCENT}'") == value("é'")


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("1", Fraction(1)),
        ("0.10", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("1.", Fraction(1)),
        ("1e-3", Fraction(1, 1000)),
        ("2.5E+4", Fraction(25000)),
        ("9" * 400, Fraction(10**400 - 1)),
        ("1e400", Fraction(10**400)),
        ("1e-0400", Fraction(1, 10**400)),
    ],
)
def test_numbers_are_exact(text: str, exact: Fraction) -> None:
    found = value(text)
    assert isinstance(found, ast.Number)
    assert (found.text, found.value) == (text, exact)


# --- expressions -----------------------------------------------------------------------------


def test_powers_bind_tighter_than_signs_and_group_to_the_right() -> None:
    assert value("-a^b") == value("-(a^b)") != value("(-a)^b")
    assert value("a^b^c") == value("a^(b^c)") != value("(a^b)^c")
    assert value("a^-b^c") == value("a^(-(b^c))")
    assert value("-a*b") == value("(-a)*b") != value("-(a*b)")


def test_chains_are_flat_and_nesting_is_kept() -> None:
    found = value("a - b + c")
    assert isinstance(found, ast.Sum)
    assert [sign for sign, _ in found.rest] == ["-", "+"]
    assert found != value("(a - b) + c")


def test_spans_reach_over_parentheses() -> None:
    found = value("(a + b)*(c)^2")
    assert isinstance(found, ast.Product)
    assert found.span.text == "(a + b)*(c)^2"
    assert found.first.span.text == "a + b"
    assert found.rest[0][1].span.text == "(c)^2"


def test_indices_follow_anything() -> None:
    for text in ("theta'[0]", "r_+[1]", "f(x)[0]", "(a, b)[0]", "(a + b)[0]", "m[0][1]"):
        assert isinstance(value(text), ast.Index)


# --- lines -----------------------------------------------------------------------------------


def test_lines_go_on_in_brackets_and_after_operators() -> None:
    straight = one("L = a + b*(c - d)")
    assert one("L = a +  # the first\n\n  b*(c\n  # the second\n- d)  # end") == straight
    assert one("L =\n a + b*\n(c - d)") == straight
    assert one("initial q = 1,\n R = 2") == one("initial q = 1, R = 2")


def test_a_doubled_variable_ends_a_line() -> None:
    assert len(read("K = a*q_-\nlet b = q_+\nK += q_-").statements) == 3


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n\t\r\n"])
def test_line_ends_and_tabs(end: str) -> None:
    text = f"\ufeffmodel a{end}\tcoordinate\tq\t# note{end}L = q{end}"
    file = read(text)
    assert [s.span.text for s in file.statements] == ["model a", "coordinate\tq", "L = q"]


def test_a_number_of_texts_hold_nothing() -> None:
    for text in ("", "\n", "  # only a comment", "\r\n\t"):
        assert read(text).statements == ()


def test_the_grammar_is_built_once() -> None:
    assert lark_parser() is lark_parser()
    assert "statement:" in grammar_text()


def test_errors_leave_the_other_statements_in_the_tree() -> None:
    diagnostics = Diagnostics()
    file = parse(Source("m.lag", "let a = 2b\nlet c = 1\nlet d = (e\nlet f = 2"), diagnostics)
    assert [s.span.text for s in file.statements] == ["let c = 1", "let f = 2"]
    assert [d.code.name for d in diagnostics.items] == ["LAG105", "LAG103"]
    with pytest.raises(LagcError):
        diagnostics.raise_if_errors()
