"""From `grammar/lag.lark` to a Lark parser, once a process.

To work out the tables of the parser takes longer than to parse most models, so they are kept in
`grammar/lag.json`, as data: numbers, names and regular expressions. `python -m lagc.syntax.grammar`
writes them. They are used only with the very grammar and the version of Lark that they were made
with; otherwise the parser is built from the grammar.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark import Lark

_PACKAGED = Path(__file__).resolve().parents[1] / "grammar"
_REPOSITORY = Path(__file__).resolve().parents[2] / "grammar"
_TABLES = "lag.json"


def grammar_text() -> str:
    """The text of the grammar: of the installed package, or of the repository it is edited in."""
    return _read("lag.lark")


def _read(name: str) -> str:
    folder = _PACKAGED if _PACKAGED.is_dir() else _REPOSITORY
    return (folder / name).read_text(encoding="utf-8")


@cache
def lark_parser() -> Lark:
    """The LALR parser with the start rules `statement`, `assignments` and `expression`."""
    grammar = grammar_text()
    try:
        tables = json.loads(_read(_TABLES))
    except FileNotFoundError:
        return built(grammar)
    return loaded(tables) if tables["made with"] == _origin(grammar) else built(grammar)


def built(grammar: str) -> Lark:
    """The parser worked out from the text of a grammar."""
    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start=["statement", "assignments", "expression"],
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


def tables(grammar: str) -> dict[str, Any]:
    """The tables of the parser of a grammar, as data for JSON."""
    data, memo = built(grammar).memo_serialize([lark.lexer.TerminalDef, lark.grammar.Rule])
    return {"made with": _origin(grammar), "data": data, "memo": memo}


def loaded(tables: dict[str, Any]) -> Lark:
    """The parser with the given tables, in which JSON has made the numbers of states strings."""
    data, memo = tables["data"], tables["memo"]
    automaton = dict(data["parser"]["parser"])
    automaton["states"] = {int(state): row for state, row in automaton["states"].items()}
    data = {**data, "parser": {**data["parser"], "parser": automaton}}
    parser: Lark = Lark._load_from_dict(data, {int(key): value for key, value in memo.items()})
    return parser


def _origin(grammar: str) -> str:
    return f"lark {lark.__version__}, {hashlib.sha256(grammar.encode()).hexdigest()}"


if __name__ == "__main__":
    text = json.dumps(tables(grammar_text()), separators=(",", ":"))
    (_REPOSITORY / _TABLES).write_text(text + "\n", encoding="utf-8")
