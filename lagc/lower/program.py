"""The intermediate language: straight-line, single-assignment, over a closed set of operations."""

from __future__ import annotations

from dataclasses import dataclass

# Number of operands of each operation; `select` is the second operand where the first is positive,
# otherwise the third; `neural`, `input`, `total` (the sum over sites), `held`
# (computed once, round a ring with some sites beyond its ends) and `taken` (at some of the sites)
# carry the rest in their payload.
ARITY = {
    "constant": 0,
    "input": 0,
    "neg": 1,
    "add": 2,
    "sub": 2,
    "mul": 2,
    "div": 2,
    "pow": 2,
    "sqrt": 1,
    "sin": 1,
    "cos": 1,
    "tan": 1,
    "asin": 1,
    "acos": 1,
    "atan": 1,
    "sinh": 1,
    "cosh": 1,
    "tanh": 1,
    "asinh": 1,
    "acosh": 1,
    "atanh": 1,
    "exp": 1,
    "log": 1,
    "atan2": 2,
    "abs": 1,
    "sign": 1,
    "step": 1,
    "minimum": 2,
    "maximum": 2,
    "select": 3,
    "neural": None,
    "total": 1,
    "held": 1,
    "taken": 1,
}


@dataclass(frozen=True)
class Variable:
    """An argument of a node function: kind `q`, `v` (with the component in `index`), `t`,
    `coefficient` or `signal` (with a `name`).

    In a density of a lattice `sites` is (start, count): the values at so many sites from the
    start-th on (negative: before the first of a ring, which is the same as behind its last), of the
    field `index`, of a coefficient, or (kind `site`) the numbers of the sites.
    It is () for a value that is the same at all sites.
    """

    kind: str
    name: str = ""
    index: int = 0
    sites: tuple[int, ...] | None = None


@dataclass(frozen=True)
class NeuralCall:
    """A derivative of a slot: `orders` times in each of its arguments."""

    slot: str
    orders: tuple[int, ...]


@dataclass(frozen=True)
class Count:
    """How many sites a total runs over."""

    sites: int


@dataclass(frozen=True)
class Stretch:
    """Some of the sites that a value was computed at, or round a ring more than these."""

    start: int
    count: int


@dataclass(frozen=True)
class Grid:
    """The lattice of a program: how many fields and sites, the number of the first site."""

    fields: int
    size: int
    first: int
    periodic: bool


@dataclass(frozen=True)
class Instruction:
    """value := operation(operands); operands are numbers of earlier instructions."""

    operation: str
    operands: tuple[int, ...] = ()
    payload: float | Variable | NeuralCall | Count | Stretch | None = None


@dataclass(frozen=True)
class Output:
    """A result: a scalar (`shape` ()), vector or matrix of instruction numbers in row order.

    On a lattice an array of `shape` with the sites as last axis, zero but for what the values add:
    `places` holds the row (over all axes before the sites) and the start and count of the sites.
    """

    name: str
    shape: tuple[int, ...]
    values: tuple[int, ...]
    places: tuple[tuple[int, int, int], ...] | None = None


@dataclass(frozen=True)
class Program:
    """One node function."""

    name: str
    instructions: tuple[Instruction, ...]
    outputs: tuple[Output, ...]
    grid: Grid | None = None

    def verify(self) -> None:
        """Operands defined before use, arities right, every output covered, nothing dead."""
        used: set[int] = set()
        for number, instruction in enumerate(self.instructions):
            if instruction.operation not in ARITY:
                raise AssertionError(f"unknown operation {instruction.operation}")
            arity = ARITY[instruction.operation]
            if arity is not None and len(instruction.operands) != arity:
                raise AssertionError(f"%{number}: wrong arity")
            if any(not 0 <= operand < number for operand in instruction.operands):
                raise AssertionError(f"%{number}: operand not defined before use")
            used.update(instruction.operands)
        for output in self.outputs:
            size = 1
            for extent in output.shape:
                size *= extent
            if output.places is not None:
                rows, size = size // max(output.shape[-1], 1), len(output.places)
                if any(not 0 <= row < rows for row, _, _ in output.places):
                    raise AssertionError(f"output {output.name}: no such row")
            if size != len(output.values):
                raise AssertionError(f"output {output.name} is not covered")
            if any(not 0 <= value < len(self.instructions) for value in output.values):
                raise AssertionError(f"output {output.name} is not defined")
            used.update(output.values)
        if used != set(range(len(self.instructions))):
            raise AssertionError(f"{self.name}: dead instructions")

    @property
    def operation_count(self) -> int:
        """How many instructions compute something."""
        return sum(i.operation not in ("constant", "input") for i in self.instructions)

    def __str__(self) -> str:
        lines = [f"program {self.name}"]
        for number, i in enumerate(self.instructions):
            operands = " ".join(f"%{operand}" for operand in i.operands)
            payload = "" if i.payload is None else _payload_text(i.payload)
            parts = [part for part in (i.operation, operands, payload) if part]
            lines.append(f"  %{number} = {' '.join(parts)}")
        for output in self.outputs:
            values = " ".join(f"%{value}" for value in output.values)
            if output.places is not None:
                values = " ".join(
                    f"[{row}, {start}:{start + count}]+=%{value}"
                    for value, (row, start, count) in zip(output.values, output.places, strict=True)
                )
            lines.append(f"  {output.name}{list(output.shape)} = {values}")
        return "\n".join(lines)


def _payload_text(payload: float | Variable | NeuralCall | Count | Stretch) -> str:
    if isinstance(payload, Count):
        return f"over {payload.sites}"
    if isinstance(payload, Stretch):
        return f"{payload.start}:{payload.start + payload.count}"
    if isinstance(payload, Variable) and payload.sites:
        start, count = payload.sites
        return f"{payload.name} {start}:{start + count}"
    if isinstance(payload, Variable):
        return payload.name or (f"{payload.kind}[{payload.index}]" if payload.kind != "t" else "t")
    if isinstance(payload, NeuralCall):
        return f"{payload.slot}{list(payload.orders)}"
    return repr(payload)
