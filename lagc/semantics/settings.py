"""Numbers given beside a model, in its language: values of options, other defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, did_you_mean, fail
from lagc.base.spans import Source
from lagc.semantics.constants import ConstantReader
from lagc.semantics.model import Model
from lagc.semantics.names import Scope
from lagc.semantics.notation import number_text, range_text
from lagc.semantics.tensors import components
from lagc.syntax import ast
from lagc.syntax.parser import parse_expression


def read_number(text: str, what: str) -> sp.Expr:
    """The exact number of an expression such as `2*pi` or `1/3`; raises `LagcError`."""
    diagnostics = Diagnostics()
    node = parse_expression(Source(f"<{what}>", text), diagnostics)
    value = None
    if node is not None:
        value = ConstantReader(Scope(), diagnostics).number(node, what)
    diagnostics.raise_if_errors()
    assert value is not None
    return value


def read_numbers(text: str, what: str) -> sp.Expr | tuple[sp.Expr, ...]:
    """As `read_number`, or those of a vector such as `(1/3, 2)`."""
    diagnostics = Diagnostics()
    node = parse_expression(Source(f"<{what}>", text), diagnostics)
    if not isinstance(node, ast.Tuple):
        return read_number(text, what)
    reader = ConstantReader(Scope(), diagnostics)
    values = [reader.number(item, what) for item in node.items]
    diagnostics.raise_if_errors()
    return tuple(value for value in values if value is not None)


def with_defaults(model: Model, values: Mapping[str, sp.Expr]) -> Model:
    """The model with other defaults of coefficients.

    Raises `LagcError`: LAG503 for a name that is no coefficient, LAG504 for a value out of bounds.
    """
    known = {c.name: c for c in model.coefficients}
    for name, value in values.items():
        if name not in known:
            raise fail(
                Code.LAG503,
                f"`{name}` is not a coefficient of `{model.name}`",
                help=_meant(name, model),
            )
        if not known[name].admits(value):
            raise fail(
                Code.LAG504,
                f"coefficient `{name}` = {number_text(value)} is outside {range_text(known[name])}",
            )
        known[name] = replace(known[name], default=value)
    return replace(model, coefficients=tuple(known.values()))


def _meant(name: str, model: Model) -> str:
    """What a name that is no coefficient may have been meant for."""
    names = [c.name for c in model.coefficients]
    components = [other for other in names if other.startswith(f"{name}[")]
    if components:
        values = ", ".join(str(k + 1) for k in range(len(components)))
        return f"it has {len(components)} components: give `{name}=({values})` or `{components[0]}`"
    base = name.partition("[")[0]
    if size := sum(other.startswith(f"{base}[") for other in names):
        return f"`{base}` has {size} components, numbered from 0"
    if base in {c.name.partition("[")[0] for c in model.constants}:
        return "it is a constant; what changes from run to run is declared `coefficient`"
    listed = ", ".join(f"`{other}`" for other in names) or "no coefficients"
    return did_you_mean(name, names) or f"the model has {listed}"


def constants_of(model: Model) -> Scope:
    """A scope in which the constants of a model have their values."""
    shapes: dict[str, list[int]] = {}
    for constant in model.constants:
        base, *indices = constant.name.replace("]", "").split("[")
        largest = shapes.setdefault(base, [0] * len(indices))
        shapes[base] = [max(n, int(i) + 1) for n, i in zip(largest, indices, strict=True)]
    return Scope(
        constants={**dict.fromkeys(shapes), **{c.name: c.value for c in model.constants}},
        constant=lambda name, span: True,
        symbols={c.name: ("coefficient", c.symbol) for c in model.coefficients},
        arrays={k: components(k, tuple(size)) for k, size in shapes.items() if size},
        lattice=model.lattice,
        varying={c.name for c in model.constants if c.varies},
    )
