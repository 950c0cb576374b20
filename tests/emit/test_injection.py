"""Whatever a user writes is data in the generated module: no text of theirs is executed."""

from __future__ import annotations

import ast

import pytest

import lagc
from lagc.base.spans import Source
from lagc.driver import compile_source
from lagc.emit.module import safe_file_name
from lagc.loader import load_module

MODEL = "coordinate q\ncoefficient c = 1\nL = q'^2/2 - c*q^2\nobservable {0} = c*q\n"
HOSTILE = (
    'm"""\nimport os\n"""',
    "m\nimport os",
    "m\r\nimport os",
    "m\\",
    "m' + __import__('os').system('false') + '",
    "{__import__('os')}",
    "m\u2028import os",
    "../../m\x00",
    "m#\x0cimport os",
)


def calls_and_imports(text: str) -> set[str]:
    """What a module imports and what it calls, as source."""
    nodes = list(ast.walk(ast.parse(text)))
    imports = {ast.unparse(n) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)}
    return imports | {ast.unparse(n.func) for n in nodes if isinstance(n, ast.Call)}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_the_file_is_harmless(name: str) -> None:
    plain = compile_source(Source("m.lag", MODEL.format("o"))).text
    hostile = compile_source(Source(name, MODEL.format("o"))).text
    assert calls_and_imports(hostile) == calls_and_imports(plain)
    assert len(hostile.splitlines()) == len(plain.splitlines())
    assert set(safe_file_name(name)).isdisjoint("\"'\\\n\r\x00\u2028{}()# ")


@pytest.mark.parametrize(
    "name", ["eval", "exec", "print", "SPEC", "system", "simulate", "jnp", "class", "None", "float"]
)
def test_names_that_mean_something_to_python_are_names(name: str) -> None:
    text = compile_source(Source("m.lag", f"model {name}\n" + MODEL.format(name))).text
    module = load_module(text, name)
    assert float(module.system.observables[name]([2.0], [0.0], coefficients={"c": 3.0})) == 6.0
    assert module.simulate is not module.system.observables[name]


@pytest.mark.parametrize("text", [name for name in HOSTILE if "#" not in name])
@pytest.mark.parametrize("place", ["model", "coordinate", "let", "observable", "coefficient"])
def test_hostile_names_are_refused(place: str, text: str) -> None:
    with pytest.raises(lagc.LagcError):
        lagc.loads(f"{place} {text} = 1\ncoordinate q\nL = q'^2\n")


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('false')",
        "eval(q)",
        "exec(q)",
        "q.__class__",
        "lambda: q",
        "Symbol(q)",
        "sympify(q)",
        "open(q)",
        "globals()",
        "[q for q in q]",
        "f'{q}'",
    ],
)
def test_python_is_no_expression(expression: str) -> None:
    with pytest.raises(lagc.LagcError):
        lagc.loads(f"coordinate q\nL = q'^2 - {expression}\n")


def test_comments_reach_nothing() -> None:
    remark = '# """ import os \\ \ud800 \x00'
    plain = compile_source(Source("m.lag", MODEL.format("o"))).text
    noted = compile_source(Source("m.lag", MODEL.format("o").replace("\n", f" {remark}\n"))).text
    lines = zip(plain.splitlines(), noted.splitlines(), strict=True)
    assert all(x == y or "source" in x for x, y in lines)
