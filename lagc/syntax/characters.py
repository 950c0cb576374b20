"""The characters of a statement, before the lexer sees it: an error for the first foreign one.

What passes is ASCII of the language, letters of any script and the combining marks on them, so
the grammar may count everything beyond ASCII as a letter.
"""

from __future__ import annotations

import re
import unicodedata

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.base.spans import Source, Span
from lagc.syntax.habits import habit_at
from lagc.syntax.notations import HABITS

_SUSPECT = re.compile(
    r"#[^\n]*|\"[^\"\r\n]*\"|[^A-Za-z0-9_'+\-*/^()\[\]=,.:~<> \t\r\n]|\r(?!\n|\Z)",
)
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"

_WRITE = {
    **dict.fromkeys("−–—‐‑‒﹣－", "-"),
    **dict.fromkeys("×·⋅∙∗•✕⨯＊", "*"),
    **dict.fromkeys("÷∕⁄／", "/"),
    **dict.fromkeys("＋﹢", "+"),
    **dict.fromkeys("′’‘ʹʹʼʻ´`＇", "'"),
    "″": "''",
    "＝": "=",
    "（": "(",
    "）": ")",
    "，": ",",
    "：": ":",
    "≤": "<=",
    "≥": ">=",
    "≈": "=",
    "≔": "=",
    "∈": "in",
    "₊": "_+",
    "₋": "_-",
    "⁺": "_+",
    "…": "..",
    "∞": "inf",
    "∼": "~",
    **{ch: f"^{digit}" for digit, ch in enumerate(_SUPERSCRIPTS)},
    "⁻": "^-1",
    "ⁿ": "^n",
}
_CONTROLS = {
    "\r": "a carriage return alone",
    "\f": "a form feed",
    "\v": "a vertical tab",
    "\0": "a null character",
}
_ADVICE = {
    **dict.fromkeys(
        '"“”„«»', 'only the file of `use "common.lag"` stands in quotation marks: leave them out'
    ),
    **dict.fromkeys("{}", "brackets are `(` and `)`; vectors are `(a, b)`, components `q[0]`"),
    **dict.fromkeys(_SUBSCRIPTS, "write the digit on the line: `x0` or `x_0`"),
    ";": "write one statement a line",
    "&": "conditions are joined by `and`",
    "|": "the magnitude is `abs(x)`, that of a vector `norm(x)`",
    "\r": "save the file with the line ends of this system: a line feed, or both",
    "?": "the parts of a formula hold for all values: it has no conditions of this kind",
    "`": "names are written without quotation marks",
    "@": "the scalar product is `dot(a, b)`",
    "√": "write `sqrt(x)`",
    **dict.fromkeys(
        "∂∇", "a velocity is written with a prime: `q'`; other derivatives are taken by lagc"
    ),
    **dict.fromkeys("∑∫∏", "a sum over the sites of a lattice is written `sum(i, ...)`"),
    **dict.fromkeys("→⇒←⟶", "a definition is written with `=`"),
    "±": "write one model for each sign",
    "%": "write the remainder with `mod` where a coordinate is declared; comments begin with `#`",
    "!": "comments begin with `#`; conditions are written with `<`, `<=`, `>`, `>=`",
    "\\": "a statement goes on inside brackets or after an operator, without a sign for it; Greek "
    "letters are written out: `omega` or `ω`",
}


def check_characters(source: Source, start: int, end: int, kind: str = "") -> None:
    """Raise what is wrong at the first character from `start` to `end` that is not the language's.

    That is a notation of another language where one is known, otherwise LAG101. `kind` is the word
    with which such a statement begins, if it is known.
    """
    text = source.text
    for found in _SUSPECT.finditer(text, start, end):
        ch = found[0]
        if ch[0] == "#" or (len(ch) > 1 and ch[0] == '"' and text.startswith("use", start)):
            continue
        if ch.isascii() or ch in _WRITE or not _belongs_to_name(text, found.start()):
            span = Span(source, found.start(), found.start() + 1)
            if ch == "\\" and (broken := _broken_line(span)) is not None:
                raise broken
            raise habit_at(HABITS, source, start, end, span.start, kind) or _foreign(span)


def _broken_line(span: Span) -> LagcError | None:
    """What is wrong with a backslash at the end of a line before one that begins with an operator.

    Without it the first line would be a statement of its own, so that is not the whole advice.
    """
    following = re.match(r"[ \t]*\r?\n\s*([-+*/^])", span.source.text[span.end :])
    if following is None:
        return None
    operator = following[1]
    return fail(
        Code.LAG104,
        "a statement goes on after an operator or inside brackets, without a sign for it",
        span,
        label=f"write `{operator}` here, and not at the beginning of the next line",
    )


def _belongs_to_name(text: str, at: int) -> bool:
    """Whether a character beyond ASCII is a letter, or a combining mark on one."""
    kind = unicodedata.category(text[at])[0]
    if kind == "M":
        before = text[at - 1] if at else ""
        return f"a{text[at]}".isidentifier() and f"a{before}".isidentifier() and before != ""
    return kind == "L" and text[at].isidentifier()


def _foreign(span: Span) -> LagcError:
    ch = span.text
    return fail(
        Code.LAG101,
        f"{_described(ch)} is not part of the language",
        span,
        help=_ADVICE.get(ch, "") or ("" if _written(ch) is not None else _general_advice(ch)),
        fix=_written(ch),
    )


def _written(ch: str) -> str | None:
    """What to write for a character, where one thing only can be meant."""
    if ch in _WRITE:
        return _WRITE[ch]
    if ch.isspace():
        return None if ch == "\r" else " "
    plain = unicodedata.normalize("NFKC", ch)
    if plain.isascii() and _SUSPECT.match(plain) is None:
        return plain
    return None if ch.isprintable() else ""


def _described(ch: str) -> str:
    if ch.isascii() and ch.isprintable():
        return f"`{ch}`"
    name = _CONTROLS.get(ch) or unicodedata.name(ch, "a control character").lower()
    shown = f"`{ch}` ({name}, " if ch.isprintable() else f"{name} ("
    return f"{shown}U+{ord(ch):04X})"


def _general_advice(ch: str) -> str:
    if unicodedata.category(ch) == "Nd":
        return "digits are written 0 to 9"
    return "names are made of letters, digits and underscores; operators are `+ - * / ^`"
