"""Parts of K that belong in L: forces that come from a potential or a generalised one.

Every summand of the forces is a unit. Helmholtz' conditions are linear, so a set of units comes
from a potential where its columns of conditions add up to zero; the smallest such sets are the
relations with all factors 1. What depends on t or on an input is driving, and left alone: whether
its work counts as energy is for the author of the model to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from lagc.analysis.motion import Components, Motion, is_force_statement, summands
from lagc.analysis.relations import all_vanish, find_relations, possibly_related, ratio
from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.base.spans import Span
from lagc.semantics import graphs
from lagc.semantics.functions import SMOOTH_FUNCTIONS, JumpDerivative, NeuralTerm
from lagc.semantics.notation import to_text

_MOST_UNITS = 64
_MOST_TOGETHER = 16  # units whose conditions meet
_LARGEST = 4000  # nodes of all conditions
_LONGEST_TEXT = 90

Conditions = dict[tuple[str, int, int], sp.Expr]  # as `Motion.helmholtz` names them


@dataclass(frozen=True)
class ForcePart:
    """A force, or one of the `pieces` summands of a force, with the text it came from."""

    force: Components
    span: Span
    pieces: int


@dataclass(frozen=True)
class PotentialForce:
    """Parts of K that belong in L: sets of them that each come from a potential.

    still: whether they together do nothing.
    """

    sets: tuple[tuple[ForcePart, ...], ...]
    still: bool

    @property
    def parts(self) -> list[ForcePart]:
        """All parts."""
        return [part for chosen in self.sets for part in chosen]

    @property
    def force(self) -> Components:
        """The sum."""
        return _added([part.force for part in self.parts])

    @property
    def spans(self) -> list[Span]:
        """The terms that the parts belong to, in the order of the text."""
        return sorted({part.span for part in self.parts}, key=lambda s: s.start)

    @property
    def whole(self) -> bool:
        """Whether nothing else is said by these terms."""
        return all(
            sum(part.span == span for part in self.parts) == pieces
            for span, pieces in {(part.span, part.pieces) for part in self.parts}
        )


def find_potential_forces(motion: Motion, *, lattice: bool) -> list[PotentialForce]:
    """The parts of K that belong in L; terms of a `lattice` written out are kept whole."""
    try:
        pieces = _pieces(motion, lattice)
        if sum(map(len, pieces.values())) > _MOST_UNITS:
            pieces = _pieces(motion, whole=True)
        if len(pieces) > _MOST_UNITS:
            return []
        parts = _without_friction(motion, list(_parts(motion, pieces)))
        conditions = [dict(motion.helmholtz(part.force)) for part in parts]
    except JumpDerivative:
        return []
    if sum(graphs.size(e) for c in conditions for e in c.values()) > _LARGEST:
        return []
    found = []
    for group in _meeting(conditions):
        for chosen in _cancelling(motion, [conditions[k] for k in group]):
            members = tuple(parts[group[k]] for k in chosen)
            total = _added([part.force for part in members])
            if not all(_turns(motion, i, e) for i, e in total.items()) or not total:
                still = all_vanish(motion.model, total.values(), motion.extra)
                found.append(PotentialForce((members,), still))
    return _of_the_same_terms_together(found)


def _turns(motion: Motion, dof: int, force: sp.Expr) -> bool:
    """Whether a force is a constant torque on an angle, which no periodic potential gives.

    An angle is a coordinate that is declared `mod P`, or one that nothing else in the model tells
    from itself turned once, but from itself turned by less.
    """
    model = motion.model
    moving = {x for order in motion.orders for x in order}
    if not moving.isdisjoint(graphs.symbols(force)):
        return False
    coordinate = model.coordinate_of(dof)
    if coordinate.modulus is not None:
        return True
    values = [t.value for t in (*model.lagrangian_terms, *model.coupling_terms)]

    def changed_by(angle: sp.Expr) -> bool:
        sides = (coordinate.symbols(0, side) for side in ("", "+"))
        shift = {s: s + angle for symbols in sides for s in symbols}
        return not all_vanish(model, [graphs.replaced(e, shift) - e for e in values])

    return changed_by(sp.Integer(1)) and not changed_by(2 * sp.pi)


def _pieces(motion: Motion, whole: bool) -> dict[Span, tuple[sp.Expr, ...]]:
    """The summands of K by where they stand; what has one span, such as R, is one sum."""
    by_span: dict[Span, sp.Expr] = {}
    for term in motion.model.coupling_terms:
        by_span[term.span] = by_span.get(term.span, sp.Integer(0)) + term.value
    return {span: (e,) if whole else tuple(_as_meant(motion, e)) for span, e in by_span.items()}


def _as_meant(motion: Motion, coupling: sp.Expr) -> Iterator[sp.Expr]:
    """The summands of K that are judged alone.

    Products are written out, except with a factor such as (x' - u), in which a velocity is taken
    relative to something else: what it leaves at rest is a part of the drag.
    """
    minus = {x for side in motion.minus for x in side}
    for term in sp.Add.make_args(coupling):
        outer = [x for x in sp.Mul.make_args(term) if x in minus]
        force = sp.Mul(*[x for x in sp.Mul.make_args(term) if x not in minus])
        for part in sp.Add.make_args(force) if outer else (term,):
            factors = sp.Mul.make_args(part) if outer else ()
            if any(_relative(motion, x) for x in factors):
                yield sp.Mul(part, *outer)
            else:
                yield from summands(sp.Mul(part, *outer))


def _relative(motion: Motion, factor: sp.Expr) -> bool:
    """Whether a sum, or a power of one, holds summands with and without a velocity."""
    sums = factor.as_base_exp()[0]
    velocities = set(motion.model.variables(1, "+"))
    moving = [not velocities.isdisjoint(graphs.symbols(x)) for x in sp.Add.make_args(sums)]
    return any(moving) and not all(moving)


def _parts(motion: Motion, pieces: dict[Span, tuple[sp.Expr, ...]]) -> Iterator[ForcePart]:
    """The forces of all autonomous summands."""
    for span, couplings in pieces.items():
        forces = [force for e in couplings if (force := motion.force(e))]
        for force in forces:
            if all(_movable(motion, e) for e in force.values()):
                yield ForcePart(force, span, len(forces))


def _without_friction(motion: Motion, parts: Sequence[ForcePart]) -> list[ForcePart]:
    """The parts that are not friction of their own component, which no potential gives.

    dF_i/dv_i - d/dt dF_i/da_i must vanish for the sum of the parts that act on i; what is in no
    relation there is friction.
    """
    kept = [part for part in parts if len(part.force) > 1]
    for i in sorted({i for part in parts for i in part.force}):
        own = [part for part in parts if list(part.force) == [i]]
        v, a = (motion.orders[k][i] for k in (1, 2))
        slopes = [
            motion.derivative(part.force[i], v) - motion.rate(motion.derivative(part.force[i], a))
            for part in own
        ]
        resting = [k for k, slope in enumerate(slopes) if slope == 0]
        moving = [k for k, slope in enumerate(slopes) if slope != 0]
        related = possibly_related(motion.model, [slopes[k] for k in moving], motion.extra)
        kept += [own[k] for k in sorted([*resting, *[moving[k] for k in related]])]
    return [part for part in parts if part in kept]


def _movable(motion: Motion, e: sp.Expr) -> bool:
    """Whether L could hold such a force: neither driven nor with kinks, which L cannot have."""
    functions = (x for x in graphs.parts(e) if isinstance(x, sp.Function))
    smooth = all(isinstance(x, (*SMOOTH_FUNCTIONS, NeuralTerm)) for x in functions)
    return smooth and motion.driving.isdisjoint(graphs.symbols(e))


def _added(forces: Sequence[Components]) -> Components:
    total: Components = {}
    for force in forces:
        for i, e in force.items():
            total[i] = total.get(i, sp.Integer(0)) + e
    return {i: e for i, e in sorted(total.items()) if e != 0}


def _meeting(conditions: Sequence[Conditions]) -> list[list[int]]:
    """The units whose conditions could cancel each other, group by group."""
    groups: list[tuple[set[int], set[tuple[str, int, int]]]] = []
    for k, c in enumerate(conditions):
        members, keys, apart = {k}, set(c), []
        for other in groups:
            if keys.isdisjoint(other[1]):
                apart.append(other)
            else:
                members, keys = members | other[0], keys | other[1]
        groups = [*apart, (members, keys)]
    return sorted(sorted(members) for members, _ in groups)


def _cancelling(motion: Motion, conditions: Sequence[Conditions]) -> list[list[int]]:
    """The sets of units, of a group that meets, whose conditions add up to zero."""
    n = len(conditions)
    keys = sorted({key for c in conditions for key in c})
    if not keys:
        return [[k] for k in range(n)]
    if n > _MOST_TOGETHER:
        return []
    table = [[c.get(key, sp.Integer(0)) for c in conditions] for key in keys]
    found = find_relations(
        motion.model, table, motion.extra, wanted=lambda r: set(r.values()) == {1}
    )
    everything = [sp.Add(*row) for row in table]
    if not found and all_vanish(motion.model, everything, motion.extra):
        return [list(range(n))]
    return [list(relation) for relation in found]


def _of_the_same_terms_together(found: Sequence[PotentialForce]) -> list[PotentialForce]:
    """What shares a term of K is reported once."""
    merged: list[PotentialForce] = []
    for item in found:
        apart = []
        for other in merged:
            if other.still == item.still and not set(other.spans).isdisjoint(item.spans):
                item = PotentialForce((*other.sets, *item.sets), item.still)
            else:
                apart.append(other)
        merged = [*apart, item]
    return sorted(merged, key=lambda f: f.spans[0].start)


def potential(motion: Motion, force: Components) -> sp.Expr | None:
    """l(q, q') with this Euler-Lagrange expression, where the force is homogeneous.

    The integral of q . F over the ray from the origin (Vainberg, Tonti) is q . F/(degree + 1).
    """
    variables = [x for order in motion.orders[:3] for x in order]
    work = sp.Add(*[motion.orders[0][i] * f for i, f in force.items()])
    try:
        scaling = sp.Add(
            *[x * motion.derivative(work, x) for x in variables if x in graphs.symbols(work)]
        )
        degree = ratio(motion.model, scaling, work, motion.extra)
        if not degree:
            return None
        density = work / sp.Rational(degree.numerator, degree.denominator)
        rest = motion.euler_lagrange(density)
    except JumpDerivative:
        return None
    left = [rest.get(i, 0) - force.get(i, 0) for i in {*rest, *force}]
    return sp.factor_terms(density) if all_vanish(motion.model, left, motion.extra) else None


def _changes_momenta(motion: Motion, spans: Sequence[Span]) -> bool:
    """Whether an impulse is left of the terms at some places: they may cancel as they stand."""
    terms = [t.value for t in motion.model.coupling_terms if t.span in spans]
    impulses = [motion.derivative(sp.Add(*terms), v) for v in motion.minus[1]]
    return not all_vanish(motion.model, [graphs.replaced(e, motion.limit) for e in impulses])


def warn_of_potential_forces(
    motion: Motion, diagnostics: Diagnostics, *, lattice: bool
) -> set[Span]:
    """LAG320 and LAG321 for parts of K and forces that belong in L, LAG322 for idle ones.

    Returns the places of the terms that are idle as a whole.
    """
    idle = set[Span]()
    for found in find_potential_forces(motion, lattice=lattice):
        first, *others = found.spans
        notes = [Note("together with the force of this term", span) for span in others]
        if not found.whole and not lattice:
            labels = motion.model.labels
            listed = ", ".join(f"{to_text(e)} on {labels[i]}" for i, e in found.force.items())
            notes.insert(0, Note(f"that part is {shortened(listed)}"))
        if found.still:
            diagnostics.add(
                Code.LAG322,
                "K holds a total time derivative: its force is zero in every motion",
                first,
                label="changes momenta, and no motion from the same positions and velocities"
                if _changes_momenta(motion, found.spans)
                else "these terms add up to zero, and change nothing",
                notes=notes,
            )
            idle |= set(found.spans) if found.whole else set()
            continue
        stated = is_force_statement(first)
        what = "force" if stated else "force of this term"
        subject = f"the {what}" if found.whole else f"a part of the {what}"
        diagnostics.add(
            Code.LAG321 if stated else Code.LAG320,
            f"{subject} {_origin(motion, found.force)}",
            first,
            label="belongs in L",
            help=_advice("" if lattice else _potential_text(motion, found)),
            notes=notes,
        )
    return idle


def _origin(motion: Motion, force: Components) -> str:
    present = {s for e in force.values() for s in graphs.symbols(e)}
    if not present.isdisjoint(motion.orders[2]):
        return "is one of inertia: it derives from a kinetic energy"
    if not present.isdisjoint(motion.orders[1]):
        return "derives from a generalised potential, as a magnetic force does"
    return "is the gradient of a potential"


def _potential_text(motion: Motion, found: PotentialForce) -> str:
    """The potential of all sets as text, or nothing where it is not found or long."""
    parts = [potential(motion, _added([p.force for p in chosen])) for chosen in found.sets]
    known = [part for part in parts if part is not None]
    text = to_text(sp.Add(*known)) if len(known) == len(parts) else ""
    return text if len(text) <= _LONGEST_TEXT else ""


def _advice(potential: str) -> str:
    where = f"`L += {potential}` gives the same" if potential else "move it to L"
    return f"{where}; the energy then counts it, and the step keeps its symplectic structure"


def shortened(text: str) -> str:
    """A text that fits a line of a message."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."
