"""The programs of a model: one for each node function of the generated module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from lagc.base.diagnostics import LagcError, fail
from lagc.lower.lowering import lower_program
from lagc.lower.program import Program, Variable
from lagc.mechanics.nodesystem import NodeSystem
from lagc.semantics import graphs
from lagc.semantics.model import TIME, Model

Outputs = dict[str, tuple[tuple[int, ...], Sequence[sp.Expr]]]


@dataclass(frozen=True)
class ModelPrograms:
    """Node functions by the names that the runtime knows them by, and observables.

    `defaults` and `initial` are functions of the number of a site, named after the coefficient or
    the label (`phi'[i]`) whose values they give.
    """

    lagrangian: Program
    forces: Program
    blocks: Program
    momentum: Program
    energy: Program
    observables: tuple[Program, ...]
    defaults: tuple[Program, ...] = ()
    initial: tuple[Program, ...] = ()

    def all(self) -> tuple[Program, ...]:
        """Every program, in the order of the module."""
        return (
            self.lagrangian,
            self.forces,
            self.blocks,
            self.momentum,
            self.energy,
            *self.observables,
        )


def lower(system: NodeSystem) -> ModelPrograms:
    """The programs of a node system; LAG210 for numbers out of the range of doubles."""
    try:
        return _lower(system)
    except LagcError as error:
        raise placed(system.model, error) from None


def _lower(system: NodeSystem) -> ModelPrograms:
    model = system.model
    variables = _variables(model)
    n = len(model.labels)
    vector, matrix = (n,), (n, n)

    def flat(block: Sequence[Sequence[sp.Expr]]) -> list[sp.Expr]:
        return [e for row in block for e in row]

    def program(name: str, outputs: Outputs) -> Program:
        return lower_program(name, outputs, variables, model.constant_values)

    return ModelPrograms(
        lagrangian=program("lagrangian", {"L": ((), [system.lagrangian])}),
        forces=program("forces", {"a": (vector, system.a), "b": (vector, system.b)}),
        blocks=program(
            "blocks",
            {
                "a_q": (matrix, flat(system.a_q)),
                "a_v": (matrix, flat(system.a_v)),
                "b_q": (matrix, flat(system.b_q)),
                "b_v": (matrix, flat(system.b_v)),
            },
        ),
        momentum=program("momentum", {"b": (vector, system.b)}),
        energy=program("energy", {"E": ((), [system.energy])}),
        observables=tuple(program(o.name, {o.name: ((), [o.value])}) for o in model.observables),
    )


def placed(model: Model, error: LagcError) -> LagcError:
    """The error of a number that is no double, at the first term of L or K that has it."""
    (found,) = error.diagnostics
    for term in (*model.lagrangian_terms, *model.coupling_terms):
        anything = dict.fromkeys(graphs.symbols(term.value), Variable("t"))
        try:
            lower_program("term", {"": ((), [term.value])}, anything, model.constant_values)
        except LagcError:
            return fail(found.code, found.message, term.span, help=found.help)
    return error


def _variables(model: Model) -> dict[sp.Symbol, Variable]:
    found = {TIME: Variable("t")}
    for kind, primes in (("q", 0), ("v", 1)):
        for i, symbol in enumerate(model.variables(primes)):
            found[symbol] = Variable(kind, index=i)
    found |= {c.symbol: Variable("coefficient", c.name) for c in model.coefficients}
    found |= {i.symbol: Variable("signal", i.name) for i in model.inputs}
    return found
