"""What declarations on a lattice mean: the lattice, and what has a value at each of its sites."""

from __future__ import annotations

from lagc.base.codes import Code
from lagc.semantics.constants import ConstantReader
from lagc.semantics.expressions import ExpressionReader
from lagc.semantics.names import Context
from lagc.semantics.sites import MOST_SITES, Lattice
from lagc.syntax import ast


def is_field(
    size: ast.Expression | None, name: ast.Identifier, lattice: Lattice, reader: ConstantReader
) -> bool:
    """Whether a coordinate of a lattice model is a field; reports if not."""
    if size is None or isinstance(size, ast.Number):
        reader.diagnostics.add(
            Code.LAG217,
            f"`{name.name}` has no value at each site; coordinates beside the fields of a lattice "
            "cannot be compiled by this version yet",
            name.span,
            help=f"a field is declared `coordinate {name.name}[{lattice.index}]`",
        )
        return False
    return _index_is(size, lattice, reader)


def _index_is(node: ast.Expression, lattice: Lattice, reader: ConstantReader) -> bool:
    sites = ExpressionReader(reader.scope, reader.diagnostics, Context.SITE)
    return sites.names_index(node, lattice)


def varies(
    index: ast.Expression | None, kind: str, name: ast.Identifier, reader: ConstantReader
) -> bool | None:
    """Whether a constant or coefficient has a value at each site; None if that is not clear."""
    if index is None:
        return False
    lattice = reader.scope.lattice
    if lattice is None:
        reader.diagnostics.add(
            Code.LAG219,
            f"`{name.name}` varies along a lattice, and the model declares none",
            index.span,
            help=f"a {kind} of several components is written `{kind} {name.name} = (1, 2, 3)`; a "
            "lattice is declared `index i in 0..49 periodic`",
        )
        return None
    return True if _index_is(index, lattice, reader) else None


def read_lattice(node: ast.LatticeIndex, reader: ConstantReader) -> Lattice | None:
    """`index i in 0..49 periodic`."""
    limit = 2**31
    ends = [
        reader.integer(x, "an end of a lattice", -limit, limit) for x in (node.first, node.last)
    ]
    first, last = ends
    if first is None or last is None:
        return None
    size = last - first + 1
    if not 2 <= size <= MOST_SITES:
        reader.diagnostics.add(
            Code.LAG219,
            f"a lattice has 2 to {MOST_SITES} sites, and this one "
            + (f"has {size}" if size > 0 else "has none"),
            node.first.span.to(node.last.span),
        )
        return None
    return Lattice(node.name.name, first, size, node.ends, node.name.span)
