"""Expressions as MathML, which browsers show without scripts or fonts of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import sympy as sp

from lagc.presentation.document import Rate, Sum
from lagc.presentation.naming import Names, Shown, names_of
from lagc.semantics.functions import AbsoluteValue, If, NeuralTerm
from lagc.semantics.notation import compared, differentiated_by, to_text
from lagc.semantics.sites import SiteSum

_TIMES = "<mo>&#x2062;</mo>"  # an invisible product
_TIMES_APART = '<mo rspace="0.17em">&#x2062;</mo>'
_APPLY = "<mo>&#x2061;</mo>"  # an invisible application of a function


def write(expression: sp.Expr, names: Names | None = None) -> str:
    """A `math` element in display style."""
    return f'<math display="block">{element(expression, names)}</math>'


def equation(left: sp.Expr, right: sp.Expr | None, names: Names) -> str:
    """A `math` element left = right, or left alone."""
    equals = "" if right is None else f"<mo>=</mo>{element(right, names)}"
    return f'<math display="block"><mrow>{element(left, names)}{equals}</mrow></math>'


def element(e: sp.Expr, names: Names | None = None) -> str:
    """The elements of an expression, without a `math` around them.

    names: those that stand in the same document.
    """
    return _Writer(names_of([e]) if names is None else names).element(e)


@dataclass(frozen=True)
class _Writer:
    """Writes expressions that share their names."""

    names: Names

    def element(self, e: sp.Expr) -> str:
        """The elements of an expression, without a `math` around them.

        What has no form of its own here is written as text of the language.
        """
        if e.is_Symbol:
            return _name(self.names.symbol(e.name))
        if e.is_Integer:
            return _number(int(e))
        if e is sp.pi:
            return "<mi>pi</mi>" if self.names.pi_is_taken else "<mi>π</mi>"
        if e.is_Add:
            return _row(self._sum(e))
        if e.is_Mul or e.is_Rational or e.is_Pow:
            return self._product(e)
        if isinstance(e, sp.exp) and not self.names.e_is_taken:
            return f"<msup><mi>e</mi>{_row(self.element(e.args[0]))}</msup>"
        if isinstance(e, Rate):
            inner = self.element(e.args[0]) if e.args[0].is_Atom else self._bracket(e.args[0])
            return _row(
                f"<mfrac><mi>d</mi><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>{_TIMES}{inner}"
            )
        if isinstance(e, Sum):
            body, index, first, last = e.args
            return self._big_sum(body, index, self.element(first), self.element(last))
        if isinstance(e, SiteSum):
            return self._big_sum(e.body, e.args[1], *map(_number, e.sites))
        if isinstance(e, NeuralTerm):
            return self._network(e)
        if isinstance(e, If):
            return self._choice(e)
        if isinstance(e, AbsoluteValue):
            return _row(f"<mo>|</mo>{self.element(e.args[0])}<mo>|</mo>")
        if isinstance(e, sp.Function) and all(isinstance(x, sp.Expr) for x in e.args):
            name = to_text(e).partition("(")[0]
            return self._call(f"<mi>{escape(name)}</mi>", e.args)
        return f"<mtext>{escape(to_text(e))}</mtext>"

    def _bracket(self, e: sp.Expr) -> str:
        return _row(f"<mo>(</mo>{self.element(e)}<mo>)</mo>")

    def _sum(self, e: sp.Expr) -> str:
        parts = []
        for k, term in enumerate(e.as_ordered_terms()):
            negative = term.could_extract_minus_sign() and not term.is_Add
            sign = "<mo>−</mo>" if negative else "<mo>+</mo>" if k else ""
            parts.append(sign + self.element(-term if negative else term))
        return "".join(parts)

    def _product(self, e: sp.Expr) -> str:
        """A product, a quotient, a power or a fraction."""
        if e.is_Mul and e.could_extract_minus_sign() and (-e).is_Add:
            return _row(f"<mo>−</mo>{self._bracket(-e)}")
        if (e.is_Mul or e.is_Rational) and e.could_extract_minus_sign():
            return _row(f"<mo>−</mo>{self._factor(-e, alone=False)}")
        over, under = sp.fraction(e)
        if under != 1:
            return f"<mfrac>{_row(self.element(over))}{_row(self.element(under))}</mfrac>"
        if e.is_Pow:
            return self._power(e)
        factors = e.as_ordered_factors()
        shown = [self._factor(x, alone=len(factors) == 1) for x in factors]
        meet = (_words_meet(a, b) for a, b in pairwise(shown))
        signs = [_TIMES_APART if words else _TIMES for words in meet]
        return _row("".join(a + sign for a, sign in zip(shown, [*signs, ""], strict=True)))

    def _factor(self, e: sp.Expr, *, alone: bool) -> str:
        negative = e.is_number and e.could_extract_minus_sign()
        return self._bracket(e) if not alone and (e.is_Add or negative) else self.element(e)

    def _power(self, e: sp.Expr) -> str:
        base, exponent = e.base, e.exp
        if exponent == sp.Rational(1, 2):
            return f"<msqrt>{self.element(base)}</msqrt>"
        simple = base.is_Symbol or (base.is_Integer and base >= 0)
        shown = self.element(base) if simple else self._bracket(base)
        return f"<msup>{shown}{_row(self.element(exponent))}</msup>"

    def _big_sum(self, body: sp.Expr, index: sp.Expr, first: str, last: str) -> str:
        below = _row(f"{self.element(index)}<mo>=</mo>{first}")
        summed = self._bracket(body) if body.is_Add else self.element(body)
        return _row(f"<munderover><mo>∑</mo>{below}{last}</munderover>{summed}")

    def _network(self, e: NeuralTerm) -> str:
        name, total = _name(self.names.name(e.slot)), sum(e.orders)
        if total and len(e.inputs) == 1:
            name = f"<msup>{name}<mo>{'′' * total}</mo></msup>"
        elif total:
            below = [self._by(x, n) for x, n in differentiated_by(e)]
            over = _row(_raised("<mo>∂</mo>", total) + name)
            name = f"<mfrac>{over}{_row(''.join(below))}</mfrac>"
        return _row(self._call(name, e.inputs))

    def _by(self, x: sp.Expr, order: int) -> str:
        """The argument of a derivative, below its stroke."""
        return f"<mo>∂</mo>{_raised(self.element(x) if x.is_Symbol else self._bracket(x), order)}"

    def _choice(self, e: If) -> str:
        """`if(left > right, a, b)`, as in the language."""
        left, right = (self.element(x) for x in compared(e.args[0]))
        holds, fails = (self.element(x) for x in e.args[1:])
        inside = "<mo>,</mo>".join((_row(f"{left}<mo>&gt;</mo>{right}"), holds, fails))
        return _row(f"<mi>if</mi>{_APPLY}<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>")

    def _call(self, name: str, arguments: tuple[sp.Expr, ...]) -> str:
        inside = "<mo>,</mo>".join(self.element(x) for x in arguments)
        return _row(f"{name}{_APPLY}<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>")


_ENDS_IN_WORD = re.compile(r"<mi>\w{2,}</mi>(?:<mo>[˙¨]</mo></mover>)?\Z")
_BEGINS_WITH_WORD = re.compile(r"(?:<m\w+[^>]*>)*<mi>\w{2,}")


def _words_meet(left: str, right: str) -> bool:
    """Whether two upright words would stand side by side and read as one."""
    return bool(_ENDS_IN_WORD.search(left) and _BEGINS_WITH_WORD.match(right))


def _row(content: str) -> str:
    return f"<mrow>{content}</mrow>"


def _raised(base: str, order: int) -> str:
    return base if order == 1 else f"<msup>{base}<mn>{order}</mn></msup>"


def _number(value: int) -> str:
    return f"<mn>{value}</mn>" if value >= 0 else _row(f"<mo>−</mo><mn>{-value}</mn>")


def _name(shown: Shown) -> str:
    """A name with its dots and what is below it."""
    text = {"+": "<mo>+</mo>", "-": "<mo>−</mo>"}.get(shown.base, f"<mi>{escape(shown.base)}</mi>")
    if shown.primes:
        dots = {1: "˙", 2: "¨"}.get(shown.primes, "′" * shown.primes)
        text = f'<mover accent="true">{text}<mo>{dots}</mo></mover>'
    lower = [_name(part) for part in shown.lower]
    if not lower:
        return text
    below = lower[0] if len(lower) == 1 else _row("<mo>,</mo>".join(lower))
    return f"<msub>{text}{below}</msub>"
