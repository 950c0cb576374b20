"""Columns of numbers, wherever they come from, and the recordings that they are.

A table has a column `t`, coordinates (`q`, `r[0]`), velocities (`q'`, `r'[0]`), momenta (`p[q]`),
accelerations (`q''`, `r''[0]`), inputs by name, known standard deviations (`sigma[q]`, `sigma[q']`)
and optionally `trajectory`, a label that keeps several recordings apart; NaN is a value that was
not observed. What else `lagc run` writes (energy, windings of angles, declared observables) is
accepted and not used. Model units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.base.spans import Span
from lagc.learn.recording import KINDS, Recording, check_recording, columns_help, refuse
from lagc.runtime.spec import ModelSpec

TRAJECTORY = "trajectory"

Place = Callable[[int | None, str], Span | None]  # of a row (None: the header) and a column


@dataclass(frozen=True, eq=False)
class Table:
    """columns: name to (m,), NaN where nothing stands; labels: of the recording of each row, or
    None; rows: (m,), what the rows are called; units: by column, those that are stated; place: of a
    cell in a text, by index of the row, or None where a sentence has to say it."""

    name: str
    columns: Mapping[str, np.ndarray]
    labels: Sequence[str] | None
    rows: np.ndarray
    units: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None

    def refuse(self, message: str, row: int | None, column: str, help: str = "") -> LagcError:
        """LAG601 at a cell: by its place in the text, or in words."""
        if self.place is not None:
            return refuse(message, self.place(row, column), help)
        where = "" if row is None else f"row {self.rows[row]}, column `{column}`: "
        return refuse(f"{self.name}: {where}{message}", None, help)


def channels_of(spec: ModelSpec) -> tuple[tuple[str, ...], ...]:
    """The columns of positions, velocities, momenta and accelerations."""
    return spec.labels, spec.velocity_labels, spec.momentum_labels, spec.acceleration_labels


def unused_columns(spec: ModelSpec) -> frozenset[str]:
    """What `lagc run` writes beside them."""
    windings = (f"winding[{label}]" for label in spec.labels)
    titled = (f"observable {name}" for name in spec.observables)
    return frozenset({"energy", *windings, *spec.observables, *titled}) - set(spec.inputs)


def sigma_column(label: str) -> str:
    """The column with the standard deviation of another."""
    return f"sigma[{label}]"


def check_names(
    names: Sequence[str], spec: ModelSpec, refused: Callable[[str, str, str], LagcError]
) -> None:
    """Raise for a header that a recording of the model cannot have; refused: what to raise, from a
    message, the column that it is about (the first where it is about all) and help."""
    channels = [label for kind in channels_of(spec) for label in kind]
    deviations = [sigma_column(label) for label in channels]
    known = ("t", *channels, *spec.inputs, TRAJECTORY, *unused_columns(spec), *deviations)
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or columns_help(spec)
            raise refused(f"`{name}` is not a column of `{spec.name}`", name, hint)
    first = names[0] if names else ""
    if "t" not in names:
        raise refused("there is no column `t`", first, columns_help(spec))
    if not set(channels) & set(names):
        raise refused("no column of the system", first, columns_help(spec))
    for name in spec.inputs:
        if name not in names:
            hint = f"add a column `{name}` with its value at every time"
            raise refused(f"there is no column for the input `{name}`", first, hint)
    for label, deviation in zip(channels, deviations, strict=True):
        if deviation in names and label not in names:
            raise refused(f"`{deviation}` stands without `{label}`", deviation, "")


def recordings_of(table: Table, spec: ModelSpec) -> tuple[Recording, ...]:
    """The recordings in a table whose names were checked, in order of appearance; LAG601 or LAG615
    where its numbers cannot be used, LAG614 where its units are not those of the model."""
    _check_units(table, spec)
    used = {n: c for n, c in table.columns.items() if n not in unused_columns(spec)}
    for name, values in used.items():
        _check_values(table, name, values, required=name == "t" or name in spec.inputs)
    groups: dict[str, list[int]] = {}
    for index in range(len(table.rows)):
        groups.setdefault(table.labels[index] if table.labels is not None else "", []).append(index)
    if not groups:
        raise refuse(f"{table.name} has a header and no rows", help="at least two rows are needed")
    recordings = []
    for label, indices in groups.items():
        _check_order(table, indices)
        name = f"{table.name} ({label})" if label else table.name
        recording = _recording(used, spec, name, np.array(indices), table.rows)
        check_recording(recording, spec)
        recordings.append(recording)
    return tuple(recordings)


def _check_units(table: Table, spec: ModelSpec) -> None:
    for column, unit in table.units.items():
        wanted = spec.unit_of(column) or spec.units.get(f"input {column}", "")
        if column in table.columns and wanted and unit and unit != wanted:
            raise fail(
                Code.LAG614,
                f"{table.name}: column `{column}` is in {unit}, and `{spec.name}` has it in "
                f"{wanted}",
                help=f"convert the numbers and state the unit as {wanted}; nothing is converted by "
                "itself",
            )


def _check_values(table: Table, name: str, values: np.ndarray, *, required: bool) -> None:
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        message = f"the value in column `{name}` is infinite"
        raise table.refuse(message, int(infinite[0]), name)
    missing = np.flatnonzero(np.isnan(values))
    if required and missing.size:
        message = f"column `{name}` needs a value in every row"
        raise table.refuse(message, int(missing[0]), name)
    if name.startswith("sigma["):
        wrong = np.flatnonzero(values <= 0)
        if wrong.size:
            message = f"a standard deviation is positive, not {values[wrong[0]]:g}"
            raise table.refuse(message, int(wrong[0]), name)


def _check_order(table: Table, indices: list[int]) -> None:
    times = table.columns["t"][indices]
    wrong = np.flatnonzero(np.diff(times) <= 0)
    if not wrong.size:
        return
    before, t = times[wrong[0]], times[wrong[0] + 1]
    row = indices[wrong[0] + 1]
    if t == before:
        hint = f"several runs in one file are told apart by a column `{TRAJECTORY}`"
        raise table.refuse(f"the time {t:g} appears twice", row, "t", hint)
    hint = f"sort the rows by `t`, or tell several runs apart by a column `{TRAJECTORY}`"
    raise table.refuse(f"the times go back from {before:g} to {t:g}", row, "t", hint)


def _recording(
    columns: Mapping[str, np.ndarray],
    spec: ModelSpec,
    name: str,
    indices: np.ndarray,
    rows: np.ndarray,
) -> Recording:
    nothing = np.full(len(indices), np.nan)

    def channel(labels: Sequence[str]) -> np.ndarray | None:
        if not set(labels) & set(columns):
            return None
        found = [columns[label][indices] if label in columns else nothing for label in labels]
        return np.stack(found, axis=1)

    channels = dict(zip(KINDS, map(channel, channels_of(spec)), strict=True))
    deviations = [channel([sigma_column(x) for x in labels]) for labels in channels_of(spec)]
    sigma = None
    if any(x is not None for x in deviations):
        unknown = np.full((len(indices), spec.dof), np.nan)
        sigma = np.stack([unknown if x is None else x for x in deviations], axis=1)
    inputs = {signal: columns[signal][indices] for signal in spec.inputs}
    return Recording(
        name, columns["t"][indices], inputs=inputs, sigma=sigma, rows=rows[indices], **channels
    )
