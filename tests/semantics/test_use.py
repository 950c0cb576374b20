"""Models that share declarations through `use`."""

from __future__ import annotations

from pathlib import Path

import pytest

import lagc
from lagc.base.diagnostics import Diagnostic, LagcError
from lagc.base.spans import Source
from lagc.cli.main import run
from lagc.driver import Compilation, compile_source, read_source
from lagc.emit.module import source_hash
from lagc.syntax.parser import LARGEST_FILE, MOST_STATEMENTS

BASE = """
model base
use "parts/units.lag"
coordinate q
coefficient k > 0 = 2*unit
coefficient spare = 1
let x = q - shift
L = 1/2*q'^2 - 1/2*k*x^2
initial q = 1, q' = 0
run until 1 step 1/4
"""
UNITS = "constant unit = 3/2\nconstant shift = 1/4\nrun until 7\n"
DAMPED = 'model damped\nuse "base.lag"\nuse "parts/units.lag"\nK = -unit*q\'_+*q_-\n'
DRIVEN = 'use "damped.lag"\nuse "base.lag"\nL += x^4\nforce q = cos(t)\ninitial q = 2, q\' = 1\n'
WHOLE = """
coordinate q
constant unit = 3/2
constant shift = 1/4
coefficient k > 0 = 3
coefficient spare = 1
let x = q - shift
L = 1/2*q'^2 - 1/2*k*x^2 + x^4
K = -unit*q'_+*q_-
force q = cos(t)
"""


@pytest.fixture
def family(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "units.lag").write_text(UNITS, encoding="utf-8")
    for name, text in (("base", BASE), ("damped", DAMPED), ("driven", DRIVEN)):
        (tmp_path / f"{name}.lag").write_text(text, encoding="utf-8")
    return tmp_path


def compiled(path: Path) -> Compilation:
    return compile_source(read_source(path))


def refused(path: Path) -> tuple[Diagnostic, ...]:
    with pytest.raises(LagcError) as caught:
        compiled(path)
    return caught.value.diagnostics


def test_a_family_is_the_model_written_out(family: Path) -> None:
    driven = compiled(family / "driven.lag")
    whole = compile_source(Source("whole.lag", WHOLE))
    assert driven.programs.forces == whole.programs.forces
    assert driven.programs.blocks == whole.programs.blocks
    assert driven.model.name == "driven"
    assert dict(driven.model.initial) == {"q": 2, "q'": 1}  # its own, not that of base.lag
    assert driven.model.run.until == 1  # of base.lag, which comes before units.lag
    names = [Path(s.name).name for s in driven.model.used]
    assert sorted(names) == ["base.lag", "damped.lag", "units.lag"]  # each once
    assert not driven.warnings  # `spare` is shared, not forgotten
    damped = compiled(family / "damped.lag").model
    assert damped.name == "damped" and dict(damped.initial) == {"q": 1, "q'": 0}


def test_a_change_of_a_used_file_is_a_change_of_the_model(family: Path) -> None:
    before = compiled(family / "driven.lag")
    (family / "parts" / "units.lag").write_text(UNITS.replace("3/2", "5/2"), encoding="utf-8")
    after = compiled(family / "driven.lag")
    assert source_hash(before.model) != source_hash(after.model)
    assert before.programs.forces != after.programs.forces


def test_texts_use_files_of_a_folder_that_is_named(family: Path) -> None:
    system = lagc.loads(DRIVEN, folder=family)
    assert system.spec.initial == {"q": 2.0, "q'": 1.0}
    with pytest.raises(LagcError, match="LAG231") as caught:
        lagc.loads(DRIVEN)
    assert "folder" in caught.value.diagnostics[0].help


def test_commands_know_used_files(
    family: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(family / "driven.lag")
    assert run(["check", path]) == 0
    assert run(["show", path]) == 0
    assert "k in (0, inf) = 3" in capsys.readouterr().out
    assert run(["compile", path, "-o", str(tmp_path / "driven.py")]) == 0
    text = (tmp_path / "driven.py").read_text(encoding="utf-8")
    assert "[base.lag:8]" in text and "[damped.lag:4]" in text
    assert run(["compile", path, "--dump", "ast"]) == 0
    assert 'use "damped.lag"' in capsys.readouterr().out


@pytest.mark.parametrize("depth", [16, 17])
def test_files_use_each_other_to_a_depth(tmp_path: Path, depth: int) -> None:
    for n in range(depth):
        (tmp_path / f"f{n}.lag").write_text(f'use "f{n + 1}.lag"\nconstant c{n} = {n}\n')
    (tmp_path / f"f{depth}.lag").write_text("coordinate q\nL = q'^2\n")
    if depth == 16:
        assert compiled(tmp_path / "f0.lag").model.labels == ("q",)
    else:
        assert refused(tmp_path / "f0.lag")[0].code.name == "LAG231"


def test_used_files_count_with_the_limits_of_one_file(tmp_path: Path) -> None:
    for n in range(3):
        (tmp_path / f"f{n}.lag").write_text("#" * (LARGEST_FILE // 2))
    (tmp_path / "m.lag").write_text("".join(f'use "f{n}.lag"\n' for n in range(3)))
    assert refused(tmp_path / "m.lag")[0].code.name == "LAG108"
    for n in range(2):
        (tmp_path / f"f{n}.lag").write_text(f"observable a{n} = q\n" * (MOST_STATEMENTS // 2))
    (tmp_path / "f2.lag").write_text("coordinate q\nL = q'^2\n")
    assert refused(tmp_path / "m.lag")[0].code.name == "LAG108"


def test_files_that_cannot_be_read_are_refused_where_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.lag").mkdir()
    (tmp_path / "latin.lag").write_bytes(b"coordinate \xe9\n")
    model = tmp_path / "m.lag"
    for path in ("folder.lag", "latin.lag", "nul\0.lag", "", ".lag", "C:/x.lag", "a\\\\b.lag"):
        model.write_text(f'use "{path}"\ncoordinate q\nL = q\'^2\n')
        (found,) = refused(model)
        assert found.span is not None and found.span.source.name == str(model), path
        assert found.code.name == "LAG231", path


def test_a_file_is_itself_by_every_path(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.lag").symlink_to("m.lag")
    for path in ("m.lag", "./m.lag", "sub/../m.lag", "link.lag"):
        (tmp_path / "m.lag").write_text(f'use "{path}"\ncoordinate q\nL = q\'^2\n')
        (found,) = refused(tmp_path / "m.lag")
        assert found.code.name == "LAG232"
