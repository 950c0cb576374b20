"""Every model can be shown in every form: powers of all functions, and all models of the suite."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sympy as sp

from lagc.driver import compile_source, read_source
from lagc.notebook import Equations
from lagc.presentation import formulas, html, latex, mathml, text
from lagc.presentation.data import as_data
from lagc.presentation.document import Equation
from lagc.presentation.model import describe
from lagc.semantics.functions import NeuralTerm, neural_value
from tests.conftest import EXAMPLES
from tests.mechanics.models import GOOD, compile_text

MODELS = sorted([*EXAMPLES.glob("*.lag"), *GOOD.glob("**/*.lag")])
HEAD = "coordinate x\ncoefficient c > 0 = 1\nneural V(x) = mlp(4)\nneural W(x, y) = mlp(4)\n"
POWERS = {
    "max(x, 0)^2": r"\operatorname{max}\left(x, 0\right)^{2}",
    "min(x, c)^3": r"\operatorname{min}\left(x, c\right)^{3}",
    "max(x, 0)^x": r"\operatorname{max}\left(x, 0\right)^{x}",
    "1/max(x, 1)^2": r"\frac{1}{\operatorname{max}\left(x, 1\right)^{2}}",
    "abs(x)^3": r"\left|x\right|^{3}",
    "sqrt(abs(x))": r"\sqrt{\left|x\right|}",
    "abs(x)^(3/2)": r"\left|x\right|^{\frac{3}{2}}",
    "sign(x)^2": r"\operatorname{sign}\left(x\right)^{2}",
    "if(x > 0, x, 2*x)^2": r"\end{cases}\right)^{2}",
    "V(x)^2": r"V\left(x\right)^{2}",
    "1/V(x)": r"V\left(x\right)^{-1}",
    "(V(x)*x)^2": r"V\left(x\right)^{2}",
    "W(x, c)^2*V(x)": r"W\left(x, c\right)^{2}",
}


@pytest.mark.parametrize("written", POWERS)
def test_powers_of_every_function(written: str) -> None:
    c = compile_text(
        f"{HEAD}L = x'^2/2 - c*x^2/2 - W(x, 2)^2 - V(x)^2 - max(x, 0)^2\n"
        f"K = -max(x_+, 0)^2*x_-\nobservable o = {written}\n"
    )
    document = describe(c)
    shown = as_data(document, c)["sections"]["observables"]["rows"][0]["right"]["latex"]
    assert POWERS[written] in shown
    assert shown in latex.as_latex(document)
    assert "<math" in html.as_html(document) and "o = " in text.as_text(document)
    assert r"\operatorname{max}\left(x, 0\right)^{2}" in Equations(c)._repr_latex_()


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_model_is_shown_in_every_form(path: Path) -> None:
    c = compile_source(read_source(path))
    document = describe(c)
    for written in (text.as_text, latex.as_latex):
        shown = written(document)
        assert all(section.heading.split(",")[0] in shown for section in document.sections)
    HTMLParser().feed(html.as_html(document))
    assert json.loads(json.dumps(as_data(document, c)))["model"] == document.name
    assert Equations(c)._repr_latex_()


def test_declarations_are_complete() -> None:
    c = compile_text(
        "coordinate q\nneural V(q) = mlp(8, 4, activation = tanh, output = positive)\n"
        "coefficient c in [0, inf) = 0.1 ~ mixture(0.5: 0, 0.5: loguniform(0.1, 1))\n"
        "coefficient d ~ normal(1, 0.5)\nL = q'^2/2 - V(q) - c*d*q^2\n"
    )
    shown = text.as_text(describe(c))
    assert "V: 1 number to one, mlp(8, 4, activation = tanh, output = positive)\n" in shown
    assert "c in [0, inf) = 0.1 ~ mixture(0.5: 0, 0.5: loguniform(0.1, 1))\n" in shown
    assert "d in (-inf, inf) ~ normal(1, 0.5)\n" in shown


X, Y = sp.symbols("x y")
DERIVATIVES = {
    ("V", (X,), (1,)): ("V'(x)", r"V'\left(x\right)"),
    ("V_1", (X - Y,), (2,)): ("V_1''(x - y)", r"V_{1}''\left(x - y\right)"),
    ("W", (X, Y), (0, 0)): ("W(x, y)", r"W\left(x, y\right)"),
    ("W", (X, Y), (0, 1)): ("(dW/dy)(x, y)", r"\frac{\partial W}{\partial y}\left(x, y\right)"),
    ("W", (X, Y), (1, 2)): (
        "(d^3W/(dx*dy^2))(x, y)",
        r"\frac{\partial^{3} W}{\partial x \partial y^{2}}\left(x, y\right)",
    ),
    ("W", (X, X), (0, 1)): ("(dW/d(2))(x, x)", r"\frac{\partial W}{\partial (2)}\left(x, x\right)"),
}


@pytest.mark.parametrize("term", DERIVATIVES, ids=str)
def test_derivatives_of_networks(
    term: tuple[str, tuple[sp.Expr, ...], tuple[int, ...]],
) -> None:
    slot, inputs, orders = term
    e = NeuralTerm(neural_value(slot, inputs).args[0], sp.Tuple(*orders), *inputs)
    assert (text.write(e), formulas.write(e)) == DERIVATIVES[term]
    ElementTree.fromstring(mathml.write(e))
    squared = formulas.write(e**2)
    assert squared.endswith("^{2}") and ("frac" in squared) == squared.startswith(r"\left(")


def test_a_step_of_a_lattice_defines_what_acts_at_a_site() -> None:
    c = compile_text(
        "index i in 0..4 free\ncoordinate u[i]\nL = sum(i, u'[i]^2/2 - (u[i+1] - u[i])^2/2)\n"
    )
    rows = [r for r in describe(c).section("step").rows if isinstance(r, Equation)]
    assert [str(r.left) for r in rows[:3]] == ["a[u[i]]", "a[u[0]]", "a[u[4]]"]
