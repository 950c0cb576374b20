"""Vectors and matrices are the same model written out, to the last instruction."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from lagc.base.diagnostics import LagcError
from tests.mechanics.models import compile_text

RUN = {"dt": 0.25, "steps": 4}
SHORT = """
coordinate r[2]
constant d = (3, 1/2)
constant M = ((2, 1), (1, 3))
coefficient k[2] > 0 = (3, 4)
let A = transpose(M)*M
let B = -2*((k[0], 0), (0, k[1]))/4 + ((0, 1), (1, 0))*M[1][1]
L = 1/2*dot(r', M*r') + dot(r - d, B*(r - d)) + dot(A*r, A[1])
K = -dot(r'_+, M*r_-)
force r = if(t > 1, M, A)[0]
initial r = d, r' = M[0]
"""
LONG = """
coordinate r[2]
constant d = (3, 1/2)
constant M = ((2, 1), (1, 3))
coefficient k[2] > 0 = (3, 4)
let m00 = M[0][0]
let m01 = M[0][1]
let m10 = M[1][0]
let m11 = M[1][1]
let a00 = m00*m00 + m10*m10
let a01 = m00*m01 + m10*m11
let a11 = m01*m01 + m11*m11
let x = r[0] - d[0]
let y = r[1] - d[1]
L = 1/2*(r'[0]*(m00*r'[0] + m01*r'[1]) + r'[1]*(m10*r'[0] + m11*r'[1]))
L += x*(-k[0]/2*x + m11*y) + y*(m11*x - k[1]/2*y)
L += a01*(a00*r[0] + a01*r[1]) + a11*(a01*r[0] + a11*r[1])
K = -r'_+[0]*(m00*r_-[0] + m01*r_-[1]) - r'_+[1]*(m10*r_-[0] + m11*r_-[1])
force r = (if(t > 1, m00, a00), if(t > 1, m01, a01))
initial r = (3, 1/2), r' = (2, 1)
"""


def test_matrices_are_the_model_written_out() -> None:
    short, long = compile_text(SHORT), compile_text(LONG)
    assert short.programs == long.programs
    assert short.model.initial == long.model.initial
    assert short.facts == long.facts


def test_a_coefficient_of_several_components_is_several_coefficients() -> None:
    system = lagc.loads("coordinate r[2]\ncoefficient k[2] > 0\nL = 1/2*dot(r', r') - dot(k, r)\n")
    slow = system.simulate(jnp.zeros(2), jnp.zeros(2), coefficients={"k[0]": 1, "k[1]": 2}, **RUN)
    np.testing.assert_allclose(slow.q[-1], [-0.5, -1.0], rtol=1e-13)
    whole = system.simulate(jnp.zeros(2), jnp.zeros(2), coefficients={"k": [1.0, 2.0]}, **RUN)
    np.testing.assert_array_equal(whole.q, slow.q)
    many = jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    several = system.simulate(jnp.zeros((3, 2)), jnp.zeros((3, 2)), coefficients={"k": many}, **RUN)
    np.testing.assert_allclose(several.q[:, -1], -many / 2, rtol=1e-13)
    for wrong, code in (
        ({"k": 1.0}, "LAG505"),
        ({"k": [1.0] * 3}, "LAG505"),
        ({"kk": 1}, "LAG503"),
    ):
        with pytest.raises(LagcError) as caught:
            system.simulate(jnp.zeros(2), jnp.zeros(2), coefficients=wrong, **RUN)
        assert caught.value.diagnostics[0].code.name == code
    with pytest.raises(LagcError, match="LAG504"):
        system.simulate(jnp.zeros(2), jnp.zeros(2), coefficients={"k": [1.0, -1.0]}, **RUN)


def test_constant_vectors_are_numbers_on_a_lattice() -> None:
    text = "index i in 0..4 periodic\ncoordinate f[i]\n{d}L = sum(i, 1/2*f'[i]^2 - {x}*f[i]^2)\n"
    short = compile_text(text.format(d="constant d = (1, 3/4)\n", x="d[1]"))
    assert short.programs == compile_text(text.format(d="", x="3/4")).programs


def test_the_momentum_of_a_coordinate_named_p() -> None:
    text = "coordinate p\ncoordinate r[2]\nL = p'^2 + dot(r', r') - p^2\ninitial "
    model = compile_text(text + "p = 1, p[p] = 2, r = (3, 4), p[r] = (5, 6)\n").model
    expected = {"p": 1, "p[p]": 2, "r[0]": 3, "r[1]": 4, "p[r[0]]": 5, "p[r[1]]": 6}
    assert dict(model.initial) == expected
    vector = "coordinate p[2]\nconstant n = 1\nL = dot(p', p')\ninitial "
    model = compile_text(vector + "p[0] = 1, p[n] = 2, p[p[0]] = 3, p[p[n]] = 4\n").model
    assert dict(model.initial) == {"p[0]": 1, "p[1]": 2, "p[p[0]]": 3, "p[p[1]]": 4}
