"""Recordings of a system: CSV text to arrays, with the place of everything that is wrong.

A file has a header: `t`, coordinates (`q`, `r[0]`), velocities (`q'`, `r'[0]`), momenta (`p[q]`),
inputs by name, and optionally `trajectory`, a label that keeps several recordings apart. Cells are
separated by commas; an empty cell or `nan` is a value that was not observed. Lines that begin with
`#` and blank lines are skipped. What else `lagc run` writes (energy, windings of angles, declared
observables) is accepted and not used. Model units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.base.spans import Source, Span
from lagc.runtime.spec import ModelSpec

TRAJECTORY = "trajectory"


@dataclass(frozen=True, eq=False)
class Recording:
    """Observations of one run, in model units.

    times: (m,), increasing; q, v, p: (m, dof) with NaN where not observed, or None; inputs: name to
    (m,). Angles need not be wrapped: they are compared modulo their period.
    """

    name: str
    times: np.ndarray
    q: np.ndarray | None = None
    v: np.ndarray | None = None
    p: np.ndarray | None = None
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
        """Positions, velocities, momenta."""
        return self.q, self.v, self.p

    @property
    def observations(self) -> int:
        """How many numbers were observed, times and inputs not counted."""
        return sum(int(np.isfinite(c).sum()) for c in self.channels if c is not None)


def check_recording(recording: Recording, spec: ModelSpec) -> None:
    """Raise LAG601 unless the arrays of a recording fit each other and the model."""
    times, name = np.asarray(recording.times), recording.name
    if times.ndim != 1 or times.shape[0] < 2:
        raise _refuse(f"{name}: at least two rows are needed, there are {times.size}")
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise _refuse(f"{name}: the times must be finite and increase from row to row")
    wanted = (times.shape[0], spec.dof)
    for array, kind in zip(recording.channels, ("q", "v", "p"), strict=True):
        if array is not None and np.shape(array) != wanted:
            raise _refuse(f"{name}: {kind} has the shape {np.shape(array)}; {wanted} is needed")
        if array is not None and np.isinf(array).any():
            raise _refuse(f"{name}: {kind} holds infinite values")
    if recording.observations == 0:
        raise _refuse(f"{name}: there is no observed value", help=_columns_help(spec))
    for signal in spec.inputs:
        values = recording.inputs.get(signal)
        if values is None:
            raise _refuse(f"{name}: input `{signal}` of `{spec.name}` is missing")
        if np.shape(values) != times.shape or not np.isfinite(values).all():
            raise _refuse(f"{name}: input `{signal}` needs one finite value a row")


def read_recordings(path: str | Path, spec: ModelSpec) -> tuple[Recording, ...]:
    """All recordings in a CSV file, in order of appearance; LAG001 or LAG601 if it is bad."""
    source = Source(str(path), _read_text(Path(path)))
    lines = _cells_of_lines(source)
    header = next(lines, None)
    if header is None:
        raise _refuse(f"{path} is empty", help=_columns_help(spec))
    table = _Table(source, spec, header)
    groups: dict[str, _Rows] = {}
    for cells in lines:
        label, row = table.row(cells)
        rows = groups.setdefault(label, _Rows())
        if rows.values and row["t"] <= rows.values[-1]["t"]:
            raise _unordered(table, cells, row["t"], rows.values[-1]["t"])
        rows.values.append(row)
    if not groups:
        raise _refuse(f"{path} has a header and no rows", help="at least two rows are needed")
    recordings = [
        _recording(table, f"{path}{f' ({label})' if label else ''}", rows.values)
        for label, rows in groups.items()
    ]
    for recording in recordings:
        check_recording(recording, spec)
    return tuple(recordings)


@dataclass(frozen=True)
class _Cell:
    text: str
    span: Span


@dataclass
class _Rows:
    values: list[dict[str, float]] = field(default_factory=list)


class _Table:
    """A checked header, and rows read by it."""

    def __init__(self, source: Source, spec: ModelSpec, header: list[_Cell]) -> None:
        self.source, self.spec = source, spec
        self.names = [cell.text for cell in header]
        windings = (f"winding[{label}]" for label in spec.labels)
        self.unused = {"energy", *windings, *spec.observables} - set(spec.inputs)
        self._check(header)

    def _check(self, header: list[_Cell]) -> None:
        spec = self.spec
        if all(_is_number(cell.text) for cell in header):
            raise _refuse(
                f"{self.source.name} has no header: its first row holds numbers",
                header[0].span,
                help=_columns_help(spec),
            )
        if len(header) == 1 and any(mark in header[0].text for mark in ";\t"):
            raise _refuse("cells must be separated by commas", header[0].span)
        channels = (*spec.labels, *spec.velocity_labels, *spec.momentum_labels)
        known = ("t", *channels, *spec.inputs, TRAJECTORY, *self.unused)
        for index, cell in enumerate(header):
            if cell.text in self.names[:index]:
                raise _refuse(f"column `{cell.text}` appears twice", cell.span)
            if cell.text not in known:
                hint = did_you_mean(cell.text, known) or _columns_help(spec)
                raise _refuse(f"`{cell.text}` is not a column of `{spec.name}`", cell.span, hint)
        if "t" not in self.names:
            raise _refuse("there is no column `t`", header[0].span, _columns_help(spec))
        if not set(channels) & set(self.names):
            raise _refuse("no column of the system", header[0].span, _columns_help(spec))
        for name in spec.inputs:
            if name not in self.names:
                raise _refuse(
                    f"there is no column for the input `{name}`",
                    header[0].span,
                    f"add a column `{name}` with its value at every time",
                )

    def row(self, cells: list[_Cell]) -> tuple[str, dict[str, float]]:
        """The label of a row's recording and its numbers by column."""
        if len(cells) != len(self.names):
            raise _refuse(
                f"row has {len(cells)} cells; the header has {len(self.names)}",
                cells[-1].span,
                "a missing value is an empty cell between two commas",
            )
        label, values = "", {}
        required = ("t", *self.spec.inputs)
        for name, cell in zip(self.names, cells, strict=True):
            if name == TRAJECTORY:
                label = cell.text
            elif name not in self.unused:
                values[name] = _number(name, cell, required=name in required)
        return label, values


def _recording(table: _Table, name: str, rows: list[dict[str, float]]) -> Recording:
    spec = table.spec

    def channel(labels: tuple[str, ...]) -> np.ndarray | None:
        if not set(labels) & set(table.names):
            return None
        return np.array([[row.get(label, math.nan) for label in labels] for row in rows])

    return Recording(
        name,
        np.array([row["t"] for row in rows]),
        channel(spec.labels),
        channel(spec.velocity_labels),
        channel(spec.momentum_labels),
        {signal: np.array([row[signal] for row in rows]) for signal in spec.inputs},
    )


def _cells_of_lines(source: Source) -> Iterator[list[_Cell]]:
    """The cells of every line that holds data, with their places."""
    for number, start in enumerate(source.line_starts, 1):
        line = source.line_text(number)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = []
        for piece in line.split(","):
            inner = piece.strip()
            left = start + (len(piece) - len(piece.lstrip()) if inner else 0)
            span = Span(source, left, left + max(1, len(inner)))
            cells.append(_Cell(_unquoted(inner), span))
            start += len(piece) + 1
        yield cells


def _unquoted(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] == '"'
    return text[1:-1].strip() if quoted else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return not text
    return True


def _number(column: str, cell: _Cell, *, required: bool) -> float:
    try:
        # Python reads 1_000 as a number; a recording that holds it is more likely damaged.
        value = float(cell.text.replace("_", "?")) if cell.text else math.nan
    except ValueError:
        raise _refuse(
            f"`{cell.text}` in column `{column}` is not a number",
            cell.span,
            "leave the cell empty, or write nan, where nothing was observed",
        ) from None
    if math.isinf(value):
        raise _refuse(f"the value in column `{column}` is infinite", cell.span)
    if required and math.isnan(value):
        raise _refuse(f"column `{column}` needs a value in every row", cell.span)
    return value


def _unordered(table: _Table, cells: list[_Cell], t: float, before: float) -> LagcError:
    span = cells[table.names.index("t")].span
    if t == before:
        return _refuse(
            f"the time {t:g} appears twice",
            span,
            f"several runs in one file are told apart by a column `{TRAJECTORY}`",
        )
    return _refuse(
        f"the times go back from {before:g} to {t:g}",
        span,
        f"sort the rows by `t`, or tell several runs apart by a column `{TRAJECTORY}`",
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail(
            Code.LAG001,
            f"{path} is not UTF-8 text (byte {error.start})",
            help="save it as comma-separated text in UTF-8",
        ) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise fail(Code.LAG001, f"{path} cannot be read: {reason}") from None
    except ValueError as error:  # a NUL in the name
        raise fail(Code.LAG001, f"the file cannot be read: {error}") from None


def _columns_help(spec: ModelSpec) -> str:
    shown = (*spec.labels, *spec.velocity_labels, *spec.momentum_labels)
    listed = ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")
    inputs = f" and the inputs {', '.join(spec.inputs)}" if spec.inputs else ""
    return f"the first row names the columns: t, any of {listed}{inputs}"


def _refuse(message: str, span: Span | None = None, help: str = "") -> LagcError:
    return fail(Code.LAG601, message, span, help=help)
