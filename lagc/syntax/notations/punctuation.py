"""Comments, and signs at the end of a statement."""

from __future__ import annotations

from lagc.base.codes import Code
from lagc.syntax.habits import Habit

_NO_COMMENT = "comments begin with `#`"

COMMENTS = (
    Habit(
        r"(?P<at>/\*)(?P<text>[^\n]*?)\*/",
        _NO_COMMENT,
        "#",
        code=Code.LAG111,
    ),
    Habit(
        r"(?:\A|(?<=[ \t]))(?P<at>//+|%+|!+)(?=[ \t]*[^\W\d]\w*[ \t]+\w|[^\n=]*\Z)"
        r"(?!\s*[\d(]|\s*\w+[ \t]*[-+*/^)])[^\n]*",
        _NO_COMMENT,
        "#",
        code=Code.LAG111,
    ),
    Habit(r"\A(?P<at>--+|//+|%+|!+|;+|\"+)[^\n]*", _NO_COMMENT, "#", code=Code.LAG111),
)

ENDS = (
    Habit(
        r";+[ \t]*(?:%+|//+|!+|--+)(?=[^\n]*\Z)",
        "a statement ends with its line, without `;`, and comments begin with `#`",
        "#",
        label="write `#` in place of this",
        code=Code.LAG111,
    ),
    Habit(r"\s*;+\s*\Z", "a statement ends with its line, without `;`", "", code=Code.LAG101),
    Habit(
        r"(?P<at>;)\s*(?=[LKR]\s*\+?=|NAME'*(?:\s+[^\W\d]|\s*=))",
        "a line holds one statement",
        label="begin a new line here, without `;`",
        code=Code.LAG110,
    ),
    Habit(r";", "the parts of an expression are separated by commas", ",", code=Code.LAG101),
    Habit(r"[ \t]*:\s*\Z", "a statement ends with its line, without `:`", ""),
    Habit(
        r"\.\.\.",
        "a statement goes on after an operator or inside brackets, without a sign for it",
        "",
    ),
)
