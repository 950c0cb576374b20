"""The words of the language, read from the grammar and the lists of the compiler."""

from __future__ import annotations

from functools import cache
from typing import Any

from lagc.semantics.declarations import ACTIVATIONS, LAW_PARAMETERS, OUTPUTS
from lagc.semantics.functions import FUNCTION_NAMES, RESERVED_NAMES
from lagc.syntax import grammar
from lagc.syntax.grammar import lark_parser

FUNCTIONS = tuple(sorted(FUNCTION_NAMES))
RESERVED = tuple(sorted(RESERVED_NAMES))
LAWS = tuple(sorted((*LAW_PARAMETERS, "mixture")))
NETWORKS = ("mlp",)
OPTIONS = {"activation": ACTIVATIONS, "output": OUTPUTS}


def accepted(parser: Any) -> set[str]:
    """The terminals that an interactive parser of Lark would take next."""
    found: set[str] = parser.accepts()
    return found


@cache
def keywords() -> dict[str, tuple[str, ...]]:
    """The words of each terminal that is a keyword: MODEL -> model, ACTION -> L, K, R."""
    return grammar.keywords(lark_parser())


@cache
def statement_terminals() -> frozenset[str]:
    """The terminals with which a statement begins."""
    return frozenset(accepted(lark_parser().parse_interactive("", start="statement")))


@cache
def declaring_terminals() -> frozenset[str]:
    """Those after which only a new name can stand."""
    return frozenset(t for t in statement_terminals() if _accepts_after(t) == {"NAME"})


def _accepts_after(terminal: str) -> set[str]:
    parser = lark_parser().parse_interactive(keywords()[terminal][0], start="statement")
    parser.exhaust_lexer()
    return accepted(parser)


def statement_words() -> tuple[str, ...]:
    """`model`, `coordinate`, ..., in the order of the grammar, without L, K and R."""
    begin = statement_terminals()
    return tuple(w[0] for t, w in keywords().items() if t in begin and len(w) == 1)


def action_words() -> tuple[str, ...]:
    """L, K and R."""
    return keywords()["ACTION"]


def clause_words() -> tuple[str, ...]:
    """The keywords inside statements: `in`, `mod`, `until`, ..."""
    begin = statement_terminals()
    return tuple(word for t, words in keywords().items() if t not in begin for word in words)
