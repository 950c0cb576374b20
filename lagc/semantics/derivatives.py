"""Partial derivatives by the rules of calculus, common parts once, and the work of it counted.

SymPy's own `diff` multiplies by derivatives that are zero, which makes it ask whether the other
factors are finite; for some expressions of one line that takes minutes. Here such products are not
formed, and parts that do not depend on the variable are not looked into.

Expressions with jumps are differentiated where they are continuous: the derivative is the one on
either side of every surface where they switch.
"""

from __future__ import annotations

import sympy as sp

from lagc.base.spans import Span
from lagc.semantics import graphs
from lagc.semantics.continuity import Continuity, Ranges, jumps
from lagc.semantics.functions import JUMPS, PIECEWISE, If, JumpDerivative
from lagc.semantics.traits import Traits
from lagc.semantics.work import differentiating


class Differentiation:
    """Derivatives of the expressions of one model; `work` counts the terms and factors written.

    `span` is what LAG108 points at when they become more than it allows; `ranges` says between
    which numbers constants and coefficients lie.
    """

    def __init__(self, span: Span, ranges: Ranges) -> None:
        self.span = span
        self.work = differentiating()
        self.traits = Traits()
        self._arguments: dict[sp.Basic, dict[sp.Symbol, list[int]]] = {}
        self._known: dict[tuple[sp.Basic, sp.Symbol], sp.Expr] = {}
        self._continuity = Continuity(ranges, lambda n: self.work.spend(n, self.span))
        self._continuous: set[tuple[sp.Basic, sp.Symbol]] = set()

    def __call__(self, e: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """de/dx; raises LAG108, and `JumpDerivative` where e is not continuous in x."""
        if x in self.traits.jumping(e):
            self._require_continuity(e, x)
        return self._aside(e, x)

    def everywhere(self, e: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """de/dx that holds on surfaces where e switches too; `JumpDerivative` if x may cross one.

        abs(x)*sign(x) is x, and the derivative on either side, sign(x)^2, is 0 at 0. Kinks give the
        mean of both sides there, unless they are nested.
        """
        if x in self.traits.jumping(e):
            raise JumpDerivative(next(jumps(e, x)))
        slope = self._aside(e, x)
        if x in self.traits.jumping(slope):
            for jump in jumps(slope, x):
                if any(
                    isinstance(kink, PIECEWISE) and x in self.traits.symbols(kink)
                    for kink in graphs.parts(jump.args[0])
                ):
                    raise JumpDerivative(jump)
        return slope

    def tidied(self, e: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """de/dx with x^n/x written x^(n-1) where n is a symbol: at x = 0 it has a value."""
        slope = self(e, x)
        if not self.traits.symbolic_powers(e):
            return slope
        self.work.spend(20 * graphs.size(slope), self.span)
        return sp.powsimp(slope, deep=True, combine="exp")

    def _require_continuity(self, e: sp.Expr, x: sp.Symbol) -> None:
        rough = sp.Add(*[term for term in sp.Add.make_args(e) if x in self.traits.jumping(term)])
        if (rough, x) not in self._continuous:
            self._continuity.require(rough, x)
            self._continuous.add((rough, x))

    def _aside(self, e: sp.Expr, x: sp.Symbol) -> sp.Expr:
        """de/dx on either side of every jump."""
        if x not in self.traits.symbols(e):
            return sp.S.Zero
        if e == x:
            return sp.S.One
        found = self._known.get((e, x))
        if found is None:
            self.work.spend(1, self.span)
            found = self._known[e, x] = self._derivative(e, x)
        return found

    def _derivative(self, e: sp.Expr, x: sp.Symbol) -> sp.Expr:
        if e.is_Add:
            return sp.Add(*[self._aside(e.args[k], x) for k in self._places(e)[x]])
        if e.is_Mul:
            return self._product(e, x)
        if e.is_Pow:
            base, exponent = e.base, e.exp
            slope, rise = self._aside(base, x), self._aside(exponent, x)
            terms = [] if rise == 0 else [rise * sp.log(base)]
            if slope != 0:
                terms.append(slope * exponent / base)
            return e * sp.Add(*terms)
        if isinstance(e, JUMPS):
            if not isinstance(e, If):
                return sp.S.Zero
            condition, a, b = e.args
            return If(condition, self._aside(a, x), self._aside(b, x))
        if type(e)._eval_derivative is not sp.Function._eval_derivative:
            return e._eval_derivative(x)  # a rule of its own
        slopes = [(k, d) for k, a in enumerate(e.args, start=1) if (d := self._aside(a, x)) != 0]
        self.work.spend(len(slopes) * len(e.args) // 4, self.span)
        return sp.Add(*[e.fdiff(k) * d for k, d in slopes])

    def _product(self, e: sp.Mul, x: sp.Symbol) -> sp.Expr:
        factors = e.args
        terms = []
        for k in self._places(e)[x]:
            slope = self._aside(factors[k], x)
            if slope != 0:
                self.work.spend(len(factors), self.span)
                terms.append(sp.Mul(*factors[:k], slope, *factors[k + 1 :]))
        return sp.Add(*terms)

    def _places(self, e: sp.Expr) -> dict[sp.Symbol, list[int]]:
        """For each symbol the arguments of a sum or a product that it occurs in."""
        found = self._arguments.get(e)
        if found is None:
            found = self._arguments[e] = {}
            for k, a in enumerate(e.args):
                for x in self.traits.symbols(a):
                    found.setdefault(x, []).append(k)
        return found
