"""Structural facts of a model, found symbolically and proved again numerically.

A fact that cannot be shown is reported as not holding: strategies may only rely on a yes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from lagc.mechanics.lattice import LatticeSystem
from lagc.mechanics.nodesystem import NodeSystem, differentiation
from lagc.mechanics.numeric import vanishes
from lagc.semantics import graphs
from lagc.semantics.functions import NeuralTerm
from lagc.semantics.model import TIME


@dataclass(frozen=True)
class Fact:
    """A property of the model, whether it holds, and what that rests on."""

    name: str
    holds: bool
    evidence: str


@dataclass(frozen=True)
class Facts:
    """Everything known about the structure of a model, in a fixed order."""

    items: tuple[Fact, ...]

    def holds(self, name: str) -> bool:
        """Whether a fact was shown."""
        return any(f.holds for f in self.items if f.name == name)


class _Prover:
    """Claims about expressions, each settled by `vanishes` at random points."""

    def __init__(self, system: NodeSystem) -> None:
        self.system = system
        self.model = system.model
        self.q, self.v = self.model.variables(0), self.model.variables(1)
        self.derivative = differentiation(self.model)
        self.time = (TIME, *(i.symbol for i in self.model.inputs))

    def zero(self, *expressions: sp.Expr) -> bool:
        """Every expression is zero, everywhere."""
        return all(vanishes(self.model, e) is True for e in expressions)

    def free_of(self, expressions: Iterator[sp.Expr], symbols: tuple[sp.Symbol, ...]) -> bool:
        """No expression depends on any of the symbols (a dependence that cancels counts as one)."""
        return graphs.symbols(*expressions).isdisjoint(symbols)


def find_facts(system: NodeSystem) -> Facts:
    """The facts of a model."""
    prover = _Prover(system)
    return Facts((*_general(prover), _banded(prover), *_cyclic(prover)))


def find_lattice_facts(system: LatticeSystem) -> Facts:
    """The facts of a lattice model, settled on its instance with few sites.

    The mass matrix counts as constant where it is also local: M at a site is a number (or, of
    several fields, a matrix) for that site alone.
    """
    prover = _Prover(system.instance)
    facts = list(_general(prover))
    for i, fact in enumerate(facts):
        if fact.name == "constant mass matrix" and fact.holds:
            evidence = "b = M v with M constant, " + (
                "at each site" if system.local_mass else "but M couples sites"
            )
            facts[i] = Fact(fact.name, system.local_mass, evidence)
    return Facts((*facts, _banded_lattice(prover, system)))


def _general(prover: _Prover) -> tuple[Fact, ...]:
    return (
        _conservative(prover),
        _autonomous(prover),
        *_affine(prover),
        _constant_mass(prover),
        _diagonal_mass(prover),
        _separable(prover),
    )


def _entries(matrix: tuple[tuple[sp.Expr, ...], ...]) -> Iterator[sp.Expr]:
    return (e for row in matrix for e in row)


def _all_blocks(s: NodeSystem) -> Iterator[sp.Expr]:
    return (e for block in (s.a_q, s.a_v, s.b_q, s.b_v) for e in _entries(block))


def _has_root(expressions: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]) -> bool:
    """Whether a power that is no whole one depends on any of the symbols.

    A root may hide an absolute value, sqrt(1 - cos(q)^2) for one: its derivative proves nothing.
    """
    wanted = set(symbols)
    powers = (x for x in graphs.parts(*expressions) if x.is_Pow and not x.exp.is_Integer)
    return any(graphs.symbols(x) & wanted for x in powers)


def _conservative(p: _Prover) -> Fact:
    s = p.system
    holds = p.zero(*s.force, *s.impulse)
    evidence = "K reaches no equation of motion" if holds else "K is not zero"
    return Fact("conservative", holds, evidence)


def _autonomous(p: _Prover) -> Fact:
    s = p.system
    holds = p.free_of(iter((*s.a, *s.b, s.lagrangian)), p.time)
    evidence = "neither t nor an input occurs" if holds else "t or an input occurs"
    return Fact("autonomous", holds, evidence)


def _affine(p: _Prover) -> tuple[Fact, Fact]:
    """Whether forces and momenta are affine in q and q', and whether they vanish with them."""
    s = p.system
    varying = (*p.q, *p.v, *p.time)
    neural = graphs.holds(_all_blocks(s), NeuralTerm)
    rooted = _has_root((*s.a, *s.b), (*p.q, *p.v))
    holds = not neural and not rooted and p.free_of(_all_blocks(s), varying)
    linear = False
    if holds:  # the blocks rebuild a and b up to a part that is free of q and v
        remainders = [
            e - sp.Add(*[x * y for x, y in zip((*row_q, *row_v), (*p.q, *p.v), strict=True)])
            for e, row_q, row_v in (
                *zip(s.a, s.a_q, s.a_v, strict=True),
                *zip(s.b, s.b_q, s.b_v, strict=True),
            )
        ]
        holds = p.zero(*[p.derivative(r, x) for r in remainders for x in (*p.q, *p.v)])
        linear = holds and p.zero(*remainders)
    evidence = "the blocks are constant" if holds else "the blocks depend on q, q' or t"
    at_rest = "no force at the origin at rest" if linear else "not affine, or forced at the origin"
    return Fact("affine", holds, evidence), Fact("linear", linear, at_rest)


def _constant_mass(p: _Prover) -> Fact:
    s = p.system
    constant = p.free_of(_entries(s.b_v), (*p.q, *p.v, *p.time))
    constant = constant and not graphs.holds(_entries(s.b_v), NeuralTerm)
    constant = constant and not _has_root(s.b, p.v)
    remainder = [
        b - sp.Add(*[m * v for m, v in zip(row, p.v, strict=True)])
        for b, row in zip(s.b, s.b_v, strict=True)
    ]
    holds = constant and p.zero(*remainder)
    evidence = "b = M v with M constant" if holds else "b is not M v with M constant"
    return Fact("constant mass matrix", holds, evidence)


def _diagonal_mass(p: _Prover) -> Fact:
    off = [m for i, row in enumerate(p.system.b_v) for j, m in enumerate(row) if i != j]
    holds = p.zero(*off)
    evidence = "db/dv is diagonal" if holds else "db/dv couples components"
    return Fact("diagonal mass matrix", holds, evidence)


def _separable(p: _Prover) -> Fact:
    s = p.system
    # Without K the block db/dq is that of the second derivatives of L by q and q'.
    holds = p.zero(*s.force, *s.impulse) and p.zero(*_entries(s.b_q))
    evidence = "K = 0 and L = T(q', t) - V(q, t)" if holds else "L mixes q and q', or K is not zero"
    return Fact("separable", holds, evidence)


def _banded(p: _Prover) -> Fact:
    s = p.system
    n = len(p.q)
    far = [
        block[i][j]
        for block in (s.a_q, s.a_v, s.b_q, s.b_v)
        for i in range(n)
        for j in range(n)
        if abs(i - j) > 1
    ]
    holds = bool(far) and p.zero(*far)
    evidence = "only neighbouring components are coupled"
    if not holds:
        evidence = "fewer than three components" if n < 3 else "distant components are coupled"
    return Fact("banded", holds, evidence)


def _banded_lattice(p: _Prover, system: LatticeSystem) -> Fact:
    s = p.system
    n = len(p.q) // len(p.model.coordinates)

    def far(i: int, j: int) -> bool:
        distance = abs(i % n - j % n)
        ring = system.lattice.periodic
        return (min(distance, n - distance) if ring else distance) > system.reach

    beyond = [
        block[i][j]
        for block in (s.a_q, s.a_v, s.b_q, s.b_v)
        for i in range(len(p.q))
        for j in range(len(p.q))
        if far(i, j)
    ]
    holds = p.zero(*beyond)
    if system.reach == 0:
        return Fact("banded", holds, "sites are not coupled")
    apart = "neighbouring sites" if system.reach == 1 else f"sites up to {system.reach} apart"
    evidence = f"{apart} are coupled" if holds else "distant sites are coupled"
    return Fact("banded", holds, evidence)


def _cyclic(p: _Prover) -> Iterator[Fact]:
    s = p.system
    for q, label, force in zip(p.q, p.model.labels, s.force, strict=True):
        holds = p.zero(p.derivative(s.lagrangian, q))
        if not holds:
            continue
        conserved = p.zero(force)
        evidence = f"L does not depend on it; p[{label}] " + (
            "is conserved" if conserved else "changes by the force on it alone"
        )
        yield Fact(f"cyclic {label}", True, evidence)
