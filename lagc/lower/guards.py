"""Branches of `if` made safe to compute where they are not taken.

An array program computes both branches everywhere and chooses afterwards. In the branch that is
not taken a square root of a negative number gives NaN, which the choice drops, but the derivative
of the choice multiplies it by zero, which is NaN again. So within a branch every function that is
not finite everywhere takes its argument through a choice of its own: sqrt(x) in the branch x > 0
becomes sqrt(If(x, x, 1)).
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from lagc.semantics.functions import If
from lagc.semantics.sites import SiteSum

# Arguments at which functions and their derivatives are finite.
_SAFE: dict[Any, tuple[int, ...]] = {
    sp.log: (1,),
    sp.asin: (0,),
    sp.acos: (0,),
    sp.acosh: (2,),
    sp.atanh: (0,),
    sp.tan: (0,),
    sp.cot: (1,),
    sp.exp: (0,),
    sp.sinh: (0,),
    sp.cosh: (0,),
    sp.atan2: (0, 1),
}


class Guarding:
    """The same functions, with finite values and derivatives in branches that are not taken.

    What several expressions have in common is rewritten once.
    """

    def __init__(self) -> None:
        self._done: dict[Any, Any] = {}
        self._guards: dict[tuple[sp.Expr, bool], _Guard] = {}

    def __call__(self, e: Any) -> Any:
        if e not in self._done:
            self._done[e] = self._rewritten(e)
        return self._done[e]

    def _rewritten(self, e: Any) -> Any:
        args = [self(x) for x in e.args]
        if isinstance(e, If):
            s, a, b = args
            return If(s, self._within(s, True)(a), self._within(s, False)(b))
        unchanged = all(a is b for a, b in zip(args, e.args, strict=True))
        return e if unchanged else e.func(*args)

    def _within(self, side: sp.Expr, holds: bool) -> _Guard:
        return self._guards.setdefault((side, holds), _Guard(side, holds))


def guarded(e: sp.Expr) -> sp.Expr:
    """One expression, with finite values and derivatives in branches that are not taken."""
    return Guarding()(e)


class _Guard:
    """Rewrites what is computed in one branch of a condition."""

    def __init__(self, side: sp.Expr, holds: bool) -> None:
        self.side = side
        self.holds = holds
        self._done: dict[sp.Expr, sp.Expr] = {}

    def __call__(self, e: sp.Expr) -> sp.Expr:
        if e not in self._done:
            self._done[e] = self._rewritten(e)
        return self._done[e]

    def _rewritten(self, e: sp.Expr) -> sp.Expr:
        if not e.args or e.is_number or isinstance(e, SiteSum):
            return e
        args = [self(x) for x in e.args]
        if e.is_Pow:
            base, exponent = args
            if exponent.is_Integer and exponent > 0:
                return base**exponent
            if base.is_number:
                return base ** self._kept(exponent, 0)
            return self._kept(base, 1) ** exponent
        if e.func in _SAFE:
            args = [self._kept(x, safe) for x, safe in zip(args, _SAFE[e.func], strict=True)]
        return e.func(*args)

    def _kept(self, x: sp.Expr, safe: int) -> sp.Expr:
        """x where the branch is taken, elsewhere a number."""
        if x.is_number:
            return x
        return If(self.side, x, safe) if self.holds else If(self.side, safe, x)
