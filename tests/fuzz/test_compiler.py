"""Random and mutated programs end in a module or in diagnostics, whatever they hold."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.examine import Finding, Forbidden, _watched, examine
from tests.fuzz.mutate import mutated, seeds
from tests.fuzz.programs import random_program
from tests.syntax.strategies import soups, texts

SEEDS = seeds()
generators = st.integers(0, 2**32).map(random.Random)


@given(generators)
@settings(max_examples=60, deadline=None)
def test_random_programs(generator: random.Random) -> None:
    found = examine(random_program(generator))
    assert not isinstance(found, Finding), found.report


@given(st.sampled_from(SEEDS), generators)
@settings(max_examples=100, deadline=None)
def test_mutated_programs(text: str, generator: random.Random) -> None:
    found = examine(mutated(text, SEEDS, generator))
    assert not isinstance(found, Finding), found.report


@given(texts | soups)
@settings(max_examples=100, deadline=None)
def test_any_text(text: str) -> None:
    found = examine(text)
    assert not isinstance(found, Finding), found.report


@pytest.mark.parametrize("text", ["exec('1')", "eval('1')", "open('/tmp/x', 'w')", "open('x.lag')"])
def test_what_a_text_must_not_cause_is_noticed(text: str) -> None:
    """Code of this file stands for a compiler that executes what it reads."""
    with pytest.raises(Forbidden), _watched():
        eval(text)


FOUND = {
    # A cotangent, which SymPy makes of a shifted tangent; also of one whose shift is a constant.
    "shifted tangent": "coordinate q\nL = 1/2*q'^2 + tan(pi/2 - q)\n",
    "shift by a constant": "coordinate q\nconstant k = 1e9\nL = 1/2*q'^2 - tan(pi/k - q)\n",
    # Inputs of a neural term under a sign.
    "sign of a neural term": "coordinate q\ncoordinate x\nneural V(q) = mlp(8)\n"
    "L = 1/2*q'^2 + 1/2*x'^2 + sign(V(x')/2)\n",
    # An input of a neural term that has no real value.
    "complex input": "coordinate q\nneural V(q) = mlp(8)\nL = 1/2*q'^2 + V(acos(-2))\n",
    # Forces that notice a period, where nothing can be said of the motion.
    "periodic jump": "coordinate q mod 2*pi\ncoordinate x\nL = 1/2*q'^2 + 1/2*x'^2\n"
    "force x = asin(if(2 < q, x', q'))\n",
    # Branches of `min` that are complex numbers cannot be compared.
    "complex minimum": "coordinate q\nconstant m = 0.1\nL = q'^2 + min(-2, (-1/2)^((-m)^2))*q\n",
    "complex sign": "coordinate q\nconstant m = 0.1\nL = q'^2 + sign((-1/2)^m)*q\n",
    # A text has no folder, so that no file is looked for.
    "use of a file": 'use "../models/a.lag"\ncoordinate q\nL = q\'^2\n',
    # Text in quotation marks after a word that is not `use`.
    "quoted name": 'm "nowhere.lag\u03c9"\ncoordinate use "a.lag"\nL = q\'^2\n',
    # A condition between complex numbers.
    "complex condition": "coordinate q\nL = q'^2 - if(asin(2) <= 3 and q < 1, q^2, 0)\n",
    # A field at a fixed site in a force on every site.
    "pinned force": "index i in 0..9 free\ncoordinate u[i]\n"
    "L = sum(i, 1/2*u'[i]^2)\nforce u[i] = if(u[0] > 2, 7, u'[i])\n",
    # Angles of thousands of digits.
    "angle of a power": "coordinate q\nL = q'^2 + if(tan(40^q') < 0, tan(40^q')*q', 0)\n",
    # An exponent that only a constant names.
    "exponent by name": "coordinate q\nconstant m = 1e9\nL = q'^2 + (q*m/t)^m\n",
    # The square of a polynomial under a root: SymPy writes code for so many variables.
    "root of a square": "coordinate q\nL = q'^2 - sqrt(q^2 - 6*q + 9)\n",
    # SymPy multiplied by a derivative that is zero and asked whether the other factors are finite.
    "root of a high power": "coordinate q\nconstant m = 2\nL = q'^2 - tanh(sqrt((m*q)^100))\n",
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_what_was_found_before(text: str) -> None:
    found = examine(text)
    assert not isinstance(found, Finding), found.report
