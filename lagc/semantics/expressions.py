"""Expressions of the syntax tree made into SymPy, every shape and every number checked.

Nothing is parsed by SymPy: each node becomes one operation on values that are known to be real.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import did_you_mean
from lagc.base.spans import Span
from lagc.semantics.functions import (
    FUNCTION_NAMES,
    LATER_FUNCTIONS,
    LATTICE_FUNCTIONS,
    SCALAR_FUNCTIONS,
    VECTOR_FUNCTIONS,
    Smoothness,
    neural_value,
)
from lagc.semantics.lattices import SiteReader, with_numbers
from lagc.semantics.model import RoughCall
from lagc.semantics.names import Context, Value
from lagc.syntax import ast

_MAX_EXPONENT = 1024
_MAX_BITS = 8192
_GROWING = ("exp", "sinh", "cosh")
_HYPERBOLIC = ("sinh", "cosh", "tanh")
_COSTS = {ast.Call: 40, ast.Power: 4}  # units of work, measured


class ExpressionReader(SiteReader):
    """Reads the expressions of one statement in one context."""

    # --- entry points -------------------------------------------------------------------------

    def scalar(self, node: ast.Expression, what: str) -> sp.Expr | None:
        """A scalar expression; a vector is an error that names `what`."""
        value = self.read(node)
        if isinstance(value, tuple):
            self._error(
                Code.LAG206,
                f"{what} must be a number, and this is a vector of {len(value)}",
                node.span,
                help="take a component `[i]`, `dot(a, b)` or `norm(a)`",
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
                return self._call(node)
            case ast.Index():
                return self._index(node)
            case ast.Tuple():
                return self._tuple(node)
            case ast.Negate():
                return _each(lambda x: -x, self.read(node.operand))
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
            values.append(value if operator == "+" else _each(lambda x: -x, value))
        if any(v is None for v in values):
            return None
        first = values[0]
        for (_, item), value in zip(node.rest, values[1:], strict=True):
            if _size(value) != _size(first):
                return self._error(
                    Code.LAG206,
                    f"{_shape(first)} and {_shape(value)} cannot be added",
                    item.span,
                    label=f"this is {_shape(value)}",
                )
        if self._has_long_numbers(*values):
            return self._error(
                Code.LAG106,
                "the fractions of this sum have too large a common denominator",
                node.span,
            )
        if isinstance(first, tuple):
            vectors = [v for v in values if isinstance(v, tuple)]
            return tuple(sp.Add(*parts) for parts in zip(*vectors, strict=True))
        return sp.Add(*values)

    def _product(self, node: ast.Product) -> Value:
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
            elif isinstance(value, tuple) and isinstance(factor, tuple):
                value = self._error(
                    Code.LAG206,
                    "the product of two vectors is not defined",
                    item.span,
                    label="write `dot(a, b)`",
                )
            elif isinstance(factor, tuple):
                value = tuple(value * x for x in factor)
            elif isinstance(value, tuple):
                value = tuple(x * factor for x in value)
            else:
                value = value * factor
            if self._has_long_numbers(value):
                return self._error(Code.LAG106, "this number is too large", node.span)
        return value

    def _divide(self, value: Value, factor: Value, item: ast.Expression) -> Value:
        if isinstance(factor, tuple):
            return self._error(Code.LAG206, "division by a vector is not defined", item.span)
        if factor is None:
            return None
        if self._with_constants(factor) == 0:
            return self._error(Code.LAG210, "division by zero", item.span, label="this is zero")
        self.scope.work.spend(_length(value) // 2, item.span)
        # The inverse of a number is found at once; SymPy's division asks much about it first.
        inverse = sp.Rational(factor.q, factor.p) if factor.is_Rational else 1 / factor
        return self._real(_each(lambda x: x * inverse, value), item.span)

    def _power(self, node: ast.Power) -> Value:
        base, exponent = self.read(node.base), self.read(node.exponent)
        if base is None or exponent is None:
            return None
        if isinstance(base, tuple) or isinstance(exponent, tuple):
            return self._error(
                Code.LAG206,
                "a power of a vector is not defined",
                node.span,
                help="the square of its length is `dot(a, a)`",
            )
        if exponent.is_Rational and abs(exponent) > _MAX_EXPONENT:
            return self._error(
                Code.LAG106,
                f"an exponent of size {_MAX_EXPONENT} is the largest supported",
                node.exponent.span,
            )
        if base == 0 and exponent.is_number and not exponent.is_positive:
            return self._error(Code.LAG210, "a power of zero that is not finite", node.span)
        if exponent.is_Rational:
            number = self._with_constants(base).as_coeff_Mul()[0]
            if number.is_Rational and _bits(number) * abs(exponent) > _MAX_BITS:
                return self._error(Code.LAG106, "this number is too large", node.span)
        if self._out_of_reach(base, exponent):
            return self._error(Code.LAG106, "this number is too large or too small", node.span)
        value = base**exponent
        if not exponent.is_number:  # what such powers have in common is looked for later
            nested = sum(not p.exp.is_number for p in value.atoms(sp.Pow))
            self.scope.work.spend(200 * nested**2, node.span)
        return self._real(value, node.span)

    def _tuple(self, node: ast.Tuple) -> Value:
        items = [self.scalar(item, "an entry of a vector") for item in node.items]
        return None if any(i is None for i in items) else tuple(items)

    def _index(self, node: ast.Index) -> Value:
        if isinstance(node.base, ast.Name) and node.base.name in self.scope.lost:
            return None
        if isinstance(node.base, ast.Name) and self.lives_on_sites(node.base.name):
            return self.at_site(node, node.base)
        base = self.read(node.base)
        position = ExpressionReader(
            self.scope, self.diagnostics, Context.CONSTANT, subject="an index"
        ).scalar(node.index, "an index")
        if base is None or position is None:
            return None
        if not isinstance(base, tuple):
            return self._error(
                Code.LAG206,
                f"`{node.base.span.text}` is a scalar and has no components",
                node.span,
            )
        position = with_numbers(self.scope, position)
        if not position.is_Integer or not 0 <= position < len(base):
            return self._error(
                Code.LAG206,
                f"index {position} is out of range: `{node.base.span.text}` has components 0 to "
                f"{len(base) - 1}",
                node.index.span,
            )
        return base[int(position)]

    # --- calls --------------------------------------------------------------------------------

    def _call(self, node: ast.Call) -> Value:
        name, scope = node.name, self.scope
        if name in scope.lost:
            return None
        if name in scope.neural:
            return self._neural(node)
        if name in LATTICE_FUNCTIONS:
            return self.site_sum(node)
        if name in LATER_FUNCTIONS:
            return self._error(
                Code.LAG217, f"`{name}(...)` cannot be compiled by this version yet", node.span
            )
        if name not in FUNCTION_NAMES:
            return self._unknown_function(node)
        for argument in node.arguments:
            if argument.keyword or argument.weight is not None:
                return self._error(
                    Code.LAG205, f"`{name}` takes plain arguments only", argument.span
                )
        arity = VECTOR_FUNCTIONS.get(name) or SCALAR_FUNCTIONS[name].arity
        if len(node.arguments) != arity:
            return self._error(
                Code.LAG205,
                f"`{name}` takes {_count(arity, 'argument')}, not {len(node.arguments)}",
                node.span,
            )
        if name in VECTOR_FUNCTIONS:
            return self._vector_call(node)
        function = SCALAR_FUNCTIONS[name]
        values = [self.scalar(a.value, f"the argument of `{name}`") for a in node.arguments]
        if any(v is None for v in values):
            return None
        if name == "log" and values[0] == 0:
            return self._error(Code.LAG210, "the logarithm of zero", node.span)
        if name in _GROWING and self._out_of_reach(sp.E, values[0]):
            return self._error(Code.LAG106, "this number is too large or too small", node.span)
        if name in _HYPERBOLIC:  # SymPy works out their real parts, powers in them multiplied out
            exponents = [
                p.exp for v in values if v is not None for p in v.atoms(sp.Pow) if p.exp.is_Integer
            ]
            self.scope.work.spend(10 * int(max(map(abs, exponents), default=0)) ** 2, node.span)
        result = self._real(function.build(*values), node.span)
        if isinstance(result, sp.Expr) and function.smoothness is not Smoothness.SMOOTH:
            self.rough_calls.append(RoughCall(name, result, node.span))
        return result

    def _vector_call(self, node: ast.Call) -> Value:
        values = [self.read(a.value) for a in node.arguments]
        if any(v is None for v in values):
            return None
        for argument, value in zip(node.arguments, values, strict=True):
            if not isinstance(value, tuple):
                return self._error(
                    Code.LAG206,
                    f"`{node.name}` takes vectors, and this is a scalar",
                    argument.span,
                    help="the length of a scalar is `abs(x)` or `sqrt(x^2)`",
                )
        vectors = [v for v in values if isinstance(v, tuple)]
        if len({len(v) for v in vectors}) > 1:
            return self._error(
                Code.LAG206,
                f"{_shape(vectors[0])} and {_shape(vectors[1])} do not fit in `{node.name}`",
                node.span,
            )
        if node.name == "norm":
            return sp.sqrt(sp.Add(*[x**2 for x in vectors[0]]))
        a, b = vectors
        if node.name == "dot":
            return sp.Add(*[x * y for x, y in zip(a, b, strict=True)])
        if len(a) != 3:
            return self._error(Code.LAG206, "`cross` takes vectors of 3", node.span)
        return (
            a[1] * b[2] - a[2] * b[1],
            a[2] * b[0] - a[0] * b[2],
            a[0] * b[1] - a[1] * b[0],
        )

    def _neural(self, node: ast.Call) -> Value:
        if self._needs_constant(f"neural term `{node.name}`", node.span):
            return None
        slot = self.scope.neural[node.name]
        if len(node.arguments) != len(slot.sizes):
            return self._error(
                Code.LAG205,
                f"neural term `{node.name}` takes {_count(len(slot.sizes), 'argument')}, "
                f"not {len(node.arguments)}",
                node.span,
            )
        inputs: list[sp.Expr] = []
        for argument, size in zip(node.arguments, slot.sizes, strict=True):
            value = self.read(argument.value)
            if value is None:
                return None
            parts = value if isinstance(value, tuple) else (value,)
            if len(parts) != size:
                return self._error(
                    Code.LAG206,
                    f"neural term `{node.name}` was declared with {_count(size, 'number')} here, "
                    f"and this is {_shape(value)}",
                    argument.span,
                )
            inputs += parts
        return neural_value(node.name, tuple(inputs))

    def _unknown_function(self, node: ast.Call) -> Value:
        name = node.name
        compiled = FUNCTION_NAMES - LATER_FUNCTIONS
        hint = did_you_mean(name, [*compiled, *self.scope.neural])
        help = "functions are " + ", ".join(sorted(compiled))
        if name in ("diff", "Derivative", "d", "D"):
            hint, help = "", "a velocity is written with a prime: `q'`"
        elif name in ("ln", "log10", "log2"):
            help = "the natural logarithm is `log`"
        elif name in self.scope.coordinates:
            help = f"a coordinate is written without its time: `{name}`, velocity `{name}'`"
        elif name in self.scope.known():
            help = f"`{name}` is not a function; a product is written `{name}*(...)`"
        return self._error(
            Code.LAG204,
            f"`{name}` is not a function of the language",
            node.name_span,
            label=hint,
            help=help,
        )

    # --- helpers ------------------------------------------------------------------------------

    def _real(self, value: Value, span: Span) -> Value:
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if part is not None and self.scope.traits.unreal(self._with_constants(part)):
                return self._error(
                    Code.LAG210, "this is not a finite real number, whatever the variables", span
                )
        return value

    def _out_of_reach(self, base: sp.Expr, exponent: sp.Expr) -> bool:
        """Whether a power of numbers is too large or too small to be worked with."""
        base, exponent = self._with_constants(base), self._with_constants(exponent)
        if not (base.is_number and exponent.is_number) or base == 0:
            return False
        bits = sp.Abs(exponent * sp.log(sp.Abs(base), 2)).evalf(15)
        return bool(bits.is_Float and bits > _MAX_BITS)

    def _has_long_numbers(self, *values: Value) -> bool:
        """Whether numbers in a sum of the values have, or give, more than `_MAX_BITS` bits."""
        parts = [e for v in values for e in (v if isinstance(v, tuple) else (v,)) if e is not None]
        common = 1
        for term in (t for e in parts for t in sp.Add.make_args(e)):
            for factor in sp.Mul.make_args(term):
                number = self._with_constants(factor.base if factor.is_Pow else factor)
                power = factor.exp if factor.is_Pow and factor.exp.is_Rational else 1
                long = number.is_Rational and _bits(number) * abs(power) > _MAX_BITS
                if long or (abs(power) > _MAX_EXPONENT and number.is_number):
                    return True
            number = term.as_coeff_Mul()[0]
            common = math.lcm(common, int(number.q) if number.is_Rational else 1)
            if common.bit_length() > _MAX_BITS:
                return True
        return False

    def _with_constants(self, value: sp.Expr) -> sp.Expr:
        """The number that an expression of constants alone stands for; others as they are."""
        constants = self.scope.constants
        known = {s: constants.get(s.name) for s in self.scope.traits.symbols(value)}
        return value.xreplace(known) if known and None not in known.values() else value


def _each(f: Callable[[Any], Any], value: Value) -> Value:
    if value is None:
        return None
    return tuple(f(x) for x in value) if isinstance(value, tuple) else f(value)


def _size(value: Value) -> int | None:
    return len(value) if isinstance(value, tuple) else None


def _bits(number: sp.Rational) -> int:
    """The bits of the larger of numerator and denominator; 0 for 1 and -1."""
    return max(int(abs(number.p)).bit_length(), int(number.q).bit_length()) - 1


def _length(value: Value) -> int:
    """How many terms or factors a value is made of."""
    parts = value if isinstance(value, tuple) else (value,)
    return sum(len(x.args) for x in parts if x is not None)


def _shape(value: Value) -> str:
    return f"a vector of {len(value)}" if isinstance(value, tuple) else "a scalar"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
