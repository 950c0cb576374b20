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
from lagc.mechanics.degeneracy import check_domain, check_mass_matrix, check_periodicity
from lagc.semantics import calculus
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
        left = {s for e in parts for s in e.free_symbols} & doubled
        if left:
            raise AssertionError(f"doubled variables survive the physical limit: {left}")


def derive(model: Model, diagnostics: Diagnostics) -> NodeSystem:
    """The node functions of a model; raises `LagcError` if its mechanics does not stand."""
    try:
        check_coupling(model, diagnostics)
        diagnostics.raise_if_errors()
        system = _derive(model)
    except JumpDerivative as error:
        reported(model, error, diagnostics)
        raise
    system.verify()
    check_domain(model, (*system.a, *system.b), diagnostics)
    diagnostics.raise_if_errors()
    check_mass_matrix(model, system.b_v, diagnostics)
    check_periodicity(model, (*system.a, *system.b), diagnostics)
    diagnostics.raise_if_errors()
    return system


def reported(model: Model, error: JumpDerivative, diagnostics: Diagnostics) -> None:
    """Raises `LagcError` with LAG305 for a derivative that was needed and does not exist."""
    first = model.lagrangian_terms[0].span
    report_jump(error, model.rough_calls, lambda e: physical_limit(model, e), first, diagnostics)
    diagnostics.raise_if_errors()


def _derive(model: Model) -> NodeSystem:
    q, v = model.variables(0), model.variables(1)
    lagrangian, coupling = model.lagrangian, model.coupling
    conjugate = tuple(derivative(model, lagrangian, x) for x in v)
    force = tuple(physical_limit(model, coupling.diff(x)) for x in model.variables(0, "-"))
    impulse = tuple(physical_limit(model, coupling.diff(x)) for x in model.variables(1, "-"))
    a = tuple(derivative(model, lagrangian, x) + f for x, f in zip(q, force, strict=True))
    b = tuple(p + k for p, k in zip(conjugate, impulse, strict=True))
    energy = sp.Add(*[x * p for x, p in zip(v, conjugate, strict=True)], -lagrangian)
    power = [
        x * (f - _time_derivative(model, k)) for x, f, k in zip(v, force, impulse, strict=True)
    ]
    return NodeSystem(
        model,
        a,
        b,
        _jacobian(model, a, q),
        _jacobian(model, a, v),
        _jacobian(model, b, q),
        _jacobian(model, b, v),
        lagrangian,
        force,
        impulse,
        energy,
        sp.Add(-_partial_time(model, lagrangian), *power),
    )


def _jacobian(model: Model, components: Vector, variables: tuple[sp.Symbol, ...]) -> Matrix:
    return tuple(tuple(derivative(model, e, x) for x in variables) for e in components)


def derivative(model: Model, expression: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    """The derivative, with x^n/x written x^(n-1) where n is a symbol: at x = 0 it has a value."""
    result = calculus.derivative(expression, variable, model.ranges)
    if any(not p.exp.is_number for p in result.atoms(sp.Pow)):
        result = sp.powsimp(result, deep=True, combine="exp")
    return result


def acceleration_symbols(model: Model) -> tuple[sp.Symbol, ...]:
    """q'', one a degree of freedom."""
    return model.variables(2)


def input_rates(model: Model) -> dict[sp.Symbol, sp.Symbol]:
    """The symbol u' of the time derivative of every input u."""
    return {i.symbol: sp.Symbol(f"{i.name}'") for i in model.inputs}


def _partial_time(model: Model, expression: sp.Expr) -> sp.Expr:
    """The derivative at fixed q and v: through t and through the inputs."""
    rates = input_rates(model).items()
    parts = [derivative(model, expression, u) * rate for u, rate in rates]
    return sp.Add(derivative(model, expression, TIME), *parts)


def _time_derivative(model: Model, expression: sp.Expr) -> sp.Expr:
    """The derivative along a motion, with q'' as symbols."""
    q, v, acceleration = (model.variables(n) for n in range(3))
    return sp.Add(
        _partial_time(model, expression),
        *[derivative(model, expression, x) * y for x, y in zip(q, v, strict=True)],
        *[derivative(model, expression, x) * y for x, y in zip(v, acceleration, strict=True)],
    )
