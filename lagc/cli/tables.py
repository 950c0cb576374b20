"""How results of fits and of training are shown: tables, lines, progress."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic, Note
from lagc.cli import common

if TYPE_CHECKING:
    from lagc.learn.fit_result import FitResult
    from lagc.learn.progress import Callback


def print_tables(tables: Sequence[Any], lines: Sequence[str]) -> None:
    """Tables and plain lines on stdout; names in brackets are text, not markup."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, soft_wrap=True)
    for table in tables:
        console.print(table)
    for line in lines:
        console.print(line)


@contextlib.contextmanager
def progress_of(title: str) -> Iterator[Callback]:
    """The callback that the learning code reports to."""
    with common.progress_bar(title) as show:
        yield lambda progress: show(progress.done, progress.total, progress.detail)


def unconverged(
    result: FitResult, subject: str, help: str, unwritten: str | None = None
) -> Diagnostic:
    """What `--json` says of a fit that did not converge, with its notes; subject: what was fitted;
    unwritten: a file that is not written for that reason. The tables say the same themselves."""
    notes = [*result.notes, *([f"{unwritten} was not written"] if unwritten else [])]
    return Diagnostic(
        Code.LAG602,
        f"{subject}: the fit did not converge: do not trust the values and their intervals",
        help=help,
        notes=tuple(map(Note, notes)),
    )
