"""Names are the user's: no two of a model look the same, and none reads as something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations

import pytest
import sympy as sp

from lagc.presentation import formulas, html, latex, mathml
from lagc.presentation.model import describe
from lagc.presentation.naming import Names, names_of
from lagc.semantics.functions import If
from tests.mechanics.models import compile_text

SYMBOLS = (
    "x", "x'", "x''", "x_+", "x_-", "x'_+", "x[0]", "x'[0]", "x_+[0]", "x[i]", "x[i+1]", "x0",
    "x_0", "x_i", "x_2", "x2", "x__2", "x_", "x_1_2", "x1_2", "x12", "x_12", "x1[2]", "x_1[2]",
    "x[1,2]", "xdot", "xddot", "xdot_1", "xprime", "x_prime", "xhat", "xbar", "hatx",
    "alphaprime", "alpha_prime", "alpha", "α", "alpha'", "α'", "alpha[0]", "α[0]", "alpha0",
    "alpha_0", "α0", "α_0", "Alpha", "Gamma", "Γ", "gamma", "γ", "lambda", "λ", "mathrm",
    "frac", "dot", "p", "p[x]", "p[x[0]]", "p[x0]", "p_x", "p[alpha]", "p_alpha", "p_α", "px",
    "k_wall", "kwall", "k_wall2", "größe", "größe1", "größe_1", "q1", "q_1", "q[1]", "q10",
    "q1[0]", "e", "E", "ab", "a", "b", "a_b",
)  # fmt: skip


@pytest.mark.parametrize("write", [formulas.write, mathml.element], ids=["latex", "mathml"])
def test_no_two_names_look_the_same(write: Callable[[sp.Expr, Names], str]) -> None:
    for pair in combinations(map(sp.Symbol, SYMBOLS), 2):
        names = names_of(pair)
        first, second = (write(symbol, names) for symbol in pair)
        assert first != second, pair
    everything = list(map(sp.Symbol, SYMBOLS))
    names = names_of(everything)
    assert len({write(symbol, names) for symbol in everything}) == len(SYMBOLS)


SHOWN = {
    "q": "q",
    "c1": "c_{1}",
    "c_1": "c_{1}",
    "theta_1'": r"\dot{\theta}_{1}",
    "theta_1''": r"\ddot{\theta}_{1}",
    "r'_+[0]": r"\dot{r}_{0,+}",
    "p[theta[0]]": r"p_{\theta_{0}}",
    "Gamma": r"\Gamma",
    "omega_0": r"\omega_{0}",
    "k_theta": r"k_{\theta}",
    "k_wall": r"k_{\mathrm{wall}}",
    "mass": r"\mathrm{mass}",
    "m1_2": r"\mathrm{m1\_2}",
    "x__2": r"x_{\mathrm{\_2}}",
    "xdot": r"\mathrm{xdot}",
    "xddot'": r"\dot{\mathrm{xddot}}",
    "alphaprime": r"\mathrm{alphaprime}",
    "phi[i+1]": r"\phi_{i+1}",
    "größe": r"\text{größe}",
    "θ": r"\theta",
}


@pytest.mark.parametrize("name", SHOWN)
def test_names_in_latex(name: str) -> None:
    assert formulas.write(sp.Symbol(name)) == SHOWN[name]


def test_names_that_coincide_are_shown_as_written() -> None:
    names = names_of(sp.symbols("q1 q_1 k theta θ phi_i phi[i]"))
    assert formulas.write(sp.Symbol("q1'"), names) == r"\dot{\mathrm{q1}}"
    assert formulas.write(sp.Symbol("q_1"), names) == r"\mathrm{q\_1}"
    assert formulas.write(sp.Symbol("theta"), names) == r"\mathrm{theta}"
    assert formulas.write(sp.Symbol("phi[i]"), names) == r"\phi_{i}"
    assert formulas.write(sp.Symbol("phi_i"), names) == r"\mathrm{phi\_i}"
    assert mathml.element(sp.Symbol("q_1"), names) == "<mi>q_1</mi>"


def test_products_of_words_are_not_one_word() -> None:
    a, b, both = sp.symbols("big mass bigmass")
    assert formulas.write(a * b) == r"\mathrm{big} \, \mathrm{mass}"
    assert formulas.write(2 * both) == r"2 \mathrm{bigmass}"
    assert "rspace" in mathml.element(a * b) and "rspace" not in mathml.element(2 * both)
    rate = sp.Symbol("mass'")
    assert formulas.write(a * rate) == r"\mathrm{big} \, \dot{\mathrm{mass}}"
    assert "rspace" in mathml.element(a * rate) and "rspace" in mathml.element(a * sp.cos(b))


def test_a_coefficient_e_is_not_the_base_of_exponentials() -> None:
    e, x = sp.symbols("e x")
    names = names_of([e * sp.exp(x)])
    assert formulas.write(sp.exp(x), names) == r"\exp\left(x\right)"
    assert formulas.write(sp.exp(x) ** 2, names) == r"\exp\left(2 x\right)"
    assert formulas.write(e**x, names) == "e^{x}"
    assert "msup" not in mathml.element(sp.exp(x), names)
    assert formulas.write(sp.exp(x), Names()) == "e^{x}"


def test_a_coordinate_named_pi_is_not_the_number() -> None:
    name = sp.Symbol("π")
    names = names_of([name])
    assert formulas.write(name, names) == r"\pi" and formulas.write(sp.pi, names) == r"\mathrm{pi}"
    assert mathml.element(name, names) == "<mi>π</mi>"
    assert mathml.element(sp.pi, names) == "<mi>pi</mi>"
    assert formulas.write(sp.pi) == r"\pi" and mathml.element(sp.pi) == "<mi>π</mi>"


def test_conditions_are_shown_whole() -> None:
    x, y = sp.symbols("x y")
    chosen = If(x - y, x**2, y)
    assert re.sub("<.*?>", "", mathml.element(chosen)) == "if&#x2061;(x&gt;y,x2,y)"
    assert r"\text{if}\: x > y" in formulas.write(chosen)
    assert r"\end{cases}\right)" in formulas.write(chosen + x)


def test_all_forms_of_a_model_keep_names_apart() -> None:
    c = compile_text(
        "coordinate x\ncoefficient xdot = 1\ncoefficient q1 = 2\ncoefficient q_1 = 3\n"
        "L = x'^2/2 + xdot*x - q1*q_1*x^2\n"
    )
    document = describe(c)
    written = latex.as_latex(document)
    assert r"x \mathrm{xdot}" in written and r"\mathrm{q1} \, \mathrm{q\_1}" in written
    page = html.as_html(document)
    assert "<mi>xdot</mi>" in page and "<mi>q1</mi>" in page and "<mi>q_1</mi>" in page
