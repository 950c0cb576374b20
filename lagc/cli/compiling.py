"""`lagc compile`, `check`, `show` and `explain`: everything that needs no integration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.base.render import as_json
from lagc.cli import common

if TYPE_CHECKING:
    from lagc.semantics.model_units import ModelUnits

_STAGES = ("ast", "model", "nodes", "facts", "program")


@click.command("compile")
@click.argument("model")
@click.option("-o", "--output", help="Module to write (default: MODEL_lag.py here; - for stdout).")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the module is not current.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another default.")
@click.option("--dump", type=click.Choice(_STAGES), help="Print the value after a pass.")
def compile_command(
    model: str, output: str | None, check: bool, settings: tuple[str, ...], dump: str | None
) -> int:
    """Compile MODEL (a .lag file) to an importable Python module of JAX functions."""
    if dump is not None and (output is not None or check):
        raise click.UsageError("--dump prints a value; it does not go with --output or --check")
    if check and output == "-":
        raise click.UsageError("--check compares with a file; `-` is none")
    if dump is not None:
        from lagc.driver import dump as dump_stage
        from lagc.driver import read_source

        defaults = common.exact_assignments(settings, "--set")
        click.echo(dump_stage(read_source(model), dump, defaults))
        return 0
    compilation = common.compile_model(model, settings)
    target = output or f"{Path(model).stem}_lag.py"
    if check:
        return _check_current(target, compilation.text)
    if target == "-":
        click.echo(compilation.text, nl=False)
        return 0
    common.write_atomically(target, compilation.text.encode())
    dof = compilation.model.dof
    plural = "" if dof == 1 else "s"
    click.echo(f"{target}: {compilation.model.name}, {dof} degree{plural} of freedom", err=True)
    return 0


def _check_current(target: str, text: str) -> int:
    try:
        current = Path(target).read_bytes() == text.encode()
    except OSError as error:
        raise fail(
            Code.LAG001, f"{target}: {error.strerror}", help="compile the model first"
        ) from None
    click.echo(f"{target} is {'current' if current else 'stale: compile the model again'}")
    return 0 if current else 1


@click.command("check")
@click.argument("model")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another default.")
@click.option("--json", "as_json_object", is_flag=True, help="Diagnostics as one JSON object.")
def check_command(model: str, settings: tuple[str, ...], as_json_object: bool) -> int:
    """Report everything wrong with MODEL, and what was found out about it."""
    from lagc.driver import compile_source, read_source

    defaults = common.exact_assignments(settings, "--set")
    try:
        compilation = compile_source(read_source(model), defaults)
    except LagcError as error:
        if as_json_object:
            items = [as_json(d) for d in error.diagnostics]
            common.print_json({"model": model, "ok": False, "diagnostics": items})
            return common.exit_code(error)
        raise
    if as_json_object:
        common.print_json(
            {
                "model": compilation.model.name,
                "ok": True,
                "diagnostics": [as_json(d) for d in compilation.warnings],
                "facts": {f.name: f.holds for f in compilation.facts.items},
                "strategy": compilation.strategy,
                **_units_object(compilation.units),
            }
        )
        return 0
    common.print_diagnostics(compilation.warnings)
    click.echo(f"{compilation.model.name}: no errors; strategy {compilation.strategy}")
    if compilation.units is not None:
        click.echo(compilation.units.summary())
    return 0


def _units_object(units: ModelUnits | None) -> dict[str, Any]:
    """What `check --json` says of the units of a model that has any."""
    if units is None:
        return {}
    undetermined = list(units.undetermined)
    found = {"of": units.texts(), "inferred": list(units.inferred), "undetermined": undetermined}
    return {"units": found}


@click.command("show")
@click.argument("model")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another default.")
@click.option("--latex", is_flag=True, help="Equations in LaTeX.")
def show_command(model: str, settings: tuple[str, ...], latex: bool) -> int:
    """Show MODEL as understood: L, K, equations of motion, momenta, energy, structure."""
    from lagc.cli.show import describe

    click.echo(describe(common.compile_model(model, settings), latex))
    return 0


@click.command("explain")
@click.argument("code", required=False)
def explain_command(code: str | None) -> int:
    """Explain a diagnostic CODE such as LAG203, or list them all."""
    if code is None:
        for item in Code:
            click.echo(f"{item.name}  {item.title}")
        return 0
    names = [item.name for item in Code]
    if code.upper() not in names:
        raise fail(
            Code.LAG510,
            f"`{code}` is not a diagnostic code",
            help=did_you_mean(code.upper(), names) or "`lagc explain` lists them",
        )
    found = Code[code.upper()]
    click.echo(f"{found.name}: {found.title} ({found.severity.value})\n\n{found.explanation}")
    return 0
