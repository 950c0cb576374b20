"""The text of a model with fitted numbers in it: defaults, initial state, and where they come from.

Everything else of the text stays as it is, comments, units, bounds and laws included. A coefficient
whose default already is the value keeps it as it is written. Of the files that a model uses none is
changed: their paths are written as seen from the new file, and a coefficient that is declared in
one cannot be given a value here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.base.spans import Source
from lagc.driver import Compilation, compile_source
from lagc.lower.lowering import nearest_double
from lagc.runtime.spec import ModelSpec
from lagc.semantics.model import Coefficient
from lagc.syntax import ast

_HEADER = "# Fitted by lagc"
_WIDEST = 96


@dataclass(frozen=True)
class FittedNumbers:
    """values: of all coefficients, by name; state: labels (`q`, `r'[0]`) to numbers at t = 0;
    until, step: of a run through the data; order: of the integrator; comments: lines that say where
    all this comes from."""

    values: Mapping[str, float]
    state: Mapping[str, float]
    until: float
    step: float
    order: int
    comments: Sequence[str]


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def require_own_coefficients(compilation: Compilation, names: Iterable[str]) -> None:
    """LAG616 unless the coefficients are declared in the file of the model itself."""
    own = {s.name.name for s in ast.of_kind(compilation.file, ast.Coefficient)}
    foreign = [name for name in names if name.partition("[")[0] not in own]
    if foreign:
        listed = ", ".join(f"`{name}`" for name in foreign)
        raise fail(
            Code.LAG616,
            f"{listed}: declared in a file that {compilation.source.name} uses",
            help="other models may use that file; declare the coefficients in the model itself, or "
            "hold them at their defaults with --fix",
        )


def fitted_text(
    compilation: Compilation, spec: ModelSpec, numbers: FittedNumbers, output: str
) -> str:
    """The text to be written to `output`; LAG616 where it would not mean what was fitted."""
    source, file = compilation.source, compilation.file
    defaults = {c.name: c.default for c in spec.coefficients}
    changed = {n: v for n, v in numbers.values.items() if defaults.get(n) != v}
    require_own_coefficients(compilation, changed)
    newline = "\r\n" if source.text.partition("\n")[0].endswith("\r") else "\n"
    folder = os.path.dirname(output)
    edits = [
        *_coefficients(compilation, changed, numbers.values),
        *_run(source, file, spec, numbers, newline),
        *_initial(source, file, spec, numbers.state, newline),
        *_uses(file, source, folder),
    ]
    text = source.text
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    header = [f"{_HEADER} {numbers.comments[0]}", *(f"#   {c}" for c in numbers.comments[1:])]
    text = newline.join([*map(_printable, header), "", _without_header(text)])
    _verify(Source(output, text, folder), spec, numbers)
    return text


def _coefficients(
    compilation: Compilation, changed: Mapping[str, float], values: Mapping[str, float]
) -> Iterable[_Edit]:
    known = {c.name: c for c in compilation.model.coefficients}
    for statement in ast.of_kind(compilation.file, ast.Coefficient):
        name = statement.name.name
        parts = [n for n in values if n == name or n.startswith(f"{name}[")]
        if not any(n in changed for n in parts):
            continue
        numbers = [_number(values[n], statement.bounds, known[n]) for n in parts]
        written = numbers[0] if parts == [name] else f"({', '.join(numbers)})"
        if statement.default is not None:
            span = statement.default.span
            yield _Edit(span.start, span.end, written)
        elif statement.prior is not None:
            source = statement.span.source
            tilde = source.text.rindex("~", statement.span.start, statement.prior.span.start)
            yield _Edit(tilde, tilde, f"= {written} ")
        else:
            yield _Edit(statement.span.end, statement.span.end, f" = {written}")


def _number(value: float, bounds: Sequence[ast.Bound], coefficient: Coefficient) -> str:
    """A number that reads back to the same double; on a bound, the bound as it is written, for a
    decimal may lie beyond it."""
    for bound in bounds:
        limit = coefficient.lower if bound.lower else coefficient.upper
        if limit is not None and limit.is_finite and nearest_double(limit) == value:
            return bound.value.span.text
    return repr(value)


def _initial(
    source: Source, file: ast.File, spec: ModelSpec, state: Mapping[str, float], newline: str
) -> Iterable[_Edit]:
    """All `initial` lines of the file give way to one, with the comments that stood in them."""
    lines = ast.of_kind(file, ast.Initial)
    units = {a.target.span.text: a.unit.span.text for s in lines for a in s.assignments if a.unit}
    written = _assignments(spec, state, units)
    rows, row = [], "initial "
    for assignment in written:
        if len(row) + len(assignment) > _WIDEST and row != "initial ":
            rows.append(row.rstrip(", "))
            row = "initial "
        row += f"{assignment}, "
    text = newline.join([*rows, row.rstrip(", ")])
    for index, line in enumerate(lines):
        inside = source.text[line.span.start : line.span.end].split("\n")
        comments = [f"#{part.partition('#')[2]}".rstrip() for part in inside[:-1] if "#" in part]
        kept = newline.join([*comments, text] if index == 0 else comments)
        yield _Edit(line.span.start, line.span.end, kept)
    if not lines:
        end = len(source.text)
        before = "" if not source.text or source.text.endswith("\n") else newline
        yield _Edit(end, end, f"{before}{text}{newline}")


def _assignments(
    spec: ModelSpec, state: Mapping[str, float], units: Mapping[str, str]
) -> Iterable[str]:
    for coordinate in spec.coordinates:
        rates = coordinate.velocity_labels
        for name, labels in ((coordinate.name, coordinate.labels), (f"{coordinate.name}'", rates)):
            unit = f" {units[name]}" if name in units else ""
            if coordinate.size is None:
                yield f"{name} = {state[name]!r}{unit}"
            elif spec.lattice is None and coordinate.size > 1:
                yield f"{name} = ({', '.join(repr(state[x]) for x in labels)}){unit}"
            else:
                yield from (f"{x} = {state[x]!r}{unit}" for x in labels)


def _run(
    source: Source, file: ast.File, spec: ModelSpec, numbers: FittedNumbers, newline: str
) -> Iterable[_Edit]:
    """What the model does not say of a run: as far as the data, in the steps of the fit.

    A line of its own takes the place of one in a file that is used, and says all.
    """
    unit = f" [{spec.units['t']}]" if spec.units.get("t") else ""
    run, lines = spec.run, ast.of_kind(file, ast.Run)
    if run.until is not None and run.step is not None:
        return
    until = numbers.until if run.until is None else run.until
    step = until / max(1, round(until / numbers.step)) if run.step is None else run.step
    order = numbers.order if run.order is None else run.order
    said = {"until": run.until, "step": run.step, "order": run.order} if lines else {}
    clauses = [
        f"{name} {value!r}{unit if name != 'order' else ''}"
        for name, value in (("until", until), ("step", step), ("order", order))
        if said.get(name) is None
    ]
    if lines:
        end = lines[0].span.end
        yield _Edit(end, end, f" {' '.join(clauses)}")
    else:
        end = len(source.text)
        ended = source.text.endswith("\n") or not ast.of_kind(file, ast.Initial)
        before = "" if ended else newline
        yield _Edit(end, end, f"{before}run {' '.join(clauses)}{newline}")


def _uses(file: ast.File, source: Source, folder: str) -> Iterable[_Edit]:
    before = os.path.abspath(source.folder or "")
    after = os.path.abspath(folder)
    if before == after:
        return
    for use in ast.of_kind(file, ast.Use):
        path = os.path.relpath(os.path.join(before, *use.path.split("/")), after)
        span = use.path_span
        shown = path.replace(os.sep, "/")
        quoted = span.text.startswith('"')
        yield _Edit(span.start, span.end, f'"{shown}"' if quoted else shown)


def _without_header(text: str) -> str:
    """Without the comment of an earlier fit, which ends with a blank line."""
    if not text.startswith(_HEADER):
        return text
    lines = text.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if end < len(lines) and not lines[end].strip():
        end += 1
    return "".join(lines[end:])


def _printable(line: str) -> str:
    """A comment on one line, whatever a file is called."""
    return "".join(c if c.isalnum() or (c.isprintable() and c.isascii()) else "?" for c in line)


def _verify(written: Source, spec: ModelSpec, numbers: FittedNumbers) -> None:
    """LAG616 unless the text compiles to the numbers that were meant, to the last bit."""
    try:
        model = compile_source(written).model
    except LagcError as error:
        raise fail(
            Code.LAG616,
            f"with the fitted numbers the model would be wrong: {error.diagnostics[0].message}",
        ) from None
    found = {c.name: c.default for c in model.coefficients if c.default is not None}
    read = {name: nearest_double(value) for name, value in found.items()}
    initial = {name: nearest_double(value) for name, value in model.initial}
    wrong = [n for n, v in numbers.values.items() if read.get(n, v) != v]
    wrong += [n for n, v in numbers.state.items() if initial.get(n) != v]
    if wrong:
        raise fail(
            Code.LAG616,
            f"the fitted value of `{wrong[0]}` does not read back from the text of {written.name}",
            help="a file that is used may set it",
        )
