"""Checks of the equations as a whole: a mass matrix that can be inverted, honest angles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.mechanics.numeric import DIGITS, evaluate_at_points, vanishes
from lagc.semantics import graphs
from lagc.semantics.functions import JumpDerivative
from lagc.semantics.model import Model
from lagc.semantics.notation import to_text

_CLEAR_PIVOT = 1e-4


def check_mass_matrix(
    model: Model, b_v: Sequence[Sequence[sp.Expr]], diagnostics: Diagnostics
) -> None:
    """LAG304 if M = db/dv is singular at every point tried, LAG307 if it has no value at any."""
    n = len(b_v)
    rows = evaluate_at_points(model, [entry for row in b_v for entry in row])
    if not rows:
        diagnostics.add(
            Code.LAG307,
            "the mass matrix is not a finite real number at any of the points tried",
            model.lagrangian_terms[0].span,
            help="check the domains of `log`, `sqrt`, `asin`, `acos` and of powers",
        )
        return
    matrices = [[row[i * n : (i + 1) * n] for i in range(n)] for row in rows]
    if any(_is_clearly_regular(matrix) for matrix in matrices):
        return
    with mp.workdps(DIGITS):
        null_vectors = [_null_vector(matrix) for matrix in matrices]
    if any(vector is None for vector in null_vectors):
        return
    involved = sorted({i for vector in null_vectors if vector for i in vector})
    names, velocities = (_listed(model, involved, primes) for primes in (0, 1))
    absent = [i for i in involved if model.variables(1)[i] not in graphs.symbols(model.lagrangian)]
    help = f"give it a kinetic energy, a term in L of second order in {velocities}"
    if not absent and len(involved) > 1:
        help = f"the kinetic energy does not distinguish motions that mix {velocities}"
    diagnostics.add(
        Code.LAG304,
        f"the mass matrix d(momentum)/d(velocity) is singular everywhere: {names} "
        f"{'has' if len(involved) == 1 else 'have'} no acceleration of "
        f"{'its' if len(involved) == 1 else 'their'} own",
        model.coordinate_of(involved[0]).span,
        help=help,
    )


def is_singular(model: Model, matrix: Sequence[Sequence[sp.Expr]]) -> bool:
    """Whether a square matrix has no inverse at any of the points tried where it has a value."""
    n = len(matrix)
    rows = evaluate_at_points(model, [entry for row in matrix for entry in row])
    with mp.workdps(DIGITS):
        return bool(rows) and all(
            _null_vector([row[i * n : (i + 1) * n] for i in range(n)]) is not None for row in rows
        )


def _listed(model: Model, involved: Sequence[int], primes: int) -> str:
    """The names of some components; a field that is involved at every site is named once."""
    names: list[str] = []
    start = 0
    for c in model.coordinates:
        symbols = c.symbols(primes, "")
        found = [s.name for k, s in enumerate(symbols) if start + k in involved]
        if c.index and len(found) == len(symbols):
            found = [f"{c.name}{chr(39) * primes}[{c.index}]"]
        names += found
        start += len(symbols)
    return ", ".join(f"`{name}`" for name in names)


def _is_clearly_regular(matrix: list[list[Any]]) -> bool:
    """Whether ordinary arithmetic shows that a square matrix can be inverted.

    Gaussian elimination with partial pivoting on rows scaled to 1: pivots far above the rounding
    errors, and entries that never grow much. False says nothing.
    """
    rows = []
    for row in matrix:
        size = max(map(abs, row))
        if size == 0:
            return False
        rows.append([float(x / size) for x in row])
    while rows:
        pivot_row = max(rows, key=lambda row: abs(row[0]))
        rows.remove(pivot_row)
        pivot = pivot_row[0]
        if abs(pivot) < _CLEAR_PIVOT:
            return False
        rest = pivot_row[1:]
        rows = [
            [x - row[0] / pivot * y for x, y in zip(row[1:], rest, strict=True)]
            if row[0]
            else row[1:]
            for row in rows
        ]
        if any(abs(x) > 1 / _CLEAR_PIVOT for row in rows for x in row):
            return False
    return True


def _null_vector(rows: list[list[Any]]) -> tuple[int, ...] | None:
    """The components involved in the null space of a square matrix, or None if it is regular.

    Gaussian elimination with full pivoting on rows scaled to 1.
    """
    n = len(rows)
    tolerance = mp.mpf(10) ** (-DIGITS // 2)
    scaled = []
    for row in rows:
        size = max(abs(x) for x in row)
        scaled.append([x / size for x in row] if size > 0 else list(row))
    columns = list(range(n))
    for k in range(n):
        i, j = max(
            ((i, j) for i in range(k, n) for j in range(k, n)),
            key=lambda place: abs(scaled[place[0]][place[1]]),
        )
        if abs(scaled[i][j]) <= tolerance:
            return _involved(scaled, columns, k, tolerance)
        scaled[k], scaled[i] = scaled[i], scaled[k]
        for row in scaled:
            row[k], row[j] = row[j], row[k]
        columns[k], columns[j] = columns[j], columns[k]
        for i in range(k + 1, n):
            factor = scaled[i][k] / scaled[k][k]
            scaled[i] = [x - factor * y for x, y in zip(scaled[i], scaled[k], strict=True)]
    return None


def _involved(
    upper: list[list[Any]], columns: list[int], rank: int, tolerance: Any
) -> tuple[int, ...]:
    """Back substitution for the null vectors with 1 in one of the free columns."""
    involved: set[int] = set()
    for free in range(rank, len(columns)):
        vector = {free: mp.mpf(1)}
        for i in reversed(range(rank)):
            total = mp.fsum(upper[i][j] * value for j, value in vector.items() if j > i)
            vector[i] = -total / upper[i][i]
        involved |= {columns[j] for j, value in vector.items() if abs(value) > tolerance}
    return tuple(involved)


def _multiple_of_pi(period: sp.Expr) -> str:
    """`pi` or `2*pi` for a decimal that was meant to be it."""
    if period.is_Rational:
        for text, value in (("2*pi", 2 * mp.pi), ("pi", +mp.pi)):
            if abs(mp.mpf(int(period.p)) / int(period.q) - value) < 0.01:
                return text
    return ""


def check_periodicity(
    model: Model,
    forces: Sequence[sp.Expr],
    momenta: Sequence[sp.Expr],
    rate: Callable[[sp.Expr], sp.Expr],
    diagnostics: Diagnostics,
) -> None:
    """LAG306 where a `mod P` coordinate is shifted by P and forces or momenta notice.

    rate: d/dt along a motion, by which it is told whether the equations of motion notice too.
    """
    summands = (*model.lagrangian_terms, *model.coupling_terms)
    terms = [(t.value, graphs.symbols(t.value)) for t in summands]
    for coordinate in model.coordinates:
        if coordinate.modulus is None:
            continue
        for symbol, mean in zip(coordinate.symbols(0, ""), coordinate.symbols(0, "+"), strict=True):
            moved = {s: s + coordinate.modulus for s in (symbol, mean)}
            if all(graphs.replaced(e, moved) == e for e, has in terms if has & moved.keys()):
                continue  # every summand of L and K is seen at once to be the same
            shift = {symbol: symbol + coordinate.modulus}
            of_forces, of_momenta = (
                [graphs.replaced(e, shift) - e for e in es] for es in (forces, momenta)
            )
            noticed = [vanishes(model, e) is False for e in (*of_forces, *of_momenta)]
            if any(noticed):
                shown = (
                    f"{coordinate.name}[{coordinate.index}]" if coordinate.index else symbol.name
                )
                what = "the equations of motion change"
                help = (
                    "remove `mod`, or let the model depend on it through `sin` and `cos` "
                    "(a neural term too: `V(sin(theta), cos(theta))`)"
                )
                unlike = noticed[len(forces) :]
                if any(unlike) and _same_motion(model, of_forces, of_momenta, rate):
                    first = unlike.index(True)
                    what = (
                        f"the momentum p[{model.labels[first]}] = {to_text(momenta[first])} changes"
                    )
                    help = (
                        "remove `mod`, or take the part that is not periodic out of the momentum "
                        "by a total time derivative in L; no equation of motion changes with it"
                    )
                elif exact := _multiple_of_pi(coordinate.modulus):
                    help = f"write the period as `{exact}`, which is exact"
                elif coordinate.modulus in (180, 360):
                    help = "angles of functions are in radians: a turn is `mod 2*pi`"
                broken = {t.span for t in summands if graphs.replaced(t.value, moved) != t.value}
                notes = []
                for d in diagnostics.warnings:
                    if d.code is Code.LAG252 and broken == {d.span}:
                        notes.append(Note(d.label, d.span))
                        diagnostics.withdraw(d)
                diagnostics.add(
                    Code.LAG306,
                    f"`{shown}` is declared periodic, but {what} when a period is added to it",
                    coordinate.span,
                    help=help,
                    notes=notes,
                )
                if coordinate.index:
                    break


def _same_motion(
    model: Model,
    forces: Sequence[sp.Expr],
    momenta: Sequence[sp.Expr],
    rate: Callable[[sp.Expr], sp.Expr],
) -> bool:
    """Whether changes of forces and momenta leave d/dt p = f as it is."""
    extra = (*model.variables(2), *(sp.Symbol(f"{i.name}'") for i in model.inputs))
    try:
        changes = [f - rate(p) for f, p in zip(forces, momenta, strict=True)]
    except JumpDerivative:
        return False
    return all(vanishes(model, e, extra) for e in changes)
