"""From `grammar/lag.lark` to a Lark parser, built when first needed and once a process."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from lark import Lark


def grammar_text() -> str:
    """The text of the grammar: of the installed package, or of the repository it is edited in."""
    packaged = files("lagc").joinpath("grammar", "lag.lark")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    repository = Path(__file__).resolve().parents[2]
    return (repository / "grammar" / "lag.lark").read_text(encoding="utf-8")


@cache
def lark_parser() -> Lark:
    """The LALR parser with the start rules `statement`, `assignments` and `expression`."""
    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        start=["statement", "assignments", "expression"],
        keep_all_tokens=True,
        maybe_placeholders=False,
    )
