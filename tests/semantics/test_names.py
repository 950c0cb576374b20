"""Names are the user's own, and what each construct of the language stands for."""

from __future__ import annotations

import unicodedata

import pytest
import sympy as sp

from lagc.base.diagnostics import LagcError
from lagc.semantics.model import Law
from tests.mechanics.models import compile_text, compiled, evaluate, random_values

S, H = sp.Symbol, sp.Rational(1, 2)
q, v = S("q"), S("q'")
NAMES = """
    E I S N O Q C beta gamma zeta lambda Lambda L K R zoo oo nan Symbol step order mod until in
    periodic p x0 jnp class None True print eval e j x_1 été
"""


def lagrangian(text: str) -> sp.Expr:
    return compile_text(
        f"coordinate q\ncoordinate r[3]\ncoefficient c = 1\n{text}\n"
    ).nodes.lagrangian


@pytest.mark.parametrize("name", NAMES.split())
def test_any_name_can_be_a_coefficient(name: str) -> None:
    text = f"coordinate q\ncoefficient {name} = 2\nL = {name}*q'^2/2 - ({name} + 1)*q^2\n"
    nodes = compile_text(text).nodes
    assert nodes.a == (sp.expand(-2 * (S(name) + 1) * q),) or nodes.a == (-2 * q * (S(name) + 1),)
    assert nodes.b == (S(name) * v,)


@pytest.mark.parametrize("name", ["E", "I", "lambda", "N", "x0", "f", "beta"])
def test_any_name_can_be_a_coordinate(name: str) -> None:
    nodes = compile_text(f"coordinate {name}\nL = {name}'^2/2 - {name}^3\n").nodes
    assert nodes.a == (-3 * S(name) ** 2,)


def test_the_numbers_of_a_model_with_sympys_names_are_right() -> None:
    c = compiled("user_names")
    values = random_values(c, 5)
    x = {s.name: float(value) for s, value in values.items()}
    found = [float(value) for value in evaluate([*c.nodes.a, *c.nodes.b], values)]
    drag = x["lambda"] * x["S"] * 2 / 3
    assert found[0] == pytest.approx(-2 * x["beta"] * x["S"] * x["order"] - x["gamma"] * x["S'"])
    assert found[1] == pytest.approx(-x["step"] * x["Q"] / 11 - drag * x["N'[0]"])
    assert found[2] == pytest.approx(-x["step"] * x["Q"] * 7 / 11 - drag * x["N'[1]"])
    assert found[3] == pytest.approx(x["L"] * x["E"] * x["S'"] - 1)
    assert found[4] == pytest.approx(x["L"] * x["I"] * x["N'[0]"])


def test_a_letter_and_its_accent_are_one_name() -> None:
    composed = unicodedata.normalize("NFC", "é")
    apart = unicodedata.normalize("NFD", composed)
    assert composed != apart
    nodes = compile_text(f"coordinate {composed}\nL = {apart}'^2 - {apart}\n").nodes
    assert nodes.b == (2 * S(f"{composed}'"),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L = q'^2 + -q^2", v**2 - q**2),
        ("L = 2^-q^2*q'^2", 2 ** (-(q**2)) * v**2),
        ("L = q'^2 - 6/2/3*q", v**2 - q),
        ("L = q'^2 - 2/3*q*3", v**2 - 2 * q),
        ("L = q'^2 - (q - 1 - 2)", v**2 - q + 3),
        ("L = q'^2*0.1", v**2 / 10),
        ("L = q'^2*1e-3", v**2 / 1000),
        ("L = q'^2 - 2^3^2*q", v**2 - 512 * q),
        ("L = q'^2 - dot((1, 2, 3), (q, q, 0))", v**2 - 3 * q),
        ("L = q'^2 - cross((1, 0, 0), (0, q, 0))[2]", v**2 - q),
        ("L = q'^2 - cross((0, 1, 0), (q, 0, 0))[2]", v**2 + q),
        ("L = q'^2 - norm((3*q, 4*q))^2", v**2 - 25 * q**2),
        ("L = q'^2 - (2*(q, 1)/4 - (0, q))[1]", v**2 + q - H),
        ("L = q'^2 - (-(q, 1))[0]", v**2 + q),
        ("constant k = 3\nL = q'^2 - r[k - 2]", v**2 - S("r[1]")),
        ("let a = b*2\nlet b = q + 1\nL = q'^2 - a", v**2 - 2 * q - 2),
        ("let w = r'\nL = q'^2 + w[2]", v**2 + S("r'[2]")),
        ("L += q\nL = q'^2\nL += 2*q", v**2 + 3 * q),
        ("L = q'^2 - max(1, 3)*q - min(1, 3) - abs(-2)*sign(-3)", v**2 - 3 * q + 1),
        ("L = q'^2 - atan2(1, 1)*q", v**2 - sp.pi * q / 4),
        ("L = q'^2 - log(exp(1))*q", v**2 - q),
        ("L = (\n q'^2 -\n q\n)  # done", v**2 - q),
    ],
)
def test_expressions(text: str, expected: sp.Expr) -> None:
    # r needs a kinetic energy and c is not used: both drop out
    kinetic = sum(S(f"r'[{i}]") ** 2 for i in range(3))
    found = lagrangian(f"{text}\nL += dot(r', r')")
    assert sp.expand(found - kinetic - expected) == 0


def coefficient(declaration: str) -> tuple[object, ...]:
    c = compile_text(f"coordinate q\nL = q'^2\ncoefficient c {declaration}\n").model.coefficients[0]
    return c.lower, c.lower_open, c.upper, c.upper_open, c.default


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("", (None, False, None, False, None)),
        ("= 1/3", (None, False, None, False, sp.Rational(1, 3))),
        ("in (0, 1]", (0, True, 1, False, None)),
        ("in [0, 1) = 0", (0, False, 1, True, 0)),
        ("in (-inf, 5]", (None, False, 5, False, None)),
        ("in [-pi, pi] = 3", (-sp.pi, False, sp.pi, False, 3)),
        ("in (0, inf) = 2", (0, True, None, False, 2)),
        ("> 0", (0, True, None, False, None)),
        (">= 0 <= 1", (0, False, 1, False, None)),
        ("< 2 > -2 = 0", (-2, True, 2, True, 0)),
        ("in [2, 2] = 2", (2, False, 2, False, 2)),
        (">= 0.1 = 0.1", (H / 5, False, None, False, H / 5)),
    ],
)
def test_bounds(declaration: str, expected: tuple[object, ...]) -> None:
    assert coefficient(declaration) == expected


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        ("uniform(0, 1/2)", Law("uniform", (sp.Integer(0), H))),
        ("normal(-1, 0.5)", Law("normal", (sp.Integer(-1), H))),
        ("loguniform(0.5, pi)", Law("loguniform", (H, sp.pi))),
        ("3", Law("point", (sp.Integer(3),))),
        (
            "mixture(0.5: 3, 1/2: uniform(0, 0.5))",
            Law(
                "mixture",
                (),
                (H, H),
                (Law("point", (sp.Integer(3),)), Law("uniform", (sp.Integer(0), H))),
            ),
        ),
    ],
)
def test_priors(law: str, expected: Law) -> None:
    c = compile_text(f"coordinate q\nL = q'^2\ncoefficient c ~ {law}\n").model.coefficients[0]
    assert c.prior == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("initial q = 1, q' = -2", {"q": 1, "q'": -2}),
        ("initial r = (1, 2, 1/2)", {"r[0]": 1, "r[1]": 2, "r[2]": H}),
        ("initial r'[1] = 2^3, q' = pi", {"r'[1]": 8, "q'": sp.pi}),
        ("initial p[r] = (1, 2, 3)", {"p[r[0]]": 1, "p[r[1]]": 2, "p[r[2]]": 3}),
        ("initial p[r[1]] = 5", {"p[r[1]]": 5}),
        ("initial q = k\ninitial q' = 2*k", {"q": 7, "q'": 14}),
    ],
)
def test_initial_lines(line: str, expected: dict[str, object]) -> None:
    start = "coordinate q\ncoordinate r[3]\nconstant k = 7\nL = q'^2 + dot(r', r')\n"
    labels = dict(compile_text(start + line).model.initial)
    assert labels == expected


def test_each_mistake_is_reported_once_and_in_order() -> None:
    with pytest.raises(LagcError) as caught:
        compile_text("coordinate q\nL = q'^2 - a*q - b*a\nK = -d*q'*q_-\nrun step 0\n")
    found = [(d.code.name, d.span.line if d.span else 0) for d in caught.value.diagnostics]
    assert found == [("LAG203", 2)] * 3 + [("LAG203", 3), ("LAG208", 3), ("LAG215", 4)]


def test_a_name_whose_declaration_cannot_be_read_is_not_reported_again() -> None:
    with pytest.raises(LagcError) as caught:
        compile_text(
            "coordinate q % angle\nneural V(q) = relu(3)\nL = q'^2 - V(q)\ninitial q = 1\n"
        )
    assert [d.code.name for d in caught.value.diagnostics] == ["LAG111", "LAG216"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqrt((q - 3)^2)", "abs(q - 3)"),
        ("((q - 3)^4)^(1/4)", "abs(q - 3)"),
        ("sqrt(q^2 - 6*q + 9)", "abs(q - 3)"),
        ("norm((q, 0))", "abs(q)"),
        ("(4*q^2)^(3/2)", "8*q^2*abs(q)"),
        ("sqrt(t^2*(1 + q^2))", "abs(t)*sqrt(1 + q^2)"),
        ("sqrt((q - 3)^4)", "(q - 3)^2"),
        ("norm((3*q, 4*q))^2", "25*q^2"),
    ],
)
def test_the_root_of_a_square_is_an_absolute_value(text: str, expected: str) -> None:
    """SymPy leaves such roots, and takes their second derivatives for zero."""

    def read(text: str) -> sp.Expr:
        model = compile_text(f"coordinate q\nL = 1/2*q'^2\nobservable x = {text}\n").model
        return model.observables[0].value

    assert sp.expand(read(text) - read(expected)) == 0


def test_a_root_in_a_force_makes_it_no_affine_one() -> None:
    """What is proved by derivatives that vanish may be wrong where a root switches."""
    text = "coordinate q\nL = 1/2*q'^2\nforce q = -sqrt(1 - 2*sin(q)*cos(q)*0 + q*(q - 2))\n"
    assert not {f.name: f.holds for f in compile_text(text).facts.items}["affine"]
