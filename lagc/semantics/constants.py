"""The values of constants: expressions that must be numbers, or numbers at every site."""

from __future__ import annotations

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.semantics.expressions import ExpressionReader
from lagc.semantics.lattices import with_numbers
from lagc.semantics.names import Context, Scope
from lagc.semantics.sites import Lattice, sample_sites
from lagc.semantics.tensors import Value, each, entries
from lagc.syntax import ast

_SMALLEST, _LARGEST = sp.Rational(5, 10**324), sp.Rational(179769313486231570 * 10**291)

_MOST_BITS = 4096


class ConstantReader:
    """Reads expressions that must be numbers, with constants replaced by their values."""

    def __init__(self, scope: Scope, diagnostics: Diagnostics) -> None:
        self.scope = scope
        self.diagnostics = diagnostics

    def number(self, node: ast.Expression, what: str, within_range: bool = True) -> sp.Expr | None:
        """A finite real number, exact; `within_range` of double precision, in which it is used."""
        reader = ExpressionReader(self.scope, self.diagnostics, Context.CONSTANT, subject=what)
        value = reader.scalar(node, what)
        return None if value is None else self._checked(value, node, what, within_range)

    def value(self, node: ast.Expression, what: str, within_range: bool = True) -> Value:
        """A finite real number, or a vector or a matrix of such numbers."""
        reader = ExpressionReader(self.scope, self.diagnostics, Context.CONSTANT, subject=what)
        value = reader.read(node)
        if value is None:
            return None
        found = each(lambda x: self._checked(x, node, what, within_range), value)
        return None if None in entries(found) else found

    def _checked(
        self, value: sp.Expr, node: ast.Expression, what: str, within_range: bool
    ) -> sp.Expr | None:
        value = with_numbers(self.scope, value)
        if value.is_Rational and max(abs(value.p), value.q) >> _MOST_BITS:
            self.diagnostics.add(
                Code.LAG106,
                f"{what} has more than {_MOST_BITS} binary digits",
                node.span,
                help="numbers are kept exactly; round it",
            )
            return None
        if not value.is_number or self.scope.traits.unreal(value):
            self.diagnostics.add(Code.LAG210, f"{what} is not a finite real number", node.span)
            return None
        if within_range and value != 0 and not _SMALLEST <= abs(value) <= _LARGEST:
            self.diagnostics.add(
                Code.LAG210,
                f"{what} is outside the range of double precision (1e-308 to 1e308)",
                node.span,
                help="choose units in which the numbers are closer to 1",
            )
            return None
        return value

    def along(self, node: ast.Expression, what: str, lattice: Lattice) -> sp.Expr | None:
        """A finite real number at every site: a function of the index, other constants put in."""
        reader = ExpressionReader(self.scope, self.diagnostics, Context.SITE, subject=what)
        value = reader.scalar(node, what)
        if value is None:
            return None
        value = with_numbers(self.scope, value)
        for site in sample_sites(lattice):
            at = lattice.at_site(value, site)
            if (
                not at.is_number
                or self.scope.traits.unreal(at)
                or not at.is_finite
                or at.is_real is False
            ):
                self.diagnostics.add(
                    Code.LAG210,
                    f"{what} is not a finite real number at {lattice.index} = {site}",
                    node.span,
                )
                return None
        return value

    def integer(self, node: ast.Expression, what: str, low: int, high: int) -> int | None:
        """A whole number between `low` and `high`."""
        value = self.number(node, what)
        if value is None:
            return None
        if not value.is_Integer or not low <= value <= high:
            self.diagnostics.add(
                Code.LAG206, f"{what} is a whole number from {low} to {high}", node.span
            )
            return None
        return int(value)
