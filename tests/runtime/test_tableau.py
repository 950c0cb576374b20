"""Gauss-Lobatto tableaux against 60-digit arithmetic."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

import lagc
from lagc.runtime import tableau


@pytest.mark.parametrize("r", [0, 1, 2, 3, 7, 16, 40])
def test_nodes_to_the_last_bit(r: int) -> None:
    """Each interior node is the double nearest to a sign change of P'_{r+1}."""
    table = tableau(r)
    with mp.workdps(60):
        slope = lambda x: mp.diff(lambda y: mp.legendre(r + 1, y), x)  # noqa: E731
        for x in table.nodes[1:-1]:
            below, above = np.nextafter(x, -2), np.nextafter(x, 2)
            left, right = (mp.mpf(float(x)) + mp.mpf(float(y)) for y in (below, above))
            assert slope(left / 2) * slope(right / 2) <= 0
    assert table.nodes[0] == -1 and table.nodes[-1] == 1
    assert np.array_equal(table.nodes, -table.nodes[::-1])


@pytest.mark.parametrize("r", [0, 1, 2, 5, 16, 64, 128])
def test_quadrature_and_differentiation_are_exact_for_polynomials(r: int) -> None:
    table = tableau(r)
    assert abs(table.weights.sum() - 2) < 1e-14
    x = table.nodes
    for degree in {0, 1, r + 1, 2 * r, 2 * r + 1}:
        exact = 0.0 if degree % 2 else 2 / (degree + 1)
        assert abs(np.dot(table.weights, x**degree) - exact) < 1e-13
    for degree in {0, 1, r + 1}:
        derivative = degree * x ** max(degree - 1, 0)
        assert np.max(np.abs(table.differentiation @ x**degree - derivative)) < 1e-10 * (r + 2) ** 2


def test_out_of_range() -> None:
    with pytest.raises(lagc.LagcError, match="LAG509"):
        tableau(129)
    with pytest.raises(lagc.LagcError, match="LAG509"):
        tableau(-1)
