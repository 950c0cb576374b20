"""The Gauss-Lobatto tableau: nodes, weights and differentiation matrix, exact to the last bit.

Nodes are the zeros of (1 - x^2) P'_{r+1}(x), found by Newton's method in 50-digit decimal
arithmetic and rounded once at the end (Abramowitz & Stegun 25.4.32; Farr & Bertschinger 2007).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal, localcontext
from functools import lru_cache
from math import cos, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lagc.base.codes import Code
from lagc.base.diagnostics import fail

MAX_INTERIOR_NODES = 128
_DIGITS = 50
_TINY = Decimal(10) ** -(_DIGITS - 5)


@dataclass(frozen=True, eq=False)
class Tableau:
    """Quadrature of order 2r + 2 on [-1, 1] with r + 2 nodes, both ends included.

    nodes: (r+2,), increasing; weights: (r+2,), sum to 2; differentiation: (r+2, r+2), the
    derivative at node i of the polynomial that is 1 at node j and 0 at the others. What rounding
    cut off of the weights and the matrix is in `weights_low` and `differentiation_low`.
    """

    r: int
    nodes: NDArray[np.float64]
    weights: NDArray[np.float64]
    differentiation: NDArray[np.float64]
    weights_low: NDArray[np.float64]
    differentiation_low: NDArray[np.float64]


@lru_cache(maxsize=256)
def tableau(r: int) -> Tableau:
    """The tableau with `r` interior nodes, 0 <= r <= 128."""
    if not 0 <= r <= MAX_INTERIOR_NODES:
        raise fail(
            Code.LAG509,
            f"r = {r} interior nodes: lagc has tableaux for 0 to {MAX_INTERIOR_NODES}",
        )
    degree = r + 1
    with localcontext() as context:
        context.prec = _DIGITS
        nodes = _lobatto_nodes(degree)
        values = [_legendre(degree, x)[0] for x in nodes]
        weights = [2 / (degree * (degree + 1) * p * p) for p in values]
        corner = Decimal(degree * (degree + 1)) / 4
        matrix = [
            [
                values[i] / (values[j] * (x_i - x_j)) if i != j else Decimal(0)
                for j, x_j in enumerate(nodes)
            ]
            for i, x_i in enumerate(nodes)
        ]
        matrix[0][0], matrix[-1][-1] = -corner, corner
        w, d = _rounded(weights), _rounded(matrix)
        result = Tableau(r, _rounded(nodes)[0], w[0], d[0], w[1], d[1])
    for field in fields(result)[1:]:
        getattr(result, field.name).setflags(write=False)
    return result


def _rounded(values: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The nearest doubles, and the doubles nearest to what is left."""
    exact = np.array(values, dtype=object)
    high = exact.astype(np.float64)
    rest = [x - Decimal(float(y)) for x, y in zip(exact.flat, high.flat, strict=True)]
    return high, np.array([float(x) for x in rest]).reshape(high.shape)


def _legendre(degree: int, x: Decimal) -> tuple[Decimal, Decimal]:
    """P_degree(x) and P_{degree-1}(x) by the three-term recurrence."""
    previous, value = Decimal(1), x
    for k in range(2, degree + 1):
        previous, value = value, ((2 * k - 1) * x * value - (k - 1) * previous) / k
    return value, previous


def _lobatto_nodes(degree: int) -> list[Decimal]:
    nodes = [Decimal(-1)] + [Decimal(0)] * (degree - 1) + [Decimal(1)]
    for i in range(1, (degree + 1) // 2):
        x = Decimal(-cos(pi * i / degree))
        while True:
            p, p_previous = _legendre(degree, x)
            correction = (x * p - p_previous) / ((degree + 1) * p)
            x -= correction
            if abs(correction) < _TINY:
                break
        nodes[i], nodes[degree - i] = x, -x
    return nodes
