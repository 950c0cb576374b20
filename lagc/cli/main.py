"""The entry point, and the net under every command: no user ever sees a bare traceback."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.base.version import __version__
from lagc.cli import common
from lagc.cli.compiling import check_command, compile_command, explain_command, show_command
from lagc.cli.formatting import fmt_command
from lagc.cli.learning import fit_command, train_command
from lagc.cli.running import run_command
from lagc.cli.serving import lsp_command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lagc")
def lagc() -> None:
    """Compile Lagrangians with friction and driving into differentiable integrators."""


for _command in (
    compile_command,
    check_command,
    fmt_command,
    show_command,
    run_command,
    fit_command,
    train_command,
    explain_command,
    lsp_command,
):
    lagc.add_command(_command)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    try:
        result = lagc.main(arguments, prog_name="lagc", standalone_mode=False)
        sys.stdout.flush()
    except LagcError as error:
        common.print_diagnostics(error.diagnostics)
        return common.exit_code(error)
    except click.ClickException as error:
        error.show()
        return common.EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return common.EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away; nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        _report_internal(error)
        return common.EXIT_INTERNAL
    return result if isinstance(result, int) else 0


def _report_internal(error: Exception) -> None:
    """Says that lagc failed, and where the traceback for the report is."""
    first = str(error).splitlines()[0] if str(error) else ""
    with tempfile.NamedTemporaryFile(
        "w", prefix="lagc-report-", suffix=".txt", delete=False, encoding="utf-8"
    ) as stream:
        stream.write(f"lagc {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n\n")
        traceback.print_exception(error, file=stream)
    click.secho(
        f"error[{Code.LAG000.name}]: internal error: {type(error).__name__}: {first}"[:500],
        fg="red",
        bold=True,
        err=True,
    )
    click.echo(
        " = help: this is a defect in lagc, not in your model. Please report it with the model and "
        f"{stream.name}",
        err=True,
    )
