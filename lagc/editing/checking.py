"""Everything that compiling a text finds, as a value: an editor never sees an exception."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic, LagcError
from lagc.base.spans import Source
from lagc.driver import Compilation, compile_source, remarks

T = TypeVar("T")
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Check:
    """What was found in a text; `compilation` is None where it has errors."""

    source: Source
    diagnostics: tuple[Diagnostic, ...]
    compilation: Compilation | None


def check(source: Source) -> Check:
    """Compile a text. A failure of lagc itself becomes LAG000."""
    try:
        compilation = compile_source(source)
        found = remarks(compilation)
    except LagcError as error:
        return Check(source, error.diagnostics, None)
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else ""
        said = f"internal error: {type(error).__name__}: {first}"[:500]
        return Check(source, (Diagnostic(Code.LAG000, said),), None)
    return Check(source, found, compilation)


async def in_background(work: Callable[[], T]) -> T:
    """The result of `work`, which must not raise, from a thread that ends with the process.

    One piece of work runs at a time; one that nobody waits for any more is not begun.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T) -> None:
        if not future.done():
            future.set_result(result)

    def run() -> None:
        with _one_at_a_time:
            if future.cancelled() or loop.is_closed():
                return
            result = work()
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, result)

    threading.Thread(target=run, daemon=True).start()
    return await future
