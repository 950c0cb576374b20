"""From a source to its logical lines, the ranges of text that hold one statement each.

A statement goes on over the end of a physical line inside brackets and after an operator or a
comma. Brackets are balanced here, so that one left open costs its own statement and not the rest
of the file: a line that begins like a statement begins one, brackets or not (LAG103).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.base.spans import Source, Span

STATEMENTS = (
    "model", "coordinate", "constant", "coefficient", "input", "neural", "index", "let", "force",
    "observable", "initial", "run", "constraint", "use",
)  # fmt: skip
CLAUSES = ("in", "mod", "periodic", "free", "until", "step", "order")
DEEPEST = 64

# Two names side by side are never part of an expression, unless the second is a clause's word.
_BEGINS = re.compile(
    rf"(?:{'|'.join(s for s in STATEMENTS if s != 'run')})[ \t]+"
    rf"(?!(?:{'|'.join(CLAUSES)})\b)[^\x00-\x40\x5B-\x60\x7B-\x7F]"
    r"|run[ \t]+(?:until|step|order)\b|use[ \t]+\""
)
_BEGINS_ACTION = re.compile(r"[LKR][ \t]*\+?=(?!=)")
# `_-` and `_+` end a doubled variable, not a line that goes on.
# A backslash goes on in other languages; taken for that, its statement is refused as a whole.
_GOES_ON = re.compile(r"(?:[*/^=,~:<>]|(?<!\\)\\|(?<!_)[+-]|\.\.)\Z")
_BRACKETS = re.compile(r"(?<![\w'])in[ \t]*[(\[]|[()\[\]]")
_QUOTED = re.compile(r'"[^"\n]*"')
# `coefficient c in ]0, 1[` is how some write open ends; it is refused where its statement is read.
# The second bracket of `in [a[0], 1]` is none: what follows cannot be the rest of a statement.
_REVERSED = re.compile(
    r"(?<=\bin)[ \t]*(?:\][^()\[\]\n]*[)\[\]]|\[[^()\[\]\n]*\[(?=[ \t]*(?:$|[=~\[])))"
)
_CLOSING = {"(": ")", "[": "]"}
# Comments of other languages that can be longer than a line.
_COMMENTS = {'"""': '"""', "'''": "'''", "/*": "*/", "(*": "*)", "%{": "%}", "<!--": "-->"}
_BLANKS = " \t\r"


@dataclass(frozen=True)
class LogicalLine:
    """Characters `start` to `end` of the source, without blanks or comments at either end.

    `sound` is false when its brackets do not fit; that has been reported.
    """

    start: int
    end: int
    sound: bool


def logical_lines(source: Source, diagnostics: Diagnostics) -> Iterator[LogicalLine]:
    """The statements of a source in order; blank lines and comments are left out."""
    text = source.text
    bounds = (*source.line_starts, len(text) + 1)
    open_line: _OpenLine | None = None
    comment_end = 0
    for number, start in enumerate(source.line_starts):
        code = text[start : bounds[number + 1] - 1].split("#", 1)[0].rstrip(_BLANKS)
        if number == 0 and code.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
            code, start = code[1:], 1  # the byte order mark of some editors
        stripped = code.lstrip(_BLANKS)
        if not stripped or start < comment_end:
            continue
        start += len(code) - len(stripped)
        if open_line is None and (closing := _foreign_comment(stripped)):
            comment_end = _end_of_comment(source, start, closing, diagnostics)
            continue
        if open_line is not None and open_line.is_followed_by(stripped):
            yield open_line.close(Span(source, start, start + len(stripped)))
            open_line = None
        if open_line is None:
            open_line = _OpenLine(source, diagnostics, start)
        open_line.read(stripped, start)
        if not open_line.goes_on:
            yield open_line.close()
            open_line = None
    if open_line is not None:
        yield open_line.close()


def _foreign_comment(line: str) -> str:
    """What closes the comment that a line begins with, in another language; empty if none does."""
    return next((_COMMENTS[sign] for sign in _COMMENTS if line.startswith(sign)), "")


def _end_of_comment(source: Source, start: int, closing: str, diagnostics: Diagnostics) -> int:
    """Reports a comment of another language, and says where it ends."""
    opening = next(sign for sign in _COMMENTS if source.text.startswith(sign, start))
    end = source.text.find(closing, start + len(opening))
    end = len(source.text) if end < 0 else end + len(closing)
    lines = source.line_of(end) - source.line_of(start)
    diagnostics.add(
        Code.LAG111,
        "comments begin with `#`",
        Span(source, start, start + len(opening)),
        label="write `#`" if not lines else "write `#` at the beginning of each line",
    )
    return end


@dataclass
class _Bracket:
    offset: int
    kind: str
    interval: bool  # after `in`, where `[0, inf)` is well formed


@dataclass
class _OpenLine:
    """A logical line that is being read."""

    source: Source
    diagnostics: Diagnostics
    start: int
    end: int = 0
    last: str = ""
    sound: bool = True
    brackets: list[_Bracket] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        return bool(self.brackets) or _GOES_ON.search(self.last) is not None

    def is_followed_by(self, line: str) -> bool:
        """Whether `line` begins a statement of its own although this one seems to go on."""
        if _BEGINS.match(line):
            return True
        # In `initial x = 0,` the next line may well be `R = 1`: a coordinate may be named `R`.
        listing = not self.brackets and self.last.endswith(",")
        return not listing and _BEGINS_ACTION.match(line) is not None

    def read(self, code: str, offset: int) -> None:
        """Take in the code of one physical line."""
        self.last, self.end = code[-2:], offset + len(code)
        if self.source.text.startswith("coefficient", self.start):
            code = _REVERSED.sub(lambda interval: " " * len(interval[0]), code)
        if self.source.text.startswith("use", self.start):
            code = _QUOTED.sub(lambda name: " " * len(name[0]), code)
        for found in _BRACKETS.finditer(code):
            kind = found[0][-1]
            at = offset + found.end() - 1
            if kind in _CLOSING:
                self.brackets.append(_Bracket(at, kind, len(found[0]) > 1))
                if len(self.brackets) == DEEPEST + 1:
                    self._refuse_depth(at)
            else:
                self._close_bracket(kind, at)

    def close(self, intruder: Span | None = None) -> LogicalLine:
        """End the line here, at the end of the file or before the statement `intruder`."""
        if self.brackets and self.sound:
            opening = self.brackets[-1]
            closing = _CLOSING[opening.kind]
            where = "before the end of the file"
            if intruder is not None:
                where = f"before line {intruder.line}, which begins another statement"
            self.sound = False
            self.diagnostics.add(
                Code.LAG103,
                f"`{opening.kind}` is never closed",
                Span(self.source, opening.offset, opening.offset + 1),
                label=f"needs a `{closing}`",
                help=f"write the missing `{closing}` {where}",
            )
        return LogicalLine(self.start, self.end, self.sound)

    def _close_bracket(self, kind: str, at: int) -> None:
        fits = [b.interval or _CLOSING[b.kind] == kind for b in self.brackets[-DEEPEST:]]
        if fits and fits[-1]:
            self.brackets.pop()
            return
        if self.sound:
            self.sound = False
            self._report_misfit(kind, at)
        if True in fits:  # what stands open inside the bracket that is closed is forgotten
            while not fits.pop():
                self.brackets.pop()
        if self.brackets:
            self.brackets.pop()

    def _report_misfit(self, kind: str, at: int) -> None:
        span = Span(self.source, at, at + 1)
        if not self.brackets:
            self.diagnostics.add(
                Code.LAG103,
                f"`{kind}` closes nothing",
                span,
                label="no bracket is open here",
                help=f"remove this `{kind}` or open a bracket before it",
            )
            return
        opening = self.brackets[-1]
        self.diagnostics.add(
            Code.LAG103,
            f"`{kind}` cannot close `{opening.kind}`",
            span,
            label=f"`{_CLOSING[opening.kind]}` fits",
            help="only the interval of a coefficient mixes brackets, as in `in [0, inf)`",
            notes=[Note("opened here", Span(self.source, opening.offset, opening.offset + 1))],
        )

    def _refuse_depth(self, at: int) -> None:
        if self.sound:
            self.sound = False
            self.diagnostics.add(
                Code.LAG108,
                f"brackets are nested more than {DEEPEST} deep",
                Span(self.source, at, at + 1),
                help="give the inner parts names of their own: `let a = ...`",
            )
