"""Large but legal models compile in a time that grows with their size, or are refused."""

from __future__ import annotations

import time

import pytest

from lagc.base.diagnostics import LagcError
from tests.mechanics.models import compile_text

HEAD = "coordinate q\ncoefficient a = 1\ncoefficient b = 2\n"
GENEROUS = 10.0  # seconds of processor time; quadratic work on these inputs takes minutes


@pytest.mark.parametrize(
    "body",
    [
        "L = q'^2 + " + " + ".join(f"{k}*a/{k + 7}" for k in range(1, 5001)),
        "L = q'^2 - " + "*".join(["a"] * 5000) + "*q",
        "L = q'^2 - " + " - ".join(f"a^{k % 50}*q/{k}" for k in range(1, 1001)),
        "L = q'^2 - q" + "/a/b" * 1000,
        "L = q'^2\n" + "".join(f"L += {k}*a*q\n" for k in range(2000)),
        "".join(f"coefficient c{k} = 1\n" for k in range(500))
        + "L = q'^2 - "
        + " - ".join(f"c{k}*q^{k % 5}" for k in range(500)),
        "".join(f"let x{k + 1} = x{k} + {k}*q\n" for k in range(200))
        + "let x0 = a\nL = q'^2 - x200",
        "L = q'^2 - " + "(" * 30 + "q" + " + 1)^1" * 30,
    ],
    ids=[
        "sum",
        "product",
        "powers",
        "quotients",
        "contributions",
        "coefficients",
        "lets",
        "nested",
    ],
)
def test_large_models_compile(body: str) -> None:
    start = time.process_time()
    compile_text(HEAD + body + "\n")
    assert time.process_time() - start < GENEROUS


@pytest.mark.parametrize(
    "lets",
    [
        [f"let x{k + 1} = sin(x{k})" for k in range(300)],
        [f"let x{k + 1} = sin(x{k}) + x{k}^2" for k in range(40)],
        [f"let x{k + 1} = x{k} + 1" for k in range(300)][::-1],
    ],
    ids=["deep", "doubling", "backwards"],
)
def test_chains_of_lets_are_refused_where_they_grow_too_large(lets: list[str]) -> None:
    start = time.process_time()
    with pytest.raises(LagcError) as caught:
        compile_text("\n".join([HEAD, "let x0 = q", *lets, f"L = q'^2 - x{len(lets)}"]))
    assert {d.code.name for d in caught.value.diagnostics} == {"LAG108"}
    assert time.process_time() - start < GENEROUS


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("exp(exp(exp(exp(10))))", "LAG106"),
        ("2.5^(2.5^(2.5^(2.5^(2.5^2.5))))", "LAG106"),
        ("exp(-exp(exp(exp(10))))", "LAG106"),
        ("k^k^k^k", "LAG106"),
        ("9^9^9^9", "LAG106"),
        ("cosh(10^100)", "LAG106"),
        ("exp(1000)", "LAG210"),
        ("(10^300)^2", "LAG210"),
        ("q^1025", "LAG106"),
    ],
)
def test_towers_of_powers_are_refused_at_once(expression: str, code: str) -> None:
    with pytest.raises(LagcError) as caught:
        compile_text(f"{HEAD}constant k = 99.5\nL = q'^2 - {expression}*q\n")
    (found,) = caught.value.diagnostics
    assert (found.code.name, found.span is None) == (code, False)
