"""Exit codes, files and streams of the commands that need no integration."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import lagc
from lagc.base.codes import Code
from lagc.cli.common import number
from lagc.cli.main import run
from tests.conftest import EXAMPLES, ROOT

DHO = str(EXAMPLES / "dho.lag")
BAD = "coordinate q\nL = 1/2*m*q'^2 - k*q_+\nK = -c*q'*q_-\n"
INERT = "coordinate q\nL = q'^2\nK = -q'_+*q_- + q_-^3\n"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def write(text: str | bytes, name: str = "m.lag") -> str:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


def test_compile_writes_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", DHO]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "dho_lag.py: dho, 1 degree of freedom\n")
    text = Path("dho_lag.py").read_text()
    assert run(["compile", DHO, "-o", "-"]) == 0
    assert capsys.readouterr().out == text
    assert os.listdir() == ["dho_lag.py"]


def test_check_of_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", DHO, "--check"]) == 2
    assert "error[LAG001]: dho_lag.py" in capsys.readouterr().err
    assert not Path("dho_lag.py").exists()
    run(["compile", DHO, "-o", "out.py"])
    assert run(["compile", DHO, "-o", "out.py", "--check"]) == 0
    assert "out.py is current" in capsys.readouterr().out
    Path("out.py").write_text(Path("out.py").read_text() + "\n")
    stale = Path("out.py").read_bytes()
    assert run(["compile", DHO, "-o", "out.py", "--check"]) == 1
    assert "out.py is stale" in capsys.readouterr().out
    assert Path("out.py").read_bytes() == stale


def test_a_model_that_is_wrong_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["compile"], ["check"], ["show"]):
        assert run([*command, write(BAD)]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert [line[6:14] for line in captured.err.splitlines() if line.startswith("error")] == [
            "LAG203]:",
            "LAG203]:",
            "LAG207]:",
            "LAG203]:",
            "LAG208]:",
        ] or captured.err.count("error[") == 5
    assert os.listdir() == ["m.lag"]


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--json", write(BAD)]) == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    assert (found["ok"], len(found["diagnostics"])) == (False, 5)
    first = found["diagnostics"][0]
    place = {"file": "m.lag", "line": 2, "column": 9, "end_line": 2, "end_column": 10}
    assert (first["code"], first["severity"], first["span"]) == ("LAG203", "error", place)
    assert run(["check", "--json", write(INERT)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert [d["severity"] for d in found["diagnostics"]] == ["warning"]
    assert found["facts"]["conservative"] is False
    assert run(["check", "--json", "missing.lag"]) == 2
    assert json.loads(capsys.readouterr().out)["diagnostics"][0]["code"] == "LAG001"


def test_warnings_and_notes_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    pumping = write("coordinate q\nL = q'^2/2 - q^4\nK = 0.1*q'_+*q_-\n")
    for command in (["check"], ["compile"]):
        assert run([*command, pumping]) == 0
        assert "warning[LAG325]" in capsys.readouterr().err
        assert run([*command, "--allow", "lag325", pumping]) == 0
        assert "LAG325" not in capsys.readouterr().err
    assert run(["check", DHO]) == 0
    assert "note[LAG324]" in capsys.readouterr().err
    assert run(["compile", DHO]) == 0  # a note is no matter of compiling
    assert "LAG324" not in capsys.readouterr().err
    assert run(["check", "--json", "--allow", "LAG324", DHO]) == 0
    assert json.loads(capsys.readouterr().out)["diagnostics"] == []
    for code in ("LAG203", "all"):
        assert run(["check", "--allow", code, DHO]) == 2
        assert "LAG510" in capsys.readouterr().err


def test_orders_that_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for order in ("3", "0", "260"):
        assert run(["show", "--order", order, DHO]) == 2
        assert "LAG509" in capsys.readouterr().err
    assert run(["show", "--order", "2", DHO]) == 0
    assert "One step of order 2" in capsys.readouterr().out


def test_warnings_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", write(INERT), "-o", "-"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("warning[LAG303]")
    assert "LAG303" not in captured.out


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"\xff\xfec\x00", 2, "it is UTF-16"),
        (bytes(range(256)), 2, "it is no text"),
        ("coordinate q\nL = q'^2 - \xe9\n".encode("latin-1"), 2, "not UTF-8 text (byte 24)"),
        (b"coordinate q\nL = q'^2\x00\n", 1, "LAG101"),
        (b"", 1, "LAG214"),
        (b"\xef\xbb\xbf", 1, "LAG214"),
    ],
)
def test_unreadable_text(
    content: bytes, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", write(content)]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfcoordinate q\r\nL = q'^2\r\n", b"coordinate q\nL = q'^2"]
)
def test_byte_order_marks_and_line_ends(content: bytes) -> None:
    assert run(["check", write(content)]) == 0


def test_files_that_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkdir("folder.lag")
    for arguments, said in (
        (["check", "missing.lag"], "LAG001]: missing.lag: No such file"),
        (["check", "folder.lag"], "LAG001]: folder.lag: Is a directory"),
        (["check", "a\0b.lag"], "LAG001"),
        (["compile", DHO, "-o", "nowhere/out.py"], "LAG002]: nowhere/out.py: No such file"),
        (["compile", DHO, "-o", "folder.lag"], "LAG002]: folder.lag: Is a directory"),
    ):
        assert run(arguments) == 2
        assert said in capsys.readouterr().err
    assert os.listdir() == ["folder.lag"]


def test_a_model_is_not_overwritten_by_its_module(capsys: pytest.CaptureFixture[str]) -> None:
    text = "coordinate q\nL = q'^2\n"
    write(text)
    os.symlink("m.lag", "link.py")
    for output in ("m.lag", "./m.lag", "link.py"):
        assert run(["compile", "m.lag", "-o", output]) == 2
        assert "LAG002]: " in capsys.readouterr().err
        assert Path("m.lag").read_text() == text


def test_a_file_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkdir("models")
    write("coordinate q\nL = q'^2\n", "models/pendulum.lag")
    for name in ("models/pendulum", "models/pendulm.lag", "models/pendulum.la"):
        assert run(["check", name]) == 2
        assert "did you mean `models/pendulum.lag`?" in capsys.readouterr().err
    for name in ("models/dho.lag", "nowhere/pendulum.lag", ""):
        assert run(["check", name]) == 2
        assert "help" not in capsys.readouterr().err


def test_several_models(capsys: pytest.CaptureFixture[str]) -> None:
    good, inert = write("coordinate q\nL = q'^2\n", "good.lag"), write(INERT, "inert.lag")
    assert run(["check", "--allow", "LAG327", good, inert]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].startswith("good: no errors")
    assert captured.err.startswith("\nwarning[LAG303]")
    assert run(["check", write(BAD, "bad.lag"), good]) == 1
    assert "good: no errors" in capsys.readouterr().out
    assert run(["check", "bad.lag", "missing.lag", good, "--json"]) == 2
    found = json.loads(capsys.readouterr().out)["models"]
    assert [item["ok"] for item in found] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [("1,5", "write 1.5"), ("", "no number is given"), ("two", "1/2"), ("inf", ""), ("1/0", "")],
)
def test_numbers_of_the_command_line(text: str, said: str) -> None:
    with pytest.raises(lagc.LagcError) as caught:
        number(text, "--until")
    assert said in str(caught.value)
    assert (number("1/3", ""), number(" 2e-1", ""), number("2*pi", "")) == (1 / 3, 0.2, 2 * math.pi)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["compile"],
        ["frobnicate"],
        ["check"],
        ["show", "a", "b"],
        ["compile", DHO, "-o", ""],
        ["compile", DHO, "--dump", "x"],
        ["compile", DHO, "--dump", "ast", "--check"],
        ["compile", DHO, "-o", "-", "--check"],
    ],
)
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = run(arguments)
    captured = capsys.readouterr()
    assert code == 2
    assert "Usage:" in captured.err + captured.out
    assert "Traceback" not in captured.err


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "lag203"]) == 0
    assert capsys.readouterr().out.startswith("LAG203: name is not defined (error)\n\nEvery name")
    assert run(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(Code)
    assert run(["explain", "LAG20"]) == 2
    assert "did you mean `LAG" in capsys.readouterr().err


def test_suggestions(capsys: pytest.CaptureFixture[str]) -> None:
    run(
        [
            "check",
            write("coordinate theta\nconstant mass = 1\nL = mas*thta'^2 - sqr(2)*theta_dot\n"),
        ]
    )
    said = capsys.readouterr().err
    for name in ("mass", "sqrt", "theta'"):
        assert f"did you mean `{name}`?" in said


@pytest.mark.parametrize(
    "target", ["lagc.driver.elaborate", "lagc.driver.derive", "lagc.driver.lower"]
)
def test_the_net(
    target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import tempfile

    def broken(*arguments: object) -> None:
        raise RuntimeError("a pass fell over\nsecond line")

    monkeypatch.setattr(target, broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run(["check", DHO]) == 70
    captured = capsys.readouterr()
    assert "error[LAG000]: internal error: RuntimeError: a pass fell over\n" in captured.err
    assert "Traceback" not in captured.err and "second line" not in captured.err
    (report,) = tmp_path.glob("lagc-report-*.txt")
    assert report.name in captured.err
    assert "in broken" in report.read_text()


# --- from Python -----------------------------------------------------------------------------


def test_compile_from_pieces() -> None:
    system = lagc.compile(
        L="1/2*m*dot(r', r')  # kinetic\n - k/2*norm(r)^2",
        K="-c*(dot(r'_+, r_-)\n # drag\n)",
        R="0",
        coordinates=["r[2]"],
        coefficients={"m": 2, "k in [0, inf)": 0.5, "c": None},
        constants={"half": "1/2", "two": 2.0},
        inputs=["u"],
        forces={"r[0]": "u*two"},
        observables={"radius": "norm(r)", "scaled": "half*norm(r)", "speed": "norm(r')"},
        name="drag",
    )
    assert system.spec.name == "drag"
    assert [(c.name, c.default) for c in system.spec.coefficients] == [
        ("m", 2.0),
        ("k", 0.5),
        ("c", None),
    ]
    q, v = np.array([3.0, 4.0]), np.array([1.0, 0.0])
    values = {"coefficients": {"c": 1.0}, "inputs": {"u": 0.0}}
    assert float(system.energy(q, v, **values)) == pytest.approx(0.5 * 2 + 0.25 * 25)
    assert float(system.observable("radius", q, v, **values)) == 5.0


@pytest.mark.parametrize(
    "pieces",
    [
        {"L": "q'^2", "coordinates": ["q\nL = 3"]},
        {"L": "q'^2", "coordinates": ["q"], "coefficients": {"c\rd": 1}},
        {"L": "q'^2", "coordinates": ["q"], "coefficients": {"c": float("nan")}},
        {"L": "q'^2 - c", "coordinates": ["q"], "coefficients": {"c": float("inf")}},
        {"L": "q'^2", "coordinates": ["q"], "name": "a b"},
        {"L": "", "coordinates": ["q"]},
        {"L": "q'^2", "coordinates": []},
        {"L": "q**2", "coordinates": ["q"]},
    ],
)
def test_pieces_that_do_not_fit(pieces: dict[str, object]) -> None:
    with pytest.raises(lagc.LagcError):
        lagc.compile(**pieces)  # type: ignore[arg-type]


def test_warnings_of_the_compiler_are_python_warnings() -> None:
    with pytest.warns(UserWarning, match=r"LAG303"):
        system = lagc.loads(INERT)
    assert system.spec.dof == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lagc.load(DHO)


def test_an_error_prints_as_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", write(BAD)])
    with pytest.raises(lagc.LagcError) as caught:
        lagc.load("m.lag")
    assert f"{caught.value}\n" == capsys.readouterr().err


# --- what importing loads --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import lagc", ("jax", "sympy", "lark", "numpy")),
        ("import lagc.runtime", ("sympy", "lark", "lagc.driver")),
        ("import lagc.driver", ("jax", "equinox", "lagc.runtime")),
        ("import lagc.cli.main", ("jax", "sympy")),
        (
            "from lagc.driver import compile_source, read_source\n"
            "compile_source(read_source('examples/dho.lag'))",
            ("jax", "pint"),
        ),
    ],
)
def test_imports_stay_light(statement: str, absent: tuple[str, ...]) -> None:
    code = f"{statement}\nimport sys\nprint(sorted(set(sys.modules) & set({absent!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_layers() -> None:
    pytest.importorskip("importlinter")
    code = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: lagc.loads(None), "a str, not None"),  # type: ignore[arg-type]
        (lambda: lagc.loads(b"coordinate q"), "a str, not bytes"),  # type: ignore[arg-type]
        (lambda: lagc.loads("dho.lag"), "lagc.load"),
        (lambda: lagc.load("coordinate q\nL = q'^2"), "lagc.loads"),
        (lambda: lagc.compile(3, coordinates=["q"]), "L is a str"),  # type: ignore[arg-type]
        (lambda: lagc.compile("q'^2", coordinates="q"), "list of names"),
        (lambda: lagc.compile("q'^2", coordinates=[1]), "list of names"),  # type: ignore[list-item]
        (
            lambda: lagc.compile("q'^2", coordinates=["q"], coefficients=["c"]),  # type: ignore[arg-type]
            "coefficients is a dictionary",
        ),
        (
            lambda: lagc.compile("q'^2", coordinates=["q"], forces={1: "q"}),  # type: ignore[dict-item]
            "forces is a dictionary",
        ),
        (
            lambda: lagc.compile("c*q'^2", coordinates=["q"], coefficients={"c": [1]}),  # type: ignore[dict-item]
            "is not a number",
        ),
        (lambda: lagc.compile("q.dot**2 - 2q", coordinates=["q"]), "`L = q'^2 - 2*q`"),
    ],
    ids=range(11),
)
def test_arguments_that_are_no_model(make: Callable[[], object], said: str) -> None:
    with pytest.raises(lagc.LagcError) as caught:
        make()
    assert said in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    numbers = {"c": np.int64(2), "d": np.float32(0.5)}
    system = lagc.compile("c*q'^2 - d*q", coordinates=["q"], coefficients=numbers)  # type: ignore[arg-type]
    assert [c.default for c in system.spec.coefficients] == [2.0, 0.5]
