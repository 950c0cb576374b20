"""Names, positions and completion on texts of any kind, without a server between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lagc.base.spans import Source
from lagc.editing.completion import complete, partial_word
from lagc.editing.hover import hover
from lagc.editing.names import read
from lagc.editing.outline import outline
from lagc.editing.positions import Positions
from lagc.editing.rename import CannotRename, rename, replaced
from lagc.semantics.functions import FUNCTION_NAMES, RESERVED_NAMES
from lagc.syntax import ast
from tests.conftest import EXAMPLES
from tests.syntax.strategies import files, mutated_programs, soups, texts
from tests.syntax.test_roundtrip import format_file

ANYTHING = texts | soups | mutated_programs()
UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


@given(ANYTHING, st.data())
@settings(max_examples=150, deadline=None)
def test_half_typed_texts_are_read(text: str, data: st.DataObject) -> None:
    reading = read(Source("m.lag", text))
    offset = data.draw(st.integers(0, len(text)))
    hover(reading, offset, None)
    outline(reading)
    assert partial_word(text, offset) <= offset
    for proposal in complete(reading, offset):
        assert proposal.text
    try:
        rename(reading, offset, "zz")
    except CannotRename as reason:
        assert str(reason)
    for found in reading.occurrences:
        assert text[found.span.start : found.span.end + len(found.decoration)].endswith(
            found.decoration
        )


@given(files, st.data())
@settings(max_examples=150, deadline=None)
def test_renaming_there_and_back(file: ast.File, data: st.DataObject) -> None:
    text = format_file(file)
    reading = read(Source("m.lag", text))
    if not reading.occurrences:
        return
    found = data.draw(st.sampled_from(reading.occurrences))
    try:
        places = rename(reading, found.span.start, "zebra")
    except CannotRename:
        return
    changed = replaced(text, places, "zebra")
    again = read(Source("m.lag", changed))
    assert len(again.of("zebra")) == len(places) == len(reading.of(found.name))
    assert again.of(found.name) == []
    if found.name in FUNCTION_NAMES | RESERVED_NAMES:  # `input t` is a mistake, but can be read
        return
    back = rename(again, again.of("zebra")[0].span.start, found.name)
    assert read(Source("m.lag", replaced(changed, back, found.name))).file == reading.file


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.lag")), ids=lambda path: path.stem)
def test_every_name_of_an_example_leads_to_its_declaration(path) -> None:
    """Apart from the functions of the language, `t`, and what a neural term calls its arguments."""
    reading = read(Source(path.name, path.read_text(encoding="utf-8")))
    for found in reading.occurrences:
        assert found.sure
        known = found.name in reading.declarations
        assert known or hover(reading, found.span.start, None) is not None


@given(st.text("a𝛼θ\r\n\u2028", max_size=30), st.sampled_from(sorted(UNITS)))
def test_positions_count_the_units_of_the_encoding(text: str, encoding: str) -> None:
    codec, width = UNITS[encoding]
    positions = Positions(text, encoding)
    for offset in range(len(text) + 1):
        line, column = positions.position(offset)
        before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
        if text[max(0, offset - 1) : offset + 1] == "\r\n":  # inside a line end
            continue
        assert line == before.count("\n")
        assert column == len(before.rpartition("\n")[2].encode(codec)) // width
        assert positions.offset(line, column) == offset
    assert positions.offset(10**6, 3) == len(text)
    assert Positions("ab\ncd").offset(0, 99) == 2
    assert Positions("𝛼b").offset(0, 1) == 0


def test_momenta_laws_and_options_are_no_names_of_the_model() -> None:
    text = (
        "coordinate q\nconstant p = 1\nconstant tanh_ = 2\ncoefficient uniform > 0 = p ~ "
        "uniform(0, p)\nneural V(q) = mlp(4, activation = tanh)\nL = q'^2*uniform*p\n"
        "initial q = p, p[q] = 0\n"
    ).replace("tanh_", "mlp")
    reading = read(Source("m.lag", text))
    assert len(reading.of("uniform")) == 2 and len(reading.of("mlp")) == 1
    assert len(reading.of("p")) == 5 and reading.of("tanh") == []
