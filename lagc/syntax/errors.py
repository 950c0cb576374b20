"""From a place where the parser stopped to one diagnostic that says what to write instead.

`explain` asks the rules below in turn; each knows one kind of mistake and answers with an error or
passes. The last one always answers.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.base.spans import Source, Span
from lagc.syntax.lines import CLAUSES, STATEMENTS
from lagc.syntax.words import Place, Word, words_of

_READS = {
    "model": "model pendulum",
    "coordinate": "coordinate q`, `coordinate r[2]` or `coordinate theta mod 2*pi",
    "constant": "constant g = 9.8",
    "coefficient": "coefficient c in [0, inf) = 1/2 ~ uniform(0, 2)",
    "input": "input u",
    "neural": "neural V(q) = mlp(64, 64, activation = softplus)",
    "index": "index i in 0..49 periodic",
    "let": "let s = norm(r)",
    "force": "force q = cos(t)",
    "observable": "observable height = -cos(theta)",
    "initial": "initial q = 1, q' = 0",
    "run": "run until 100 step 0.1 order 6",
    "constraint": "constraint x^2 + y^2 = l^2",
    "use": 'use "common.lag"',
    "L": "L = 1/2*q'^2 - V(q)",
    "K": "K = -c*q'_+*q_-",
    "R": "R = 1/2*c*q'^2",
}
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
# Statements whose example says nothing about a mistake inside their expression.
_EXPRESSIONS = ("L", "K", "R", "let", "constant", "observable", "force", "constraint")
# Statements in which a number can have a unit behind it.
_WITH_UNITS = ("constant", "coefficient", "initial", "run")
_OTHER_WORDS = {
    **dict.fromkeys(("param", "parameter", "const", "real", "number", "scalar"), "constant"),
    **dict.fromkeys(("var", "variable", "vector", "dof", "state"), "coordinate"),
    **dict.fromkeys(("def", "define", "set", "where", "function"), "let"),
    **dict.fromkeys(("output", "measure", "energy"), "observable"),
    **dict.fromkeys(("control", "signal"), "input"),
    **dict.fromkeys(("network", "nn", "mlp"), "neural"),
    **dict.fromkeys(("import", "include", "require"), "use"),
    **dict.fromkeys(("simulate", "integrate", "solve"), "run"),
}
_ACTIONS = {"lagrangian": "L", "rayleigh": "R"}
_EXPONENT_LESS = re.compile(r"[eE][+-]?\Z")
_OPENING = {")": "(", "]": "["}


def explain(source: Source, start: int, end: int, at: int, expected: set[str]) -> LagcError:
    """The error of the statement from `start` to `end`, which reads well up to `at`.

    `expected` holds the names of the terminals that the grammar allows at `at`.
    """
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
        label=f"write `{right}`",
    )


def _other_notation(place: Place) -> LagcError | None:
    """`**`, `==`, `:=`, `+ =`, `-=`."""
    word, before, following = place.word, place.before, place.ahead(1)
    if word is None:
        return None
    if word.text == "**":
        return fail(Code.LAG104, "powers are written `^`", word.span, label="write `^`")
    if word.text == "*" and before is not None and before.text == "*":
        span = before.span.to(word.span)
        return fail(Code.LAG104, "powers are written `^`", span, label="write `^`")
    if word.text in ("==", ":="):
        return fail(
            Code.LAG104, "an equation has a single equals sign", word.span, label="write `=`"
        )
    if word.text == "+" and "ADD_TO" in place.expected and following and following.text == "=":
        span = word.span.to(following.span)
        return fail(Code.LAG104, "`+=` is one word", span, label="write `+=`")
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
        help="only the interval of a coefficient mixes brackets, as in `in [0, inf)`",
    )


def _unknown_statement(place: Place) -> LagcError | None:
    """A first word that begins no statement."""
    word, following = place.word, place.ahead(1)
    if word is None or "MODEL" not in place.expected:
        return None
    if (word.kind == "sign" and word.text in "+-*/^=,~:<>") or word.text in ("<=", ">=", ".."):
        return fail(
            Code.LAG107,
            f"a statement cannot begin with {word.shown}",
            word.span,
            help="to go on from the line before, end that line with the operator or put the "
            "expression in brackets",
        )
    if word.kind != "name":
        return fail(
            Code.LAG107,
            f"a statement cannot begin with {word.shown}",
            word.span,
            help="a statement begins with a word such as `coordinate` or `let`, or is `L = ...`",
        )
    known, label = word.text.casefold(), did_you_mean(word.text, STATEMENTS)
    statement = known if known in STATEMENTS else _OTHER_WORDS.get(known, "")
    help_ = "a statement begins with one of: " + ", ".join(STATEMENTS) + ", or is `L =`, `K =` "
    help_ += "or `R =`"
    if statement:
        label = f"did you mean `{statement}`?"
    if following is not None and following.text in ("=", "+=", ":=", "=="):
        label = ""
        help_ = (
            f"name an expression with `let {word.text} = ...`, "
            f"a number with `constant {word.text} = ...`"
        )
        if known in _ACTIONS:
            label = f"did you mean `{_ACTIONS[known]}`?"
        elif known in ("l", "k", "r"):
            label = f"did you mean `{known.upper()} {following.text} ...`?"
        if "'" in word.text or word.side:
            help_ = (
                "the equations of motion follow from `L`, `K`, `R` and `force`; initial values "
                f"are given with `initial {word.text} = ...`"
            )
    elif statement or label:
        help_ = f"such a statement reads `{_READS[statement or label.split('`')[1]]}`"
    return fail(
        Code.LAG107, f"{word.shown} begins no statement", word.span, label=label, help=help_
    )


def _unknown_clause(place: Place) -> LagcError | None:
    """A misspelt `mod`, `periodic`, `free`, `until`, `step` or `order`."""
    word = place.word
    allowed = [clause for clause in CLAUSES if clause.upper() in place.expected]
    if word is None or word.kind != "name" or not allowed:
        return None
    label = did_you_mean(word.text, allowed)
    if not label and "UNTIL" not in place.expected:
        return None
    return fail(
        Code.LAG102,
        f"expected {_one_of([f'`{clause}`' for clause in allowed])}, found {word.shown}",
        word.span,
        label=label,
        help=_usage(place),
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
            label=f"write `{product}`",
            help=f"the difference is written `{stem} {before.side} {word.text}`",
        )
    quotable = len(product) <= 30 and "(" not in product and ")" not in product
    measured = before.kind == "number" and place.words[0].text in _WITH_UNITS
    units = f", units in brackets: `{before.text} [m/s]`" if measured else ""
    return fail(
        Code.LAG105,
        f"an operator is missing between {before.shown} and {word.shown}",
        span,
        label=f"write `{product}`" if quotable else "",
        help=f"products are always written with `*`{units}",
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
            help=_usage(place),
        )
    after = f" after {before.shown}" if before is not None else ""
    message = f"expected {wanted}{after}, found {word.shown}"
    if not wanted:
        message = f"{word.shown} does not fit here{after and ','}{after}"
    help_ = _usage(place)
    if before is not None and before.text in ("(", "[") and word.text in (")", "]"):
        message = f"nothing stands between {before.shown} and {word.shown}"
    elif before is not None and before.text == "," and word.text == ")":
        help_ = "leave the last `,` out; a vector has at least two entries"
    elif word.text in ("<", "<=", ">", ">=") and place.at:
        help_ = "`<` and `>` stand in the bounds of a coefficient and in the condition of `if`"
        if "AND" in place.expected:
            help_ = "two comparisons are joined by a word: `a < b and b < c`"
    elif word.text == "," and place.expected >= {"RSQB", "STAR"}:
        help_ = "an entry of a matrix is written `M[0][1]`"
    elif word.text == "+" and "NUMBER" in place.expected:
        message = "a value cannot begin with `+`"
        help_ = "leave the sign out: only `-` can stand before a value"
    elif word.text == "," and place.at == 2 and place.words[0].text in STATEMENTS:
        message = f"`{place.words[0].text}` declares one name"
        help_ = "write a statement for each name"
    return fail(Code.LAG102, message, word.span, help=help_)


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
    return "" if "STAR" in expected or len(signs) > 3 else _one_of(signs)


def _one_of(choices: list[str]) -> str:
    return " or ".join([", ".join(choices[:-1]), choices[-1]] if choices[1:] else choices)


def _usage(place: Place) -> str:
    """What a statement that begins like this one looks like."""
    first = place.words[0].text
    within = first in _EXPRESSIONS and not place.expected.isdisjoint(("NUMBER", "STAR"))
    if place.at == 0 or first not in _READS or within:
        return ""
    return f"such a statement reads `{_READS[first]}`"


_RULES: tuple[Callable[[Place], LagcError | None], ...] = (
    _malformed_number,
    _misplaced_mark,
    _other_notation,
    _wrong_bracket,
    _unknown_statement,
    _unknown_clause,
    _missing_operator,
)
