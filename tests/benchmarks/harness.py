"""Timing, targets and tables."""

from __future__ import annotations

import datetime
import inspect
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SEED = 20260101


@dataclass(frozen=True)
class Options:
    """How often and how large: `quick` is for trying the bench, not for numbers to publish."""

    repeats: int = 5
    quick: bool = False

    def size(self, full: int, small: int) -> int:
        """The size of a case."""
        return small if self.quick else full


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds: the first call, and the best and the median of those that followed."""

    first: float
    best: float
    middle: float


@dataclass(frozen=True)
class Line:
    """One measured number; `target` is None for what is only shown, `most` its upper limit."""

    what: str
    value: float | str
    unit: str = ""
    target: float | None = None
    most: bool = True

    @property
    def met(self) -> str:
        """yes, no, or nothing where there is no target."""
        if self.target is None or isinstance(self.value, str):
            return ""
        return "yes" if (self.value <= self.target) == self.most else "no"

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """What was measured, the number, the target and whether it is met."""
        value = self.value if isinstance(self.value, str) else f"{self.value:.3g}"
        target = ""
        if self.target is not None:
            target = f"{'≤' if self.most else '≥'} {self.target:g} {self.unit}".strip()
        return self.what, f"{value} {self.unit}".strip(), target, self.met


class Skipped(Exception):
    """A case that cannot run here; the message says why."""


@dataclass(frozen=True)
class OwnClock:
    """A run that takes its own time: returns seconds."""

    run: Callable[[], float]


def once(function: Callable[[], Any] | OwnClock) -> float:
    """Seconds of one call, its result waited for."""
    if isinstance(function, OwnClock):
        return function.run()
    import jax

    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def interleaved(
    functions: Mapping[str, Callable[[], Any] | OwnClock], options: Options, at_least: float = 0.0
) -> dict[str, Timing]:
    """Each function timed once, then all of them in turn, so that noise meets all alike.

    Short ones are called several times in a row until `at_least` seconds have passed; every call
    counts.
    """
    first = {name: once(f) for name, f in functions.items()}
    calls = {name: max(1, round(at_least / max(once(f), 1e-9))) for name, f in functions.items()}
    seen: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(options.repeats):
        for name, f in functions.items():
            seen[name] += [once(f) for _ in range(calls[name])]
    return {n: Timing(first[n], min(s), median(s)) for n, s in seen.items()}


def processor_seconds(function: Callable[[], Any], options: Options) -> float:
    """Processor time of one call, of all threads together, the least of several."""
    import jax

    def spent() -> float:
        start = time.process_time()
        jax.block_until_ready(function())
        return time.process_time() - start

    return min(spent() for _ in range(2 * options.repeats))


def ratio_lines(
    what: str, mine: Timing, other: Timing, target: float, most: bool = True
) -> list[Line]:
    """The ratio of best times, which has the target, and of medians, which shows the noise."""
    best, middle = mine.best / other.best, mine.middle / other.middle
    if not most:
        best, middle = 1 / best, 1 / middle
    return [
        Line(what, best, "x", target, most),
        Line(f"{what}, medians", middle, "x"),
    ]


def in_new_process(module: str, *arguments: object, limit: float = 600.0) -> Any:
    """What `python -m module arguments` prints as its last line of JSON; raises `Skipped`."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise Skipped(f"`{module}` did not end within {limit:g} s") from None
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Skipped(f"`{module}` failed: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def accepts(function: Callable[..., Any], option: str) -> bool:
    """Whether a function has an option of this name."""
    return option in inspect.signature(function).parameters


def machine() -> str:
    """The processor, how many of it, and how busy it is."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [x.partition(":")[2].strip() for x in lines if x.startswith("model name")]
        name = names[0] if names else name
    except OSError:
        pass
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{name}, {os.cpu_count()} cores{load}"


def versions() -> str:
    """Versions of what takes part."""
    found = [f"Python {platform.python_version()}"]
    for package in ("lagc", "jax", "jaxlib", "numpy", "heyoka", "diffrax"):
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            found.append(f"no {package}")
    try:
        done = subprocess.run(
            ["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True
        )
        found.append(f"gcc {done.stdout.strip()}")
    except (OSError, subprocess.CalledProcessError):
        found.append("no gcc")
    return ", ".join(found)


def report(results: Mapping[str, tuple[str, list[Line] | str]], command: str) -> str:
    """The page: how it was made, then one table a case; a skipped case has a sentence instead."""
    lines = [
        "# Benchmarks",
        "",
        "Times are wall-clock, the best of several runs; what is compared is run in turn in the",
        "same process or next to it. Ratios have a target; met or not, they are shown. A first",
        "call traces and compiles, and is shown apart.",
        "",
        f"Command: `{command}`, seed {SEED}. {machine()}. {versions()}. "
        f"{datetime.date.today().isoformat()}.",
    ]
    for name, (title, result) in results.items():
        lines += ["", f"## {name}: {title}", ""]
        if isinstance(result, str):
            lines.append(f"Not run: {result}.")
            continue
        lines += ["| what | measured | target | met |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(line.cells) + " |" for line in result]
    return "\n".join(lines) + "\n"
