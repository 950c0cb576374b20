"""What lattice models mean: densities, the sites they are summed over, and what varies."""

from __future__ import annotations

import pytest
import sympy as sp

from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Source
from lagc.semantics.elaborate import elaborate
from lagc.semantics.model import Model
from lagc.semantics.notation import to_text
from lagc.syntax.parser import parse


def read(text: str, ends: str = "free") -> Model:
    source = Source("m.lag", f"index i in 0..9 {ends}\ncoordinate x[i]\n{text}\n")
    diagnostics = Diagnostics()
    return elaborate(parse(source, diagnostics), source, (), diagnostics)


Densities = dict[sp.Expr, tuple[int, int] | None]


def densities(text: str, ends: str = "free") -> Densities:
    """The densities of a Lagrangian with the sites they are summed over."""
    return {term.value: term.sites for term in read(f"L = {text}", ends).lagrangian_terms}


def x(shift: int = 0) -> sp.Symbol:
    return sp.Symbol(f"x[i{shift:+d}]" if shift else "x[i]")


V = sp.Symbol("x'[i]")


def test_terms_that_reach_beyond_a_free_end_are_left_out_there() -> None:
    bond = (x(1) - x()) ** 2
    assert densities("sum(i, x'[i]^2 - (x[i+1] - x[i])^2)") == {V**2: (0, 9), -bond: (0, 8)}
    bent = (x(1) - 2 * x() + x(-2)) ** 2
    assert densities("sum(i, (x[i+1] - 2*x[i] + x[i-2])^2)") == {bent: (2, 8)}


def test_terms_are_found_under_factors_without_a_field() -> None:
    declared = "coefficient k[i] = 1\ncoefficient c = 1\n"
    model = read(declared + "L = c*k[2]*sum(i, k[i+1]*(x[i] - x[i-1]*x[i]))")
    factor = sp.Mul(*sp.symbols("c k[2] k[i+1]"))
    terms = {t.value: t.sites for t in model.lagrangian_terms}
    assert terms == {factor * x(): (0, 8), -factor * x() * x(-1): (1, 8)}


def test_a_product_with_a_field_is_one_term() -> None:
    assert densities("sum(i, x[i]*(x[i+1] - x[i-1]))") == {x() * (x(1) - x(-1)): (1, 8)}


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("smooth_max(x[i+1], x[i], 1)", (x(1) + x() + sp.sqrt((x(1) - x()) ** 2 + 1)) / 2),
        ("dot((x[i+1], x[i]), (x[i+1], x[i]))", x(1) ** 2 + x() ** 2),
        ("norm((x[i+1], x[i]))^2", x(1) ** 2 + x() ** 2),
        ("(((1, 2), (3, 4))*(x[i+1], x[i]))[0]", x(1) + 2 * x()),
        ("d", x(1) ** 2 + x() ** 2),
    ],
)
def test_what_a_function_gives_is_one_term(text: str, whole: sp.Expr) -> None:
    """Though SymPy spreads factors over the sums that some functions stand for."""
    declared = "let d = norm((x[i], x[i+1]))^2\n"
    model = read(f"{declared}L = sum(i, x'[i]^2 - {text})\nforce x[i] = {text}")
    parts = {t.value: t.sites for t in model.lagrangian_terms}
    assert parts == {V**2: (0, 9), sp.expand_mul(-whole): (0, 8)}
    assert [t.sites for t in model.coupling_terms] == [(0, 8)]


def test_a_sum_over_a_part_is_cut_at_the_ends_too() -> None:
    bond = x() * x(1)
    assert densities("sum(i in 3..9, x[i]*x[i+1])") == {bond: (3, 8)}
    assert densities("sum(i in 3..9, x[i]*x[i+1])", "periodic") == {bond: (3, 9)}
    assert densities("sum(i in 3..8, x[i]*x[i+1])", "") == {bond: (3, 8)}


@pytest.mark.parametrize(
    ("text", "ends", "density", "site"),
    [
        ("x[3]^2", "", x() ** 2, 3),
        ("x[3]*x[5]", "free", x() * x(2), 3),
        ("x[9]*x[0]", "periodic", x() * x(1), 9),
        ("x[1]*x[8]*x[9]", "periodic", x() * x(1) * x(3), 8),
    ],
)
def test_what_stands_outside_every_sum_is_a_density_on_one_site(
    text: str, ends: str, density: sp.Expr, site: int
) -> None:
    assert densities(text, ends) == {density: (site, site)}


def test_sums_add_up_with_factors() -> None:
    model = read("input u\nL = 1/2*u*(sum(i, x'[i]^2) - t*sum(i in 1..3, x[i]))")
    u, t = sp.symbols("u t")
    terms = {term.value: term.sites for term in model.lagrangian_terms}
    assert terms == {u * V**2 / 2: (0, 9), -t * u * x() / 2: (1, 3)}


def test_rayleigh_and_forces_become_part_of_the_coupling() -> None:
    model = read(
        "coefficient c = 1\nL = sum(i, x'[i]^2)\nR = 1/2*c*sum(i, (x'[i+1] - x'[i])^2)\n"
        "force x[i] = sin(x[i-1]) - 1\nforce x[9] = t"
    )
    total: dict[tuple[int, int] | None, sp.Expr] = {}
    for term in model.coupling_terms:
        total[term.sites] = total.get(term.sites, 0) + term.value
    c, t, m, n, v, w = sp.symbols("c t x_-[i] x_-[i+1] x'_+[i] x'_+[i+1]")
    assert sp.expand(total.pop((0, 8)) + c * (w - v) * (n - m)) == 0
    left = sp.sin(sp.Symbol("x_+[i-1]"))
    assert total == {(1, 9): left * m, (0, 9): -m, (9, 9): t * m}


def test_a_let_may_use_the_index() -> None:
    model = read(
        "let bond = x[i+1] - x[i]\nlet energy = sum(i, bond^2)\nL = sum(i, bond^3) + energy"
    )
    stretch = x(1) - x()
    terms = {t.value: t.sites for t in model.lagrangian_terms}
    assert terms == {stretch**3: (0, 8), stretch**2: (0, 8)}


def test_what_varies_along_the_lattice_is_a_function_of_the_index() -> None:
    model = read(
        "constant N = 10\nconstant m[i] = 1 + i/N\nconstant edge = 2*m[9]\n"
        "constant w[i] = m[i+1]^2 + m[2]\n"
        "coefficient k[i] in [0, 3] = m[i]\nL = sum(i, w[i]*x'[i]^2 - k[i]*m[i-1]*x[i]^2)\n"
        "initial x[i] = exp(-i), x'[i] = 0, x[4] = 1"
    )
    values = {c.name: c.value for c in model.constants if c.varies}
    i, neighbour = sp.symbols("i [i+1]")
    assert values["m"] == 1 + i / 10
    assert {c.name: c.value for c in model.constants}["edge"] == sp.Rational(19, 5)
    assert values["w"] == (1 + neighbour / 10) ** 2 + sp.Rational(6, 5)
    assert model.coefficients[0].default == 1 + i / 10
    assert dict(model.initial) == {"x[i]": sp.exp(-i), "x'[i]": 0, "x[4]": 1}
    assert {t.sites for t in model.lagrangian_terms} == {(0, 9), (1, 9)}


def test_the_range_of_a_lattice_may_be_made_of_constants() -> None:
    source = Source("m.lag", "index j in -n..n-1\nconstant n = 4\ncoordinate x[j]\nL = x'[-4]^2\n")
    diagnostics = Diagnostics()
    model = elaborate(parse(source, diagnostics), source, (), diagnostics)
    lattice = model.lattice
    assert lattice is not None
    assert (lattice.index, lattice.first, lattice.size, lattice.last) == ("j", -4, 8, 3)
    assert (model.dof, model.labels) == (8, ("x[j]",))


def test_observables_are_functions_of_sums() -> None:
    model = read("L = sum(i, x'[i]^2)\nobservable rms = sqrt(sum(i, x[i]^2)/10) + x[2]")
    assert to_text(model.observables[0].value) == "x[2] + sqrt(10)*sqrt(sum(i in 0..9, x[i]^2))/10"
