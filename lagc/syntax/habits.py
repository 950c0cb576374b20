"""Notations of other languages, recognised where a statement stops making sense.

A habit is a pattern around the place, a sentence, and as a rule what to write instead. The tables
are in `lagc.syntax.notations`; here is how they are asked. Nothing is ever read as if it had been
written otherwise: what a habit would write is shown to the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.base.spans import Source, Span
from lagc.syntax.aliases import FUNCTIONS, GREEK, MODULES

# How far around the place a pattern may look, and how long a statement may be for a pattern of the
# whole of it; the time to look is bounded by them.
_AROUND = 160
_LONGEST = 320

# What stands in a pattern for names, numbers and so on.
_PIECES = {
    "NAME": r"[^\W\d_](?:\w*[^\W_])?",
    "NUMBER": r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?",
    "ROUND": r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)",
    "CURLY": r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*",
    "FUNCTION": "(?:" + "|".join(FUNCTIONS) + "|ln|arcsin|arccos|arctan)",
    "MODULE": "(?:" + "|".join(re.escape(m) for m in MODULES) + ")",
    "GREEK": "(?:" + "|".join(sorted(GREEK, key=len, reverse=True)) + ")",
    "EXPR": r"[^=;#\n]+?",
    "END": r"[ \t]*;?[ \t\r\n]*\Z",
}
_PIECES["OPERAND"] = rf"(?:{_PIECES['NAME']}'*(?:_[+-])?(?:\[[^\[\]]*\])?|{_PIECES['NUMBER']})"
_PIECE = re.compile("|".join(sorted(_PIECES, key=len, reverse=True)))


@dataclass(frozen=True)
class Habit:
    """A pattern of another language.

    `write` is what replaces the match: a template of its named groups or a function of it; None
    where nothing simple does. The group `at`, if there is one, is what is marked and replaced.
    `ask` finds what to write and a help from the match and the text of the whole model, where the
    declarations decide.
    `within` names the statements in which the habit is looked for, all of them if it is empty.
    """

    pattern: str
    message: str
    write: str | Callable[[re.Match[str]], str] | None = None
    help: str = ""
    label: str = ""
    code: Code = Code.LAG104
    within: tuple[str, ...] = ()
    ask: Callable[[re.Match[str], str], tuple[str | None, str]] | None = None

    def at(self, text: str, place: int) -> re.Match[str] | None:
        """The match that covers the place, or ends where the text does if the place is there."""
        compiled = _compiled(self.pattern)
        if self.pattern.startswith(r"\A"):
            found = compiled.match(text) if len(text) <= _LONGEST else None
            return found if found and (place < found.end() or place == len(text)) else None
        low, high = max(0, place - _AROUND), min(len(text), place + _AROUND)
        for found in compiled.finditer(text, low, high):
            if found.start() <= place < found.end() or place == found.end() == len(text):
                return found
        return None

    def error(self, source: Source, start: int, found: re.Match[str]) -> LagcError:
        """What is said about a match in the text that begins at `start`."""
        group: str | int = "at" if "at" in found.re.groupindex else 0
        span = Span(source, start + found.start(group), start + found.end(group))
        named = {key: value or "" for key, value in found.groupdict().items()}
        fix = self.write(found) if callable(self.write) else self.write
        if isinstance(self.write, str):
            fix = self.write.format_map(named)
        help_ = self.help.format_map(named)
        if self.ask is not None:
            fix, help_ = self.ask(found, source.text)
        return fail(
            self.code,
            self.message.format_map(named),
            span,
            label=self.label.format_map(named),
            help=help_,
            fix=None if fix is None else re.sub(r"\s+", " ", fix),
        )


def pieced(pattern: str) -> str:
    """A pattern with its pieces put in: `NAME`, `OPERAND`, `ROUND` and so on."""
    return _PIECE.sub(lambda piece: _PIECES[piece[0]], pattern)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern whose runs of blanks are never given back, so that it cannot search for long."""
    pattern = pieced(pattern)
    for blanks in (r"\s*", r"\s+", r"[ \t]*", r"[ \t]+", r"[ \t\r\n]*"):
        pattern = pattern.replace(blanks, blanks + "+")
    return re.compile(pattern)


def habit_at(
    habits: Iterable[Habit], source: Source, start: int, end: int, at: int, kind: str
) -> LagcError | None:
    """The first habit that is seen at `at` in the statement from `start` to `end`.

    `kind` is the word with which such a statement begins, or `assignments`.
    """
    text = source.text[start:end]
    for habit in habits:
        if habit.within and kind not in habit.within:
            continue
        found = habit.at(text, at - start)
        if found is not None:
            return habit.error(source, start, found)
    return None
