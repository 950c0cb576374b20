"""Powers of real expressions: an even root of a square is an absolute value.

SymPy leaves (x^2)^(1/2) as it stands, and its second derivative vanishes wherever there is one:
such an expression would pass for a linear one.
"""

from __future__ import annotations

import sympy as sp

from lagc.semantics.functions import AbsoluteValue

_MOST_TERMS, _MOST_SYMBOLS, _HIGHEST = 8, 4, 16


def power(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """base^exponent, |x| where it is an even root of an even power of x."""
    if not (exponent.is_Rational and exponent.q % 2 == 0):
        return base**exponent
    outside, rest = sp.Integer(1), []
    for factor in sp.Mul.make_args(_factored(base)):
        x, n = factor.as_base_exp()
        if x.free_symbols and n.is_Integer and n % 2 == 0:
            outside *= _even(x, n * exponent)
        else:
            rest.append(factor)
    return outside * sp.Mul(*rest) ** exponent


def _even(x: sp.Expr, n: sp.Rational) -> sp.Expr:
    """|x|^n."""
    if not n.is_Integer:
        return AbsoluteValue(x) ** n
    return x**n if n % 2 == 0 else AbsoluteValue(x) * x ** (n - 1)


def _factored(base: sp.Expr) -> sp.Expr:
    """A small polynomial that is a square, as one."""
    symbols = base.free_symbols
    if not (base.is_Add and len(base.args) <= _MOST_TERMS and 0 < len(symbols) <= _MOST_SYMBOLS):
        return base
    if not base.is_polynomial(*symbols):
        return base
    found = sp.Poly(base, *symbols)
    rational = found.domain.is_ZZ or found.domain.is_QQ
    if not rational or found.total_degree() > _HIGHEST or found.total_degree() % 2:
        return base
    constant, factors = found.sqf_list()
    if len(factors) != 1 or factors[0][1] % 2:
        return base
    return constant * factors[0][0].as_expr() ** factors[0][1]
