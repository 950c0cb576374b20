"""A failure of lagc itself as a diagnostic, with the traceback in a file for the report."""

from __future__ import annotations

import sys
import tempfile
import traceback

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic
from lagc.base.version import __version__

_LONGEST = 500


def internal_error(error: Exception) -> Diagnostic:
    """LAG000: what failed, and where the file is that tells more."""
    first = str(error).splitlines()[0] if str(error) else ""
    with tempfile.NamedTemporaryFile(
        "w", prefix="lagc-report-", suffix=".txt", delete=False, encoding="utf-8"
    ) as stream:
        stream.write(f"lagc {__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n\n")
        traceback.print_exception(error, file=stream)
    return Diagnostic(
        Code.LAG000,
        f"internal error: {type(error).__name__}: {first}"[:_LONGEST],
        help="this is a defect in lagc, not in your model. Please report it with the model and "
        f"{stream.name}",
    )
