"""Linear relations with rational coefficients between functions.

They are guessed from values in double precision, and each guess is then settled at random points in
high precision.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

import sympy as sp

from lagc.analysis.sampling import NotSampled, Sampler, sampled_states
from lagc.mechanics.numeric import vanishes
from lagc.semantics.model import Model

Relation = dict[int, Fraction]  # column -> its factor, none of them zero

_LARGEST_DENOMINATOR = 360
_NOISE = 1e-12
_PLAINLY = 1e-7  # what rounding in double precision does not explain


def find_relations(
    model: Model,
    table: Sequence[Sequence[sp.Expr]],
    extra: Iterable[sp.Symbol] = (),
    wanted: Callable[[Relation], bool] = bool,
) -> list[Relation]:
    """The relations sum_k c_k column_k = 0, each with 1 at a column of its own.

    table: one row an equation that must hold, one column an unknown c_k; wanted: which relations
    are worth settling. Those with factors that are not fractions with a small denominator are left
    out.
    """
    extra = tuple(extra)
    found = []
    for relation in _guesses(model, table, extra):
        if wanted(relation):
            sums = [sp.Add(*[_scaled(row[k], c) for k, c in relation.items()]) for row in table]
            if all_vanish(model, sums, extra):
                found.append(relation)
    return found


def possibly_related(
    model: Model, functions: Sequence[sp.Expr], extra: Iterable[sp.Symbol] = ()
) -> set[int]:
    """The functions that seem to occur in a relation, those that vanish among them."""
    return {k for guess in _guesses(model, [functions], extra) for k in guess}


def all_vanish(
    model: Model, expressions: Iterable[sp.Expr], extra: Iterable[sp.Symbol] = ()
) -> bool:
    """Whether every expression is zero everywhere."""
    extra, expressions = tuple(extra), [e for e in expressions if e != 0]
    if expressions and clearly_not_zero(model, expressions, extra):
        return False
    return all(vanishes(model, e, extra) is True for e in expressions)


def clearly_not_zero(
    model: Model, expressions: Sequence[sp.Expr], extra: Iterable[sp.Symbol] = ()
) -> bool:
    """Whether double precision is enough to see that an expression is somewhere not zero.

    No says nothing.
    """
    try:
        sampler = _sampler(model, 16, extra)
        for e in expressions:
            values = zip(*sampler.sum_and_size([e]), strict=True)
            if any(abs(x) > _PLAINLY * size for x, size in values if math.isfinite(size)):
                return True
    except NotSampled:
        return False
    return False


def ratio(
    model: Model, over: sp.Expr, under: sp.Expr, extra: Iterable[sp.Symbol] = ()
) -> Fraction | None:
    """The fraction that over/under seems to be wherever it was tried, None if it seems to vary."""
    try:
        sampler = _sampler(model, 4, extra)
        pairs = zip(sampler(over), sampler(under), strict=True)
    except NotSampled:
        return None
    found = {_fraction(x / y) if y and math.isfinite(x / y) else None for x, y in pairs}
    return found.pop() if len(found) == 1 else None


def _scaled(e: sp.Expr, factor: Fraction) -> sp.Expr:
    return e * sp.Rational(factor.numerator, factor.denominator)


def _sampler(model: Model, points: int, extra: Iterable[sp.Symbol]) -> Sampler:
    generator = random.Random(points)
    states = sampled_states(model, points, seed=points, defaults=False)
    states |= {x: [generator.gauss(0, 1) for _ in range(points)] for x in extra}
    return Sampler(states, points)


def _guesses(
    model: Model, table: Sequence[Sequence[sp.Expr]], extra: Iterable[sp.Symbol]
) -> list[Relation]:
    """A basis of the null space of the columns, from values in double precision."""
    columns = len(table[0]) if table else 0
    if not columns:
        return []
    points = max(4, -(-6 * columns // len(table)))
    try:
        sampler = _sampler(model, points, extra)
        values = [[_without_noise(sampler, e) for e in row] for row in table]
    except NotSampled:
        return []
    rows = [[column[k] for column in row] for k in range(points) for row in values]
    rows = [row for row in rows if all(map(math.isfinite, row))]
    if len(rows) < 2 * columns:
        return []  # too few points at which everything has a value
    rows = [row for row in rows if any(row)]
    lengths = [max((abs(row[k]) for row in rows), default=0.0) or 1.0 for k in range(columns)]
    work = [[x / length for x, length in zip(row, lengths, strict=True)] for row in rows]
    reduced, pivots = _reduced(work, columns)
    found = []
    for free in (k for k in range(columns) if k not in pivots):
        factors: dict[int, Fraction | None] = {free: Fraction(1)}
        for row, pivot in zip(reduced, pivots, strict=True):
            factors[pivot] = _fraction(-row[free] * lengths[free] / lengths[pivot])
        exact = {k: c for k, c in sorted(factors.items()) if c}
        if None not in factors.values():
            found.append(exact)
    return found


def _without_noise(sampler: Sampler, e: sp.Expr) -> list[float]:
    """Values that are exactly 0 where the summands cancel up to rounding."""
    pairs = zip(*sampler.sum_and_size([e]), strict=True)
    return [0.0 if abs(x) <= _NOISE * size else x for x, size in pairs]


def _reduced(rows: list[list[float]], columns: int) -> tuple[list[list[float]], list[int]]:
    """Reduced row echelon form, without zero rows, and its pivot columns."""
    work = [[x / max(map(abs, row)) for x in row] for row in rows]
    pivots: list[int] = []
    for column in range(columns):
        done = len(pivots)
        best = max(range(done, len(work)), key=lambda i: abs(work[i][column]), default=None)
        if best is None or abs(work[best][column]) <= _PLAINLY:
            continue
        work[done], work[best] = work[best], work[done]
        pivot = work[done] = [x / work[done][column] for x in work[done]]
        for i, row in enumerate(work):
            if i != done and (factor := row[column]):
                work[i] = [x - factor * y for x, y in zip(row, pivot, strict=True)]
        pivots.append(column)
    return work[: len(pivots)], pivots


def _fraction(value: float) -> Fraction | None:
    near = Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)
    return near if abs(value - near) <= 1e-6 * max(1.0, abs(value)) else None
