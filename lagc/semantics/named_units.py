"""The units of names: declared, taken from a definition, or unknown."""

from __future__ import annotations

from fractions import Fraction

from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Span
from lagc.semantics.dimensions import NUMBER, UnitOf, Unknowns
from lagc.semantics.model import Model
from lagc.semantics.tensor_units import Shapes, Units, each, every
from lagc.semantics.unit_reader import UnitReader
from lagc.semantics.written_units import WITH_UNITS, read_unit
from lagc.syntax import ast
from lagc.syntax.ast import of_kind

_LARGEST_POWER = 10**9


class NamedUnits:
    """The units of everything that has a name in one file, and a reader that knows them.

    A `let` has the unit of its expression. A constant or a coefficient without a unit has that of
    its value if other names give one: numbers alone say nothing of the unit they are in.
    """

    def __init__(self, file: ast.File, model: Model, diagnostics: Diagnostics) -> None:
        self.file = file
        self.diagnostics = diagnostics
        self.unknowns = Unknowns()
        self.units: dict[str, Units] = {}  # of everything that has a name
        self.pending: dict[str, ast.Constant | ast.Coefficient | ast.Let] = {}
        self.declared: dict[str, Span] = {}  # where the unit of a name is written
        self.coordinates = [c.name for c in model.coordinates]
        self.indices = [index.name.name for index in of_kind(file, ast.LatticeIndex)]
        self.constants = {c.name: c.value for c in model.constants if not c.varies}
        self.lets = {let.name.name: let.value for let in of_kind(file, ast.Let)}
        self.numbers: dict[str, Fraction | None] = {}
        shapes = Shapes(file, model)
        self.reader = UnitReader(self._lookup, self._number, self.unknowns, diagnostics, shapes)
        self.time = self.new_unknown("t")

    def declare(self, statement: ast.Statement) -> None:
        """Take up a declaration; its definition is read when its unit is first needed."""
        assert isinstance(statement, WITH_UNITS)
        name, written = statement.name.name, statement.unit
        if written is not None:
            self.declared[name] = written.span
            unit = read_unit(written, self.diagnostics)
            self.units[name] = self.new_unknown(name) if unit is None else unit
        elif isinstance(statement, ast.Constant | ast.Coefficient | ast.Let):
            self.pending[name] = statement
        elif isinstance(statement, ast.Coordinate) and _is_angle(statement.modulus):
            self.units[name] = NUMBER
        else:
            self.units[name] = self.new_unknown(name)
        if isinstance(statement, ast.Neural):
            output = self.units[name]
            assert isinstance(output, UnitOf)
            arguments = tuple(self.unknowns.new() for _ in statement.parameters)
            self.reader.neural[name] = (arguments, output)

    def new_unknown(self, name: str) -> UnitOf:
        """The unit of a name that was declared without one."""
        made = self.unknowns.new(name)
        self.reader.inferred[name] = made
        return made

    def named(self, name: str) -> Units:
        """The unit of a name, read from its definition when it is first needed."""
        node = self.pending.pop(name, None)
        if isinstance(node, ast.Let):
            found_let = self.reader.read(node.value)
            self._number(name)  # so that chains of `let`s are read link by link
            self.units[name] = self.unknowns.new() if _extreme(found_let) else found_let
        elif node is not None:
            value = node.value if isinstance(node, ast.Constant) else node.default
            found = each(self.unknowns.resolved, self.reader.read(value) if value else NUMBER)
            # Numbers alone say nothing of the unit they are in.
            if any(_is_known(unit) for unit in every(found)):
                self.units[name] = each(lambda u: u if _is_known(u) else self.unknowns.new(), found)
            else:
                self.units[name] = self.new_unknown(name)
        return self.units[name] if name in self.units else self.unknowns.new()

    def _lookup(self, node: ast.Name) -> Units:
        if node.name == "t":
            return self.time
        if node.name == "pi" or node.name in self.indices:
            return NUMBER
        unit = self.named(node.name)
        return each(lambda u: u / self.time, unit) if node.primes else unit

    def _number(self, name: str) -> Fraction | None:
        """The value of a constant or of a `let` that is a rational number."""
        if name not in self.numbers:
            value = self.constants.get(name)
            if name in self.lets:
                self.numbers[name] = self.reader.number(self.lets[name])
            elif value is not None and value.is_Rational:
                self.numbers[name] = Fraction(int(value.p), int(value.q))
        return self.numbers.get(name)


def _is_angle(modulus: ast.Expression | None) -> bool:
    """Whether a period is a multiple of pi, so that the coordinate is a pure number."""
    match modulus:
        case ast.Name(name="pi"):
            return True
        case ast.Product(first, rest):
            parts = [
                part for part in (first, *(f for _, f in rest)) if not isinstance(part, ast.Number)
            ]
            return len(parts) == 1 and _is_angle(parts[0])
        case _:
            return False


def _extreme(value: Units) -> bool:
    """Whether powers have grown, from one `let` to the next, beyond what anyone means."""
    return any(
        abs(power) > _LARGEST_POWER
        for unit in every(value)
        for power in (*unit.names.values(), *unit.unknowns.values())
    )


def _is_known(unit: UnitOf) -> bool:
    """Whether a unit is named, not that of numbers alone and not to be found yet."""
    return bool(unit.names) and not unit.unknowns
