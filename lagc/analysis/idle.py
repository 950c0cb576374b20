"""What is written in L and changes no motion: total time derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy as sp

from lagc.analysis.motion import Motion
from lagc.analysis.relations import find_relations
from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.base.spans import Span
from lagc.semantics import graphs
from lagc.semantics.functions import JumpDerivative
from lagc.semantics.model import Model
from lagc.semantics.notation import to_text

_MOST_TOGETHER = 16
_LARGEST = 12000  # nodes of what is evaluated
_SAME_START = "changes momenta, and no motion from the same positions and velocities"


@dataclass(frozen=True)
class _Summand:
    value: sp.Expr
    span: Span
    whole: bool


def warn_of_total_derivatives(
    motion: Motion, diagnostics: Diagnostics, *, lattice: bool
) -> set[Span]:
    """LAG322 for the summands of L that, alone or together, are d/dt of a function of q and t.

    Such a function is linear in the velocities, so no others are looked at. A constant is left
    alone: it says where the energy is zero. Terms of a `lattice` written out are kept whole.
    Returns the places of the terms that are idle as a whole.
    """
    velocities = set(motion.orders[1])
    linear, resting = [], []
    for summand in _summands(motion.model, lattice):
        symbols = graphs.symbols(summand.value)
        if not velocities.isdisjoint(symbols):
            if _linear(motion, summand.value):
                linear.append(summand)
        elif not symbols.isdisjoint({*motion.orders[0], *motion.driving}):
            resting.append(summand)
    moved_by_time = [s for s in linear if not motion.driving.isdisjoint(graphs.symbols(s.value))]
    if not moved_by_time:  # nothing then cancels what depends on a position
        resting = [s for s in resting if graphs.symbols(s.value).isdisjoint(motion.orders[0])]
    candidates = linear + resting
    if not candidates or len(candidates) > _MOST_TOGETHER:
        return set()
    try:
        effects = [motion.euler_lagrange(summand.value) for summand in candidates]
    except JumpDerivative:
        return set()
    equations = sorted({i for effect in effects for i in effect})
    table = [[effect.get(i, sp.Integer(0)) for effect in effects] for i in equations]
    if sum(graphs.size(e) for row in table for e in row) > _LARGEST:
        return set()
    found = find_relations(
        motion.model, table, motion.extra, wanted=lambda r: set(r.values()) == {1}
    )
    found += [] if equations else [{k: Fraction(1)} for k in range(len(candidates))]
    for relation in found:
        _report(motion, diagnostics, [candidates[k] for k in relation])
    idle = [candidates[k] for k in {k for relation in found for k in relation}]
    active = [s.span for s in _summands(motion.model, lattice) if s not in idle]
    return {s.span for s in idle}.difference(active)


def _summands(model: Model, lattice: bool) -> Iterator[_Summand]:
    """The summands as written; c*(a + b) counts as two, (a + b)^2 as one."""
    for term in model.lagrangian_terms:
        factors = sp.Mul.make_args(term.value)
        sums = [x for x in factors if x.is_Add]
        parts: tuple[sp.Expr, ...] = (term.value,)
        if len(sums) == 1 and not lattice:
            parts = tuple(sp.Mul(*[x for x in factors if x != sums[0]], e) for e in sums[0].args)
        yield from (_Summand(part, term.span, len(parts) == 1) for part in parts)


def _linear(motion: Motion, e: sp.Expr) -> bool:
    velocities = motion.orders[1]
    try:
        slopes = [motion.derivative(e, v) for v in velocities if v in graphs.symbols(e)]
    except JumpDerivative:
        return False
    return not any(graphs.symbols(s) & set(velocities) for s in slopes)


def _report(motion: Motion, diagnostics: Diagnostics, together: Sequence[_Summand]) -> None:
    first, *others = sorted(together, key=lambda s: s.span.start)
    spans = dict.fromkeys(s.span for s in others if s.span != first.span)
    notes = [Note("together with this term", span) for span in spans]
    if not first.whole:
        inside = [to_text(s.value) for s in together if s.span == first.span]
        notes.insert(0, Note(f"that part is {' + '.join(inside)}"))
    message = "a part of this term of L is a total time derivative"
    if first.whole:
        these = "this term of L is" if len(together) == 1 else "these terms of L add up to"
        message = f"{these} a total time derivative"
    moving = {x for s in together for x in graphs.symbols(s.value)} & set(motion.orders[1])
    diagnostics.add(
        Code.LAG322,
        f"{message}, which reaches no equation of motion",
        first.span,
        label=_SAME_START if moving else "changes what is called energy, and no motion",
        notes=notes,
    )
