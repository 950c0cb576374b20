"""What single declarations mean: bounds, laws, networks.

Each function takes one statement and the means to read its expressions, reports what is wrong, and
returns a value of `lagc.semantics.model`, or None.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import did_you_mean
from lagc.base.spans import Span
from lagc.semantics.constants import ConstantReader
from lagc.semantics.fields import is_field
from lagc.semantics.foreign import instead
from lagc.semantics.model import Coefficient, Coordinate, Law, NeuralSlot
from lagc.semantics.notation import number_text
from lagc.semantics.sites import sample_sites
from lagc.semantics.tensors import described, entries, shape
from lagc.semantics.unit_table import UnitError, look_up
from lagc.syntax import ast
from lagc.syntax.units import LARGEST_POWER

LAW_PARAMETERS = {"uniform": 2, "loguniform": 2, "normal": 2}
_OTHER_LAWS = {
    **dict.fromkeys(("gaussian", "gauss", "norm", "n"), "normal"),
    **dict.fromkeys(("unif", "u", "flat", "rand", "random", "range"), "uniform"),
    **dict.fromkeys(("log_uniform", "logunif", "reciprocal"), "loguniform"),
    **dict.fromkeys(("choice", "categorical", "mix"), "mixture"),
}
_LAWS = (
    "laws are `uniform(a, b)`, `loguniform(a, b)`, `normal(mean, std)`, `mixture(weight: law, ...)`"
    " or a number"
)
ACTIVATIONS = ("softplus", "tanh", "silu", "gelu", "sigmoid", "sin")
OUTPUTS = ("linear", "positive")
LARGEST_VECTOR = 64
_LARGEST_WIDTH = 4096


def read_coordinate(node: ast.Coordinate, reader: ConstantReader) -> Coordinate | None:
    """`coordinate theta[2] mod 2*pi`, or the field `coordinate phi[i]` on a lattice."""
    lattice = reader.scope.lattice
    size: int | None = None
    if lattice is not None:
        if not is_field(node.size, node.name, lattice, reader):
            return None
    elif node.size is not None:
        if _is_unit(node.size, reader):
            unit = f"{node.name.name} [{node.size.span.text}]"
            reader.diagnostics.add(
                Code.LAG240,
                "a unit stands behind a blank",
                node.size.span,
                label=instead(unit),
            )
            return None
        if _is_power_of_unit(node.size, reader):
            reader.diagnostics.add(
                Code.LAG240,
                f"`[{node.size.span.text}]` is not a unit",
                node.size.span,
                help=f"the exponent of a unit is a number up to {LARGEST_POWER}, not 0, or a "
                f"fraction with a denominator up to {LARGEST_POWER}",
            )
            return None
        size = reader.integer(node.size, "the size of a coordinate", 1, LARGEST_VECTOR)
        if size is None:
            return None
    modulus: sp.Expr | None = None
    if node.modulus is not None:
        modulus = reader.number(node.modulus, "the period of a coordinate")
        if modulus is None:
            return None
        if not modulus > 0:
            reader.diagnostics.add(
                Code.LAG211, "the period of a coordinate must be positive", node.modulus.span
            )
            return None
    index = "" if lattice is None else lattice.index
    return Coordinate(node.name.name, size, modulus, node.name.span, index)


def _is_unit(size: ast.Expression, reader: ConstantReader) -> bool:
    """Whether a size that is no number is the name of a unit."""
    if not isinstance(size, ast.Name) or size.name in reader.scope.known():
        return False
    try:
        look_up(size.name)
    except UnitError:
        return False
    return True


def _is_power_of_unit(size: ast.Expression, reader: ConstantReader) -> bool:
    """Whether a size holds a power of the name of a unit: no number is meant."""
    if isinstance(size, ast.Product):
        factors = (size.first, *(factor for _, factor in size.rest))
        return any(_is_power_of_unit(factor, reader) for factor in factors)
    return isinstance(size, ast.Power) and _is_unit(size.base, reader)


def read_coefficients(
    node: ast.Coefficient, reader: ConstantReader, size: int | None
) -> list[Coefficient]:
    """`coefficient c2 in [0, inf) = 1/2 ~ uniform(0, 20)`, or `coefficient k[i] = 1`.

    One of `size` components, `coefficient k[2] > 0 = (1, 2)`, is a coefficient for each of them,
    `k[0]` and `k[1]`, with the same bounds and the same law, and a default of its own or a common
    one.
    """
    made = _read_coefficient(node, reader, size)
    if made is None:
        return []
    if size is None:
        return [made]
    defaults = [made.default] * size
    if isinstance(node.default, ast.Tuple):
        values = reader.value(node.default, "the default of a coefficient")
        if shape(values) != (size,):
            reader.diagnostics.add(
                Code.LAG206,
                f"`{made.name}` is a vector of {size}, and its default is {described(values)}",
                node.default.span,
            )
            return []
        defaults = list(entries(values))
    each = [replace(made, name=f"{made.name}[{i}]", default=x) for i, x in enumerate(defaults)]
    for component in each:
        _check_bounds(node, component, reader)
    return each


def _read_coefficient(
    node: ast.Coefficient, reader: ConstantReader, size: int | None
) -> Coefficient | None:
    errors = len(reader.diagnostics.errors)
    sides: dict[bool, tuple[sp.Expr | None, bool]] = {True: (None, False), False: (None, False)}
    given: set[bool] = set()
    for bound in node.bounds:
        if bound.lower in given:
            side = "lower" if bound.lower else "upper"
            reader.diagnostics.add(Code.LAG211, f"two {side} bounds", bound.span)
        given.add(bound.lower)
        sides[bound.lower] = _bound(bound, reader), bound.strict
    default = None
    if node.index is None and isinstance(node.default, ast.Tuple):
        name, count = node.name.name, len(node.default.items)
        reader.diagnostics.add(
            Code.LAG206,
            f"a coefficient of {count} components is declared with their number",
            node.name.span,
            label=instead(f"{name}[{count}]"),
        )
        reader.scope.lost.add(name)
        return None
    if size is None and node.index is not None and isinstance(node.default, ast.Tuple):
        index = node.index.span.text
        reader.diagnostics.add(
            Code.LAG206,
            "the default of a coefficient at the sites of a lattice is a number or a function of "
            f"`{index}`",
            node.default.span,
            help=f"write `= 1`, the same at every site, or for instance `= 1 + {index}/10`; single "
            "values are given in a run, as an array with one for each site",
        )
        return None
    listed = size is not None and isinstance(node.default, ast.Tuple)
    if node.default is not None and not listed:
        lattice = reader.scope.lattice if node.index is not None else None
        what = "the default of a coefficient"
        default = (
            reader.along(node.default, what, lattice)
            if lattice
            else reader.number(node.default, what)
        )
    if size is None and node.index is not None and node.prior is not None:
        reader.diagnostics.add(
            Code.LAG217,
            "a coefficient that varies along the lattice has no law",
            node.prior.span,
            help="give the law to a factor of it that is the same everywhere",
        )
        return None
    prior = _law(node.prior, reader) if node.prior is not None else None
    if len(reader.diagnostics.errors) > errors:
        return None
    (lower, lower_open), (upper, upper_open) = sides[True], sides[False]
    made = Coefficient(
        node.name.name,
        lower,
        upper,
        lower_open and lower is not None,
        upper_open and upper is not None,
        default,
        prior,
        node.name.span,
        node.index is not None and size is None,
    )
    if size is None:
        _check_bounds(node, made, reader)
    return made


def _bound(bound: ast.Bound, reader: ConstantReader) -> sp.Expr | None:
    """The value of a bound; None for an infinite one, which bounds nothing."""
    node, sign = bound.value, 1
    if isinstance(node, ast.Negate):
        node, sign = node.operand, -1
    if isinstance(node, ast.Name) and node.name == "inf":
        if (sign < 0) != bound.lower:
            reader.diagnostics.add(Code.LAG211, "no number lies within this bound", bound.span)
        return None
    return reader.number(bound.value, "a bound")


def _check_bounds(node: ast.Coefficient, c: Coefficient, reader: ConstantReader) -> None:
    diagnostics, lattice = reader.diagnostics, reader.scope.lattice
    name = f"`{c.name}`"
    if c.lower is not None and c.upper is not None:
        empty = c.lower > c.upper
        touching = c.lower == c.upper and (c.lower_open or c.upper_open)
        if empty or touching:
            first, last = node.bounds
            span = first.span.to(last.span)
            text = f"{last.value.span.text}, {first.value.span.text}"
            turned = f"{span.text[0]}{text}{span.text[-1]}" if span.text[0] in "[(" else ""
            label = f"the ends are exchanged: `{turned}`" if empty and turned else ""
            message = f"no number lies within the bounds of {name}"
            diagnostics.add(Code.LAG211, message, span, label=label)
            return
    defaults = [] if c.default is None else [c.default]
    if c.default is not None and lattice is not None and c.varies:
        defaults = [lattice.at_site(c.default, site) for site in sample_sites(lattice)]
    if node.default is not None and not all(c.admits(x) for x in defaults):
        diagnostics.add(
            Code.LAG211, f"the default of {name} is outside its bounds", node.default.span
        )
    if c.prior is not None and node.prior is not None:
        for low, high in _supports(c.prior):
            if not _within_closed(low, c) or not _within_closed(high, c):
                diagnostics.add(
                    Code.LAG212,
                    f"this law gives values outside the bounds of {name}",
                    node.prior.span,
                )
                return


def _within_closed(x: sp.Expr | None, c: Coefficient) -> bool:
    """Ends of a support may lie on an open bound: they have probability zero."""
    if x is None:
        return True
    return bool(c.lower is None or x >= c.lower) and bool(c.upper is None or x <= c.upper)


def _supports(law: Law) -> list[tuple[sp.Expr | None, sp.Expr | None]]:
    if law.kind == "mixture":
        return [support for part in law.parts for support in _supports(part)]
    if law.kind == "normal":  # draws outside the bounds are drawn again
        return [(None, None)]
    if law.kind == "point":
        return [(law.parameters[0], law.parameters[0])]
    return [(law.parameters[0], law.parameters[1])]


def _law(node: ast.Expression, reader: ConstantReader) -> Law | None:
    def refuse(message: str, span: Span, label: str = "", help: str = "") -> None:
        reader.diagnostics.add(Code.LAG212, message, span, label=label, help=help)

    if not isinstance(node, ast.Call) or node.name not in (*LAW_PARAMETERS, "mixture"):
        if isinstance(node, ast.Call):
            known = _OTHER_LAWS.get(node.name.casefold(), "")
            hint = f"did you mean `{known}`?" if known else ""
            hint = hint or did_you_mean(node.name, [*LAW_PARAMETERS, "mixture"])
            refuse(f"`{node.name}` is not a law lagc knows", node.name_span, hint, _LAWS)
            return None
        value = reader.number(node, "a law")
        return None if value is None else Law("point", (value,))
    if node.name == "mixture":
        return _mixture(node, reader)
    count = LAW_PARAMETERS[node.name]
    if len(node.arguments) != count or any(a.keyword or a.weight for a in node.arguments):
        plain = f"{node.name}({', '.join(a.value.span.text for a in node.arguments)})"
        label = instead(plain) if len(node.arguments) == count else ""
        refuse(f"`{node.name}` takes {count} numbers", node.span, label, _LAWS)
        return None
    values = [reader.number(a.value, f"a parameter of `{node.name}`") for a in node.arguments]
    first, second = values
    if first is None or second is None:
        return None
    if node.name == "normal" and not second > 0:
        refuse("a standard deviation is positive", node.arguments[1].span)
        return None
    if node.name != "normal" and not first < second:
        refuse(f"`{node.name}(a, b)` needs a < b", node.span)
        return None
    if node.name == "loguniform" and not first > 0:
        refuse("`loguniform(a, b)` needs a > 0", node.arguments[0].span)
        return None
    return Law(node.name, (first, second))


def _mixture(node: ast.Call, reader: ConstantReader) -> Law | None:
    weights: list[sp.Expr] = []
    parts: list[Law] = []
    for argument in node.arguments:
        if argument.weight is None:
            reader.diagnostics.add(
                Code.LAG212, "an entry of `mixture` is written `weight: law`", argument.span
            )
            return None
        weight = reader.number(argument.weight, "a weight")
        law = _law(argument.value, reader)
        if weight is None or law is None:
            return None
        if not weight >= 0:
            reader.diagnostics.add(Code.LAG212, "a weight is not negative", argument.weight.span)
            return None
        weights.append(weight)
        parts.append(law)
    total = sp.Add(*weights)
    if total != 1:
        reader.diagnostics.add(
            Code.LAG212,
            f"the weights of `mixture` sum to {number_text(total)}, not to 1",
            node.span,
        )
        return None
    return Law("mixture", (), tuple(weights), tuple(parts))


def read_neural(
    node: ast.Neural, coordinates: dict[str, Coordinate], reader: ConstantReader
) -> NeuralSlot | None:
    """`neural D(q, q') = mlp(32, 32, activation = softplus, output = positive)`."""
    diagnostics = reader.diagnostics

    def refuse(message: str, span: Span, label: str = "", help: str = "") -> None:
        diagnostics.add(Code.LAG216, message, span, label=label, help=help)

    sizes = []
    for parameter in node.parameters:
        if parameter.primes > 1:
            diagnostics.add(
                Code.LAG213,
                f"`{parameter.span.text}` is an acceleration or higher; neural terms are functions "
                "of coordinates and velocities",
                parameter.span,
                label=f"at most `{parameter.name}'`",
            )
            return None
        if parameter.side:
            refuse(
                "parameters of a neural term are not doubled",
                parameter.span,
                label=f"write `{parameter.name}`; doubled variables go into the call in K",
            )
            return None
        owner = coordinates.get(parameter.name)
        sizes.append(owner.size or 1 if owner else 1)
    if not sizes:
        refuse("a neural term has at least one parameter", node.span)
        return None
    network = node.network
    if not isinstance(network, ast.Call) or network.name != "mlp":
        misspelt = isinstance(network, ast.Call) and network.name.casefold() == "mlp"
        label = "small letters: `mlp`" if misspelt else ""
        refuse("a network is written `mlp(widths..., activation = ...)`", network.span, label)
        return None
    widths: list[int] = []
    options = {"activation": "softplus", "output": "linear"}
    allowed = {"activation": ACTIVATIONS, "output": OUTPUTS}
    given: set[str] = set()
    for argument in network.arguments:
        if argument.keyword in given:
            refuse(f"the option `{argument.keyword}` is given twice", argument.span)
            return None
        if argument.weight is not None:
            refuse("a network is written `mlp(widths..., activation = ...)`", argument.span)
            return None
        if argument.keyword:
            given.add(argument.keyword)
            if argument.keyword not in options:
                hint = did_you_mean(argument.keyword, options)
                refuse(
                    f"`mlp` has no option `{argument.keyword}`",
                    argument.span,
                    hint,
                    "the widths of the hidden layers are plain numbers: "
                    "`mlp(64, 64, activation = tanh, output = positive)`",
                )
                return None
            value = argument.value
            choice = value.name if isinstance(value, ast.Name) else value.span.text
            if choice not in allowed[argument.keyword]:
                listed = ", ".join(allowed[argument.keyword])
                why = " (its second derivative does not exist)" if "relu" in choice else ""
                refuse(
                    f"`{choice}` is not an {argument.keyword} lagc knows{why}",
                    value.span,
                    help=f"one of {listed}",
                )
                return None
            options[argument.keyword] = choice
            continue
        named = argument.value.name if isinstance(argument.value, ast.Name) else ""
        for option, choices in allowed.items():
            if named in choices:
                label = f"write `{option} = {named}`"
                refuse("an option of a network is given by its name", argument.span, label)
                return None
        width = reader.integer(argument.value, "a width", 1, _LARGEST_WIDTH)
        if width is None:
            return None
        widths.append(width)
    return NeuralSlot(
        node.name.name,
        tuple(sizes),
        tuple(widths),
        options["activation"],
        options["output"],
        node.name.span,
    )
