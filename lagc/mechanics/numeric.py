"""Expressions evaluated at random points in high precision, to decide whether they vanish.

A rational identity that holds at several random points to 40 digits holds; `simplify` is never
needed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.semantics import graphs
from lagc.semantics.evaluation import Evaluator, OutsideDomain, number, within_bounds
from lagc.semantics.functions import PIECEWISE
from lagc.semantics.model import Model

DIGITS = 50
_POINTS = 3
_TRIES = 60
_SPREADS = (1.0, 0.5, 0.2, 2.0, 0.05, 5.0)
_WIDE_SPREADS = (30.0, 1e3, 1e5, 1e-3)  # where nothing was found in half of the tries


def random_points(
    model: Model, extra: Iterable[sp.Symbol] = (), seed: int = 0
) -> Iterable[Evaluator]:
    """Evaluators at random values of every symbol of the model, at several spreads.

    They are to be asked at a precision of `DIGITS`.

    Half of the later ones lie near the initial values of the model, where it has a meaning. On a
    lattice fields rise from site to site at every third point and fall at another, so that roots
    and logarithms of differences between neighbours have a value somewhere.
    """
    generator = random.Random(seed)
    symbols = [
        *(s for primes in (0, 1) for side in ("", "+", "-") for s in model.variables(primes, side)),
        sp.Symbol("t"),
        *(i.symbol for i in model.inputs),
        *extra,
    ]
    for attempt in range(_TRIES):
        # The precision is never left raised over a `yield`: whoever stops half way would let it
        # fall back when the generator is collected, in the middle of something else.
        with mp.workdps(DIGITS):
            late = 2 * attempt >= _TRIES
            centre = _initial_point(model) if late and attempt % 2 else {}
            spreads = _WIDE_SPREADS if late and not centre else _SPREADS
            spread = spreads[attempt // 2 % len(spreads) if late else attempt % len(spreads)]
            values: dict[sp.Symbol, Any] = {s: generator.uniform(-1, 1) * spread for s in symbols}
            for s in centre.keys() & values.keys():
                values[s] += centre[s]
            for c in model.coefficients:
                values[c.symbol] = within_bounds(generator, c.lower, c.upper)
            values |= model.constant_values
            _in_order(model, values, 0 if centre else attempt % 3)
            evaluator = Evaluator(values, seed=generator.randrange(2**32))
        yield evaluator


def _in_order(model: Model, values: dict[sp.Symbol, Any], order: int) -> None:
    """Sorts the values of every field along the sites: upwards (1), downwards (2) or not (0)."""
    for c in model.coordinates:
        for primes, side in product((0, 1), ("", "+", "-")) if c.index and order else ():
            symbols = c.symbols(primes, side)
            ranked = sorted((values[s] for s in symbols), reverse=order == 2)
            values |= dict(zip(symbols, ranked, strict=True))


def _initial_point(model: Model) -> dict[sp.Symbol, Any]:
    """The initial values of positions and velocities, for both histories."""
    given = dict(model.initial)
    return {
        s: number(given[plain.name])
        for primes in (0, 1)
        for side in ("", "+")
        for s, plain in zip(model.variables(primes, side), model.variables(primes), strict=True)
        if plain.name in given
    }


def evaluate_at_points(
    model: Model,
    expressions: Sequence[sp.Expr],
    points: int = _POINTS,
    extra: Iterable[sp.Symbol] = (),
    seed: int = 0,
) -> list[list[Any]]:
    """Values of all expressions at up to `points` random points where all are finite and real.

    Where functions with kinks occur there are more points, every second one on other branches.
    """
    found: list[list[Any]] = []
    piecewise = graphs.holds(expressions, *PIECEWISE)
    points = 4 * points if piecewise else points
    for count, evaluator in enumerate(random_points(model, extra, seed)):
        evaluator.branches = piecewise and count % 2 == 1
        try:
            with mp.workdps(DIGITS):
                found.append([evaluator(e) for e in expressions])
        except OutsideDomain:
            continue
        if len(found) == points:
            break
    return found


def vanishes(model: Model, expression: sp.Expr, extra: Iterable[sp.Symbol] = ()) -> bool | None:
    """Whether an expression is zero for all values of its symbols; None if it has none anywhere."""
    if expression == 0:
        return True
    terms = sp.Add.make_args(expression)
    rows = evaluate_at_points(model, terms, extra=extra)
    if not rows:
        return None
    with mp.workdps(DIGITS):
        tolerance = mp.mpf(10) ** (-DIGITS * 3 // 5)
        return all(abs(mp.fsum(row)) <= tolerance * mp.fsum(map(abs, row)) for row in rows)
