"""The compiler fuzzed under coverage: `python -m tests.fuzz --seconds 3600 --seed 1 --out FOLDER`.

Programs are mutated by libFuzzer and by `mutate`, and kept where they reach code of lagc that none
before them reached. A finding does not stop the run: its text and report are written to
`FOLDER/findings`, once for each place where something goes wrong. A line of JSON a minute says how
many texts compiled and how many were refused with each code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import atheris

SECONDS_BETWEEN_SUMMARIES = 60.0


def main() -> None:
    """Fuzz for as long as was asked, in this process."""
    given = _arguments()
    with atheris.instrument_imports(include=["lagc"]):
        from tests.fuzz.examine import Finding, examine
    from tests.fuzz.mutate import LONGEST, WORDS, mutated, seeds
    from tests.fuzz.programs import random_program

    corpus, findings = given.out / "corpus", given.out / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    texts = seeds()
    for text in texts:
        data = text.encode(errors="replace")
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    words = given.out / "words.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS), encoding="utf-8")
    count: Counter[str] = Counter()
    seen: set[str] = set()
    start = time.monotonic()
    shown = start

    def run(data: bytes) -> None:
        nonlocal shown
        result = examine(data.decode("utf-8", "replace"))
        count["executions"] += 1
        if isinstance(result, Finding):
            count["findings"] += 1
            keep(data, result)
        else:
            count.update(set(result) or {"compiled"})
        if time.monotonic() - shown > SECONDS_BETWEEN_SUMMARIES:
            shown = time.monotonic()
            seconds = round(shown - start)
            print(
                json.dumps({"seed": given.seed, "seconds": seconds, "places": len(seen), **count})
            )

    def keep(data: bytes, found: Finding) -> None:
        name = hashlib.sha256(f"{found.kind} {found.place}".encode()).hexdigest()[:12]
        if name in seen:
            return
        seen.add(name)
        (findings / f"{name}.lag").write_bytes(data)
        report = f"{found.kind}: {found.place}\n\n{found.report}"
        (findings / f"{name}.txt").write_text(report, encoding="utf-8", errors="replace")
        print(f"finding {name}: {found.kind}: {found.place}", flush=True)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        generator = random.Random(seed)
        choice = generator.random()
        if choice < 0.1:
            return atheris.Mutate(data, most)
        if choice < 0.4:
            text = random_program(generator)
        elif choice < 0.55:
            text = mutated(generator.choice(texts), texts, generator)
        else:
            text = mutated(data.decode("utf-8", "replace"), texts, generator)
        return text.encode(errors="replace")[:most]

    options = [
        sys.argv[0], str(corpus), f"-seed={given.seed}", f"-max_total_time={given.seconds}",
        f"-max_len={LONGEST}", f"-dict={words}", "-timeout=36000", "-rss_limit_mb=0",
        "-print_final_stats=1", "-len_control=0",
        "-mutate_depth=2", "-reduce_inputs=0", f"-artifact_prefix={given.out}{os.sep}",
    ]  # fmt: skip
    atheris.Setup(options, run, custom_mutator=mutate)
    atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(
        ch
        if 32 <= ord(ch) < 127 and ch not in '"\\'
        else "".join(f"\\x{b:02x}" for b in ch.encode())
        for ch in word
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600, help="how long (default 3600)")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices (default 1)")
    parser.add_argument("--out", type=Path, default=Path("fuzz"), help="folder for what is found")
    return parser.parse_args()


if __name__ == "__main__":
    main()
