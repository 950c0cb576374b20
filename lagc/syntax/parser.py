"""From a source to its syntax tree, statement by statement, errors as diagnostics.

Each logical line is parsed on its own. A statement that cannot be read adds one diagnostic and is
left out of the tree; the ones after it are read all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic, Diagnostics, LagcError, fail
from lagc.base.spans import Source, Span
from lagc.syntax import ast
from lagc.syntax.automaton import node
from lagc.syntax.build import Builder, too_deep
from lagc.syntax.characters import check_characters
from lagc.syntax.errors import explain
from lagc.syntax.grammar import automaton, lark_parser
from lagc.syntax.lines import DEEPEST, LogicalLine, logical_lines
from lagc.syntax.mend import with_whole_statement
from lagc.syntax.units import fields_told_from_units

LARGEST_FILE = 250_000
MOST_STATEMENTS = 4000
LONGEST_STATEMENT = 200_000
MOST_ERRORS = 50
# No text within the limits of nesting comes near: a level takes a handful of places on the stack.
_DEEPEST_STACK = 20 * DEEPEST
_FIRST_WORD = re.compile(r"\w+")


def parse(source: Source, diagnostics: Diagnostics) -> ast.File:
    """The statements of a `.lag` text that could be read; what could not is in `diagnostics`.

    At most `MOST_ERRORS` statements are reported; the rest of the text is then not read.
    """
    whole = Span(source, 0, len(source.text))
    statements: list[ast.Statement] = []
    if len(source.text) > LARGEST_FILE:
        diagnostics.add(
            Code.LAG108,
            f"the file has {len(source.text)} characters; lagc reads up to {LARGEST_FILE}",
            help="a `.lag` file holds a model and no data",
        )
        return ast.File((), span=whole)
    bad = 0
    for line in logical_lines(source, diagnostics):
        if bad == MOST_ERRORS:
            number = source.line_of(line.start)
            diagnostics.add(
                Code.LAG108,
                f"{MOST_ERRORS} statements cannot be read; the file was not read from line "
                f"{number} on",
            )
            break
        if len(statements) == MOST_STATEMENTS:
            diagnostics.add(
                Code.LAG108,
                f"the file has more than {MOST_STATEMENTS} statements",
                Span(source, line.start, line.end),
                help="coordinates, constants and coefficients that are many of a kind are vectors "
                "or fields: `coordinate r[3]`, `coordinate phi[i]`",
            )
            break
        statement = _read(source, line, "statement", diagnostics) if line.sound else None
        if statement is None:
            bad += 1
        else:
            statements.append(statement)
    return ast.File(tuple(fields_told_from_units(statements)), span=whole)


def parse_assignments(source: Source, diagnostics: Diagnostics) -> tuple[ast.Assignment, ...]:
    """The assignments of a command line such as `q = 1, q' = 0`; empty after an error."""
    return _one_line(source, "assignments", "assignment", "q = 1, q' = 0", diagnostics) or ()


def parse_expression(source: Source, diagnostics: Diagnostics) -> ast.Expression | None:
    """An expression of a command line such as `2*pi`; None after an error."""
    found: ast.Expression | None = _one_line(source, "expression", "number", "2*pi", diagnostics)
    return found


def _one_line(source: Source, rule: str, what: str, example: str, diagnostics: Diagnostics) -> Any:
    """The node of a text of a single logical line; None after an error."""
    if len(source.text) > LARGEST_FILE:
        diagnostics.add(
            Code.LAG108,
            f"the text has {len(source.text)} characters; lagc reads up to {LARGEST_FILE}",
        )
        return None
    lines = list(logical_lines(source, diagnostics))
    if not lines:
        diagnostics.add(
            Code.LAG102,
            f"no {what} is given",
            Span(source, 0, len(source.text)),
            help=f"write for instance `{example}`",
        )
        return None
    if len(lines) > 1:
        diagnostics.add(
            Code.LAG102,
            f"the {rule} goes on in another line".replace("s goes", "s go"),
            Span(source, lines[1].start, lines[1].end),
            help=f"write it on one line: `{example}`",
        )
        return None
    return _read(source, lines[0], rule, diagnostics) if lines[0].sound else None


def _read(source: Source, line: LogicalLine, rule: str, diagnostics: Diagnostics) -> Any:
    """The node of one logical line, or None and a diagnostic."""
    try:
        _check_length(source, line)
        return _understood(source, line, rule)
    except LagcError as error:
        whole = with_whole_statement(error, line.start, line.end, partial(_attempt, rule=rule))
        known = list(diagnostics.errors)
        diagnostics.items.extend(d for d in whole.diagnostics if not _follows(d, known))
        return None


def _follows(found: Diagnostic, known: Sequence[Diagnostic]) -> bool:
    """Whether a name is wrong where it is used as it was wrong where it was declared."""
    if found.span is None:
        return False
    for earlier in known:
        span = earlier.span
        if span is None or not span.text or not found.span.text.startswith(span.text):
            continue
        if found.message == earlier.message:
            continue  # counted as one more place of the same mistake
        before = span.source.text[: span.start].rpartition("\n")[2]
        if re.fullmatch(r"[ \t]*(coordinate|coefficient|constant|input|let)[ \t]+", before):
            return True
    return False


def _attempt(source: Source, rule: str) -> LagcError | None:
    """Whether a text is one statement: None, or the error where it is not."""
    try:
        _understood(source, LogicalLine(0, len(source.text), True), rule)
    except LagcError as error:
        return error
    return None


def _understood(source: Source, line: LogicalLine, rule: str) -> Any:
    """The node of one logical line; raises what is wrong where its reading stops."""
    word = _FIRST_WORD.match(source.text, line.start)
    kind = rule if rule == "assignments" else word[0] if word else ""
    check_characters(source, line.start, line.end, kind)
    return _build(source, line, rule, kind)


def _build(source: Source, line: LogicalLine, rule: str, kind: str) -> Any:
    text = source.text[line.start : line.end]
    derivation = automaton().derivation(text, rule)
    if derivation is None:
        at, expected = _stop(text, rule, Span(source, line.start, line.end))
        raise explain(source, line.start, line.end, line.start + at, expected, kind)
    return node(derivation, Builder(source, line.start, line.end))


def _stop(text: str, rule: str, span: Span) -> tuple[int, set[str]]:
    """Where in a line Lark stops, and the terminals it would have accepted there."""
    from lark.exceptions import UnexpectedInput

    try:
        lark_parser().parse(text, start=rule)
    except UnexpectedInput as found:
        error: Any = found
    else:
        raise AssertionError(f"Lark reads {text!r}, which the automaton does not")
    token = getattr(error, "token", None)  # absent where the lexer found no word at all
    at = error.pos_in_stream if token is None else token.start_pos
    if token is not None and token.type == "$END":
        at = len(text)
    parser = error.interactive_parser
    if len(parser.parser_state.state_stack) > _DEEPEST_STACK:
        raise too_deep(Span(span.source, span.start, span.start + at))
    # The table of the state alone would name terminals that fit elsewhere; this tries each.
    return at, parser.accepts()


def _check_length(source: Source, line: LogicalLine) -> None:
    if line.end - line.start > LONGEST_STATEMENT:
        raise fail(
            Code.LAG108,
            f"the statement has {line.end - line.start} characters; lagc reads up to "
            f"{LONGEST_STATEMENT}",
            Span(source, line.start, line.end),
            help="split it with `let` statements, or with `L += ...`",
        )
