"""The compiler: how long `lagc check` takes beside its imports, and chains of pendulums.

`python -m tests.benchmarks.compiling LINKS absolute|relative` prints one measurement as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.benchmarks.harness import (
    EXAMPLES,
    ROOT,
    Line,
    Options,
    OwnClock,
    in_new_process,
    interleaved,
    ratio_lines,
)

_IMPORTS = "import sympy, lark"
_CHECK = "from lagc.cli.main import main; main()"


def latency(options: Options) -> list[Line]:
    """Processor time of a process that checks a model, against one that imports and ends."""
    model = str(EXAMPLES / "poynting_robertson.lag")
    timed = interleaved(
        {
            "imports": OwnClock(lambda: _seconds(["-c", _IMPORTS])),
            "check": OwnClock(lambda: _seconds(["-c", _CHECK, "check", model])),
        },
        Options(3 if options.quick else max(15, options.repeats)),
    )
    return [
        Line("python -c 'import sympy, lark'", timed["imports"].best, "s"),
        Line("lagc check poynting_robertson.lag", timed["check"].best, "s"),
        *ratio_lines("lagc check / imports", timed["check"], timed["imports"], 1.5),
    ]


def chains(options: Options) -> list[Line]:
    """Pendulums of many links from their text to a module, and the first run of ten."""
    lines = []
    for links in (4,) if options.quick else (4, 10):
        for angles in ("absolute", "relative"):
            found = in_new_process("tests.benchmarks.compiling", links, angles)
            target = 20.0 if links == 10 else None
            lines.append(Line(f"{links} links, {angles} angles", found["compile"], "s", target))
            lines.append(Line(f"{links} links, {angles} angles, first run", found["first"], "s"))
    return lines


def chain(links: int, absolute: bool) -> str:
    """A planar chain of equal links, point masses at their ends, friction in the joints."""
    n = range(links)
    lines = [f"coordinate theta[{links}]{' mod 2*pi' if absolute else ''}", "constant g = 9.8"]
    lines += ["coefficient f in [0, inf) = 0.01"]
    angle, rate = ([f"theta{prime}[{i}]" for i in n] for prime in ("", "'"))
    rates = rate if absolute else [f"w{i}" for i in n]
    angles = angle if absolute else [f"a{i}" for i in n]
    if not absolute:
        lines += [f"let a{i} = {' + '.join(angle[: i + 1])}" for i in n]
        lines += [f"let w{i} = {' + '.join(rate[: i + 1])}" for i in n]
    lines.append("L = " + " + ".join(f"{links - i}/2*{rates[i]}^2" for i in n))
    for i in n:
        lines += [
            f"L += {links - j}*{rates[i]}*{rates[j]}*cos({angles[i]} - {angles[j]})"
            for j in range(i + 1, links)
        ]
        lines.append(f"L += {links - i}*g*cos({angles[i]})")
        joint = f"{rate[i]} - {rate[i - 1]}" if absolute and i else rate[i]
        lines.append(f"R += 1/2*f*({joint})^2")
    return "\n".join(lines) + "\n"


def _seconds(arguments: Sequence[str]) -> float:
    """User and system time of one run of Python, from compiled files as an installation has them:
    the first run writes those that are missing."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = os.times()
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True, env=kept
    )
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def main(links: int, angles: str) -> None:
    """Processor time of one compilation, and wall-clock time of the first run."""
    import jax
    import jax.numpy as jnp

    from lagc.base.spans import Source
    from lagc.driver import compile_source
    from lagc.loader import load_module

    jax.config.update("jax_enable_x64", True)
    start = time.process_time()
    compilation = compile_source(Source("chain.lag", chain(links, angles == "absolute")))
    compiled = time.process_time() - start
    system = load_module(compilation.text, "chain").system
    start = time.perf_counter()
    run = system.simulate(jnp.ones(links), jnp.zeros(links), dt=0.001, steps=100, r=1)
    jax.block_until_ready(run)
    first = time.perf_counter() - start
    if int(run.status):
        raise SystemExit(f"step {run.status} was not solved")
    print(json.dumps({"compile": compiled, "first": first}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
