"""`lagc compile`, `check`, `show` and `explain`: everything that needs no integration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code, Severity
from lagc.base.diagnostics import Diagnostic, Diagnostics, LagcError, did_you_mean, fail
from lagc.base.render import as_json
from lagc.cli import common

if TYPE_CHECKING:
    from lagc.driver import Compilation
    from lagc.semantics.model_units import ModelUnits

_STAGES = ("ast", "model", "nodes", "facts", "program")


_allow = click.option(
    "--allow", multiple=True, metavar="CODE", help="A warning or note to leave out (repeatable)."
)


def _allowed(codes: tuple[str, ...]) -> frozenset[Code]:
    """The codes of warnings and notes given with --allow; LAG510 for anything else."""
    known = {c.name: c for c in Code if c.severity is not Severity.ERROR}
    for code in codes:
        if code.upper() not in known:
            raise fail(
                Code.LAG510,
                f"--allow {code}: not the code of a warning or a note",
                help=did_you_mean(code.upper(), known) or f"those are {', '.join(known)}",
            )
    return frozenset(known[code.upper()] for code in codes)


def _remarks(compilation: Compilation, allowed: frozenset[Code]) -> list[Diagnostic]:
    """The warnings of the compiler and what the lints find, in the order of the text."""
    from lagc.analysis.lints import find_lints

    found = Diagnostics([*compilation.warnings, *find_lints(compilation.nodes)])
    return [d for d in found.in_source_order() if d.code not in allowed]


@click.command("compile")
@click.argument("model")
@click.option("-o", "--output", help="Module to write (default: MODEL_lag.py here; - for stdout).")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the module is not current.")
@click.option("--dump", type=click.Choice(_STAGES), help="Print the value after a pass.")
@_allow
def compile_command(
    model: str, output: str | None, check: bool, dump: str | None, allow: tuple[str, ...]
) -> int:
    """Compile MODEL (a .lag file) to an importable Python module of JAX functions."""
    if dump is not None and (output is not None or check):
        raise click.UsageError("--dump prints a value; it does not go with --output or --check")
    if check and output == "-":
        raise click.UsageError("--check compares with a file; `-` is none")
    if output == "":
        raise click.UsageError("--output is empty; - stands for stdout")
    if output is not None and _is_same_file(output, model):
        raise fail(
            Code.LAG002,
            f"{output}: this is the model itself",
            help=f"the module goes to a file of its own, such as `{Path(model).stem}_lag.py`",
        )
    from lagc.driver import compile_source, read_source
    from lagc.driver import dump as dump_stage

    if dump is not None:
        click.echo(dump_stage(read_source(model), dump))
        return 0
    allowed = _allowed(allow)
    compilation = compile_source(read_source(model))
    found = _remarks(compilation, allowed)
    common.print_diagnostics(d for d in found if d.severity is Severity.WARNING)
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


def _is_same_file(output: str, model: str) -> bool:
    try:
        return os.path.samefile(output, model)
    except (OSError, ValueError):
        return False


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
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--json", "as_json_object", is_flag=True, help="Diagnostics as JSON, one object.")
@_allow
def check_command(models: tuple[str, ...], as_json_object: bool, allow: tuple[str, ...]) -> int:
    """Report what is wrong or suspicious in each MODEL, and what was found out about it."""
    allowed = _allowed(allow)
    checked = [_checked(model, allowed) for model in models]
    if as_json_object:
        found = [item.as_json() for item in checked]
        common.print_json(found[0] if len(found) == 1 else {"models": found})
    else:
        for number, item in enumerate(checked):
            if number and item.diagnostics:
                click.echo(err=True)
            item.show()
    return max(item.exit_code for item in checked)


@dataclass(frozen=True)
class _Checked:
    """What `check` found out about one model; `compilation` is None if it is wrong."""

    path: str
    compilation: Compilation | None
    diagnostics: tuple[Diagnostic, ...]
    exit_code: int

    def show(self) -> None:
        """Diagnostics on stderr, what was found out on stdout."""
        common.print_diagnostics(self.diagnostics)
        if self.compilation is not None:
            name, strategy = self.compilation.model.name, self.compilation.strategy
            click.echo(f"{name}: no errors; strategy {strategy}")
            if self.compilation.units is not None:
                click.echo(self.compilation.units.summary())

    def as_json(self) -> dict[str, Any]:
        """The same as data."""
        items = [as_json(d) for d in self.diagnostics]
        if self.compilation is None:
            return {"model": self.path, "ok": False, "diagnostics": items}
        return {
            "model": self.compilation.model.name,
            "ok": True,
            "diagnostics": items,
            "facts": {f.name: f.holds for f in self.compilation.facts.items},
            "strategy": self.compilation.strategy,
            **_units_object(self.compilation.units),
        }


def _checked(path: str, allowed: frozenset[Code]) -> _Checked:
    from lagc.driver import compile_source, read_source

    try:
        compilation = compile_source(read_source(path))
    except LagcError as error:
        return _Checked(path, None, error.diagnostics, common.exit_code(error))
    return _Checked(path, compilation, tuple(_remarks(compilation, allowed)), 0)


def _units_object(units: ModelUnits | None) -> dict[str, Any]:
    """What `check --json` says of the units of a model that has any."""
    if units is None:
        return {}
    undetermined = list(units.undetermined)
    found = {"of": units.texts(), "inferred": list(units.inferred), "undetermined": undetermined}
    return {"units": found}


@click.command("show")
@click.argument("model")
@click.option("--latex", "form", flag_value="latex", help="A LaTeX file.")
@click.option("--html", "form", flag_value="html", help="An HTML page that needs no network.")
@click.option("--json", "form", flag_value="json", help="One JSON object.")
@click.option("--order", type=int, metavar="P", help="Order of the step: 2, 4, ... 258.")
def show_command(model: str, form: str | None, order: int | None) -> int:
    """Show MODEL as understood: equations, momenta, energy, symmetries, one step, structure."""
    from lagc.presentation.model import describe
    from lagc.semantics.lines import MAX_ORDER

    if order is not None and (order % 2 or not 2 <= order <= MAX_ORDER):
        raise fail(Code.LAG509, f"the order {order} is not one of 2, 4, 6, ... {MAX_ORDER}")
    compilation = common.compile_model(model)
    document = describe(compilation, order)
    if form == "json":
        from lagc.presentation.data import as_data

        common.print_json(as_data(document, compilation))
        return 0
    if form == "latex":
        from lagc.presentation.latex import as_latex as written
    elif form == "html":
        from lagc.presentation.html import as_html as written
    else:
        from lagc.presentation.text import as_text as written
    click.echo(written(document))
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
