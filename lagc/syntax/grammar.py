"""From `grammar/lag.lark` to the parsers of it, once a process.

To work out the tables of the parser takes longer than to parse most models, so they are kept in
`grammar/lag.json`, as data: numbers, names and regular expressions. `python -m lagc.syntax.grammar`
writes them. They are used only with the very grammar, and by Lark only in the version, that they
were made with; otherwise they are made anew.
"""

from __future__ import annotations

import json
import re
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lagc.syntax.automaton import Automaton

if TYPE_CHECKING:
    from lark import Lark

_PACKAGED = Path(__file__).resolve().parents[1] / "grammar"
_REPOSITORY = Path(__file__).resolve().parents[2] / "grammar"
_TABLES = "lag.json"
_KEYWORD = re.compile(r"(?:(?P<word>[A-Za-z]\w*)|\[(?P<letters>[A-Za-z]+)\])\(\?!")


def grammar_text() -> str:
    """The text of the grammar: of the installed package, or of the repository it is edited in."""
    return _read("lag.lark")


def _read(name: str) -> str:
    folder = _PACKAGED if _PACKAGED.is_dir() else _REPOSITORY
    return (folder / name).read_text(encoding="utf-8")


@cache
def automaton() -> Automaton:
    """The parser of sound statements."""
    grammar = grammar_text()
    kept = _kept()
    current = kept is not None and kept["grammar"] == _checksum(grammar)
    return Automaton((kept if current and kept else tables(grammar))["automaton"])


@cache
def lark_parser() -> Lark:
    """The LALR parser with the start rules `statement`, `assignments` and `expression`."""
    import lark

    grammar = grammar_text()
    kept = _kept()
    if kept is None or kept["grammar"] != _checksum(grammar) or kept["lark"] != lark.__version__:
        return built(grammar)
    return loaded(kept)


@cache
def _kept() -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads(_read(_TABLES))
    except FileNotFoundError:
        return None
    return kept


def built(grammar: str) -> Lark:
    """The parser worked out from the text of a grammar."""
    from lark import Lark

    return Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        start=["statement", "assignments", "expression"],
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


def keywords(parser: Lark) -> dict[str, tuple[str, ...]]:
    """The words of each terminal that is a keyword: MODEL -> model, ACTION -> L, K, R."""
    found = {}
    for terminal in parser.terminals:
        match = _KEYWORD.match(terminal.pattern.value)
        if match is not None:
            found[terminal.name] = (match["word"],) if match["word"] else tuple(match["letters"])
    return found


def tables(grammar: str) -> dict[str, Any]:
    """The tables of the parsers of a grammar, as data for JSON."""
    import lark

    parser = built(grammar)
    data, memo = parser.memo_serialize([lark.lexer.TerminalDef, lark.grammar.Rule])
    made_with = {"grammar": _checksum(grammar), "lark": lark.__version__}
    return {**made_with, "automaton": _automaton_tables(parser), "data": data, "memo": memo}


def _automaton_tables(parser: Lark) -> dict[str, Any]:
    """What `Automaton` reads: a shift or a step to state s is s, the use of rule r is -1 - r."""
    from lark.parsers.lalr_analysis import Shift

    words = keywords(parser)
    scanned = [t for t in parser.terminals if t.name not in words]
    # A sign must not be read for the beginning of a longer one; the others exclude each other.
    scanned.sort(key=lambda t: (t.pattern.type == "str", -len(t.pattern.value)))
    rules = {rule: i for i, rule in enumerate(parser.rules)}
    table: Any = parser.parser.parser._parse_table
    rows = [
        {
            symbol: target if kind is Shift else -1 - rules[target]
            for symbol, (kind, target) in table.states[state].items()
        }
        for state in range(len(table.states))
    ]
    return {
        "scanner": "|".join(f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in scanned),
        "ignored": sorted(parser.ignore_tokens),
        "keywords": {word: name for name, found in words.items() for word in found},
        "rules": [
            [
                "" if rule.origin.name.startswith("_") else rule.alias or rule.origin.name,
                len(rule.expansion),
                rule.options.expand1 and not rule.alias,
                rule.origin.name,
            ]
            for rule in rules
        ],
        "states": rows,
        "ends": {
            start: [table.start_states[start], table.end_states[start]]
            for start in table.start_states
        },
    }


def loaded(tables: dict[str, Any]) -> Lark:
    """Lark with the given tables, in which JSON has made the numbers of states strings."""
    from lark import Lark

    data, memo = tables["data"], tables["memo"]
    automaton = dict(data["parser"]["parser"])
    automaton["states"] = {int(state): row for state, row in automaton["states"].items()}
    data = {**data, "parser": {**data["parser"], "parser": automaton}}
    parser: Lark = Lark._load_from_dict(data, {int(key): value for key, value in memo.items()})
    return parser


def _checksum(grammar: str) -> int:
    """Tells one grammar from another."""
    return zlib.crc32(grammar.encode())


if __name__ == "__main__":
    text = json.dumps(tables(grammar_text()), separators=(",", ":"))
    (_REPOSITORY / _TABLES).write_text(text + "\n", encoding="utf-8")
