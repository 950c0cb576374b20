"""How names are shown in formulas: Greek letters, subscripts, dots; no two of a model alike.

`c1` and `c_1` are both shown as c with the index 1, as is the component `c[1]`; `theta` and `θ` are
one letter. Where two symbols of what is shown together would look the same, their names are shown
as they are written.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sympy as sp

from lagc.presentation.document import Document, Equation, Row, Table
from lagc.semantics.functions import NeuralTerm
from lagc.semantics.notation import GREEK, NAME, SYMBOL, index_of

_INDEXED = re.compile(r"(?P<base>[^\W\d_]+)_(?P<lower>\w+)|(?P<word>[^\W\d_]+)(?P<number>\d+)")


@dataclass(frozen=True)
class Shown:
    """A name as it is seen: `base` with as many dots as there are primes, and what is below it."""

    base: str
    primes: int = 0
    lower: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class Names:
    """The names that are shown as they are written, and whether `e` and `π` are the user's."""

    plain: frozenset[str] = frozenset()
    e_is_taken: bool = False
    pi_is_taken: bool = False

    def symbol(self, name: str) -> Shown:
        """A symbol of an expression: `theta_1'_+[0]`, `p[theta]`, `[i+1]`."""
        match = SYMBOL.match(name)
        if match is None or name.startswith("["):
            return Shown(f"({name[1:-1]})" if name.startswith("[") else name)
        found = self.name(match["name"])
        return Shown(found.base, len(match["primes"]), found.lower + self._below(match))

    def name(self, name: str) -> Shown:
        """A name that was declared, without primes, side and index."""
        if name in self.plain:
            return Shown(name)
        match = _INDEXED.fullmatch(name)
        if match is None:
            return Shown(_letter(name))
        lower = match["lower"] or match["number"]
        return Shown(_letter(match["base"] or match["word"]), 0, (Shown(_letter(lower)),))

    def _below(self, match: re.Match[str]) -> tuple[Shown, ...]:
        index, side = index_of(match), match["side"]
        if index and NAME.fullmatch(index):  # p[theta[0]], the momentum of theta[0]
            lower = [self.symbol(index)]
        else:
            lower = [Shown(part) for part in index.split(",") if part]
        return (*lower, *([Shown(side)] if side else []))


def names_of(expressions: Iterable[sp.Expr]) -> Names:
    """How to show the names of expressions that stand together."""
    symbols: set[str] = set()
    for expression in expressions:
        for found in expression.atoms(sp.Symbol, NeuralTerm):
            name = found.slot if isinstance(found, NeuralTerm) else found.name
            symbols |= set(_with_index(name.removeprefix("neural ")))
    plain: frozenset[str] = frozenset()
    for choose in (_is_split, _is_any):
        names = {_declared(symbol) for symbol in _alike(symbols, Names(plain))}
        plain |= {name for name in names if choose(name)}
    declared = {_declared(symbol) for symbol in symbols}
    return Names(plain, "e" in declared, "π" in declared)


def _alike(symbols: Iterable[str], names: Names) -> Iterator[str]:
    """The symbols that look like another one."""
    groups: defaultdict[Shown, list[str]] = defaultdict(list)
    for symbol in symbols:
        groups[names.symbol(symbol)].append(symbol)
    for group in groups.values():
        yield from group if len(group) > 1 else ()


def _declared(symbol: str) -> str:
    """The name that was declared, of a symbol."""
    match = SYMBOL.match(symbol)
    return symbol if match is None or symbol.startswith("[") else match["name"]


def _is_split(name: str) -> bool:
    """Whether a part of a name is shown below the rest; what is written with brackets may stay."""
    return _INDEXED.fullmatch(name) is not None


def _is_any(name: str) -> bool:
    return True


def names_in(rows: Iterable[Row]) -> Names:
    """How to show the names of the equations and tables among some rows."""
    return names_of(expression for row in rows for expression in _expressions(row))


def names_of_document(document: Document) -> Names:
    """How to show the names of a whole document."""
    return names_in(row for section in document.sections for row in section.rows)


def _expressions(row: Row) -> Iterator[sp.Expr]:
    if isinstance(row, Equation):
        yield row.left
        if row.right is not None:
            yield row.right
    elif isinstance(row, Table):
        yield from row.heads


def _with_index(name: str) -> Iterator[str]:
    """A symbol and the one that is its index, as in p[theta[0]]."""
    yield name
    match = SYMBOL.match(name)
    if match is not None and not name.startswith("[") and NAME.fullmatch(index := index_of(match)):
        yield index


def _letter(word: str) -> str:
    """The letter of a Greek name; other words as they are."""
    if word not in GREEK:
        return word
    size = "SMALL" if word[0].islower() else "CAPITAL"
    # Unicode calls the letter lamda.
    spelt = word.upper().replace("LAMBDA", "LAMDA")
    return unicodedata.lookup(f"GREEK {size} LETTER {spelt}")
