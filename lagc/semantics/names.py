"""What a name in an expression stands for, and whether it may stand there.

Symbols are made here, one for each declared name, without assumptions, so that SymPy rewrites
nothing on the strength of them. No name of the user is ever looked up in SymPy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Span
from lagc.semantics.foreign import decorated, on_name
from lagc.semantics.functions import FUNCTION_NAMES
from lagc.semantics.model import TIME, Coefficient, Coordinate, NeuralSlot, RoughCall
from lagc.semantics.sites import Lattice
from lagc.semantics.tensors import Value, entries, shape
from lagc.semantics.traits import Traits
from lagc.semantics.work import Work, reading
from lagc.syntax import ast

_MOST_HINTS = 20  # to look for a similar name takes long where there are many


class Context(Enum):
    """Where an expression stands, which decides the names it may use."""

    CONSTANT = "a constant"
    SITE = "a function of the index"
    PLAIN = "a function of coordinates, velocities and time"
    DOUBLED = "K"
    LET = "a let"


@dataclass
class LetValue:
    """The value of a `let` and which kinds of variables it uses, with where it first does.

    `site` is where it uses the index of the lattice, `shifts` which neighbours it reaches.
    """

    value: Value
    plain: Span | None = None
    doubled: Span | None = None
    site: Span | None = None
    shifts: tuple[int, ...] = ()


@dataclass
class Scope:
    """Everything that a name can mean. `let` evaluates a `let` by name when it is first used.

    `varying` holds the coefficients and constants with a value at each site of the lattice; such a
    constant is a function of the index. `arrays` holds what constants and coefficients of several
    components stand for; `constants` then has a number for every component, by name (`d[0]`).
    """

    coordinates: dict[str, Coordinate] = field(default_factory=dict)
    constants: dict[str, sp.Expr | None] = field(default_factory=dict)
    symbols: dict[str, tuple[str, sp.Symbol]] = field(default_factory=dict)
    arrays: dict[str, Value] = field(default_factory=dict)
    coefficients: dict[str, Coefficient] = field(default_factory=dict)
    neural: dict[str, NeuralSlot] = field(default_factory=dict)
    let: Callable[[str, Span], LetValue | None] = lambda name, span: None
    constant: Callable[[str, Span], bool] = lambda name, span: False
    let_names: frozenset[str] = frozenset()
    lattice: Lattice | None = None
    varying: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)  # declared in statements that were refused
    incomplete: bool = False  # whether a used file was not read, so that any name may stand in it
    moving: frozenset[str] = frozenset()  # names that stand somewhere with a prime or doubled
    traits: Traits = field(default_factory=Traits)
    work: Work = field(default_factory=reading)

    @property
    def ranges(self) -> dict[sp.Symbol, tuple[sp.Expr | None, sp.Expr | None]]:
        """Between which numbers constants and coefficients lie."""
        single = {k: v for k, v in self.constants.items() if k not in self.varying}
        return {
            **{sp.Symbol(k): (v, v) for k, v in single.items() if v is not None},
            **{c.symbol: (c.lower, c.upper) for c in self.coefficients.values()},
        }

    def known(self) -> list[str]:
        """All names, for suggestions."""
        return [
            *self.coordinates,
            *self.constants,
            *self.symbols,
            *self.neural,
            *self.let_names,
            *([self.lattice.index] if self.lattice else []),
            *FUNCTION_NAMES,
            "t",
            "pi",
        ]


def _undecorated(span: Span) -> Span:
    """The span of the name in `q'_+`."""
    return Span(span.source, span.start, span.start + len(re.sub(r"'*(_[+-])?\Z", "", span.text)))


class NameReader:
    """Looks up the names of one statement in one context; `plain` and `doubled` remember where it
    first met a variable of each kind, `site` and `shifts` where it used the index of the lattice.

    Within a density (`summing`) the index stands for the generic site.
    """

    def __init__(
        self,
        scope: Scope,
        diagnostics: Diagnostics,
        context: Context,
        rough_calls: list[RoughCall] | None = None,
        subject: str = "",
    ) -> None:
        self.scope = scope
        self.diagnostics = diagnostics
        self.context = context
        self.rough_calls = rough_calls if rough_calls is not None else []
        self.subject = subject or context.value
        self.plain: Span | None = None
        self.doubled: Span | None = None
        self.site: Span | None = None
        self.shifts: list[tuple[int, Span]] = []
        self.summing = False

    def name(self, node: ast.Name) -> Value:
        scope, name = self.scope, node.name
        if name in scope.lost:
            return None
        if scope.lattice is not None and name == scope.lattice.index:
            return self._generic_site(node)
        if name in scope.varying or (name in scope.coordinates and scope.coordinates[name].index):
            return self._without_site(node)
        if name in scope.coordinates:
            return self._coordinate(node)
        if node.primes or node.side:
            return self._decorated_other(node)
        if name == "pi":
            return sp.pi
        if name in scope.constants:
            return self._constant(node)
        if name in scope.let_names:
            return self._let(node)
        if name == "inf":
            return self._error(
                Code.LAG210, "`inf` has a meaning in bounds only", node.span, label="not a number"
            )
        if name == "t":
            return None if self._needs_constant("time", node.span) else TIME
        if name in scope.symbols:
            kind, symbol = scope.symbols[name]
            if self._needs_constant(f"{kind} `{name}`", node.span):
                return None
            return scope.arrays.get(name, symbol)
        if name in scope.neural or name in FUNCTION_NAMES:
            return self._error(
                Code.LAG205,
                f"`{name}` is a function and needs its arguments",
                node.span,
                label=f"write `{name}({self._parameters(name)})`",
            )
        return self._undefined(node)

    def _parameters(self, name: str) -> str:
        """What stands in the brackets of a neural term, as it is declared and as K needs it."""
        slot = self.scope.neural.get(name)
        if slot is None:
            return "..."
        side = "_+" if self.context is Context.DOUBLED else ""
        text, start = slot.span.source.text, slot.span.end
        parameters = text[text.index("(", start) + 1 : text.index(")", start)].split(",")
        return ", ".join(parameter.strip() + side for parameter in parameters)

    def _needs_constant(self, what: str, span: Span) -> bool:
        """Whether only constants may stand here; if so, that `what` does is reported."""
        if self.context not in (Context.CONSTANT, Context.SITE):
            return False
        self._error(
            Code.LAG210,
            f"{what} cannot stand here: {self.subject} is made of numbers and constants",
            span,
        )
        return True

    def _generic_site(self, node: ast.Name) -> Value:
        """The index, as the number of the generic site."""
        lattice = self.scope.lattice
        assert lattice is not None
        if node.primes or node.side:
            return self._decorated_other(node)
        return lattice.symbol if self._needs_site(f"the index `{node.name}`", node.span) else None

    def _needs_site(self, what: str, span: Span) -> bool:
        """Whether there is a generic site here; if not, that `what` needs one is reported."""
        self.site = self.site or span
        if self.summing or self.context in (Context.SITE, Context.LET):
            return True
        self._error(
            Code.LAG219,
            f"{what} has no value here: the index stands for a site only inside a `sum`",
            span,
            label="outside every sum",
            help="sum over the lattice, `sum(i, ...)`, or name one site, as in `phi[0]`",
        )
        return False

    def _without_site(self, node: ast.Name) -> Value:
        lattice = self.scope.lattice
        assert lattice is not None
        written = node.name + "'" * node.primes + (f"_{node.side}" if node.side else "")
        return self._error(
            Code.LAG219,
            f"`{written}` has a value at each site of the lattice",
            node.span,
            label="at which site?",
            help=f"write `{written}[{lattice.index}]` inside a sum, or name one site, "
            f"`{written}[{lattice.first}]`",
        )

    def _coordinate(self, node: ast.Name) -> Value:
        if not self._may_stand(node):
            return None
        coordinate = self.scope.coordinates[node.name]
        symbols = coordinate.symbols(node.primes, node.side)
        return symbols[0] if coordinate.size is None else symbols

    def _constant(self, node: ast.Name) -> Value:
        if not self.scope.constant(node.name, node.span):
            return None
        value = self.scope.arrays.get(node.name, sp.Symbol(node.name))
        bits = 0
        for part in entries(value):
            number = self.scope.constants.get(part.name) if part.is_Symbol else part
            if number is not None and number.is_Rational:
                bits += int(abs(number.p)).bit_length() + int(number.q).bit_length()
        self.scope.work.spend(bits // 16, node.span)  # products of long numbers take long
        return value

    def _may_stand(self, node: ast.Name) -> bool:
        """Whether a coordinate, decorated as it is, has a meaning here; reports if not."""
        errors = len(self.diagnostics.errors)
        self._judge(node)
        return len(self.diagnostics.errors) == errors

    def _judge(self, node: ast.Name) -> Value:
        if node.primes > 1:
            return self._error(
                Code.LAG213,
                f"`{node.name}{chr(39) * node.primes}` is an acceleration or higher; L and K are "
                "functions of coordinates and velocities",
                node.span,
                label=f"at most `{node.name}'`",
            )
        if self._needs_constant(f"coordinate `{node.name}`", node.span):
            return None
        base = node.name + "'" * node.primes
        if node.side:
            self.doubled = self.doubled or node.span
            if self.context is Context.PLAIN:
                return self._error(
                    Code.LAG207,
                    f"`{base}_{node.side}` is a doubled variable; it can stand in K only",
                    node.span,
                    label=f"here write `{base}`",
                )
        else:
            self.plain = self.plain or node.span
            if self.context is Context.DOUBLED:
                return self._error(
                    Code.LAG208,
                    f"`{base}` stands in K without `_+` or `_-`",
                    node.span,
                    label=f"write `{base}_+` or `{base}_-`",
                    help=f"`{base}_+` is the physical value, `{base}_-` the difference of the two "
                    "histories; a force is easier to write as `force ... = ...`",
                )
        return None

    def _decorated_other(self, node: ast.Name) -> Value:
        base = node.name
        if base in self.scope.known():
            missing = "velocity" if node.primes else "doubled form"
            help = ""
            if len(shape(self.scope.arrays.get(base))) == 2 and not node.side:
                help = f"a matrix with rows and columns exchanged is `transpose({base})`"
            elif self.scope.symbols.get(base, ("",))[0] == "input" and node.primes:
                help = f"a rate given with the run is an input of its own: `input {base}_rate`"
            return self._error(
                Code.LAG203,
                f"`{base}` is not a coordinate, so it has no {missing}",
                node.span,
                help=help,
            )
        return self._undefined(node)

    def _undefined(self, node: ast.Name) -> Value:
        name = node.name
        if self.scope.incomplete or decorated(name, self.scope.lost)[0]:
            return None
        # It is not called, so that no function was meant.
        known: list[str] = []
        if len(self.diagnostics.items) < _MOST_HINTS:
            known = [k for k in self.scope.known() if k not in FUNCTION_NAMES]
        decoration = "'" * node.primes + (f"_{node.side}" if node.side else "")
        histories = ("_1", "_2") if self.context in (Context.DOUBLED, Context.LET) else ()
        if self.context is Context.DOUBLED:
            histories = (*histories, "1", "2")
        advice = on_name(name, self.scope.coordinates, known, decoration, histories)
        declare = f"declare it with `constant {name} = ...` or `coefficient {name} = ...`"
        if name in self.scope.moving:
            declare = f"declare it with `coordinate {name}`"
        elif name in ("L", "K", "R"):
            declare = f"`{name}` is what the model defines; it cannot be used in an expression"
        return self._error(
            Code.LAG203,
            f"`{name}` is not defined",
            _undecorated(node.span),
            label=advice.label,
            help=advice.help or ("" if advice.label.startswith("write") else declare),
        )

    def _let(self, node: ast.Name) -> Value:
        let = self.scope.let(node.name, node.span)
        if let is None:
            return None
        self.plain = self.plain or (node.span if let.plain else None)
        self.doubled = self.doubled or (node.span if let.doubled else None)
        if self._needs_constant(f"`let {node.name}`", node.span):
            return None
        if let.site:
            self.shifts += [(shift, node.span) for shift in let.shifts]
            if not self._needs_site(f"`{let.site.text}` in `{node.name}`", node.span):
                return None
        if self.context is Context.PLAIN and let.doubled:
            return self._error(
                Code.LAG207,
                f"`{node.name}` holds the doubled variable `{let.doubled.text}` and can stand in "
                "K only",
                node.span,
            )
        if self.context is Context.DOUBLED and let.plain:
            return self._error(
                Code.LAG208,
                f"`{node.name}` holds `{let.plain.text}`, which is not doubled, and cannot stand "
                "in K",
                node.span,
                help=f"define a `let` with `{let.plain.text}_+` for use in K",
            )
        return let.value

    def _error(
        self, code: Code, message: str, span: Span, *, label: str = "", help: str = ""
    ) -> Value:
        """Reports, and gives the value that stands for what could not be read."""
        self.diagnostics.add(code, message, span, label=label, help=help)
        return None
