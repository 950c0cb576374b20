"""Texts compiled in processes of their own, which may take so much processor time and memory.

`python -m tests.fuzz.limited [CASE ...]` prints what became of each as one line of JSON. The limits
are the kernel's: what other processes do at the same time does not count.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time

from tests.fuzz.adversarial import CASES
from tests.fuzz.examine import BYTES, SECONDS, Finding, examine


def outcome(text: str) -> dict[str, object]:
    """`codes` of the diagnostics, or `wrong`; `seconds` of processor time and `bytes` used."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))
        start = time.process_time()
        found = examine(text)
        if isinstance(found, Finding):
            result = {"wrong": f"{found.kind}: {found.place}", "report": found.report[-3000:]}
        else:
            result = {"codes": sorted(set(found))}
        result["seconds"] = round(time.process_time() - start, 2)
        os.write(write, json.dumps(result).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        data = stream.read()
    _, status, used = os.wait4(child, 0)
    result = json.loads(data) if data else {"wrong": f"ended with status {status}"}
    result["bytes"] = used.ru_maxrss * 1024
    if result["bytes"] > BYTES:
        result["wrong"] = "memory"
    return result


if __name__ == "__main__":
    examine("coordinate q\nL = q'^2\n")  # what is imported late is not part of the measurement
    for name in sys.argv[1:] or CASES:
        print(json.dumps({"case": name, **outcome(CASES[name]())}), flush=True)
