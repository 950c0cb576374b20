"""`lagc compile`, `check`, `show` and `explain`: everything that needs no integration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code, Severity
from lagc.base.diagnostics import Diagnostic, LagcError, did_you_mean, fail
from lagc.base.explain import explained, markdown_page, plain_text
from lagc.base.render import as_json
from lagc.cli import common

if TYPE_CHECKING:
    import sympy as sp

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
        if code.upper() in Code.__members__ and code.upper() not in known:
            raise fail(
                Code.LAG510,
                f"--allow {code}: an error cannot be allowed",
                help=f"`lagc explain {code.upper()}` says what it is about",
            )
        if code.upper() not in known:
            raise fail(
                Code.LAG510,
                f"--allow {code}: not the code of a warning or a note",
                help=did_you_mean(code.upper(), known) or f"those are {', '.join(known)}",
            )
    return frozenset(known[code.upper()] for code in codes)


def _remarks(compilation: Compilation, allowed: frozenset[Code]) -> list[Diagnostic]:
    from lagc.driver import remarks

    return [d for d in remarks(compilation) if d.code not in allowed]


@click.command("compile", cls=common.ModelCommand)
@click.argument("model")
@click.option("-o", "--output", help="Module to write (default: MODEL_lag.py here; - for stdout).")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the module is not current.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another default.")
@click.option("--dump", type=click.Choice(_STAGES), help="Print the value after a pass.")
@_allow
def compile_command(
    model: str,
    output: str | None,
    check: bool,
    settings: tuple[str, ...],
    dump: str | None,
    allow: tuple[str, ...],
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
    if common.reports() and (output == "-" or dump is not None):
        raise click.UsageError("--json and --sarif fill stdout; write the module to a file")
    from lagc.driver import compile_source, read_source
    from lagc.driver import dump as dump_stage

    defaults = common.exact_assignments(settings, "--set")
    if dump is not None:
        click.echo(dump_stage(read_source(model), dump, defaults))
        return 0
    allowed = _allowed(allow)
    compilation = compile_source(read_source(model), defaults)
    found = _remarks(compilation, allowed)
    common.print_diagnostics(d for d in found if d.severity is Severity.WARNING)
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
    if not common.answer({"current": current}):
        click.echo(f"{target} is {'current' if current else 'stale: compile the model again'}")
    return 0 if current else 1


@click.command("check", cls=common.ModelCommand)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another default.")
@_allow
def check_command(
    models: tuple[str, ...], settings: tuple[str, ...], allow: tuple[str, ...]
) -> int:
    """Report what is wrong or suspicious in each MODEL, and what was found out about it."""
    allowed = _allowed(allow)
    defaults = common.exact_assignments(settings, "--set")
    checked = [_checked(model, defaults, allowed) for model in models]
    if len(checked) == 1:
        common.answer(checked[0].found())
    else:
        common.answer({"models": [item.as_json() for item in checked]})
    for number, item in enumerate(checked):
        if number and item.diagnostics and not common.reports():
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
        if self.compilation is None or common.reports():
            return
        name, strategy = self.compilation.model.name, self.compilation.strategy
        click.echo(f"{name}: no errors; strategy {strategy}")
        if self.compilation.units is not None:
            click.echo(self.compilation.units.summary())
        if self.compilation.model.coefficients:
            from lagc.presentation.coefficients import as_lines

            click.echo("\n".join(as_lines(self.compilation.findings.identifiability)))

    def found(self) -> dict[str, Any]:
        """What was found out as data."""
        if self.compilation is None:
            return {"model": self.path}
        return {
            "model": self.compilation.model.name,
            "facts": {f.name: f.holds for f in self.compilation.facts.items},
            "strategy": self.compilation.strategy,
            **_units_object(self.compilation.units),
            **_identifiability_object(self.compilation),
        }

    def as_json(self) -> dict[str, Any]:
        """That, and what is wrong."""
        items = [as_json(d) for d in self.diagnostics]
        return {**self.found(), "ok": self.exit_code == 0, "diagnostics": items}


def _checked(path: str, defaults: Mapping[str, sp.Expr], allowed: frozenset[Code]) -> _Checked:
    from lagc.driver import compile_source, read_source

    try:
        compilation = compile_source(read_source(path), defaults)
    except LagcError as error:
        return _Checked(path, None, error.diagnostics, common.exit_code(error))
    return _Checked(path, compilation, tuple(_remarks(compilation, allowed)), 0)


def _identifiability_object(compilation: Compilation) -> dict[str, Any]:
    """What `check --json` says of the coefficients of a model that has any; null: not settled."""
    if not compilation.model.coefficients:
        return {}
    from lagc.presentation.coefficients import as_data

    return {"identifiability": as_data(compilation.findings.identifiability)}


def _units_object(units: ModelUnits | None) -> dict[str, Any]:
    """What `check --json` says of the units of a model that has any."""
    if units is None:
        return {}
    undetermined = list(units.undetermined)
    found = {"of": units.texts(), "inferred": list(units.inferred), "undetermined": undetermined}
    return {"units": found}


@click.command("show", cls=common.Command)
@click.argument("model")
@click.option("--latex", "form", flag_value="latex", help="A LaTeX file.")
@click.option("--html", "form", flag_value="html", help="An HTML page that needs no network.")
@click.option("--order", type=int, metavar="P", help="Order of the step: 2, 4, ... 258.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Another default.")
def show_command(model: str, form: str | None, order: int | None, settings: tuple[str, ...]) -> int:
    """Show MODEL as understood: equations, momenta, energy, symmetries, one step, structure."""
    from lagc.presentation.model import describe
    from lagc.semantics.lines import MAX_ORDER

    if order is not None and (order % 2 or not 2 <= order <= MAX_ORDER):
        raise fail(Code.LAG509, f"the order {order} is not one of 2, 4, 6, ... {MAX_ORDER}")
    compilation = common.compile_model(model, settings)
    document = describe(compilation, order)
    if common.reports():
        from lagc.presentation.data import as_data

        common.answer(as_data(document, compilation))
        return 0
    if form == "latex":
        from lagc.presentation.latex import as_latex as written
    elif form == "html":
        from lagc.presentation.html import as_html as written
    else:
        from lagc.presentation.text import as_text as written
    click.echo(written(document))
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
