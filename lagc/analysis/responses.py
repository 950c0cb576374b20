"""How the equations of motion answer to a change of the coefficients, state by state.

Along a motion E = a - d/dt b vanishes, so that q'' = M^-1 (a - b_q v - db/dt). A change of the
coefficients leaves q'' as it is where it leaves E zero at that q''.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.analysis.elimination import Echelon
from lagc.analysis.motion import Motion
from lagc.analysis.points import Point, Slopes, combined, difference, settled
from lagc.mechanics.nodesystem import NodeSystem, input_rates
from lagc.mechanics.numeric import DIGITS, random_points
from lagc.semantics import graphs
from lagc.semantics.evaluation import OutsideDomain
from lagc.semantics.functions import PIECEWISE

_SEEDS = 4


@dataclass(frozen=True)
class Response:
    """Derivatives by the coefficients, at the `point`.

    motion: of E at the accelerations of the motion, one a degree of freedom; momenta: of b;
    inertial: the coefficients that the mass matrix depends on.
    """

    point: Point
    accelerations: tuple[Any, ...]
    motion: tuple[Slopes, ...]
    momenta: tuple[Slopes, ...]
    inertial: frozenset[str]


class Responses:
    """Responses of a model at random states; those drawn so far are `known`.

    directions: what is differentiated by; fixed: whether all states have the same coefficients.
    """

    def __init__(
        self, motion: Motion, nodes: NodeSystem, directions: frozenset[str], *, fixed: bool
    ) -> None:
        self.motion = motion
        self.nodes = nodes
        self.directions = directions
        self.fixed = fixed
        self.known: list[Response] = []
        self._drawn = self._draw()
        self._drift = [motion.partial_time(b) for b in nodes.b]
        parts = (*nodes.a, *nodes.b, *self._drift)
        self.piecewise = graphs.holds(parts, *PIECEWISE)

    def __iter__(self) -> Iterator[Response]:
        """All that were drawn, then new ones, as long as there are states in the domain."""
        k = 0
        while True:
            if k == len(self.known):
                found = next(self._drawn, None)
                if found is None:
                    return
                self.known.append(found)
            yield self.known[k]
            k += 1

    def _draw(self) -> Iterator[Response]:
        model, first = self.nodes.model, None
        rates = tuple(input_rates(model).values())
        for seed in range(_SEEDS):
            for count, drawn in enumerate(random_points(model, rates, seed)):
                given = {c.symbol: drawn.values[c.symbol] for c in model.coefficients}
                values = {**drawn.values, **(first or given if self.fixed else given)}
                branches = self.piecewise and count % 2 == 1
                point = Point(values, drawn.seed, branches, directions=self.directions)
                try:
                    yield self._at(point)
                except OutsideDomain:
                    continue
                first = first or given

    def _at(self, point: Point) -> Response:
        nodes = self.nodes
        velocities = [point(v) for v in self.motion.orders[1]]
        with_rest = [self._rest(point, i, velocities) for i in range(len(nodes.a))]
        accelerations = _solved(
            [[point(m) if m != 0 else mp.mpf(0) for m in row] for row in nodes.b_v], with_rest
        )
        motion: list[Slopes] = []
        inertial: set[str] = set()
        for i, a in enumerate(nodes.a):
            parts = [(mp.mpf(1), point.slopes(a)), (mp.mpf(-1), point.slopes(self._drift[i]))]
            for x, v in zip(nodes.b_q[i], velocities, strict=True):
                parts.append((-v, point.slopes(x)))
            for x, acceleration in zip(nodes.b_v[i], accelerations, strict=True):
                slopes = point.slopes(x)
                inertial |= slopes.keys()
                parts.append((-acceleration, slopes))
            motion.append(combined(parts))
        momenta = tuple(point.slopes(b) for b in nodes.b)
        return Response(point, accelerations, tuple(motion), momenta, frozenset(inertial))

    def _rest(self, point: Point, i: int, velocities: Sequence[Any]) -> Any:
        """a - b_q v - db/dt"""
        parts = [point(self.nodes.a[i]), -point(self._drift[i])]
        pairs = zip(self.nodes.b_q[i], velocities, strict=True)
        return settled([*parts, *(-v * point(x) for x, v in pairs if x != 0)])

    def unchanged(self, response: Response, values: Mapping[sp.Symbol, Any]) -> tuple[bool, bool]:
        """Whether other values of symbols give the same accelerations, and the same momenta."""
        point, nodes = response.point, self.nodes
        other = Point({**point.values, **values}, point.seed, point.branches)
        try:
            velocities = [other(v) for v in self.motion.orders[1]]
            for i, row in enumerate(nodes.b_v):
                pairs = zip(row, response.accelerations, strict=True)
                inertia = [-a * other(m) for m, a in pairs if m != 0]
                if settled([self._rest(other, i, velocities), *inertia]) != 0:
                    return False, False
            same = all(settled([other(b), -point(b)]) == 0 for b in nodes.b)
        except OutsideDomain:
            return False, False
        return True, same


def _solved(matrix: Sequence[Sequence[Any]], right: Sequence[Any]) -> tuple[Any, ...]:
    """The solution of linear equations; raises `OutsideDomain` where the matrix is singular."""
    n = len(right)
    reduced = echelon(n + 1)
    for row, x in zip(matrix, right, strict=True):
        reduced.add([-x, *row])
    if reduced.free != [0]:
        raise OutsideDomain
    return tuple(reduced.null_basis()[0][1:])


def echelon(columns: int) -> Echelon:
    """For mpmath reals."""
    return Echelon(columns, difference)


def precisely() -> Any:
    """The context in which responses are computed."""
    return mp.workdps(DIGITS)
