"""Expressions as MathML, which browsers show without scripts or fonts of their own."""

from __future__ import annotations

import re
import unicodedata
from html import escape

import sympy as sp

from lagc.presentation.document import Rate, Sum
from lagc.semantics.functions import AbsoluteValue, NeuralTerm
from lagc.semantics.notation import GREEK, NAME, SYMBOL, index_of, to_text
from lagc.semantics.sites import SiteSum

_TIMES = "<mo>&#x2062;</mo>"  # an invisible product
_APPLY = "<mo>&#x2061;</mo>"  # an invisible application of a function


def write(expression: sp.Expr) -> str:
    """A `math` element in display style."""
    return f'<math display="block">{element(expression)}</math>'


def equation(left: sp.Expr, right: sp.Expr | None) -> str:
    """A `math` element left = right, or left alone."""
    equals = "" if right is None else f"<mo>=</mo>{element(right)}"
    return f'<math display="block"><mrow>{element(left)}{equals}</mrow></math>'


def element(e: sp.Expr) -> str:
    """The elements of an expression, without a `math` around them.

    What has no form of its own here is written as text of the language.
    """
    if e.is_Symbol:
        return _symbol(e.name)
    if e.is_Integer:
        return _number(int(e))
    if e is sp.pi:
        return "<mi>π</mi>"
    if e.is_Add:
        return _row(_sum(e))
    if e.is_Mul or e.is_Rational or e.is_Pow:
        return _product(e)
    if isinstance(e, sp.exp):
        return f"<msup><mi>e</mi>{_row(element(e.args[0]))}</msup>"
    if isinstance(e, Rate):
        inner = element(e.args[0]) if e.args[0].is_Atom else _bracket(e.args[0])
        return _row(f"<mfrac><mi>d</mi><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>{_TIMES}{inner}")
    if isinstance(e, Sum):
        body, index, first, last = e.args
        return _big_sum(body, index, element(first), element(last))
    if isinstance(e, SiteSum):
        return _big_sum(e.body, e.args[1], *map(_number, e.sites))
    if isinstance(e, NeuralTerm):
        return _network(e)
    if isinstance(e, AbsoluteValue):
        return _row(f"<mo>|</mo>{element(e.args[0])}<mo>|</mo>")
    if isinstance(e, sp.Function) and all(isinstance(x, sp.Expr) for x in e.args):
        name = to_text(e).partition("(")[0]
        return _call(f"<mi>{escape(name)}</mi>", e.args)
    return f"<mtext>{escape(to_text(e))}</mtext>"


def _row(content: str) -> str:
    return f"<mrow>{content}</mrow>"


def _bracket(e: sp.Expr) -> str:
    return _row(f"<mo>(</mo>{element(e)}<mo>)</mo>")


def _number(value: int) -> str:
    return f"<mn>{value}</mn>" if value >= 0 else _row(f"<mo>−</mo><mn>{-value}</mn>")


def _sum(e: sp.Expr) -> str:
    parts = []
    for k, term in enumerate(e.as_ordered_terms()):
        negative = term.could_extract_minus_sign() and not term.is_Add
        sign = "<mo>−</mo>" if negative else "<mo>+</mo>" if k else ""
        parts.append(sign + element(-term if negative else term))
    return "".join(parts)


def _product(e: sp.Expr) -> str:
    """A product, a quotient, a power or a fraction."""
    if e.is_Mul and e.could_extract_minus_sign() and (-e).is_Add:
        return _row(f"<mo>−</mo>{_bracket(-e)}")
    if (e.is_Mul or e.is_Rational) and e.could_extract_minus_sign():
        return _row(f"<mo>−</mo>{_factor(-e, alone=False)}")
    over, under = sp.fraction(e)
    if under != 1:
        return f"<mfrac>{_row(element(over))}{_row(element(under))}</mfrac>"
    if e.is_Pow:
        return _power(e)
    factors = e.as_ordered_factors()
    return _row(_TIMES.join(_factor(x, alone=len(factors) == 1) for x in factors))


def _factor(e: sp.Expr, *, alone: bool) -> str:
    negative = e.is_number and e.could_extract_minus_sign()
    return _bracket(e) if not alone and (e.is_Add or negative) else element(e)


def _power(e: sp.Expr) -> str:
    base, exponent = e.base, e.exp
    if exponent == sp.Rational(1, 2):
        return f"<msqrt>{element(base)}</msqrt>"
    simple = base.is_Symbol or (base.is_Integer and base >= 0)
    shown = element(base) if simple else _bracket(base)
    return f"<msup>{shown}{_row(element(exponent))}</msup>"


def _big_sum(body: sp.Expr, index: sp.Expr, first: str, last: str) -> str:
    below = _row(f"{element(index)}<mo>=</mo>{first}")
    summed = _bracket(body) if body.is_Add else element(body)
    return _row(f"<munderover><mo>∑</mo>{below}{last}</munderover>{summed}")


def _network(e: NeuralTerm) -> str:
    name = _identifier(e.slot)
    partials = "".join(
        f"<msub><mo>∂</mo><mn>{i}</mn></msub>" * order for i, order in enumerate(e.orders)
    )
    return _row(partials + _call(name, e.inputs))


def _call(name: str, arguments: tuple[sp.Expr, ...]) -> str:
    inside = "<mo>,</mo>".join(element(x) for x in arguments)
    return _row(f"{name}{_APPLY}<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>")


def _identifier(name: str) -> str:
    """A name; digits at its end and what follows `_` as its index, Greek names as letters."""
    base, _, lower = name.partition("_")
    if not lower and (split := re.fullmatch(r"(.*?[^\d])(\d+)", name)):
        base, lower = split.groups()
    if base in GREEK:
        size = "SMALL" if base[0].islower() else "CAPITAL"
        # Unicode calls the letter lamda.
        spelt = base.upper().replace("LAMBDA", "LAMDA")
        base = unicodedata.lookup(f"GREEK {size} LETTER {spelt}")
    shown = f"<mi>{escape(base)}</mi>"
    return f"<msub>{shown}<mi>{escape(lower)}</mi></msub>" if lower else shown


def _symbol(name: str) -> str:
    """Velocities with dots, doubled variables with their sign, sites and components as indices."""
    if name.startswith("["):
        return f"<mrow><mo>(</mo><mi>{escape(name[1:-1])}</mi><mo>)</mo></mrow>"
    match = SYMBOL.match(name)
    if match is None:
        return f"<mi>{escape(name)}</mi>"
    shown = _identifier(match["name"])
    if primes := len(match["primes"]):
        dots = {1: "˙", 2: "¨"}.get(primes, "′" * primes)
        shown = f'<mover accent="true">{shown}<mo>{dots}</mo></mover>'
    index, side = index_of(match), match["side"]
    lower = []
    if index:
        lower.append(_symbol(index) if NAME.fullmatch(index) else f"<mi>{escape(index)}</mi>")
    if side:
        lower.append(f"<mo>{'+' if side == '+' else '−'}</mo>")
    if not lower:
        return shown
    return f"<msub>{shown}<mrow>{'<mo>,</mo>'.join(lower)}</mrow></msub>"
