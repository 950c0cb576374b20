"""What recordings fix of the coefficients, as a table and as data."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from lagc.analysis.identifiability import Freedom, Identifiability, Observed
from lagc.base.gauge import counted, exchange, held, listed, scale, shift, signs

_WIDTHS = (16, 40, 40)
_TITLES = ("observed", "fixes", "hold")


def as_lines(found: Identifiability | None) -> list[str]:
    """One row for each kind of data; one line where positions fix every coefficient, and where it
    is not settled (None)."""
    if found is None:
        return ["coefficients: what recordings fix of them was not settled"]
    positions = found.positions
    if not positions.freedoms and not _open(positions) and not found.slots:
        return ["coefficients: positions fix all of them"]
    rows = [_TITLES, _row("q (and q')", positions, found)]
    rows.append(_row("q and p", found.momenta, found))
    lines = []
    for row in rows:
        cells = [wrap(cell, width) or [""] for cell, width in zip(row, _WIDTHS, strict=True)]
        for k in range(max(map(len, cells))):
            parts = [c[k] if k < len(c) else "" for c in cells]
            padded = zip(parts, _WIDTHS, strict=True)
            lines.append("  ".join(part.ljust(width) for part, width in padded).rstrip())
    if found.slots:
        known = f"{listed(found.slots)} {'counts' if len(found.slots) == 1 else 'count'} as known"
        lines.append(f"{known}; learnt together with coefficients, less is fixed")
    return lines


def _row(name: str, observed: Observed, found: Identifiability) -> tuple[str, str, str]:
    everything = _names(observed)
    fixed = list(observed.fixed)
    for freedom in observed.freedoms:
        fixed += _combinations(freedom)
    discrete = _open(observed)
    hold = [_hold(freedom, everything) for freedom in observed.freedoms]
    but = f", but not {listed(discrete)}" if discrete else ""
    return name, (", ".join(fixed) or "nothing") + but, "; ".join(hold)


def _open(observed: Observed) -> list[str]:
    """Which of several values it is that the data fix, each in words."""
    return [
        *(signs(names) for names in observed.signs),
        *(shift(s.signs, [(name, str(by)) for name, by in s.by]) for s in observed.shifts),
        *(exchange(names) for names in observed.exchanges),
    ]


def _names(observed: Observed) -> list[str]:
    return [*observed.fixed, *(name for f in observed.freedoms for name in f.names)]


def _combinations(freedom: Freedom) -> list[str]:
    if freedom.fixed is not None:
        return list(freedom.fixed)
    if freedom.scale:
        return [f"ratios of {listed(freedom.names)}"]
    if freedom.dimension is None:
        return [f"combinations of {listed(freedom.names)}"]
    numbers = len(freedom.names) - freedom.dimension
    return [f"{counted(numbers)} combination{'s'[: numbers > 1]} of {listed(freedom.names)}"]


def _hold(freedom: Freedom, everything: list[str]) -> str:
    why = ""
    if freedom.unseen:
        why = " (not seen)"
    elif freedom.scale:
        overall = len(freedom.names) == len(everything)
        why = f" ({scale(freedom.names, everything) if overall else 'their common scale'})"
    return held(freedom.names, freedom.hold) + why


def as_data(found: Identifiability | None) -> list[dict[str, Any]] | None:
    """One object for each kind of data: `observed`, what it fixes, what is free, what to hold."""
    if found is None:
        return None
    kinds = ((["q"], found.positions), (["q", "q'"], found.positions), (["q", "p"], found.momenta))
    return [
        {
            "observed": observed,
            "fixed": list(of.fixed),
            "free": [
                {
                    "coefficients": list(f.names),
                    "dimension": f.dimension,
                    "fixed": None if f.fixed is None else list(f.fixed),
                    "scale": f.scale,
                    "hold": [list(names) for names in f.hold],
                }
                for f in of.freedoms
            ],
            "signs": [list(names) for names in of.signs],
            "shifts": [
                {"by": {name: str(by) for name, by in s.by}, "signs": list(s.signs)}
                for s in of.shifts
            ],
            "exchanges": [list(names) for names in of.exchanges],
        }
        for observed, of in kinds
    ]
