"""How results of fits and of training are shown: tables, lines, progress."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lagc.cli import common

if TYPE_CHECKING:
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
