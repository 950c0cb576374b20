"""Where the energy of a model comes from and goes to (REFERENCE section 1).

dE/dt = -dL/dt + v.(Q - d kappa/dt): explicit time in L, and the power of every term of K.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from lagc.analysis.motion import Motion, collected
from lagc.base.spans import Span
from lagc.mechanics.lattice import LatticeSystem, derive_power
from lagc.mechanics.nodesystem import NodeSystem
from lagc.semantics.model import Term


@dataclass(frozen=True)
class Power:
    """What one contribution to K adds to dE/dt."""

    span: Span
    value: sp.Expr


@dataclass(frozen=True)
class EnergyBalance:
    """E and the parts of dE/dt, in q, q', t, the inputs u and their rates u'.

    Where K depends on velocities of the difference, accelerations occur, as symbols q''.
    """

    energy: sp.Expr
    rate: sp.Expr
    explicit_time: sp.Expr
    powers: tuple[Power, ...]


def energy_balance(system: NodeSystem | LatticeSystem) -> EnergyBalance:
    """The balance of a model; what `R` or a force on a vector contributes is one part."""
    terms: dict[Span, list[Term]] = {}
    for term in system.model.coupling_terms:
        terms.setdefault(term.span, []).append(term)
    if isinstance(system, LatticeSystem):
        return _of_lattice(system, terms)
    motion = Motion(system.model)
    powers = []
    for span, parts in terms.items():
        value = sp.Add(*[motion.power(motion.force(part.value)) for part in parts])
        powers.append(Power(span, collected(value)))
    return EnergyBalance(
        collected(system.energy),
        collected(system.energy_rate),
        collected(-motion.partial_time(system.lagrangian)),
        tuple(powers),
    )


def _of_lattice(system: LatticeSystem, terms: dict[Span, list[Term]]) -> EnergyBalance:
    model, lattice = system.model, system.lattice
    powers = []
    for span, parts in terms.items():
        alone = replace(model, lagrangian_terms=(), coupling_terms=tuple(parts))
        powers.append(Power(span, system.summed(derive_power(alone, lattice))))
    without = replace(model, coupling_terms=())
    return EnergyBalance(
        system.summed(system.energy),
        system.summed(system.power),
        system.summed(derive_power(without, lattice)),
        tuple(powers),
    )
