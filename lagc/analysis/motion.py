"""What each summand of L and K contributes to the equations of motion, and when it may go by L.

A summand of K acts by the force F = Q - d kappa/dt (REFERENCE section 1). F comes from a potential,
or a generalised one, where it is the Euler-Lagrange expression of some l(q, q', t); Helmholtz'
conditions decide that without knowing l (Engels, Nuovo Cimento 26 B, 481 (1975)).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import sympy as sp

from lagc.base.spans import Span
from lagc.mechanics.coupling import limit_of_variables
from lagc.mechanics.nodesystem import differentiation, input_rates
from lagc.semantics import graphs
from lagc.semantics.derivatives import Differentiation
from lagc.semantics.model import TIME, Model

_LARGEST_WRITTEN_OUT = 200  # nodes of a sum of which the products are written out
_MOST_SUMMANDS = 32
_MOST_WRITTEN_OUT = 20_000  # summands of an expression and of its parts

Components = dict[int, sp.Expr]  # degree of freedom -> expression, none of them zero


@dataclass(frozen=True)
class Motion:
    """The variables of a model along a motion, with derivatives of q as symbols."""

    model: Model

    @cached_property
    def derivative(self) -> Differentiation:
        """Partial derivatives; `JumpDerivative` where there is none."""
        return differentiation(self.model)

    @cached_property
    def orders(self) -> tuple[tuple[sp.Symbol, ...], ...]:
        """q, q', q'', q'''."""
        return tuple(self.model.variables(n) for n in range(4))

    @cached_property
    def extra(self) -> tuple[sp.Symbol, ...]:
        """The symbols that `random_points` does not know by itself."""
        return (*self.orders[2], *self.orders[3], *input_rates(self.model).values())

    @cached_property
    def driving(self) -> frozenset[sp.Symbol]:
        """t and the inputs."""
        return frozenset((TIME, *(i.symbol for i in self.model.inputs)))

    @cached_property
    def minus(self) -> tuple[tuple[sp.Symbol, ...], ...]:
        """q_- and q'_-."""
        return self.model.variables(0, "-"), self.model.variables(1, "-")

    @cached_property
    def limit(self) -> dict[sp.Symbol, sp.Expr]:
        """The physical limit, as a replacement."""
        return limit_of_variables(self.model)

    def rate(self, expression: sp.Expr) -> sp.Expr:
        """d/dt of a function of q, q', q'', the inputs and t."""
        present = graphs.symbols(expression)
        pairs = (
            pair
            for low, high in zip(self.orders, self.orders[1:], strict=False)
            for pair in zip(low, high, strict=True)
        )
        moving = [self.derivative(expression, x) * dx for x, dx in pairs if x in present]
        return sp.Add(self.partial_time(expression), *moving)

    def partial_time(self, expression: sp.Expr) -> sp.Expr:
        """The derivative at fixed q and q': through t and through the inputs."""
        if self.driving.isdisjoint(graphs.symbols(expression)):
            return sp.Integer(0)
        rates = input_rates(self.model).items()
        return sp.Add(
            self.derivative(expression, TIME),
            *[self.derivative(expression, u) * rate for u, rate in rates],
        )

    def euler_lagrange(self, density: sp.Expr) -> Components:
        """dl/dq - d/dt dl/dv."""
        found = {}
        present = graphs.symbols(density)
        for i, (q, v) in enumerate(zip(*self.orders[:2], strict=True)):
            if q in present or v in present:
                value = self.derivative(density, q) - self.rate(self.derivative(density, v))
                if value != 0:
                    found[i] = value
        return found

    def force(self, coupling: sp.Expr) -> Components:
        """Q - d kappa/dt of a summand of K."""
        found = {}
        present = graphs.symbols(coupling)
        for i, (q, v) in enumerate(zip(*self.minus, strict=True)):
            if q in present or v in present:
                impulse = graphs.replaced(self.derivative(coupling, v), self.limit)
                value = graphs.replaced(self.derivative(coupling, q), self.limit)
                value -= self.rate(impulse)
                if value != 0:
                    found[i] = value
        return found

    def power(self, force: Components) -> sp.Expr:
        """v . F"""
        return sp.Add(*[self.orders[1][i] * f for i, f in force.items()])

    def helmholtz(self, force: Components) -> Iterator[tuple[tuple[str, int, int], sp.Expr]]:
        """What must vanish, all of it, where a force is an Euler-Lagrange expression."""
        q, v, a, _ = self.orders
        present = {i: graphs.symbols(f) for i, f in force.items()}
        every = {s for symbols in present.values() for s in symbols}
        touched = set(force) | {
            j for j in range(len(q)) if not every.isdisjoint((q[j], v[j], a[j]))
        }

        def slope(i: int, x: sp.Symbol) -> sp.Expr:
            return self.derivative(force[i], x) if x in present.get(i, ()) else sp.Integer(0)

        for i, j in combinations_with_replacement(sorted(touched), 2):
            if i not in force and j not in force:
                continue
            fa, ga = slope(i, a[j]), slope(j, a[i])
            fv, gv = slope(i, v[j]), slope(j, v[i])
            conditions = [("v", fv + gv - self.rate(fa + ga))]
            if i < j:
                turning = slope(i, q[j]) - slope(j, q[i]) - self.rate(fv - gv) / 2
                conditions += [("a", fa - ga), ("q", turning)]
            yield from (((kind, i, j), e) for kind, e in conditions if e != 0)


def collected(expression: sp.Expr) -> sp.Expr:
    """Products of sums written out, so that what cancels does; denominators and roots are kept.

    An expression of which more summands than anybody reads would come stays as it is.
    """
    count = _Summands()
    if sum(map(count, graphs.parts(expression))) > _MOST_WRITTEN_OUT:
        return expression
    kept = [
        p for p in graphs.parts(expression) if p.is_Pow and not (p.exp.is_Integer and p.exp > 0)
    ]
    kept.sort(key=sp.default_sort_key)
    held = {power: sp.Symbol(f"kept {i}") for i, power in enumerate(kept)}
    expanded = sp.expand(graphs.replaced(expression, held))
    return graphs.replaced(expanded, {symbol: power for power, symbol in held.items()})


class _Summands(dict[sp.Basic, int]):
    """How many summands an expression has at most when its products are written out."""

    def __call__(self, e: sp.Basic) -> int:
        if e not in self:
            self[e] = self._counted(e)
        return self[e]

    def _counted(self, e: sp.Basic) -> int:
        if e.is_Add:
            return sum(map(self, e.args))
        if e.is_Mul:
            return min(math.prod(map(self, e.args)), 10**9)
        if e.is_Pow and e.exp.is_Integer and e.exp > 0:
            terms, power = self(e.base), int(e.exp)
            return min(math.comb(min(terms, 10**4) + min(power, 200) - 1, min(power, 200)), 10**9)
        return 1


def summands(expression: sp.Expr) -> tuple[sp.Expr, ...]:
    """The summands with products written out, or as they stand where that would be long."""
    as_written = sp.Add.make_args(expression)
    if graphs.size(expression) > _LARGEST_WRITTEN_OUT:
        return as_written
    written_out = sp.Add.make_args(collected(expression))
    return written_out if len(written_out) <= _MOST_SUMMANDS else as_written


def is_force_statement(span: Span) -> bool:
    """Whether a summand of K was written `force q = ...`."""
    return "=" in span.text
