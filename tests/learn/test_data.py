"""Reading recordings: what is read exactly, and what is said about every kind of bad file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import xarray as xr

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.cli.main import run
from lagc.learn.data import (
    Recording,
    check_recording,
    read_recordings,
    recordings_of_arrays,
)
from tests.conftest import EXAMPLES


@pytest.fixture
def write(tmp_path: Path):
    """Write a data file, text or bytes."""

    def save(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return save


def test_columns_in_any_order_comments_blanks_and_missing_cells(dho, write):
    text = "# a comment\n\np[q], t ,q\n1.5,0,-2\n  # another\n,0.25,nan\n3e-1,1,4\n\n"
    (recording,) = read_recordings(write(text), dho.spec)
    np.testing.assert_array_equal(recording.times, [0, 0.25, 1])
    np.testing.assert_array_equal(recording.q, [[-2], [np.nan], [4]])
    np.testing.assert_array_equal(recording.p, [[1.5], [np.nan], [0.3]])
    assert recording.v is None
    assert recording.observations == 4


def test_byte_order_mark_quotes_and_windows_line_ends(dho, write):
    (recording,) = read_recordings(write(b'\xef\xbb\xbf"t","q\'"\r\n0,1\r\n1,2\r\n'), dho.spec)
    np.testing.assert_array_equal(recording.v, [[1], [2]])


def test_trajectory_column_separates_recordings(dho, write):
    text = "trajectory,t,q\nb,0,1\na,5,10\nb,1,2\na,6,20\na,7,30\n"
    first, second = read_recordings(write(text), dho.spec)
    np.testing.assert_array_equal(first.q[:, 0], [1, 2])
    np.testing.assert_array_equal(second.times, [5, 6, 7])
    assert first.name.endswith("(b)") and second.name.endswith("(a)")


def test_vector_coordinates_fill_unobserved_components_with_nan(write):
    system = lagc.loads("model m\ncoordinate r[2]\nL = dot(r', r')")
    (recording,) = read_recordings(write("t,r[1],p[r[0]]\n0,1,2\n1,3,4\n"), system.spec)
    np.testing.assert_array_equal(recording.q, [[np.nan, 1], [np.nan, 3]])
    np.testing.assert_array_equal(recording.p, [[2, np.nan], [4, np.nan]])


def test_inputs_are_read(driven, write):
    (recording,) = read_recordings(write("t,x,u\n0,1,5\n1,2,6\n"), driven.spec)
    np.testing.assert_array_equal(recording.inputs["u"], [5, 6])


def test_what_a_run_writes_is_accepted(pendulum, write):
    text = "t,theta,theta',p[theta],winding[theta],energy\n0,1,2,3,0,9\n1,1,2,3,1,9\n"
    (recording,) = read_recordings(write(text), pendulum.spec)
    assert recording.observations == 6


# content, words of the message, line and column of the caret (None: no place in the text)
BAD = [
    ("", "is empty", None),
    ("# only a comment\n\n", "is empty", None),
    ("t,q\n", "no rows", None),
    ("t,q\n0,1\n", "at least two rows", None),
    ("0,1\n1,2\n", "has no header", (1, 1)),
    ("t,q,qq\n0,1,2\n", "`qq` is not a column", (1, 5)),
    ("t,q,q\n0,1,2\n", "appears twice", (1, 5)),
    ("time,q\n0,1\n", "`time` is not a column", (1, 1)),
    ("q,q'\n0,1\n", "no column `t`", (1, 1)),
    ("t,energy\n0,1\n1,1\n", "no column of the system", (1, 1)),
    ("t;q\n0;1\n", "separated by commas", (1, 1)),
    ("t,q\n0,1\n1, x2\n", "`x2` in column `q` is not a number", (3, 4)),
    ("t,q\n0,1\n1,1_000\n", "is not a number", (3, 3)),
    ("t,q\n0,1\n1,inf\n", "infinite", (3, 3)),
    ("t,q\n0,1\n1,2,3\n", "row has 3 cells; the header has 2", (3, 5)),
    ("t,q\n0,1\n1\n", "row has 1 cells", (3, 1)),
    ("t,q\n0,1\n,2\n", "column `t` needs a value", (3, 1)),
    ("t,q\n0,1\n2,2\n1,3\n", "go back from 2 to 1", (4, 1)),
    ("t,q\n0,1\n0,2\n", "appears twice", (3, 1)),
    ("t,q\n0,\n1,nan\n", "no observed value", None),
    ("trajectory,t,q\na,0,1\n,1,2\n", "`trajectory` is empty", (3, 1)),
    (b"t,q\n0,1\xff\n", "not UTF-8", None),
]


@pytest.mark.parametrize(("content", "words", "place"), BAD)
def test_bad_files_are_refused_with_their_place(dho, write, content, words, place):
    path = write(content)
    with pytest.raises(LagcError) as caught:
        read_recordings(path, dho.spec)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code is (Code.LAG001 if "UTF-8" in words else Code.LAG601)
    assert words in diagnostic.message
    if place is None:
        assert diagnostic.span is None and str(path) in diagnostic.message
    else:
        assert (diagnostic.span.line, diagnostic.span.column) == place
        assert diagnostic.span.source.name == str(path)


def test_misspelt_column_gets_a_suggestion(dho, write):
    with pytest.raises(LagcError) as caught:
        read_recordings(write("t,q,p[Q]\n0,1,2\n1,1,1\n"), dho.spec)
    assert "did you mean `p[q]`?" in caught.value.diagnostics[0].help


@pytest.mark.parametrize("name", ["absent.csv", ".", "nul\0.csv"])
def test_files_that_cannot_be_read(dho, tmp_path, name):
    with pytest.raises(LagcError) as caught:
        read_recordings(f"{tmp_path}/{name}", dho.spec)
    assert caught.value.diagnostics[0].code is Code.LAG001


def test_missing_input_column_and_cell(driven, write):
    for text, words in (
        ("t,x\n0,1\n1,2\n", "no column for the input `u`"),
        ("t,x,u\n0,1,1\n1,2,\n", "column `u` needs a value in every row"),
    ):
        with pytest.raises(LagcError, match=words):
            read_recordings(write(text), driven.spec)


@pytest.mark.parametrize(
    "recording",
    [
        Recording("x", np.array([0.0, 1.0]), q=np.zeros((3, 1))),
        Recording("x", np.array([0.0, 0.0]), q=np.zeros((2, 1))),
        Recording("x", np.array([0.0, 1.0]), q=np.array([[0.0], [np.inf]])),
        Recording("x", np.array([0.0, 1.0])),
        Recording("x", np.array([0.0]), q=np.zeros((1, 1))),
        Recording("x", np.array([0.0, 1.0]), q=np.array([[1.0], [-1e101]])),
        Recording("x", np.array([0.0, 1.0]), q=np.ones((2, 1)), p=np.array([[0.0], [1e-101]])),
        Recording("x", np.array([0.0, 1e200]), q=np.ones((2, 1))),
    ],
)
def test_recordings_made_in_python_are_checked_too(dho, recording):
    with pytest.raises(LagcError) as caught:
        check_recording(recording, dho.spec)
    assert caught.value.diagnostics[0].code is Code.LAG601


SPRING = """
model spring
coordinate r[2]
coordinate s
coefficient k > 0 = 1
input u
L = 1/2*dot(r', r') - 1/2*k*dot(r, r) + 1/2*s'^2
force s = u
"""


@pytest.fixture(scope="module")
def spring() -> lagc.System:
    """A vector, another coordinate, an input."""
    return lagc.loads(SPRING)


COLUMNS = ("t", "r[0]", "r'[1]", "p[s]", "s''", "u", "sigma[r[0]]")


def columns_of_spring() -> dict[str, np.ndarray]:
    values = {name: np.linspace(1, 2, 5) + k for k, name in enumerate(COLUMNS)}
    values["s''"][2] = np.nan
    return values


def require_spring(recording: Recording) -> None:
    expected = columns_of_spring()
    np.testing.assert_array_equal(recording.times, expected["t"])
    np.testing.assert_array_equal(recording.q[:, 0], expected["r[0]"])
    assert np.isnan(recording.q[:, 1:]).all() and np.isnan(recording.v[:, [0, 2]]).all()
    np.testing.assert_array_equal(recording.v[:, 1], expected["r'[1]"])
    np.testing.assert_array_equal(recording.p[:, 2], expected["p[s]"])
    np.testing.assert_array_equal(recording.a[:, 2], expected["s''"])
    np.testing.assert_array_equal(recording.inputs["u"], expected["u"])
    np.testing.assert_array_equal(recording.sigma[:, 0, 0], expected["sigma[r[0]]"])
    assert recording.observations == 19 and np.isnan(recording.sigma[:, 1:]).all()


def test_every_kind_of_file_holds_the_same_recording(spring, write, tmp_path):
    values = columns_of_spring()
    require_spring(recordings_of_arrays(values, spring.spec)[0])
    rows = "\n".join(",".join(map(repr, row)) for row in np.stack([*values.values()], 1).tolist())
    require_spring(read_recordings(write(",".join(values) + "\n" + rows), spring.spec)[0])
    np.savez(tmp_path / "x.npz", **values)
    require_spring(read_recordings(tmp_path / "x.npz", spring.spec)[0])
    parquet.write_table(pa.table(values), tmp_path / "x.parquet")
    require_spring(read_recordings(tmp_path / "x.parquet", spring.spec)[0])
    dataset = xr.Dataset({k: ("time", v) for k, v in values.items()})
    dataset.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    require_spring(read_recordings(tmp_path / "x.nc", spring.spec)[0])


def test_arrays_of_all_components_with_labels_and_several_runs(spring, tmp_path):
    t = np.array([[0.0, 1, 2], [5, 6, np.nan]])
    q = np.arange(18.0).reshape(2, 3, 3)
    q[1, 2] = np.nan
    dataset = xr.Dataset(
        {
            "q": (("trajectory", "t_index", "dof"), q),
            "t": (("trajectory", "t_index"), t),
            "u": (("t_index",), np.array([1, 2, 3])),
            "station": ("dof", np.zeros(3)),  # not along the rows, so no data
        },
        coords={"dof": ["s", "r[1]", "r[0]"], "trajectory": ["b", "a"]},
    )
    dataset.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    first, second = read_recordings(tmp_path / "x.nc", spring.spec)
    np.testing.assert_array_equal(first.q, q[0][:, [2, 1, 0]])
    np.testing.assert_array_equal(second.q, q[1, :2, [2, 1, 0]].T)
    np.testing.assert_array_equal(second.times, [5, 6])
    np.testing.assert_array_equal(second.inputs["u"], [1, 2])
    assert first.name.endswith("(b)") and second.name.endswith("(a)")


def test_what_a_run_writes_is_read_back_from_every_format(tmp_path, capsys):
    model = str(EXAMPLES / "pendulum.lag")
    args = ["run", model, "--until", "1", "--step", "0.1", "--initial", "theta = 3, theta' = 2"]
    found = []
    for ending in ("csv", "nc", "npz"):
        assert run([*args, "--output", str(tmp_path / f"x.{ending}")]) == 0
        found += read_recordings(tmp_path / f"x.{ending}", lagc.load(model).spec)
    capsys.readouterr()
    assert found[0].observations == 33 and found[0].rows[0] > 1  # a line number
    for other in found[1:]:
        for name in ("times", "q", "v", "p"):
            np.testing.assert_array_equal(getattr(other, name), getattr(found[0], name))


def test_other_units_are_refused(tmp_path):
    system = lagc.loads("coordinate x [m]\ncoefficient k > 0 = 1 [s^-2]\nL = x'^2 - k*x^2")
    path = tmp_path / "x.csv"
    for unit, fine in (("m", True), ("mm", False)):
        path.write_text(f"# unit x: {unit}\nt,x\n0,1\n1,2\n")
        if fine:
            assert read_recordings(path, system.spec)[0].observations == 2
            continue
        with pytest.raises(LagcError, match="column `x` is in mm") as caught:
            read_recordings(path, system.spec)
        assert caught.value.diagnostics[0].code is Code.LAG614


def _parquet(path: Path, **columns) -> None:
    parquet.write_table(pa.table(columns), path)


def _netcdf(path: Path, t: np.ndarray, units: str) -> None:
    data = xr.Dataset({"t": ("time", t, {"units": units}), "q": ("time", np.ones(len(t)))})
    data.to_netcdf(path, engine="h5netcdf")


@pytest.mark.parametrize("engine", ["h5netcdf", "scipy"])
def test_what_was_never_written_to_a_netcdf_file_is_not_observed(dho, tmp_path, engine):
    unwritten = 9.969209968386869e36
    # kind, what it holds, attributes, what is read
    for kind, held, how, expected in (
        ("f8", [1, unwritten, 3], {}, [1, np.nan, 3]),
        ("f4", [1, unwritten, 3], {}, [1, np.nan, 3]),
        ("i2", [1, -32767, 3], {}, [1, np.nan, 3]),
        ("i4", [1, -2147483647, 3], {}, [1, np.nan, 3]),
        ("i2", [1, -32767, 3], {"scale_factor": 0.5, "add_offset": 2.0}, [2.5, np.nan, 3.5]),
        ("i1", [1, -127, 3], {}, [1, -127, 3]),
        ("f8", [1, -999, unwritten], {"_FillValue": -999.0}, [1, np.nan, unwritten]),
    ):
        # As attributes, so that nothing is packed on the way to the file.
        encoding = {} if "_FillValue" in how else {"_FillValue": None}
        q = xr.Variable("time", np.array(held, kind), how, encoding)
        xr.Dataset({"t": ("time", np.arange(3.0)), "q": q}).to_netcdf(
            tmp_path / "x.nc", engine=engine
        )
        (recording,) = read_recordings(tmp_path / "x.nc", dho.spec)
        np.testing.assert_array_equal(recording.q[:, 0], expected)


# file name, how it is made, code, words
BAD_FILES = [
    ("x.nc", lambda p: p.write_bytes(b"t,q\n0,1\n"), Code.LAG613, "not a NetCDF file"),
    ("x.nc", lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\nrubbish"), Code.LAG613, "NetCDF"),
    ("x.parquet", lambda p: p.write_bytes(b"PAR1rubbish"), Code.LAG613, "Parquet"),
    ("x.npz", lambda p: p.write_bytes(b"PK\x03\x04rubbish"), Code.LAG613, "NumPy archive"),
    ("x.csv", lambda p: p.write_bytes(b"PAR1rubbish"), Code.LAG613, "give it the ending"),
    ("x.nc", lambda p: None, Code.LAG001, "no such file"),
    ("x.npz", lambda p: np.savez(p, q=np.ones(3)), Code.LAG601, "no column `t`"),
    ("x.npz", lambda p: np.savez(p, t=np.arange(3), q=np.ones((3, 2))), Code.LAG601, "components"),
    ("x.npz", lambda p: np.savez(p, t=np.arange(3), q=np.ones(4)), Code.LAG601, "4 rows"),
    ("x.npz", lambda p: np.savez(p, t=np.arange(3), q=np.ones((3, 1, 1))), Code.LAG601, "3 axes"),
    ("x.npz", lambda p: np.savez(p, t=np.arange(2), q=["a", "b"]), Code.LAG601, "but text"),
    ("x.npz", lambda p: np.savez(p, t=np.arange(2), qq=[1, 2]), Code.LAG601, "`qq` is not"),
    ("x.nc", lambda p: _netcdf(p, np.arange(3), "days since 2020-01-01"), Code.LAG601, "but dates"),
    ("x.parquet", lambda p: _parquet(p, t=[0, 1], q=["1", "2"]), Code.LAG601, "`1` in row 1"),
    (
        "x.parquet",
        lambda p: _parquet(p, t=[0.0, 1.0, None], q=[1, 2, 3]),
        Code.LAG601,
        "row 3, column `t`: column `t` needs",
    ),
    (
        "x.parquet",
        lambda p: _parquet(p, t=[0.0, 1.0, 2.0], q=[1, 2, 3], trajectory=["a", "a", None]),
        Code.LAG601,
        "row 3 of `trajectory` is empty",
    ),
    (
        "x.parquet",
        lambda p: _parquet(p, t=[0.0, 1.0, 1.0], q=[1, 2, 3]),
        Code.LAG601,
        "row 3, column `t`: the time 1 appears twice",
    ),
    (
        "x.parquet",
        lambda p: _parquet(p, **{"t": [0, 1], "q": [1.0, 2], "sigma[q]": [1.0, -1.0]}),
        Code.LAG601,
        "row 2, column `sigma[q]`: a standard deviation is positive",
    ),
]


@pytest.mark.parametrize(("name", "make", "code", "words"), BAD_FILES)
def test_bad_files_of_other_kinds_end_in_a_diagnostic(dho, tmp_path, name, make, code, words):
    path = tmp_path / name
    make(path)
    with pytest.raises(LagcError) as caught:
        read_recordings(path, dho.spec)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code is code and words in diagnostic.message + diagnostic.help
    assert str(path) in diagnostic.message
