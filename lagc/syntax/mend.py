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

_MOST_FIXES = 40
_LONGEST = 100

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
    whole = re.sub(r"\s+", " ", re.sub(r"#[^\n]*", "", source.text)).strip()
    whole = whole.replace("( ", "(").replace(" )", ")").replace(" ,", ",")
    if len(whole) > _LONGEST:
        return error
    if fixes > 1:
        return LagcError([replace(first, help=f"the whole statement: `{whole}`")])
    if first.label.startswith("write") and "..." in first.label:
        return LagcError([replace(first, label=f"write `{whole}`")])
    return error
