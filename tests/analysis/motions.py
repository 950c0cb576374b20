"""Motions by an independent integrator from the equations shown, and functions along them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp
from scipy.interpolate import make_interp_spline

from lagc.driver import Compilation
from lagc.mechanics.nodesystem import input_rates
from lagc.presentation.model import describe
from lagc.semantics.sites import SiteSum

TIMES = np.linspace(0.0, 6.0, 601)


@dataclass(frozen=True)
class Motion:
    """The values of all symbols of a model along a motion, (601,) each."""

    compilation: Compilation
    values: dict[sp.Symbol, Any]

    def along(self, expression: sp.Expr) -> Any:
        """The values of an expression, through SymPy's printer for NumPy."""
        lattice = self.compilation.model.lattice

        def written_out(total: SiteSum) -> sp.Expr:
            assert lattice is not None
            first, last = total.sites
            return sp.Add(*[lattice.at_site(total.body, k) for k in range(first, last + 1)])

        plain = expression.replace(lambda e: isinstance(e, SiteSum), written_out)
        symbols = sorted(plain.free_symbols, key=lambda s: s.name)
        values = compiled([plain], symbols)(*[self.values[s] for s in symbols])[0]
        return np.broadcast_to(values, TIMES.shape)

    def integrated(self, expression: sp.Expr) -> Any:
        """The integral of an expression from the start to every time, by a spline of degree 7."""
        primitive = make_interp_spline(TIMES, self.along(expression), k=7).antiderivative()
        return primitive(TIMES) - primitive(TIMES[0])


def compiled(expressions: list[sp.Expr], symbols: Any) -> Any:
    """Expressions as one NumPy function of the symbols."""
    dummies = sp.symbols(f"v0:{len(symbols)}")
    renamed = dict(zip(symbols, dummies, strict=True))
    return sp.lambdify(dummies, [e.xreplace(renamed) for e in expressions], modules="numpy")


def move(compilation: Compilation, q0: Any, v0: Any, signals: Any = None) -> Motion:
    """The motion from a state by SciPy's DOP853, from the equations that `lagc show` prints.

    signals: inputs to (function, derivative) of t. Holds q'' too.
    """
    model, n = compilation.model, len(q0)
    signals = signals or {}
    rows = describe(compilation).section("motion").rows
    q, v, a = (model.variables(k) for k in range(3))
    inputs = [sp.Symbol(name) for name in signals]
    matrix = [[row.left.coeff(x) for x in a] for row in rows]
    for row, entries in zip(rows, matrix, strict=True):
        assert sp.expand(row.left - sum(m * x for m, x in zip(entries, a, strict=True))) == 0
    constants = {s: float(x) for s, x in model.constant_values.items()}
    constants |= {c.symbol: float(c.default) for c in model.coefficients}
    known = {s: sp.Float(x, 17) for s, x in constants.items()}
    wanted = [e.xreplace(known) for entries in matrix for e in entries]
    wanted += [row.right.xreplace(known) for row in rows]
    function = compiled(wanted, [sp.Symbol("t"), *q, *v, *inputs])

    def accelerations(t: float, state: Any) -> Any:
        at = function(t, *state, *[f(t) for f, _ in signals.values()])
        return np.linalg.solve(np.array(at[: n * n], float).reshape(n, n), at[n * n :])

    found = solve_ivp(
        lambda t, state: np.concatenate([state[n:], accelerations(t, state)]),
        (TIMES[0], TIMES[-1]),
        [*q0, *v0],
        method="DOP853",
        t_eval=TIMES,
        rtol=3e-14,
        atol=1e-14,
    )
    second = np.array([accelerations(t, s) for t, s in zip(TIMES, found.y.T, strict=True)])
    values: dict[sp.Symbol, Any] = {sp.Symbol("t"): TIMES, **constants}
    values |= dict(zip([*q, *v], found.y, strict=True)) | dict(zip(a, second.T, strict=True))
    for name, (signal, rate) in signals.items():
        values[sp.Symbol(name)] = signal(TIMES)
        values[input_rates(model)[sp.Symbol(name)]] = rate(TIMES)
    return Motion(compilation, values)


def ring(compilation: Compilation, q: Any, v: Any) -> Motion:
    """A motion of a field given by a run of the compiled module, (601, sites) each."""
    model = compilation.model
    lattice = model.lattice
    assert lattice is not None
    (field,) = model.coordinates
    values = {sp.Symbol("t"): TIMES} | {c.symbol: float(c.default) for c in model.coefficients}
    for k in range(lattice.size):
        values[lattice.fixed(field.name, k)] = q[:, k]
        values[lattice.fixed(field.name + "'", k)] = v[:, k]
    return Motion(compilation, values)
