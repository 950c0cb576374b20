"""Units of vectors and matrices: one for all entries, or one for each that was written out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from lagc.semantics.dimensions import UnitOf
from lagc.semantics.model import Model
from lagc.syntax import ast
from lagc.syntax.ast import of_kind

Units: TypeAlias = "UnitOf | tuple[UnitOf, ...] | tuple[tuple[UnitOf, ...], ...]"
Shape: TypeAlias = "tuple[int, ...]"


def scalar(value: Units) -> UnitOf:
    """The unit of a scalar, or of the first entry."""
    return scalar(value[0]) if isinstance(value, tuple) else value


def every(value: Units) -> Iterator[UnitOf]:
    """The units of the entries, row by row; one for all if they were not written out."""
    if isinstance(value, tuple):
        for part in value:
            yield from every(part)
    else:
        yield value


def entry(value: Units, *place: int) -> UnitOf:
    """The unit of one entry."""
    for i in place:
        value = value[i] if isinstance(value, tuple) else value
    return scalar(value)


def each(f: Callable[..., UnitOf], *values: Units) -> Units:
    """`f` entry by entry of values of one shape; one unit stands for all entries."""
    sizes = [len(v) for v in values if isinstance(v, tuple)]
    if not sizes:
        return f(*values)
    parts = ([v[i] if isinstance(v, tuple) else v for v in values] for i in range(sizes[0]))
    return tuple(each(f, *part) for part in parts)  # type: ignore[return-value]


def pairs(a: Units, b: Units) -> Iterator[tuple[UnitOf, UnitOf]]:
    """Corresponding entries of values of one shape."""
    if isinstance(a, UnitOf) and isinstance(b, UnitOf):
        yield a, b
        return
    size = len(a) if isinstance(a, tuple) else len(b) if isinstance(b, tuple) else 0
    for i in range(size):
        x = a[i] if isinstance(a, tuple) else a
        y = b[i] if isinstance(b, tuple) else b
        yield from pairs(x, y)


def product(a: Units, b: Units, rows: Shape, columns: Shape) -> Iterator[list[UnitOf]]:
    """What is added up in each entry of a matrix times a vector or a matrix, row by row.

    rows and columns: the shapes of a and b.
    """
    for i in range(rows[0]):
        if len(columns) == 1:
            yield [entry(a, i, j) * entry(b, j) for j in range(rows[1])]
            continue
        for k in range(columns[1]):
            yield [entry(a, i, j) * entry(b, j, k) for j in range(rows[1])]


def transposed(value: Units, shape: Shape) -> Units:
    """Rows made columns."""
    if isinstance(value, UnitOf):
        return value
    rows, columns = shape
    return tuple(tuple(entry(value, i, j) for i in range(rows)) for j in range(columns))


class Shapes:
    """The shapes of expressions of a sound model, as they are written."""

    def __init__(self, file: ast.File, model: Model) -> None:
        self._known: dict[str, Shape] = {
            c.name: (c.size,) for c in model.coordinates if c.size is not None and not c.index
        }
        components = [c.name.partition("[") for c in model.coefficients]
        for name, bracket, _ in components:
            if bracket:
                self._known[name] = (sum(n == name for n, _, _ in components),)
        self._written: dict[str, ast.Expression] = {
            **{s.name.name: s.value for s in of_kind(file, ast.Let)},
            **{s.name.name: s.value for s in of_kind(file, ast.Constant)},
        }

    def named(self, name: str) -> Shape:
        """The shape of what a name stands for."""
        if name not in self._known:
            self._known[name] = ()
            if name in self._written:
                self._known[name] = self.of(self._written[name])
        return self._known[name]

    def of(self, node: ast.Expression) -> Shape:
        """() of a scalar, (n,) of a vector, (rows, columns) of a matrix."""
        match node:
            case ast.Name(name):
                return self.named(name)
            case ast.Tuple(items):
                return (len(items), *self.of(items[0]))
            case ast.Index(base):
                return self.of(base)[1:]
            case ast.Negate(operand):
                return self.of(operand)
            case ast.Sum(first):
                return self.of(first)
            case ast.Product(first, rest):
                shape = self.of(first)
                for _, factor in rest:
                    shape = self._product(shape, self.of(factor))
                return shape
            case ast.Call(name, arguments) if arguments:
                given = self.of(arguments[0].value)
                return given[::-1] if name == "transpose" else given if name in _SAME else ()
            case _:
                return ()

    def _product(self, a: Shape, b: Shape) -> Shape:
        return (a[0], *b[1:]) if a and b else a or b


_SAME = ("if", "cross")
