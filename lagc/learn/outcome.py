"""Data and predictions of a finished fit side by side, and what stands out between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lagc.learn.fit_result import Curve, Line, Outlier
from lagc.learn.least_squares import Setting
from lagc.learn.recording import Recording
from lagc.learn.residuals import Residuals
from lagc.learn.sensitivity import step_grid
from lagc.learn.starting import Channels
from lagc.learn.table import channels_of
from lagc.runtime.spec import ModelSpec

_POINTS = 1000  # of a line, where the rows are few
_LEAST_PARTS, _MOST_PARTS = 4, 100
_MOST_POINTS = 2_000_000  # of all lines together


def curves(
    setting: Setting, x: np.ndarray, residuals: Residuals, recordings: Sequence[Recording]
) -> tuple[Curve, ...]:
    """One for each recording, up to the horizon; columns of what was observed anywhere."""
    spec = setting.system.spec
    predicted = setting.predictor().values(*setting.split(x))[:, : setting.horizon]
    shape = predicted.shape[2:]
    names = [label for kind in channels_of(spec)[: shape[0]] for label in kind]
    shown = np.flatnonzero(setting.seen.any(axis=(0, 1)))
    result = []
    for index, recording in enumerate(recordings):
        rows = min(len(recording.times), setting.horizon)
        values = predicted[index, :rows].copy()
        for d, period in enumerate(spec.moduli):
            if period is not None:
                values[:, 0, d] = np.unwrap(values[:, 0, d], period=period)
        observed = values - residuals.values[index, :rows]
        arrays = (observed, values, residuals.deviations[index, :rows])
        seen, said, noise = (array.reshape(rows, -1)[:, shown] for array in arrays)
        columns = tuple(names[i] for i in shown)
        result.append(Curve(recording.name, recording.times[:rows], columns, seen, said, noise))
    return tuple(result)


def with_lines(setting: Setting, x: np.ndarray, drawn: Sequence[Curve]) -> tuple[Curve, ...]:
    """The curves with what the model does between the rows, for a picture.

    Angles that turn by more than half of their period from row to row are followed anew. Of very
    many rows the rows are enough.
    """
    recordings, rows = len(setting.observations.times), setting.horizon
    parts = max(_LEAST_PARTS, min(_POINTS // max(rows - 1, 1), _MOST_PARTS))
    if rows < 2 or recordings * rows * parts > _MOST_POINTS:
        return tuple(drawn)
    spec = setting.system.spec
    values = setting.predictor().between(*setting.split(x), parts)
    periods: np.ndarray = np.full(values.shape[2:], np.inf)
    periods[0] = [np.inf if period is None else period for period in spec.moduli]
    periods = periods.reshape(-1)
    shown = np.flatnonzero(setting.seen.any(axis=(0, 1)))
    result = []
    for index, curve in enumerate(drawn):
        own = values[index, : (len(curve.times) - 1) * parts + 1].copy()
        for d, period in enumerate(spec.moduli):
            if period is not None:
                own[:, 0, d] = np.unwrap(own[:, 0, d], period=period)
        columns = own.reshape(len(own), -1)[:, shown]
        turns = np.nan_to_num(np.round((columns[::parts] - curve.predicted) / periods[shown]))
        moved = turns * np.where(turns == 0, 0.0, periods[shown])
        observed, predicted = curve.observed + moved, curve.predicted + moved
        line = Line(step_grid(np.asarray(curve.times, float), parts), columns)
        result.append(replace(curve, observed=observed, predicted=predicted, line=line))
    return tuple(result)


def levels(setting: Setting, channels: Channels) -> dict[str, float]:
    """The noise by channel, the root mean square of all its observations."""
    deviations, result = setting.deviations, {}
    for name, mask in channels.groups.items():
        own = deviations[:, :, mask][setting.seen[:, :, mask]]
        # Of equal ones the very value, to the last bit.
        equal = own.size == 0 or np.ptp(own) == 0
        result[name] = float(setting.sigma[mask][0] if equal else np.sqrt(np.mean(own**2)))
    return result


def outliers(
    residuals: Residuals, shown: Sequence[Curve], recordings: Sequence[Recording], spec: ModelSpec
) -> tuple[Outlier, ...]:
    """The observations that stand out, row by row."""
    sizes = residuals.standardised()
    labels = channels_of(spec)
    result = []
    for index, row, kind, d in residuals.outliers():
        curve = shown[index]
        column = labels[kind][d]
        place = curve.columns.index(column)
        result.append(
            Outlier(
                curve.recording,
                int(recordings[index].row_numbers[row]),
                float(curve.times[row]),
                column,
                float(curve.observed[row, place]),
                float(curve.predicted[row, place]),
                float(-sizes[index, row, kind, d]),
            )
        )
    return tuple(result)
