"""A statement with mistakes of notation, written as the language has it.

Each mistake whose diagnostic knows a fix is mended where the reading stopped, until the statement
can be read. The result is shown to the user and never compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from lagc.base.diagnostics import LagcError
from lagc.base.spans import Source
from lagc.syntax.aliases import CALLS, DERIVATIVES, FUNCTIONS, STEPS

_MOST_FIXES = 40
_LONGEST = 100

_NAME = r"[^\W\d](?:\w*[^\W_])?"
_DECLARED = re.compile(rf"^[ \t]*[a-z]+[ \t]+({_NAME})[ \t]*\(", re.MULTILINE)
_CALL = re.compile(rf"(?<![\w'])({_NAME})[ \t]*\(")
_OTHER_CALLS = (
    *("atan2", "min", "max", "dot", "cross", "sum", "if"),
    *("uniform", "loguniform", "normal", "mixture", "mlp", "in"),
)
_CALLED = frozenset((*FUNCTIONS, *CALLS, *DERIVATIVES, *STEPS, *_OTHER_CALLS))

# Reads the statement that a text consists of; the error if it cannot be read.
Attempt = Callable[[Source], LagcError | None]


def with_whole_statement(error: LagcError, start: int, end: int, attempt: Attempt) -> LagcError:
    """The error, with the whole statement where more than one thing in it is to be mended.

    A label that leaves something open, such as "write `let V = ...`", is completed.
    """
    first = error.diagnostics[0]
    if first.span is None or end - start > 2 * _LONGEST:
        return error
    source, fixes = Source("", first.span.source.text[start:end]), 0
    found: LagcError | None = error
    offset = start
    while found is not None:
        d = found.diagnostics[0]
        if d.fix is None or d.span is None or fixes == _MOST_FIXES:
            return error
        text = source.text
        mended = text[: d.span.start - offset] + d.fix + text[d.span.end - offset :]
        if not re.sub(r"#[^\n]*", "", mended).strip():
            return error
        source, offset, fixes = Source("", mended), 0, fixes + 1
        found = attempt(source)
    whole = _with_products(source.text, first.span.source.text)
    whole = re.sub(r"\s+", " ", re.sub(r"#[^\n]*", "", whole)).strip()
    whole = whole.replace("( ", "(").replace(" )", ")").replace(" ,", ",")
    if len(whole) > _LONGEST:
        return error
    if fixes > 1:
        return LagcError([replace(first, help=f"the whole statement: `{whole}`")])
    if first.label.startswith("write") and "..." in first.label:
        return LagcError([replace(first, label=f"write `{whole}`")])
    return error


def _with_products(statement: str, model: str) -> str:
    """`l*(1 - q)` for `l (1 - q)`, where neither the language nor the model has an `l(x)`.

    What follows the word of a statement in brackets is what the model declares, such as `V(q)`.
    """
    known = set(_DECLARED.findall(model)) | _CALLED
    return _CALL.sub(
        lambda call: call[0] if call[1] in known or call[1].casefold() in known else f"{call[1]}*(",
        statement if re.search(r"\bπ[ \t]*=", model) else statement.replace("π", "pi"),
    )
