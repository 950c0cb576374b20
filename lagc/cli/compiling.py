"""`lagc compile`, `check`, `show` and `explain`: everything that needs no integration."""

from __future__ import annotations

from pathlib import Path

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import did_you_mean, fail
from lagc.base.explain import explained, markdown_page, plain_text
from lagc.cli import common

_STAGES = ("ast", "model", "nodes", "facts", "program")


@click.command("compile", cls=common.ModelCommand)
@click.argument("model")
@click.option("-o", "--output", help="Module to write (default: MODEL_lag.py here; - for stdout).")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the module is not current.")
@click.option("--dump", type=click.Choice(_STAGES), help="Print the value after a pass.")
def compile_command(model: str, output: str | None, check: bool, dump: str | None) -> int:
    """Compile MODEL (a .lag file) to an importable Python module of JAX functions."""
    if dump is not None and (output is not None or check):
        raise click.UsageError("--dump prints a value; it does not go with --output or --check")
    if check and output == "-":
        raise click.UsageError("--check compares with a file; `-` is none")
    if common.reports() and (output == "-" or dump is not None):
        raise click.UsageError("--json and --sarif fill stdout; write the module to a file")
    if dump is not None:
        from lagc.driver import dump as dump_stage
        from lagc.driver import read_source

        click.echo(dump_stage(read_source(model), dump))
        return 0
    compilation = common.compile_model(model)
    target = output or f"{Path(model).stem}_lag.py"
    dof = compilation.model.dof
    common.answer({"model": compilation.model.name, "dof": dof, "output": target})
    if check:
        return _check_current(target, compilation.text)
    if target == "-":
        click.echo(compilation.text, nl=False)
        return 0
    common.write_atomically(target, compilation.text.encode())
    plural = "" if dof == 1 else "s"
    if not common.reports():
        click.echo(f"{target}: {compilation.model.name}, {dof} degree{plural} of freedom", err=True)
    return 0


def _check_current(target: str, text: str) -> int:
    try:
        current = Path(target).read_bytes() == text.encode()
    except OSError as error:
        raise fail(
            Code.LAG001, f"{target}: {error.strerror}", help="compile the model first"
        ) from None
    if not common.answer({"current": current}):
        click.echo(f"{target} is {'current' if current else 'stale: compile the model again'}")
    return 0 if current else 1


@click.command("check", cls=common.ModelCommand)
@click.argument("model")
def check_command(model: str) -> int:
    """Report everything wrong with MODEL, and what was found out about it."""
    common.answer({"model": model})
    compilation = common.compile_model(model)
    found = {
        "model": compilation.model.name,
        "facts": {f.name: f.holds for f in compilation.facts.items},
        "strategy": compilation.strategy,
    }
    if not common.answer(found):
        click.echo(f"{compilation.model.name}: no errors; strategy {compilation.strategy}")
    return 0


@click.command("show", cls=common.Command)
@click.argument("model")
@click.option("--latex", is_flag=True, help="Equations in LaTeX.")
def show_command(model: str, latex: bool) -> int:
    """Show MODEL as understood: L, K, equations of motion, momenta, energy, structure."""
    from lagc.cli.show import describe

    compilation = common.compile_model(model)
    text = describe(compilation, latex)
    if not common.answer({"model": compilation.model.name, "text": text}):
        click.echo(text)
    return 0


@click.command("explain", cls=common.Command)
@click.argument("code", required=False)
@click.option("--all", "everything", is_flag=True, help="Explain all codes.")
@click.option("--markdown", is_flag=True, help="As a page in Markdown.")
def explain_command(code: str | None, everything: bool, markdown: bool) -> int:
    """Explain a diagnostic CODE such as LAG203, or list them all."""
    if code is not None and everything:
        raise click.UsageError("--all explains every code; leave CODE out")
    shown = list(Code) if code is None else [_code_named(code)]
    found = {item.name: explained(item) for item in shown}
    if common.answer({"codes": found}):
        return 0
    if markdown:
        click.echo(markdown_page(shown), nl=False)
    elif code is None and not everything:
        click.echo("\n".join(f"{item.name}  {item.title}" for item in shown))
    else:
        click.echo("\n\n".join(plain_text(item) for item in shown))
    return 0


def _code_named(name: str) -> Code:
    names = [item.name for item in Code]
    if name.upper() not in names:
        raise fail(
            Code.LAG510,
            f"`{name}` is not a diagnostic code",
            help=did_you_mean(name.upper(), names) or "`lagc explain` lists them",
        )
    return Code[name.upper()]
