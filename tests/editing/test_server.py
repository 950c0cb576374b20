"""The language server as an editor meets it: over pipes, with texts that are not finished."""

from __future__ import annotations

import importlib.util
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lagc.cli.main import run
from tests.conftest import EXAMPLES
from tests.editing.client import PATIENCE, Client, Refused

DHO = (EXAMPLES / "dho.lag").read_text(encoding="utf-8")
# Columns differ in every encoding: θ has one UTF-16 unit and two bytes, 𝛼 two units and four bytes.
ASTRAL = """# 𝟙 𝟚
model m
coordinate 𝛼
constant θ𝛼 = 2*pi  # 𝛼
L = θ𝛼*𝛼'^2 - θ𝛼*𝛼^2
K = -θ𝛼*𝛼'_+*𝛼_-
initial 𝛼 = 1, p[𝛼] = 0
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with tempfile.TemporaryFile() as log:
        session = Client(log=log)
        yield session
        assert session.stop() == 0
        log.seek(0)
        assert b"Traceback" not in log.read()


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def place(text: str, needle: str, at: int = 0) -> tuple[int, int]:
    """Line and UTF-16 column `at` characters into a piece of a text."""
    before = text[: text.index(needle) + at]
    return before.count("\n"), utf16(before.rpartition("\n")[2])


def edited(text: str, edits: list[dict[str, Any]]) -> str:
    """A text after edits, applied as the protocol says."""
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:i]) for i in range(len(lines) + 1)]

    def offset(position: dict[str, int]) -> int:
        units = lines[position["line"]].encode("utf-16-le")[: 2 * position["character"]]
        return starts[position["line"]] + len(units.decode("utf-16-le"))

    for edit in sorted(edits, key=lambda e: -offset(e["range"]["start"])):
        start, end = (offset(edit["range"][side]) for side in ("start", "end"))
        text = text[:start] + edit["newText"] + text[end:]
    return text


def texts(text: str, ranges: list[dict[str, Any]]) -> list[str]:
    lines = text.split("\n")
    cut = []
    for r in ranges:
        units = lines[r["start"]["line"]].encode("utf-16-le")
        cut.append(
            units[2 * r["start"]["character"] : 2 * r["end"]["character"]].decode("utf-16-le")
        )
    return cut


def test_diagnostics_come_with_their_notes_and_go(client: Client) -> None:
    text = "model m\ncoordinate 𝛼\ncoordinate 𝛼\nL = 𝛼'^2 - 𝛼*k\nK = -𝛼_+*(\nlet s = 1\n"
    client.open("file:///d.lag", text)
    found = {d["code"]: d for d in client.diagnostics("file:///d.lag", 1)}
    assert set(found) == {"LAG103", "LAG202", "LAG203"}
    undefined = found["LAG203"]
    assert texts(text, [undefined["range"]]) == ["k"] and undefined["severity"] == 1
    assert undefined["source"] == "lagc" and "`k` is not defined" in undefined["message"]
    assert "help: declare it with" in undefined["message"]
    href = undefined["codeDescription"]["href"]
    assert href.startswith("file:///") and href.endswith("docs/codes.md#lag203")
    (note,) = found["LAG202"]["relatedInformation"]
    assert note["location"]["range"]["start"] == {"line": 1, "character": 11}
    client.change("file:///d.lag", DHO, 2)
    assert [d["code"] for d in client.diagnostics("file:///d.lag", 2)] == ["LAG324"]  # a note
    client.change("file:///d.lag", DHO + "coefficient idle = 1\n", 3)
    _, unused = client.diagnostics("file:///d.lag", 3)
    assert unused["severity"] == 2
    client.notify("textDocument/didClose", textDocument={"uri": "file:///d.lag"})


def test_changes_are_checked_once_they_pause(client: Client) -> None:
    uri = "file:///typed.lag"
    client.open(uri, "")
    client.diagnostics(uri, 1)
    for version in range(2, 40):
        client.change(uri, DHO[: version * 10], version)
    client.change(uri, DHO, 40)
    (note,) = client.diagnostics(uri, 40)
    assert note["code"] == "LAG324"  # and none of another version came after it
    versions = [m["params"]["version"] for m in client._published if m["params"]["uri"] == uri]
    assert versions == []


def test_hover(client: Client) -> None:
    uri = "file:///h.lag"
    text = DHO + "constant two = 1 + 1\nobservable o = tanh(two*q)\nforce q = -two*abs(q')\n"
    client.open(uri, text)
    client.diagnostics(uri, 1)

    def says(needle: str, at: int = 0) -> str:
        found = client.at("hover", uri, *place(text, needle, at))
        return "" if found is None else found["contents"]["value"]

    assert "velocity of the mean of the two histories" in says("q'_+")
    assert "difference of the two histories" in says("q_-")
    assert "Bounds: `>= 0`; default `0.1`." in says("c3*q'_+")
    assert "coefficient c3 in [0, inf) = 0.1 ~ mixture" in says("c3*q'_+", 2)
    assert "Value `2`." in says("two*q")
    assert "Declared in line 14." in says("two*q")
    assert says("tanh(") == "`tanh(x)`: function of 1 argument, smooth"
    assert "with a kink" in says("abs(")
    assert "L = c1*q'^2 - c2*q^2" in says("L =")
    assert "equally likely between" in says("uniform(0.01")
    assert says("# The family", 3) == "" and says("until") == ""


def test_what_is_known_of_a_text_with_errors(client: Client) -> None:
    uri, text = (
        "file:///e.lag",
        "coordinate q\nconstant g = 3\nlet a = g*\nL = q'^2 g - q\nK = q_-*q_+ +\n",
    )
    client.open(uri, text)
    assert len(client.diagnostics(uri, 1)) >= 2
    found = client.at(
        "references", uri, *place(text, "g = 3"), context={"includeDeclaration": True}
    )
    assert [r["range"]["start"]["line"] for r in found] == [1, 2, 3]
    assert client.at("definition", uri, *place(text, "g - q"))["range"]["start"] == {
        "line": 1,
        "character": 9,
    }
    assert "constant g = 3" in client.at("hover", uri, *place(text, "g*\n"))["contents"]["value"]
    symbols = client.request("textDocument/documentSymbol", textDocument={"uri": uri})
    assert [s["name"] for s in symbols] == ["q", "g"]
    options = {"tabSize": 4, "insertSpaces": True}
    formatted = client.request(
        "textDocument/formatting", textDocument={"uri": uri}, options=options
    )
    assert formatted == []
    with pytest.raises(Refused, match="cannot be read"):
        client.at("rename", uri, *place(text, "g = 3"), newName="h")
    items = client.at("completion", uri, *place(text, "g*\n", 2))["items"]
    assert {"g", "q_+", "sin"} <= {item["label"] for item in items}


def test_definitions_references_and_rename_with_astral_names(client: Client) -> None:
    uri = "file:///a.lag"
    client.open(uri, ASTRAL)
    assert client.diagnostics(uri, 1) == []
    here = place(ASTRAL, "𝛼'_+", 1)
    found = client.at("references", uri, *here, context={"includeDeclaration": False})
    ranges = [r["range"] for r in found]
    assert texts(ASTRAL, ranges) == ["𝛼"] * 6
    assert client.at("definition", uri, *here)["range"] == {
        "start": {"line": 2, "character": 11},
        "end": {"line": 2, "character": 13},
    }
    prepared = client.at("prepareRename", uri, *here)
    assert prepared["placeholder"] == "𝛼"
    changes = client.at("rename", uri, *here, newName="x")["changes"][uri]
    renamed = edited(ASTRAL, changes)
    comments = ASTRAL.replace("𝛼", "x").replace("θx", "θ𝛼").replace("# x", "# 𝛼")
    assert renamed == comments
    client.change(uri, renamed, 2)
    assert client.diagnostics(uri, 2) == []
    for new, reason in {
        "θ𝛼": "used in this model already",
        "x_": "not a name",
        "q'": "not a name",
        "2x": "not a name",
        "a b": "not a name",
        "a\nL": "not a name",
        "sin": "a word of the language",
        "t": "a word of the language",
        "p": "read otherwise",
    }.items():
        with pytest.raises(Refused, match=reason) as refusal:
            client.at("rename", uri, *place(renamed, "x'_+"), newName=new)
        assert refusal.value.code == -32803
    for needle in ("p[x]", "model", "# 𝟙"):
        with pytest.raises(Refused):
            client.at("prepareRename", uri, *place(renamed, needle))


def test_models_that_share_a_file(client: Client, tmp_path: Path) -> None:
    shared = "constant g = 9.81\ncoefficient k > 0 = 1\n"
    model = 'use "common.lag"\ncoordinate q\nL = 1/2*q\'^2 - if(q > g, k*q^2, k*q^2)\n'
    (tmp_path / "common.lag").write_text(shared, encoding="utf-8")
    (tmp_path / "binary.lag").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "other.lag").write_text(model.replace("q > g", "g > 0"), encoding="utf-8")
    uri, common, other = (
        (tmp_path / name).as_uri() for name in ("model.lag", "common.lag", "other.lag")
    )
    client.open(uri, model)
    assert client.diagnostics(uri, 1) == []
    here = place(model, "g, k")
    assert client.at("definition", uri, *here)["uri"] == common
    assert client.at("definition", uri, *place(model, "common"))["uri"] == common
    shown = client.at("hover", uri, *here)["contents"]["value"]
    assert "Declared in `common.lag`, line 1." in shown
    labels = {i["label"] for i in client.at("completion", uri, *place(model, "g, k"))["items"]}
    assert {"g", "k", "q"} <= labels
    changes = client.at("rename", uri, *here, newName="gravity")["changes"]
    assert edited(shared, changes[common]) == shared.replace("g", "gravity")
    assert edited(model, changes[uri]) == model.replace("> g", "> gravity")
    assert set(changes) == {uri, common, other}
    with pytest.raises(Refused, match="used in this model already"):
        client.at("rename", uri, *here, newName="k")
    (tmp_path / "common.lag").write_text("constant g = 2**3\n", encoding="utf-8")
    client.change(uri, model + "# again\n", 2)
    found = client.diagnostics(uri, 2)
    assert found[0]["message"].startswith("common.lag:1:15: powers are written")


def test_completion_knows_the_place(client: Client) -> None:
    uri = "file:///c.lag"
    head = "coordinate θ\ncoefficient c > 0 = 1\nconstant g = 9.8\nneural V(θ) = mlp(4)\n"
    client.open(uri, head)
    names = {"θ", "θ'"}
    doubled = {"θ_+", "θ_-", "θ'_+", "θ'_-"}
    cases = [
        ("co", {"coordinate", "L"}, {"θ", "sin"}),
        ("L = 1/2*", names | {"c", "g", "V", "sin", "t", "pi"}, doubled | {"in", "inf"}),
        ("K = -c*θ'", doubled | {"c"}, names),
        ("let s = (1 +\n  ", names | doubled, {"coordinate"}),
        ("force ", {"θ"}, doubled | {"θ'", "sin", "c"}),
        ("observable e = ", names, doubled),
        ("initial θ = 0, ", names, doubled | {"c"}),
        ("initial θ = ", {"g", "pi"}, names | {"c"}),
        ("coefficient b in (0, ", {"inf", "g"}, {"θ"}),
        ("coefficient b ", {"in"}, {"θ", "mod"}),
        ("coordinate b ", {"mod"}, {"θ", "in"}),
        ("coefficient b ~ ", {"uniform", "mixture"}, {"sin", "θ"}),
        ("neural D(θ) = ", {"mlp"}, {"θ"}),
        ("neural D(θ) = mlp(4, ", {"activation", "output"}, {"θ"}),
        ("neural D(θ) = mlp(4, output = ", {"positive", "linear"}, {"θ", "softplus"}),
        ("run until 3 ", {"step", "order"}, {"θ"}),
        ("run until 3 [", {"s", "yr"}, {"θ", "step"}),
        ("constant b = 3 [kg/", {"m", "s", "AU"}, {"θ", "sin"}),
        ("constant b = θ[", {"g", "sin"}, {"kg"}),
        ("coordinate ", set(), {"θ", "mod"}),
        ("# a ", set(), {"θ", "coordinate"}),
    ]
    for version, (tail, offered, missing) in enumerate(cases, 2):
        text = head + tail
        client.change(uri, text, version)
        line, column = text.count("\n"), utf16(text.rpartition("\n")[2])
        items = client.at("completion", uri, line, column)["items"]
        labels = {item["label"] for item in items}
        assert offered <= labels and not labels & missing, tail
        assert len(items) == len(labels)
    client.change(uri, head + "K = 𝛼 + θ'_", 99)
    items = client.at("completion", uri, 4, utf16("K = 𝛼 + θ'_"))["items"]
    (item,) = (i for i in items if i["label"] == "θ'_+")
    assert edited(head + "K = 𝛼 + θ'_", [item["textEdit"]]) == head + "K = 𝛼 + θ'_+"


def test_completion_offers_the_files_beside_a_model(client: Client, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for name in ("common.lag", "model.lag", "notes.txt", "parts/my-drag.lag"):
        (tmp_path / name).write_text("", encoding="utf-8")
    uri = (tmp_path / "model.lag").as_uri()
    client.open(uri, "")
    for version, (line, offered) in enumerate(
        [
            ('use "', ["common.lag"]),
            ('use "com', ["common.lag"]),
            ('use "parts/my-d', ["my-drag.lag"]),
        ]
    ):
        text = f"coordinate q\n{line}"
        client.change(uri, text, version + 2)
        items = client.at("completion", uri, 1, len(line))["items"]
        assert [item["label"] for item in items] == offered
        begin = line.rfind("/") + 1 or line.index('"') + 1
        assert edited(text, [items[0]["textEdit"]]) == f"coordinate q\n{line[:begin]}{offered[0]}"


def test_formatting_and_outline(client: Client) -> None:
    uri, text = "file:///f.lag", "# 𝟙\r\nmodel  m\r\ncoordinate q\r\nL=q'^2# 𝟙\r\nforce q=1\r\n"
    client.open(uri, text)
    options = {"tabSize": 8, "insertSpaces": False}
    (edit,) = client.request("textDocument/formatting", textDocument={"uri": uri}, options=options)
    tidy = "# 𝟙\r\nmodel m\r\ncoordinate q\r\nL = q'^2  # 𝟙\r\nforce q = 1\r\n"
    assert edited(text, [edit]) == tidy
    assert (edit["range"]["start"]["line"], edit["range"]["end"]["line"]) == (1, 5)
    client.change(uri, tidy, 2)
    again = client.request("textDocument/formatting", textDocument={"uri": uri}, options=options)
    assert again == []
    symbols = client.request("textDocument/documentSymbol", textDocument={"uri": uri})
    assert [s["name"] for s in symbols] == ["m", "q", "L", "force q"]
    for symbol in symbols:
        assert texts(tidy, [symbol["selectionRange"]])[0] in symbol["name"]


def test_any_text_is_survived(client: Client) -> None:
    uri = "file:///x.lag"
    client.open(uri, "")
    chance = random.Random(7)
    lone = "L = \ud800*q\n"  # half of a surrogate pair, which JSON can carry
    pieces = ["\r", "\ufeff", "\0", "(", "]", "K = ", "q'_", "\u2028", "𝛼", "#", "..", lone, "\n"]
    for version in range(2, 60):
        at = sorted(chance.randrange(len(DHO)) for _ in range(2))
        text = DHO[: at[0]] + "".join(chance.choices(pieces, k=3)) + DHO[at[1] :]
        client.change(uri, text, version)
        line, column = chance.randrange(14), chance.randrange(60)
        for method in ("hover", "definition", "completion"):
            client.at(method, uri, line, column)
        client.at("references", uri, line, column, context={"includeDeclaration": True})
        try:
            client.at("rename", uri, line, column, newName="zz")
        except Refused as refusal:
            assert refusal.code == -32803
        client.request("textDocument/documentSymbol", textDocument={"uri": uri})
    found = client.diagnostics(uri, 59)
    assert "LAG000" not in [d["code"] for d in found]


def test_large_texts(client: Client) -> None:
    """A text beyond the limit is refused at once; one of many lines is served."""
    client.open("file:///huge.lag", "# " + "x" * 1_000_001)
    (limit,) = client.diagnostics("file:///huge.lag", 1)
    assert limit["code"] == "LAG108"
    count = 2000
    lines = [f"coefficient k{i} > {i} = {i + 1}/1" for i in range(count)]
    text = "\n".join(["coordinate q", *lines, "L = q'^2*k0", "K = q_+*)"]) + "\n"
    client.open("file:///long.lag", text)
    found = client.diagnostics("file:///long.lag", 1)
    assert [d["code"] for d in found] == ["LAG103"]
    places = client.at(
        "references", "file:///long.lag", count + 1, 10, context={"includeDeclaration": True}
    )
    assert [p["range"]["start"]["line"] for p in places] == [1, count + 1]
    items = client.at("completion", "file:///long.lag", count + 1, 11)["items"]
    assert len(items) > count


@pytest.mark.parametrize("encoding", ["utf-8", "utf-32"])
def test_other_encodings_of_columns(encoding: str) -> None:
    client = Client([encoding, "utf-16"], related=False)
    assert client.capabilities["positionEncoding"] == encoding
    text = ASTRAL + "coordinate 𝛼\n"
    client.open("file:///a.lag", text)
    (twice,) = client.diagnostics("file:///a.lag", 1)
    assert "note: it was declared here first" in twice["message"]
    assert "relatedInformation" not in twice
    line = text.split("\n")[5]
    before = line[: line.index("𝛼_-")]
    column = len(before.encode()) if encoding == "utf-8" else len(before)
    found = client.at("hover", "file:///a.lag", 5, column)["contents"]["value"]
    assert "difference of the two histories" in found
    assert client.stop() == 0


def test_the_server_ends_with_its_client() -> None:
    """Without a word, as when an editor dies."""
    client = Client()
    client.open("file:///a.lag", DHO)
    assert client.process.stdin is not None and client.process.stdout is not None
    client.process.stdin.close()
    client.process.wait(timeout=PATIENCE)
    client.process.stdout.close()


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(["lsp"]) == 2
    said = capsys.readouterr().err
    assert "LAG003" in said and "pip install 'lagc[editor]'" in said
