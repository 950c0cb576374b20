"""`ast.File` to `Model`: declarations first, in any order, then L, K, R and forces.

R(q, q', t) and forces become part of K here (REFERENCE: K += -dR/dv_i(q_+, q'_+) q_-,i and
K += F_i(q_+, q'_+, t) q_-,i), so that the later passes know one coupling only.
"""

from __future__ import annotations

import re
from typing import TypeVar

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, Note
from lagc.base.spans import Source, Span
from lagc.semantics import model as m
from lagc.semantics.declarations import (
    ConstantReader,
    read_coefficient,
    read_coordinate,
    read_neural,
)
from lagc.semantics.expressions import ExpressionReader
from lagc.semantics.functions import FUNCTION_NAMES, RESERVED_NAMES, JumpDerivative
from lagc.semantics.lines import read_initial, read_run
from lagc.semantics.names import Context, LetValue, Scope
from lagc.syntax import ast

S = TypeVar("S", bound=ast.Node)


def elaborate(file: ast.File, source: Source, diagnostics: Diagnostics) -> m.Model:
    """The model of a syntax tree; raises `LagcError` with everything found if it is wrong."""
    result = _Elaboration(file, source, diagnostics).run()
    diagnostics.raise_if_errors()
    if result is None:
        raise AssertionError("no model and no error")
    return result


class _Elaboration:
    """The state of one pass over one file."""

    def __init__(self, file: ast.File, source: Source, diagnostics: Diagnostics) -> None:
        self.file = file
        self.source = source
        self.diagnostics = diagnostics
        self.scope = Scope(let=self._let, constant=self._constant, lost=_words_lost(diagnostics))
        self.constants = ConstantReader(self.scope, diagnostics)
        self.rough_calls: list[m.RoughCall] = []
        self.declared: dict[str, Span] = {}
        self._constant_nodes: dict[str, ast.Constant] = {}
        self._let_nodes: dict[str, ast.Let] = {}
        self._lets: dict[str, LetValue | None] = {}
        self._reading: list[str] = []

    def run(self) -> m.Model | None:
        """All statements, in the order in which they can be understood."""
        self._refuse_later_statements()
        self._declare_names()
        if any(d.code is Code.LAG217 for d in self.diagnostics.errors):
            return None  # what follows would be complaints about what was not read
        for name in list(self._constant_nodes):
            self._constant(name, self.declared[name])
        self._read_coordinates()
        coefficients, inputs = self._read_symbols()
        self._read_neural()
        for name, let_node in self._let_nodes.items():
            self._let(name, let_node.span)
        lagrangian = self._contributions("L", Context.PLAIN)
        coupling = self._contributions("K", Context.DOUBLED)
        coupling += self._rayleigh(self._contributions("R", Context.PLAIN)) + self._forces()
        self._require_essentials()
        observables = tuple(self._observables())
        coordinates = tuple(self.scope.coordinates.values())
        initial = read_initial(self._all(ast.Initial), coordinates, self.constants, self.scope.lost)
        return m.Model(
            self._model_name(),
            self.source,
            coordinates,
            tuple(
                m.Constant(k, v, self.declared[k])
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
            read_run(self._all(ast.Run), self.constants),
            tuple(self.rough_calls),
        )

    def _all(self, kind: type[S]) -> list[S]:
        return [s for s in self.file.statements if isinstance(s, kind)]

    # --- declarations -------------------------------------------------------------------------

    def _refuse_later_statements(self) -> None:
        for index in self._all(ast.LatticeIndex):
            self.diagnostics.add(
                Code.LAG217,
                "lattices (`index`, `phi[i]`, `sum(i, ...)`) are not compiled by this version yet",
                index.span,
                help="a small chain can be written out with a vector coordinate, `coordinate x[3]`",
            )
        for constraint in self._all(ast.Constraint):
            self.diagnostics.add(
                Code.LAG217,
                "constraints are reserved and cannot be compiled by this version yet",
                constraint.span,
                help="choose coordinates in which the constraint holds by itself, such as an angle",
            )

    def _declare_names(self) -> None:
        kinds = (ast.Coordinate, ast.Constant, ast.Coefficient, ast.Input, ast.Neural, ast.Let)
        kept = []
        for statement in self.file.statements:
            if isinstance(statement, ast.Observable):
                self._check_name(statement.name, reserved_only=True)
            elif isinstance(statement, kinds) and not self._check_name(statement.name):
                continue
            kept.append(statement)
            self._announce(statement)
        self.file = ast.File(tuple(kept), span=self.file.span)
        self.scope.let_names = frozenset(self._let_nodes)
        observed: dict[str, Span] = {}
        for observable in self._all(ast.Observable):
            self._check_duplicate(observable.name, observed)

    def _announce(self, statement: ast.Statement) -> None:
        """Makes a name known before its declaration is read, so that its uses can be judged."""
        match statement:
            case ast.Constant(name):
                self._constant_nodes[name.name] = statement
                self.scope.constants[name.name] = None
            case ast.Let(name):
                self._let_nodes[name.name] = statement
            case ast.Coordinate(name):
                made = m.Coordinate(name.name, None, None, name.span)
                self.scope.coordinates[name.name] = made
            case ast.Coefficient(name):
                self.scope.symbols[name.name] = ("coefficient", sp.Symbol(name.name))
            case ast.Input(name):
                self.scope.symbols[name.name] = ("input", sp.Symbol(name.name))
            case _:
                pass

    def _check_name(self, name: ast.Identifier, reserved_only: bool = False) -> bool:
        if name.name in RESERVED_NAMES or name.name in FUNCTION_NAMES:
            kind = "the name of a function" if name.name in FUNCTION_NAMES else "reserved"
            self.diagnostics.add(
                Code.LAG201,
                f"`{name.name}` is {kind} and cannot be declared",
                name.span,
                label="choose another name",
            )
            if not reserved_only:
                self.scope.lost.add(name.name)
            return False
        return reserved_only or self._check_duplicate(name, self.declared)

    def _check_duplicate(self, name: ast.Identifier, declared: dict[str, Span]) -> bool:
        if name.name in declared:
            self.diagnostics.add(
                Code.LAG202,
                f"`{name.name}` is declared twice",
                name.span,
                notes=[Note("it was declared here first", declared[name.name])],
            )
            return False
        declared[name.name] = name.span
        return True

    def _constant(self, name: str, used_at: Span) -> bool:
        """Evaluates a constant when it is first needed; whether it has a value."""
        if self.scope.constants.get(name) is not None:
            return True
        node = self._constant_nodes.pop(name, None)
        if node is None:  # being read, or read and refused
            if name in self._reading:
                self._circular(name, used_at)
            return False
        self._reading.append(name)
        self.scope.constants[name] = self.constants.number(
            node.value, "a constant", within_range=False
        )
        self._reading.pop()
        return self.scope.constants[name] is not None

    def _let(self, name: str, used_at: Span) -> LetValue | None:
        """Evaluates a `let` when it is first needed."""
        if name in self._lets:
            return self._lets[name]
        if name in self._reading:
            self._circular(name, used_at)
            return None
        self._reading.append(name)
        reader = self._reader(Context.LET)
        value = reader.read(self._let_nodes[name].value)
        self._reading.pop()
        self._lets[name] = None if value is None else LetValue(value, reader.plain, reader.doubled)
        return self._lets[name]

    def _circular(self, name: str, span: Span) -> None:
        chain = [*self._reading[self._reading.index(name) :], name]
        self.diagnostics.add(
            Code.LAG209,
            f"`{name}` is defined by itself: " + " -> ".join(f"`{n}`" for n in chain),
            span,
        )

    def _read_coordinates(self) -> None:
        for node in self._all(ast.Coordinate):
            made = read_coordinate(node, self.constants)
            if made is None:
                self.scope.lost.add(node.name.name)
            else:
                self.scope.coordinates[node.name.name] = made

    def _read_symbols(self) -> tuple[tuple[m.Coefficient, ...], tuple[m.Input, ...]]:
        coefficients = []
        for node in self._all(ast.Coefficient):
            made = read_coefficient(node, self.constants)
            if made is not None:
                coefficients.append(made)
        inputs = tuple(m.Input(node.name.name, node.name.span) for node in self._all(ast.Input))
        return tuple(coefficients), inputs

    def _read_neural(self) -> None:
        for node in self._all(ast.Neural):
            made = read_neural(node, self.scope.coordinates, self.constants)
            if made is None:
                self.scope.lost.add(node.name.name)
            else:
                self.scope.neural[made.name] = made

    # --- L, K, R, forces, observables ---------------------------------------------------------

    def _reader(self, context: Context) -> ExpressionReader:
        return ExpressionReader(self.scope, self.diagnostics, context, self.rough_calls)

    def _contributions(self, target: str, context: Context) -> list[m.Term]:
        terms: list[m.Term] = []
        first: Span | None = None
        for node in self._all(ast.Contribution):
            if node.target != target:
                continue
            if node.operator == "=" and first is not None:
                self.diagnostics.add(
                    Code.LAG202,
                    f"`{target} =` stands twice",
                    node.target_span,
                    help=f"a further contribution is added with `{target} +=`",
                    notes=[Note("the first one is here", first)],
                )
                continue
            if node.operator == "=":
                first = node.target_span
            terms += self._terms(node.value, target, context)
        return terms

    def _terms(self, node: ast.Expression, target: str, context: Context) -> list[m.Term]:
        """The summands of an expression, each with its own span."""
        parts: list[tuple[int, ast.Expression]] = [(1, node)]
        if isinstance(node, ast.Sum):
            parts = [(1, node.first)] + [(1 if op == "+" else -1, e) for op, e in node.rest]
        terms = []
        for sign, part in parts:
            value = self._reader(context).scalar(part, target)
            if value is not None:
                terms.append(m.Term(sign * value, part.span))
        return terms

    def _rayleigh(self, dissipation: list[m.Term]) -> list[m.Term]:
        velocities = self._symbols(1)
        return [
            m.Term(-self._doubled(slope) * minus, term.span)
            for term in dissipation
            for velocity, minus in zip(velocities, self._symbols(0, "-"), strict=True)
            if (slope := self._derivative(term, velocity)) != 0
        ]

    def _derivative(self, term: m.Term, velocity: sp.Symbol) -> sp.Expr:
        try:
            return term.value.diff(velocity)
        except JumpDerivative as error:
            self.diagnostics.add(
                Code.LAG305,
                f"R needs the derivative of `{error.expression}`, which does not exist",
                term.span,
            )
            return sp.Integer(0)

    def _forces(self) -> list[m.Term]:
        terms: list[m.Term] = []
        acting: dict[sp.Expr, Span] = {}
        for node in self._all(ast.Force):
            target = node.target.base if isinstance(node.target, ast.Index) else node.target
            if isinstance(target, ast.Name) and target.name in self.scope.lost:
                continue
            known = isinstance(target, ast.Name) and target.name in self.scope.coordinates
            if not known or not isinstance(target, ast.Name) or target.primes or target.side:
                self.diagnostics.add(
                    Code.LAG203,
                    "a force acts on a coordinate or on one of its components",
                    node.target.span,
                    help="write `force x = ...` or `force r[0] = ...`",
                )
                continue
            place = self._reader(Context.PLAIN).read(node.target)
            value = self._reader(Context.PLAIN).read(node.value)
            if place is None or value is None:
                continue
            places = place if isinstance(place, tuple) else (place,)
            values = value if isinstance(value, tuple) else (value,)
            if len(places) != len(values) or isinstance(place, tuple) != isinstance(value, tuple):
                self.diagnostics.add(
                    Code.LAG206,
                    f"the force has {len(values)} component(s) and `{node.target.span.text}` has "
                    f"{len(places)}",
                    node.value.span,
                )
                continue
            if twice := [acting[p] for p in places if p in acting]:
                self.diagnostics.add(
                    Code.LAG202,
                    f"the force on `{node.target.span.text}` is given twice",
                    node.target.span,
                    help="add the forces up in one statement",
                    notes=[Note("the first one is here", twice[0])],
                )
                continue
            acting |= dict.fromkeys(places, node.target.span)
            minus = dict(zip(self._symbols(0), self._symbols(0, "-"), strict=True))
            terms += [
                m.Term(self._doubled(v) * minus[p], node.span)
                for p, v in zip(places, values, strict=True)
            ]
        return terms

    def _symbols(self, primes: int, side: str = "") -> tuple[sp.Symbol, ...]:
        coordinates = self.scope.coordinates.values()
        return tuple(s for c in coordinates for s in c.symbols(primes, side))

    def _doubled(self, expression: sp.Expr) -> sp.Expr:
        """q and q' replaced by q_+ and q'_+."""
        replacement = {
            plain: plus
            for primes in (0, 1)
            for plain, plus in zip(self._symbols(primes), self._symbols(primes, "+"), strict=True)
        }
        return expression.xreplace(replacement)

    def _observables(self) -> list[m.Observable]:
        made = []
        for node in self._all(ast.Observable):
            value = self._reader(Context.PLAIN).scalar(node.value, "an observable")
            if value is not None:
                made.append(m.Observable(node.name.name, value, node.name.span))
        return made

    # --- the whole ----------------------------------------------------------------------------

    def _require_essentials(self) -> None:
        syntax_errors = any(d.code.name.startswith("LAG1") for d in self.diagnostics.errors)
        if syntax_errors:  # the statement may be there and unreadable
            return
        end = Span(self.source, len(self.source.text.rstrip()), len(self.source.text.rstrip()))
        if not self.scope.coordinates and not self.scope.lost:
            self.diagnostics.add(
                Code.LAG214, "the model has no coordinate", end, help="add `coordinate q`"
            )
        if not any(c.target == "L" for c in self._all(ast.Contribution)):
            self.diagnostics.add(
                Code.LAG214, "the model has no Lagrangian", end, help="add `L = ...`"
            )

    def _model_name(self) -> str:
        names = self._all(ast.ModelName)
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
    return {word for line in lines for word in re.findall(r"[^\W\d]\w*", line)}
