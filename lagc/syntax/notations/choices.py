"""Conditions and choices between two values, as other languages write them."""

from __future__ import annotations

import re

from lagc.syntax.habits import Habit

_IF = r"(?<![\w.])if\s*\("


def _word(found: re.Match[str]) -> str:
    """`and` or `or`, with the blanks that it needs beside it."""
    word = {"&": "and", "|": "or", "a": "and", "o": "or"}[found["at"][0].lower()]
    before, after = found.string[found.start("at") - 1], found.string[found.end("at") :][:1]
    return f"{'' if before.isspace() else ' '}{word}{'' if after.isspace() else ' '}"


CHOICES = (
    Habit(
        _IF + r"\s*[^=\n]*?(?P<at>==|!=|~=|<>|≠)",
        "a condition compares with `<`, `<=`, `>` or `>=`",
        help="values are equal on a surface only, where a term of L or a force has no effect",
    ),
    Habit(
        _IF + r"[^\n]*?[<>][^\n]*?(?P<at>&&?|\|\|?|\b(?:AND|OR|And|Or)\b)(?=[^\n])",
        "conditions are joined by `and` and `or`",
        _word,
    ),
    Habit(
        r"(?<![\w.'])(?P<at>not|NOT|!|~|¬)\s*[\w(]",
        "a condition is not negated: the opposite one is written",
        help="`x <= 0` is the opposite of `x > 0`; or exchange the two values of `if`",
    ),
    Habit(
        _IF + r"[^\n]*?[<>][^\n]*,[^\n,]*(?P<at>[<>]=?)",
        "`if` has one condition",
        help="several cases stand inside each other: `if(x > 1, a, if(x > 0, b, c))`",
    ),
    Habit(
        r"(?<![\w.])if\s+(?P<holds>[^?:,()\n]+?)\s*(?:then\b|:)\s*(?P<a>[^\n,]+?)\s*"
        r"(?:\belse\b:?)\s*(?P<b>[^\n,]+?)END",
        "a choice is a function",
        "if({holds}, {a}, {b})",
    ),
    Habit(
        r"(?<=[=(,])\s*(?P<at>(?P<a>[^=(),\n]+?)\s+if\s+(?P<holds>[^=(),\n]+?)\s+else\s+"
        r"(?P<b>[^(),\n]+?))(?=\s*[),]|END)",
        "a choice is a function",
        "if({holds}, {a}, {b})",
    ),
    Habit(
        r"\((?P<holds>[^?:()\n]*[<>][^?:()\n]*)\?(?P<a>[^?:()\n]*):(?P<b>[^?:()\n]*)\)",
        "a choice is a function",
        lambda found: (
            ", ".join(
                f"{'if(' if k == 0 else ''}{found[name].strip()}"
                for k, name in enumerate(("holds", "a", "b"))
            )
            + ")"
        ),
    ),
)
