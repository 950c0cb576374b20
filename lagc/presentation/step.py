"""The discrete equations of one step (REFERENCE section 2), with the quadrature of an order."""

from __future__ import annotations

import sympy as sp

from lagc.presentation.document import Equation, Row, Sum, Table, Words
from lagc.runtime.tableau import tableau

_LARGEST_TABLE = 6  # interior nodes for which the matrix is written


def step_section(order: int, node_functions: tuple[Row, ...]) -> tuple[Row, ...]:
    """The equations of a step with r = order/2 - 1 interior nodes.

    node_functions: how a depends on q, q' and t; b is the momentum.
    """
    r = order // 2 - 1
    symbol = sp.Symbol
    h, j, last = symbol("h"), symbol("j"), sp.Integer(r + 1)
    a, b = (
        sp.Function(name)(symbol(f"Q[{k}]"), symbol(f"V[{k}]"), symbol(f"t[{k}]"))
        for name, k in (("a", "i"), ("b", "j"))
    )
    residual = h / 2 * symbol("w[i]") * a + Sum(
        symbol("w[j]") * symbol("D[j,i]") * b, j, sp.Integer(0), last
    )
    velocity = 2 / h * Sum(symbol("D[i,j]") * symbol("Q[j]"), j, sp.Integer(0), last)
    rows: list[Row] = [
        Words((f"nodes i = 0..{r + 1}, Q[0] = q[n], Q[{r + 1}] = q[n+1]; a = dL/dq + Q, b = p",)),
        *node_functions,
        Equation(symbol("t[i]"), symbol("t[n]") + (1 + symbol("x[i]")) * h / 2),
        Equation(symbol("V[i]"), velocity),
        Equation(symbol("R[i]"), residual),
        Equation(symbol("R[0]") + symbol("p[n]"), sp.Integer(0)),
    ]
    if r:
        rows.append(
            Equation(symbol("R[i]"), sp.Integer(0), "for i = 1" if r == 1 else f"for i = 1..{r}")
        )
    rows.append(Equation(symbol("p[n+1]"), symbol(f"R[{r + 1}]")))
    numbers = tableau(r)
    pairs = zip(numbers.nodes, numbers.weights, strict=True)
    rows.append(
        Table(
            (symbol("i"), symbol("x[i]"), symbol("w[i]")),
            tuple((str(k), repr(float(x)), repr(float(w))) for k, (x, w) in enumerate(pairs)),
        )
    )
    if r <= _LARGEST_TABLE:
        matrix = numbers.differentiation
        rows.append(
            Table(
                (symbol("D[i,j]"), *(sp.Integer(k) for k in range(r + 2))),
                tuple((str(k), *(repr(float(x)) for x in row)) for k, row in enumerate(matrix)),
            )
        )
    return tuple(rows)
