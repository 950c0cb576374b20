"""One text through every pass: the codes of its diagnostics, or a `Finding` if something is wrong.

Wrong is every exception but `LagcError`, a diagnostic that is an internal error or cannot be shown,
more than `SECONDS` of processor time or more than `BYTES` of memory, an emitted module that calls
or imports anything but the runtime, and every event of Python's audit (a file opened for writing, a
process, a socket, code executed) that the text of a user has no business to cause.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.base.render import as_json, render_text
from lagc.base.spans import Source
from lagc.driver import compile_source, remarks

SECONDS = 10
BYTES = 2 << 30
_DEEPEST_SHOWN = 3  # frames of lagc that tell one finding from another

_FORBIDDEN = (
    "os.", "subprocess.", "socket.", "shutil.", "tempfile.", "ctypes.", "urllib.",
    "http.", "ftplib.", "smtplib.", "webbrowser.", "pty.", "sqlite3.", "mmap.", "signal.",
    "fcntl.", "syslog.", "pickle.", "builtins.input", "sys.addaudithook", "cpython.run",
)  # fmt: skip
_READS = frozenset({"os.listdir", "os.scandir", "os.fspath"})  # an import looks into folders
_OWN_CODE = (os.sep, "<frozen ")  # names of files of code: modules that are imported late


@dataclass(frozen=True)
class Finding:
    """What went wrong, in one line, and where: findings with the same `place` are taken for one."""

    kind: str
    place: str
    report: str


class _TooSlow(BaseException):
    """No `except Exception` of a library may swallow it."""


class Forbidden(BaseException):
    """An audit event that no text may cause."""


_watching = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        used = str(path).endswith(".lag")  # a text without a folder cannot use other files
        if writes or used or (isinstance(mode, str) and set(mode) & set("wax+")):
            raise Forbidden(f"{event} {arguments}")
    elif event in ("exec", "compile") and _from_sizes():
        return
    elif event == "exec":
        file = getattr(arguments[0], "co_filename", "")
        if not file.startswith(_OWN_CODE):
            raise Forbidden(f"{event} of code from {file}")
    elif event == "compile":
        source, file = arguments
        if source is not None and not str(file).startswith(_OWN_CODE):
            raise Forbidden(f"{event} {str(source)[:200]!r}")
    elif event.startswith(_FORBIDDEN) and event not in _READS:
        raise Forbidden(f"{event} {arguments}")


def _from_sizes() -> bool:
    """Whether it is code that SymPy writes for so many variables, whatever their names."""
    return sys._getframe(2).f_code.co_filename.endswith("/sympy/polys/monomials.py")


@contextlib.contextmanager
def _watched() -> Iterator[None]:
    """Audit events are judged, and processor time and memory are limited, in here."""
    global _watching
    _install()

    def alarm(number: int, frame: Any) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGPROF, alarm)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + BYTES, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    _watching = True
    try:
        yield
    finally:
        _watching = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def _install(done: list[bool] = []) -> None:  # noqa: B006  (an audit hook cannot be taken away)
    if not done:
        import difflib  # noqa: F401  (with the first suggestion of a name; it defines its classes)

        import lagc.emit.module  # noqa: F401  (with the first module that is written)
        from lagc.syntax.grammar import lark_parser

        # The grammar, for mistakes that of Lark too, and the table of units are read once.
        lark_parser()
        remarks(compile_source(Source("warm.lag", "coordinate q [km]\nL = q'^2\n")))
        sys.addaudithook(_audit)
        done.append(True)


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[0]) * resource.getpagesize()


def examine(text: str) -> tuple[str, ...] | Finding:
    """The codes that `text` is refused with, none if it compiles; or what is wrong."""
    codes: tuple[str, ...] = ()
    module = ""
    try:
        with _watched():
            try:
                compilation = compile_source(Source("fuzz.lag", text))
                module = compilation.text
                for remark in remarks(compilation):
                    assert render_text(remark)
            except LagcError as error:
                codes = _shown(error)
    except _TooSlow as error:
        return _finding("slow", error)
    except MemoryError as error:
        return _finding("memory", error)
    except Forbidden as error:
        return _finding("audit", error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return _finding("crash", error)
    strange = _strange(module)
    return Finding("module", strange, module) if strange else codes


def _shown(error: LagcError) -> tuple[str, ...]:
    assert error.diagnostics
    for item in error.diagnostics:
        assert item.code is not Code.LAG000
        assert render_text(item)
        as_json(item)
        if item.span is not None:
            assert 0 <= item.span.start <= item.span.end <= len(item.span.source.text)
    return tuple(item.code.name for item in error.diagnostics)


def _finding(kind: str, error: BaseException) -> Finding:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f"{os.sep}lagc{os.sep}" in f.filename]
    where = [f"{os.path.basename(f.filename)}:{f.name}" for f in own[-_DEEPEST_SHOWN:]]
    name = type(error).__name__ if kind == "crash" else ""
    shown = io.StringIO()
    traceback.print_exception(error, limit=-30, file=shown)
    return Finding(kind, " ".join([name, *where]).strip(), shown.getvalue())


def _strange(text: str) -> str:
    """The first import or call in the text of a module that has no place there."""
    if not text:
        return ""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            written = ast.unparse(node)
            if written not in ("import jax.numpy as jnp", "from lagc import runtime as _rt"):
                return written
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if not called.startswith(("jnp.", "_rt.")):
                return called
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            return ast.unparse(node)
    return ""
