"""The check of units: one pass over the syntax tree of a model that is otherwise sound.

Run only for models with at least one unit in brackets. All terms of L and K have one unit, that of
an energy up to a factor common to them all; R has it per unit of time, a force on q per unit of q.
What is declared without a unit is unknown, and is found from its use where that decides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import combinations

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.base.spans import Span
from lagc.semantics.dimensions import NUMBER, UnitOf, Unknowns, ratio_text, same_size
from lagc.semantics.model import Model
from lagc.semantics.model_units import ModelUnits
from lagc.semantics.named_units import NamedUnits
from lagc.semantics.pure_numbers import notes_on_numbers
from lagc.semantics.tensor_units import Units, every, pairs, scalar
from lagc.semantics.turns import warn_of_turns
from lagc.semantics.unit_reader import UnitReader
from lagc.semantics.unit_table import look_up
from lagc.semantics.written_units import WITH_UNITS, key_of, read_unit, written_units
from lagc.syntax import ast
from lagc.syntax.ast import of_kind


def check_units(file: ast.File, model: Model, diagnostics: Diagnostics) -> ModelUnits | None:
    """The units of a model, None if it has no unit at all; what does not fit is reported."""
    if not any(True for _ in written_units(file)):
        return None
    return _Check(file, model, diagnostics).run()


def check_given(
    assignments: Iterable[ast.Assignment],
    model: Model,
    units: ModelUnits | None,
    diagnostics: Diagnostics,
) -> None:
    """Units of initial values given on a command line, which must be those of the model."""
    for assignment in assignments:
        if assignment.unit is None:
            continue
        unit = read_unit(assignment.unit, diagnostics)
        key = key_of(assignment.target, [c.name for c in model.coordinates])
        known = units.table.get(key) if units is not None else None
        if known is None:
            diagnostics.add(
                Code.LAG244,
                f"the model does not say in which unit `{key}` is",
                assignment.unit.span,
                help="give the number alone",
            )
        elif unit is not None and not (unit / known).is_number:
            reader = UnitReader(lambda name: NUMBER, lambda name: None, Unknowns(), diagnostics)
            reader.report(Code.LAG244, unit, known, assignment.unit.span, [])


class _Check(NamedUnits):
    """The state of the check of one file."""

    def __init__(self, file: ast.File, model: Model, diagnostics: Diagnostics) -> None:
        super().__init__(file, model, diagnostics)
        self.action = self.unknowns.new()
        self.action_from: Note | None = None
        self.momenta: list[Note] = []  # where the unit of one is given, which L decides otherwise

    def run(self) -> ModelUnits:
        """Declarations first, then what must agree with them."""
        if None in [read_unit(written, self.diagnostics) for written in written_units(self.file)]:
            return self._result()  # what follows would be complaints about what is not known
        for statement in self.file.statements:
            if isinstance(statement, WITH_UNITS) and not isinstance(statement, ast.Observable):
                self.declare(statement)
        self._run_line()
        self._initial_units()
        if self.diagnostics.errors or not self._time_fits():
            return self._result()
        for statement in self.file.statements:
            if isinstance(statement, ast.Constant | ast.Coefficient | ast.Coordinate):
                self._check_values(statement)
        for let in of_kind(self.file, ast.Let):
            self._agrees(self.named(let.name.name), let.unit, let.value)
        for target in "LKR":
            self._contributions(target)
            if not self._time_fits():
                return self._result()
        self._forces()
        self._time_fits()
        for observable in of_kind(self.file, ast.Observable):
            self._observable(observable)
        self._initial_values()
        if not self.diagnostics.errors:
            warn_of_turns(self.file, self.diagnostics)
        return self._result()

    # --- values -------------------------------------------------------------------------------

    def _check_values(self, statement: ast.Constant | ast.Coefficient | ast.Coordinate) -> None:
        """Numbers in a declaration are in its unit; what has a unit of its own must agree."""
        unit = self.named(statement.name.name)
        match statement:
            case ast.Constant():
                values = [statement.value]
            case ast.Coordinate():
                values = [statement.modulus] if statement.modulus is not None else []
            case ast.Coefficient():
                values = [bound.value for bound in statement.bounds if not _infinite(bound.value)]
                values += [] if statement.default is None else [statement.default]
                values += [] if statement.prior is None else _parameters(statement.prior)
        for value in values:
            self._value_fits(value, unit, self.declared.get(statement.name.name))

    def _value_fits(self, value: ast.Expression, unit: Units, declared: Span | None) -> None:
        for found, wanted in pairs(self.reader.read(value), unit):
            known = self.unknowns.resolved(found)
            if known.unknowns or not known.names or self.unknowns.agree(known, wanted):
                continue
            note = [] if declared is None else [Note("the unit is given here", declared)]
            self.reader.report(Code.LAG244, known, wanted, value.span, note)
            return

    def _agrees(self, declared: Units, written: ast.Unit | None, value: ast.Expression) -> None:
        """A `let` or an observable with a unit has a value in it."""
        if written is None:
            return
        found = self.reader.read(value)
        if not self.reader.equate(found, declared, value.span):
            note = Note("the unit is given here", written.span)
            self.reader.report(
                Code.LAG244, *self.reader.differing(found, declared), value.span, [note]
            )

    # --- time and initial values --------------------------------------------------------------

    def _run_line(self) -> None:
        for line in of_kind(self.file, ast.Run):
            for written in (line.until_unit, line.step_unit):
                if written is None:
                    continue
                unit = read_unit(written, self.diagnostics)
                first = self.declared.setdefault("t", written.span)
                self.reader.inferred.pop("t", None)
                if unit is not None and not self.reader.equate(unit, self.time, written.span):
                    note = Note("the unit of time is given here", first)
                    self.reader.report(Code.LAG244, unit, self.time, written.span, [note])

    def _time_fits(self) -> bool:
        """Whether the unit of time, if it was found, is one in which the model measures time."""
        unit, place = self.unknowns.resolved(self.time), self.unknowns.place_of(self.time)
        if "t" in self.declared or unit.unknowns or place is None or unit.is_number:
            return True
        dimension = unit.dimension
        angles = [n for n in unit.names if look_up(n).log_size and not look_up(n).dimension]
        if angles:  # degrees: a sine of them has been reported already
            if not self.diagnostics.errors:
                self.reader.report(Code.LAG245, UnitOf({angles[0]: Fraction(1)}), NUMBER, place, [])
            return False
        if dimension in ({"[time]": 1}, {"[length]": 1}):  # lengths where c = 1
            (kind,) = dimension
            if any(same_size(unit.log_size, size) for size in self._sizes(kind)):
                return True
        seconds = ""
        if dimension == _SECOND.dimension:
            if len(unit.names) > 1:
                self._report_sizes(unit, place)
                return False
            seconds = f", {ratio_text(unit, _SECOND)} seconds"
        terms = [c.value for c in of_kind(self.file, ast.Contribution)]
        self.diagnostics.add(
            Code.LAG246,
            f"by this the unit of `t` would be `{unit.measured()}`{seconds}",
            place,
            label="with what stands before it",
            help="some unit is wrong or missing; to say in which unit time is, give the `run` line "
            "one: `run until 10 [s]`",
            notes=[] if seconds else notes_on_numbers(*terms),
        )
        return False

    def _report_sizes(self, unit: UnitOf, place: Span) -> None:
        """LAG245 for a unit of time that no unit in the model has, as from km and m/s^2."""
        named = {name: UnitOf({name: Fraction(1)}) for name in unit.names}
        largest = sorted(named, key=lambda name: -named[name].log_size)
        pairs = [
            (a, b, ratio)
            for a, b in combinations(largest, 2)
            if (ratio := ratio_text(named[a], named[b]))
        ]
        message = "these units do not agree in size: " + ", ".join(f"`{name}`" for name in named)
        help_ = "nothing is converted: choose units that belong together"
        if pairs:
            shown = ", ".join(f"`{a}` and `{b}`" for a, b, _ in pairs)
            message = f"{shown} measure the same in different sizes"
            a, b, ratio = pairs[0]
            help_ = f"nothing is converted: one `{a}` is {ratio} `{b}`; choose one of them"
        self.diagnostics.add(
            Code.LAG245,
            message,
            place,
            label="with what stands before it",
            help=help_,
            notes=[Note(f"by this the unit of `t` would be {ratio_text(unit, _SECOND)} seconds")],
        )

    def _sizes(self, kind: str) -> Iterator[float]:
        """The logarithms of the units of time (or length) that the written units are made of."""
        for written in written_units(self.file):
            for factor in written.factors:
                named = look_up(factor.name)
                if dict(named.dimension) == {kind: 1}:
                    yield named.log_size
                elif kind in dict(named.dimension):  # such as N and Hz
                    yield 0.0

    def _assignments(self) -> Iterator[tuple[ast.Assignment, UnitOf]]:
        for line in of_kind(self.file, ast.Initial):
            for assignment in line.assignments:
                yield assignment, self._of_target(assignment.target)

    def _of_target(self, target: ast.Expression) -> UnitOf:
        """The unit of `q`, `r'[0]` or `p[r[0]]`."""
        key = key_of(target, self.coordinates)
        unit = scalar(self.named(self._coordinate(target)))
        if key.startswith("p["):
            return self.action * self.time / unit
        return unit / self.time if key.endswith("'") else unit

    def _coordinate(self, target: ast.Expression) -> str:
        return key_of(target, self.coordinates).removeprefix("p[").rstrip("']")

    def _initial_units(self) -> None:
        for assignment, unit in self._assignments():
            written = assignment.unit
            given = None if written is None else read_unit(written, self.diagnostics)
            if written is None or given is None:
                continue
            if key_of(assignment.target, self.coordinates).startswith("p["):
                self.momenta.append(Note("the unit of a momentum is given here", written.span))
            if not self.reader.equate(given, unit, written.span):
                declared = self.declared.get(self._coordinate(assignment.target))
                note = [] if declared is None else [Note("the unit is given here", declared)]
                self.reader.report(Code.LAG244, given, unit, written.span, note)

    def _initial_values(self) -> None:
        for assignment, unit in self._assignments():
            self._value_fits(assignment.value, unit, None)

    # --- the mechanics ------------------------------------------------------------------------

    def _contributions(self, target: str) -> None:
        whole = self.action / self.time if target == "R" else self.action
        for statement in of_kind(self.file, ast.Contribution):
            if statement.target != target:
                continue
            terms = [statement.value]
            if isinstance(statement.value, ast.Sum):
                terms = [statement.value.first, *(term for _, term in statement.value.rest)]
            if self.action_from is None:
                found = self.reader.terms(terms)
                if not self.reader.equate(found, whole, statement.value.span):
                    self.reader.refuse(found, whole, statement.value, self.momenta)
                described = f"{target} is in `{self.unknowns.resolved(whole).measured()}`"
                self.action_from = Note(described, statement.value.span)
            else:
                self.reader.terms(terms, whole, self._action_note(target))

    def _action_note(self, target: str) -> Note:
        assert self.action_from is not None
        unit = self.unknowns.resolved(self.action)
        known = "" if unit.unknowns else f"L is in `{unit.measured()}`"
        rule = {"K": "K has the unit of L", "R": "R has that of L per unit of time"}.get(target, "")
        return Note(", ".join(part for part in (known, rule) if part), self.action_from.span)

    def _forces(self) -> None:
        for force in of_kind(self.file, ast.Force):
            wanted = self.action / self._of_target(force.target)
            found = self.reader.read(force.value)
            if not self.reader.equate(found, wanted, force.value.span):
                unit = self.unknowns.resolved(wanted)
                rule = f"a force on it is in `{unit.measured()}`, the unit of L by its own"
                self.reader.refuse(found, wanted, force.value, [Note(rule, force.target.span)])

    def _observable(self, node: ast.Observable) -> None:
        name = node.name.name
        if node.unit is None:
            self.units[name] = self.reader.read(node.value)
            return
        unit = read_unit(node.unit, self.diagnostics)
        if unit is not None:
            self.units[name] = unit
            self._agrees(unit, node.unit, node.value)

    # --- the outcome --------------------------------------------------------------------------

    def _result(self) -> ModelUnits:
        table: dict[str, UnitOf] = {}
        inferred: list[str] = []
        undetermined: list[str] = []

        def enter(key: str, unit: UnitOf, as_written: bool = False) -> UnitOf:
            unit = self.unknowns.resolved(unit)
            unit = unit if as_written else unit.measured()
            if not unit.unknowns:
                table[key] = unit
            return unit

        def enter_named(key: str, unit: UnitOf, declared: bool) -> None:
            found = enter(key, unit, declared)
            if not declared:
                (undetermined if found.unknowns else inferred).append(key)

        enter_named("t", self.time, "t" in self.declared)
        for s in self.file.statements:
            if not isinstance(s, WITH_UNITS) or isinstance(s, ast.Let):
                continue
            name, unit = s.name.name, self.units.get(s.name.name)
            if unit is None:
                continue
            key = f"{_KINDS[type(s)]}{name}"
            if isinstance(s, ast.Observable):
                enter(key, scalar(unit), s.unit is not None)
                continue
            if len({str(self.unknowns.resolved(u)) for u in every(unit)}) > 1:
                continue  # entries have units of their own
            enter_named(key, scalar(unit), name in self.declared)
            if isinstance(s, ast.Coordinate):
                time = self.unknowns.resolved(self.time).measured()
                enter(f"{name}'", scalar(unit) / time, True)
                enter(f"p[{name}]", self.action * self.time / scalar(unit))
        enter("energy", self.action)
        return ModelUnits(table, tuple(inferred), tuple(undetermined))


_SECOND = UnitOf({"s": Fraction(1)})
_KINDS: dict[type, str] = {
    ast.Coordinate: "",
    ast.Constant: "constant ",
    ast.Coefficient: "coefficient ",
    ast.Input: "input ",
    ast.Neural: "neural ",
    ast.Observable: "observable ",
}


def _infinite(value: ast.Expression) -> bool:
    inner = value.operand if isinstance(value, ast.Negate) else value
    return isinstance(inner, ast.Name) and inner.name == "inf"


def _parameters(law: ast.Expression) -> list[ast.Expression]:
    """The values of a law that are in the unit of its coefficient."""
    if not isinstance(law, ast.Call):
        return [law]
    return [part for argument in law.arguments for part in _parameters(argument.value)]
