"""Each mistake has its code, its place and a sentence that says what to write."""

from __future__ import annotations

import pytest

from lagc.base.diagnostics import Diagnostic, Diagnostics
from lagc.base.render import render_text
from lagc.base.spans import Source
from lagc.syntax.parser import MOST_ERRORS, parse, parse_assignments


def errors(text: str) -> list[Diagnostic]:
    diagnostics = Diagnostics()
    parse(Source("m.lag", text), diagnostics)
    return diagnostics.items


def marked(text: str) -> tuple[str, str]:
    """The text and the place between the quotation marks, as in `L = q«**»2`."""
    return text.replace("«", "").replace("»", ""), text[text.index("«") + 1 : text.index("»")]


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        # characters
        ("LAG101", "L = a «−» b", "write `-`"),
        ("LAG101", "L = a«×»b", "write `*`"),
        ("LAG101", "L = a«·»b", "write `*`"),
        ("LAG101", "L = x«²»", "write `^2`"),
        ("LAG101", "L = «½»*m", "write `1/2`"),
        ("LAG101", "L = q«′»", "write `'`"),
        ("LAG101", "L = «x₀»", "write `x0`"),
        ("LAG101", "L = «\"a\"»", "quotation marks"),
        ("LAG101", "L = a «&» b", "joined by `and`"),
        ("LAG101", "L = «a @ b»", "write `dot(a, b)`"),
        ("LAG110", "let a = 1«;» let b = 2", "one statement"),
        ("LAG101", "L = «{a}»", "write `(a)`"),
        ("LAG101", "L = a«\N{NO-BREAK SPACE}»+ b", "plain space"),
        ("LAG101", "L = a«\N{ZERO WIDTH SPACE}»", "remove this"),
        ("LAG101", "L = a«\0»", "null character"),
        ("LAG101", "L = a «\r»+ b", "carriage return"),
        ("LAG101", "L = «٣»", "0 to 9"),
        # what is missing
        ("LAG102", "L «=»", "an expression is missing"),
        ("LAG102", "L = a «+»", "the statement ends after `+`; an expression is missing"),
        ("LAG102", "«model»", "a name is missing"),
        ("LAG102", "initial «q»", "`=` is missing"),
        ("LAG102", "let «=» 4", "expected a name after `let`, found `=`"),
        ("LAG104", "let «3» = 4", "begins with a letter"),
        ("LAG102", "L = a + «*» b", "expected an expression after `+`, found `*`"),
        ("LAG102", "L = «+»a", "leave the sign out"),
        ("LAG102", "L = («)»", "nothing stands between"),
        ("LAG102", "L = (a,«)»", "leave the last `,` out"),
        ("LAG102", "L = a «<» b", "stand in bounds"),
        ("LAG102", "L «3»", "expected `=` or `+=` after `L`"),
        ("LAG104", "«L(q)» = 3", "write `L`"),
        ("LAG102", "coordinate q«,» r", "declares one name"),
        ("LAG102", "coordinate q «2»", "expected `[` or `mod`"),
        ("LAG102", "coordinate q «r»", "declares one name"),
        ("LAG102", "coordinate theta «modulo» 2*pi", "did you mean `mod`?"),
        ("LAG102", "index i in 0..4 «periodical»", "did you mean `periodic`?"),
        ("LAG102", "run until 100 «stp» 0.1", "did you mean `step`?"),
        ("LAG102", "run until 1 «until» 2", "given twice"),
        ("LAG102", "L = «q_» + 1", "does not end in `_`"),
        ("LAG102", "L = «_»x", "begins with a letter"),
        ("LAG102", "let x = a «+=» b", "only after `L`, `K` or `R`"),
        ("LAG102", "model a «2»", "does not fit here"),
        ("LAG104", "model «a b»", "write `a_b`"),
        # brackets
        ("LAG103", "L = f«(»a, b", "never closed"),
        ("LAG103", "L = a«)»", "closes nothing"),
        ("LAG103", "L = (a«]»", "cannot close `(`"),
        ("LAG103", "L = f(a[0«)», b)", "cannot close `[`"),
        ("LAG103", "L = in[0«)»", "cannot close `[`"),
        # other notations
        ("LAG104", "L = q«**»2", "write `^`"),
        ("LAG104", "L «==» q", "write `=`"),
        ("LAG104", "L «:=» q", "write `=`"),
        ("LAG104", "L «+ =» q", "write `+=`"),
        ("LAG104", "«L -= q»", "write `L += -q`"),
        ("LAG104", "K = «q_'» + 1", "write `q'_+`"),
        ("LAG104", "K = «q_+'»*q_-", "write `q'_+`"),
        ("LAG104", "K = «q_'-»", "write `q'_-`"),
        ("LAG104", "L = «theta[0]'»", "write `theta'[0]`"),
        # products
        ("LAG105", "L = «2q»", "write `2*q`"),
        ("LAG105", "L = «q r»", "write `q*r`"),
        ("LAG105", "L = «2(»x)", "an operator is missing"),
        ("LAG105", "L = (a«)(»b)", "an operator is missing"),
        ("LAG105", "L = «q'(»x)", "an operator is missing"),
        ("LAG105", "K = «q_-x»", "one word"),
        ("LAG105", "L = f(«2 x»)", "write `2*x`"),
        # numbers
        ("LAG106", "L = «1.2.3»", "one decimal point"),
        ("LAG106", "L = «2e»", "no digits"),
        ("LAG106", "L = «2e+»x", "no digits"),
        ("LAG106", "L = «1_000»", "without `_`"),
        ("LAG106", "L = «0xff»", "decimal"),
        ("LAG106", "L = «1e401»", "beyond 400"),
        ("LAG106", "L = «1e" + "9" * 5000 + "»", "beyond 400"),
        ("LAG106", "L = «" + "9" * 401 + "»", "more than 400 digits"),
        # statements
        ("LAG107", "«coordinates» q", "did you mean `coordinate`?"),
        ("LAG107", "«param» k = 1", "did you mean `coefficient`?"),
        ("LAG107", "«Model» dho", "did you mean `model`?"),
        ("LAG107", "«x» = 3", "write `constant x = 3`"),
        ("LAG107", "«q'» = p", "initial q' = ..."),
        ("LAG107", "«modelx»", "begins no statement"),
        ("LAG107", "L = a\n«+» b", "end that line with the operator"),
        ("LAG107", "«3» + 4", "cannot begin with `3`"),
    ],
)  # fmt: skip
def test_mistakes(code: str, text: str, said: str) -> None:
    program, place = marked(text)
    before = text[: text.index("«")]
    (found,) = errors(program)
    assert found.code.name == code
    assert found.span is not None
    assert (found.span.text, found.span.start) == (place, len(before))
    assert said in render_text(found)


def test_the_caret_stands_under_the_mistake() -> None:
    (found,) = errors("model m\n\tL = 1/2*m*q**2  # kinetic\n")
    assert render_text(found).splitlines() == [
        "error[LAG104]: powers are written `^`",
        "  --> m.lag:2:13",
        "   |",
        " 2 |     L = 1/2*m*q**2  # kinetic",
        "   |                ^^ write `^`",
    ]


@pytest.mark.parametrize("following", ["coordinate q", "K += 2", "run until 3", "force x = 1"])
def test_an_open_bracket_costs_its_own_statement_only(following: str) -> None:
    (found,) = errors(f"L = 1/2*m*q'^2 + (a\n\n{following}\nlet c = 1")
    assert found.code.name == "LAG103"
    assert found.span is not None and found.span.column == 18
    assert "before line 3" in found.help


def test_an_operator_at_the_end_costs_its_own_statement_only() -> None:
    assert [found.code.name for found in errors("let s = a +\nL = 3\nlet b = 2")] == ["LAG102"]


def test_several_mistakes_are_found_in_one_run() -> None:
    found = errors("L = 2q\ncoordinate q\nK = q**2\nR = (a\nlet x = 1\nlet y = −1")
    assert [d.code.name for d in found] == ["LAG105", "LAG104", "LAG103", "LAG101"]
    assert [d.span.line for d in found if d.span] == [1, 3, 4, 6]


def test_reports_stop_after_many() -> None:
    found = errors("L = 2q\n" * (MOST_ERRORS + 10))
    assert len(found) == MOST_ERRORS + 1
    assert found[-1].code.name == "LAG108"
    assert f"line {MOST_ERRORS + 1}" in found[-1].message


def test_exactly_as_many_as_are_reported_need_no_closing_word() -> None:
    assert len(errors("L = 2q\n" * MOST_ERRORS)) == MOST_ERRORS


@pytest.mark.parametrize("text", ["", "q", "q = 1\nx = 2", "q = ", "2q = 1", "q = (1", "q = 1,"])
def test_assignments_of_a_command_line_are_checked(text: str) -> None:
    diagnostics = Diagnostics()
    assert parse_assignments(Source("--initial", text), diagnostics) == ()
    assert len(diagnostics.items) == 1
    assert render_text(diagnostics.items[0])


# --- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "(" * 64 + "a" + ")" * 64,
        "-" * 64 + "a",
        "a" + "^a" * 64,
        "a" + "[0]" * 64,
        "(1 + 2*" * 60 + "a" + ")" * 60,
        "f(" * 64 + "a" + ")" * 64,
    ],
)
def test_what_is_within_the_limits_is_read_and_compared(text: str) -> None:
    diagnostics = Diagnostics()
    first = parse(Source("m.lag", f"L = {text}"), diagnostics)
    assert not diagnostics.items
    assert first == parse(Source("m.lag", f"L = {text}"), diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 65 + "a" + ")" * 65,
        "-" * 65 + "a",
        "a" + "^a" * 65,
        "a" + "[0]" * 65,
        "-(" * 40 + "a^" * 40 + "a" + ")" * 40,
        "f(w = 2 + 3*" * 64 + "a" + ")" * 64,
        "[" * 100_000,
        "-" * 100_000,
        "-a^" * 60_000 + "a",
        "-a^" * 60_000 + "a a",
    ],
    ids=range(10),
)
def test_what_is_nested_deeper_is_refused(text: str) -> None:
    (found,) = errors(f"L = {text}")
    assert found.code.name == "LAG108"
    assert render_text(found)


def test_long_statements_and_large_files_are_refused() -> None:
    (statement,) = errors("L = " + "a + " * 60_000 + "a")
    (file,) = errors("# a comment\n" * 100_000)
    assert (statement.code.name, file.code.name) == ("LAG108", "LAG108")
    assert render_text(statement) and render_text(file)


def test_a_long_sum_is_not_a_deep_tree() -> None:
    assert not errors("L = " + "a + b*" * 10_000 + "a")


@pytest.mark.parametrize("text", ["^" * 190_000, "L = " + "a a" * 60_000, "))((\n" * 190_000])
def test_garbage_is_refused_at_its_beginning(text: str) -> None:
    found = errors(text)
    assert found and all(render_text(d) for d in found)
