"""Vectors and matrices of expressions: their shapes and their products.

A vector is a tuple of scalars, a matrix a tuple of rows that are vectors of one size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import sympy as sp

Vector: TypeAlias = "tuple[sp.Expr, ...]"
Matrix: TypeAlias = "tuple[tuple[sp.Expr, ...], ...]"
# What an expression gives; None where an error was already reported.
Value: TypeAlias = "sp.Expr | Vector | Matrix | None"


class ShapeError(Exception):
    """Shapes that do not fit; the message is a sentence, `help` what to write."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


def shape(value: Value) -> tuple[int, ...]:
    """() for a scalar, (n,) for a vector, (rows, columns) for a matrix."""
    if not isinstance(value, tuple):
        return ()
    return (len(value), *shape(value[0]))


def described(value: Value) -> str:
    """`a scalar`, `a vector of 3`, `a 2 by 3 matrix`."""
    match shape(value):
        case ():
            return "a scalar"
        case (n,):
            return f"a vector of {n}"
        case (rows, columns, *_):
            return f"a {rows} by {columns} matrix"
    raise AssertionError("a value has at most two axes")


def each(f: Callable[..., Any], *values: Any) -> Any:
    """f of corresponding entries of values of one shape."""
    if isinstance(values[0], tuple):
        return tuple(each(f, *parts) for parts in zip(*values, strict=True))
    return f(*values)


def entries(value: Value) -> tuple[sp.Expr, ...]:
    """All scalars of a value, row by row."""
    if isinstance(value, tuple):
        return tuple(x for part in value for x in entries(part))
    return (value,)


def components(name: str, size: tuple[int, ...]) -> Value:
    """The symbols `d[0]`, `M[1][0]` of a constant or coefficient of some shape."""
    if not size:
        return sp.Symbol(name)
    return tuple(components(f"{name}[{i}]", size[1:]) for i in range(size[0]))


def product(a: Any, b: Any) -> Any:
    """scalar * anything, matrix * vector, matrix * matrix; `ShapeError` for the others."""
    match len(shape(a)), len(shape(b)):
        case (0, _):
            return each(lambda x: a * x, b)
        case (_, 0):
            return each(lambda x: x * b, a)
        case (1, 1):
            raise ShapeError("the product of two vectors is not defined", "write `dot(a, b)`")
        case (1, 2):
            raise ShapeError(
                "a vector stands behind a matrix, not before it",
                "write `transpose(M)*v`, or `dot(v, M*w)` for a number",
            )
        case (_, axes):
            if shape(a)[1] != shape(b)[0]:
                raise ShapeError(
                    f"{described(a)} cannot be multiplied by {described(b)}",
                    "a matrix has as many columns as what it is multiplied by has rows",
                )
            if axes == 1:
                return tuple(dot(row, b) for row in a)
            columns = transpose(b)
            return tuple(tuple(dot(row, column) for column in columns) for row in a)
    raise AssertionError("a value has at most two axes")


def multiplications(a: Value, b: Value) -> int:
    """How many products of scalars `product` forms, beyond one; none where it is not defined."""
    if not shape(a) or not shape(b):
        return len(entries(a)) * len(entries(b)) - 1
    return len(a) * len(entries(b)) if isinstance(a, tuple) and len(shape(a)) == 2 else 0


def dot(a: Vector, b: Vector) -> sp.Expr:
    """The scalar product of two vectors of one size."""
    return sp.Add(*[x * y for x, y in zip(a, b, strict=True)])


def cross(a: Vector, b: Vector) -> Vector:
    """The vector product of two vectors of 3."""
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def transpose(a: Matrix) -> Matrix:
    """Rows made columns."""
    return tuple(zip(*a, strict=True))
