"""The equations of motion as node functions (REFERENCE section 1).

    d/dt b = a      a = dL/dq + [dK/dq_-]_PL      b = dL/dv + [dK/dq'_-]_PL      v = q'

and the blocks a_q, a_v, b_q, b_v that the Jacobian of a step is made of. L(q_1) - L(q_2)
contributes dL/dq and dL/dv to the physical limit, so only K is differentiated by minus variables.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from lagc.base.diagnostics import Diagnostics
from lagc.mechanics.coupling import check_coupling, physical_limit
from lagc.mechanics.degeneracy import check_mass_matrix, check_periodicity
from lagc.mechanics.domain import check_domain
from lagc.semantics import graphs
from lagc.semantics.derivatives import Differentiation
from lagc.semantics.functions import JumpDerivative
from lagc.semantics.jumps import report_jump
from lagc.semantics.model import TIME, Model

Vector = tuple[sp.Expr, ...]
Matrix = tuple[Vector, ...]  # rows: the component; columns: what it is differentiated by


@dataclass(frozen=True)
class NodeSystem:
    """a, b: (dof,); blocks: (dof, dof); everything in q, q', t and the symbols of the model.

    force and impulse are Q = [dK/dq_-]_PL and kappa = [dK/dq'_-]_PL; energy is v.dL/dv - L and
    energy_rate -dL/dt + v.(Q - d kappa/dt), with the accelerations as symbols q''.
    """

    model: Model
    a: Vector
    b: Vector
    a_q: Matrix
    a_v: Matrix
    b_q: Matrix
    b_v: Matrix
    lagrangian: sp.Expr
    force: Vector
    impulse: Vector
    energy: sp.Expr
    energy_rate: sp.Expr

    def verify(self) -> None:
        """No doubled variable survives the physical limit."""
        model = self.model
        doubled = {
            s for primes in (0, 1) for side in ("+", "-") for s in model.variables(primes, side)
        }
        rows = (*self.a_q, *self.a_v, *self.b_q, *self.b_v)
        parts = [*self.a, *self.b, self.energy, self.energy_rate, *(x for r in rows for x in r)]
        left = graphs.symbols(*parts) & doubled
        if left:
            raise AssertionError(f"doubled variables survive the physical limit: {left}")


def derive(model: Model, diagnostics: Diagnostics) -> NodeSystem:
    """The node functions of a model; raises `LagcError` if its mechanics does not stand."""
    derivative = differentiation(model)
    try:
        check_coupling(model, derivative, diagnostics)
        diagnostics.raise_if_errors()
        derivation = _Derivation(model, derivative)
        system = derivation.system()
    except JumpDerivative as error:
        reported(model, error, diagnostics)
        raise
    system.verify()
    check_domain(model, (*system.a, *system.b), diagnostics)
    diagnostics.raise_if_errors()
    check_mass_matrix(model, system.b_v, diagnostics)
    check_periodicity(model, system.a, system.b, derivation.along_motion, diagnostics)
    diagnostics.raise_if_errors()
    return system


def reported(model: Model, error: JumpDerivative, diagnostics: Diagnostics) -> None:
    """Raises `LagcError` with LAG305 for a derivative that was needed and does not exist."""
    first = model.lagrangian_terms[0].span
    report_jump(error, model.rough_calls, lambda e: physical_limit(model, e), first, diagnostics)
    diagnostics.raise_if_errors()


class _Derivation:
    """The node functions of one model."""

    def __init__(self, model: Model, derivative: Differentiation) -> None:
        self.model = model
        self.derivative = derivative

    def system(self) -> NodeSystem:
        model = self.model
        q, v = model.variables(0), model.variables(1)
        lagrangian, coupling = model.lagrangian, model.coupling
        conjugate = tuple(self.derivative.tidied(lagrangian, x) for x in v)
        force, impulse = (
            tuple(physical_limit(model, self.derivative.everywhere(coupling, x)) for x in minus)
            for minus in (model.variables(0, "-"), model.variables(1, "-"))
        )
        a = tuple(self.derivative.tidied(lagrangian, x) + f for x, f in zip(q, force, strict=True))
        b = tuple(p + k for p, k in zip(conjugate, impulse, strict=True))
        power = [x * (f - self.along_motion(k)) for x, f, k in zip(v, force, impulse, strict=True)]
        return NodeSystem(
            model,
            a,
            b,
            self._jacobian(a, q),
            self._jacobian(a, v),
            self._jacobian(b, q),
            self._jacobian(b, v),
            lagrangian,
            force,
            impulse,
            energy=sp.Add(*[x * p for x, p in zip(v, conjugate, strict=True)], -lagrangian),
            energy_rate=sp.Add(-partial_time(model, lagrangian, self.derivative), *power),
        )

    def _jacobian(self, components: Vector, variables: tuple[sp.Symbol, ...]) -> Matrix:
        return tuple(tuple(self.derivative.tidied(e, x) for x in variables) for e in components)

    def along_motion(self, expression: sp.Expr) -> sp.Expr:
        """The derivative in time along a motion, with q'' as symbols."""
        q, v, acceleration = (self.model.variables(n) for n in range(3))
        return sp.Add(
            partial_time(self.model, expression, self.derivative),
            *[self.derivative(expression, x) * y for x, y in zip(q, v, strict=True)],
            *[self.derivative(expression, x) * y for x, y in zip(v, acceleration, strict=True)],
        )


def differentiation(model: Model) -> Differentiation:
    """Derivatives of the expressions of a model; LAG108 points at its longest summand."""
    terms = (*model.lagrangian_terms, *model.coupling_terms)
    longest = max((t.span for t in terms), key=lambda span: span.end - span.start)
    return Differentiation(longest, model.ranges)


def acceleration_symbols(model: Model) -> tuple[sp.Symbol, ...]:
    """q'', one a degree of freedom."""
    return model.variables(2)


def input_rates(model: Model) -> dict[sp.Symbol, sp.Symbol]:
    """The symbol u' of the time derivative of every input u."""
    return {i.symbol: sp.Symbol(f"{i.name}'") for i in model.inputs}


def partial_time(model: Model, expression: sp.Expr, derivative: Differentiation) -> sp.Expr:
    """The derivative at fixed q and v: through t and through the inputs."""
    rates = input_rates(model).items()
    through_inputs = [derivative(expression, u) * rate for u, rate in rates]
    return sp.Add(derivative(expression, TIME), *through_inputs)
