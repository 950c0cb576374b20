"""The equations of motion as node functions (REFERENCE section 1).

    d/dt b = a      a = dL/dq + [dK/dq_-]_PL      b = dL/dv + [dK/dq'_-]_PL      v = q'

and the blocks a_q, a_v, b_q, b_v that the Jacobian of a step is made of. L(q_1) - L(q_2)
contributes dL/dq and dL/dv to the physical limit, so only K is differentiated by minus variables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Span
from lagc.mechanics.coupling import check_coupling, physical_limit
from lagc.mechanics.degeneracy import check_domain, check_mass_matrix, check_periodicity
from lagc.semantics.derivatives import Differentiation
from lagc.semantics.functions import AbsoluteValue, JumpDerivative, Maximum, Minimum, Sign, Step
from lagc.semantics.model import TIME, Model, RoughCall

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
    derivative = Differentiation(longest_term(model))
    try:
        check_coupling(model, derivative, diagnostics)
        diagnostics.raise_if_errors()
        system = _Derivation(model, derivative).system()
    except JumpDerivative as error:
        _report_jump(model, error, diagnostics)
        diagnostics.raise_if_errors()
        raise
    system.verify()
    check_domain(model, (*system.a, *system.b), diagnostics)
    diagnostics.raise_if_errors()
    check_mass_matrix(model, system.b_v, diagnostics)
    check_periodicity(model, (*system.a, *system.b), diagnostics)
    diagnostics.raise_if_errors()
    return system


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
            tuple(physical_limit(model, self.derivative(coupling, x)) for x in minus)
            for minus in (model.variables(0, "-"), model.variables(1, "-"))
        )
        a = tuple(self.derivative.tidied(lagrangian, x) + f for x, f in zip(q, force, strict=True))
        b = tuple(p + k for p, k in zip(conjugate, impulse, strict=True))
        power = [x * (f - self._along_motion(k)) for x, f, k in zip(v, force, impulse, strict=True)]
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

    def _along_motion(self, expression: sp.Expr) -> sp.Expr:
        """The derivative in time along a motion, with q'' as symbols."""
        q, v, acceleration = (self.model.variables(n) for n in range(3))
        return sp.Add(
            partial_time(self.model, expression, self.derivative),
            *[self.derivative(expression, x) * y for x, y in zip(q, v, strict=True)],
            *[self.derivative(expression, x) * y for x, y in zip(v, acceleration, strict=True)],
        )


def longest_term(model: Model) -> Span:
    """The longest summand of L and K in the text."""
    terms = (*model.lagrangian_terms, *model.coupling_terms)
    return max((t.span for t in terms), key=lambda span: span.end - span.start)


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


def _report_jump(model: Model, error: JumpDerivative, diagnostics: Diagnostics) -> None:
    call = _origin(model, error.expression)
    diagnostics.add(
        Code.LAG305,
        f"the equations need a derivative of `{call.function}` that does not exist"
        if call
        else "the equations need the derivative of a function with a jump",
        call.span if call else _first_span(model),
        label=_smooth_variant(call),
        help="the Jacobian of a step differentiates L and R twice, forces and factors in K once; "
        "a force that is continuous can be given itself: `force q = ...`",
    )


def _origin(model: Model, jump: sp.Expr) -> RoughCall | None:
    """The call in the text that a jump came from."""
    calls = model.rough_calls

    def argument_of(call: RoughCall) -> list[sp.Expr]:
        arguments = [physical_limit(model, x) for x in call.value.args]
        if isinstance(call.value, Minimum | Maximum):
            a, b = arguments
            return [a - b, b - a]
        return arguments

    kinds = (Minimum, Maximum) if isinstance(jump, Step) else (AbsoluteValue, Sign)
    same_kind = [c for c in calls if isinstance(c.value, kinds)]
    exact = [c for c in same_kind if physical_limit(model, jump.args[0]) in argument_of(c)]
    return next(iter(exact or same_kind), None)


def _smooth_variant(call: RoughCall | None) -> str:
    if call is None:
        return ""
    argument = call.span.text[len(call.function) :].strip()[1:-1].strip()
    if not re.fullmatch(r"\w+'*(_[+-])?(\[\w+\])?", argument):
        argument = f"({argument})"
    sign = "-" if call.function == "min" else "+"
    smooth = {
        "sign": f"tanh({argument}/eps)",
        "abs": f"sqrt({argument}^2 + eps^2)",
    }.get(call.function, f"(a + b {sign} sqrt((a - b)^2 + eps^2))/2")
    return f"smooth: `{smooth}` with a small eps"


def _first_span(model: Model) -> Span:
    return model.lagrangian_terms[0].span
