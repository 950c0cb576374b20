"""From the derivation of one statement to its node in `lagc.syntax.ast`.

Works from the leaves up without recursion, so a deep tree is refused (LAG108) and not a crash.
Every expression on its way up carries the range it was read from, its own parentheses included,
while the node inside keeps its span without them.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Any, NamedTuple

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.base.spans import Source, Span
from lagc.syntax import ast
from lagc.syntax.clauses import Clause, gather, only_unit
from lagc.syntax.lines import DEEPEST
from lagc.syntax.units import read_unit, split_unit

MOST_DIGITS = 400
LONGEST_NAME = 128
LARGEST_EXPONENT = 400

_LITERAL = re.compile(r"([0-9.]+)(?:[eE][+-]?0*([0-9]*))?")


class _Part(NamedTuple):
    """An expression or a condition, the range of text it takes and its depth in half levels.

    A sum or a product counts half a level, everything else that nests a whole one, so that no
    branch of the tree is longer than `2*DEEPEST` nodes. (Parentheses were counted with the lines.)
    """

    node: Any  # an ast.Expression, or an ast.Condition
    start: int
    end: int
    depth: int


class _Argument(NamedTuple):
    """An argument of a call and its depth in half levels."""

    node: ast.Argument
    depth: int


class Builder:
    """Builds the node of the statement that fills `start` to `end` of a source.

    Methods are named after the rules of the grammar and given their parts. Raises the `LagcError`
    of a number or a nesting beyond the limits, or of a clause given twice.
    """

    def __init__(self, source: Source, start: int, end: int) -> None:
        self._source = source
        self._base = start
        self._whole = Span(source, start, end)
        self._openings: dict[int, int] = {}  # where the bracket of an Index stands, by its id

    # --- statements ---------------------------------------------------------------------------

    def model(self, c: list[Any]) -> ast.Statement:
        return ast.ModelName(self._identifier(c[1]), span=self._whole)

    def coordinate(self, c: list[Any]) -> ast.Statement:
        given, unit = gather(c)
        return ast.Coordinate(
            self._identifier(c[1]), given.get("size"), given.get("modulus"), unit, span=self._whole
        )

    def constant(self, c: list[Any]) -> ast.Statement:
        value, behind = self._valued(c[-1])
        given, unit = gather(c, behind)
        return ast.Constant(
            self._identifier(c[1]), value, given.get("size"), unit, span=self._whole
        )

    def coefficient(self, c: list[Any]) -> ast.Statement:
        given, unit = gather(c)
        return ast.Coefficient(
            self._identifier(c[1]),
            given.get("bounds", ()),
            given.get("default"),
            given.get("prior"),
            given.get("size"),
            unit,
            span=self._whole,
        )

    def input(self, c: list[Any]) -> ast.Statement:
        return ast.Input(self._identifier(c[1]), only_unit(c), span=self._whole)

    def neural(self, c: list[Any]) -> ast.Statement:
        network, unit = self._valued(c[6])
        return ast.Neural(self._identifier(c[1]), c[3], network, unit, span=self._whole)

    def index(self, c: list[Any]) -> ast.Statement:
        return ast.LatticeIndex(
            self._identifier(c[1]),
            self._expression(c[3]),
            self._expression(c[5]),
            str(c[6]) if len(c) > 6 else "",
            span=self._whole,
        )

    def use(self, c: list[Any]) -> ast.Statement:
        return ast.Use(str(c[1])[1:-1], self._token_span(c[1]), span=self._whole)

    def let(self, c: list[Any]) -> ast.Statement:
        name, value = self._identifier(c[1]), self._expression(c[-1])
        return ast.Let(name, value, only_unit(c), span=self._whole)

    def contribution(self, c: list[Any]) -> ast.Statement:
        target, operator = c[0], c[1]
        return ast.Contribution(
            str(target),
            str(operator),
            self._expression(c[2]),
            self._token_span(target),
            span=self._whole,
        )

    def force(self, c: list[Any]) -> ast.Statement:
        return ast.Force(c[1].node, self._expression(c[3]), span=self._whole)

    def observable(self, c: list[Any]) -> ast.Statement:
        name, value = self._identifier(c[1]), self._expression(c[-1])
        return ast.Observable(name, value, only_unit(c), span=self._whole)

    def initial(self, c: list[Any]) -> ast.Statement:
        return ast.Initial(c[1], span=self._whole)

    def run(self, c: list[Any]) -> ast.Statement:
        given, _ = gather(c, several=True)
        units = {clause.name: clause.unit for clause in c[1:]}
        order = units.get("order")
        if order is not None:
            raise fail(Code.LAG240, "the order is a whole number without a unit", order.span)
        return ast.Run(
            given.get("until"),
            given.get("step"),
            given.get("order"),
            units.get("until"),
            units.get("step"),
            span=self._whole,
        )

    def constraint(self, c: list[Any]) -> ast.Statement:
        return ast.Constraint(self._expression(c[1]), self._expression(c[3]), span=self._whole)

    # --- parts of statements ------------------------------------------------------------------

    def bracket(self, c: list[Any]) -> Clause:
        content, span = self._expression(c[1]), self._span(c[0].start_pos, c[2].end_pos)
        unit = read_unit(content, span)
        return Clause("size" if unit is None else "unit", content, span, unit)

    def modulus(self, c: list[Any]) -> Clause:
        return self._clause("modulus", c[0], c[1])

    def default(self, c: list[Any]) -> Clause:
        return self._clause("default", c[0], c[1])

    def prior(self, c: list[Any]) -> Clause:
        return self._clause("prior", c[0], c[1])

    def clause(self, c: list[Any]) -> Clause:
        return self._clause(str(c[0]), c[0], c[1])

    def interval(self, c: list[Any]) -> Clause:
        opening, low, high, closing = c[1], self._part(c[2]), self._part(c[4]), c[5]
        lower = ast.Bound(
            True, opening == "(", low.node, span=self._span(opening.start_pos, low.end)
        )
        upper = ast.Bound(
            False, closing == ")", high.node, span=self._span(high.start, closing.end_pos)
        )
        unit = only_unit(c)
        return Clause("bounds", (lower, upper), self._token_span(opening), unit)

    def bounds(self, c: list[Any]) -> Clause:
        return Clause("bounds", tuple(part.value for part in c), c[0].span, only_unit(c))

    def comparison(self, c: list[Any]) -> Clause:
        sign, end = c[0], self._part(c[1]).end
        value, unit = self._valued(c[1])
        span = self._span(sign.start_pos, end)
        bound = ast.Bound(sign[0] == ">", len(sign) == 1, value, span=span)
        return Clause("bound", bound, span, unit)

    def parameters(self, c: list[Any]) -> tuple[ast.Name, ...]:
        return tuple(c[::2])

    def variable(self, c: list[Any]) -> ast.Name:
        return self._name(c[0])

    def assignments(self, c: list[Any]) -> tuple[ast.Assignment, ...]:
        return tuple(c[::2])

    def assignment(self, c: list[Any]) -> ast.Assignment:
        target, end = c[0], self._part(c[2]).end
        value, unit = self._valued(c[2])
        return ast.Assignment(target.node, value, unit, span=self._span(target.start, end))

    def target(self, c: list[Any]) -> _Part:
        return self._part(c[0]) if len(c) == 1 else self.item(c)

    def expression(self, c: list[Any]) -> ast.Expression:
        return self._expression(c[0])

    # --- expressions --------------------------------------------------------------------------

    def sum(self, c: list[Any]) -> _Part:
        return self._chain(ast.Sum, c)

    def product(self, c: list[Any]) -> _Part:
        return self._chain(ast.Product, c)

    def negate(self, c: list[Any]) -> _Part:
        operand = self._part(c[1])
        span = self._span(c[0].start_pos, operand.end)
        return self._nest(ast.Negate(operand.node, span=span), c[0].start_pos, operand)

    def power(self, c: list[Any]) -> _Part:
        base, exponent = self._part(c[0]), self._part(c[2])
        node = ast.Power(base.node, exponent.node, span=self._span(base.start, exponent.end))
        return self._nest(node, base.start, base, exponent)

    def call(self, c: list[Any]) -> _Part:
        return self._call(c, None, c[2:-1:2])

    def choice(self, c: list[Any]) -> _Part:
        return self._call(c, c[2], c[4:-1:2])

    def either(self, c: list[Any]) -> _Part:
        return self._junction("or", c)

    def both(self, c: list[Any]) -> _Part:
        return self._junction("and", c)

    def compared(self, c: list[Any]) -> _Part:
        left, right = self._part(c[0]), self._part(c[2])
        span = self._span(left.start, right.end)
        node = ast.Comparison(left.node, str(c[1]), right.node, span=span)
        return self._nest(node, left.start, left, right)

    def item(self, c: list[Any]) -> _Part:
        base, index, end = self._part(c[0]), self._part(c[2]), c[3].end_pos
        node = ast.Index(base.node, index.node, span=self._span(base.start, end))
        self._openings[id(node)] = self._base + c[1].start_pos
        return self._checked(_Part(node, base.start, end, 2 + max(base.depth, index.depth)))

    def group(self, c: list[Any]) -> _Part:
        inner = self._part(c[1])
        return _Part(inner.node, c[0].start_pos, c[2].end_pos, inner.depth)

    def vector(self, c: list[Any]) -> _Part:
        items = [self._part(item) for item in c[1:-1:2]]
        start, end = c[0].start_pos, c[-1].end_pos
        node = ast.Tuple(tuple(item.node for item in items), span=self._span(start, end))
        return self._checked(_Part(node, start, end, 2 + max(item.depth for item in items)))

    def keyword(self, c: list[Any]) -> _Argument:
        value = self._part(c[2])
        span = self._span(c[0].start_pos, value.end)
        return _Argument(ast.Argument(value.node, keyword=self._word(c[0]), span=span), value.depth)

    def weighted(self, c: list[Any]) -> _Argument:
        weight, value = self._part(c[0]), self._part(c[2])
        node = ast.Argument(
            value.node, weight=weight.node, span=self._span(weight.start, value.end)
        )
        return _Argument(node, max(weight.depth, value.depth))

    def ranged(self, c: list[Any]) -> _Argument:
        low, high = self._part(c[2]), self._part(c[4])
        span = self._span(c[0].start_pos, high.end)
        node = ast.Argument(self._name(c[0]), within=(low.node, high.node), span=span)
        return _Argument(node, max(low.depth, high.depth))

    # --- helpers ------------------------------------------------------------------------------

    def _span(self, start: int, end: int) -> Span:
        return Span(self._source, self._base + start, self._base + end)

    def _token_span(self, token: Any) -> Span:
        return self._span(token.start_pos, token.end_pos)

    def _identifier(self, token: Any) -> ast.Identifier:
        return ast.Identifier(self._word(token), span=self._token_span(token))

    def _name(self, token: Any) -> ast.Name:
        if token.type == "NAME":
            return ast.Name(self._word(token), span=self._token_span(token))
        side = token[-1] if token[-1] in "+-" else ""
        stem = token[:-2] if side else str(token)
        plain = stem.rstrip("'")
        word = self._word(token, plain)
        return ast.Name(word, len(stem) - len(plain), side, span=self._token_span(token))

    def _word(self, token: Any, bare: str | None = None) -> str:
        """The name in a token, `bare` without its decorations; LAG108 for one of no use."""
        name = str(token) if bare is None else bare
        if len(name) > LONGEST_NAME:
            raise fail(
                Code.LAG108,
                f"this name has {len(name)} characters; a name has at most {LONGEST_NAME}",
                self._token_span(token),
            )
        return _spelled(name)

    def _number(self, token: Any) -> ast.Number:
        found = _LITERAL.fullmatch(token)
        assert found is not None
        if len(found[1].replace(".", "")) > MOST_DIGITS:
            raise fail(
                Code.LAG106,
                f"the number has more than {MOST_DIGITS} digits",
                self._token_span(token),
                help=f"numbers are kept exactly, with at most {MOST_DIGITS} digits",
            )
        exponent = found[2] or "0"
        if len(exponent) > 9 or int(exponent) > LARGEST_EXPONENT:
            raise fail(
                Code.LAG106,
                f"the exponent of the number is beyond {LARGEST_EXPONENT}",
                self._token_span(token),
                help="choose units in which the numbers of the model are moderate",
            )
        return ast.Number(str(token), Fraction(str(token)), span=self._token_span(token))

    def _part(self, child: Any) -> _Part:
        if isinstance(child, _Part):
            return child
        leaf = self._number(child) if child.type == "NUMBER" else self._name(child)
        return _Part(leaf, child.start_pos, child.end_pos, 0)

    def _expression(self, child: Any) -> ast.Expression:
        return self._part(child).node

    def _argument(self, child: Any) -> _Argument:
        if isinstance(child, _Argument):
            return child
        part = self._part(child)
        return _Argument(ast.Argument(part.node, span=self._span(part.start, part.end)), part.depth)

    def _clause(self, name: str, token: Any, child: Any) -> Clause:
        value, unit = self._valued(child)
        return Clause(name, value, self._token_span(token), unit)

    def _valued(self, child: Any) -> tuple[ast.Expression, ast.Unit | None]:
        """A value and the unit in brackets behind it."""
        part = self._part(child)
        return split_unit(part.node, self._base + part.end, self._openings, self._source)

    def _chain(self, kind: type[ast.Sum] | type[ast.Product], c: list[Any]) -> _Part:
        parts = [self._part(child) for child in c[::2]]
        start, end = parts[0].start, parts[-1].end
        rest = tuple((str(sign), part.node) for sign, part in zip(c[1::2], parts[1:], strict=True))
        node = kind(parts[0].node, rest, span=self._span(start, end))
        return self._checked(_Part(node, start, end, 1 + max(part.depth for part in parts)))

    def _call(self, c: list[Any], condition: _Part | None, rest: list[Any]) -> _Part:
        arguments = [self._argument(argument) for argument in rest]
        start, end = c[0].start_pos, c[-1].end_pos
        node = ast.Call(
            self._word(c[0]),
            tuple(argument.node for argument in arguments),
            self._token_span(c[0]),
            condition.node if condition else None,
            span=self._span(start, end),
        )
        inner = [argument.depth for argument in arguments] + [condition.depth if condition else 0]
        return self._checked(_Part(node, start, end, 2 + max(inner)))

    def _junction(self, word: str, c: list[Any]) -> _Part:
        parts = c[::2]
        start, end = parts[0].start, parts[-1].end
        node = ast.Junction(word, tuple(p.node for p in parts), span=self._span(start, end))
        return self._checked(_Part(node, start, end, 1 + max(p.depth for p in parts)))

    def _nest(self, node: ast.Expression | ast.Condition, start: int, *parts: _Part) -> _Part:
        depth = 2 + max(part.depth for part in parts)
        return self._checked(_Part(node, start, parts[-1].end, depth))

    def _checked(self, part: _Part) -> _Part:
        if part.depth > 2 * DEEPEST:
            raise too_deep(self._span(part.start, part.end))
        return part


def too_deep(span: Span) -> LagcError:
    """The error of an expression that is nested beyond the limit."""
    return fail(
        Code.LAG108,
        "the expression is nested too deep",
        span,
        help=f"at most {DEEPEST} brackets, signs and powers can stand inside each other; give the "
        "inner parts names of their own: `let a = ...`",
    )


def _spelled(name: str) -> str:
    """One spelling for names that look the same: letter and accent, or the accented letter."""
    return unicodedata.normalize("NFC", name)
