"""SymPy expressions into a `Program`: value numbering, numbers rounded once, powers as products.

Every operation is looked up by its operands before it is made, so equal subexpressions are computed
once. Numbers stay exact until no variable is left in a subexpression, and are then rounded to the
nearest double. The order of operations follows the order of SymPy's arguments, which does not
depend on hashing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.lower.guards import Guarding
from lagc.lower.program import Instruction, NeuralCall, Output, Program, Variable
from lagc.semantics import graphs
from lagc.semantics.functions import AbsoluteValue, If, Maximum, Minimum, NeuralTerm, Sign, Step

_OPERATIONS: dict[Any, str] = {
    sp.sin: "sin",
    sp.cos: "cos",
    sp.tan: "tan",
    sp.asin: "asin",
    sp.acos: "acos",
    sp.atan: "atan",
    sp.sinh: "sinh",
    sp.cosh: "cosh",
    sp.tanh: "tanh",
    sp.asinh: "asinh",
    sp.acosh: "acosh",
    sp.atanh: "atanh",
    sp.exp: "exp",
    sp.log: "log",
    sp.atan2: "atan2",
    AbsoluteValue: "abs",
    Sign: "sign",
    Step: "step",
    Minimum: "minimum",
    Maximum: "maximum",
    If: "select",
}
_LONGEST_PRODUCT = 64  # larger integer powers are left to `pow`


class Builder:
    """Instructions so far, and where each operation and each expression already stands."""

    def __init__(
        self, variables: Mapping[sp.Symbol, Variable], divisors: frozenset[sp.Expr] = frozenset()
    ) -> None:
        self.variables = variables
        self.divisors = divisors
        self.instructions: list[Instruction] = []
        self._numbers: dict[Instruction, int] = {}
        self._expressions: dict[sp.Expr, int] = {}

    def emit(self, operation: str, *operands: int, payload: Any = None) -> int:
        """The number of an instruction, made if it is new."""
        instruction = Instruction(operation, operands, payload)
        if instruction not in self._numbers:
            self._numbers[instruction] = len(self.instructions)
            self.instructions.append(instruction)
        return self._numbers[instruction]

    def constant(self, value: sp.Expr) -> int:
        """A number, rounded to the nearest double."""
        return self.emit("constant", payload=nearest_double(value))

    def define(self, symbol: sp.Symbol, number: int) -> None:
        """Lets a symbol stand for a value that was computed before."""
        self._expressions[symbol] = number

    def lower(self, e: sp.Expr) -> int:
        """The number of the instruction that computes `e`."""
        if e not in self._expressions:
            self._expressions[e] = self._lower(e)
        return self._expressions[e]

    def _lower(self, e: sp.Expr) -> int:
        if e.is_Symbol:
            return self.emit("input", payload=self.variables[e])
        if isinstance(e, NeuralTerm):
            inputs = [self.lower(x) for x in e.inputs]
            return self.emit("neural", *inputs, payload=NeuralCall(e.slot, e.orders))
        if e.is_number:
            return self.constant(e)
        if e.is_Add:
            return self._sum(e)
        if e.is_Mul:
            return self._product(e)
        if e.is_Pow:
            return self._power(e.base, e.exp)
        if e.func is sp.cot:
            return self._product(sp.cos(e.args[0]) / sp.sin(e.args[0]))
        return self.emit(_OPERATIONS[e.func], *[self.lower(x) for x in e.args])

    def _sum(self, e: sp.Add) -> int:
        """Terms in order, the first positive one in front so that no negation is needed."""
        numbers = [term for term in e.args if term.is_number]
        terms = [_sign_and_size(term) for term in _ordered(e) if not term.is_number]
        if numbers:  # 1 + pi is one number
            sign, size = _sign_of_number(sp.Add(*numbers))
            terms.insert(0, (sign, size))
        return self._signed_sum(terms)

    def added(self, terms: Sequence[sp.Expr]) -> int:
        """The number of the sum of some terms, which are not simplified with one another."""
        return self._signed_sum([_sign_and_size(term) for term in terms])

    def _signed_sum(self, terms: Sequence[tuple[int, sp.Expr]]) -> int:
        terms = sorted(terms, key=lambda pair: pair[0] < 0)
        negative, size = terms[0]
        total = self.lower(size)
        if negative < 0:
            total = self.emit("neg", total)
        for sign, size in terms[1:]:
            total = self.emit("add" if sign > 0 else "sub", total, self.lower(size))
        return total

    def _product(self, e: sp.Mul) -> int:
        sign, e = _sign_and_size(e)
        if sign < 0:
            return self.emit("neg", self.lower(e))
        above: list[int] = []
        below: list[int] = []
        number = sp.Integer(1)
        for factor in sp.Mul.make_args(e):
            if factor.is_number:
                number *= factor
        for factor in _ordered_factors(e):
            if factor.is_number:
                continue
            base, exponent = factor.as_base_exp()
            if base in self.divisors and _divides(exponent):
                above.append(self._reciprocal_power(base, -exponent))
            elif exponent.is_Rational and exponent.is_negative:
                below.append(self._power(base, -exponent))
            else:
                above.append(self.lower(factor))
        if number != 1 or not above:
            above.insert(0, self.constant(number))
        result = self._chain(above)
        return self.emit("div", result, self._chain(below)) if below else result

    def _chain(self, factors: Sequence[int]) -> int:
        result = factors[0]
        for factor in factors[1:]:
            result = self.emit("mul", result, factor)
        return result

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> int:
        if base == sp.E:
            return self.emit("exp", self.lower(exponent))
        if base in self.divisors and _divides(exponent):
            return self._reciprocal_power(base, -exponent)
        doubled = 2 * exponent
        if not doubled.is_Integer or abs(doubled) > 2 * _LONGEST_PRODUCT:
            return self.emit("pow", self.lower(base), self.lower(exponent))
        if doubled < 0:
            one = self.constant(sp.Integer(1))
            return self.emit("div", one, self._power(base, -exponent))
        whole, half = divmod(int(doubled), 2)
        value = self.lower(base)
        factors = [self._integer_power(value, whole)] if whole else []
        if half:
            factors.append(self.emit("sqrt", value))
        return self._chain(factors)

    def _reciprocal_power(self, base: sp.Expr, exponent: sp.Expr) -> int:
        """base^-exponent from 1/base, which is computed once for all: a division takes the time of
        some ten products."""
        whole, half = divmod(int(2 * exponent), 2)
        value = self.lower(base)
        inverted = self.emit("div", self.constant(sp.Integer(1)), value)
        factors = [self._integer_power(inverted, whole + half)]
        if half:
            factors.append(self.emit("sqrt", value))
        return self._chain(factors)

    def _integer_power(self, value: int, n: int) -> int:
        """value^n by squaring; the squares are shared with other powers of the same value."""
        if n == 1:
            return value
        half = self._integer_power(value, n // 2)
        square = self.emit("mul", half, half)
        return self.emit("mul", square, value) if n % 2 else square


def _ordered(e: sp.Add) -> list[sp.Expr]:
    return sorted(e.args, key=sp.default_sort_key)


def _ordered_factors(e: sp.Expr) -> list[sp.Expr]:
    return sorted(sp.Mul.make_args(e), key=sp.default_sort_key)


def _sign_and_size(e: sp.Expr) -> tuple[int, sp.Expr]:
    """-1 and -e for a product with a negative number in front, otherwise 1 and e."""
    coefficient, _ = e.as_coeff_Mul()
    return (-1, -e) if coefficient.is_negative else (1, e)


def _sign_of_number(number: sp.Expr) -> tuple[int, sp.Expr]:
    return (-1, -number) if nearest_double(number) < 0 else (1, number)


def nearest_double(value: sp.Expr) -> float:
    """The double nearest to an exact real number; LAG210 if there is none."""
    if value.is_Rational:
        try:
            result = int(value.p) / int(value.q)  # correctly rounded
        except OverflowError:
            result = math.inf
    else:
        number = value.evalf(40)
        if not number.is_Float:
            raise fail(Code.LAG210, f"`{value}` is not a real number")
        result = float(number)
    if not math.isfinite(result) or (result == 0 and value != 0):
        raise fail(
            Code.LAG210,
            "the model holds a number outside the range of double precision (1e-308 to 1e308)",
            help="choose units in which the numbers are closer to 1",
        )
    return result


def lower_program(
    name: str,
    outputs: Mapping[str, tuple[tuple[int, ...], Sequence[sp.Expr]]],
    variables: Mapping[sp.Symbol, Variable],
    constants: Mapping[sp.Symbol, sp.Expr],
) -> Program:
    """A program that computes `outputs`: name -> (shape, entries in row order)."""
    known, guarded = graphs.Replacing(constants), Guarding()
    entries = {key: [guarded(known(e)) for e in given] for key, (_, given) in outputs.items()}
    builder = Builder(variables, shared_divisors(e for given in entries.values() for e in given))
    made = [
        Output(key, shape, tuple(builder.lower(e) for e in entries[key]))
        for key, (shape, _) in outputs.items()
    ]
    program = without_dead_code(Program(name, tuple(builder.instructions), tuple(made)))
    program.verify()
    return program


def shared_divisors(expressions: Iterable[sp.Expr]) -> frozenset[sp.Expr]:
    """What is divided by in several places, or to several powers."""
    quotients: dict[sp.Expr, set[sp.Expr]] = {}
    seen: set[sp.Expr] = set()
    for expression in expressions:
        for part in graphs.parts(expression):
            if part in seen or not (part.is_Mul or part.is_Pow):
                continue
            seen.add(part)
            for factor in sp.Mul.make_args(part):
                base, exponent = factor.as_base_exp()
                if _divides(exponent) and not base.is_number:
                    quotients.setdefault(base, set()).add(part if part.is_Mul else factor)
    return frozenset(base for base, found in quotients.items() if len(found) > 1)


def _divides(exponent: sp.Expr) -> bool:
    """A negative exponent that products and a square root can do."""
    doubled = 2 * exponent
    return bool(doubled.is_Integer and -2 * _LONGEST_PRODUCT <= doubled < 0)


def without_dead_code(program: Program) -> Program:
    """The program with what no output needs left out."""
    live = {value for output in program.outputs for value in output.values}
    for number in reversed(range(len(program.instructions))):
        if number in live:
            live.update(program.instructions[number].operands)
    renumbered = {old: new for new, old in enumerate(sorted(live))}
    instructions = tuple(
        Instruction(i.operation, tuple(renumbered[o] for o in i.operands), i.payload)
        for number, i in enumerate(program.instructions)
        if number in live
    )
    outputs = tuple(
        replace(o, values=tuple(renumbered[value] for value in o.values)) for o in program.outputs
    )
    return replace(program, instructions=instructions, outputs=outputs)
