"""The `initial` and `run` lines, and the same assignments given on a command line."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import did_you_mean
from lagc.base.spans import Span
from lagc.semantics.constants import ConstantReader
from lagc.semantics.foreign import VELOCITIES, decorated
from lagc.semantics.model import Coordinate, RunLine
from lagc.semantics.notation import number_text
from lagc.semantics.tensors import Value, described, entries, shape
from lagc.syntax import ast

MAX_ORDER = 258


def read_initial(
    lines: Iterable[ast.Initial],
    coordinates: Sequence[Coordinate],
    reader: ConstantReader,
    lost: Container[str] = (),
) -> tuple[tuple[str, sp.Expr], ...]:
    """Labels (`q`, `r'[0]`, `p[q]`) and their numbers; coordinates that are `lost` left out."""
    assignments = [
        a for line in lines for a in line.assignments if _coordinate_name(a.target) not in lost
    ]
    values = read_assignments(assignments, coordinates, reader)
    _refuse_two_kinds([label for label, _ in values], assignments, coordinates, reader)
    return values


def _refuse_two_kinds(
    labels: Sequence[str],
    assignments: Sequence[ast.Assignment],
    coordinates: Sequence[Coordinate],
    reader: ConstantReader,
) -> None:
    """LAG215 where velocities and momenta are given: a run begins with one kind, for all."""
    names = {c.name for c in coordinates}
    momenta = [x for x in labels if x[:2] == "p[" and re.split(r"[\[\]]", x)[1] in names]
    rates = {x.replace("'", ""): x for x in labels if "'" in x}
    if not momenta or not rates:
        return
    momentum = next((x for x in momenta if x[2:-1] in rates), momenta[0])
    same = rates.get(momentum[2:-1])
    _refuse(
        reader,
        f"`{same or next(iter(rates.values()))}` and `{momentum}` are both given"
        + ("; one is enough" if same else ": a run begins with all velocities or all momenta"),
        next(
            a.span
            for a in assignments
            if isinstance(a.target, ast.Index)
            and _is_momentum(a.target)
            and _variable_name(a.target.index) in names
        ),
    )


def _coordinate_name(target: ast.Expression) -> str:
    """The coordinate in `r'[0]` or `p[r[0]]`."""
    while isinstance(target, ast.Index):
        target = target.index if _is_momentum(target) else target.base
    return target.name if isinstance(target, ast.Name) else ""


def _is_momentum(target: ast.Index) -> bool:
    """Whether `p[...]` is a momentum: a variable stands between the brackets, not a number.

    So `p[p]` is the momentum of a coordinate named p, and `p[0]` a component of it.
    """
    index = target.index
    while isinstance(index, ast.Index):
        index = index.base
    named_p = isinstance(target.base, ast.Name) and target.base == ast.Name("p", span=target.span)
    return named_p and isinstance(index, ast.Name)


def read_assignments(
    assignments: Iterable[ast.Assignment],
    coordinates: Sequence[Coordinate],
    reader: ConstantReader,
) -> tuple[tuple[str, sp.Expr], ...]:
    """`q = 1, r' = (0, 7.65), p[q] = 2` as labels and exact numbers, each label once."""
    values: dict[str, sp.Expr] = {}
    for assignment in assignments:
        labels = _labels(assignment.target, coordinates, reader)
        if labels is None:
            continue
        lattice = reader.scope.lattice
        if lattice is not None and f"[{lattice.index}]" in labels[0]:
            found: Value = reader.along(assignment.value, "an initial value", lattice)
        else:
            found = reader.value(assignment.value, "an initial value")
        if found is None:
            continue
        if len(shape(found)) > 1 or len(entries(found)) != len(labels):
            reader.diagnostics.add(
                Code.LAG206,
                f"`{assignment.target.span.text}` has {len(labels)} "
                f"component{'s' * (len(labels) > 1)}, and this is {described(found)}",
                assignment.value.span,
            )
            continue
        for label, value in zip(labels, entries(found), strict=True):
            if label in values:
                _refuse(reader, f"`{label}` is given twice", assignment.target.span)
            values[label] = value
    return tuple(values.items())


def _labels(
    target: ast.Expression, coordinates: Sequence[Coordinate], reader: ConstantReader
) -> list[str] | None:
    """The labels that the left side of an assignment stands for."""
    known = {c.name: c for c in coordinates}
    if isinstance(target, ast.Index):
        base = target.base
        if _is_momentum(target) and ("p" not in known or _variable_name(target.index) in known):
            inner = _labels(target.index, coordinates, reader)
            return None if inner is None else [f"p[{label}]" for label in inner]
        if isinstance(base, ast.Name) and _is_variable(base, known) and known[base.name].index:
            return _site_label(base, target.index, reader)
        labels = _labels(base, coordinates, reader)
        if labels is None:
            return None
        position = reader.integer(target.index, "an index", 0, len(labels) - 1)
        return None if position is None else [labels[position]]
    if not isinstance(target, ast.Name) or target.side or target.primes > 1:
        plain = target.name if isinstance(target, ast.Name) else ""
        _refuse(
            reader,
            "an initial value is given to a coordinate or a velocity",
            target.span,
            f"`{plain}` or `{plain}'`" if plain in known else "",
        )
        return None
    if target.name not in known:
        _refuse(
            reader,
            f"`{target.name}` is not a coordinate of the model",
            target.span,
            _meant(target.name, known),
            "a coefficient has its value where it is declared, or for a run from `--set`"
            if target.name in reader.scope.symbols
            else "",
        )
        return None
    if known[target.name].index:
        written, index = target.span.text, known[target.name].index
        _refuse(
            reader,
            f"`{written}` has a value at each site of the lattice",
            target.span,
            f"write `{written}[{index}]` for all sites, or give the number of one",
        )
        return None
    return [s.name for s in known[target.name].symbols(target.primes, "")]


def _meant(name: str, known: dict[str, Coordinate]) -> str:
    """The label for a name that is no coordinate: the one that was meant."""
    if name == "p" and len(known) == 1:
        return f"did you mean `p[{next(iter(known))}]`?"
    for ending in ("_0", "0", "_init", "_start"):
        if name.endswith(ending):
            name = name.removesuffix(ending)
            if name in known:
                return f"did you mean `{name}`?"
    if name in VELOCITIES and len(known) == 1:
        return f"did you mean `{next(iter(known))}'`?"
    stem, decoration = decorated(name, known)
    return f"did you mean `{stem}{decoration}`?" if stem else did_you_mean(name, known)


def _variable_name(node: ast.Expression) -> str:
    while isinstance(node, ast.Index):
        node = node.base
    return node.name if isinstance(node, ast.Name) else ""


def _is_variable(name: ast.Name, known: dict[str, Coordinate]) -> bool:
    """Whether a name is that of a coordinate or of a velocity."""
    return name.name in known and not name.side and name.primes <= 1


def _site_label(base: ast.Name, index: ast.Expression, reader: ConstantReader) -> list[str] | None:
    """The label of a whole field (`phi[i]`) or of its value at one site (`phi[0]`)."""
    lattice = reader.scope.lattice
    assert lattice is not None
    if isinstance(index, ast.Name) and index.name == lattice.index:
        return [f"{base.span.text}[{lattice.index}]"]
    site = reader.integer(index, "a site", lattice.first, lattice.last)
    return None if site is None else [f"{base.span.text}[{site}]"]


def read_run(lines: Sequence[ast.Run], reader: ConstantReader) -> RunLine:
    """`run until 100 step 0.1 order 6`."""
    if len(lines) > 1:
        _refuse(reader, "a model has one `run` line", lines[1].span)
    if not lines:
        return RunLine()
    line = lines[0]
    until = None if line.until is None else reader.number(line.until, "the end time")
    step = None if line.step is None else reader.number(line.step, "the step")
    if line.step is not None and step == 0:
        _refuse(reader, "the step cannot be zero", line.step.span)
    if until is not None and step is not None and step != 0 and not until / step > 0:
        _refuse(reader, "these steps do not lead from 0 to the end time", line.span)
    elif until is not None and step is not None and step != 0:
        _check_whole_steps(until, step, line, reader)
    order = None
    if line.order is not None:
        order = reader.integer(line.order, "the order", 2, MAX_ORDER)
        if order is not None and order % 2:
            label = f"write {order - 1} or {order + 1}" if order > 2 else "write 2"
            _refuse(reader, "the order is even: 2, 4, 6, ...", line.order.span, label)
    return RunLine(until, step, order)


def _check_whole_steps(
    until: sp.Expr, step: sp.Expr, line: ast.Run, reader: ConstantReader
) -> None:
    """LAG215 where the time is no whole number of steps, by the measure of `lagc run`."""
    steps = float(until / step)
    whole = max(1, round(steps))
    if abs(whole - steps) > 1e-9 * steps:
        _refuse(
            reader,
            f"the end time is not a whole number of steps, but {steps:.6g}",
            line.span,
            help=f"for instance `step {number_text(until / whole)}` or "
            f"`until {number_text(whole * step)}`",
        )


def _refuse(
    reader: ConstantReader, message: str, span: Span, label: str = "", help: str = ""
) -> None:
    reader.diagnostics.add(Code.LAG215, message, span, label=label, help=help)
