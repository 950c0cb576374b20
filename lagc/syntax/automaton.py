"""Reads sound statements: the tables that Lark works out of the grammar, walked without Lark.

To import Lark takes longer than to read most models. What Lark knows beside the tables, where
reading stopped and what could stand there, is needed only where something is wrong, and is asked
of it then (lagc/syntax/parser.py).

A word that is a name is a keyword only where the state of the parser allows no name: what Lark
does by scanning with the terminals of the state (a contextual lexer) is done here with all of them,
which reads the same because no keyword and no name fit one state.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple


class Token(str):
    """A terminal as it stands in the text: its characters, its kind and its place."""

    __slots__ = ("end_pos", "start_pos", "type")

    type: str
    start_pos: int
    end_pos: int

    def __new__(cls, kind: str, text: str, start: int) -> Token:
        token = super().__new__(cls, text)
        token.type, token.start_pos, token.end_pos = kind, start, start + len(text)
        return token


class Rule(NamedTuple):
    """A rule of the grammar: what its node is called and of how many parts it is made.

    name: of the node; empty where the parts go into the rule around it (Lark's `__sum_star_1`)
    alone: whether a single part stands for itself (`?sum`)
    origin: the symbol the rule gives
    """

    name: str
    size: int
    alone: bool
    origin: str


class Automaton:
    """An LALR(1) parser and its scanner.

    tables: as `automaton_tables` gives them, perhaps by way of JSON.
    """

    def __init__(self, tables: dict[str, Any]) -> None:
        self._scan = re.compile(tables["scanner"]).match
        self._keywords: dict[str, str] = tables["keywords"]
        self._ignored = frozenset(tables["ignored"])
        self._states: list[dict[str, int]] = tables["states"]
        self._rules = [Rule(*rule) for rule in tables["rules"]]
        self._ends: dict[str, list[int]] = tables["ends"]

    def derivation(self, text: str, start: str) -> list[Token | Rule] | None:
        """The tokens and the rules in the order in which they are completed; None for no sentence.

        start: the rule that the whole text has to be.
        """
        first, last = self._ends[start]
        stack, done = [first], list[Token | Rule]()
        states, rules = self._states, self._rules
        at, end = 0, len(text)
        while True:
            token = None
            kind = "$END"
            if at < end:
                match = self._scan(text, at)
                if match is None:
                    return None
                kind = str(match.lastgroup)
                if kind in self._ignored:
                    at = match.end()
                    continue
                if kind == "NAME" and "NAME" not in states[stack[-1]]:
                    kind = self._keywords.get(match[0], kind)
                token = Token(kind, match[0], at)
                at = match.end()
            while True:
                action = states[stack[-1]].get(kind)
                if action is None:
                    return None
                if action >= 0:
                    break
                rule = rules[-1 - action]
                if rule.size:
                    del stack[-rule.size :]
                stack.append(states[stack[-1]][rule.origin])
                done.append(rule)
                if token is None and stack[-1] == last:
                    return done
            stack.append(action)
            assert token is not None
            done.append(token)


class _Parts(list[Any]):
    """What a rule without a name gives to the rule around it."""


def node(derivation: list[Token | Rule], builder: Any) -> Any:
    """What the methods of `builder`, named after the rules, make of a derivation, leaves first."""
    waiting: list[Any] = []
    for step in derivation:
        if isinstance(step, Token):
            waiting.append(step)
            continue
        first = len(waiting) - step.size
        parts = _flat(waiting[first:])
        del waiting[first:]
        if not step.name:
            waiting.append(parts)
        elif step.alone and len(parts) == 1:
            waiting.append(parts[0])
        else:
            waiting.append(getattr(builder, step.name)(parts))
    return waiting[0]


def _flat(parts: list[Any]) -> _Parts:
    """Parts with those of rules without a name in their place.

    A long sum comes as its terms up to here and one more, so what stands first is added to.
    """
    flat = parts[0] if parts and isinstance(parts[0], _Parts) else _Parts(parts[:1])
    for part in parts[1:]:
        if isinstance(part, _Parts):
            flat.extend(part)
        else:
            flat.append(part)
    return flat
