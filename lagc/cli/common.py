"""What the commands have in common: exit codes, diagnostics on stderr, options as values.

Exit codes: 0 ok, 1 the model is wrong, 2 usage, 3 numerical failure, 70 internal error, 130
interrupted.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code, Severity
from lagc.base.diagnostics import Diagnostic, LagcError, fail, folded
from lagc.base.render import as_json, render_text
from lagc.base.sarif import sarif_log
from lagc.cli.internal import internal_error

if TYPE_CHECKING:
    import sympy as sp

    from lagc.driver import Compilation
    from lagc.runtime import System

EXIT_MODEL = 1
EXIT_USAGE = 2
EXIT_NUMERICAL = 3
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130

SECONDS_BETWEEN_LINES = 10.0

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_NUMERICAL = {Code.LAG508, Code.LAG602}
_MODEL_AT_RUN_TIME = {Code.LAG603}


class OptionError(LagcError):
    """What is wrong with a text in the language that an option holds, not with the model."""


def exit_code(error: LagcError) -> int:
    """The exit code for what was refused."""
    if isinstance(error, OptionError):
        return EXIT_USAGE
    codes = {d.code for d in error.diagnostics if d.severity is Severity.ERROR}
    if codes & _NUMERICAL:
        return EXIT_NUMERICAL
    if codes & _MODEL_AT_RUN_TIME or any(c.name[3] in "123" for c in codes):
        return EXIT_MODEL
    return EXIT_USAGE


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """On stderr, in colour on a terminal, a blank line between two; in the answer of `--json`."""
    report = _report()
    if report is not None:
        report.diagnostics += diagnostics
        return
    for i, diagnostic in enumerate(folded(diagnostics)):
        text = render_text(diagnostic)
        head, _, rest = text.partition("\n")
        colour = _COLOURS[diagnostic.severity]
        if i:
            click.echo(err=True)
        click.secho(head, fg=colour, bold=True, err=True)
        if rest:
            click.echo(rest, err=True)


@contextlib.contextmanager
def noticed_interrupts() -> Iterator[Callable[[], bool]]:
    """Whether ctrl-C was pressed since the beginning; pressed twice, it interrupts at once.

    An exception raised wherever Python happens to be is lost if that is a callback of a library.
    """
    count = 0

    def notice(number: int, frame: Any) -> None:
        nonlocal count
        count += 1
        if count > 1:
            signal.default_int_handler(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, notice)
    try:
        yield lambda: count > 0
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class _Report:
    """What a command with `--json` has to say, printed when it ends."""

    sarif: bool
    answer: dict[str, Any] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def print(self, code: int | None) -> None:
        """One JSON object: the answer, or the SARIF log."""
        if self.sarif:
            _print_json(sarif_log(self.diagnostics, code))
            return
        items = [as_json(d) for d in self.diagnostics]
        _print_json({**self.answer, "ok": code == 0, "diagnostics": items})


class Command(click.Command):
    """A command with `--json`: one object on stdout however it ends (docs/json.md)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_begin_report,
                help="Answer and diagnostics as one JSON object on stdout.",
            )
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with `--json`, print its object and take what it raises into it."""
        report = _report(ctx)
        if report is None:
            return super().invoke(ctx)
        code: int | None = None
        try:
            code = super().invoke(ctx) or 0
        except LagcError as error:
            report.diagnostics += error.diagnostics
            code = exit_code(error)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise  # the command line, the user or the reader: no failure of lagc
        except Exception as error:
            report.diagnostics.append(internal_error(error))
            code = EXIT_INTERNAL
        finally:  # also after an interrupt
            report.print(code)
        return code


class ModelCommand(Command):
    """A command about the text of a model, whose diagnostics `--sarif` prints as well."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(
            click.Option(
                ["--sarif"],
                is_flag=True,
                expose_value=False,
                callback=_begin_report,
                help="Diagnostics as a SARIF 2.1.0 log on stdout.",
            )
        )


def _begin_report(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    if _report(ctx) is not None:
        raise click.UsageError("--json and --sarif both fill stdout; give one of them")
    ctx.meta[_Report.__qualname__] = _Report(sarif=option.name == "sarif")


def reports() -> bool:
    """Whether stdout is for `--json` or `--sarif` alone."""
    return _report() is not None


def _report(ctx: click.Context | None = None) -> _Report | None:
    ctx = ctx or click.get_current_context(silent=True)
    return None if ctx is None else ctx.meta.get(_Report.__qualname__)


def answer(value: dict[str, Any]) -> bool:
    """Takes `value` into the object of `--json`; False where text is wanted instead."""
    report = _report()
    if report is not None:
        report.answer |= value
    return report is not None


def _print_json(value: Any) -> None:
    """On stdout; numbers that are not finite become null."""
    click.echo(json.dumps(_finite(value), ensure_ascii=False, indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def compile_model(path: str, settings: Iterable[str] = ()) -> Compilation:
    """The compilation of a file, its warnings on stderr; `settings` are other defaults."""
    from lagc.driver import compile_source, read_source

    compilation = compile_source(read_source(path), exact_assignments(settings, "--set"))
    print_diagnostics(compilation.warnings)
    return compilation


def load_model(path: str) -> System:
    """A system in 64-bit arithmetic, the compiler's warnings on stderr."""
    return load_system(compile_model(path))


def load_system(compilation: Compilation) -> System:
    """The system of a compilation, in 64-bit arithmetic."""
    import jax

    from lagc.loader import load_module

    jax.config.update("jax_enable_x64", True)
    system: System = load_module(compilation.text, compilation.model.name).system
    return system


def assignments(items: Iterable[str], option: str) -> dict[str, float]:
    """`NAME=VALUE` options as a dictionary of numbers; LAG510 for anything else."""
    from lagc.lower.lowering import nearest_double

    return {name: nearest_double(x) for name, x in exact_assignments(items, option).items()}


def exact_assignments(items: Iterable[str], option: str) -> dict[str, sp.Expr]:
    """`NAME=VALUE` options as a dictionary of exact numbers; LAG510 for anything else.

    A vector, `k=(1, 2)`, gives its components, `k[0]` and `k[1]`.
    """
    values: dict[str, sp.Expr] = {}
    for item in items:
        name, equals, text = item.partition("=")
        name = name.strip()
        if not equals or not name:
            raise fail(Code.LAG510, f"{option} {item}: write NAME=VALUE")
        value = _exact(text, f"{option} {item}")
        given = {name: value}
        if isinstance(value, tuple):
            given = {f"{name}[{i}]": x for i, x in enumerate(value)}
        for key, number_ in given.items():
            if key in values:
                raise fail(Code.LAG510, f"{option}: `{key}` is given twice")
            values[key] = number_
    return values


def number(text: str, what: str) -> float:
    """A finite number from a command line, also an expression such as `2*pi`; LAG510 otherwise."""
    from lagc.lower.lowering import nearest_double

    value = _exact(text, what)
    if isinstance(value, tuple):
        raise fail(
            Code.LAG510,
            f"{what}: one number is given, not {len(value)}",
            help="write it without brackets and commas",
        )
    return nearest_double(value)


def _exact(text: str, what: str) -> sp.Expr | tuple[sp.Expr, ...]:
    from lagc.semantics.settings import read_numbers

    try:
        return read_numbers(text, what)
    except LagcError as error:
        said = f"`{text.strip()}` is not a finite number" if text.strip() else "no number is given"
        help = _as_number(text.strip(), what) or error.diagnostics[0].message
        raise fail(Code.LAG510, f"{what}: {said}", help=help) from None


def _as_number(text: str, what: str) -> str:
    """How a number is written that was written otherwise, of an option such as `--set k=1,2`."""
    if re.fullmatch(r"-?[1-9]\d{0,2},\d{3}", text):
        return f"write {text.replace(',', '')} or {text.replace(',', '.')}: a number has no comma"
    if text.startswith("((") and text.endswith("))"):
        return "a matrix cannot be given; give the coefficients it is made of one by one"
    if text.endswith("]"):
        value, _, listed = text[:-1].partition("[")
        if not value and "," in listed:
            return f"a vector is written `({listed})`"
        return f"the number is given without its unit: {value.strip()}" if value.strip() else ""
    pointed = text.replace(",", ".")
    try:
        float(pointed)
    except ValueError:
        listed = ", ".join(text.replace(";", ",").split(","))
        if "," in listed and "(" not in text:
            return f"a vector is written in brackets: `({listed})`"
        return "numbers are written such as 2, 0.5, 1/2 or 1e-3"
    if pointed == text:
        return ""
    several = "=" in what and "]=" not in what
    vector = f" for a number, ({text.replace(',', ', ')}) for a vector" if several else ""
    return f"write {pointed}{vector}"


def write_atomically(path: str | Path, data: bytes) -> None:
    """The file holds all of `data` or what it held before; LAG002 if it cannot be written."""
    target = Path(path)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise fail(Code.LAG002, f"{target}: {error.strerror}") from None


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A callback (done, total, detail) that shows progress on stderr.

    A bar on a terminal; elsewhere a line now and then, so that a log of a long run has a few.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_printer(title)
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total, detail: bar.update(
            task, completed=done, total=total, description=f"{title} {detail}".rstrip()
        )


def _line_printer(title: str) -> Callable[[int, int, str], None]:
    last = time.monotonic()

    def show(done: int, total: int, detail: str) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            click.echo(f"{title} {done}/{total} {detail}".rstrip(), err=True)

    return show
