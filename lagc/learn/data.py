"""Recordings from files of every kind, and from arrays in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.array_table import read_netcdf, read_npz, read_parquet, table_of_arrays
from lagc.learn.csv_table import read_csv
from lagc.learn.recording import Recording as Recording
from lagc.learn.recording import check_recording as check_recording
from lagc.learn.table import recordings_of
from lagc.runtime.spec import ModelSpec

_READERS = {
    ".nc": read_netcdf,
    ".nc4": read_netcdf,
    ".npz": read_npz,
    ".parquet": read_parquet,
}
_MAGIC = {b"\x89HDF": "NetCDF", b"CDF": "NetCDF", b"PAR1": "Parquet", b"PK\x03\x04": "npz"}


def read_recordings(path: str | Path, spec: ModelSpec) -> tuple[Recording, ...]:
    """All recordings in a file, in order of appearance: NetCDF (`.nc`), Parquet (`.parquet`), a
    NumPy archive (`.npz`), or text separated by commas whatever else it is called.

    Raises LAG001 for a file that cannot be read, LAG003 where a package is missing, LAG601 for data
    that cannot be used, LAG613 for a damaged file, LAG614 for units of another size and LAG615 for
    standard deviations that are none.
    """
    place = Path(path)
    reader = _READERS.get(place.suffix.lower())
    if reader is None:
        _require_text(place)
        reader = read_csv
    return recordings_of(reader(place, spec), spec)


def recordings_of_arrays(
    columns: Mapping[str, Any], spec: ModelSpec, name: str = "data"
) -> tuple[Recording, ...]:
    """All recordings in arrays by the names that columns of a file have (a dictionary, a data
    frame): each (m,), or `q`, `v`, `p` and `a` of all components, (m, dof). Errors as for a file.
    """
    return recordings_of(table_of_arrays(columns, spec, name), spec)


def _require_text(path: Path) -> None:
    """Refuses a file that is of another kind by its first bytes."""
    try:
        with path.open("rb") as stream:
            first = stream.read(4)
    except (OSError, ValueError):
        return  # said by the reader
    for magic, kind in _MAGIC.items():
        if first.startswith(magic):
            ending = {"NetCDF": ".nc", "Parquet": ".parquet", "npz": ".npz"}[kind]
            raise fail(
                Code.LAG613,
                f"{path} is no text, but a {kind} file by its first bytes",
                help=f"give it the ending {ending}",
            )
