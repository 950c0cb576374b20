"""Messages to the user as data: code, span, sentence, notes and help.

A pass that finds something wrong adds to a `Diagnostics` it was given and goes on as long as it
can; `raise_if_errors` ends the pass with one `LagcError` that carries all of them. Rendering is in
`lagc.base.render`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from lagc.base.codes import Code, Severity
from lagc.base.spans import Span

_LONGEST_FIX = 60
_LABELS = {" ": "write a plain space"}
_MOST_LINES_LISTED = 6
MOST_REPORTS = 100


@dataclass(frozen=True)
class Note:
    """A second place or a second sentence that explains a diagnostic."""

    message: str
    span: Span | None = None


@dataclass(frozen=True)
class Diagnostic:
    """One thing wrong: `message` says what, `span` where, `label` and `help` what to do.

    `fix` is a text that can stand in place of the span; None where none is known to be right.
    """

    code: Code
    message: str
    span: Span | None = None
    label: str = ""
    help: str = ""
    notes: tuple[Note, ...] = ()
    fix: str | None = None

    @property
    def severity(self) -> Severity:
        """Error or warning, as the registry has it for this code."""
        return self.code.severity


class LagcError(ValueError):
    """Input that lagc refuses; `diagnostics` holds at least one error."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from lagc.base.render import render_text

        return "\n\n".join(render_text(d) for d in folded(self.diagnostics))


def fail(
    code: Code,
    message: str,
    span: Span | None = None,
    *,
    label: str = "",
    help: str = "",
    fix: str | None = None,
) -> LagcError:
    """A `LagcError` of a single diagnostic, to be raised by the caller.

    A `fix` that is short is its own label: "write `cos(q)`".
    """
    if fix is not None and not label and len(fix) <= _LONGEST_FIX:
        label = f"write `{fix.strip()}`" if fix.strip() else _LABELS.get(fix, "remove this")
    return LagcError([Diagnostic(code, message, span, label, help, fix=fix)])


@dataclass
class Diagnostics:
    """What one compilation has found so far, in the order of finding.

    As many errors as `MOST_REPORTS` end it; warnings beyond so many are left out.
    """

    items: list[Diagnostic] = field(default_factory=list)
    _seen: set[Diagnostic] = field(default_factory=set, repr=False)

    def add(
        self,
        code: Code,
        message: str,
        span: Span | None = None,
        *,
        label: str = "",
        help: str = "",
        notes: Sequence[Note] = (),
    ) -> None:
        """Record one diagnostic; the same one at the same place is recorded once.

        Raises `LagcError` with everything found where it has become too much.
        """
        found = Diagnostic(code, message, span, label, help, tuple(notes))
        is_error = found.severity is Severity.ERROR
        if found in self._seen or (len(self._seen) >= MOST_REPORTS and not is_error):
            return
        self._seen.add(found)
        self.items.append(found)
        if is_error and len(self.errors) >= MOST_REPORTS:
            message = f"{MOST_REPORTS} errors were found; the rest of the model was not checked"
            raise LagcError([*self.in_source_order(), Diagnostic(Code.LAG108, message)])

    def withdraw(self, found: Diagnostic) -> None:
        """Take back what another diagnostic says as well."""
        self.items.remove(found)

    @property
    def errors(self) -> list[Diagnostic]:
        """Those that stop the compilation."""
        return [d for d in self.items if d.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Diagnostic]:
        """Those that do not."""
        return [d for d in self.items if d.severity is Severity.WARNING]

    def raise_if_errors(self) -> None:
        """Raise a `LagcError` with everything found, in source order, if any of it is an error."""
        if self.errors:
            raise LagcError(self.in_source_order())

    def in_source_order(self) -> list[Diagnostic]:
        """Everything found, file by file, by place in the text; what has no place comes last."""
        names = [d.span.source.name for d in self.items if d.span]

        def place(d: Diagnostic) -> tuple[float, float]:
            nowhere = float("inf")
            return (names.index(d.span.source.name), d.span.start) if d.span else (nowhere, nowhere)

        return sorted(self.items, key=place)


def folded(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics as people read them: what is said again of the same words is said once.

    The first one stays, with a note that counts the others and names their lines.
    """
    first: dict[object, Diagnostic] = {}
    again: dict[object, list[Span]] = {}
    for d in diagnostics:
        said = (d.code, d.message, d.label, d.help)
        key = (*said, d.span.source, d.span.text) if d.span else d
        if key in first and d.span is not None:
            again.setdefault(key, []).append(d.span)
        first.setdefault(key, d)
    return [_counted(d, again.get(key, [])) for key, d in first.items()]


def _counted(diagnostic: Diagnostic, others: Sequence[Span]) -> Diagnostic:
    if not others:
        return diagnostic
    places = f"{len(others)} more place{'s' if len(others) > 1 else ''}"
    assert diagnostic.span is not None
    lines = sorted({span.line for span in others} - {diagnostic.span.line})
    listed = ", ".join(str(line) for line in lines[:_MOST_LINES_LISTED])
    if len(lines) > _MOST_LINES_LISTED:
        listed += ", ..."
    where = f" (line{'s' if len(lines) > 1 else ''} {listed})" if lines else " of this line"
    return replace(diagnostic, notes=(*diagnostic.notes, Note(f"and in {places}{where}")))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ "did you mean `x`?" for the closest known name, or an empty string."""
    from difflib import get_close_matches

    candidates = sorted(set(known))
    close = get_close_matches(name, candidates, n=1, cutoff=0.6)
    if not close:
        folded = [k for k in candidates if k.casefold() == name.casefold()]
        short = [k for k in candidates if len(name) <= 3 and k and name.startswith(k)]
        close = folded or short
    return f"did you mean `{close[0]}`?" if close else ""
