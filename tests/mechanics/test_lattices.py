"""The equations of lattices at a generic site, and the small models they are checked on."""

from __future__ import annotations

import sympy as sp

from lagc.mechanics.ends import FieldEquation, at_sites
from lagc.mechanics.instance import chosen_sites, written_out
from lagc.mechanics.lattice import LatticeSystem
from lagc.mechanics.nodesystem import NodeSystem
from tests.mechanics.models import compile_text


def system(text: str) -> LatticeSystem:
    nodes = compile_text(text).nodes
    assert isinstance(nodes, LatticeSystem)
    return nodes


def test_the_equations_at_a_generic_site() -> None:
    nodes = system(
        "index i in 0..999 free\ncoordinate x[i]\ncoefficient k[i] = 1\ninput u\n"
        "L = sum(i, 1/2*x'[i]^2 - 1/2*k[i]*(x[i+1] - x[i])^2) - x[0]^2\n"
        "force x[i] = -x'[i]\nforce x[999] = u\n"
    )
    (force,), (momentum,) = (at_sites(nodes, part) for part in (nodes.a, nodes.b))
    assert force.interior is not None
    left, x, right, v, k, j = sp.symbols("x[i-1] x[i] x[i+1] x'[i] k[i] k[i-1]")
    assert force.interior[:2] == (1, 998)
    assert sp.expand(force.interior[2] - (k * (right - x) - j * (x - left) - v)) == 0
    (first, at_first), (last, at_last) = force.ends
    assert (first, last, force.elsewhere) == (0, 999, ())
    x, y, v, k = sp.symbols("x[0] x[1] x'[0] k[0]")
    assert sp.expand(at_first - (k * (y - x) - v - 2 * x)) == 0
    x, y, v, k, u = sp.symbols("x[999] x[998] x'[999] k[998] u")
    assert sp.expand(at_last - (-k * (x - y) - v + u)) == 0
    assert momentum == FieldEquation((0, 999, sp.Symbol("x'[i]")), (), ())
    assert (nodes.reach, nodes.local_mass) == (1, True)


def test_the_rate_of_the_energy() -> None:
    nodes = system(
        "index i in 0..9 periodic\ncoordinate x[i]\nL = sum(i, 1/2*x'[i]^2 - cos(t)*x[i]*x[i+1])\n"
        "K = sum(i, -x'_+[i]*x_-[i] + x_+[i]*x'_-[i+1])\n"
    )
    x, right, v, a = sp.symbols("x[i] x[i+1] x'[i] x'[i+1]")
    (rate,) = nodes.power
    expected = -sp.sin(sp.Symbol("t")) * x * right - v**2 - a * v
    assert sp.expand(rate.value - expected) == 0


def test_bands_are_derivatives_of_the_contributions() -> None:
    nodes = system(
        "index i in 0..9 periodic\ncoordinate x[i]\ncoordinate y[i]\n"
        "L = sum(i, 1/2*x'[i]^2 + 1/2*y'[i]^2*(2 + x[i-1]^2) - x[i+1]*y[i-1])\n"
    )
    assert nodes.reach == 2
    assert {(p.row, p.value) for p in nodes.a_q if not p.value.free_symbols} == {
        ((-2, 0, 1), sp.Integer(-1)),
        ((2, 1, 0), sp.Integer(-1)),
    }
    assert {p.row for p in nodes.b_q} == {(-1, 1, 0)} and {p.row for p in nodes.a_v} == {(1, 0, 1)}


def test_the_small_model_keeps_the_ends_and_forgets_the_rest() -> None:
    nodes = system(
        "index i in 0..99999\ncoordinate x[i]\ncoefficient k[i] in (1, 2) = 3/2\n"
        "constant m[i] = 1 + i\n"
        "L = sum(i, 1/2*m[i]*x'[i]^2) - sum(i in 500..99000, k[i]*k[i+1]*(x[i+1] - x[i])^2)\n"
    )
    lattice = nodes.lattice
    sites = chosen_sites(nodes.model, lattice)
    assert {0, 500, 99000, 99999} <= set(sites) and len(sites) < 16
    small = written_out(nodes.model, lattice)
    assert small.lattice is None and small.dof == len(sites)
    assert small.labels[-1] == "x[99999]" and small.constants == ()
    assert {c.name for c in small.coefficients} <= {f"k[{site}]" for site in sites}
    assert all(c.lower == 1 and not c.varies for c in small.coefficients)
    assert isinstance(nodes.instance, NodeSystem)
    assert nodes.instance.b_v[-1][-1] == 100000


def test_small_rings_have_a_prime_number_of_sites() -> None:
    text = "index i in 0..N-1 periodic\nconstant N = 60\ncoordinate x[i]\n"
    for reach in (0, 1, 3):
        nodes = system(text + f"L = sum(i, x'[i]^2 - x[i]*x[i+{reach}])\n")
        n = len(chosen_sites(nodes.model, nodes.lattice))
        assert sp.isprime(n) and n > 2 * nodes.reach


def test_terms_with_roots_of_differences_are_evaluated_where_they_are_real() -> None:
    nodes = system(
        "index i in 0..99 free\ncoordinate x[i]\n"
        "L = sum(i, 1/2*x'[i]^2 - 2/5*(x[i] - x[i+1])^(5/2))\n"
    )
    assert nodes.reach == 1
