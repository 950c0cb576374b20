"""What the checks of K, of the mass matrix and of periods let pass and what they refuse."""

from __future__ import annotations

import mpmath as mp
import pytest

from lagc.base.diagnostics import LagcError
from lagc.mechanics.numeric import random_points
from tests.mechanics.models import compile_text

HEAD = "coordinate q\ncoordinate r[2]\ncoefficient c = 1\nobservable used = c\n"
KINETIC = "L = q'^2/2 + dot(r', r')/2\n"


def codes(text: str) -> list[str]:
    try:
        return [d.code.name for d in compile_text(text).warnings]
    except LagcError as error:
        return [d.code.name for d in error.diagnostics]


@pytest.mark.parametrize(
    ("coupling", "expected"),
    [
        ("-c*q'_+*q_-", []),
        ("-c*q'_+*sin(q_-)", ["LAG303"]),
        ("(q_+ + q_-)^2 - (q_+ - q_-)^2", []),
        ("c*q_-*q_+/(1 + q_-^2)", ["LAG303"]),
        ("c*(q_- + q_-^2)", ["LAG302"]),
        ("c*q_-*r_-[0]", ["LAG302"]),
        ("c*q_-*r_-[0]*r'_-[1]", ["LAG303"]),
        ("c", ["LAG301"]),
        ("cos(q_-)*q_+", ["LAG301"]),
        ("exp(q_-) - exp(-q_-)", ["LAG303", "LAG303"]),
        ("q_+*q_- + q_- - q_+*q_-", []),
        ("q_- + q_-^2 - q_-*q_-", []),
        ("sin(q_+)^2*q_-^2 + cos(q_+)^2*q_-^2 - q_-^2 + q_-", []),
        ("1/q_-", ["LAG301"]),
        ("sign(q_-)*q'_+", ["LAG305"]),
        ("abs(q_-)*q_-", ["LAG303"]),
        ("sqrt(q_-)", ["LAG307"]),
    ],
)
def test_couplings(coupling: str, expected: list[str]) -> None:
    assert codes(f"{HEAD}{KINETIC}K = {coupling}\n") == expected


@pytest.mark.parametrize(
    ("lagrangian", "names"),
    [
        ("q'^2 + r'[0]^2", ["r[1]"]),
        ("q^2", ["q", "r[0]", "r[1]"]),
        ("q' + r'[0]*q", ["q", "r[0]", "r[1]"]),
        ("(q' + r'[0])^2 + r'[1]^2", ["q", "r[0]"]),
        ("(q' + r'[0]*cos(q))^2 + r'[1]^2*exp(q)", ["q", "r[0]"]),
        ("norm((q', r'[0])) + r'[1]^2", ["q", "r[0]"]),
        ("q'^2 + r'[0]^2 + r'[1]^2/1000000000000", []),
        ("q'*r'[0] + r'[1]^3", []),
    ],
)
def test_degenerate_mass_matrices_name_their_coordinates(lagrangian: str, names: list[str]) -> None:
    text = f"{HEAD}L = {lagrangian}\n"
    if not names:
        assert codes(text) == []
        return
    with pytest.raises(LagcError) as caught:
        compile_text(text)
    (found,) = caught.value.diagnostics
    assert found.code.name == "LAG304"
    assert [n for n in ("q", "r[0]", "r[1]") if f"`{n}`" in found.message] == names


def test_kinetic_energy_may_come_from_the_coupling() -> None:
    nodes = compile_text("coordinate q\nL = -q^2\nK = 2*q'_+*q'_-\n").nodes
    assert str(nodes.b_v[0][0]) == "2"


@pytest.mark.parametrize(
    ("potential", "expected"),
    [
        ("cos(q)", []),
        ("cos(3*q) + sin(q)^2", []),
        ("q", []),
        ("cos(q/2)", ["LAG306"]),
        ("q^2", ["LAG306"]),
        ("cos(q)^2 + sin(q)^2 + q - q", []),
    ],
)
def test_periods(potential: str, expected: list[str]) -> None:
    assert codes(f"coordinate q mod 2*pi\nL = q'^2/2 - {potential}\n") == expected


@pytest.mark.parametrize(
    "text",
    [
        "coordinate r\nL = r'^2 - sqrt(r - 6371)\n",
        "coordinate r\nL = r'^2 - asin(r - 6371)\ninitial r = 6371.2, r' = 0\n",
        "coordinate r\nL = r'^2 - log(1e-3 - r'^2)*r\n",
    ],
)
def test_a_narrow_domain_is_found(text: str) -> None:
    assert codes(text) == []


def test_the_precision_of_other_numbers_is_left_alone() -> None:
    """Points that nobody asks for any more must not hold a precision, or drop one later."""
    model = compile_text("coordinate x\nL = x'^2/2 - max(x, 0)^2\n").model
    before = mp.mp.prec
    points = iter(random_points(model))
    next(points)
    assert mp.mp.prec == before
    with mp.workdps(220):
        del points
        assert mp.mp.dps == 220
