"""Diagnostics as a SARIF 2.1.0 log, the format that code hosts and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic
from lagc.base.spans import Span, utf16_length
from lagc.base.version import __version__

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_log(diagnostics: Sequence[Diagnostic], exit_code: int | None) -> dict[str, Any]:
    """A log of one run, for `json.dumps`; `exit_code` is None where lagc itself failed.

    A run that finds errors in a model (exit code 1) is successful, one that could not read it or
    write what it made is not.
    """
    codes = sorted({d.code for d in diagnostics}, key=lambda code: code.name)
    invocation: dict[str, Any] = {"executionSuccessful": exit_code in (0, 1)}
    if exit_code is not None:
        invocation["exitCode"] = exit_code
    run = {
        "tool": {
            "driver": {
                "name": "lagc",
                "semanticVersion": __version__,
                "rules": [_rule(code) for code in codes],
            }
        },
        "invocations": [invocation],
        "columnKind": "utf16CodeUnits",
        "results": [_result(d, codes.index(d.code)) for d in diagnostics],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.name,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.explanation},
        "defaultConfiguration": {"level": code.severity.value},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    sentences = [diagnostic.message, diagnostic.label, diagnostic.help]
    sentences += [note.message for note in diagnostic.notes if note.span is None]
    result: dict[str, Any] = {
        "ruleId": diagnostic.code.name,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": _plain("\n".join(sentence for sentence in sentences if sentence))},
        "locations": [_location(diagnostic.span)] if diagnostic.span is not None else [],
    }
    related = [
        {"id": number, **_location(note.span), "message": {"text": _plain(note.message)}}
        for number, note in enumerate(diagnostic.notes, 1)
        if note.span is not None
    ]
    return result | ({"relatedLocations": related} if related else {})


def _plain(text: str) -> str:
    """A message in which braces are no placeholders and brackets no links (3.11.5, 3.11.6)."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "\\](")


def _location(span: Span) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": _uri(span.source.name)}, "region": _region(span)}
    return {"physicalLocation": place}


def _region(span: Span) -> dict[str, int]:
    """Lines and columns from one; the end column is the first that is not covered."""
    start_line, start_column = _position(span, span.start)
    end_line, end_column = _position(span, span.end)
    return {
        "startLine": start_line,
        "startColumn": start_column,
        "endLine": end_line,
        "endColumn": end_column,
    }


def _position(span: Span, offset: int) -> tuple[int, int]:
    line = span.source.line_of(offset)
    before = span.source.text[span.source.line_starts[line - 1] : offset]
    return line, utf16_length(before) + 1


def _uri(name: str) -> str:
    """A reference to the file as it was named: relative as it is, absolute with its scheme."""
    path = Path(name)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
