"""`lagc lsp`: the language server for editors."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import fail

_STDOUT = 1


@click.command("lsp")
def lsp_command() -> int:
    """Serve an editor over stdin and stdout (Language Server Protocol).

    Diagnostics, hover, completion, definitions, references, rename, outline and formatting.
    """
    if importlib.util.find_spec("pygls") is None:
        raise fail(
            Code.LAG003,
            "the language server needs the package pygls",
            help="pip install 'lagc[editor]'",
        )
    from lagc.editing.server import make_server

    # What anything prints goes to stderr, so that it cannot end up among the messages.
    with contextlib.redirect_stdout(sys.stderr):
        make_server().start_io(stdout=os.fdopen(os.dup(_STDOUT), "wb"))
    return 0
