"""Facts hold where they should and nowhere else."""

from __future__ import annotations

import pytest

from tests.mechanics.models import compile_text


@pytest.mark.parametrize(
    ("text", "name", "holds"),
    [
        ("input u\nL = q'^2*u", "constant mass matrix", False),
        ("input u\nL = q'^2 - u*q^2", "affine", False),
        ("input u\nL = q'^2 - u*q", "affine", True),
        ("L = q'^2 - t*q^2", "affine", False),
        ("L = q'^2 - q^2 + cos(t)*q", "affine", True),
        ("L = q'^2 - q^2 + cos(t)*q", "autonomous", False),
        ("input u\nL = q'^2 - u*q", "autonomous", False),
        ("L = q'^2 - q^4", "separable", True),
        ("L = q'^2 - q*q'", "separable", False),
        ("L = q'^2\nK = -q'_+*q_-", "separable", False),
        ("L = q'^2\nK = -q'_+*q_-", "cyclic q", True),
        ("L = q'^2 - q^4", "cyclic q", False),
        ("L = q'^2\nK = q_-^3", "conservative", True),
        ("L = q'^2 + q'", "constant mass matrix", False),
    ],
)
def test_facts(text: str, name: str, holds: bool) -> None:
    assert compile_text(f"coordinate q\n{text}\n").facts.holds(name) is holds


def test_a_chain_is_banded() -> None:
    chain = "coordinate x[4]\nL = dot(x', x')/2 - x[0]*x[1] - x[1]*x[2] - x[2]*x[3]\n"
    assert compile_text(chain).facts.holds("banded")
    assert not compile_text(chain + "L += x[0]*x[3]\n").facts.holds("banded")


def lattice_facts(text: str) -> dict[str, bool]:
    facts = compile_text(f"index i in 0..99 periodic\ncoordinate x[i]\n{text}\n").facts
    return {fact.name: fact.holds for fact in facts.items}


def test_facts_of_lattices() -> None:
    wave = lattice_facts("L = sum(i, x'[i]^2 - (x[i+1] - x[i])^2)")
    assert set(wave) == {
        "conservative",
        "autonomous",
        "affine",
        "linear",
        "constant mass matrix",
        "diagonal mass matrix",
        "separable",
        "banded",
    }
    assert all(wave.values())
    damped = lattice_facts("L = sum(i, x'[i]^2 - x[i]^4)\nK = -sum(i, x'_+[i]*x_-[i+1])")
    assert [name for name, holds in damped.items() if holds] == [
        "autonomous",
        "constant mass matrix",
        "diagonal mass matrix",
        "banded",
    ]


def test_a_mass_matrix_that_couples_sites_is_no_constant_one() -> None:
    facts = lattice_facts("input u\nL = sum(i, 3*x'[i]^2 + x'[i]*x'[i+1] - u*x[i])")
    assert not facts["constant mass matrix"]
    assert facts["conservative"] and facts["affine"] and not facts["autonomous"]
