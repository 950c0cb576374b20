"""The unit of an expression, and that what is added, compared or given to a function has the right
one.

A number written out is a pure number, and zero fits any unit. What this reader does not know has an
unknown unit, so that no correct model is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.base.spans import Span
from lagc.semantics.dimensions import NUMBER, UnitOf, Unknowns, ratio_text
from lagc.semantics.functions import LATTICE_FUNCTIONS
from lagc.semantics.pure_numbers import notes_on_numbers
from lagc.semantics.tensor_units import (
    Shapes,
    Units,
    each,
    entry,
    every,
    pairs,
    product,
    scalar,
    transposed,
)
from lagc.syntax import ast

# Functions whose value has the unit that their arguments share, and those of pure numbers.
_SAME_AS_ARGUMENT = ("abs", "min", "max", "if", "smooth_abs", "smooth_min", "smooth_max")
_OF_SHARED_UNIT = ("atan2", "sign", "smooth_sign")
_OF_NUMBERS = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "exp", "log"),
    *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
)
_LITERAL = re.compile(r"\d[\d.]*(?:[eE][+-]?\d+)?(?:/\d+)?")
_LARGEST_EXPONENT = 10**9  # or its denominator
_LARGEST_POWER = 12  # in an expression for an exponent


class UnitReader:
    """Reads expressions; `lookup` gives the unit of a name, `numbers` the value of a rational one.

    `neural` holds the units of the arguments and of the output of each neural term, `inferred`
    the unknowns of names that were declared without a unit.
    """

    def __init__(
        self,
        lookup: Callable[[ast.Name], Units],
        numbers: Callable[[str], Fraction | None],
        unknowns: Unknowns,
        diagnostics: Diagnostics,
        shapes: Shapes | None = None,
    ) -> None:
        self._shapes = shapes
        self._lookup = lookup
        self._numbers = numbers
        self._unknowns = unknowns
        self._diagnostics = diagnostics
        self.neural: dict[str, tuple[tuple[UnitOf, ...], UnitOf]] = {}
        self.inferred: dict[str, UnitOf] = {}

    def read(self, node: ast.Expression) -> Units:
        """The unit of an expression."""
        match node:
            case ast.Number(value=written):
                return NUMBER if written else self._unknowns.new()
            case ast.Name():
                return self._lookup(node)
            case ast.Negate(operand):
                return self.read(operand)
            case ast.Sum(first, rest):
                return self.terms([first, *(term for _, term in rest)])
            case ast.Product(first, rest):
                value = self.read(first)
                for k, (sign, factor) in enumerate(rest):
                    other = self.read(factor)
                    if isinstance(value, tuple) or isinstance(other, tuple):
                        before = ast.Product(first, rest[:k], span=node.span)
                        value = self._product(value, sign, other, before, factor)
                        continue
                    value = value * other if sign == "*" else value / other
                return value
            case ast.Power():
                return self._power(node)
            case ast.Index():
                return self._index(node)
            case ast.Tuple(items):
                return self._entries(items)
            case ast.Call():
                return self._call(node)
            case _:
                return self._unknowns.new()

    def terms(
        self, nodes: Sequence[ast.Expression], whole: UnitOf | None = None, note: Note | None = None
    ) -> Units:
        """The unit that the terms of a sum share; of them all and of `whole`, if that is given.

        Reports the first term that does not fit; `note` says where `whole` comes from.
        """
        values = [self.read(node) for node in nodes]
        if whole is not None:
            for node, value in zip(nodes, values, strict=True):
                if not self.equate(value, whole, node.span):
                    notes = [note] if note is not None else self._other(nodes, values, node)
                    self.refuse(value, whole, node, notes)
            return whole
        for k, (node, value) in enumerate(zip(nodes, values, strict=True)):
            if self.equate(values[0], value, node.span):
                continue
            against = [values[0], value]
            votes = [sum(self._agree(v, a) for v in values) for a in against]
            wrong, right = (0, k) if votes[1] > votes[0] else (k, 0)
            other = Note(self._described(values[right]), nodes[right].span)
            self.refuse(values[wrong], values[right], nodes[wrong], [other])
            return values[right]
        return values[0]

    def equate(self, a: Units, b: Units, place: Span) -> bool:
        """Make units the same, entry by entry; False if some differ."""
        fitting = [self._unknowns.equate(x, y, place) for x, y in pairs(a, b)]
        return all(fitting)

    def refuse(self, found: Units, wanted: Units, node: ast.Expression, notes: list[Note]) -> None:
        """Report that an operand has another unit than those beside it (LAG242, LAG245)."""
        x, y = self.differing(found, wanted)
        self.report(
            Code.LAG242,
            x,
            y,
            node.span,
            [*notes, *self._followed(node), *notes_on_numbers(node)],
        )

    def differing(self, found: Units, wanted: Units) -> tuple[UnitOf, UnitOf]:
        """The units of the first entries that do not agree."""
        both = list(pairs(found, wanted))
        return next(((x, y) for x, y in both if not self._unknowns.agree(x, y)), both[0])

    def report(
        self, code: Code, found: UnitOf, wanted: UnitOf, span: Span, notes: list[Note]
    ) -> None:
        """`code` for units that differ, or LAG245 if they measure the same."""
        found, wanted = self._unknowns.resolved(found), self._unknowns.resolved(wanted)
        ratio = ratio_text(found, wanted)
        label = self._described(found)
        if ratio:
            message = f"{_shown(found)} and {_shown(wanted)} measure the same in different sizes"
            help = f"nothing is converted: one is {ratio} of the other; choose one of them"
            if wanted.is_number and not found.unknowns:
                message = f"{_shown(found)} is the number {ratio} and not 1"
                help = "nothing is converted: put the factor in; angles are in radians (`rad`)"
            self._diagnostics.add(Code.LAG245, message, span, label=label, help=help, notes=notes)
            return
        message = f"{_shown(found)} does not agree with {_shown(wanted)}"
        help = ""
        if found.is_number and not wanted.unknowns and _LITERAL.fullmatch(span.text):
            declared = f"constant a = {span.text} [{wanted.measured()}]"
            help = f"a number with a unit is declared, such as `{declared}`"
        self._diagnostics.add(code, message, span, label=label, help=help, notes=notes)

    # --- operations ---------------------------------------------------------------------------

    def _product(
        self,
        a: Units,
        sign: str,
        b: Units,
        first: ast.Expression,
        factor: ast.Expression,
    ) -> Units:
        """The product of values of which one at least was written out, entry by entry."""
        rows, columns = (self._shape(first), self._shape(factor))
        if not rows or not columns:
            return each(UnitOf.__mul__ if sign == "*" else UnitOf.__truediv__, a, b)
        sums = [self._same(tuple(terms), factor) for terms in product(a, b, rows, columns)]
        if len(columns) == 1:
            return tuple(sums)
        return tuple(tuple(sums[i : i + columns[1]]) for i in range(0, len(sums), columns[1]))

    def _entries(self, items: tuple[ast.Expression, ...]) -> Units:
        """The units of a vector entry by entry, of a matrix row by row."""
        found = [self.read(item) for item in items]
        shape = self._shape(items[0])
        if not shape:
            return tuple(scalar(unit) for unit in found)
        return tuple(tuple(entry(row, j) for j in range(shape[0])) for row in found)

    def _shape(self, node: ast.Expression) -> tuple[int, ...]:
        return () if self._shapes is None else self._shapes.of(node)

    def _power(self, node: ast.Power) -> Units:
        base = self.read(node.base)
        exponent = self.number(node.exponent)
        if exponent is not None:
            self._needs_number(node.exponent, "an exponent")
            return each(lambda x: x**exponent, base)
        self._needs_number(node.exponent, "an exponent")
        what = "what is raised to an exponent that is not a rational number"
        self._must_be_number(base, node.base, what)
        return NUMBER

    def _index(self, node: ast.Index) -> Units:
        base = self.read(node.base)
        if not isinstance(base, tuple):
            return base
        place = self.number(node.index)
        known = place is not None and place.denominator == 1 and 0 <= place < len(base)
        return base[int(place)] if known and place is not None else self._unknowns.new()

    def _call(self, node: ast.Call) -> Units:
        name, nodes = node.name, [argument.value for argument in node.arguments]
        if name in self.neural:
            return self._neural(node, nodes)
        if name in LATTICE_FUNCTIONS:
            return self.read(nodes[-1])
        if node.condition is not None:
            self._condition(node.condition)
        if name in _SAME_AS_ARGUMENT:
            return self.terms(nodes)
        if name in _OF_SHARED_UNIT:
            self.terms(nodes)
            return NUMBER
        if name in _OF_NUMBERS:
            for argument in nodes:
                self._needs_number(argument, f"the argument of `{name}`")
            return NUMBER
        values = [self.read(argument) for argument in nodes]
        if name == "sqrt":
            return each(lambda x: x ** Fraction(1, 2), values[0])
        if name == "norm":
            return self._same(values[0], nodes[0])
        if name == "dot":
            return self._same(each(UnitOf.__mul__, *values), nodes[1])
        if name == "cross":
            return self._cross(values[0], values[1], nodes[1])
        if name == "transpose":
            return transposed(values[0], self._shape(nodes[0]))
        return self._unknowns.new()

    def _condition(self, node: ast.Condition) -> None:
        """Both sides of a comparison have one unit."""
        if isinstance(node, ast.Comparison):
            self.terms([node.left, node.right])
            return
        for part in node.parts:
            self._condition(part)

    def _cross(self, a: Units, b: Units, node: ast.Expression) -> Units:
        if not isinstance(a, tuple) and not isinstance(b, tuple):
            return a * b
        turns = ((1, 2), (2, 0), (0, 1))
        return tuple(
            self._same((entry(a, i) * entry(b, j), entry(a, j) * entry(b, i)), node)
            for i, j in turns
        )

    def _same(self, value: Units, node: ast.Expression) -> UnitOf:
        """The unit of a sum of entries."""
        if not isinstance(value, tuple):
            return value
        first, *others = every(value)
        for other in others:
            if not self.equate(first, other, node.span):
                self.refuse(other, first, node, [])
                break
        return first

    def _neural(self, node: ast.Call, nodes: list[ast.Expression]) -> Units:
        arguments, output = self.neural[node.name]
        for argument, unit in zip(nodes, arguments, strict=True):
            value = self.read(argument)
            # A network takes numbers; entries of a vector may have units of their own.
            if not isinstance(value, tuple) and not self.equate(value, unit, argument.span):
                place = self._unknowns.place_of(unit)
                first = [Note("it was called like this first", place)] if place else []
                self.refuse(value, unit, argument, first)
        return output

    # --- pure numbers -------------------------------------------------------------------------

    def _needs_number(self, node: ast.Expression, what: str) -> None:
        self._must_be_number(self.read(node), node, what)

    def _must_be_number(self, value: Units, node: ast.Expression, what: str) -> None:
        if self.equate(value, NUMBER, node.span):
            return
        found = self._unknowns.resolved(scalar(value))
        notes = self._followed(node)
        if not found.dimension and not found.unknowns:
            self.report(Code.LAG243, found, NUMBER, node.span, notes)
            return
        self._diagnostics.add(
            Code.LAG243,
            f"{what} must be a pure number, not {_shown(found)}",
            node.span,
            label=self._described(found),
            notes=notes,
        )

    def number(self, node: ast.Expression) -> Fraction | None:
        """The value of an expression of rational numbers that can be an exponent; else None."""
        value = self._value(node)
        if value is None:
            return None
        if abs(value) > _LARGEST_EXPONENT or value.denominator > _LARGEST_EXPONENT:
            return None
        return value

    def _value(self, node: ast.Expression) -> Fraction | None:
        match node:
            case ast.Number(value=written):
                return written
            case ast.Name(name, 0, ""):
                return self._numbers(name)
            case ast.Negate(operand):
                value = self.number(operand)
                return None if value is None else -value
            case ast.Sum(first, rest) | ast.Product(first, rest):
                total = self.number(first)
                for sign, item in rest:
                    value = self.number(item)
                    if total is None or value is None or (sign == "/" and not value):
                        return None
                    total = _OPERATIONS[sign](total, value)
                return total
            case ast.Power(base, exponent):
                x, n = self.number(base), self.number(exponent)
                small = n is not None and n.denominator == 1 and abs(n) <= _LARGEST_POWER
                return x ** int(n) if x and n is not None and small else None
            case _:
                return None

    # --- words --------------------------------------------------------------------------------

    def _agree(self, a: Units, b: Units) -> bool:
        return all(self._unknowns.agree(x, y) for x, y in pairs(a, b))

    def _described(self, value: Units) -> str:
        unit = self._unknowns.resolved(scalar(value))
        return f"this is {'' if unit.is_number and not unit.unknowns else 'in '}{_shown(unit)}"

    def _other(
        self, nodes: Sequence[ast.Expression], values: Sequence[Units], wrong: ast.Expression
    ) -> list[Note]:
        return [
            Note(self._described(value), node.span)
            for node, value in zip(nodes, values, strict=True)
            if node is not wrong
        ][:1]

    def _followed(self, node: ast.Expression) -> list[Note]:
        """Where the units come from of names in an expression that were declared without."""
        notes = []
        for name in dict.fromkeys(_names(node)):
            unknown = self.inferred.get(name)
            place = self._unknowns.place_of(unknown) if unknown is not None else None
            if unknown is not None and place is not None:
                unit = _shown(self._unknowns.resolved(unknown))
                notes.append(
                    Note(f"`{name}` has no declared unit; {unit} follows from this", place)
                )
        return notes[:2]


_OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def _shown(unit: UnitOf) -> str:
    """A unit as a message names it."""
    if unit.unknowns:
        return "an unknown unit" if unit.is_number else f"`{unit}` times an unknown unit"
    return "a pure number" if unit.is_number else f"`{unit.measured()}`"


def _names(node: object) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.name
    elif isinstance(node, tuple):
        for item in node:
            yield from _names(item)
    elif isinstance(node, ast.Node):
        for part in vars(node).values():
            yield from _names(part)
