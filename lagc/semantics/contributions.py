"""L, K, R, forces and observables: the expressions that make up a model.

R(q, q', t) and forces become part of K (Galley, Tsang & Stein 2014: K += -dR/dv_i(q_+, q'_+) q_-,i
and K += F_i(q_+, q'_+, t) q_-,i), so that the later passes know one coupling only.
"""

from __future__ import annotations

from functools import cached_property

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note, did_you_mean
from lagc.base.spans import Span
from lagc.semantics import graphs
from lagc.semantics import model as m
from lagc.semantics.densities import NotLocal, densities, doubled, force_density, rayleigh
from lagc.semantics.derivatives import Differentiation
from lagc.semantics.expressions import ExpressionReader
from lagc.semantics.forces import is_written_as_force, warn_without_velocity
from lagc.semantics.functions import JumpDerivative
from lagc.semantics.jumps import report_jump
from lagc.semantics.names import Context, Scope
from lagc.semantics.sites import Lattice, SiteSum
from lagc.semantics.size import SizeLimit
from lagc.semantics.tensors import described, entries, shape
from lagc.syntax import ast
from lagc.syntax.ast import of_kind


class ContributionReader:
    """Reads the statements of a file that define functions of the motion."""

    def __init__(self, file: ast.File, scope: Scope, diagnostics: Diagnostics) -> None:
        self.file = file
        self.scope = scope
        self.diagnostics = diagnostics
        self.limit = SizeLimit(diagnostics)
        self.rough_calls: list[m.RoughCall] = []

    def reader(self, context: Context) -> ExpressionReader:
        """A reader of one expression, which notes calls with kinks and jumps here."""
        return ExpressionReader(self.scope, self.diagnostics, context, self.rough_calls)

    def lagrangian(self) -> list[m.Term]:
        """The summands of L."""
        return self._contributions("L", Context.PLAIN)

    def coupling(self) -> list[m.Term]:
        """The summands of K, with what R and the forces contribute."""
        terms = self._contributions("K", Context.DOUBLED)
        warn_without_velocity(terms, self.scope, self.diagnostics)
        return terms + self._rayleigh(self._contributions("R", Context.PLAIN)) + self._forces()

    def _contributions(self, target: str, context: Context) -> list[m.Term]:
        terms: list[m.Term] = []
        first: Span | None = None
        for node in of_kind(self.file, ast.Contribution):
            if node.target != target:
                continue
            if node.operator == "=" and first is not None:
                self.diagnostics.add(
                    Code.LAG202,
                    f"`{target} =` stands twice",
                    node.target_span,
                    help=f"a further contribution is added with `{target} +=`",
                    notes=[Note("the first one is here", first)],
                )
                continue
            if node.operator == "=":
                first = node.target_span
            if target == "K" and is_written_as_force(node, self.scope, self.diagnostics):
                continue
            terms += self._terms(node.value, target, context)
        return terms

    def _terms(self, node: ast.Expression, target: str, context: Context) -> list[m.Term]:
        """The summands of an expression, each with its own span."""
        parts: list[tuple[int, ast.Expression]] = [(1, node)]
        if isinstance(node, ast.Sum):
            parts = [(1, node.first)] + [(1 if op == "+" else -1, e) for op, e in node.rest]
        terms = []
        for sign, part in parts:
            value = self.limit.scalar(self.reader(context).scalar(part, target), part.span)
            if value is not None:
                terms += self._placed(m.Term(sign * value, part.span))
        return terms

    def _placed(self, term: m.Term) -> list[m.Term]:
        """A summand as it is, on a lattice its densities."""
        lattice = self.scope.lattice
        if lattice is None:
            return [term]
        return densities(self.scope, lattice, term, self.diagnostics)

    def _rayleigh(self, dissipation: list[m.Term]) -> list[m.Term]:
        terms: list[m.Term] = []
        errors = len(self.diagnostics.errors)
        for term in dissipation:
            acting = self._slopes(term)
            terms += acting
            failed = len(self.diagnostics.errors) > errors
            if not failed and term.value != 0 and not acting:
                self.diagnostics.add(
                    Code.LAG308,
                    "this part of R depends on no velocity",
                    term.span,
                    label="inert: it does not reach the equations of motion",
                    help="Rayleigh dissipation is a function such as `1/2*c*q'^2`; a potential "
                    "belongs in L, a coupling with `q_-` in K",
                )
        return terms

    def _slopes(self, term: m.Term) -> list[m.Term]:
        """-dR/dv_i(q_+, q'_+) q_-,i, those that are not zero."""
        lattice = self.scope.lattice
        if lattice is not None:
            return list(rayleigh(self.scope, lattice, term, self._derivative))
        slopes = [self._derivative(term, velocity) for velocity in self._symbols(1)]
        return [
            m.Term(-self._doubled(slope) * minus, term.span)
            for slope, minus in zip(slopes, self._symbols(0, "-"), strict=True)
            if slope != 0
        ]

    @cached_property
    def _differentiation(self) -> Differentiation:
        """Made when R is read, and so the numbers of the constants in it are known."""
        return Differentiation(self.file.span, self.scope.ranges)

    def _derivative(self, term: m.Term, velocity: sp.Symbol) -> sp.Expr:
        self._differentiation.span = term.span
        try:
            return self._differentiation(term.value, velocity)
        except JumpDerivative as error:
            report_jump(error, self.rough_calls, lambda e: e, term.span, self.diagnostics)
            return sp.Integer(0)

    def _forces(self) -> list[m.Term]:
        terms: list[m.Term] = []
        acting: dict[sp.Expr, Span] = {}
        for node in of_kind(self.file, ast.Force):
            target = node.target.base if isinstance(node.target, ast.Index) else node.target
            if isinstance(target, ast.Name) and target.name in self.scope.lost:
                continue
            known = isinstance(target, ast.Name) and target.name in self.scope.coordinates
            if not known or not isinstance(target, ast.Name) or target.primes or target.side:
                self.diagnostics.add(
                    Code.LAG203,
                    "a force acts on a coordinate or on one of its components",
                    node.target.span,
                    label=did_you_mean(target.name, self.scope.coordinates)
                    if isinstance(target, ast.Name) and not known
                    else "",
                    help=self._how_to_force(),
                )
                continue
            if self.scope.lattice is not None:
                terms += self._force_on_field(node, target, self.scope.lattice, acting)
                continue
            place = self.reader(Context.PLAIN).read(node.target)
            value = self.limit.checked(self.reader(Context.PLAIN).read(node.value), node.value.span)
            if place is None or value is None:
                continue
            places, values = entries(place), entries(value)
            if shape(place) != shape(value):
                self.diagnostics.add(
                    Code.LAG206,
                    f"the force is {described(value)} and `{node.target.span.text}` is "
                    f"{described(place)}",
                    node.value.span,
                )
                continue
            if self._given_twice(node, places, acting):
                continue
            minus = dict(zip(self._symbols(0), self._symbols(0, "-"), strict=True))
            terms += [
                m.Term(self._doubled(v) * minus[p], node.span)
                for p, v in zip(places, values, strict=True)
            ]
        return terms

    def _how_to_force(self) -> str:
        """How a force on a coordinate of this model is written."""
        coordinates = list(self.scope.coordinates.values())
        if not coordinates:
            return "write `force x = ...` or `force r[0] = ...`"
        first = coordinates[0]
        place = f"[{first.index}]" if first.index else "[0]" if first.size is not None else ""
        return f"write `force {first.name}{place} = ...`"

    def _given_twice(
        self, node: ast.Force, places: tuple[sp.Expr, ...], acting: dict[sp.Expr, Span]
    ) -> bool:
        """Whether there was a force on any of the places before; notes this one."""
        twice = [acting[p] for p in places if p in acting]
        if twice:
            self.diagnostics.add(
                Code.LAG202,
                f"the force on `{node.target.span.text}` is given twice",
                node.target.span,
                help="add the forces up in one statement",
                notes=[Note("the first one is here", twice[0])],
            )
        acting |= dict.fromkeys(places, node.target.span)
        return bool(twice)

    def _force_on_field(
        self, node: ast.Force, field: ast.Name, lattice: Lattice, acting: dict[sp.Expr, Span]
    ) -> list[m.Term]:
        """`force phi[i] = ...` on every site, `force phi[0] = ...` on one."""
        index = node.target.index if isinstance(node.target, ast.Index) else None
        if isinstance(index, ast.Name) and index.name not in self.scope.constants:
            return self._force_everywhere(node, field, lattice, acting)
        place = self.reader(Context.PLAIN).read(node.target)
        value = self.reader(Context.PLAIN).scalar(node.value, "a force")
        value = self.limit.scalar(value, node.value.span)
        if not isinstance(place, sp.Symbol) or value is None:
            return []
        if self._given_twice(node, (place,), acting):
            return []
        minus = lattice.renamed(place, lambda at: lattice.fixed(f"{at.base}_-", at.site or 0))
        return self._placed(m.Term(doubled(self.scope, lattice, value) * minus, node.span))

    def _force_everywhere(
        self, node: ast.Force, field: ast.Name, lattice: Lattice, acting: dict[sp.Expr, Span]
    ) -> list[m.Term]:
        reader = self.reader(Context.PLAIN)
        assert isinstance(node.target, ast.Index)
        if not reader.names_index(node.target.index, lattice):
            return []
        reader.summing = True
        value = self.limit.scalar(reader.scalar(node.value, "a force"), node.value.span)
        whole = lattice.first, lattice.last
        if value is None or not reader.within_ends(lattice, whole, reader.shifts):
            return []
        if graphs.holds([value], SiteSum):
            reader.sum_in_sum(lattice, node.value.span)
            return []
        if self._given_twice(node, (lattice.at(field.name, 0),), acting):
            return []
        parts = reader.cut_at_ends(lattice, value, whole, node.value.span) or []
        try:
            return [
                force_density(self.scope, lattice, field.name, part, (first, last), node.span)
                for part, first, last in parts
            ]
        except NotLocal as error:
            self.diagnostics.add(Code.LAG221, str(error), node.value.span, help=error.help)
            return []

    def _symbols(self, primes: int, side: str = "") -> tuple[sp.Symbol, ...]:
        coordinates = self.scope.coordinates.values()
        return tuple(s for c in coordinates for s in c.symbols(primes, side))

    def _doubled(self, expression: sp.Expr) -> sp.Expr:
        """q and q' replaced by q_+ and q'_+."""
        replacement = {
            plain: plus
            for primes in (0, 1)
            for plain, plus in zip(self._symbols(primes), self._symbols(primes, "+"), strict=True)
        }
        return graphs.replaced(expression, replacement)

    def observables(self) -> list[m.Observable]:
        """The declared functions of q, q' and t."""
        made = []
        for node in of_kind(self.file, ast.Observable):
            value = self.reader(Context.PLAIN).scalar(node.value, "an observable")
            value = self.limit.scalar(value, node.value.span)
            if value is not None:
                made.append(m.Observable(node.name.name, value, node.name.span))
        return made
