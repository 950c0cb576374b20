"""`lagc fmt`: models in canonical layout."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic, Diagnostics, LagcError, fail
from lagc.base.spans import Source
from lagc.cli import common

_STDIN = "-"


@click.command("fmt", cls=common.Command)
@click.argument("files", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Print what would change; like --check otherwise.")
def fmt_command(files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Set blanks, indentation and blank lines of FILES; `-` reads stdin and writes stdout.

    Comments, line breaks and numbers stay as they are. A file with syntax errors is left alone.
    """
    if _STDIN in files and len(files) > 1:
        raise click.UsageError("`-` stands alone")
    changed: list[str] = []
    problems: list[Diagnostic] = []
    for file in files:
        try:
            source = _read(file)
            text = _formatted(source)
            if text != source.text:
                changed.append(file)
            _deliver(source, text, check, diff)
        except LagcError as error:
            problems += error.diagnostics
    common.answer({"files": {file: file in changed for file in files}})
    if problems:
        raise LagcError(problems)
    return 1 if changed and (check or diff) else 0


def _read(file: str) -> Source:
    from lagc.driver import read_source

    if file != _STDIN:
        return read_source(file)
    try:
        return Source("<stdin>", sys.stdin.buffer.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise fail(Code.LAG001, f"<stdin>: not UTF-8 text (byte {error.start})") from None


def _formatted(source: Source) -> str:
    from lagc.syntax.formatter import format_source

    diagnostics = Diagnostics()
    text = format_source(source, diagnostics)
    if text is None:
        raise LagcError(diagnostics.in_source_order())
    return text


def _deliver(source: Source, text: str, check: bool, diff: bool) -> None:
    """Write the file, or say what would be written."""
    quiet = common.reports()
    if diff and not quiet:
        click.echo("".join(_difference(source, text)), nl=False)
    elif check and not quiet and text != source.text:
        click.echo(f"{source.name} would change")
    if check or diff:
        return
    if source.name == "<stdin>":
        if not common.answer({"text": text}):
            click.echo(text, nl=False)
    elif text != source.text:
        common.write_atomically(Path(source.name).resolve(), text.encode())  # links stay links
        if not quiet:
            click.echo(f"formatted {source.name}", err=True)


def _difference(source: Source, text: str) -> list[str]:
    """A unified difference; a last line without an end is given one."""
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", t) for t in (source.text, text))
    lines = difflib.unified_diff(old, new, source.name, f"{source.name} (formatted)")
    return [x if x.endswith("\n") else f"{x}\n\\ No newline at end of file\n" for x in lines]
