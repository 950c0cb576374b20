"""Reading recordings: what is read exactly, and what is said about every kind of bad file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lagc
from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError
from lagc.learn.data import Recording, check_recording, read_recordings


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
    ],
)
def test_recordings_made_in_python_are_checked_too(dho, recording):
    with pytest.raises(LagcError) as caught:
        check_recording(recording, dho.spec)
    assert caught.value.diagnostics[0].code is Code.LAG601
