"""Symmetries of L and what they conserve (Noether), found by infinitesimal tests.

A shift or a turn q -> q + eps xi(q) leaves L as it is where xi.dL/dq + xi'.dL/dv = 0. These
expressions are linear in xi, so all shifts xi = const and all turns xi_i = -q_j, xi_j = q_i are
columns, and a relation between columns is a symmetry. Along a motion then

    d/dt (xi.p) = xi.Q + xi'.kappa

with the nonconservative momenta p: zero where K does not act, a known drift where it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import sympy as sp

from lagc.analysis.motion import Motion, collected
from lagc.analysis.relations import Relation, all_vanish, find_relations
from lagc.mechanics.lattice import Density, LatticeSystem, Parts
from lagc.mechanics.nodesystem import NodeSystem
from lagc.semantics import graphs
from lagc.semantics.functions import JumpDerivative

_MOST_TURNED = 9  # degrees of freedom, of which pairs are formed
_MOST_SHIFTED = 40
_LARGEST = 6000  # nodes of the columns


@dataclass(frozen=True)
class Symmetry:
    """What L does not notice, the quantity that belongs to it, and its rate along a motion.

    kind: `time`, `translation` or `rotation`; name: of the quantity, such as `p[x]` or
    `x*p[y] - y*p[x]`, over the momenta; conserved: whether the rate is shown to be zero.
    """

    kind: str
    name: sp.Expr
    value: sp.Expr
    rate: sp.Expr
    conserved: bool


def momentum_symbol(label: str) -> sp.Symbol:
    """The symbol p[label] of the momentum of a degree of freedom."""
    return sp.Symbol(f"p[{label}]")


def find_symmetries(system: NodeSystem | LatticeSystem) -> tuple[Symmetry, ...]:
    """Time, translations and rotations, as far as they are found; of a lattice, of whole fields."""
    nodes = system.instance if isinstance(system, LatticeSystem) else system
    motion = Motion(nodes.model)
    found = list(_time(motion, system))
    try:
        if isinstance(system, LatticeSystem):
            found += _fields(motion, system)
        else:
            found += _shifts_and_turns(motion, nodes)
    except JumpDerivative:
        pass
    return tuple(found)


def _time(motion: Motion, system: NodeSystem | LatticeSystem) -> list[Symmetry]:
    nodes = system.instance if isinstance(system, LatticeSystem) else system
    if not motion.driving.isdisjoint(graphs.symbols(nodes.lagrangian)):
        return []
    conserved = all_vanish(motion.model, [nodes.energy_rate], motion.extra)
    if isinstance(system, LatticeSystem):
        value, rate = system.summed(system.energy), system.summed(system.power)
    else:
        value, rate = collected(system.energy), collected(system.energy_rate)
    return [Symmetry("time", sp.Symbol("E"), value, rate, conserved)]


def _shifts_and_turns(motion: Motion, nodes: NodeSystem) -> list[Symmetry]:
    q, v = motion.orders[:2]
    n = len(q)
    if n > _MOST_SHIFTED:
        return []
    slopes = [motion.derivative(nodes.lagrangian, x) for x in q]
    shifts = [{i: sp.Integer(1)} for i in range(n)]
    columns = list(slopes)
    turns: list[dict[int, sp.Expr]] = []
    straight = [i for i in range(n) if motion.model.coordinate_of(i).modulus is None]
    if len(straight) <= _MOST_TURNED:
        momenta = [motion.derivative(nodes.lagrangian, x) for x in v]
        for i, j in combinations(straight, 2):
            turns.append({i: -q[j], j: q[i]})
            columns.append(
                q[i] * slopes[j] - q[j] * slopes[i] + v[i] * momenta[j] - v[j] * momenta[i]
            )
    if sum(graphs.size(e) for e in columns) > _LARGEST:
        return []
    relations = find_relations(motion.model, [columns], motion.extra)
    return [_noether(motion, nodes, [*shifts, *turns], r) for r in relations]


def _noether(
    motion: Motion, nodes: NodeSystem, generators: Sequence[dict[int, sp.Expr]], relation: Relation
) -> Symmetry:
    xi: dict[int, sp.Expr] = {}
    leading = -1 if next(iter(relation.values())) < 0 else 1
    for k, factor in relation.items():
        scale = leading * sp.Rational(factor.numerator, factor.denominator)
        for i, e in generators[k].items():
            xi[i] = xi.get(i, sp.Integer(0)) + scale * e
    labels = motion.model.labels
    name = sp.Add(*[e * momentum_symbol(labels[i]) for i, e in sorted(xi.items())])
    value = sp.Add(*[e * nodes.b[i] for i, e in xi.items()])
    rate = sp.Add(*[e * nodes.force[i] + motion.rate(e) * nodes.impulse[i] for i, e in xi.items()])
    turning = any(not e.is_number for e in xi.values())
    return Symmetry(
        "rotation" if turning else "translation",
        name,
        collected(value),
        collected(rate),
        all_vanish(motion.model, [rate], motion.extra),
    )


def _fields(motion: Motion, system: LatticeSystem) -> list[Symmetry]:
    """Shifts of whole fields, the same at every site; settled on the instance with few sites."""
    nodes, lattice = system.instance, system.lattice
    labels = system.model.labels
    sites = len(nodes.model.variables(0)) // len(labels)
    of_field = [range(f * sites, (f + 1) * sites) for f in range(len(labels))]
    q = motion.orders[0]
    columns = [
        sp.Add(*[motion.derivative(nodes.lagrangian, q[k]) for k in own]) for own in of_field
    ]
    found = []
    for relation in find_relations(motion.model, [columns], motion.extra):
        factors = {f: sp.Rational(c.numerator, c.denominator) for f, c in relation.items()}
        drift = sp.Add(*[c * nodes.force[k] for f, c in factors.items() for k in of_field[f]])
        names = [c * momentum_symbol(labels[f]) for f, c in factors.items()]
        whole = lattice.first, lattice.last
        found.append(
            Symmetry(
                "translation",
                system.summed((Density(sp.Add(*names), whole),)),
                _total(system, system.b, factors),
                _total(system, system.a, factors),
                all_vanish(motion.model, [drift], motion.extra),
            )
        )
    return found


def _total(system: LatticeSystem, parts: Parts, factors: dict[int, sp.Rational]) -> sp.Expr:
    """The sum over all sites of contributions to the fields, each with its factor."""
    by_sites: dict[tuple[int, int], sp.Expr] = {}
    for part in parts:
        if part.row[0] in factors:
            value = factors[part.row[0]] * part.value
            by_sites[part.sites] = by_sites.get(part.sites, sp.Integer(0)) + value
    sums = {sites: collected(e) for sites, e in by_sites.items()}
    return system.summed(tuple(Density(e, sites) for sites, e in sums.items() if e != 0))
