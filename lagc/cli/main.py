"""The entry point, and the net under every command: no user ever sees a bare traceback."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

import click

from lagc.base.diagnostics import LagcError
from lagc.base.version import __version__
from lagc.cli import common
from lagc.cli.internal import internal_error

_COMMANDS = {
    "compile": "compiling",
    "check": "compiling",
    "fmt": "formatting",
    "show": "compiling",
    "run": "running",
    "fit": "learning",
    "train": "training",
    "predict": "predicting",
    "landscape": "surveying",
    "explain": "compiling",
    "lsp": "serving",
}


class _Commands(click.Group):
    """Commands whose modules are imported when they are asked for: `check` needs no arrays."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, sorted as click sorts them."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The function `<name>_command` of the module."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"lagc.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lagc")
def lagc() -> None:
    """Compile Lagrangians with friction and driving into differentiable integrators."""


def main() -> None:
    """Run the command line and exit."""
    gc.set_threshold(500_000)  # most of what a compilation makes lives until it ends
    code = run(sys.argv[1:])
    gc.freeze()  # the interpreter need not search all of it for cycles before it goes
    sys.exit(code)


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
        common.print_diagnostics([internal_error(error)])
        return common.EXIT_INTERNAL
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
