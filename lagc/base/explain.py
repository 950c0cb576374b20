"""The registry of diagnostic codes as text, as a page of the documentation, and as data."""

from __future__ import annotations

from collections.abc import Sequence

from lagc.base.codes import Code

_CHAPTERS = {
    "0": "The tool",
    "1": "Text",
    "2": "Names and values",
    "3": "Mechanics",
    "5": "A model at run time",
    "6": "Data and learning",
}
_HEAD = """# Diagnostic codes

Written by `make codes` (`lagc explain --all --markdown`) from `lagc/base/codes.py`. An error stops
the command, a warning does not. `lagc explain LAG203` prints one entry.
"""


def explained(code: Code) -> dict[str, str]:
    """Title, severity and explanation, for JSON."""
    return {
        "title": code.title,
        "severity": code.severity.value,
        "explanation": code.explanation,
    }


def plain_text(code: Code) -> str:
    """A line with the title, and the explanation."""
    return f"{code.name}: {code.title} ({code.severity.value})\n\n{code.explanation}"


def markdown_page(codes: Sequence[Code]) -> str:
    """A page with a heading for each code, so that `#lag203` leads to it."""
    parts = [_HEAD]
    chapter = ""
    for code in sorted(codes, key=lambda code: code.name):
        digit = code.name[3]
        if digit != chapter:
            chapter = digit
            parts.append(f"\n## {_CHAPTERS.get(digit, 'Other')} (LAG{digit}xx)\n")
        parts.append(f"\n### {code.name}\n\n**{code.title}** ({code.severity.value})\n\n")
        parts.append(f"{code.explanation}\n")
    return "".join(parts)
