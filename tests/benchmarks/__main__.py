"""Every case, or those named, as tables; all of them in full also as docs/benchmarks.md."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from tests.benchmarks.harness import ROOT, Line, Options, Skipped, report

PAGE = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Case:
    """A function `run` of a module here, imported when it is wanted."""

    title: str
    module: str
    function: str

    def run(self, options: Options) -> list[Line]:
        """The lines of its table."""
        found: Callable[[Options], list[Line]] = getattr(
            import_module(f"tests.benchmarks.{self.module}"), self.function
        )
        return found(options)


CASES = {
    "orbit-c": Case("one dusty orbit against a C program", "orbit", "against_c"),
    "orbit-1000": Case("1000 years against heyoka and diffrax", "orbit", "against_others"),
    "oscillator": Case("one damped oscillator, 10^6 steps", "oscillator", "one_trajectory"),
    "families": Case("4096 systems at once", "families", "forward"),
    "gradients": Case("gradients against forward runs", "families", "gradients"),
    "lattice": Case("a string of beads, up to 10^5 of them", "lattice", "scaling"),
    "first-call": Case("the first call in a new process", "first_call", "first_calls"),
    "compile-latency": Case("`lagc check` against its imports", "compiling", "latency"),
    "compile-chain": Case("pendulums of many links compiled", "compiling", "chains"),
    "energy": Case("energy over 10^7 steps", "oscillator", "energy"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs cases, prints their tables; writes the page when all of them were run in full."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="only this one")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each (default 5)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the bench")
    parser.add_argument("--list", action="store_true", help="show the cases and stop")
    given = parser.parse_args(arguments)
    if given.list:
        for name, case in CASES.items():
            print(f"{name:15} {case.title}")
        return
    import jax

    jax.config.update("jax_enable_x64", True)
    options = Options(given.repeats, given.quick)
    results: dict[str, tuple[str, list[Line] | str]] = {}
    for name in given.case or CASES:
        case = CASES[name]
        print(f"\n{name}: {case.title}", flush=True)
        try:
            lines = case.run(options)
        except Skipped as reason:
            print(f"  not run: {reason}", flush=True)
            results[name] = (case.title, str(reason))
            continue
        results[name] = (case.title, lines)
        for line in lines:
            what, value, target, met = line.cells
            print(f"  {what:58} {value:>22}  {target:>12}  {met}", flush=True)
        jax.clear_caches()
    if not given.case and not given.quick:
        extra = shlex.join(sys.argv[1:]) if arguments is None else shlex.join(arguments)
        command = "make bench" if not extra else f"python -m tests.benchmarks {extra}"
        PAGE.write_text(report(results, command), encoding="utf-8")
        print(f"\nwrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
