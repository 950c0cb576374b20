"""Equations in MathML mean what they say, pages are well formed, and texts of users are escaped."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sympy as sp

from lagc.driver import compile_source, read_source
from lagc.presentation import html, latex, mathml
from lagc.presentation.document import Document, Equation, Section, Table, Words
from lagc.presentation.latex import equations_latex
from lagc.presentation.model import describe
from tests.conftest import EXAMPLES
from tests.mechanics.models import PATHS

PAGES = ("double_pendulum", "poynting_robertson", "functions", "greek", "user_names")


def source(node: ElementTree.Element) -> str:
    """An element as text."""
    return ElementTree.tostring(node).decode()


class Reader:
    """The value of presentation MathML, read as a person does: signs, products, brackets."""

    def __init__(self, names: dict[str, float]) -> None:
        self.names = names

    def value(self, node: ElementTree.Element) -> float:
        """The value of one element."""
        children = list(node)
        match node.tag:
            case "mn":
                return float(node.text or "")
            case "mi" | "msub" | "mover" if (
                key := ElementTree.tostring(node).decode()
            ) in self.names:
                return self.names[key]
            case "mi":
                return {"π": math.pi, "e": math.e}[node.text or ""]
            case "mfrac":
                return self.value(children[0]) / self.value(children[1])
            case "msqrt":
                return math.sqrt(self.row(children))
            case "msup":
                return self.value(children[0]) ** self.value(children[1])
            case "mrow" | "math":
                return self.row(children)
        raise AssertionError(node.tag)

    def row(self, nodes: list[ElementTree.Element]) -> float:
        """A row: a sum of signed products."""
        if nodes[0].tag == "mo" and nodes[0].text == "(":
            assert nodes[-1].text == ")"
            return self.row(nodes[1:-1])
        if nodes[0].tag == "mo" and nodes[0].text == "|":
            return abs(self.row(nodes[1:-1]))
        if len(nodes) == 3 and nodes[1].text == "\u2061":
            inside = list(nodes[2])[1:-1]
            arguments = [self.value(x) for x in inside if x.text != ","]
            return float(getattr(math, nodes[0].text or "")(*arguments))
        total, sign, product, after = 0.0, 1.0, None, ""
        for node in nodes:
            if node.tag == "mo":
                after = node.text or ""
                if after in ("+", "−"):
                    total += sign * (product if product is not None else 0.0)
                    sign, product = (1.0 if after == "+" else -1.0), None
            else:
                assert product is None or after == "\u2062"
                product = self.value(node) * (1.0 if product is None else product)
        assert product is not None
        return total + sign * product


X, Y, Z = sp.symbols("x' theta[0] c1")
EXPRESSIONS = [
    X - (Y - Z),
    -(X + Y) * Z,
    -2 * X / 3,
    (X + Y) / (2 * (X - 3 * Z)),
    X**-2,
    (X * Y) ** 2,
    (-X) ** 3 * Y,
    (X**2 + 1) ** sp.Rational(-3, 2),
    sp.Pow(sp.Pow(X, 2, evaluate=False) + Y, sp.Rational(1, 3)),
    X ** (Y - 1),
    (X / Y) ** Z,
    sp.exp(-X * Y) - sp.sqrt(X + Z) / sp.pi,
    sp.Rational(-1, 2) + X,
    sp.Integer(-3) ** 3 * X,
    sp.sin(X - Y) ** 2 * sp.cos(2 * X),
    -X * sp.atan2(Y, -Z) * (-2 - X),
    X * (Y + Z * (X - Y) ** 2) ** 2 / (Z - X * Y),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_mathml_has_the_value_of_the_expression(expression: sp.Expr) -> None:
    values = {X: 1.3, Y: 0.7, Z: 2.1}
    names = {source(ElementTree.fromstring(mathml.element(s))): x for s, x in values.items()}
    root = ElementTree.fromstring(mathml.write(expression))
    expected = complex(expression.subs(values).evalf())
    assert abs(Reader(names).value(root) - expected) < 1e-12 * abs(expected)


@pytest.mark.parametrize("name", PAGES)
def test_mathml_of_models_has_the_value_of_the_expressions(name: str) -> None:
    compilation = compile_source(read_source(PATHS[name]))
    energy = compilation.nodes.energy
    document = describe(compilation)
    shown = document.section("energy").rows[0]
    assert isinstance(shown, Equation) and shown.right is not None
    symbols = sorted(shown.right.free_symbols, key=lambda s: s.name)
    values = {s: 0.3 + 0.05 * k for k, s in enumerate(symbols)}
    names = {source(ElementTree.fromstring(mathml.element(s))): x for s, x in values.items()}
    assert len(names) == len(symbols)  # no two look the same
    root = ElementTree.fromstring(mathml.write(shown.right))
    expected = float(energy.subs(values).evalf())
    assert abs(Reader(names).value(root) - expected) < 1e-11 * abs(expected)


class Page(HTMLParser):
    """Notes what is open, and the names of all tags and attributes."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.lag")), ids=lambda path: path.stem)
def test_pages_are_well_formed_and_load_nothing(path: Path) -> None:
    text = html.as_html(describe(compile_source(read_source(path))))
    page = Page()
    page.feed(text)
    assert not page.open
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert page.attributes.isdisjoint({"src", "href"})
    assert "http" not in text and "url(" not in text
    for element in re.findall("<math.*?</math>", text):
        ElementTree.fromstring(element)


HOSTILE = "<script>alert(1)</script>&\"'"


def test_texts_of_users_are_escaped() -> None:
    symbol = sp.Symbol(HOSTILE)
    rows = (
        Equation(symbol, sp.Function(HOSTILE)(symbol), HOSTILE),
        Words((HOSTILE, HOSTILE)),
        Words((HOSTILE,)),
        Table((symbol,), ((HOSTILE,),)),
    )
    text = html.as_html(Document(HOSTILE, (Section("a", HOSTILE, rows),)))
    page = Page()
    page.feed(text)
    assert not page.open
    assert "script" not in page.tags
    assert "<script" not in text


def test_latex_is_balanced_and_escapes_words() -> None:
    for name in PAGES:
        text = latex.as_latex(describe(compile_source(read_source(PATHS[name]))))
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        opened = re.findall(r"\\begin\{(.*?)\}", text)
        assert sorted(opened) == sorted(re.findall(r"\\end\{(.*?)\}", text))
        assert text.count(r"\left") == text.count(r"\right")
    assert latex.escaped("a_b & 50% {x^2} #1 $ ~ \\") == (
        r"a\_b \& 50\% \{x\textasciicircum{}2\} \#1 \$ \textasciitilde{} \textbackslash{}"
    )
    assert latex.escaped("by `a_b` of θ") == r"by \texttt{a\_b} of $\theta$"
    assert latex.write(sp.Symbol("größe'_+")) == r"\dot{\text{größe}}_{+}"
    assert latex.write(sp.Symbol("λ[0]")) == r"\lambda_{0}"


def test_equations_for_a_notebook() -> None:
    text = equations_latex(compile_source(read_source(EXAMPLES / "dho.lag")))
    assert text == "\n".join(
        [
            r"\begin{align*}",
            r"L &= c_{1} \dot{q}^{2} - c_{2} q^{2} \\",
            r"K &= - c_{3} \dot{q}_{+} q_{-} \\",
            r"2 c_{1} \ddot{q} &= - 2 c_{2} q - c_{3} \dot{q}",
            r"\end{align*}",
        ]
    )
