"""What is written in L and changes no motion: total time derivatives, and idle coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import sympy as sp

from lagc.analysis.motion import Motion, size
from lagc.analysis.relations import clearly_not_zero, find_relations
from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.base.spans import Span
from lagc.mechanics.nodesystem import NodeSystem
from lagc.mechanics.numeric import vanishes
from lagc.semantics.functions import JumpDerivative
from lagc.semantics.model import Coefficient, Model
from lagc.semantics.notation import to_text

_MOST_TOGETHER = 16
_MOST_COEFFICIENTS = 24
_LARGEST = 12000  # nodes of what is evaluated
_SAME_START = "changes momenta, and no motion from the same positions and velocities"


@dataclass(frozen=True)
class _Summand:
    value: sp.Expr
    span: Span
    whole: bool


def warn_of_total_derivatives(
    nodes: NodeSystem, diagnostics: Diagnostics, *, lattice: bool
) -> set[Span]:
    """LAG322 for the summands of L that, alone or together, are d/dt of a function of q and t.

    Such a function is linear in the velocities, so no others are looked at. A constant is left
    alone: it says where the energy is zero. Terms of a `lattice` written out are kept whole.
    Returns the places of the terms that are idle as a whole.
    """
    motion = Motion(nodes.model)
    velocities = set(motion.orders[1])
    linear, resting = [], []
    for summand in _summands(nodes.model, lattice):
        symbols = summand.value.free_symbols
        if not velocities.isdisjoint(symbols):
            if _linear(motion, summand.value):
                linear.append(summand)
        elif not symbols.isdisjoint({*motion.orders[0], *motion.driving}):
            resting.append(summand)
    moved_by_time = [s for s in linear if not motion.driving.isdisjoint(s.value.free_symbols)]
    if not moved_by_time:  # nothing then cancels what depends on a position
        resting = [s for s in resting if s.value.free_symbols.isdisjoint(motion.orders[0])]
    candidates = linear + resting
    if not candidates or len(candidates) > _MOST_TOGETHER:
        return set()
    try:
        effects = [motion.euler_lagrange(summand.value) for summand in candidates]
    except JumpDerivative:
        return set()
    equations = sorted({i for effect in effects for i in effect})
    table = [[effect.get(i, sp.Integer(0)) for effect in effects] for i in equations]
    if sum(size(e) for row in table for e in row) > _LARGEST:
        return set()
    found = find_relations(
        nodes.model, table, motion.extra, wanted=lambda r: set(r.values()) == {1}
    )
    found += [] if equations else [{k: Fraction(1)} for k in range(len(candidates))]
    for relation in found:
        _report(motion, diagnostics, [candidates[k] for k in relation])
    idle = [candidates[k] for k in {k for relation in found for k in relation}]
    active = [s.span for s in _summands(nodes.model, lattice) if s not in idle]
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
        slopes = [motion.derivative(e, v) for v in velocities if v in e.free_symbols]
    except JumpDerivative:
        return False
    return not any(s.free_symbols & set(velocities) for s in slopes)


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
    moving = {x for s in together for x in s.value.free_symbols} & set(motion.orders[1])
    diagnostics.add(
        Code.LAG322,
        f"{message}, which reaches no equation of motion",
        first.span,
        label=_SAME_START if moving else "changes what is called energy, and no motion",
        notes=notes,
    )


def warn_of_coefficients(
    source: Model, nodes: NodeSystem, idle_terms: set[Span], diagnostics: Diagnostics
) -> None:
    """LAG323 where no equation of motion depends on a coefficient, LAG324 where only on products.

    source: the model as declared, which differs from that of `nodes` for a lattice; idle_terms:
    the places of terms that are known to change no motion, and with them what stands only there.
    """
    motion = Motion(nodes.model)
    try:
        equations = [a - motion.rate(b) for a, b in zip(nodes.a, nodes.b, strict=True)]
        columns = {c.name: _response(motion, c, equations) for c in source.coefficients}
    except JumpDerivative:
        return
    observed = {s.name for o in source.observables for s in o.value.free_symbols}
    written = {
        s.name.split("[")[0]
        for t in (*source.lagrangian_terms, *source.coupling_terms)
        if t.span not in idle_terms
        for s in t.value.free_symbols
    }
    active = []
    for c in source.coefficients:
        idle = _idle(motion, columns[c.name])
        if idle is False:
            active.append(c)
        if idle and c.name in written and c.name not in observed:
            named = {s.name.split("[")[0] for p in nodes.b for s in p.free_symbols}
            diagnostics.add(
                Code.LAG323,
                f"no equation of motion depends on `{c.name}`",
                c.span,
                label=_SAME_START
                if c.name in named
                else "changes no motion: positions and velocities cannot determine it",
                help="it stands only in terms that are constant, inert or a total time derivative",
            )
    _note_scalings(motion, active, columns, equations, diagnostics)


def _response(
    motion: Motion, coefficient: Coefficient, equations: Sequence[sp.Expr]
) -> list[sp.Expr]:
    """c d/dc of every equation; of a coefficient with a value at each site, of all together."""
    places = {
        s for e in equations for s in e.free_symbols if s.name.split("[")[0] == coefficient.name
    }
    own = sorted(places & {c.symbol for c in motion.model.coefficients}, key=lambda s: s.name)
    return [
        sp.Add(*[c * motion.derivative(e, c) for c in own if c in e.free_symbols])
        for e in equations
    ]


def _idle(motion: Motion, responses: Sequence[sp.Expr]) -> bool | None:
    """Whether all responses vanish; None where that cannot be told."""
    verdict: bool | None = True
    if clearly_not_zero(motion.model, responses, motion.extra):
        return False
    for e in responses:
        found = vanishes(motion.model, e, motion.extra)
        if found is False:
            return False
        verdict = verdict if found else None
    return verdict


def _note_scalings(
    motion: Motion,
    active: Sequence[Coefficient],
    columns: dict[str, list[sp.Expr]],
    equations: Sequence[sp.Expr],
    diagnostics: Diagnostics,
) -> None:
    """LAG324 for the powers of a factor that the coefficients can take up unnoticed."""
    if len(active) < 2 or len(active) > _MOST_COEFFICIENTS:
        return
    table = [
        [equation, *[columns[c.name][k] for c in active]] for k, equation in enumerate(equations)
    ]
    if sum(size(e) for row in table for e in row) > _LARGEST:
        return
    for relation in find_relations(motion.model, table, motion.extra):
        powers = {active[k - 1]: power for k, power in relation.items() if k > 0}
        diagnostics.add(
            Code.LAG324,
            _scaling(powers),
            min((c.span for c in powers), key=lambda s: s.start),
            label="positions and velocities cannot tell these apart",
        )


def _scaling(powers: dict[Coefficient, Fraction]) -> str:
    names = [f"`{c.name}`" for c in powers]
    if len(names) == 1:
        return f"no motion depends on {names[0]}: it multiplies every equation"
    if len(set(powers.values())) == 1:
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        return f"no motion changes when {listed} are multiplied by the same factor"
    shared = lcm(*[p.denominator for p in powers.values()])
    first = next(iter(powers.values()))
    powers = {c: p * shared * (1 if first > 0 else -1) for c, p in powers.items()}
    listed = ", ".join(
        f"{name} by s" + ("" if p == 1 else f"^{p}")
        for name, p in zip(names, powers.values(), strict=True)
    )
    return f"no motion changes when a number s multiplies {listed}"
