"""Named arrays as a table: NetCDF, NumPy archives, Parquet, and arrays in Python.

A column is an array along the rows, under the name that it has in a CSV file. Positions,
velocities, momenta and accelerations of all components may also come as one array each, `q`, `v`,
`p` and `a`, with an axis of components behind the rows, as `lagc run --output x.nc` writes them; in
NetCDF with an axis `trajectory` before the rows where there are several recordings.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.learn.recording import KINDS, columns_help, refuse
from lagc.learn.table import TRAJECTORY, Table, channels_of, check_names
from lagc.runtime.spec import ModelSpec

_WHOLE = (*KINDS, "winding")  # arrays with an axis of components
# What the NetCDF library leaves where nothing was written, by kind and bytes (netcdf.h, NC_FILL_*).
# There is none for single bytes, all values of which are in use.
_UNWRITTEN = {
    "f4": 9.969209968386869e36,
    "f8": 9.969209968386869e36,
    "i2": -32767,
    "i4": -2147483647,
    "i8": -9223372036854775806,
    "u2": 65535,
    "u4": 4294967295,
    "u8": 18446744073709551614,
}


@dataclass(frozen=True, eq=False)
class _Variable:
    """An array with names of its axes, and its unit where it is stated."""

    axes: tuple[str, ...]
    values: np.ndarray
    unit: str = ""


def read_netcdf(path: Path, spec: ModelSpec) -> Table:
    """The table in a NetCDF file, of version 3 or 4; LAG001, LAG003, LAG613, LAG601."""
    magic = _magic(path)
    if not magic.startswith((b"\x89HDF", b"CDF")):
        raise _damaged(path, "NetCDF file")
    xarray = _extra("xarray", "netcdf")
    _extra("h5netcdf", "netcdf")
    try:
        engine = "h5netcdf" if magic.startswith(b"\x89HDF") else "scipy"
        with xarray.open_dataset(path, engine=engine, decode_times=False) as dataset:
            variables = {
                str(name): _Variable(
                    tuple(str(axis) for axis in array.dims),
                    _written(array),
                    str(array.attrs.get("units", "")),
                )
                for name, array in dataset.variables.items()
            }
    except Exception as error:  # what a damaged file raises is up to three packages
        raise _damaged(path, "NetCDF file", error) from None
    return _table(str(path), variables, spec)


def _written(array: Any) -> np.ndarray:
    """The values of a NetCDF variable, NaN where nothing was written and no `_FillValue` says so:
    that of the file is heeded by xarray already."""
    values, encoding = np.asarray(array.values), array.encoding
    stored = np.dtype(encoding.get("dtype") or values.dtype)
    fill = _UNWRITTEN.get(f"{stored.kind}{stored.itemsize}")
    if fill is None or "_FillValue" in encoding or values.dtype.kind not in "iuf":
        return values
    if "scale_factor" in encoding or "add_offset" in encoding:
        fill = fill * encoding.get("scale_factor", 1.0) + encoding.get("add_offset", 0.0)
        missing = np.isclose(values, fill, rtol=1e-6, atol=0.0)
    else:
        missing = values == stored.type(fill)
    return np.where(missing, np.nan, values) if missing.any() else values


def read_npz(path: Path, spec: ModelSpec) -> Table:
    """The table in a NumPy archive, such as `lagc run --output x.npz` writes; LAG001, LAG613,
    LAG601."""
    if not _magic(path).startswith(b"PK"):
        raise _damaged(path, "NumPy archive")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, "NumPy archive", error) from None
    labels = arrays.pop("labels", None)
    units = {k.removeprefix("unit "): str(v) for k, v in arrays.items() if k.startswith("unit ")}
    kept = {k: v for k, v in arrays.items() if not k.startswith(("attribute ", "unit "))}
    return _named(str(path), kept, spec, labels, units)


def read_parquet(path: Path, spec: ModelSpec) -> Table:
    """The table in a Parquet file; LAG001, LAG003, LAG613, LAG601."""
    if _magic(path)[:4] != b"PAR1":
        raise _damaged(path, "Parquet file")
    parquet = _extra("pyarrow.parquet", "parquet")
    try:
        table = parquet.read_table(path)
        names = list(table.column_names)
        columns = {n: _of_arrow(table.column(i)) for i, n in enumerate(names)}
    except Exception as error:  # pyarrow has exceptions of its own, beside OSError and ValueError
        raise _damaged(path, "Parquet file", error) from None
    for index, name in enumerate(names):
        if name in names[:index]:
            raise refuse(f"{path}: column `{name}` appears twice")
    # The index that pandas adds has no meaning here.
    columns = {k: v for k, v in columns.items() if not k.startswith("__index_level_")}
    return _named(str(path), columns, spec)


def table_of_arrays(columns: Mapping[str, Any], spec: ModelSpec, name: str) -> Table:
    """The table of arrays in Python, by column; LAG601 for what is none."""
    return _named(name, {str(k): np.asarray(v) for k, v in columns.items()}, spec)


def _of_arrow(column: Any) -> np.ndarray:
    """A column with nulls as NaN; text stays text."""
    kind = str(column.type)
    if kind.startswith("decimal"):
        column = column.cast("double")
    if kind.startswith("dictionary"):
        column = column.cast(column.type.value_type)
    numeric = kind.startswith(("int", "uint", "float", "halffloat", "double", "decimal"))
    if numeric:
        column = column.cast("double")
    return np.asarray(column.to_numpy())


def _named(
    name: str,
    arrays: Mapping[str, np.ndarray],
    spec: ModelSpec,
    labels: np.ndarray | None = None,
    units: Mapping[str, str] | None = None,
) -> Table:
    """Arrays whose axes have no names: the first is that of the rows."""
    variables = {}
    for key, values in arrays.items():
        axes = ("t", "component")[: values.ndim] if values.ndim <= 2 else ()
        if not axes and values.ndim:
            raise refuse(f"{name}: `{key}` has {values.ndim} axes; rows and components are two")
        variables[key] = _Variable(axes, values)
    if labels is not None:
        variables["component"] = _Variable(("component",), np.asarray(labels))
    table = _table(name, variables, spec)
    return Table(table.name, table.columns, table.labels, table.rows, dict(units or {}))


def _table(name: str, variables: Mapping[str, _Variable], spec: ModelSpec) -> Table:
    """Arrays with names of their axes, put side by side; what has no axis of rows is not data."""
    time = variables.get("t")
    if time is None:
        raise refuse(f"{name}: there is no column `t`", help=columns_help(spec))
    if not time.axes or time.axes[:-1] not in ((), (TRAJECTORY,)):
        listed = ", ".join(time.axes) or "none"
        raise refuse(f"{name}: `t` has the axes {listed}; rows, and `{TRAJECTORY}` before them")
    along = time.axes[-1]
    runs = _size(variables, TRAJECTORY) if along != TRAJECTORY else None
    shape = (runs or 1, time.values.shape[-1])
    columns: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    labels: list[str] | None = None
    for key, variable in variables.items():
        if along not in variable.axes:
            continue
        rest = [axis for axis in variable.axes if axis not in (along, TRAJECTORY)]
        if len(rest) > 1 or (rest and key not in _WHOLE):
            raise refuse(
                f"{name}: `{key}` has the axes {', '.join(variable.axes)}, which is no column",
                help=f"arrays with an axis of components are {', '.join(KINDS)}",
            )
        if re.search(r"\bsince\b", variable.unit):
            raise refuse(
                f"{name}: column `{key}` does not hold numbers, but dates ({variable.unit})",
                help="store the time as a number in the unit of the model, counted from a row",
            )
        values = _spread(name, key, variable, (TRAJECTORY, along, *rest), shape)
        if key == TRAJECTORY:
            empty = [i for i, x in enumerate(values, 1) if x is None or x != x]
            if empty:
                message = f"{name}: row {empty[0]} of `{TRAJECTORY}` is empty"
                raise refuse(message, help="each row belongs to a recording")
            labels = [str(x) for x in values]
        elif rest:
            parts = _components(name, key, values, variables.get(rest[0]), spec)
            columns |= parts
            units |= dict.fromkeys(parts, variable.unit)
        else:
            columns[key] = _numbers(name, key, values)
            units[key] = variable.unit
    check_names(
        list(columns), spec, lambda message, _, help: refuse(f"{name}: {message}", None, help)
    )
    rows = np.tile(np.arange(1, shape[1] + 1), shape[0])
    if runs is not None:
        titles = variables.get(TRAJECTORY)
        named = titles.values if titles is not None else np.arange(1, runs + 1)
        labels = [str(x) for x in np.repeat(named, shape[1])]
    return _without_padding(
        Table(name, columns, labels, rows, units), spec, padded=runs is not None
    )


def _without_padding(table: Table, spec: ModelSpec, *, padded: bool) -> Table:
    """Without the rows that fill a shorter recording up to the length of the longest."""
    if not padded:
        return table
    kept = np.isfinite(table.columns["t"])
    for label in (x for kind in channels_of(spec) for x in kind if x in table.columns):
        kept |= ~np.isnan(table.columns[label])
    columns = {name: values[kept] for name, values in table.columns.items()}
    labels = (
        None if table.labels is None else [x for x, k in zip(table.labels, kept, strict=True) if k]
    )
    return Table(table.name, columns, labels, table.rows[kept], table.units)


def _spread(
    name: str, key: str, variable: _Variable, axes: Sequence[str], shape: tuple[int, int]
) -> np.ndarray:
    """The values with the axes in the order given, the first two put together."""
    present = [axis for axis in axes if axis in variable.axes]
    values = np.transpose(variable.values, [variable.axes.index(axis) for axis in present])
    if TRAJECTORY not in present:
        values = np.broadcast_to(values, (shape[0], *values.shape))
    if values.shape[:2] != shape:
        raise refuse(
            f"{name}: `{key}` has {values.shape[1]} rows, and `t` has {shape[1]}",
        )
    return values.reshape(-1, *values.shape[2:])


def _components(
    name: str, key: str, values: np.ndarray, labels: _Variable | None, spec: ModelSpec
) -> dict[str, np.ndarray]:
    """An array of all components, column by column; `labels` name them by coordinate."""
    kinds = dict(zip(KINDS, channels_of(spec), strict=True))
    kinds["winding"] = tuple(f"winding[{label}]" for label in spec.labels)
    wanted = kinds[key]
    order: Iterable[int] = range(spec.dof)
    if labels is not None and labels.values.dtype.kind in "UOS":
        known = [x.decode() if isinstance(x, bytes) else str(x) for x in labels.values]
        foreign = [x for x in known if x not in spec.labels]
        if foreign:
            raise refuse(f"{name}: `{foreign[0]}` is not a coordinate of `{spec.name}`")
        order = [spec.labels.index(x) for x in known]
    if len(list(order)) != values.shape[1]:
        raise refuse(f"{name}: `{key}` has {values.shape[1]} components; {spec.dof} are needed")
    return {wanted[d]: _numbers(name, key, values[:, k]) for k, d in enumerate(order)}


def _numbers(name: str, key: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "iuf":
        return np.asarray(values, float)
    if values.dtype.kind == "O" and all(x is None or isinstance(x, int | float) for x in values):
        return np.array([np.nan if x is None else float(x) for x in values])
    raise refuse(f"{name}: column `{key}` does not hold numbers, but {_held(values)}")


def _held(values: np.ndarray) -> str:
    kinds = {"U": "text", "S": "text", "T": "text", "b": "true and false", "M": "dates"}
    if values.dtype.kind != "O":
        return kinds.get(values.dtype.kind, f"values of type {values.dtype}")
    row, other = next(
        (row, x) for row, x in enumerate(values, 1) if not isinstance(x, int | float | None)
    )
    return f"`{str(other)[:40]}` in row {row}"


def _size(variables: Mapping[str, _Variable], axis: str) -> int | None:
    for variable in variables.values():
        if axis in variable.axes:
            return int(variable.values.shape[variable.axes.index(axis)])
    return None


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(8)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise fail(Code.LAG001, f"{path} cannot be read: {reason}") from None


def _damaged(path: Path, kind: str, error: Exception | None = None) -> LagcError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0] if error else ""
    said = f": {reason[:200]}" if reason else ""
    return fail(
        Code.LAG613,
        f"{path} is not a {kind} that can be read{said}",
        help="the ending says what a file is: .nc, .parquet, .npz, and .csv for text",
    )


def _extra(module: str, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise fail(
            Code.LAG003,
            f"this file needs {module.partition('.')[0]}",
            help=f"pip install 'lagc[{extra}]', or save it as CSV",
        ) from None
