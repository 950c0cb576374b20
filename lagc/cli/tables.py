"""How results of fits and of training are shown: tables, numbers with their intervals, progress."""

from __future__ import annotations

import contextlib
import math
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


def with_digits(value: float, interval: tuple[float, float], least: int = 10) -> tuple[str, str]:
    """Value and interval with two digits of its half width, and at least so many of the value."""
    low, high = interval
    half = (high - low) / 2
    largest = max(abs(low), abs(high))
    digits = least
    if half > 0:
        needed = math.floor(math.log10(largest)) - math.floor(math.log10(half)) + 2
        digits = min(max(needed, digits), 17)
    ends = f"{low:.{digits}g} .. {high:.{digits}g}"
    return f"{value:.{digits}g}", ends if high > low else f"+- {half:.2g}"


@contextlib.contextmanager
def progress_of(title: str) -> Iterator[Callback]:
    """The callback that the learning code reports to."""
    with common.progress_bar(title) as show:
        yield lambda progress: show(progress.done, progress.total, progress.detail)
