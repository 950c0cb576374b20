"""What a name means, in Markdown: how it is declared, what was found out, where it stands."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lagc.driver import Compilation
from lagc.editing import vocabulary
from lagc.editing.lexemes import Kind, lexemes
from lagc.editing.names import Occurrence, Reading
from lagc.semantics.functions import SCALAR_FUNCTIONS, VECTOR_FUNCTIONS
from lagc.semantics.model import Coefficient, Coordinate, Model
from lagc.semantics.notation import number_text, to_text
from lagc.syntax import ast
from lagc.syntax.printer import format_statement

_KINDS: dict[type[ast.Node], str] = {
    ast.Coordinate: "coordinate",
    ast.Constant: "constant, an exact number",
    ast.Coefficient: "coefficient, given at run time",
    ast.Input: "input, a signal given at run time",
    ast.Neural: "neural term, given at run time",
    ast.LatticeIndex: "index of the lattice",
    ast.Let: "name of an expression",
    ast.Observable: "observable",
}
_ACTIONS = {
    "L": "the Lagrangian, a function of coordinates, velocities and time",
    "K": "the coupling of the two histories, a function of the doubled variables",
    "R": "Rayleigh dissipation; it becomes part of K",
}
_RESERVED = {"t": "time", "pi": "the ratio 3.14159...", "inf": "no bound, in intervals"}
_LAWS = {
    "uniform": "`uniform(a, b)`: equally likely between a and b",
    "loguniform": "`loguniform(a, b)`: its logarithm is equally likely; 0 < a < b",
    "normal": "`normal(mean, std)`: a Gaussian",
    "mlp": "`mlp(widths..., activation = ..., output = ...)`: a network of fully connected layers",
    "mixture": "`mixture(w1: law1, w2: law2, ...)`: one of the laws, with weights that sum to 1",
}
_LONGEST = 2000  # characters of an expression


def hover(reading: Reading, offset: int, compilation: Compilation | None) -> str | None:
    """Markdown about what stands at an offset; `compilation` is that of the same text."""
    action = _action_at(reading, offset)
    if action:
        return _text(_about_action(action, reading, compilation))
    found = reading.at(offset)
    if found is None:
        return _LAWS.get(_called(reading, offset))
    if found.name in reading.declarations:
        return _text(_about_declared(found, reading, compilation))
    return _about_word(found)


def _text(lines: Iterator[str]) -> str:
    return "\n\n".join(lines)


def _action_at(reading: Reading, offset: int) -> str:
    statement = reading.statement_at(offset)
    if isinstance(statement, ast.Contribution):
        span = statement.target_span
        return statement.target if span.start <= offset <= span.end else ""
    return ""


def _called(reading: Reading, offset: int) -> str:
    """The law or network whose name stands at an offset."""
    for lexeme in lexemes(reading.source):
        if lexeme.kind is Kind.FUNCTION and lexeme.start <= offset <= lexeme.end:
            return reading.source.text[lexeme.start : lexeme.end]
    return ""


def _about_action(name: str, reading: Reading, compilation: Compilation | None) -> Iterator[str]:
    yield f"**{name}**: {_ACTIONS[name]}."
    written = [s for s in reading.file.statements if isinstance(s, ast.Contribution)]
    parts = [s for s in written if s.target == name]
    if len(parts) > 1:
        yield f"{len(parts)} contributions, of which this is one."
    if compilation is None or name == "R":
        yield _code("\n".join(format_statement(s) for s in parts))
        return
    model = compilation.model
    yield _code(f"{name} = {to_text(model.lagrangian if name == 'L' else model.coupling)}")


def _about_declared(
    found: Occurrence, reading: Reading, compilation: Compilation | None
) -> Iterator[str]:
    statement = reading.declarations[found.name]
    yield _code(format_statement(statement))
    kind = next((text for type_, text in _KINDS.items() if isinstance(statement, type_)), "name")
    meaning = _decorated(found) if isinstance(statement, ast.Coordinate) else ""
    yield f"`{found.name}{found.decoration}`: {meaning or kind}"
    if compilation is not None:
        yield from _understood(found.name, compilation.model)
    home = statement.span.source.name
    elsewhere = "" if home == reading.source.name else f"`{os.path.basename(home)}`, "
    yield f"Declared in {elsewhere}line {statement.span.line}."


def _decorated(found: Occurrence) -> str:
    """What the decorations of a coordinate say."""
    primes = found.decoration.count("'")
    what = {0: "", 1: "velocity"}.get(primes, "higher derivative, which L and K do not take")
    history = {
        "+": f"mean of the two histories, ({found.name}_1 + {found.name}_2)/2",
        "-": f"difference of the two histories, {found.name}_1 - {found.name}_2",
    }.get(found.decoration[-1:], "")
    if history:
        return f"{what + ' of the ' if what else ''}{history}, in K"
    return f"{what} of the coordinate `{found.name}`" if what else ""


def _understood(name: str, model: Model) -> Iterator[str]:
    """What elaboration knows of a name beyond its declaration."""
    for coordinate in model.coordinates:
        if coordinate.name == name:
            yield _size(coordinate)
    for constant in model.constants:
        if constant.name == name:
            along = "at each site " if constant.varies else ""
            yield f"Value {along}`{number_text(constant.value)}`."
    for coefficient in model.coefficients:
        if coefficient.name == name:
            yield _range(coefficient)
    for slot in model.neural:
        if slot.name == name:
            widths = ", ".join(map(str, slot.widths)) or "none"
            yield (
                f"A function of {slot.inputs} number{'s' if slot.inputs > 1 else ''}: hidden "
                f"widths {widths}, activation {slot.activation}, output {slot.output}."
            )
    for observable in model.observables:
        if observable.name == name:
            yield _code(f"{name} = {to_text(observable.value)}")


def _size(coordinate: Coordinate) -> str:
    what = "A scalar"
    if coordinate.size is not None:
        what = f"A vector of {coordinate.size} numbers"
    if coordinate.index:
        what = f"A field: a number at each site `{coordinate.index}`"
    if coordinate.modulus is not None:
        what += f", kept within one period of `{to_text(coordinate.modulus)}`"
    return f"{what}."


def _range(coefficient: Coefficient) -> str:
    bounds = []
    if coefficient.lower is not None:
        bounds.append(f"{'>' if coefficient.lower_open else '>='} {number_text(coefficient.lower)}")
    if coefficient.upper is not None:
        bounds.append(f"{'<' if coefficient.upper_open else '<='} {number_text(coefficient.upper)}")
    limits = "Bounds: " + (" and ".join(f"`{b}`" for b in bounds) if bounds else "none")
    if coefficient.default is None:
        return f"{limits}; no default."
    return f"{limits}; default `{number_text(coefficient.default)}`."


def _about_word(found: Occurrence) -> str | None:
    """A word of the language, or a name that nothing declares."""
    name = found.name
    if name in SCALAR_FUNCTIONS:
        function = SCALAR_FUNCTIONS[name]
        return _arity(name, function.arity, f"{function.smoothness.value}")
    if name in VECTOR_FUNCTIONS:
        return _arity(name, VECTOR_FUNCTIONS[name], "of vectors")
    if name in vocabulary.FUNCTIONS:
        return f"`{name}`: a construct of the language"
    if name in _RESERVED:
        return f"`{name}`: {_RESERVED[name]}"
    return None


def _arity(name: str, arity: int, about: str) -> str:
    arguments = ", ".join("xyzw"[:arity])
    plural = "" if arity == 1 else "s"
    return f"`{name}({arguments})`: function of {arity} argument{plural}, {about}"


def _code(text: str) -> str:
    return f"```lag\n{text if len(text) <= _LONGEST else text[:_LONGEST] + ' ...'}\n```"
