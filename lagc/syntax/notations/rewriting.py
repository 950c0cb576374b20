"""What to write for a match, where more than one table needs it."""

from __future__ import annotations

import re

from lagc.syntax.aliases import renamed
from lagc.syntax.habits import pieced

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def bracketed(text: str) -> str:
    """An operand as it is, anything longer in brackets."""
    text = text.strip()
    return text if re.fullmatch(pieced(r"\\?OPERAND|ROUND"), text) else f"({text})"


def in_place(text: str, around: str, start: int, end: int) -> str:
    """What replaces `start` to `end` of a text, in brackets where what stands beside it would tear
    it apart: `x/(1/2)` for `x/½`, `(a^b)^2` for `pow(a, b)^2`."""
    before, after = around[:start].rstrip()[-1:], around[end:].lstrip()[:1]
    outside, inside = text, None
    while outside != inside:
        outside, inside = re.sub(r"\([^()]*\)", "", outside), outside
    loose = re.search(r"[-+*/^]", outside) is not None
    return f"({text})" if loose and (before in ("/", "^") or after == "^") else text


def replaced(found: re.Match[str], text: str) -> str:
    """What replaces a match, in brackets where it needs them."""
    return in_place(text, found.string, found.start(), found.end())


def power_of_call(found: re.Match[str]) -> str:
    """`sin(q)^2` for `sin^2(q)`, `asin(q)` for `sin^-1(q)`."""
    digits = found["power"].translate(SUPERSCRIPTS)
    inner = found["argument"].strip().removeprefix("\\")
    inner = inner if inner[0] == "(" else f"({inner})"
    function = renamed(found["function"])
    if digits == "-1":
        return f"a{function}{inner}" if function[0] != "a" else f"1/{function}{inner}"
    return f"{function}{inner}^{digits}"
