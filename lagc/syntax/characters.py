"""The characters of a statement, before the lexer sees it: LAG101 for the first foreign one.

What passes is ASCII of the language, letters of any script and the combining marks on them, so
the grammar may count everything beyond ASCII as a letter.
"""

from __future__ import annotations

import re
import unicodedata

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.base.spans import Source, Span

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
    "…": "..",
    "∞": "inf",
    "∼": "~",
    "½": "1/2",
    "¼": "1/4",
    "¾": "3/4",
    **{ch: f"^{digit}" for digit, ch in enumerate(_SUPERSCRIPTS)},
    "⁻": "^-1",
    "ⁿ": "^n",
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
    "@": "the scalar product is `dot(a, b)`",
    "√": "write `sqrt(x)`",
    "%": "write the remainder with `mod` where a coordinate is declared; comments begin with `#`",
    "!": "comments begin with `#`; conditions are written with `<`, `<=`, `>`, `>=`",
    "\\": "a statement goes on inside brackets or after an operator, without a sign for it; Greek "
    "letters are written out: `omega` or `ω`",
}


def check_characters(source: Source, start: int, end: int) -> None:
    """Raise LAG101 at the first character between `start` and `end` that is not the language's."""
    text = source.text
    for found in _SUSPECT.finditer(text, start, end):
        ch = found[0]
        if ch[0] == "#" or (len(ch) > 1 and ch[0] == '"' and text.startswith("use", start)):
            continue
        if ch.isascii() or ch in _WRITE or not _belongs_to_name(text, found.start()):
            raise _foreign(Span(source, found.start(), found.start() + 1))


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
        label=f"write `{_WRITE[ch]}`" if ch in _WRITE else "",
        help=_ADVICE.get(ch, "") or ("" if ch in _WRITE else _general_advice(ch)),
    )


def _described(ch: str) -> str:
    if ch.isascii() and ch.isprintable():
        return f"`{ch}`"
    name = unicodedata.name(ch, "a control character").lower()
    shown = f"`{ch}` ({name}, " if ch.isprintable() else f"{name} ("
    return f"{shown}U+{ord(ch):04X})"


def _general_advice(ch: str) -> str:
    if ch.isspace():
        return "write a plain space"
    if unicodedata.category(ch) == "Nd":
        return "digits are written 0 to 9"
    if not ch.isprintable():
        return "remove this character, which most editors do not show"
    return "names are made of letters, digits and underscores; operators are `+ - * / ^`"
