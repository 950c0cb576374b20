"""Coefficients that enter only through squares and the like: a change of sign goes unnoticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from math import gcd, lcm

from lagc.analysis.gauges import Field
from lagc.analysis.responses import Responses
from lagc.semantics.model import Coefficient

_MOST_TOGETHER = 4  # coefficients of which all sets are tried
_STATES = 3


def find_signs(
    coefficients: Sequence[Coefficient],
    fields: Sequence[tuple[Sequence[str], Field]],
    responses: Responses,
    *,
    momenta: bool,
) -> Iterator[tuple[str, ...]]:
    """Sets of coefficients whose signs may change together; none follows from the others.

    Those of a factor s = -1 that the coefficients take up (`fields`, with their names) are left
    out: they end once one of them is held.
    """
    both = [
        c
        for c in coefficients
        if (c.lower is None or c.lower < 0) and (c.upper is None or c.upper > 0)
    ]
    known = _Patterns()
    for names, field in fields:
        powers = dict(zip(names, _whole_powers(field), strict=True))
        known.add(sum(1 << k for k, c in enumerate(both) if powers.get(c.name, 0) % 2))
    states = list(islice(responses, _STATES * (4 if responses.piecewise else 1))) if both else []
    most = len(both) if len(both) <= _MOST_TOGETHER else 1
    for size in range(1, most + 1):
        for chosen in combinations(range(len(both)), size):
            if not known.is_new(pattern := sum(1 << k for k in chosen)):
                continue
            symbols = [both[k].symbol for k in chosen]
            for state in states:
                same = responses.unchanged(state, {s: -state.point(s) for s in symbols})
                if not all(same if momenta else same[:1]):
                    break
            else:
                known.add(pattern)
                yield tuple(both[k].name for k in chosen)


def _whole_powers(field: Field) -> list[int]:
    """The powers of a factor as whole numbers without a common one; all 0 for another change."""
    if any(field.shift):
        return [0] * len(field.factor)
    shared = lcm(*[x.denominator for x in field.factor])
    powers = [int(x * shared) for x in field.factor]
    return [x // gcd(*powers) for x in powers]


class _Patterns:
    """Sets of signs as bits, closed under composition."""

    def __init__(self) -> None:
        self._found = {0}

    def is_new(self, pattern: int) -> bool:
        return pattern not in self._found

    def add(self, pattern: int) -> None:
        self._found |= {pattern ^ other for other in self._found}
