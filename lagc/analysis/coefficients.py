"""Warnings and notes about coefficients that recordings cannot fix."""

from __future__ import annotations

from collections.abc import Collection

import sympy as sp

from lagc.analysis.identifiability import Freedom, Identifiability
from lagc.analysis.signs import Shift
from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.base.gauge import (
    held,
    listed,
    not_fixed,
    not_seen,
    not_separate,
    not_told,
    scale,
    shift,
    signs,
)
from lagc.base.spans import Span
from lagc.semantics import graphs
from lagc.semantics.model import Coefficient, Model

DROPS_OUT = "it is not left in L and K when they are written out"
_OBSERVED = "positions and velocities"


def warn_of_coefficients(
    source: Model, found: Identifiability, idle_terms: set[Span], diagnostics: Diagnostics
) -> None:
    """LAG323 where no equation of motion depends on a coefficient, LAG324 to LAG331 where
    positions do not fix it alone.

    source: the model as declared, which differs from the one looked at for a lattice; idle_terms:
    the places of terms that are known to change no motion, and with them what stands only there.
    """
    declared = {source.shown(c): c for c in source.coefficients}
    observed = {s.name for o in source.observables for s in graphs.symbols(o.value)}
    terms = (*source.lagrangian_terms, *source.coupling_terms)
    positions, momenta = found.positions, found.momenta
    for name in found.idle:
        coefficient = declared[name]
        places = {t.span for t in terms if _stands_in(coefficient, t.value)}
        here = coefficient.span.source.name == source.source.name  # others need not use it
        reported = not places <= idle_terms if places else here
        if reported and coefficient.name not in observed:
            unseen = any(name in f.names for f in momenta.freedoms)
            diagnostics.add(
                Code.LAG323,
                f"no equation of motion depends on `{name}`",
                declared[name].span,
                label="changes no motion: positions and velocities cannot determine it"
                if unseen
                else "changes momenta, and no motion from the same positions and velocities",
                help="it stands only in terms that are constant, inert, a total time derivative, "
                "or cancel one another"
                if places
                else DROPS_OUT,
            )
    for freedom in positions.freedoms:
        if found.idle.isdisjoint(freedom.names):
            _note_freedom(freedom, declared, momenta.fixed, diagnostics)
    for turned in positions.signs:
        _note_signs(turned, declared, diagnostics)
    for moved in positions.shifts:
        _note_shift(moved, declared, diagnostics)
    for same in positions.exchanges:
        diagnostics.add(
            Code.LAG330,
            not_told(_OBSERVED, [f"`{name}`" for name in same]),
            declared[same[0]].span,
            label="an exchange of their values gives the same motion",
            help="bounds that do not overlap say which is which",
        )
    for powers in found.networks:
        names = [name for name, _ in powers if name in declared]
        if names:
            slots = [name for name, _ in powers if name not in declared]
            diagnostics.add(
                Code.LAG329,
                not_separate(_OBSERVED, [f"`{name}`" for name in (*names, *slots)]),
                declared[names[0]].span,
                label="networks that are learnt take up a factor of the coefficients",
                help=f"hold {listed(names, 'or')}",
            )


def _stands_in(coefficient: Coefficient, value: sp.Expr) -> bool:
    names = {s.name for s in graphs.symbols(value)}
    return coefficient.name in ({n.split("[")[0] for n in names} if coefficient.varies else names)


def _note_freedom(
    freedom: Freedom,
    declared: dict[str, Coefficient],
    by_momenta: Collection[str],
    diagnostics: Diagnostics,
) -> None:
    names = [f"`{name}`" for name in freedom.names]
    label = ""
    if freedom.unseen:
        message = not_seen(_OBSERVED, names[0])
        label = "multiplies equations of motion, and no more"
    elif freedom.scale:
        message = not_fixed(_OBSERVED, scale(names, tuple(declared)))
    else:
        message = not_separate(_OBSERVED, names)
    if freedom.fixed:
        verb = "is" if len(freedom.fixed) == 1 else "are"
        label = f"only {listed(freedom.fixed)} {verb} determined"
    hold = held(freedom.names, freedom.hold)
    momenta = ", or observe momenta" if set(freedom.names) <= set(by_momenta) else ""
    diagnostics.add(
        Code.LAG324,
        message,
        declared[freedom.names[0]].span,
        label=label,
        help=f"hold {hold}{momenta}",
    )


def _note_signs(
    names: tuple[str, ...], declared: dict[str, Coefficient], diagnostics: Diagnostics
) -> None:
    what = signs([f"`{name}`" for name in names])
    diagnostics.add(
        Code.LAG328,
        not_fixed(_OBSERVED, what),
        declared[names[0]].span,
        label="the opposite gives the same motion",
        help=f"bounds say which is meant, for instance `coefficient {names[0]} >= 0`",
    )


def _note_shift(moved: Shift, declared: dict[str, Coefficient], diagnostics: Diagnostics) -> None:
    by = [(f"`{name}`", str(amount)) for name, amount in moved.by]
    name = (moved.signs or [n for n, _ in moved.by])[0]
    diagnostics.add(
        Code.LAG328 if moved.signs else Code.LAG331,
        not_fixed(_OBSERVED, shift([f"`{n}`" for n in moved.signs], by)),
        declared[name].span,
        label="the opposite gives the same motion after the shift"
        if moved.signs
        else "a shift by as much gives the same motion",
        help=f"bounds say which is meant, for instance `coefficient {name} >= 0`"
        if moved.signs
        else f"bounds say which is meant, for instance `coefficient {name} in [0, {by[0][1]}]`",
    )
