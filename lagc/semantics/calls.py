"""Calls in expressions: functions of scalars, of vectors and matrices, `if`, neural terms."""

from __future__ import annotations

import math
from abc import abstractmethod

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import did_you_mean
from lagc.base.spans import Span
from lagc.semantics import tensors
from lagc.semantics.divisors import warn_of_zero
from lagc.semantics.foreign import instead, on_call, with_arity
from lagc.semantics.functions import (
    FUNCTION_NAMES,
    LATTICE_FUNCTIONS,
    SCALAR_FUNCTIONS,
    VECTOR_FUNCTIONS,
    AbsoluteValue,
    If,
    Smoothness,
    neural_value,
)
from lagc.semantics.lattices import SiteReader
from lagc.semantics.model import RoughCall
from lagc.semantics.roots import power
from lagc.semantics.sites import without_marks
from lagc.semantics.tensors import Value, described, each, shape
from lagc.semantics.widths import is_positive
from lagc.syntax import ast

MAX_EXPONENT = 1024
MAX_BITS = 8192
_KINK = 120  # units of work: a kink or a jump goes through more checks than a smooth function
_GROWING = ("exp", "sinh", "cosh")
_HYPERBOLIC = ("sinh", "cosh", "tanh")


class CallReader(SiteReader):
    """Reads calls; what their arguments are is for `read` to say."""

    @abstractmethod
    def scalar(self, node: ast.Expression, what: str) -> sp.Expr | None:
        """A scalar expression; anything else is an error that names `what`."""

    def call(self, node: ast.Call) -> Value:
        """The value of a call."""
        name, scope = node.name, self.scope
        if name in scope.lost:
            return None
        if node.condition is not None and name != "if":
            parts = ", ".join(part.span.text for part in (node.condition, *node.arguments))
            whole = len(node.arguments) == 2 and name not in FUNCTION_NAMES
            return self._error(
                Code.LAG205,
                "a condition stands in the first argument of `if` only",
                node.span if whole else node.condition.span,
                label=instead(f"if({parts})") if whole else "",
                help="such a construct reads `if(x > 0, a, b)`",
            )
        if name in scope.neural:
            return self._neural(node)
        if name in LATTICE_FUNCTIONS:
            return self.site_sum(node)
        if name not in FUNCTION_NAMES:
            return self._unknown_function(node)
        for argument in node.arguments:
            if argument.keyword or argument.weight is not None or argument.within is not None:
                if name == "if" and argument.keyword:
                    return self._error(
                        Code.LAG205,
                        "a condition compares with `<`, `<=`, `>` or `>=`",
                        argument.span,
                        help="values are equal on a surface only, where a term of L or a force "
                        "has no effect",
                    )
                return self._error(
                    Code.LAG205, f"`{name}` takes plain arguments only", argument.span
                )
        if name == "if":
            return self._if(node)
        arity = VECTOR_FUNCTIONS.get(name) or SCALAR_FUNCTIONS[name].arity
        if len(node.arguments) != arity:
            return self._error(
                Code.LAG205,
                f"`{name}` takes {_count(arity, 'argument')}, not {len(node.arguments)}",
                node.span,
                label=with_arity(name, [a.span.text for a in node.arguments]),
                help="the last one is the width of the transition"
                if arity > 1 and name.startswith("smooth_")
                else "",
            )
        if name in VECTOR_FUNCTIONS:
            return self._vector_call(node)
        return self._scalar_call(node)

    def _scalar_call(self, node: ast.Call) -> Value:
        name, function = node.name, SCALAR_FUNCTIONS[node.name]
        values = [self.scalar(a.value, f"the argument of `{name}`") for a in node.arguments]
        if any(v is None for v in values):
            return None
        if name == "log" and values[0] == 0:
            return self._error(Code.LAG210, "the logarithm of zero", node.span)
        if name == "log":
            what = "takes the logarithm of"
            warn_of_zero(values[0], node.span, self.scope, self.diagnostics, what)
        if name in _GROWING and self._out_of_reach(sp.E, values[0]):
            return self._error(Code.LAG106, "this number is too large or too small", node.span)
        if name in _HYPERBOLIC:  # SymPy works out their real parts, powers in them multiplied out
            exponents = [
                p.exp for v in values if v is not None for p in v.atoms(sp.Pow) if p.exp.is_Integer
            ]
            self.scope.work.spend(10 * int(max(map(abs, exponents), default=0)) ** 2, node.span)
        if function.width:  # the arguments occur in it twice, and SymPy asks for their signs
            size = sum(self.scope.traits.size(v)[0] for v in values if v is not None)
            self.scope.work.spend(32 * size, node.span)
            if not self._is_width(values[-1], node):
                return None
        if name == "sqrt":
            return self._real(self._power_of(values[0], sp.Rational(1, 2), node.span), node.span)
        result = self._real(function.build(*values), node.span)
        if isinstance(result, sp.Expr) and function.smoothness is not Smoothness.SMOOTH:
            self.scope.work.spend(_KINK, node.span)
            self.rough_calls.append(RoughCall(name, without_marks(result), node.span))
        return result

    def _is_width(self, eps: sp.Expr, node: ast.Call) -> bool:
        """Whether the width of a smooth transition is positive; reports if not."""
        positive = is_positive(self.scope, eps)
        if positive:
            return True
        self._error(
            Code.LAG230,
            f"the width of `{node.name}` "
            + ("is not positive" if positive is False else "cannot be shown to be positive"),
            node.arguments[-1].span,
            label="the width of the transition",
            help="a width is a positive number or made of coefficients with bounds, such as "
            "`coefficient eps > 0 = 0.01`",
        )
        return False

    def _power_of(self, base: sp.Expr, exponent: sp.Expr, span: Span) -> sp.Expr:
        """A power, the absolute values that it may hold kept as calls of `abs`."""
        value = power(base, exponent)
        known = base.atoms(AbsoluteValue) | exponent.atoms(AbsoluteValue)
        for made in value.atoms(AbsoluteValue) - known:
            self.rough_calls.append(RoughCall("abs", without_marks(made), span))
        return value

    # --- if -----------------------------------------------------------------------------------

    def _if(self, node: ast.Call) -> Value:
        usage = "write `if(x > 0, a, b)`: a condition, the value where it holds, and where it fails"
        condition = node.condition
        if condition is None:
            return self._error(
                Code.LAG205, "the first argument of `if` is a condition", node.span, help=usage
            )
        if len(node.arguments) != 2:
            return self._error(
                Code.LAG205,
                f"`if` takes a condition and 2 values, not {len(node.arguments)}",
                node.span,
                help=usage,
            )
        holds, fails = (self.read(a.value) for a in node.arguments)
        sides = self._conditions(condition)
        if holds is None or fails is None or not sides:
            return None
        if shape(holds) != shape(fails):
            return self._error(
                Code.LAG206,
                f"the values of `if` differ in shape: {described(holds)} and {described(fails)}",
                node.arguments[1].span,
            )
        self.scope.work.spend(10 * len(sides) * (len(tensors.entries(holds)) - 1), node.span)
        return each(lambda a, b: self._chosen(node, condition, sides, a, b), holds, fails)

    def _conditions(self, node: ast.Condition) -> dict[ast.Condition, sp.Expr] | None:
        """What is positive where each comparison holds strictly; None if one cannot be read."""
        if isinstance(node, ast.Comparison):
            left = self.scalar(node.left, "what is compared")
            right = self.scalar(node.right, "what is compared")
            if left is None or right is None:
                return None
            return {node: left - right if node.operator[0] == ">" else right - left}
        found: dict[ast.Condition, sp.Expr] = {}
        for part in node.parts:
            sides = self._conditions(part)
            if sides is None:
                return None
            found |= sides
        return found

    def _chosen(
        self,
        call: ast.Call,
        node: ast.Condition,
        sides: dict[ast.Condition, sp.Expr],
        a: sp.Expr,
        b: sp.Expr,
    ) -> sp.Expr:
        """a where a condition holds, otherwise b; `and` and `or` become nested choices."""
        if isinstance(node, ast.Comparison):
            side = sides[node]
            made = If(-side, b, a) if node.operator.endswith("=") else If(side, a, b)
            self.scope.work.spend(self.scope.traits.size(made)[0] // 4, call.span)
            if isinstance(made, If):
                self.scope.work.spend(_KINK, call.span)
                self.rough_calls.append(RoughCall("if", without_marks(made), call.span))
            return made
        value = a if node.word == "and" else b
        for part in reversed(node.parts):
            branches = (value, b) if node.word == "and" else (a, value)
            value = self._chosen(call, part, sides, *branches)
        return value

    # --- vectors and matrices -----------------------------------------------------------------

    def _vector_call(self, node: ast.Call) -> Value:
        name, values = node.name, [self.read(a.value) for a in node.arguments]
        if any(v is None for v in values):
            return None
        axes = 2 if name == "transpose" else 1
        for argument, value in zip(node.arguments, values, strict=True):
            if len(shape(value)) != axes:
                wanted = "a matrix" if axes == 2 else "vectors"
                helps = {
                    (1, 0): "the length of a scalar is `abs(x)` or `sqrt(x^2)`",
                    (1, 2): "a quadratic form is written `dot(v, M*v)`",
                    (2, 1): "a vector is neither a row nor a column",
                }
                return self._error(
                    Code.LAG206,
                    f"`{name}` takes {wanted}, and this is {described(value)}",
                    argument.span,
                    help=helps.get((axes, len(shape(value))), ""),
                )
        if len({shape(v) for v in values}) > 1:
            return self._error(
                Code.LAG206,
                f"{described(values[0])} and {described(values[1])} do not fit in `{name}`",
                node.span,
            )
        self.scope.work.spend(len(tensors.entries(values[0])), node.span)
        if self._has_long_fractions(*values):
            return self._error(
                Code.LAG106, "the entries have too large a common denominator", node.span
            )
        vectors: list[tuple[sp.Expr, ...]] = [v for v in values if isinstance(v, tuple)]
        if name == "cross":
            if len(vectors[0]) != 3:
                return self._error(Code.LAG206, "`cross` takes vectors of 3", node.span)
            return tensors.cross(*vectors)
        if name == "transpose":
            return tensors.transpose(vectors[0])
        if name == "norm":
            square = sp.Add(*[x**2 for x in vectors[0]])
            return self._power_of(square, sp.Rational(1, 2), node.span)
        return tensors.dot(*vectors)

    # --- neural terms, unknown functions ------------------------------------------------------

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
            parts = tensors.entries(value)
            if len(parts) != size or len(shape(value)) > 1:
                return self._error(
                    Code.LAG206,
                    f"neural term `{node.name}` was declared with {_count(size, 'number')} here, "
                    f"and this is {described(value)}",
                    argument.span,
                )
            inputs += parts
        return neural_value(node.name, tuple(inputs))

    def _unknown_function(self, node: ast.Call) -> Value:
        name = node.name
        if self.scope.incomplete:
            return None
        hint, help = on_call(node, self.scope.coordinates, self.scope.known(), self.scope.let_names)
        if not hint and not help:
            hint = did_you_mean(name, [*FUNCTION_NAMES, *self.scope.neural])
            help = "functions are " + ", ".join(sorted(FUNCTION_NAMES))
            if not hint and len(name) <= 2:
                help = (
                    f"name it with `let {name} = ...` and use it as `{name}`; a product is written "
                    f"`{name}*(...)`"
                )
        return self._error(
            Code.LAG204,
            f"`{name}` is not a function of the language",
            node.span if hint.startswith("write") else node.name_span,
            label=hint,
            help=help,
        )

    # --- numbers ------------------------------------------------------------------------------

    def _real(self, value: Value, span: Span) -> Value:
        for part in tensors.entries(value):
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
        size = sp.Abs(exponent * sp.log(sp.Abs(base), 2)).evalf(15)
        return bool(size.is_Float and size > MAX_BITS)

    def _has_long_numbers(self, *values: Value) -> bool:
        """Whether numbers in a sum of values have, or give, more than `MAX_BITS` bits.

        The values have one shape, and are added entry by entry.
        """
        columns = zip(*(tensors.entries(v) for v in values), strict=True)
        return any(
            self._has_long_fractions(*[e for e in column if e is not None]) for column in columns
        )

    def _has_long_fractions(self, *values: Value) -> bool:
        """Whether numbers in a sum of all entries have, or give, more than `MAX_BITS` bits."""
        common = 1
        for term in (t for v in values for e in tensors.entries(v) for t in sp.Add.make_args(e)):
            for factor in sp.Mul.make_args(term):
                number = self._with_constants(factor.base if factor.is_Pow else factor)
                power = factor.exp if factor.is_Pow and factor.exp.is_Rational else 1
                long = number.is_Rational and bits(number) * abs(power) > MAX_BITS
                if long or (abs(power) > MAX_EXPONENT and number.is_number):
                    return True
            number = term.as_coeff_Mul()[0]
            common = math.lcm(common, int(number.q) if number.is_Rational else 1)
            if common.bit_length() > MAX_BITS:
                return True
        return False

    def _with_constants(self, value: sp.Expr) -> sp.Expr:
        """The number that an expression of constants alone stands for; others as they are."""
        constants = self.scope.constants
        known = {s: constants.get(s.name) for s in self.scope.traits.symbols(value)}
        return value.xreplace(known) if known and None not in known.values() else value


def bits(number: sp.Rational) -> int:
    """The bits of the larger of numerator and denominator; 0 for 1 and -1."""
    return max(int(abs(number.p)).bit_length(), int(number.q).bit_length()) - 1


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
