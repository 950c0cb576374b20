"""Expressions on a lattice: fields at a site, shifts, and sums over sites.

At a free end the terms of a density that would reach beyond it are left out: the range of every
term is cut to the sites where all it names exists. On a ring sites are counted on round it. On a
lattice that says neither, a density that reaches beyond an end is an error.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import did_you_mean
from lagc.base.spans import Span
from lagc.semantics import graphs
from lagc.semantics.names import Context, NameReader, Scope
from lagc.semantics.sites import FARTHEST, Lattice, SiteSum, shifts, without_marks
from lagc.semantics.tensors import Value, each
from lagc.syntax import ast


class SiteReader(NameReader):
    """Looks up what lives on the sites of the lattice."""

    @abstractmethod
    def read(self, node: ast.Expression) -> Value:
        """Any expression."""

    @abstractmethod
    def scalar(self, node: ast.Expression, what: str) -> sp.Expr | None:
        """A scalar expression."""

    def lives_on_sites(self, name: str) -> bool:
        """Whether a name is a field, or a coefficient or constant that varies."""
        coordinate = self.scope.coordinates.get(name)
        return name in self.scope.varying or (coordinate is not None and bool(coordinate.index))

    # --- at a site ----------------------------------------------------------------------------

    def at_site(self, node: ast.Index, base: ast.Name) -> Value:
        """`phi'_+[i+1]`, `phi[0]`, `k[i]`."""
        lattice, name = self.scope.lattice, base.name
        if lattice is None or name in self.scope.lost:
            return None
        written = name
        if name in self.scope.coordinates:
            if not self._may_stand(base):
                return None
            written += "'" * base.primes + (f"_{base.side}" if base.side else "")
        elif base.primes or base.side:
            return self._decorated_other(base)
        elif name in self.scope.symbols:
            kind, _ = self.scope.symbols[name]
            if self._needs_constant(f"{kind} `{name}`", node.span):
                return None
        position = self._position(node.index, lattice)
        if position is None:
            return None
        relative, number = position
        if not relative:
            if not lattice.first <= number <= lattice.last:
                return self._error(
                    Code.LAG220,
                    f"there is no site {number}: `{lattice.index}` runs from {lattice.first} to "
                    f"{lattice.last}",
                    node.index.span,
                )
        elif not self._needs_site(f"`{node.span.text}`", node.span):
            return None
        if name in self.scope.constants and self.context in (Context.SITE, Context.CONSTANT):
            definition = self._definition(name, node.span)
            if definition is None:
                return None
            moved = lattice.moved if relative else lattice.at_site
            return moved(definition, number)
        if name in self.scope.constants and self._definition(name, node.span) is None:
            return None
        if not relative:
            return lattice.fixed(written, number)
        self.shifts.append((number, node.span))
        return lattice.at(written, number)

    def _definition(self, name: str, span: Span) -> sp.Expr | None:
        return self.scope.constants[name] if self.scope.constant(name, span) else None

    def _position(self, node: ast.Expression, lattice: Lattice) -> tuple[bool, int] | None:
        """Whether a position is relative to the generic site, and the shift or the site."""
        reader = type(self)(self.scope, self.diagnostics, Context.SITE, subject="a site")
        value = reader.scalar(node, "a site")
        if value is None:
            return None
        value = with_numbers(self.scope, value)
        shift = sp.expand(value - lattice.symbol)
        if value.is_Integer:
            return False, int(value)
        if not shift.is_Integer:
            self._error(
                Code.LAG219,
                "a site is the index with a constant whole number added, or a whole number",
                node.span,
                help=f"write `{lattice.index}`, `{lattice.index}+1`, `{lattice.index}-2` or "
                f"`{lattice.first}`",
            )
            return None
        if abs(shift) > FARTHEST:
            self._error(
                Code.LAG221,
                f"a shift by {abs(shift)} sites is too far; at most {FARTHEST} can be compiled",
                node.span,
            )
            return None
        return True, int(shift)

    def names_index(self, node: ast.Expression, lattice: Lattice) -> bool:
        """Whether an expression is the index, plain; reports if not."""
        if node == ast.Name(lattice.index, span=node.span):
            return True
        written = node.span.text
        self._error(
            Code.LAG219,
            f"`{written}` is not the index of the lattice",
            node.span,
            label=did_you_mean(written, [lattice.index]) or f"the index is `{lattice.index}`",
        )
        return False

    def as_one_term(self, value: Value) -> Value:
        """A value, entry by entry, that is cut at free ends as a whole."""
        lattice = self.scope.lattice
        if lattice is None or value is None:
            return value
        return each(lattice.as_one_term, value)

    # --- sums ---------------------------------------------------------------------------------

    def site_sum(self, node: ast.Call) -> Value:
        """`sum(i, body)` over the whole lattice, `sum(i in 1..9, body)` over a part of it."""
        lattice = self.scope.lattice
        if lattice is None and "index" in self.scope.lost:
            return None
        if lattice is None:
            return self._error(
                Code.LAG219,
                "`sum` runs over the sites of a lattice, and the model declares none",
                node.name_span,
                help="declare one, `index i in 0..49 periodic`; for the components of a vector "
                "write `dot(a, b)`, or the terms with `+`",
            )
        if self._needs_constant("a sum over sites", node.span):
            return None
        if self.summing:
            self.sum_in_sum(lattice, node.span, node)
            return None
        sites = self._range(node, lattice)
        if sites is None:
            return None
        outer, self.shifts, self.summing = self.shifts, [], True
        site = self.site
        body = self.scalar(node.arguments[1].value, "a density")
        reached, self.shifts, self.summing, self.site = self.shifts, outer, False, site
        if body is None or not self.within_ends(lattice, sites, reached):
            return None
        if graphs.holds([body], SiteSum):
            self.sum_in_sum(lattice, node.arguments[1].span)
            return None
        total = self.cut_at_ends(lattice, body, sites, node.arguments[1].span)
        return None if total is None else sp.Add(*[site_sum(lattice, *part) for part in total])

    def sum_in_sum(self, lattice: Lattice, span: Span, inner: ast.Call | None = None) -> None:
        """Reports a sum inside a density; `inner` is the sum where it is written there."""
        index = inner.arguments[0].value if inner is not None and inner.arguments else None
        over = index.name if isinstance(index, ast.Name) else lattice.index
        self._error(
            Code.LAG219,
            f"a sum over `{over}` inside a sum over `{lattice.index}`",
            span,
            help="only densities that are local can be compiled: one sum, and shifts such as "
            f"`[{lattice.index}+1]`",
        )

    def _range(self, node: ast.Call, lattice: Lattice) -> tuple[int, int] | None:
        """The first and the last site of a sum."""
        arguments = node.arguments
        usual = (
            len(arguments) == 2
            and isinstance(arguments[0].value, ast.Name)
            and not any(a.keyword or a.weight is not None for a in arguments)
            and arguments[1].within is None
        )
        index = arguments[0].value if arguments else None
        if not usual or not isinstance(index, ast.Name):
            self._error(
                Code.LAG205,
                "a sum has an index and a density",
                node.span,
                help=f"write `sum({lattice.index}, ...)`, or `sum({lattice.index} in "
                f"{lattice.first}..{lattice.last}, ...)` for a part of the lattice",
            )
            return None
        if not self.names_index(index, lattice):
            return None
        within = arguments[0].within
        if within is None:
            return lattice.first, lattice.last
        ends = [self._end(end, lattice) for end in within]
        first, last = ends
        if first is None or last is None:
            return None
        if first > last:
            self._error(Code.LAG220, "this range holds no site", arguments[0].span)
            return None
        return first, last

    def _end(self, node: ast.Expression, lattice: Lattice) -> int | None:
        reader = type(self)(self.scope, self.diagnostics, Context.CONSTANT, subject="a site")
        value = reader.scalar(node, "a site")
        if value is None:
            return None
        value = with_numbers(self.scope, value)
        if value.is_Integer and lattice.first <= value <= lattice.last:
            return int(value)
        self._error(
            Code.LAG220,
            f"a sum runs over sites of the lattice, {lattice.first} to {lattice.last}",
            node.span,
        )
        return None

    def within_ends(
        self, lattice: Lattice, sites: tuple[int, int], reached: list[tuple[int, Span]]
    ) -> bool:
        """Whether a density stays on a lattice that is neither a ring nor free at its ends."""
        if lattice.ends:
            return True
        first, last = sites
        for shift, span in reached:
            beyond = min(first + shift - lattice.first, 0) or max(last + shift - lattice.last, 0)
            if beyond:
                at = first if beyond < 0 else last
                low = max(first, lattice.first + max(0, -min(s for s, _ in reached)))
                high = min(last, lattice.last - max(0, max(s for s, _ in reached)))
                self._error(
                    Code.LAG220,
                    f"at {lattice.index} = {at} this reaches beyond the end of the lattice, "
                    f"to site {at + shift}",
                    span,
                    help=f"sum over fewer sites, `sum({lattice.index} in {low}..{high}, ...)`, or "
                    "declare the lattice `free` (what reaches beyond an end is left out) or "
                    "`periodic`",
                )
                return False
        return True

    def cut_at_ends(
        self, lattice: Lattice, body: sp.Expr, sites: tuple[int, int], span: Span
    ) -> list[tuple[sp.Expr, int, int]] | None:
        """A density with the sites it is summed over; at free ends term by term."""
        first, last = sites
        if lattice.ends != "free":
            return [(body, first, last)]
        ranges: dict[tuple[int, int], list[sp.Expr]] = {}
        for term in additive_terms(self.scope, body):
            low, high = shifts(place for _, place in lattice.places(term))
            cut = max(first, lattice.first - low), min(last, lattice.last - high)
            if cut[0] > cut[1]:
                self._error(
                    Code.LAG220,
                    "this holds a term that reaches beyond an end of the lattice from every site",
                    span,
                    label="such a term is never there",
                )
                return None
            ranges.setdefault(cut, []).append(without_marks(term))
        return [(sp.Add(*terms), *cut) for cut, terms in ranges.items()]


def with_numbers(scope: Scope, expression: sp.Expr) -> sp.Expr:
    """The expression with the values of the constants that are one number."""
    names = [s.name for s in graphs.symbols(expression) if s.name not in scope.varying]
    known = {sp.Symbol(k): v for k in names if (v := scope.constants.get(k)) is not None}
    return graphs.replaced(expression, known)


def site_sum(lattice: Lattice, body: sp.Expr, first: int, last: int) -> sp.Expr:
    """The sum of a density as an expression."""
    return SiteSum(body, lattice.symbol, first, last)


def has_fields(scope: Scope, expression: sp.Expr) -> bool:
    """Whether an expression depends on a field, at any site."""
    lattice = scope.lattice
    if lattice is None:
        return False
    return any(place.name in scope.coordinates for _, place in lattice.places(expression))


def additive_terms(scope: Scope, e: sp.Expr, factor: sp.Expr | None = None) -> Iterator[sp.Expr]:
    """The terms of a sum, also of one that stands under factors without a field."""
    factor = sp.Integer(1) if factor is None else factor
    if e.is_Add:
        for term in e.args:
            yield from additive_terms(scope, term, factor)
        return
    if e.is_Mul:
        fields = [x for x in e.args if has_fields(scope, x) or graphs.holds([x], SiteSum)]
        others = [x for x in e.args if x not in fields]
        if len(fields) == 1 and fields[0].is_Add:
            yield from additive_terms(scope, fields[0], sp.Mul(factor, *others))
            return
    yield factor * e
