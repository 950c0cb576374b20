"""`ast.File` to `Model`: declarations first, in any order, then L, K, R and forces."""

from __future__ import annotations

import re
import unicodedata

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note, fail
from lagc.base.spans import Source, Span
from lagc.semantics import model as m
from lagc.semantics.constants import ConstantReader
from lagc.semantics.contributions import ContributionReader
from lagc.semantics.declarations import (
    LARGEST_VECTOR,
    read_coefficients,
    read_coordinate,
    read_neural,
)
from lagc.semantics.fields import read_lattice, varies
from lagc.semantics.foreign import look
from lagc.semantics.functions import FUNCTION_NAMES, RESERVED_NAMES
from lagc.semantics.lines import read_initial, read_run
from lagc.semantics.names import Context, LetValue, Scope
from lagc.semantics.tensors import Value, components, entries, shape
from lagc.semantics.unused import moving_names, warn_of_unused
from lagc.syntax import ast
from lagc.syntax.ast import of_kind

_LONGEST_CHAIN = 64  # `let`s that refer to later ones
_MOST_FREEDOM = 256  # degrees of freedom without a lattice: matrices are written out

_DECLARATIONS = (
    ast.Coordinate,
    ast.Constant,
    ast.Coefficient,
    ast.Input,
    ast.Neural,
    ast.LatticeIndex,
    ast.Let,
    ast.Observable,
)


def elaborate(
    file: ast.File, source: Source, used: tuple[Source, ...], diagnostics: Diagnostics
) -> m.Model:
    """The model of a syntax tree that holds the statements of the files `used`; raises `LagcError`
    with everything found if it is wrong."""
    result = _Elaboration(file, source, used, diagnostics).run()
    diagnostics.raise_if_errors()
    if result is None:
        raise AssertionError("no model and no error")
    return result


class _Elaboration:
    """The state of one pass over one file."""

    def __init__(
        self,
        file: ast.File,
        source: Source,
        used: tuple[Source, ...],
        diagnostics: Diagnostics,
    ) -> None:
        self.file = file
        self.source = source
        self.used = used
        self.diagnostics = diagnostics
        self.scope = Scope(
            let=self._let,
            constant=self._constant,
            lost=_words_lost(diagnostics),
            incomplete=any(d.code in (Code.LAG231, Code.LAG232) for d in diagnostics.errors),
            moving=moving_names(file),
        )
        self.constants = ConstantReader(self.scope, diagnostics)
        self.contributions = ContributionReader(file, self.scope, diagnostics)
        self.declared: dict[str, Span] = {}
        self._looks: dict[str, str] = {}
        self._constant_nodes: dict[str, ast.Constant] = {}
        self._let_nodes: dict[str, ast.Let] = {}
        self._lets: dict[str, LetValue | None] = {}
        self._reading: list[str] = []

    def run(self) -> m.Model | None:
        """The model, and once there are no errors what in it has no effect."""
        model = self._read()
        if not self.diagnostics.errors:
            warn_of_unused(self.file, self._lets, self.diagnostics)
        return model

    def _read(self) -> m.Model | None:
        """All statements, in the order in which they can be understood."""
        self._refuse_later_statements()
        self._declare_names()
        if any(d.code is Code.LAG217 for d in self.diagnostics.errors):
            return None  # what follows would be complaints about what was not read
        if not self._read_lattice():
            return None
        for name in list(self._constant_nodes):
            self._constant(name, self.declared[name])
        self._read_coordinates()
        coefficients, inputs = self._read_symbols()
        self._read_neural()
        for name, let_node in self._let_nodes.items():
            self._let(name, let_node.span)
        self.contributions.file = self.file
        lagrangian, coupling = self.contributions.lagrangian(), self.contributions.coupling()
        self._require_essentials()
        observables = tuple(self.contributions.observables())
        coordinates = tuple(self.scope.coordinates.values())
        initial = read_initial(
            of_kind(self.file, ast.Initial), coordinates, self.constants, self.scope.lost
        )
        return m.Model(
            self._model_name(),
            self.source,
            coordinates,
            tuple(
                m.Constant(k, v, self.declared[k.split("[")[0]], k in self.scope.varying)
                for k, v in self.scope.constants.items()
                if v is not None
            ),
            coefficients,
            inputs,
            tuple(self.scope.neural.values()),
            tuple(lagrangian),
            tuple(coupling),
            observables,
            initial,
            read_run(of_kind(self.file, ast.Run), self.constants),
            tuple(self.contributions.rough_calls),
            self.scope.lattice,
            self.used,
        )

    # --- declarations -------------------------------------------------------------------------

    def _refuse_later_statements(self) -> None:
        lattices = of_kind(self.file, ast.LatticeIndex)
        for index in lattices[1:]:
            self.diagnostics.add(
                Code.LAG217,
                "lattices of more than one index cannot be compiled by this version yet",
                index.span,
                notes=[Note("the first index is here", lattices[0].span)],
            )
        for neural in of_kind(self.file, ast.Neural) if lattices else []:
            self.diagnostics.add(
                Code.LAG217,
                "neural terms on a lattice cannot be compiled by this version yet",
                neural.span,
            )
        for constraint in of_kind(self.file, ast.Constraint):
            self.diagnostics.add(
                Code.LAG217,
                "constraints are reserved and cannot be compiled by this version yet",
                constraint.span,
                help="choose coordinates in which the constraint holds by itself, such as an angle",
            )

    def _declare_names(self) -> None:
        kept = []
        for statement in self.file.statements:
            if isinstance(statement, _DECLARATIONS) and not self._check_name(statement.name):
                name = statement.name.name
                if isinstance(statement, ast.Coordinate) and name not in self.scope.coordinates:
                    self.scope.lost.add(name)  # its velocities are no second mistake
                continue
            kept.append(statement)
            self._announce(statement)
        self.file = ast.File(tuple(kept), span=self.file.span)
        self.scope.let_names = frozenset(self._let_nodes)

    def _announce(self, statement: ast.Statement) -> None:
        """Makes a name known before its declaration is read, so that its uses can be judged."""
        match statement:
            case ast.Constant(name):
                self._constant_nodes[name.name] = statement
                self.scope.constants[name.name] = None
                if statement.index is not None:
                    self.scope.varying.add(name.name)
            case ast.Let(name):
                self._let_nodes[name.name] = statement
            case ast.Coordinate(name):
                made = m.Coordinate(name.name, None, None, name.span)
                self.scope.coordinates[name.name] = made
            case ast.Coefficient(name):
                self.scope.symbols[name.name] = ("coefficient", sp.Symbol(name.name))
                if statement.index is not None and of_kind(self.file, ast.LatticeIndex):
                    self.scope.varying.add(name.name)
            case ast.Input(name):
                self.scope.symbols[name.name] = ("input", sp.Symbol(name.name))
            case _:
                pass

    def _check_name(self, name: ast.Identifier) -> bool:
        if name.name in RESERVED_NAMES or name.name in FUNCTION_NAMES:
            kind = "the name of a function" if name.name in FUNCTION_NAMES else "reserved"
            self.diagnostics.add(
                Code.LAG201,
                f"`{name.name}` is {kind} and cannot be declared",
                name.span,
                label="choose another name",
            )
            self.scope.lost.add(name.name)
            return False
        if name.name in self.declared:
            self.diagnostics.add(
                Code.LAG202,
                f"`{name.name}` is declared twice",
                name.span,
                notes=[Note("it was declared here first", self.declared[name.name])],
            )
            return False
        twin = self._looks.setdefault(look(name.name), name.name)
        if twin != name.name:
            strange = next(ch for ch, other in zip(name.name, twin, strict=True) if ch != other)
            self.diagnostics.add(
                Code.LAG202,
                f"`{name.name}` looks like `{twin}`, and is another name",
                name.span,
                label=f"`{strange}` is {unicodedata.name(strange, 'another letter').lower()} "
                f"(U+{ord(strange):04X})",
                help="choose another name, or write the same letter in both",
                notes=[Note("that one is declared here", self.declared[twin])],
            )
        self.declared[name.name] = name.span
        return True

    def _constant(self, name: str, used_at: Span) -> bool:
        """Evaluates a constant when it is first needed; whether it has a value."""
        if self.scope.constants.get(name) is not None or name in self.scope.arrays:
            return True
        node = self._constant_nodes.pop(name, None)
        if node is None:  # being read, or read and refused
            if name in self._reading:
                self._circular(name, used_at)
            return False
        self._reading.append(name)
        along, lattice = (
            varies(node.index, "constant", node.name, self.constants),
            self.scope.lattice,
        )
        if along and lattice is not None:
            self.scope.constants[name] = self.constants.along(node.value, "a constant", lattice)
        elif along is False:
            self._define(name, self.constants.value(node.value, "a constant", within_range=False))
        else:
            self.scope.lost.add(name)
        self._reading.pop()
        return self.scope.constants[name] is not None or name in self.scope.arrays

    def _define(self, name: str, value: Value) -> None:
        """Gives a constant its value: a number, or one for every component.

        On a lattice `d[0]` is a value at a site, so there components are the numbers themselves.
        """
        if not isinstance(value, tuple):
            self.scope.constants[name] = value
        elif self.scope.lattice is not None:
            self.scope.arrays[name] = value
        else:
            self.scope.arrays[name] = symbols = components(name, shape(value))
            for symbol, number in zip(entries(symbols), entries(value), strict=True):
                self.scope.constants[symbol.name] = number

    def _let(self, name: str, used_at: Span) -> LetValue | None:
        """Evaluates a `let` when it is first needed."""
        if name in self._lets:
            return self._lets[name]
        if name in self._reading:
            self._circular(name, used_at)
            return None
        if len(self._reading) == _LONGEST_CHAIN:
            self.contributions.limit.refuse(
                f"more than {_LONGEST_CHAIN} `let`s refer to each other", used_at
            )
            return None
        self._reading.append(name)
        reader = self.contributions.reader(Context.LET)
        value = self.contributions.limit.checked(reader.read(self._let_nodes[name].value), used_at)
        self._reading.pop()
        shifts = tuple(dict.fromkeys(shift for shift, _ in reader.shifts))
        made = LetValue(value, reader.plain, reader.doubled, reader.site, shifts)
        self._lets[name] = None if value is None else made
        return self._lets[name]

    def _circular(self, name: str, span: Span) -> None:
        chain = [*self._reading[self._reading.index(name) :], name]
        self.diagnostics.add(
            Code.LAG209,
            f"`{name}` is defined by itself: " + " -> ".join(f"`{n}`" for n in chain),
            span,
        )

    def _read_lattice(self) -> bool:
        """The lattice, which must be known before anything on it; False if it is refused."""
        for node in of_kind(self.file, ast.LatticeIndex):
            self.scope.lattice = read_lattice(node, self.constants)
            return self.scope.lattice is not None
        return True

    def _read_coordinates(self) -> None:
        freedom = 0
        for node in of_kind(self.file, ast.Coordinate):
            made = read_coordinate(node, self.constants)
            if made is None:
                self.scope.lost.add(node.name.name)
            else:
                self.scope.coordinates[node.name.name] = made
                freedom += made.size or 1
            if freedom > _MOST_FREEDOM:
                raise fail(
                    Code.LAG108,
                    f"the model has more than {_MOST_FREEDOM} degrees of freedom",
                    node.span,
                    help="many bodies that interact with a few neighbours are a field on a "
                    "lattice: `index i in 0..999` and `coordinate phi[i]`",
                )

    def _read_symbols(self) -> tuple[tuple[m.Coefficient, ...], tuple[m.Input, ...]]:
        coefficients = []
        for node in of_kind(self.file, ast.Coefficient):
            name, size = node.name.name, None
            if node.index is not None and self.scope.lattice is None:
                size = self.constants.integer(
                    node.index, "the size of a coefficient", 1, LARGEST_VECTOR
                )
                known = size is not None
            else:
                known = varies(node.index, "coefficient", node.name, self.constants) is not None
            if not known:
                self.scope.lost.add(name)
                continue
            if size is not None:
                self.scope.arrays[name] = components(name, (size,))
            for made in read_coefficients(node, self.constants, size):
                coefficients.append(made)
                self.scope.coefficients[made.name] = made
        inputs = tuple(
            m.Input(node.name.name, node.name.span) for node in of_kind(self.file, ast.Input)
        )
        return tuple(coefficients), inputs

    def _read_neural(self) -> None:
        for node in of_kind(self.file, ast.Neural):
            made = read_neural(node, self.scope.coordinates, self.constants)
            if made is None:
                self.scope.lost.add(node.name.name)
            else:
                self.scope.neural[made.name] = made

    # --- the whole ----------------------------------------------------------------------------

    def _require_essentials(self) -> None:
        syntax_errors = any(d.code.name.startswith("LAG1") for d in self.diagnostics.errors)
        if syntax_errors or self.scope.incomplete:  # the statement may be there and unreadable
            return
        end = Span(self.source, len(self.source.text.rstrip()), len(self.source.text.rstrip()))
        if not self.file.statements and not self.scope.lost:
            self.diagnostics.add(
                Code.LAG214,
                "the model is empty",
                end,
                help="a model has a coordinate and a Lagrangian: `coordinate q` and `L = 1/2*q'^2`",
            )
            return
        if not self.scope.coordinates and not self.scope.lost and not self.scope.moving:
            self.diagnostics.add(
                Code.LAG214, "the model has no coordinate", end, help="add `coordinate q`"
            )
        if not any(c.target == "L" for c in of_kind(self.file, ast.Contribution)):
            named = next((self.declared[n] for n in ("L", "Lagrangian") if n in self.declared), end)
            self.diagnostics.add(
                Code.LAG214,
                "the model has no Lagrangian",
                named,
                label="write `L = ...` alone" if named is not end else "",
                help="add `L = ...`" if named is end else "",
            )

    def _model_name(self) -> str:
        names = of_kind(self.file, ast.ModelName)
        if len(names) > 1:
            self.diagnostics.add(Code.LAG202, "a file holds one model", names[1].span)
        if names:
            return names[0].name.name
        stem = self.source.name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".lag")
        cleaned = "".join(ch if ch.isalnum() else "_" for ch in stem).strip("_")
        return cleaned if cleaned[:1].isalpha() else f"model_{cleaned}".strip("_")


def _words_lost(diagnostics: Diagnostics) -> set[str]:
    """The words of the lines that could not be read: what they declare is not known.

    That such a name is not defined would be a complaint about what was already reported.
    """
    lines = [d.span.source.line_text(d.span.line) for d in diagnostics.errors if d.span]
    return {word.rstrip("_") for line in lines for word in re.findall(r"[^\W\d]\w*", line)}
