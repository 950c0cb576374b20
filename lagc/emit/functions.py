"""One `Program` as the text of one Python function over jax arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lagc.lower.program import (
    Count,
    Grid,
    Instruction,
    NeuralCall,
    Output,
    Program,
    Stretch,
    Variable,
)

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_JAX = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "atan2": "arctan2",
    "pow": "power",
}


def emit_function(
    name: str, program: Program, docstring: str, arguments: str = "q, v, t, c, u, n"
) -> str:
    """`def name(q, v, t, c, u, n)`: components lead, elementwise over the axes behind them."""
    names = _names(program)
    lines = [f"def {name}({arguments}):", f'    """{docstring}"""']
    widened = _widened(program)
    lines += [f"    {w.name} = {w.text}" for w in widened.values()]
    for number, instruction in enumerate(program.instructions):
        if instruction.operation != "constant" and instruction.payload != Variable("t"):
            right = _right_side(instruction, names, program.grid, widened)
            lines.append(f"    {names[number]} = {right}")
    if len(program.outputs) == 1:
        lines.append(f"    return {_result(program.outputs[0], names, program.grid, ' ' * 4)}")
    else:
        lines.append("    return (")
        results = [_result(output, names, program.grid, " " * 8) for output in program.outputs]
        lines += [f"        {result}," for result in results]
        lines.append("    )")
    return "\n".join(lines)


def _names(program: Program) -> list[str]:
    """A local name a value: inputs after what they are, the rest counted."""
    names = []
    count = 0
    for instruction in program.instructions:
        payload = instruction.payload
        if instruction.operation == "constant":
            value = payload if isinstance(payload, float) else 0.0
            names.append(repr(value) if value >= 0 else f"({value!r})")
        elif isinstance(payload, Variable) and payload.sites is not None:
            names.append(f"x{count}")
            count += 1
        elif isinstance(payload, Variable) and payload.kind in ("q", "v"):
            names.append(f"{payload.kind}{payload.index}")
        elif isinstance(payload, Variable) and payload.kind == "t":
            names.append("t")
        else:
            names.append(f"x{count}")
            count += 1
    return names


@dataclass(frozen=True)
class _Widened:
    """Values along a ring with some of those beyond its ends, from which neighbours are taken."""

    name: str
    text: str
    before: int


def _widened(program: Program) -> dict[tuple[str, str, int], _Widened]:
    """One for each field and coefficient that is taken round the ring from some other site."""
    grid = program.grid
    if grid is None or not grid.periodic:
        return {}
    starts: dict[tuple[str, str, int], set[int]] = {}
    for x in (i.payload for i in program.instructions):
        if isinstance(x, Variable) and x.kind != "site" and x.sites and x.sites[1] == grid.size:
            starts.setdefault(_taken_from(x), set()).add(x.sites[0])
    found: dict[tuple[str, str, int], _Widened] = {}
    for key, seen in starts.items():
        if seen == {0}:
            continue
        before, behind = max(0, -min(seen)), max(0, *seen)
        kind, name, field = key
        if kind == "coefficient":
            what = f"values_around(c[{name!r}], t, "
        else:
            what = f"field_around({kind}, {field}, "
        text = f"_rt.{what}{grid.size}, {before}, {behind})"
        found[key] = _Widened(f"w{len(found)}", text, before)
    return found


def _taken_from(variable: Variable) -> tuple[str, str, int]:
    """The same for all neighbours."""
    name = variable.name if variable.kind == "coefficient" else ""
    return variable.kind, name, variable.index


def _right_side(
    instruction: Instruction,
    names: Sequence[str],
    grid: Grid | None,
    widened: Mapping[tuple[str, str, int], _Widened],
) -> str:
    operation, payload = instruction.operation, instruction.payload
    operands = [names[o] for o in instruction.operands]
    if isinstance(payload, Variable):
        return _input(payload) if grid is None else _lattice_input(payload, grid, widened)
    if isinstance(payload, Count):
        return f"_rt.total(t, {operands[0]}, {payload.sites})"
    if isinstance(payload, Stretch):
        if operation == "held":
            return f"_rt.held({operands[0]}, {payload.start}, {payload.count})"
        return f"{operands[0]}[{payload.start}:{payload.start + payload.count}]"
    if isinstance(payload, NeuralCall):
        arguments = "".join(f"{x}, " for x in operands)
        return f"_rt.neural_term(n[{payload.slot!r}], {payload.orders!r}, ({arguments.strip()}), t)"
    if operation in _INFIX:
        return f"{operands[0]} {_INFIX[operation]} {operands[1]}"
    if operation == "neg":
        return f"-{operands[0]}"
    if operation == "select":
        return f"jnp.where({operands[0]} > 0, {operands[1]}, {operands[2]})"
    if operation == "step":
        return f"_rt.step({operands[0]})"
    return f"jnp.{_JAX.get(operation, operation)}({', '.join(operands)})"


def _input(variable: Variable) -> str:
    match variable.kind:
        case "q" | "v":
            return f"{variable.kind}[{variable.index}]"
        case "t":
            return "t"
        case "coefficient":
            return f"c[{variable.name!r}]"
        case _:
            return f"u[{variable.name!r}]"


def _lattice_input(
    variable: Variable, grid: Grid, widened: Mapping[tuple[str, str, int], _Widened]
) -> str:
    """Values at the sites of a density, beside what an ordinary function takes."""
    if variable.sites is None:
        return _input(variable)
    if not variable.sites:
        return f"_rt.everywhere({_input(variable)}, t)"
    start, count = variable.sites
    if count == grid.size and (whole := widened.get(_taken_from(variable))):
        first = whole.before + start
        if variable.kind == "coefficient":
            return f"_rt.values_from({whole.name}, {grid.size}, {first})"
        return f"{whole.name}[{first}:{first + count}]  # {variable.name}"
    match variable.kind:
        case "q" | "v":
            taken = f"{variable.kind}, {variable.index}, {grid.size}, {start}, {count}"
            return f"_rt.field_at({taken})  # {variable.name}"
        case "site":
            size = grid.size if grid.periodic else None
            return f"_rt.site_numbers(t, {grid.first}, {size}, {start}, {count})"
        case _:
            return f"_rt.values_at({_input(variable)}, t, {grid.size}, {start}, {count})"


def _lattice_result(output: Output, names: Sequence[str], grid: Grid, indent: str) -> str:
    if output.places is None:
        return f"_rt.assemble(t, {names[output.values[0]]})"
    if len(output.shape) == 1:
        return f"_rt.at_all_sites(t, {grid.size}, {names[output.values[0]]})"
    parts = "".join(
        f"\n{indent}    ({row}, {start}, {count}, {names[value]}),"
        for value, (row, start, count) in zip(output.values, output.places, strict=True)
    )
    listed = f"({parts}\n{indent})" if parts else "()"
    if len(output.shape) == 2:
        return f"_rt.lattice_vector(t, {grid.fields}, {grid.size}, {listed})"
    return f"_rt.lattice_bands(t, {output.shape!r}, {listed})"


def _result(output: Output, names: Sequence[str], grid: Grid | None, indent: str) -> str:
    if grid is not None:
        return _lattice_result(output, names, grid, indent)
    shape, values = output.shape, output.values
    if not shape:
        return f"_rt.assemble(t, {names[values[0]]})"
    if len(shape) == 1:
        return f"_rt.assemble(t, {_row(values, names)})"
    columns = shape[1]
    rows = [_row(values[i : i + columns], names) for i in range(0, len(values), columns)]
    return f"_rt.assemble(t, ({', '.join(rows)},))"


def _row(values: Sequence[int], names: Sequence[str]) -> str:
    return f"({', '.join(names[value] for value in values)},)"
