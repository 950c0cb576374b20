"""Declarations that nothing uses (LAG218): what was meant to act is then silently left out."""

from __future__ import annotations

from collections.abc import Mapping

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.semantics.names import LetValue
from lagc.syntax import ast

_ACTIONS = ("L", "K", "R")
_KINDS = {
    ast.Constant: "constant",
    ast.Coefficient: "coefficient",
    ast.Input: "input",
    ast.Neural: "neural term",
    ast.Let: "`let`",
}


def warn_of_unused(
    file: ast.File, lets: Mapping[str, LetValue | None], diagnostics: Diagnostics
) -> None:
    """LAG218 for every declared name that stands in no expression of the file."""
    used = _names(file)
    for statement in file.statements:
        if not isinstance(
            statement, ast.Constant | ast.Coefficient | ast.Input | ast.Neural | ast.Let
        ):
            continue
        kind, name = _KINDS[type(statement)], statement.name
        if name.name in used or name.span.source.name != file.span.source.name:
            continue  # what is shared need not be used by every model
        diagnostics.add(
            Code.LAG218,
            f"{kind} `{name.name}` is declared and not used",
            name.span,
            label=_meant(name.name, lets.get(name.name)),
            help="`let` only names an expression" if isinstance(statement, ast.Let) else "",
        )


def _meant(name: str, value: LetValue | None) -> str:
    if name in _ACTIONS:
        return f"did you mean `{name} = ...`?"
    # Doubled variables have a meaning in K alone, so that is where this was to go.
    return "did you mean `K = ...`?" if value is not None and value.doubled else ""


def moving_names(file: ast.File) -> frozenset[str]:
    """The names that stand somewhere with a prime or as a doubled variable."""
    return frozenset(n.name for n in names_in(file) if n.primes or n.side)


def names_in(node: ast.Node) -> list[ast.Name]:
    """Every name in a part of the tree, with its decorations."""
    found: list[ast.Name] = []
    waiting: list[object] = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, ast.Name):
            found.append(item)
        elif isinstance(item, tuple):
            waiting += item
        elif isinstance(item, ast.Node):
            waiting += [part for part in vars(item).values() if not isinstance(part, str)]
    return found


def _names(file: ast.File) -> set[str]:
    """The names in all expressions; those that only introduce or choose something left out."""
    found: set[str] = set()
    waiting: list[object] = [file]
    while waiting:
        item = waiting.pop()
        match item:
            case ast.Name(name):
                found.add(name)
            case ast.Call(name, arguments, condition=condition):
                found.add(name)
                waiting += [*arguments, condition]
            case ast.Argument(keyword=word) if word:
                pass  # `activation = tanh` chooses a word
            case ast.Neural(network=network):
                waiting.append(network)  # its parameters introduce names of their own
            case ast.Assignment(target, value):
                waiting.append(value)
                while isinstance(target, ast.Index):
                    waiting.append(target.index)
                    target = target.base
            case tuple():
                waiting += item
            case ast.Node():
                waiting += [part for part in vars(item).values() if not isinstance(part, str)]
            case _:
                pass
    return found
