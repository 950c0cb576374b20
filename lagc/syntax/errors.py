"""From a place where the parser stopped to one diagnostic that says what to write instead.

`explain` asks the tables of other notations, then the rules below in turn; each knows one kind of
mistake and answers with an error or passes. The last one always answers.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.base.spans import Source, Span
from lagc.syntax.beginnings import one_by_one, one_of, unknown_clause, unknown_statement, usage
from lagc.syntax.habits import habit_at
from lagc.syntax.lines import STATEMENTS
from lagc.syntax.notations import HABITS
from lagc.syntax.words import Place, Word, words_of

_SIGNS = {
    "EQUAL": "`=`",
    "ADD_TO": "`+=`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "DOTS": "`..`",
    "TILDE": "`~`",
    "FILE": "a file name in quotation marks",
    "IN": "`in`",
    "MOD": "`mod`",
    "PERIODIC": "`periodic`",
    "FREE": "`free`",
}
# Statements in which a number can have a unit behind it.
_WITH_UNITS = ("constant", "coefficient", "initial", "run")
_UNIT = re.compile(r"[^\W\d]+(?:\^-?\d+)?(?:[*/][^\W\d]+(?:\^-?\d+)?)*")
_EXPONENT_LESS = re.compile(r"[eE][+-]?\Z")
_LISTS = ("coordinate", "constant", "coefficient", "input", "force", "index", "model")
_OPENING = {")": "(", "]": "["}


def explain(
    source: Source, start: int, end: int, at: int, expected: set[str], kind: str
) -> LagcError:
    """The error of the statement from `start` to `end`, which reads well up to `at`.

    `expected` holds the names of the terminals that the grammar allows at `at`; `kind` is the word
    with which such a statement begins.
    """
    habit = habit_at(HABITS, source, start, end, at, kind)
    if habit is not None:
        return habit
    words = words_of(source, start, end)
    number = bisect_right([word.span.end for word in words], at)
    place = Place(tuple(words), number, frozenset(expected))
    for rule in _RULES:
        error = rule(place)
        if error is not None:
            return error
    return _unexpected(place)


# --- words of the wrong shape ----------------------------------------------------------------


def _malformed_number(place: Place) -> LagcError | None:
    """`1.2.3`, `2e`, `1_000`, `0xff`."""
    number, rest = place.before, place.word
    if number is None or rest is None or number.kind != "number" or not number.touches(rest):
        return None
    span = number.span.to(rest.span)
    if rest.text == "." or (rest.kind == "number" and rest.text[0] == "."):
        if "e" in number.text.casefold():
            return fail(Code.LAG106, "the exponent of a number is a whole number", span)
        return fail(
            Code.LAG106, "a number has one decimal point", span, help="remove the other point"
        )
    if _EXPONENT_LESS.match(rest.text):
        sign = place.ahead(1)
        if sign is not None and sign.text in "+-" and rest.touches(sign):
            span = span.to(sign.span)
        return fail(
            Code.LAG106,
            f"the exponent of `{span.text}` has no digits",
            span,
            help=f"write `{number.text}e3` for a power of ten, `{number.text}*e` for a product",
        )
    if rest.text == "_":
        return fail(Code.LAG106, "the digits of a number are written without `_`", span)
    if number.text == "0" and rest.text[0] in "xXbBoO" and rest.text[1:].isalnum():
        return fail(Code.LAG106, "numbers are written in decimal", span)
    return None


def _misplaced_mark(place: Place) -> LagcError | None:
    """Primes and underscores: `q_+'`, `q_'`, `theta[0]'`, `q_ + 1`, `_x`."""
    word, before, following = place.word, place.before, place.ahead(1)
    if word is None:
        return None
    if word.text == "'":
        if before is not None and before.side and before.touches(word):
            span = before.span.to(word.span)
            return _prime_first(span, f"{before.text[:-2]}'{before.text[-2:]}")
        return fail(
            Code.LAG104,
            "a prime follows the name of a coordinate directly",
            word.span,
            help="write `q'`, `theta'[0]`, `q'_+`",
        )
    if word.kind == "name" and following is not None and following.text == "_":
        span, prime = word.span.to(following.span), place.ahead(2)
        if prime is not None and prime.text == "'" and following.touches(prime):
            sign = place.ahead(3)
            side = sign.text if sign is not None and prime.touches(sign) else ""
            span = span.to(sign.span if sign is not None and side in ("+", "-") else prime.span)
            wanted = side if side in ("+", "-") else "+"
            return _prime_first(span, f"{word.text}'_{wanted}")
        return fail(
            Code.LAG102,
            "a name does not end in `_`",
            span,
            help=f"a doubled variable is one word: `{word.text}_+` or `{word.text}_-`",
        )
    if word.text == "_":
        return fail(Code.LAG102, "a name begins with a letter", word.span)
    return None


def _prime_first(span: Span, right: str) -> LagcError:
    return fail(
        Code.LAG104,
        "the prime of a doubled velocity stands before the `_`",
        span,
        fix=right,
    )


def _other_notation(place: Place) -> LagcError | None:
    """`**`, `+ =`, `-=`."""
    word, before, following = place.word, place.before, place.ahead(1)
    if word is None:
        return None
    if word.text == "**":
        return fail(Code.LAG104, "powers are written `^`", word.span, fix="^")
    if word.text == "*" and before is not None and before.text == "*":
        span = before.span.to(word.span)
        return fail(Code.LAG104, "powers are written `^`", span, fix="^")
    if word.text == "+" and "ADD_TO" in place.expected and following and following.text == "=":
        span = word.span.to(following.span)
        return fail(Code.LAG104, "`+=` is one word", span, fix="+=")
    if word.text == "+=":
        return fail(
            Code.LAG102,
            "`+=` stands only after `L`, `K` or `R` at the beginning of a statement",
            word.span,
        )
    if word.text in ("-=", "*=", "/="):
        return fail(
            Code.LAG104,
            "contributions are added with `+=`; there is no other such operator",
            word.span,
            help="write for instance `L += -(a + b)`",
        )
    return None


# --- words in the wrong place ----------------------------------------------------------------


def _wrong_bracket(place: Place) -> LagcError | None:
    """A closing bracket that does not match, where an interval does not excuse it."""
    word = place.word
    if word is None or word.text not in _OPENING:
        return None
    open_words: list[Word] = []
    for earlier in place.words[: place.at]:
        if earlier.text in ("(", "["):
            open_words.append(earlier)
        elif earlier.text in _OPENING and open_words:
            open_words.pop()
    if not open_words or open_words[-1].text == _OPENING[word.text]:
        return None
    fits = {"(": ")", "[": "]"}[open_words[-1].text]
    return fail(
        Code.LAG103,
        f"{word.shown} cannot close {open_words[-1].shown}",
        word.span,
        label=f"`{fits}` fits",
        fix=fits,
        help="only the interval of a coefficient mixes brackets, as in `in [0, inf)`",
    )


def _second_statement(place: Place) -> LagcError | None:
    """`coordinate q L = ...`, `model m coordinate q`, `L = a, K = b`: two statements on a line."""
    if place.word is None or place.at == 0:
        return None
    at = place.at + (place.word.text in (",", ";"))
    first, second = (place.words[k] if k < len(place.words) else None for k in (at, at + 1))
    if first is None or second is None:
        return None
    statement = first.text in STATEMENTS and second.kind == "name"
    if not statement and not (first.text in ("L", "K", "R") and second.text in ("=", "+=")):
        return None
    return fail(
        Code.LAG110,
        "a line holds one statement",
        first.span,
        label="begin a new line here",
    )


def _missing_comma(place: Place) -> LagcError | None:
    """`initial q = 1 q' = 0`."""
    before, word = place.before, place.word
    if before is None or word is None or word.kind != "name" or "COMMA" not in place.expected:
        return None
    ahead, depth = 1, 0
    while (following := place.ahead(ahead)) is not None:
        depth += {"[": 1, "]": -1}.get(following.text, 0)
        ahead += 1
        if depth == 0 and following.text != "]":
            break
    if following is None or following.text != "=":
        return None
    return fail(
        Code.LAG102,
        f"a comma is missing before {word.shown}",
        before.span.to(word.span),
        label=f"write `,` after {before.shown}",
        fix=f"{before.text}, {word.text}",
    )


def _missing_operator(place: Place) -> LagcError | None:
    """`2q`, `q r`, `2(x)`, `q_-x`."""
    before, word = place.before, place.word
    if before is None or word is None or "STAR" not in place.expected:
        return None
    if not (before.ends_value and word.begins_value):
        return None
    span = before.span.to(word.span) if before.span.line == word.span.line else word.span
    product = f"{before.text}*{word.text}"
    if before.side and before.touches(word):
        stem = before.text[:-2]
        return fail(
            Code.LAG105,
            f"{before.shown} is one word, a doubled variable; an operator is missing after it",
            span,
            help=f"a {'sum' if before.side == '+' else 'difference'} is written "
            f"`{stem} {before.side} {word.text}`",
            fix=product,
        )
    quotable = len(product) <= 30 and "(" not in product and ")" not in product
    measured = before.kind == "number" and place.words[0].text in _WITH_UNITS
    unit = "".join(w.text for w in place.words[place.at :])
    unit = unit if _UNIT.fullmatch(unit) else "m/s"
    units = f", units in brackets: `{before.text} [{unit}]`" if measured else ""
    return fail(
        Code.LAG105,
        f"an operator is missing between {before.shown} and {word.shown}",
        span,
        label=f"write `{product}`" if quotable else f"write `*` before {word.shown}",
        help=f"products are always written with `*`{units}",
        fix=product if span.start == before.span.start else f"*{word.text}",
    )


def _unexpected(place: Place) -> LagcError:
    """What no other rule knows: what is missing, or that the word does not fit."""
    before, word = place.before, place.word
    wanted = _wanted(place.expected)
    if word is None:
        assert before is not None  # a statement has at least one word
        lacks = f"; {wanted} is missing" if wanted else ""
        return fail(
            Code.LAG102,
            f"the statement ends after {before.shown}{lacks}",
            before.span,
            help=usage(place),
        )
    after = f" after {before.shown}" if before is not None else ""
    message = f"expected {wanted}{after}, found {word.shown}"
    if not wanted:
        message = f"{word.shown} does not fit here{after and ','}{after}"
    help_ = usage(place)
    if before is not None and before.text in ("(", "[") and word.text in (")", "]"):
        message = f"nothing stands between {before.shown} and {word.shown}"
    elif before is not None and before.text == "," and word.text == ")":
        help_ = "leave the last `,` out; a vector has at least two entries"
    elif word.text == "=" and any(w.text in ("=", "+=") for w in place.words[: place.at]):
        message = "a statement has one equals sign"
        help_ = "an equation is no expression: what stands on the left is defined by the right"
    elif word.text in ("<", "<=", ">", ">=") and place.at:
        help_ = "`<` and `>` stand in bounds and in conditions, such as `if(x > 0, a, b)`"
        if "AND" in place.expected:
            help_ = "two comparisons are joined by a word: `a < b and b < c`"
    elif word.text == "," and "RSQB" in place.expected and place.words[0].text not in _LISTS:
        help_ = "an entry of a matrix is written `M[0][1]`"
    elif word.text == "+" and "NUMBER" in place.expected:
        message = "a value cannot begin with `+`"
        help_ = "leave the sign out: only `-` can stand before a value"
    elif (
        word.text == ","
        and place.words[0].text in _LISTS
        and place.at > 2
        and _names_another(place)
    ):
        message = f"`{place.words[0].text}` declares one name"
        help_ = "write a line for each name"
    elif (
        place.at == 2
        and place.words[0].text in _LISTS
        and (word.text == "," or word.kind == "name")
    ):
        kind = place.words[0].text
        message = f"`{kind}` declares one name"
        if kind == "force":
            message = "a force acts on one coordinate"
        help_ = one_by_one(kind, place.words[1:]) or "write a statement for each"
    return fail(Code.LAG102, message, word.span, help=help_)


def _names_another(place: Place) -> bool:
    """Whether a name and an equals sign follow, as in `constant m = 1, k = 2`."""
    name, equals = place.ahead(1), place.ahead(2)
    return name is not None and name.kind == "name" and equals is not None and equals.text == "="


def _wanted(expected: frozenset[str]) -> str:
    """What the grammar allows, in words; empty where an operand has just ended."""
    if "NUMBER" in expected:
        return "an expression"
    if "NAME" in expected:
        return "a name"
    if "EQUAL" in expected or expected <= {"LSQB", "$END"}:
        expected -= {"LSQB"}  # a component or a unit is possible but seldom what is missing
    signs = [sign for terminal, sign in _SIGNS.items() if terminal in expected]
    if not signs and expected <= {"$END"}:
        return ""
    return "" if "STAR" in expected or len(signs) > 3 else one_of(signs)


_RULES: tuple[Callable[[Place], LagcError | None], ...] = (
    _malformed_number,
    _misplaced_mark,
    _other_notation,
    _wrong_bracket,
    unknown_statement,
    unknown_clause,
    _second_statement,
    _missing_comma,
    _missing_operator,
)
