"""The verifier of programs, powers as products, shared parts, and numbers rounded once."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import sympy as sp

from lagc.base.diagnostics import LagcError
from lagc.lower.lowering import nearest_double
from lagc.lower.program import Instruction, Output, Program, Variable
from tests.mechanics.models import compile_text

Q = Instruction("input", payload=Variable("q"))
ONE = Instruction("constant", payload=1.0)


def program(instructions: tuple[Instruction, ...], *outputs: Output) -> Program:
    return Program("p", instructions, outputs)


def test_a_sound_program_is_accepted() -> None:
    program((Q, ONE, Instruction("add", (0, 1))), Output("x", (), (2,))).verify()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (program((Q, Instruction("cube", (0,))), Output("x", (), (1,))), "unknown operation"),
        (program((Q, Instruction("add", (0,))), Output("x", (), (1,))), "arity"),
        (program((Q, Instruction("sin", (0, 0))), Output("x", (), (1,))), "arity"),
        (program((Instruction("sin", (1,)), Q), Output("x", (), (0,))), "before use"),
        (program((Instruction("sin", (0,)),), Output("x", (), (0,))), "before use"),
        (program((Q, Instruction("sin", (-1,))), Output("x", (), (1,))), "before use"),
        (program((Q,), Output("x", (2,), (0,))), "not covered"),
        (program((Q,), Output("x", (2, 2), (0, 0, 0))), "not covered"),
        (program((Q,), Output("x", (), (1,))), "not defined"),
        (program((Q, ONE), Output("x", (), (0,))), "dead"),
    ],
)
def test_a_broken_program_is_caught(broken: Program, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        broken.verify()


def operations(lagrangian: str, name: str = "lagrangian", start: str = "") -> list[str]:
    """The operations of one program of a model."""
    text = f"coordinate q\ncoefficient c = 1\nconstant k = 3\n{start}L = {lagrangian}\n"
    programs = compile_text(text).programs
    return [i.operation for i in getattr(programs, name).instructions]


@pytest.mark.parametrize("n", [*range(2, 65), -1, -2, -7])
def test_integer_powers_are_products(n: int) -> None:
    found = operations(f"q'^2 + (2 + q)^({n})*c")
    assert "pow" not in found
    assert found.count("mul") <= 3 + 2 * math.log2(abs(n) + 1)


@pytest.mark.parametrize("exponent", ["1/2", "3/2", "-1/2", "-5/2", "0.5", "2.5"])
def test_half_integer_powers_are_roots_and_products(exponent: str) -> None:
    found = operations(f"q'^2 + (2 + q)^({exponent})")
    assert "pow" not in found
    assert found.count("sqrt") == 1


@pytest.mark.parametrize("exponent", ["1/3", "0.3", "c", "q", "65", "k/7"])
def test_other_powers_are_powers(exponent: str) -> None:
    assert operations(f"q'^2 + (2 + q)^({exponent})").count("pow") == 1


def test_no_power_survives_in_the_derivatives_of_a_root() -> None:
    for name in ("forces", "blocks", "energy"):
        assert "pow" not in operations("q'^2 + 1/norm((q, 2))^3", name)


def test_equal_parts_are_computed_once() -> None:
    found = operations("q'^2*sin(q*c)^2 + sin(q*c)*exp(sin(q*c))")
    assert found.count("sin") == 1
    assert operations("q'^2/2 + sin(q)*cos(q)", "blocks").count("sin") == 1


@pytest.mark.parametrize(
    ("lagrangian", "constants"),
    [
        ("2*k*pi*q'^2", {6 * math.pi}),
        ("q'^2*(1 + pi)", {1 + math.pi}),
        ("q'^2*(1 + pi + sqrt(2) + q)", {1 + math.pi + math.sqrt(2)}),
        ("q'^2*sin(k)*exp(2)/k", {math.sin(3) * math.exp(2) / 3}),
        ("(k - 2)*q'^2", set()),
    ],
)
def test_constants_fold(lagrangian: str, constants: set[float]) -> None:
    programs = compile_text(f"coordinate q\nconstant k = 3\nL = {lagrangian}\n").programs
    found = {i.payload for i in programs.lagrangian.instructions if i.operation == "constant"}
    assert sorted(found) == pytest.approx(sorted(constants), rel=4e-16)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (sp.Rational(1, 10), 0.1),
        (sp.Rational(1, 3), 1 / 3),
        (sp.pi, math.pi),
        (sp.Rational(1, 10**300), 1e-300),
        (sp.Rational(10**300), 1e300),
        (sp.sqrt(2), math.sqrt(2)),
        (sp.exp(1), math.e),
        (sp.Integer(0), 0.0),
        (sp.Integer(2**53 + 1), float(2**53)),
        (sp.Integer(2**53 + 3), float(2**53 + 4)),
        (sp.Rational(2**60 + 1, 2**60), 1.0),
        (sp.Rational(5, 10**324), 5e-324),
        (-sp.Rational(22, 7), -22 / 7),
        (sp.Rational(123456789123456789, 10**9), 123456789.123456789),
    ],
)
def test_numbers_are_rounded_to_the_nearest(value: sp.Expr, expected: float) -> None:
    assert nearest_double(value) == expected


@pytest.mark.parametrize("value", [sp.pi, sp.sqrt(3) / 7, sp.exp(-20), sp.log(3) * 10**40])
def test_irrational_numbers_are_correctly_rounded(value: sp.Expr) -> None:
    found = nearest_double(value)
    exact = Fraction(str(value.evalf(60)))
    error = abs(Fraction(found) - exact)
    for neighbour in (math.nextafter(found, math.inf), math.nextafter(found, -math.inf)):
        assert error < abs(Fraction(neighbour) - exact)


@pytest.mark.parametrize(
    "value",
    [sp.Rational(1, 10**400), sp.Integer(10**400), sp.exp(1000), sp.exp(-1000), sp.I, sp.zoo],
)
def test_numbers_out_of_range_are_refused(value: sp.Expr) -> None:
    with pytest.raises(LagcError) as caught:
        nearest_double(value)
    assert caught.value.diagnostics[0].code.name == "LAG210"


def test_the_text_depends_on_the_model_and_not_on_the_order_of_a_run() -> None:
    model = "model m\ncoordinate q\nL = q'^2/2 - q^4\nrun until 10 step 0.1 order {}\n"
    low, high = (compile_text(model.format(order)) for order in (2, 34))
    assert low.programs == high.programs
    assert len(low.text.splitlines()) == len(high.text.splitlines())
