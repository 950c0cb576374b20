"""Comma-separated text as a table, with the place of everything that is wrong.

The first row is the header. An empty cell or `nan` is a value that was not observed. Lines that
begin with `#` and blank lines are skipped; `# unit q: m`, as `lagc run` writes it, states a unit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.base.spans import Source, Span
from lagc.learn.recording import columns_help, refuse
from lagc.learn.table import TRAJECTORY, Table, check_names, unused_columns
from lagc.runtime.spec import ModelSpec

_UNIT = re.compile(r"\s*# unit ([^:]+): (.+)")


@dataclass(frozen=True)
class _Cell:
    text: str
    span: Span


def read_csv(path: Path, spec: ModelSpec) -> Table:
    """The table in a text file; LAG001 if it cannot be read, LAG601 if it is none."""
    source = Source(str(path), _read_text(path))
    lines = _cells_of_lines(source)
    number, header = next(lines, (0, []))
    if not header:
        raise refuse(f"{path} is empty", help=columns_help(spec))
    names = _checked_header(source, spec, header)
    unused = unused_columns(spec)
    kept = [i for i, name in enumerate(names) if name != TRAJECTORY and name not in unused]
    labelled = names.index(TRAJECTORY) if TRAJECTORY in names else None
    values: list[list[float]] = [[] for _ in kept]
    labels: list[str] = []
    rows: list[int] = []
    for number, cells in lines:
        if len(cells) != len(names):
            raise refuse(
                f"row has {len(cells)} cells; the header has {len(names)}",
                cells[-1].span,
                "a missing value is an empty cell between two commas",
            )
        for column, index in zip(values, kept, strict=True):
            column.append(_number(names[index], cells[index]))
        rows.append(number)
        if labelled is not None:
            cell = cells[labelled]
            if not cell.text.strip():
                raise refuse(
                    f"`{TRAJECTORY}` is empty", cell.span, "each row belongs to a recording"
                )
            labels.append(cell.text)

    def place(row: int | None, column: str) -> Span:
        line = header[0].span.line if row is None else rows[row]
        return _cells(source, line)[names.index(column)].span

    return Table(
        str(path),
        {names[i]: np.array(column) for i, column in zip(kept, values, strict=True)},
        labels if labelled is not None else None,
        np.array(rows, int),
        _units(source, names),
        place,
    )


def _checked_header(source: Source, spec: ModelSpec, header: Sequence[_Cell]) -> list[str]:
    names = [cell.text for cell in header]
    if all(_is_number(name) for name in names):
        raise refuse(
            f"{source.name} has no header: its first row holds numbers",
            header[0].span,
            help=columns_help(spec),
        )
    if len(header) == 1 and any(mark in names[0] for mark in ";\t"):
        raise refuse("cells must be separated by commas", header[0].span)
    for index, name in enumerate(names):
        if name in names[:index]:
            raise refuse(f"column `{name}` appears twice", header[index].span)

    def refused(message: str, column: str, help: str) -> LagcError:
        return refuse(message, header[names.index(column)].span, help)

    check_names(names, spec, refused)
    return names


def _units(source: Source, names: Sequence[str]) -> dict[str, str]:
    """Units stated in comments, by column: a vector (`r'`) has one for its components."""
    stated = {}
    for number in range(1, len(source.line_starts) + 1):
        line = source.line_text(number)
        if line.strip() and not line.lstrip().startswith("#"):
            break
        if found := _UNIT.fullmatch(line):
            stated[found[1].strip()] = found[2].strip()
    return {n: stated[k] for n in names if (k := re.sub(r"\[-?\d+\]", "", n)) in stated}


def _cells_of_lines(source: Source) -> Iterator[tuple[int, list[_Cell]]]:
    """Every line that holds data, by number."""
    for number in range(1, len(source.line_starts) + 1):
        line = source.line_text(number)
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, _cells(source, number)


def _cells(source: Source, number: int) -> list[_Cell]:
    """The cells of a line, with their places."""
    cells = []
    start = source.line_starts[number - 1]
    for piece in source.line_text(number).split(","):
        inner = piece.strip()
        left = start + (len(piece) - len(piece.lstrip()) if inner else 0)
        span = Span(source, left, left + max(1, len(inner)))
        cells.append(_Cell(_unquoted(inner), span))
        start += len(piece) + 1
    return cells


def _unquoted(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] == '"'
    return text[1:-1].strip() if quoted else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return not text
    return True


def _number(column: str, cell: _Cell) -> float:
    try:
        # Python reads 1_000 as a number; a recording that holds it is more likely damaged.
        return float(cell.text.replace("_", "?")) if cell.text else math.nan
    except ValueError:
        raise refuse(
            f"`{cell.text}` in column `{column}` is not a number",
            cell.span,
            "leave the cell empty, or write nan, where nothing was observed",
        ) from None


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
