"""Changes of coefficients that no observation notices, and what does not change with them.

Such a change is looked for as a field dc_k = w_k + u_k c_k with numbers w and u: all w zero is a
factor that the coefficients take up in powers u, all u zero a shift. What a set of fields leaves as
it is, is a product of powers, a sum, or a product of powers of sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath as mp

from lagc.analysis.elimination import Echelon, row_space
from lagc.analysis.points import Slopes
from lagc.analysis.responses import Response, Responses, echelon
from lagc.base.gauge import product, total, whole
from lagc.mechanics.numeric import DIGITS

_QUIET = 1  # states that add nothing to a span before it counts as whole
_QUIET_PIECEWISE = 8
_LARGEST_DENOMINATOR = 10**12
_MOST_SHIFTED_AND_SCALED = 8

Vector = tuple[Fraction, ...]
Rows = list[list[Any]]
Kind = Callable[[Response], Sequence[Slopes]]


@dataclass(frozen=True)
class Field:
    """dc_k = shift_k + factor_k c_k."""

    shift: Vector
    factor: Vector


@dataclass(frozen=True)
class Columns:
    """Rows of `count` numbers, given by a response."""

    count: int
    rows: Callable[[Response], Rows]


def columns(kind: Kind, names: Sequence[str]) -> Columns:
    """The derivatives by some coefficients as rows."""
    zero = mp.mpf(0)
    return Columns(
        len(names), lambda r: [[slopes.get(k, zero) for k in names] for slopes in kind(r)]
    )


def scaled_columns(kind: Kind, names: Sequence[str]) -> Columns:
    """Those by the logarithms."""
    plain = columns(kind, names)

    def rows(response: Response) -> Rows:
        sizes = [response.point.size(k) for k in names]
        return [[x * c for x, c in zip(row, sizes, strict=True)] for row in plain.rows(response)]

    return Columns(plain.count, rows)


def spanned(responses: Responses, tables: Sequence[Columns]) -> list[Echelon] | None:
    """The spans of the rows of some tables at all states; None where too few have a value.

    A state taken at random adds to a span unless that is whole, where there are no branches.
    """
    spans, quiet = [echelon(table.count) for table in tables], 0
    patience = _QUIET_PIECEWISE if responses.piecewise else _QUIET
    for response in responses:
        pairs = zip(spans, tables, strict=True)
        grown = [span.add(row) for span, table in pairs for row in table.rows(response)]
        quiet = 0 if any(grown) else quiet + 1
        if quiet == patience or all(span.rank == span.columns for span in spans):
            return spans
    return None


def _fractions(basis: Rows) -> list[Vector]:
    """Vectors of fractions; none where a number is not one with a denominator of 12 digits."""
    found = []
    for row in basis:
        vector = []
        for x in map(mp.mpf, row):
            exact = Fraction(int(mp.nint(x * 10**DIGITS)), 10**DIGITS)
            near = exact.limit_denominator(_LARGEST_DENOMINATOR)
            if abs(exact - near) > Fraction(1, 10 ** (DIGITS * 3 // 5)):
                return []
            vector.append(near)
        found.append(tuple(vector))
    return found


def find_fields(
    names: Sequence[str],
    responses: Responses,
    kind: Kind,
    dimension: int,
    generic: Sequence[Any],
) -> list[Field] | None:
    """Fields of these coefficients that leave what is observed as it is.

    None where they span less than the `dimension` of all such changes at the values `generic`.
    """
    n, nothing = len(names), (Fraction(0),) * len(names)
    moving, scaled = columns(kind, names), scaled_columns(kind, names)
    shifts, factors = _null_vectors(responses, moving), _null_vectors(responses, scaled)
    fields = [Field(w, nothing) for w in shifts] + [Field(nothing, u) for u in factors]
    if _rank(fields, generic) < dimension and n <= _MOST_SHIFTED_AND_SCALED:

        def both(response: Response) -> Rows:
            pairs = zip(moving.rows(response), scaled.rows(response), strict=True)
            return [[*x, *y] for x, y in pairs]

        mixed = _null_vectors(responses, Columns(2 * n, both))
        fields = [Field(w, nothing) for w in shifts]
        fields += [Field(v[:n], v[n:]) for v in mixed if any(v[n:])]
    return fields if _rank(fields, generic) == dimension else None


def find_factors(names: Sequence[str], responses: Responses, kind: Kind) -> list[Vector]:
    """Powers of a factor that coefficients, and networks, can take up unnoticed."""
    return _null_vectors(responses, scaled_columns(kind, names))


def _null_vectors(responses: Responses, table: Columns) -> list[Vector]:
    spans = spanned(responses, [table])
    return _fractions(spans[0].null_basis()) if spans else []


def _rank(fields: Sequence[Field], values: Sequence[Any]) -> int:
    span = echelon(len(values))
    for f in fields:
        pairs = zip(f.shift, f.factor, values, strict=True)
        span.add([_real(w) + _real(u) * c for w, u, c in pairs])
    return span.rank


def _real(x: Fraction) -> Any:
    return mp.mpf(x.numerator) / x.denominator


@dataclass(frozen=True)
class _Coordinate:
    """A number in which a set of fields is constant: a combination of coefficients, or its
    logarithm (then the combination plus a number, `text`)."""

    text: str
    logarithm: bool
    rates: Vector  # one a field


def invariants(members: Sequence[str], fields: Sequence[Field]) -> tuple[str, ...] | None:
    """What the fields leave as it is, as text, one for each coefficient that is not free.

    None where it is none of what is looked for.
    """
    shifts = [f for f in fields if not any(f.factor)]
    rest = [f for f in fields if any(f.factor)]
    span = row_space([f.shift for f in shifts], len(members))
    forms = _reduced_forms(span)
    coordinates = []
    for form in forms:
        found = _coordinate(members, form, rest)
        if found is None:
            return None
        coordinates.append(found)
    rates = row_space([[c.rates[k] for c in coordinates] for k in range(len(rest))], len(forms))
    return tuple(_text(coordinates, vector) for vector in _reduced_forms(rates))


def _reduced_forms(span: Echelon) -> list[Vector]:
    """A basis of what is orthogonal to the rows; each with 1 at a place where others have 0, the
    last places possible."""
    mirrored = row_space([[*reversed(row)] for row in span.rows], span.columns)
    return [tuple(map(Fraction, reversed(v))) for v in reversed(mirrored.null_basis())]


def _coordinate(
    members: Sequence[str], form: Vector, fields: Sequence[Field]
) -> _Coordinate | None:
    """A linear form as a coordinate, where all fields change it by w + u form with w/u the same."""
    form = tuple(whole(form))
    places = [k for k, x in enumerate(form) if x]
    changes = []
    for f in fields:
        factors = {f.factor[k] for k in places}
        if len(factors) > 1:
            return None
        shift = sum((form[k] * f.shift[k] for k in places), Fraction(0))
        changes.append((shift, factors.pop()))
    text = total([(members[k], form[k]) for k in places])
    scaling = [(w, u) for w, u in changes if u]
    if not scaling:
        return _Coordinate(text, False, tuple(w for w, _ in changes))
    offset = scaling[0][0] / scaling[0][1]
    if any(w != offset * u for w, u in changes):
        return None
    if offset:
        text = total([*[(members[k], form[k]) for k in places], ("", offset)])
    return _Coordinate(text, True, tuple(u for _, u in changes))


def _text(coordinates: Sequence[_Coordinate], vector: Vector) -> str:
    used = [(c, x) for c, x in zip(coordinates, vector, strict=True) if x]
    if all(not c.logarithm for c, _ in used):
        factors = whole([x for _, x in used])
        return total([(_bracketed(c, used), x) for (c, _), x in zip(used, factors, strict=True)])

    return product(
        [(_bracketed(c, used), x) for c, x in used if c.logarithm],
        [(_bracketed(c, used), x) for c, x in used if not c.logarithm],
    )


def _bracketed(c: _Coordinate, used: Sequence[Any]) -> str:
    """The text as a factor among others."""
    alone = len(used) == 1 or all(x.isalnum() or x in "_[]" for x in c.text)
    return c.text if alone else f"({c.text})"
