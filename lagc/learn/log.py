"""The log of a training run: lines of JSON, of a kind by what they hold.

Every so many updates `update`, `loss`, `learning_rate`, `systems`, `seconds` and `cpu_seconds`, the
last two since the call began; now and then also `validation`, by coefficient the median relative
error of the running average on the calibration draw.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lagc.learn.checkpoint import finite, unwritable

EVERY, VALIDATION_EVERY = 20, 500


@dataclass
class Log:
    """Appends to a file; what an earlier run wrote after `start` updates is taken out first."""

    path: Path
    start: int
    _began: float = field(default_factory=time.monotonic)
    _cpu: float = field(default_factory=time.process_time)

    def __post_init__(self) -> None:
        kept = [x for x in read_log(self.path) if x.get("update", 0) <= self.start]
        lines = [json.dumps(x) for x in kept] if self.start else []
        try:
            self.path.write_text("".join(f"{x}\n" for x in lines), encoding="utf-8")
        except OSError as error:
            raise unwritable(self.path, error) from None

    def write(self, content: dict[str, Any]) -> None:
        """One line, with the time since the call began."""
        times = {
            "seconds": round(time.monotonic() - self._began, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
        }
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(finite(content | times), allow_nan=False) + "\n")
        except OSError as error:
            raise unwritable(self.path, error) from None


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log that are whole; none where there is no log."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    result = []
    for line in lines:
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            result.append(content)
    return result
