"""What is shown of a lattice, read as a person does, is what the compiled module computes."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from lagc.driver import Compilation
from lagc.loader import load_module
from lagc.mechanics.lattice import LatticeSystem
from lagc.presentation.document import Equation, Rate, Section
from lagc.presentation.model import momenta_section, motion_section
from tests.mechanics.models import compile_text

jax.config.update("jax_enable_x64", True)

LATTICES = {
    "strings": "index i in 0..5 free\ncoordinate u[i]\ncoefficient c = 0.3\n"
    "L = sum(i, 1/2*u'[i]^2 - 1/2*(u[i+1] - u[i])^2)\n"
    "R = sum(i, 1/2*c*(u'[i+1] - u'[i])^2)\n",
    "kinetic": "index i in 0..6 free\ncoordinate u[i]\n"
    "L = sum(i, 1/2*u'[i]^2 + 1/2*(u'[i+1] + u'[i])^2 - (u[i+2] - 2*u[i+1] + u[i])^2)\n"
    "K = sum(i, -u_+[i+1]*u'_-[i] - u_+[i]*u'_-[i] - u'_+[i]*u_-[i-2])\n",
    "two fields": "index i in 1..9 free\ncoordinate u[i]\ncoordinate w[i]\n"
    "coefficient c = 0.3\ncoefficient k[i] = 1 + i/10\nconstant m[i] = 2 + i/7\n"
    "L = sum(i, 1/2*m[i]*u'[i]^2 + w'[i]^2 - k[i]*(u[i+1] - w[i])^2 - 3*(w[i+1] - w[i])^2)\n"
    "L += -sum(i in 3..5, 2*(u[i+1] - u[i])^2) - u[1]^2\n"
    "force u[9] = c\nforce w[4] = c*u[3]\n",
    "kept within": "index i in 0..7\ncoordinate u[i]\nL = sum(i, 1/2*u'[i]^2 - i*u[i])\n"
    "L += -sum(i in 1..7, 1/2*(u[i] - u[i-1])^2) - sum(i in 0..5, u[i]*u[i+2] - u[i]^2)\n",
    "only ends": "index i in 0..2 free\ncoordinate u[i]\n"
    "L = sum(i, 1/2*u'[i]^2 - (u[i+2] - u[i])^2 - (u[i+1] - u[i])^2)\n",
    "ring": "index i in 0..7 periodic\ncoordinate u[i]\n"
    "L = sum(i, 1/2*u'[i]^2 - (u[i+1] - u[i])^2) - sum(i in 2..3, u[i+1]*u[i]^2) - u[6]*u[0]\n",
}


def values_shown(c: Compilation, section: Section, values: dict[str, float]) -> np.ndarray:
    """The right sides of a section, for each field at all sites, taken at their word."""
    assert isinstance(c.nodes, LatticeSystem)
    lattice = c.nodes.lattice
    found: dict[tuple[str, int], float] = {}
    field = ""
    for row in section.rows:
        assert isinstance(row, Equation)
        besides = row.right is None
        if not besides:
            left = row.left.args[0] if isinstance(row.left, Rate) else row.left
            field, at = re.fullmatch(r"p\[(\w+)\[(\w+)\]\]", left.name).groups()
        first, last = lattice.first, lattice.last
        if place := re.search(r"in (-?\d+)\.\.(-?\d+)$", row.remark):
            first, last = int(place[1]), int(place[2])
        elif place := re.search(r"= (-?\d+)$", row.remark):
            first = last = int(place[1])
        assert besides == row.remark.startswith("in addition")
        for site in range(first, last + 1):
            assert besides or at in (lattice.index, str(site))
            e = lattice.at_site(row.left if besides else row.right, site)
            number = float(e.xreplace({s: sp.Float(values[s.name], 30) for s in e.free_symbols}))
            assert besides == ((field, site) in found)
            found[field, site] = found.get((field, site), 0.0) + number
    sites = range(lattice.first, lattice.last + 1)
    assert len(found) == c.model.dof
    return np.array([found[c.name, site] for c in c.model.coordinates for site in sites])


@pytest.mark.parametrize("name", LATTICES)
def test_the_equations_shown_are_those_of_the_module_at_every_site(name: str) -> None:
    c = compile_text(LATTICES[name])
    system = load_module(c.text, "m").system
    assert isinstance(c.nodes, LatticeSystem)
    lattice, random = c.nodes.lattice, np.random.default_rng(7)
    sites = range(lattice.first, lattice.last + 1)
    q, v = (random.uniform(0.2, 1.5, c.model.dof) for _ in range(2))
    labels = [(field.name, site) for field in c.model.coordinates for site in sites]
    values = {f"{f}[{s}]": x for (f, s), x in zip(labels, q, strict=True)}
    values |= {f"{f}'[{s}]": x for (f, s), x in zip(labels, v, strict=True)}
    coefficients = {}
    for coefficient in c.model.coefficients:
        drawn = random.uniform(0.5, 1.5, lattice.size if coefficient.varies else ())
        coefficients[coefficient.name] = jnp.asarray(drawn)
        if coefficient.varies:
            values |= {f"{coefficient.name}[{s}]": x for s, x in zip(sites, drawn, strict=True)}
        else:
            values[coefficient.name] = float(drawn)
    values |= {f"m[{s}]": 2 + s / 7 for s in sites}
    computed = (
        system.kernels.forces(q, v, jnp.asarray(0.0), coefficients, {}, {})[0],
        system.kernels.momentum(q, v, jnp.asarray(0.0), coefficients, {}, {}),
    )
    for section, numbers in zip((motion_section(c), momenta_section(c)), computed, strict=True):
        shown = values_shown(c, section, values)
        np.testing.assert_allclose(shown, numbers, rtol=1e-13, atol=1e-13)
