"""Units: what agrees is accepted, every unit that is changed is found, and what is accepted scales.

The independent measure is covariance: if the numbers of a model are converted to other base units,
each by its unit, then L and K change by the factor of their unit and by nothing else.
"""

from __future__ import annotations

import random
import re
from fractions import Fraction
from pathlib import Path

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from lagc.base.diagnostics import Diagnostics, LagcError
from lagc.base.spans import Source
from lagc.driver import compile_source, understand
from lagc.semantics.dimensions import UnitOf
from lagc.semantics.model import Model
from lagc.semantics.model_units import ModelUnits
from lagc.semantics.unit_table import UnitError, look_up
from lagc.syntax.parser import parse
from tests.mechanics.models import without_special_functions

MODELS = {p.stem: p for p in sorted((Path(__file__).parents[1] / "units").glob("*.lag"))}
UNIT = re.compile(r" \[(?=[a-zA-Z1])([^\[\]]*)\]")


# A pendulum on a cart: the entries of its matrices have units of their own.
CART = """
coordinate x [m]
coordinate th mod 2*pi
constant m = 1 [kg]
constant l = 0.5 [m]
let A = ((2*m, m*l), (m*l, m*l^2))
let B = ((1, l), (0, l))
let w = (x', th')
run until 1 [s]
"""


def read(text: str) -> tuple[Model, ModelUnits | None]:
    """A model with its units; raises `LagcError`."""
    diagnostics = Diagnostics()
    source = Source("m.lag", text)
    return understand(parse(source, diagnostics), source, diagnostics)


def codes(text: str) -> list[str]:
    """The codes of what is wrong with a text."""
    try:
        read(text)
    except LagcError as error:
        return sorted({d.code.name for d in error.diagnostics if d.code.name != "LAG218"})
    return []


def text_of(name: str) -> str:
    return MODELS[name].read_text(encoding="utf-8")


# --- models ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_units_do_not_change_the_program(name: str) -> None:
    text = text_of(name)
    with_units = compile_source(Source("m.lag", text))
    without = compile_source(Source("m.lag", UNIT.sub("", text)))
    own = re.compile(r"[0-9a-f]{64}|    units=\{\n(?: {8}.*\n)*    \},\n")
    assert own.sub("", with_units.text) == own.sub("", without.text)
    assert "units=" in with_units.text and "units=" not in without.text
    assert without.units is None


@pytest.mark.parametrize("name", MODELS)
def test_every_changed_unit_is_found(name: str) -> None:
    text = text_of(name)
    for found in UNIT.finditer(text):
        for changed in (f"({found[1]})*K", f"({found[1]})^2*kg", f"percent*({found[1]})"):
            wrong = f"{text[: found.start()]} [{changed}]{text[found.end() :]}"
            assert codes(wrong), f"{found[0]} -> {changed}"


@pytest.mark.parametrize("name", MODELS)
def test_no_model_is_refused_for_units_that_are_left_out(name: str) -> None:
    text = text_of(name)
    places = [found.span() for found in UNIT.finditer(text)]
    choose = random.Random(name)
    for _ in range(20):
        kept = text
        for start, end in reversed(places):
            if choose.random() < 0.5:
                kept = kept[:start] + kept[end:]
        assert codes(kept) == [], kept


SCALES = {"[length]": 1.7, "[time]": 0.6, "[mass]": 2.3, "[current]": 0.4}


def factor(unit: UnitOf) -> float:
    """By how much a number in this unit changes with the base units."""
    total = 1.0
    for dimension, power in unit.dimension.items():
        total *= SCALES[dimension] ** float(power)
    return total


@pytest.mark.parametrize("name", ["poynting_robertson", "pendulum", "beads"])
@pytest.mark.parametrize("declared", ["all", "few"])
def test_the_action_is_covariant(name: str, declared: str) -> None:
    text = text_of(name)
    if declared == "few":  # the others follow from these
        derived = r"(?m)^((?:coefficient|let|observable|initial).*?) \[[^\[\]]*\](?=$| ~)"
        text = re.sub(derived, r"\1", text)
    model, units = read(text)
    assert units is not None
    plain = {
        **{c.symbol: f"constant {c.name}" for c in model.constants},
        **{c.symbol: f"coefficient {c.name}" for c in model.coefficients},
        **{i.symbol: f"input {i.name}" for i in model.inputs},
    }
    points = random.Random(1)
    terms = [t.value for t in (*model.lagrangian_terms, *model.coupling_terms)]
    for term in map(without_special_functions, terms):
        before, after = {}, {}
        for symbol in term.free_symbols:
            stem = re.sub(r"\[[^\]]*\]|_[+-]", "", symbol.name)
            key = plain.get(symbol) or plain.get(sp.Symbol(stem)) or stem
            assert key in units.table, f"{symbol} is not determined"
            before[symbol] = points.uniform(0.5, 2.0)
            after[symbol] = before[symbol] * factor(units.table[key])
        whole = complex(term.subs(before)) * factor(units.table["energy"])
        assert complex(term.subs(after)) == pytest.approx(whole, rel=1e-12)


def test_what_is_not_declared_follows_from_its_use() -> None:
    _, units = read(
        "coordinate x [m]\ncoordinate theta mod 2*pi\ncoefficient m = 1 [kg]\ncoefficient k = 1\n"
        "coefficient I = 1\ncoefficient w = 1\ncoefficient n = 1\ninput u\nconstant x0 = 3\n"
        "let d = x - x0\n"
        "L = 1/2*m*x'^2 + 1/2*I*theta'^2 - 1/2*k*d^2\nforce x = u*cos(w*t)\n"
        "observable e = exp(n*d)\nrun until 1 [s]"
    )
    assert units is not None
    found = {key: str(units.table[key]) for key in units.inferred}
    assert found == {
        "theta": "1", "coefficient k": "kg/s^2", "coefficient I": "kg*m^2", "input u": "kg*m/s^2",
        "coefficient w": "1/s", "coefficient n": "1/m", "constant x0": "m",
    }  # fmt: skip
    assert units.undetermined == ()
    assert units.text("p[x]") == "kg*m/s" and units.text("x'") == "m/s"


def test_what_nothing_determines_is_named() -> None:
    _, units = read("coordinate q [m]\ncoefficient a = 1\ncoefficient b = 1\nL = a*q'^2 - b*q^2")
    assert units is not None
    assert (units.inferred, units.undetermined) == ((), ("t", "coefficient a", "coefficient b"))
    assert units.text("energy") == ""


@pytest.mark.parametrize(
    "body",
    [
        "coordinate x [m]\nL = -sqrt(1 - x'^2)",  # c = 1
        "coordinate q [rad]\nL = 1/2*q'^2 + cos(q)",  # no dimensions at all
        "coordinate q [m]\nconstant k = 2\nlet j = k + 1\nL = q'^2*q^j - q^5/q^k*q'^2",
        "coordinate q [m]\nconstant c = 1 [m/s]\nL = c^2 - c^2*sqrt(1 - q'^2/c^2)\nrun until 1",
        "index i in 0..4 periodic\ncoordinate phi [ i ]\nL = sum(i, phi'[i]^2)\nrun until 1 [s]",
        "coordinate q [m]\nconstant b = 2 [1/s]\nL = q'^2 - (b*q)^2\ninitial q = 0, q' = 3*b*0\n",
        "coordinate q [m]\nneural D(q, q') = mlp(8)\nL = 1/2*q'^2\nK = -D(q_+, q'_+)*q'_+*q_-",
        "coordinate q [m]\nL = max(q'^2, 0)*(1 + 0*q) + q'^2",
        "coordinate r [AU]\ncoefficient m > 0 = 3 [M_sun]\nconstant G = 6.6743e-11 [m^3/kg/s^2]\n"
        "constant f = 5.9e11 [AU^3/M_sun/yr^2*kg*s^2/m^3]\nL = 1/2*r'^2 + G*f*m/r",
        "coordinate q [m]\nL = q'^2\ninitial q = 2 [meters]\nrun until 3 [minutes] step 1 [min]",
        f"{CART}L = 1/2*dot(w, A*w) + 1/2*m*dot(B*w, B*w)",
        f"{CART}L = 1/2*dot(w, (m*transpose(B)*B)*w) + 1/2*dot(w, A*w)",
        f"{CART}L = 1/2*dot(w, A*w)\nforce x = if(x > l and th < 1 or t > 0, m*x'*th', 0)",
        "coordinate x [m]\nconstant M = ((1, 2), (3, 4), (5, 6)) [1]\nlet a = (x', x', x')\n"
        "L = dot(a + M*(x', x'), a) + dot(M*(x', x') + a, a)",
    ],
)  # fmt: skip
def test_sound_models_are_accepted(body: str) -> None:
    assert codes(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("coordinate x [km]\nconstant g = 9.81 [m/s^2]\nL = 1/2*x'^2 - g*x", "LAG245"),
        ("coordinate x [m]\nL = 1/2*x'^2 - 9.81*x", "LAG246"),
        ("coordinate a [deg]\nconstant g = 9.81 [m/s^2]\nconstant l = 1 [m]\n"
         "L = 1/2*l^2*a'^2 + g*l*cos(a)", "LAG245"),
        ("coordinate x [m]\nconstant m = 1 [g]\nconstant k = 1 [N/m]\n"
         "L = 1/2*m*x'^2 - 1/2*k*x^2", "LAG245"),
        ("coordinate x [m]\nL = 1/2*x'^2\ninitial x = 1 [km]", "LAG245"),
        ("coordinate x [m]\nL = 1/2*x'^2\nrun until 1 [h] step 1 [min]", "LAG245"),
        ("coordinate x [m]\nconstant k = 1 [1/s^2]\nL = x'^2 - k*x^2 - 1", "LAG242"),
        ("coordinate x [m]\nconstant w = 30 [rpm]\nL = x'^2\nobservable c = cos(w*t)\n"
         "run until 1 [s]", "LAG245"),
        ("coordinate x [m] mod 2*pi\nconstant w = 1 [s]\nL = x'^2 + cos(x/w)", "LAG243"),
        ("coordinate x [m]\ncoefficient k > 0 = 1 [s] ~ uniform(a, 2)\nconstant a = 1 [kg]\n"
         "L = x'^2", "LAG244"),
        ("coordinate x [m]\nconstant a = 1 [rad]\ncoefficient k = a [deg]\nL = k*x'^2", "LAG245"),
        ("coordinate x [m]\nL = x'^2\ninitial p[x] = 1 [kg*m/s]\nrun until 1 [s]", "LAG242"),
        ("coordinate x [m]\nL = x'^2\nrun until 1 [s]\nobservable p = x^(t/2)", "LAG243"),
        ("coordinate r[2] [m]\nL = dot(r', r')\nforce r = (r[0], 0)\nrun until 1 [s]", "LAG242"),
        (f"{CART}let C = ((m, m*l), (m, m*l^2))\nL = dot(w, A*w) + dot(w, C*w)", "LAG242"),
        (f"{CART}L = 1/2*dot(w, A*w) + 1/2*m*dot(w, B*(B*w))", "LAG242"),
        (f"{CART}L = 1/2*dot(w, A*w) - m*l", "LAG242"),
        (f"{CART}L = 1/2*dot(w, A*w) - A[0][1]*x'^2", "LAG242"),
        (f"{CART}let C [kg] = ((m, 0), (0, m*l))\nL = dot(w, A*w)", "LAG244"),
        (f"{CART}L = dot(w, A*w)\nforce x = if(x > t, m*x'*th', 0)", "LAG242"),
        (f"{CART}L = dot(w, A*w)\nforce x = if(x > 0 or x < 1, m*x'*th', 0)", "LAG242"),
        (f"{CART}constant k = if(l > m, 1, 2)\nL = dot(w, A*w)\nobservable e = k", "LAG242"),
        ("coordinate r[2] [m]\nL = dot(r', r')\nobservable n = norm((r[0], r'[0]))\n"
         "run until 1 [s]", "LAG242"),
    ],
)  # fmt: skip
def test_slips_are_found(body: str, expected: str) -> None:
    assert codes(body) == [expected]


def test_the_one_wrong_term_of_three_is_blamed() -> None:
    text = "coordinate x [m]\nL = x'^2\nobservable s = x' + x + 2*x\nrun until 1 [s]"
    with pytest.raises(LagcError) as caught:
        read(text)
    (only,) = caught.value.diagnostics
    assert only.span is not None and only.span.text == "x'"
    assert only.notes[0].span is not None and only.notes[0].span.text == "x"


# --- expressions -----------------------------------------------------------------------------

Dimension = tuple[Fraction, Fraction]
PURE: Dimension = (Fraction(0), Fraction(0))
dimensions = st.tuples(*[st.integers(-2, 2).map(Fraction)] * 2)


def spelled(d: Dimension) -> str:
    parts = [f"{n}^({p})" for n, p in zip("ms", d, strict=True) if p]
    return "*".join(parts) or "1"


@st.composite
def typed_expressions(draw: st.DrawFn) -> tuple[str, Dimension, dict[str, Dimension]]:
    """An expression, its dimension, and those of the names in it, each there once."""
    names: dict[str, Dimension] = {}

    def leaf(d: Dimension) -> str:
        names[f"c{len(names)}"] = d
        return f"c{len(names) - 1}"

    def vector(d: Dimension, depth: int) -> str:
        return f"({made(d, depth)}, {made(d, depth)})"

    def made(d: Dimension, depth: int) -> str:
        if depth == 0:
            return leaf(d)
        other = draw(dimensions)
        rest = (d[0] - other[0], d[1] - other[1])
        twice, half = (2 * d[0], 2 * d[1]), (d[0] / 2, d[1] / 2)
        inverse = (-d[0], -d[1])
        forms = [
            lambda n: leaf(d),
            lambda n: f"({made(d, n)} {draw(st.sampled_from('+-'))} {made(d, n)})",
            lambda n: f"{made(rest, n)}*{made(other, n)}",
            lambda n: f"{made(d, n)}/({made(other, n)}/{leaf(other)})",
            lambda n: f"sqrt({made(twice, n)})",
            lambda n: f"({made(half, n)})^2*3",
            lambda n: f"1/({made(inverse, n)})",
            lambda n: f"abs(-({made(d, n)}))",
            lambda n: f"{draw(st.sampled_from(['min', 'max']))}({made(d, n)}, {made(d, n)})",
            lambda n: f"norm({vector(d, n)})",
            lambda n: f"dot({vector(rest, n)}, {vector(other, n)})",
            lambda n: f"({made(d, n)} + 0)*cos({made(PURE, n)})",
            lambda n: f"{made(d, n)}*atan2({made(other, n)}, {made(other, n)})",
        ]
        return draw(st.sampled_from(forms))(depth - 1)

    whole = draw(dimensions)
    return made(whole, draw(st.integers(0, 3))), whole, names


def program(text: str, whole: str, names: dict[str, str]) -> str:
    declared = "".join(f"coefficient {n} > 0{f' [{u}]' if u else ''}\n" for n, u in names.items())
    return f"coordinate q [1]\n{declared}observable h{whole} = {text}\nL = 1/2*q'^2\n"


@given(typed_expressions(), st.data())
@settings(max_examples=60, deadline=None)
def test_units_of_expressions(
    made: tuple[str, Dimension, dict[str, Dimension]], data: st.DataObject
) -> None:
    text, whole, names = made
    units = {name: spelled(d) for name, d in names.items()}
    _, found = read(program(text, "", units))
    assert found is not None
    wanted = UnitOf(dict(zip("ms", whole, strict=True)))
    assert (found.table["observable h"] / wanted).is_number
    # One that is changed is always found, and one that is left out is found again.
    one = data.draw(st.sampled_from(sorted(names)))
    declared = f" [{spelled(whole)}]"
    for changed in (f"{units[one]}*kg", f"{units[one]}*km/m"):
        assert codes(program(text, declared, units | {one: changed})), one
    _, found = read(program(text, declared, units | {one: ""}))
    assert (
        found is not None and found.inferred == ("t", f"coefficient {one}")[-len(found.inferred) :]
    )
    left_out = UnitOf(dict(zip("ms", names[one], strict=True)))
    assert (found.table[f"coefficient {one}"] / left_out).is_number


# --- names of units --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dimension", "size"),
    [
        ("AU", {"[length]": 1}, 149597870700.0),  # IAU 2012 resolution B2
        ("yr", {"[time]": 1}, 365.25 * 86400),
        ("pc", {"[length]": 1}, 648000 / 3.141592653589793 * 149597870700.0),
        ("M_sun", {"[mass]": 1}, 1.98841e30),  # CODATA 2018 and IAU 2015
        ("M_earth", {"[mass]": 1}, 5.9722e24),
        ("N", {"[mass]": 1, "[length]": 1, "[time]": -2}, 1.0),
        ("km", {"[length]": 1}, 1e3),
        ("eV", {"[mass]": 1, "[length]": 2, "[time]": -2}, 1.602176634e-19),
        ("rad", {}, 1.0),
        ("deg", {}, 3.141592653589793 / 180),
        ("rpm", {"[time]": -1}, 2 * 3.141592653589793 / 60),
        ("T", {"[mass]": 1, "[time]": -2, "[current]": -1}, 1.0),
    ],
)
def test_sizes_of_units(name: str, dimension: dict[str, int], size: float) -> None:
    found = UnitOf({name: Fraction(1)})
    assert found.dimension == dimension
    assert sp.exp(found.log_size) == pytest.approx(size, rel=2e-5)


@pytest.mark.parametrize("name", ["degC", "dB", "yer", "__class__", "parse_units", "m2", "x" * 999])
def test_names_that_are_no_unit_of_use(name: str) -> None:
    with pytest.raises(UnitError):
        look_up(name)
