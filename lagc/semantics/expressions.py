"""Expressions of the syntax tree made into SymPy, every shape and every number checked.

Nothing is parsed by SymPy: each node becomes one operation on values that are known to be real.
"""

from __future__ import annotations

import sympy as sp

from lagc.base.codes import Code
from lagc.semantics import tensors
from lagc.semantics.calls import MAX_BITS, MAX_EXPONENT, CallReader, bits
from lagc.semantics.divisors import warn_of_zero
from lagc.semantics.foreign import (
    NO_INVERSE,
    declare_vector,
    dot_of,
    instead,
    misplaced_unit,
    momentum_of,
    on_index,
    on_quotient,
)
from lagc.semantics.functions import LATTICE_FUNCTIONS
from lagc.semantics.lattices import with_numbers
from lagc.semantics.names import Context
from lagc.semantics.notation import number_text
from lagc.semantics.tensors import ShapeError, Value, described, each, entries, shape
from lagc.syntax import ast

_COSTS = {ast.Call: 80, ast.Power: 4}  # units of work, measured
# A product of scalars in matrix times vector, and times matrix: with what is made of it later.
_PRODUCT_COSTS = {1: 100, 2: 20}


class ExpressionReader(CallReader):
    """Reads the expressions of one statement in one context."""

    # --- entry points -------------------------------------------------------------------------

    def scalar(self, node: ast.Expression, what: str) -> sp.Expr | None:
        """A scalar expression; a vector or matrix is an error that names `what`."""
        value = self.read(node)
        if isinstance(value, tuple):
            self._error(
                Code.LAG206,
                f"{what} must be a number, and this is {described(value)}",
                node.span,
                help="take a component `[i]`, `dot(a, b)` or `norm(a)`"
                if len(shape(value)) == 1
                else "take an entry `M[0][1]`, or a number such as `dot(v, M*v)`",
            )
            return None
        return value

    def read(self, node: ast.Expression) -> Value:
        """Any expression."""
        self.scope.work.spend(_COSTS.get(type(node), 1), node.span)
        match node:
            case ast.Number():
                return sp.Rational(node.value.numerator, node.value.denominator)
            case ast.Name():
                return self.name(node)
            case ast.Call():
                value = self.call(node)
                return value if node.name in LATTICE_FUNCTIONS else self.as_one_term(value)
            case ast.Index():
                return self._index(node)
            case ast.Tuple():
                return self._tuple(node)
            case ast.Negate():
                value = self.read(node.operand)
                return None if value is None else each(lambda x: -x, value)
            case ast.Power():
                return self._power(node)
            case ast.Product():
                return self._product(node)
            case ast.Sum():
                return self._sum(node)

    # --- operations ---------------------------------------------------------------------------

    def _sum(self, node: ast.Sum) -> Value:
        values = [self.read(node.first)]
        for operator, item in node.rest:
            value = self.read(item)
            negated = operator == "-" and value is not None
            values.append(each(lambda x: -x, value) if negated else value)
        if any(v is None for v in values):
            return None
        first = values[0]
        for (_, item), value in zip(node.rest, values[1:], strict=True):
            if shape(value) != shape(first):
                return self._error(
                    Code.LAG206,
                    f"{described(first)} and {described(value)} cannot be added",
                    item.span,
                    label=f"this is {described(value)}",
                )
        if self._has_long_numbers(*values):
            return self._error(
                Code.LAG106,
                "the fractions of this sum have too large a common denominator",
                node.span,
            )
        return each(sp.Add, *values)

    def _product(self, node: ast.Product) -> Value:
        velocity = on_quotient(node.first, node.rest[0], self.scope.coordinates)
        if velocity and node.first.span.text not in self.scope.known():
            return self._error(
                Code.LAG104,
                "a velocity is written with a prime",
                node.first.span.to(node.rest[0][1].span),
                label=instead(velocity),
            )
        value = self.read(node.first)
        for operator, item in node.rest:
            factor = self.read(item)
            if value is None or factor is None:
                value = None
                continue
            # Each product is formed anew from all the factors before it.
            self.scope.work.spend(_length(value) // 2, item.span)
            if operator == "/":
                value = self._divide(value, factor, item)
            else:
                value = self._times(value, factor, item)
            if self._has_long_numbers(value):
                return self._error(Code.LAG106, "this number is too large", node.span)
        return value

    def _times(self, value: Value, factor: Value, item: ast.Expression) -> Value:
        cost = 1
        if isinstance(value, tuple) and isinstance(factor, tuple):
            cost = _PRODUCT_COSTS[len(shape(factor))]
            if self._has_long_fractions(value, factor):
                return self._error(
                    Code.LAG106, "the entries have too large a common denominator", item.span
                )
        self.scope.work.spend(cost * tensors.multiplications(value, factor), item.span)
        try:
            made = tensors.product(value, factor)
            if isinstance(value, tuple) and isinstance(factor, tuple):
                return self.as_one_term(made)
            return made
        except ShapeError as error:
            return self._error(
                Code.LAG206,
                str(error),
                item.span,
                label=f"this is {described(factor)}",
                help=error.help,
            )

    def _divide(self, value: Value, factor: Value, item: ast.Expression) -> Value:
        if isinstance(factor, tuple):
            kind = "vector" if len(shape(factor)) == 1 else "matrix"
            return self._error(Code.LAG206, f"division by a {kind} is not defined", item.span)
        if factor is None:
            return None
        if self._with_constants(factor) == 0:
            return self._error(Code.LAG210, "division by zero", item.span, label="this is zero")
        warn_of_zero(factor, item.span, self.scope, self.diagnostics)
        self.scope.work.spend(_length(value) // 2 + len(entries(value)) - 1, item.span)
        # The inverse of a number is found at once; SymPy's division asks much about it first.
        inverse = sp.Rational(factor.q, factor.p) if factor.is_Rational else 1 / factor
        return self._real(each(lambda x: x * inverse, value), item.span)

    def _power(self, node: ast.Power) -> Value:
        if isinstance(node.base, ast.Name) and self._is_euler(node.base):
            return self._error(
                Code.LAG203,
                f"`{node.base.name}` is not defined",
                node.span,
                label=instead(f"exp({node.exponent.span.text})"),
                help="the exponential function is `exp(x)`",
            )
        base = self.read(node.base)
        if len(shape(base)) == 2 and self._is_transpose(node.exponent):
            return self._error(
                Code.LAG104,
                "the rows of a matrix are made its columns by a function",
                node.span,
                label=instead(f"transpose({node.base.span.text})"),
            )
        exponent = self.read(node.exponent)
        if base is None or exponent is None:
            return None
        if isinstance(base, tuple) or isinstance(exponent, tuple):
            matrix = 2 in (len(shape(base)), len(shape(exponent)))
            squared = isinstance(node.exponent, ast.Number) and node.exponent.value == 2
            return self._error(
                Code.LAG206,
                f"a power of a {'matrix' if matrix else 'vector'} is not defined",
                node.span,
                label=instead(dot_of(node.base, node.base)) if squared and not matrix else "",
                help=("a square is written `M*M`" if squared else NO_INVERSE)
                if matrix
                else "the square of its length is `dot(a, a)`",
            )
        size = self._with_constants(exponent)
        if size.is_Rational and abs(size) > MAX_EXPONENT:
            return self._error(
                Code.LAG106,
                f"an exponent of size {MAX_EXPONENT} is the largest supported",
                node.exponent.span,
            )
        if base == 0 and exponent.is_number and not exponent.is_positive:
            what = "0^0 has no value" if exponent == 0 else "a power of zero that is not finite"
            return self._error(Code.LAG210, what, node.span)
        if exponent.is_Rational:
            number = self._with_constants(base).as_coeff_Mul()[0]
            if number.is_Rational and bits(number) * abs(exponent) > MAX_BITS:
                return self._error(Code.LAG106, "this number is too large", node.span)
        if exponent.could_extract_minus_sign() and exponent.is_number:
            warn_of_zero(base, node.span, self.scope, self.diagnostics)
        if self._out_of_reach(base, exponent):
            return self._error(Code.LAG106, "this number is too large or too small", node.span)
        value = self._power_of(base, exponent, node.span)
        if not exponent.is_number:  # what such powers have in common is looked for later
            nested = sum(not p.exp.is_number for p in value.atoms(sp.Pow))
            self.scope.work.spend(200 * nested**2, node.span)
        return self._real(value, node.span)

    def _is_transpose(self, node: ast.Expression) -> bool:
        """Whether an exponent is the `T` of a transposed matrix."""
        return isinstance(node, ast.Name) and node.name == "T" and "T" not in self.scope.known()

    def _is_euler(self, node: ast.Name) -> bool:
        """Whether a name that is not declared is that of Euler's number elsewhere."""
        free = node.name not in self.scope.known() and node.name not in self.scope.lost
        return node.name in ("e", "E") and free and not node.primes and not node.side

    def _tuple(self, node: ast.Tuple) -> Value:
        """A vector of scalars, or a matrix of rows that are vectors."""
        items = [self.read(item) for item in node.items]
        if any(i is None for i in items):
            return None
        for item, value in zip(node.items, items, strict=True):
            if len(shape(value)) == 2:
                return self._error(Code.LAG206, "an entry of a matrix is a number", item.span)
            if shape(value) != shape(items[0]):
                return self._error(
                    Code.LAG206,
                    f"{described(items[0])} and {described(value)} stand in one list",
                    item.span,
                    label=f"this is {described(value)}",
                    help="a vector `(a, b)` has numbers, a matrix `((a, b), (c, d))` rows of one "
                    "size",
                )
        return tuple(items)

    def _index(self, node: ast.Index) -> Value:
        if isinstance(node.base, ast.Name) and node.base.name in self.scope.lost:
            return None
        if isinstance(node.base, ast.Name) and self.lives_on_sites(node.base.name):
            return self.at_site(node, node.base)
        if meant := on_index(node, self.scope.known()):
            return self._error(
                Code.LAG104,
                "the time of a coordinate is not written"
                if meant == node.base.span.text
                else "the argument of a function stands in round brackets",
                node.span,
                label=instead(meant),
            )
        if momentum := momentum_of(node, self.scope.known(), self.scope.coordinates):
            return self._error(
                Code.LAG203,
                "a momentum cannot stand in an expression",
                node.span,
                label=f"the momentum of `{momentum[0]}`",
                help=f"write out what it is: the derivative of L with respect to `{momentum[1]}`",
            )
        base = self.read(node.base)
        lattice = self.scope.lattice
        if (
            isinstance(base, tuple)
            and lattice
            and node.index == ast.Name(lattice.index, span=node.span)
        ):
            return self._error(
                Code.LAG219,
                f"`{node.base.span.text}` is a vector, and has no value at each site",
                node.span,
                help=f"what varies along the lattice is a function of the index, `constant "
                f"m[{lattice.index}] = 1 + {lattice.index}`",
            )
        unit = misplaced_unit(node) if base is not None and not isinstance(base, tuple) else ""
        if unit:
            return self._error(Code.LAG240, "a unit cannot stand here", node.span, help=unit)
        if isinstance(node.base, ast.Number):
            return self._error(
                Code.LAG206,
                "a number has no components",
                node.span,
                help="a unit stands at the end of a clause, after a blank: `= 9.8 [m/s^2]`",
            )
        position = ExpressionReader(
            self.scope, self.diagnostics, Context.CONSTANT, subject="an index"
        ).scalar(node.index, "an index")
        if base is None or position is None:
            return None
        if not isinstance(base, tuple):
            return self._error(
                Code.LAG206,
                f"`{node.base.span.text}` is a scalar and has no components",
                node.base.span,
                help=declare_vector(node.base, self.scope.coordinates),
            )
        position = with_numbers(self.scope, position)
        if not position.is_Integer:
            return self._error(
                Code.LAG206,
                f"an index is a whole number, and this is {number_text(position)}",
                node.index.span,
            )
        if not 0 <= position < len(base):
            parts = "components" if len(shape(base)) == 1 else "rows"
            last = f"{node.base.span.text}[{len(base) - 1}]"
            return self._error(
                Code.LAG206,
                f"index {position} is out of range: `{node.base.span.text}` has {parts} 0 to "
                f"{len(base) - 1}",
                node.index.span,
                label=f"the last one is `{last}`" if position in (-1, len(base)) else "",
            )
        return base[int(position)]


def _length(value: Value) -> int:
    """How many terms or factors a value is made of."""
    return sum(len(x.args) for x in entries(value) if x is not None)
