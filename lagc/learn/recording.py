"""One recording of a system: what was observed, when, and how well it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.base.spans import Span
from lagc.runtime.spec import ModelSpec

KINDS = ("q", "v", "p", "a")
PATTERNS = ("{}", "{}'", "p[{}]", "{}''")  # how a channel of each kind is named
_LARGEST = 1e100  # its square, and that of its inverse, are far from the ends of double precision


@dataclass(frozen=True, eq=False)
class Recording:
    """Observations of one run, in model units.

    times: (m,), increasing; q, v, p and the accelerations a: (m, dof) with NaN where not observed,
    or None; inputs: name to (m,); sigma: (m, 4, dof), the standard deviation of every value of q,
    v, p and a where it is known, else NaN; rows: (m,), the numbers by which reports name the rows,
    1, 2, ... if None. Angles need not be wrapped: they are compared modulo their period.
    """

    name: str
    times: np.ndarray
    q: np.ndarray | None = None
    v: np.ndarray | None = None
    p: np.ndarray | None = None
    inputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    a: np.ndarray | None = None
    sigma: np.ndarray | None = None
    rows: np.ndarray | None = None

    @property
    def channels(self) -> tuple[np.ndarray | None, ...]:
        """Positions, velocities, momenta, accelerations."""
        return self.q, self.v, self.p, self.a

    @property
    def observations(self) -> int:
        """How many numbers were observed, times and inputs not counted."""
        return sum(int(np.isfinite(c).sum()) for c in self.channels if c is not None)

    @property
    def row_numbers(self) -> np.ndarray:
        """What the rows are called: (m,), the lines of a text file."""
        return np.arange(1, len(self.times) + 1) if self.rows is None else self.rows


def check_recording(recording: Recording, spec: ModelSpec) -> None:
    """Raise LAG601 unless the arrays of a recording fit each other and the model, LAG615 for
    standard deviations that are none."""
    times, name = np.asarray(recording.times), recording.name
    if times.ndim != 1 or times.shape[0] < 2:
        raise refuse(f"{name}: at least two rows are needed, there are {times.size}")
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise refuse(f"{name}: the times must be finite and increase from row to row")
    wanted = (times.shape[0], spec.dof)
    for array, kind in zip(recording.channels, KINDS, strict=True):
        if array is not None and np.shape(array) != wanted:
            raise refuse(f"{name}: {kind} has the shape {np.shape(array)}; {wanted} is needed")
        if array is not None and np.isinf(array).any():
            raise refuse(f"{name}: {kind} holds infinite values")
    if recording.observations == 0:
        raise refuse(f"{name}: there is no observed value", help=columns_help(spec))
    _check_sizes(recording, spec)
    for signal in spec.inputs:
        values = recording.inputs.get(signal)
        if values is None:
            raise refuse(f"{name}: input `{signal}` of `{spec.name}` is missing")
        if np.shape(values) != times.shape or not np.isfinite(values).all():
            raise refuse(f"{name}: input `{signal}` needs one finite value a row")
    if recording.sigma is not None:
        _check_sigma(recording, (times.shape[0], len(KINDS), spec.dof))


def _check_sizes(recording: Recording, spec: ModelSpec) -> None:
    """Refuse numbers whose squares, of which everything is made, cannot be represented."""
    groups = (spec.labels, spec.velocity_labels, spec.momentum_labels, spec.acceleration_labels)
    columns = {"t": np.asarray(recording.times, float)}
    for labels, array in zip(groups, recording.channels, strict=True):
        if array is not None:
            columns |= dict(zip(labels, np.asarray(array, float).T, strict=True))
    for label, values in columns.items():
        sizes = np.where(np.isnan(values), 0.0, np.abs(values))
        largest = int(np.argmax(sizes))
        size = float(sizes[largest])
        if size == 0 or 1 / _LARGEST <= size <= _LARGEST:
            continue
        row = recording.row_numbers[largest]
        raise refuse(
            f"{recording.name}: row {row}, column `{label}`: {values[largest]:g}, the largest of "
            f"the column, is {'beyond' if size > 1 else 'nearer to zero than'} "
            f"{_LARGEST if size > 1 else 1 / _LARGEST:g}",
            help="use units in which numbers have other sizes; a value that was not observed is an "
            "empty cell",
        )


def _check_sigma(recording: Recording, wanted: tuple[int, ...]) -> None:
    sigma = np.asarray(recording.sigma)
    said = ""
    if sigma.shape != wanted:
        said = f"sigma has the shape {sigma.shape}; {wanted} is needed"
    elif not (np.isnan(sigma) | ((sigma >= 1 / _LARGEST) & (sigma <= _LARGEST))).all():
        said = f"standard deviations must lie between {1 / _LARGEST:g} and {_LARGEST:g}"
    if said:
        raise fail(Code.LAG615, f"{recording.name}: {said}")


def with_sigma(
    recordings: Sequence[Recording], levels: Mapping[str, float], spec: ModelSpec
) -> list[Recording]:
    """The recordings with known standard deviations of whole channels (`q`, `r'`, `p[q]`) or of
    components (`r'[0]`); LAG615 for a name that is no observed channel, a value that is no standard
    deviation, and a channel whose file states its noise already."""
    known = channel_names(spec)
    result = list(recordings)
    for name, level in levels.items():
        if name not in known:
            listed = ", ".join(list(known)[:12])
            hint = did_you_mean(name, known) or f"channels of `{spec.name}`: {listed}"
            raise fail(Code.LAG615, f"`{name}` is not a channel of `{spec.name}`", help=hint)
        if not 1 / _LARGEST <= level <= _LARGEST:
            raise fail(
                Code.LAG615,
                f"the noise of `{name}` must be positive, between {1 / _LARGEST:g} and "
                f"{_LARGEST:g}, not {level:g}",
            )
        kind, components = known[name]
        seen = False
        for index, recording in enumerate(result):
            channel = recording.channels[kind]
            if channel is None or not np.isfinite(channel[:, components]).any():
                continue
            seen = True
            shape = (len(recording.times), len(KINDS), spec.dof)
            sigma = np.full(shape, np.nan) if recording.sigma is None else recording.sigma.copy()
            if np.isfinite(sigma[:, kind, components]).any():
                raise fail(Code.LAG615, f"{recording.name}: the noise of `{name}` is given twice")
            sigma[:, kind, components] = level
            result[index] = replace(recording, sigma=sigma)
        if not seen:
            raise fail(Code.LAG615, f"`{name}` was not observed, so its noise says nothing")
    return result


def channel_names(spec: ModelSpec) -> dict[str, tuple[int, list[int]]]:
    """Kind and components by the names of whole channels (`r'`) and of components (`r'[0]`)."""
    names: dict[str, tuple[int, list[int]]] = {}
    labels = (spec.labels, spec.velocity_labels, spec.momentum_labels, spec.acceleration_labels)
    for kind, pattern in enumerate(PATTERNS):
        first = 0
        for coordinate in spec.coordinates:
            components = list(range(first, first + coordinate.dof))
            names[pattern.format(coordinate.name)] = (kind, components)
            first += coordinate.dof
        names |= {label: (kind, [d]) for d, label in enumerate(labels[kind]) if label not in names}
    return names


def columns_help(spec: ModelSpec) -> str:
    """Which columns a file may have."""
    shown = (*spec.labels, *spec.velocity_labels, *spec.momentum_labels, *spec.acceleration_labels)
    listed = ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")
    inputs = f" and the inputs {', '.join(spec.inputs)}" if spec.inputs else ""
    return f"columns are named: t, any of {listed}{inputs}"


def refuse(message: str, span: Span | None = None, help: str = "") -> LagcError:
    """LAG601, to be raised."""
    return fail(Code.LAG601, message, span, help=help)
