"""The discrete map of a model in mpmath: its programs interpreted, its nodes found anew.

Shares with the compiled integrator the node functions alone, so that orders can be measured where
double precision has run out, and steps compared to the last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import mpmath as mp

from lagc.driver import Compilation
from lagc.lower.program import Variable
from tests.lower.interpreter import interpret
from tests.mechanics.models import compile_text

DIGITS = 40


@cache
def lobatto(r: int) -> tuple[list[Any], list[Any], Any]:
    """Nodes and weights on [-1, 1] and the differentiation matrix, from barycentric weights."""
    with mp.workdps(DIGITS + 10):
        slope = mp.taylor(lambda x: mp.legendre(r + 1, x), 0, r + 1)[:0:-1]
        slope = [c * (r + 1 - k) for k, c in enumerate(slope)]
        inner = sorted(mp.re(x) for x in mp.polyroots(slope, 200, extraprec=400)) if r else []
        nodes = [mp.mpf(-1), *inner, mp.mpf(1)]
        weights = [2 / (mp.mpf((r + 1) * (r + 2)) * mp.legendre(r + 1, x) ** 2) for x in nodes]
        n = len(nodes)
        scale = [1 / mp.fprod(x - y for y in nodes if y is not x) for x in nodes]
        d = mp.zeros(n, n)
        for i in range(n):
            for j in range(n):
                if i != j:
                    d[i, j] = scale[j] / scale[i] / (nodes[i] - nodes[j])
            d[i, i] = -mp.fsum(d[i, j] for j in range(n) if j != i)
        return nodes, weights, d


@cache
def kinetic(r: int) -> dict[tuple[int, int], list[Any]]:
    """w_j D_ji D_jk, a list over j for every i and k."""
    _, w, d = lobatto(r)
    n = range(r + 2)
    return {(i, k): [w[j] * d[j, i] * d[j, k] for j in n] for i in n for k in n}


class PreciseMap:
    """Steps of a model without inputs, all coefficients at their defaults."""

    def __init__(self, text: str) -> None:
        self.compilation: Compilation = compile_text(text)
        self.dof = len(self.compilation.model.coordinates)

    def _call(self, name: str, q: Sequence[Any], v: Sequence[Any], t: Any) -> dict[str, list[Any]]:
        values: dict[Variable, Any] = {Variable("t"): t}
        for i in range(self.dof):
            values |= {Variable("q", index=i): q[i], Variable("v", index=i): v[i]}
        return interpret(getattr(self.compilation.programs, name), values)

    def momentum(self, q: Sequence[Any], v: Sequence[Any], t: Any) -> list[Any]:
        """b(q, v, t)."""
        return self._call("momentum", q, v, t)["b"]

    def velocity(self, q: Sequence[Any], p: Sequence[Any], t: Any) -> list[Any]:
        """v with b(q, v, t) = p, by Newton's method from rest."""
        n, v = self.dof, [mp.mpf(0)] * self.dof
        for _ in range(60):
            left = mp.matrix(self.momentum(q, v, t)) - mp.matrix(p)
            mass = mp.matrix(n, n)
            b_v = self._call("blocks", q, v, t)["b_v"]
            for i in range(n):
                for j in range(n):
                    mass[i, j] = b_v[i * n + j]
            change = mp.lu_solve(mass, left)
            v = [x - y for x, y in zip(v, change, strict=True)]
            if mp.norm(change) < mp.mpf(10) ** (5 - mp.mp.dps):
                return v
        raise AssertionError("no velocity found")

    def step(self, q: list[Any], p: list[Any], t: Any, h: Any, r: int) -> tuple[Any, Any]:
        """(q, pi) after one step: R_0 + pi = 0, R_1 .. R_r = 0, pi' = R_{r+1}, by Newton."""
        nodes, w, d = lobatto(r)
        n, s, products = self.dof, r + 2, kinetic(r)
        v = self.velocity(q, p, t)
        places = [[q[a] + (1 + x) * h / 2 * v[a] for a in range(n)] for x in nodes]
        times = [t + (1 + x) * h / 2 for x in nodes]
        for _ in range(60):
            speeds = [
                [2 / h * mp.fsum(d[i, j] * places[j][a] for j in range(s)) for a in range(n)]
                for i in range(s)
            ]
            known = [
                self._call("forces", *x) | self._call("blocks", *x)
                for x in zip(places, speeds, times, strict=True)
            ]
            rows = [
                [
                    h / 2 * w[i] * known[i]["a"][a]
                    + mp.fsum(w[j] * d[j, i] * known[j]["b"][a] for j in range(s))
                    for a in range(n)
                ]
                for i in range(s)
            ]
            jacobian = mp.matrix(n * (s - 1), n * (s - 1))
            for i in range(s - 1):
                for k in range(1, s):
                    for a in range(n):
                        for b in range(n):
                            at = a * n + b
                            value = 2 / h * mp.fdot(products[i, k], [x["b_v"][at] for x in known])
                            value += w[i] * d[i, k] * known[i]["a_v"][at]
                            value += w[k] * d[k, i] * known[k]["b_q"][at]
                            if i == k:
                                value += h / 2 * w[i] * known[i]["a_q"][at]
                            jacobian[i * n + a, (k - 1) * n + b] = value
            rows[0] = [x + y for x, y in zip(rows[0], p, strict=True)]
            left = mp.matrix([x for row in rows[:-1] for x in row])
            change = mp.lu_solve(jacobian, left)
            for k in range(1, s):
                for a in range(n):
                    places[k][a] -= change[(k - 1) * n + a]
            if mp.norm(change) < mp.mpf(10) ** (5 - mp.mp.dps):
                return places[-1], rows[-1]
        raise AssertionError("the step was not solved")

    def march(self, q: Sequence[Any], v: Sequence[Any], until: Any, steps: int, r: int) -> Any:
        """q and q' at the end of equal steps from t = 0."""
        with mp.workdps(DIGITS):
            place, t, h = [mp.mpf(x) for x in q], mp.mpf(0), mp.mpf(until) / steps
            p = self.momentum(place, [mp.mpf(x) for x in v], t)
            for i in range(steps):
                place, p = self.step(place, p, i * h, h, r)
            return mp.matrix(place + self.velocity(place, p, mp.mpf(until)))
