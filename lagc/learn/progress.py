"""How long-running work tells its caller where it stands; nothing here writes to a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a stage, and a few words about it."""

    stage: str
    done: int
    total: int
    detail: str = ""


Callback = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A callback that does nothing."""
    del progress
