"""Where each lint fires, and the nearest models where it must not."""

from __future__ import annotations

from pathlib import Path

import mpmath as mp
import pytest

from lagc.analysis.lints import Findings, find_lints
from lagc.analysis.motion import Motion
from lagc.analysis.pumping import find_friction
from lagc.base.diagnostics import Diagnostic, Diagnostics
from lagc.base.spans import Source
from lagc.driver import derive_nodes
from lagc.mechanics.nodesystem import NodeSystem
from lagc.semantics.elaborate import elaborate
from lagc.syntax.parser import parse
from tests.conftest import EXAMPLES, ROOT
from tests.mechanics.models import compile_text, evaluate, random_values

ONE = "coordinate q\ncoefficient c >= 0 = 0.1\ncoefficient k >= 0 = 1\n"
ONE += "observable used = c + k\nL = q'^2/2 - q^4\n"
SEPARATE = "do not determine `a` and `b` separately"
TWO = "coordinate x\ncoordinate y\ncoefficient c >= 0 = 0.1\ncoefficient k >= 0 = 1\ninput u\n"
TWO += "observable used = c + k + u\nL = x'^2/2 + y'^2/2 - x^2*y^2\n"


def lints(text: str, name: str = "m.lag") -> list[Diagnostic]:
    source, diagnostics = Source(name, text), Diagnostics()
    model = elaborate(parse(source, diagnostics), source, (), diagnostics)
    nodes = derive_nodes(model, diagnostics)
    return list(find_lints(nodes, Findings(nodes)))


def pointed_at(text: str, *codes: str) -> list[str]:
    """What the lints of these codes point at."""
    return [d.span.text for d in lints(text) if d.code.name in codes and d.span]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # V(q_1) - V(q_2), in one term or in two, and what is none
        ("K = -k*q_+*q_-", ["-k*q_+*q_-"]),
        (
            "K = k*sin(q_+ - q_-/2) - k*sin(q_+ + q_-/2)",
            ["k*sin(q_+ - q_-/2)", "k*sin(q_+ + q_-/2)"],
        ),
        ("K = k*exp(q_+)*q_- - c*q'_+*q_-", ["k*exp(q_+)*q_-"]),
        ("K = -c*q'_+*q_-", []),
        ("K = -c*q_+^2*q'_+*q_-", []),
        # kinetic energy, and its neighbours
        ("K = k*q'_+*q'_-", ["k*q'_+*q'_-"]),
        ("K = k*q_+*q'_+*q'_- + k*q'_+^2*q_-/2", ["k*q_+*q'_+*q'_-"]),
        ("K = k*q_+*q'_+*q'_-", []),
        # what t drives is left alone, and so are kinks, which L could not hold
        ("K = -k*cos(t)*q_+*q_-", []),
        ("force q = cos(t)", []),
        ("force q = max(-q, 0)", []),
        ("force q = -k*q", ["force q = -k*q"]),
        ("force q = 3", ["force q = 3"]),
        ("L += cos(q)\nforce q = 3", ["force q = 3"]),
        ("R = c*q'", ["c*q'"]),
        # a root of a square is a modulus: Coulomb's friction, not a constant force
        ("K = -c*sqrt(q'_+^2)/q'_+*q_-", []),
        ("force q = -c*(q'^4)^(1/4)/q'", []),
        ("force q = -c*norm((q', 0))/q'", []),
        # drag in a wind is one piece, whatever of it is left at rest
        ("force q = -c*(q' - k)", []),
        ("K = -c*(q'_+ - k)^3*q_-", []),
        ("force q = -c*(q' - k) - k*q", ["force q = -c*(q' - k) - k*q"]),
        ("force q = c*k - c*q'", ["force q = c*k - c*q'"]),
        ("R = c/2*q'^2", []),
    ],
)
def test_forces_of_one_coordinate(statements: str, expected: list[str] | None) -> None:
    if expected is None:
        expected = [part.split("= ")[1] for part in statements.split("\n")]
    assert pointed_at(ONE + statements + "\n", "LAG320", "LAG321") == expected


@pytest.mark.parametrize(
    ("statements", "fires"),
    [
        ("coordinate q mod 3\nforce q = k", False),
        ("coordinate q\nL += cos(q)\nforce q = k", False),
        ("coordinate q\nL += cos(q)\nforce q = k*sin(q)", True),
        ("coordinate q\nL += cos(2*pi*q)\nforce q = k", True),  # a lattice, and no angle
        ("coordinate q\nL += -k*q^2\nforce q = k", True),
        ("coordinate q\nforce q = k", True),
        ("coordinate q[2]\nL += cos(q[0]) + cos(q[1]) - (q[0] - q[1])^2\nforce q = (k, k)", False),
    ],
)
def test_a_constant_torque_on_an_angle_has_no_potential(statements: str, fires: bool) -> None:
    kinetic = "dot(q', q')" if "[2]" in statements else "q'^2"
    text = f"coefficient k = 1\nL = {kinetic}\n{statements}\n"
    assert bool(pointed_at(text, "LAG321")) is fires


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # the gradient of k*x*y, in one statement or two; half of it is circulatory
        ("force x = k*y\nforce y = k*x", ["force x = k*y"]),
        ("K = k*y_+*x_- + k*x_+*y_-", ["k*y_+*x_-"]),
        ("force x = k*y", []),
        ("force x = k*y\nforce y = -k*x", []),
        ("force x = k*y\nforce y = 2*k*x", []),
        ("force x = k*y\nforce y = c*x", []),
        ("force x = k*y^2\nforce y = k*x^2", []),
        ("force x = k*y^2\nforce y = 2*k*x*y", ["force x = k*y^2"]),
        # magnetic, also with a field that varies; the symmetric one is friction
        ("force x = k*y'\nforce y = -k*x'", ["force x = k*y'"]),
        ("force x = k*x*y'\nforce y = -k*x*x'", ["force x = k*x*y'"]),
        ("force x = k*x*y'\nforce y = -k*y*x'", []),
        ("force x = -k*y'\nforce y = -k*x'", []),
        # two springs to one point, and a central force; what has a factor u is driven
        ("force x = -k*x - c*x'\nforce y = -k*y", ["force x = -k*x - c*x'", "force y = -k*y"]),
        ("force x = -k*x/(x^2 + y^2)\nforce y = -k*y/(x^2 + y^2)", ["force x = -k*x/(x^2 + y^2)"]),
        ("force x = -k*x/(x^2 + y^2)\nforce y = -k*y/(x^2 + 2*y^2)", []),
        ("force x = u*y\nforce y = u*x", []),
    ],
)
def test_forces_of_two_coordinates(statements: str, expected: list[str]) -> None:
    assert pointed_at(TWO + statements + "\n", "LAG320", "LAG321") == expected


@pytest.mark.parametrize(
    "statements",
    [
        "force x = k*y^2\nforce y = 2*k*x*y",
        "force x = k*y'\nforce y = -k*x'",
        "force x = -k*x^3\nforce y = -c*y",
        "force x = -k*x/(x^2 + y^2)^2\nforce y = -k*y/(x^2 + y^2)^2",
    ],
)
def test_the_potential_that_is_named_gives_the_same_equations(statements: str) -> None:
    """The help is taken at its word: the force replaced by it must change no equation."""
    helps = [d.help for d in lints(TWO + statements + "\n") if d.code.name == "LAG321"]
    instead = "\n".join(help.split("`")[1] for help in helps)
    assert instead.startswith("L += ")
    given, moved = (compile_text(f"{TWO}{more}\n") for more in (statements, instead))
    equations = []
    for nodes in (given.nodes, moved.nodes):
        assert isinstance(nodes, NodeSystem)
        motion = Motion(nodes.model)
        equations.append([a - motion.rate(b) for a, b in zip(nodes.a, nodes.b, strict=True)])
    values = random_values(given, 1)
    values |= {s: mp.mpf(3 + k) / 7 for k, s in enumerate(Motion(given.model).extra)}
    for first, second in zip(*(evaluate(e, values) for e in equations), strict=True):
        assert first != 0
        assert abs(first - second) < mp.mpf(10) ** -40 * abs(first)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("q*q'", ["q*q'"]),
        ("sin(q)^3*q'/(1 + q^2)", ["sin(q)^3*q'/(1 + q^2)"]),
        ("c*(q' + q^2*q')", ["c*(q' + q^2*q')", "c*(q' + q^2*q')"]),
        ("t^2*q' + 2*t*q", ["t^2*q'"]),
        ("cos(t)", ["cos(t)"]),
        ("t^2*q' + t*q", []),
        ("t*q'", []),
        ("3*c", []),
        ("(q' + 1)^2/2", []),
        ("q*q'^2", []),
        ("q'^3*q", []),
    ],
)
def test_total_derivatives_of_one_coordinate(term: str, expected: list[str]) -> None:
    found = pointed_at(f"{ONE}L += {term}\n", "LAG322")
    assert sorted(set(found)) == sorted(set(expected))


@pytest.mark.parametrize(
    ("term", "fires"),
    [
        ("x*y' + y*x'", True),
        ("c*x*y' + c*y*x'", True),
        ("2*x*y*x' + x^2*y'", True),
        ("x*y' - y*x'", False),
        ("c*x*y' + k*y*x'", False),
        ("x*y'", False),
    ],
)
def test_total_derivatives_of_two_coordinates(term: str, fires: bool) -> None:
    assert bool(pointed_at(f"{TWO}L += {term}\n", "LAG322")) is fires


@pytest.mark.parametrize(
    ("coupling", "fires"),
    [
        ("q'_+*q_- + q_+*q'_-", True),
        ("cos(q_+)*q'_+*q_- + sin(q_+)*q'_-", True),
        ("q'_+*q_- - q_+*q'_-", False),
        ("-q'_+*q_-", False),
    ],
)
def test_total_derivatives_in_the_coupling(coupling: str, fires: bool) -> None:
    assert bool(pointed_at(f"{ONE}K = {coupling}\n", "LAG322")) is fires


@pytest.mark.parametrize(
    ("lagrangian", "idle"),
    [
        ("q'^2/2 - q^2 + c*q*q' - k", ["k"]),  # LAG322 speaks of c*q*q'
        ("q'^2/2 - q^2 + c*(q' + 1) - k", ["c", "k"]),
        ("q'^2/2 - k*q^2 + c*t*q'", []),
        ("q'^2/2 - (sin(c)^2 + cos(c)^2)*q^2 - k*q", ["c"]),
        ("q'^2/2 - sqrt(c^2 + k*q^2)", []),
        ("q'^2/2 - k*q^2 + 0*c", ["c"]),
        ("q'^2/2 - (k + c)*q^2 + c*q^2", ["c"]),
    ],
)
def test_idle_coefficients(lagrangian: str, idle: list[str]) -> None:
    head = "coordinate q\ncoefficient c in (0, 2) = 1\ncoefficient k > 0 = 1\n"
    assert pointed_at(f"{head}L = {lagrangian}\n", "LAG323") == idle


def test_idle_components() -> None:
    head = "coordinate q\ncoefficient k[2] > 0 = 1\nL = q'^2/2 - k[1]*q^2\n"
    (found,) = (d for d in lints(head) if d.code.name == "LAG323")
    assert "`k[0]`" in found.message
    assert not pointed_at(f"{head}observable o = k[0]\n", "LAG323")


def test_power_that_is_odd_in_the_velocity_may_hold_accelerations() -> None:
    """d/dt of t sin(q') is sin(q') + t cos(q') q'': what is even in the power has no q''."""
    term = "-t*sin(q'_+)*q'_-/400"
    assert pointed_at(f"coordinate q\nL = q'^2/2\nK = {term}\n", "LAG325") == [term]
    assert not pointed_at("coordinate q\nL = q'^2/2\nK = -cos(q'_+)*q'_-\n", "LAG325")


def test_many_conserved_momenta_are_counted() -> None:
    (found,) = lints("coordinate r[9]\nL = dot(r', r')/2 - r[0]*r[4]\n")
    assert found.code.name == "LAG327" and len(found.message) < 120
    assert "7 components of `r`, the first of them `r[1]`" in found.message


def test_what_notices_is_said() -> None:
    """A coefficient of a total derivative changes momenta, and so a start given by them."""
    head = "coordinate q\ncoefficient c in (0, 2) = 1\n"
    for term, momentum in (("c*(q' + 1)", True), ("c", False)):
        (found,) = (d for d in lints(f"{head}L = q'^2/2 + {term}\n") if d.code.name == "LAG323")
        assert found.label.startswith("changes momenta") is momentum


@pytest.mark.parametrize(
    ("lagrangian", "expected"),
    [
        ("a*q'^2 - b*q^2", ("do not fix the overall scale", "only b/a is determined")),
        ("q'^2 - a*b*q^2", (SEPARATE, "only a*b is determined")),
        ("q'^2 - a^2/b^3*q", (SEPARATE, "only b^3/a^2 is determined")),
        ("q'^2 - (a + b)*q^2", (SEPARATE, "only a + b is determined")),
        (
            "a*(q'^2 - b*q^2)",
            ("do not depend on `a`", "multiplies equations of motion, and no more"),
        ),
        ("q'^2 - a*q^2 - b*q^4", None),
    ],
)
def test_coefficients_that_are_not_told_apart(
    lagrangian: str, expected: tuple[str, str] | None
) -> None:
    head = "coordinate q\ncoefficient a > 0 = 1\ncoefficient b > 0 = 1\n"
    found = [d for d in lints(f"{head}L = {lagrangian}\n") if d.code.name == "LAG324"]
    said = [(d.message.removeprefix("positions and velocities "), d.label) for d in found]
    assert said == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("bounds", "potential", "fires"),
    [("", "a^2", True), (">= 0", "a^2", False), ("", "a^3", False), ("in [-1, 2]", "cos(a)", True)],
)
def test_signs_that_nothing_tells(bounds: str, potential: str, fires: bool) -> None:
    text = f"coordinate q\ncoefficient a {bounds}\nL = q'^2/2 - {potential}*q^2\n"
    assert pointed_at(text, "LAG328") == (["a"] if fires else [])


def test_a_network_takes_up_a_factor() -> None:
    head = "coordinate q\ncoefficient m > 0 = 1\nneural V(q) = mlp(4)\n"
    assert pointed_at(f"{head}L = m*q'^2/2 - V(q)\n", "LAG324", "LAG329") == ["m"]
    assert pointed_at(f"{head}L = q'^2/2 - V(m*q)\n", "LAG324", "LAG329") == []


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("K = c*q'_+*q_-", ["c*q'_+*q_-"]),
        ("K = -c*q'_+*q_-", []),
        ("R = -c/2*q'^2", ["-c/2*q'^2"]),
        ("K = -c*q_+*q'_-", ["-c*q_+*q'_-"]),  # kappa = -c q gives the force c q'
        ("K = c*q_+*q'_-", []),
        # drag without a modulus brakes one way and drives the other; what is even in the
        # velocity of another coordinate is left alone
        ("K = -c*q'_+^2*q_-", ["-c*q'_+^2*q_-"]),
        ("force q = c*q'^2", ["force q = c*q'^2"]),
        ("R = q'^3", ["q'^3"]),
        ("force q = -c*q'^2 - k*q'", ["force q = -c*q'^2 - k*q'"]),  # for q' < -k/c
        ("force q = -c*q'^2 - (c^2 + 1)*abs(q')^3*q' - q'", []),
        ("force q = q'^2 - 1", ["force q = q'^2 - 1"]),
        ("force q = -1", []),
        ("K = k*q_+*q'_+*q'_- + k*q'_+^2*q_-/2", []),  # inertia, of which LAG320 speaks
        ("force q = -c*(q' - k)*abs(q' - k)", []),
        ("K = -c*abs(q'_+)*q'_+*q_-", []),
        ("K = c*abs(q'_+)*q'_+*q_-", ["c*abs(q'_+)*q'_+*q_-"]),
        ("K = -c*q'_+^3*q_- + k*q'_+*q_-", ["k*q'_+*q_-"]),
        ("K = -(c + k)*q'_+*q_- + k*q'_+*q_-", []),  # no more than is taken out
        ("force q = -(1 - q^2)*q'", ["force q = -(1 - q^2)*q'"]),
        ("force q = -(1 + q^2)*q'", []),
        # driving: what depends on t or an input may feed energy in
        ("force q = cos(t)", []),
        ("force q = (1 + sin(t))*q'", []),
        ("K = c*q'_+*q_- - (c + cos(t)^2)*q'_+*q_-", []),
        ("K = -k*q_+*q_-", []),  # a potential gives back what it takes
    ],
)
def test_forces_that_feed_energy_in(statements: str, expected: list[str]) -> None:
    assert pointed_at(f"{ONE}{statements}\n", "LAG325") == expected


def test_the_sign_of_the_energy_is_that_of_the_kinetic_energy() -> None:
    """-L has the same motion, braked by a K with the other sign."""
    text = "coordinate q\ncoefficient c >= 0 = 0.1\nL = -q'^2/2 + q^2/2\nK = c*q'_+*q_-\n"
    assert pointed_at(text, "LAG325") == []


@pytest.mark.parametrize(
    ("cross", "fires"), [("2", False), ("2.01", True), ("-2", False), ("-2.01", True)]
)
def test_a_friction_matrix_is_indefinite_from_where_it_is(cross: str, fires: bool) -> None:
    """[[1, s/2], [s/2, 1]] is positive semidefinite for |s| <= 2."""
    text = f"{TWO}K = -c*(x'_+ + {cross}/2*y'_+)*x_- - c*(y'_+ + {cross}/2*x'_+)*y_-\n"
    assert bool(pointed_at(text, "LAG325")) is fires


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (">= 0 = 1", []),
        ("in [-1, 1] = 1", ["LAG325"]),
        ("<= 0 = -1", ["LAG325"]),
        ("= 1", ["LAG326"]),
        ("= -1", ["LAG325"]),
        ("in [-1, 0] = 0", ["LAG325"]),
        ("in [0, 0.5] = 0", []),
        ("", ["LAG326"]),
    ],
)
def test_bounds_say_what_is_admissible(bounds: str, expected: list[str]) -> None:
    text = f"coordinate q\ncoefficient d {bounds}\nL = q'^2/2 - q^4\nK = -d*q'_+*q_-\n"
    found = [d.code.name for d in lints(text)]
    assert [name for name in found if name in ("LAG325", "LAG326")] == expected


@pytest.mark.parametrize("name", ["drag_without_minus", "van_der_pol", "friction_indefinite"])
def test_the_witness_gains_what_is_said(name: str) -> None:
    """The power at the state named, from dE/dt of the equations (all of it is due to K here)."""
    c = compile_text((ROOT / "tests" / "bad" / f"{name}.lag").read_text())
    assert isinstance(c.nodes, NodeSystem)
    witness = find_friction(Motion(c.model)).witness()
    assert witness is not None
    values = random_values(c, 1)
    values |= {s: mp.mpf(0) for s in (*c.model.variables(0), *c.model.variables(1))}
    values |= {s: mp.mpf(x) for s, x in witness.state.items()}
    (power,) = evaluate([c.nodes.energy_rate], values)
    assert power > 0
    assert abs(power - witness.power) < 1e-14 * power
    for coefficient in c.model.coefficients:
        value = values[coefficient.symbol]
        assert coefficient.lower is None or value >= float(coefficient.lower)
        assert coefficient.upper is None or value <= float(coefficient.upper)


def test_a_network_with_positive_values_brakes_and_one_without_says_nothing() -> None:
    head = "coordinate q\nL = q'^2/2\nneural D(q, q') = mlp(4"
    assert pointed_at(f"{head}, output = positive)\nK = -D(q_+, q'_+)*q'_+*q_-\n", "LAG325") == []
    assert pointed_at(f"{head}, output = positive)\nK = D(q_+, q'_+)*q'_+*q_-\n", "LAG325") == [
        "D(q_+, q'_+)*q'_+*q_-"
    ]
    assert pointed_at(f"{head})\nK = D(q_+, q'_+)*q'_+*q_-\n", "LAG325") == []


def test_a_force_of_a_network_may_come_from_a_potential_in_one_dimension_only() -> None:
    one = "coordinate q\nL = q'^2/2\nneural F(q) = mlp(4)\nforce q = F(q)\n"
    assert pointed_at(one, "LAG321") == ["force q = F(q)"]
    two = "coordinate r[2]\nL = dot(r', r')/2\nneural F(r) = mlp(4)\nforce r = F(r)*(1, 1)\n"
    assert pointed_at(two, "LAG321") == []


@pytest.mark.parametrize(
    ("sum_of", "codes"),
    [
        ("-k*(2*phi_+[i] - phi_+[i+1] - phi_+[i-1])*phi_-[i]", ["LAG320"]),
        ("-k*(phi_+[i] - phi_+[i-1])*phi_-[i]", []),  # every bead is pulled by one neighbour only
        ("-k*phi'_+[i]*phi_-[i]", []),
        ("k*(phi'_+[i] - phi'_+[i-1])*(phi_-[i] - phi_-[i-1])", ["LAG325"]),
        ("-k*(phi'_+[i] - phi'_+[i-1])*(phi_-[i] - phi_-[i-1])", []),
    ],
)
def test_lattices(sum_of: str, codes: list[str]) -> None:
    text = "index i in 0..19 periodic\ncoordinate phi[i]\ncoefficient k >= 0 = 1\n"
    text += f"L = sum(i, phi'[i]^2/2 - phi[i]^4)\nK = sum(i, {sum_of})\n"
    assert [d.code.name for d in lints(text)] == codes


GOOD = {
    "central_force": {"LAG321"},  # 0.01*cross(r', (0, 0, 1)) is magnetic
    "conservative_coupling": {"LAG320"},
    "functions": {"LAG322"},  # q'*atan2(y, 1 + z^2)
    "branches": {"LAG320", "LAG325"},  # a part of smooth_max, and smooth_min of velocities
    "inspiral": {"LAG325"},  # the reaction takes energy out over an orbit, not everywhere on it
    "user_names": {"LAG322", "LAG325"},  # -R/E is -S', and S*N' has no sign
    "van_der_pol": {"LAG325"},
}


@pytest.mark.parametrize(
    "path",
    [*EXAMPLES.glob("*.lag"), *(ROOT / "tests" / "good").rglob("*.lag")],
    ids=lambda path: path.stem,
)
def test_what_is_said_of_models_that_are_meant(path: Path) -> None:
    found = {d.code.name for d in lints(path.read_text(), path.name) if d.severity.value != "note"}
    assert found == GOOD.get(path.stem, set())


def test_a_total_derivative_on_a_lattice() -> None:
    head = "index i in 0..19 periodic\ncoordinate phi[i]\n"
    for density, expected in (("phi[i+1]*phi'[i] + phi[i]*phi'[i+1]", 1), ("phi[i+1]*phi'[i]", 0)):
        text = f"{head}L = sum(i, phi'[i]^2/2 - phi[i]^4) + sum(i, {density})\n"
        assert len(pointed_at(text, "LAG322")) == expected
