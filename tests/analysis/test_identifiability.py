"""What recordings fix: exact answers for small models, and the rank found in floating point."""

from __future__ import annotations

import numpy as np
import pytest

from lagc.analysis.identifiability import Identifiability, Observed, identify
from lagc.analysis.lints import Findings
from lagc.analysis.motion import Motion
from lagc.driver import compile_source, read_source
from lagc.learn.data import Recording
from lagc.learn.gauge import structural_null_space
from lagc.learn.sensitivity import gather
from lagc.learn.structure import acceleration_sensitivity
from lagc.loader import load_module
from lagc.mechanics.lattice import LatticeSystem
from tests.conftest import EXAMPLES
from tests.mechanics.models import compile_text


def found(text: str) -> Identifiability:
    nodes = compile_text(text).nodes
    instance = nodes.instance if isinstance(nodes, LatticeSystem) else nodes
    result = identify(nodes, Motion(instance.model))
    assert result is not None
    return result


def told(observed: Observed) -> tuple[str, str]:
    """What is fixed, and what to hold: choices with a blank between, of each freedom with `|`."""
    fixed = list(observed.fixed)
    for freedom in observed.freedoms:
        fixed += ["?"] if freedom.fixed is None else freedom.fixed
    hold = [" ".join("+".join(names) for names in f.hold) for f in observed.freedoms]
    return ", ".join(fixed), " | ".join(hold)


PLANE = "coordinate x\ncoordinate y\n" + "".join(f"coefficient {c} > 0 = 1\n" for c in "abcd")


@pytest.mark.parametrize(
    ("statements", "positions", "momenta"),
    [
        # the overall scale, and that of each block of coordinates by itself
        (
            "L = a*x'^2 - b*x^2 + c*y'^2 - d*y^2",
            ("b/a, d/c", "a b | c d"),
            ("a, b, c, d", ""),
        ),
        ("L = a*x'^2 - b*x^2 + c*y'^2 - d*x*y", ("b/a, c/a, d/a", "a b c d"), ("a, b, c, d", "")),
        # a known force, a known mass
        ("L = a*x'^2 - b*x^2 + c*y'^2 - d*y^2 + x", ("a, b, d/c", "c d"), ("a, b, c, d", "")),
        ("L = x'^2 - b*x^2 + c*y'^2 - a*d*y^2", ("b, a*d/c", "a+c a+d c+d"), ("b, c, a*d", "a d")),
        (
            "L = a*x'^2 - b*x^2 + c*y'^2 - d*y^2\nforce x = t",
            ("a, b, d/c", "c d"),
            ("a, b, c, d", ""),
        ),
        # total time derivatives, constants and inert terms: momenta see the first
        (
            "L = x'^2 + y'^2 - a*x^2 + b*x*x' + c*(x*y' + y*x') + d",
            ("a", "b | c | d"),
            ("a, b, c", "d"),
        ),
        (
            "L = x'^2 + y'^2 - a*x^2*y^2\nK = b*x_-^3*x'_+ - (c + d)*x'_+*x_-",
            ("a, c + d", "b | c d"),
            None,
        ),
        # what K says again of V, and of a mass
        (
            "L = x'^2 + y'^2 - a*x^2 - d*y\nK = -b*x_+*x_- - c*y'_+*y_-",
            ("c, d, 2*a + b", "a b"),
            None,
        ),
        (
            "L = a*x'^2 + y'^2 - d*x*y\nK = b*x'_+*x'_- - c*x'_+*x_-",
            ("c, d, 2*a + b", "a b"),
            ("c, d, 2*a + b", "a b"),
        ),
        # products and powers, sums of them, and what is neither
        ("L = x'^2 + y'^2 - a*b*x^2 - c^2/d^3*y^2", ("a*b, d^3/c^2", "a b | c d"), None),
        (
            "L = (a + b)*x'^2 + y'^2 - c*x^2 - d*y^2",
            ("d, c/(a + b)", "a+b a+c b+c"),
            ("c, d, a + b", "a b"),
        ),
        (
            "L = (a + 2)*x'^2 + y'^2 - c*x^2 - d*y^2*b",
            ("c/(a + 2), b*d", "a c | b d"),
            ("a, c, b*d", "b d"),
        ),
        ("L = x'^2 + y'^2 - b*exp(a)*x^2 - c*y^2 - d*y", ("c, d, b*exp(a)", "a b"), None),
        ("L = x'^2 + y'^2 - (a*c + b*d)*x^2", ("?", "a+b+c a+b+d a+c+d b+c+d"), None),
        ("L = a*(x'^2 + y'^2 - b*x^2) - a*c*y - d*a*x", ("b, c, d", "a"), ("a, b, c, d", "")),
        # an irrational number is no power, and the identity sin^2 + cos^2 = 1 is known
        ("L = x'^2 + y'^2 - (a + pi*b)*x^2 - c*y^2 - d*y", ("c, d, ?", "a b"), None),
        ("L = x'^2 + y'^2 - (sin(a)^2 + cos(a)^2)*x^2 - b*c*x - d*y", ("d, b*c", "a | b c"), None),
        # small numbers are no noise, and what branches hide is looked for
        ("L = x'^2 + y'^2 - a*x^2 - 1e-30*b*x^4 - c*y - d*y^2", ("a, b, c, d", ""), None),
        (
            "L = x'^2 + y'^2 - a*x^2 - c*y - d*y^2\nforce x = b*max(x - 1e6, 0)",
            ("a, b, c, d", ""),
            None,
        ),
    ],
)
def test_what_positions_and_momenta_fix(
    statements: str, positions: tuple[str, str], momenta: tuple[str, str] | None
) -> None:
    result = found(f"{PLANE}{statements}\n")
    assert told(result.positions) == positions
    assert told(result.momenta) == (momenta or positions)


@pytest.mark.parametrize(
    ("potential", "signs"),
    [
        ("a^2*x^2 + b*x", [("a",)]),
        ("a*b*x^2", []),  # the sign of one follows from the other
        ("(a^2 + a*b*x + b^2*x^2)*x^2", [("a", "b")]),
        ("a^2*x^2 + b^2*x^3", [("a",), ("b",)]),
        ("a^2*b*x^2", []),
        ("(a + 2*b)^2*x^2", [("a", "b")]),
        ("sqrt(a)*x^2 + cos(b)*x", [("b",)]),
        ("exp(a)*x^2 + (b + b^2)*x", []),
    ],
)
def test_signs_that_are_not_fixed(potential: str, signs: list[tuple[str, ...]]) -> None:
    text = f"coordinate x\ncoefficient a = 1\ncoefficient b = 1\nL = x'^2/2 - {potential}\n"
    assert list(found(text).positions.signs) == signs


def test_a_sign_that_a_factor_cannot_take_up_where_bounds_forbid_it() -> None:
    head = "coordinate x\ncoefficient a = 1\ncoefficient b {} = 1\n"
    text = head + "L = x'^2/2 - (a/b)^2*x^2\n"
    assert found(text.format("> 0")).positions.signs == (("a",),)
    # The sign of a/b is what is open, and what is held of the two may be either.
    assert found(text.format("")).positions.signs == (("a",),)


def test_exchanges_are_left_out_where_the_two_can_change_by_themselves() -> None:
    assert found(f"{PLANE}L = x'^2 + y'^2 - (a + b)*x^2 - c*d*y^2\n").positions.exchanges == ()
    # a + b + c and a*b*c: whichever is held, the others can be exchanged.
    text = f"{PLANE}L = x'^2 + y'^2 - (a + b + c)*x^2 - a*b*c*y^2 - d*y\n"
    assert found(text).positions.exchanges == (("a", "b", "c"),)
    # In L alone, a total time derivative tells momenta which is which.
    text = f"{PLANE}L = x'^2 + y'^2 - (a + b)*x^2 - a*b*y^2 + a*x*x' - c*y - d*x\n"
    assert found(text).positions.exchanges == (("a", "b"),)
    assert found(text).momenta.exchanges == ()


def test_exchanges_on_a_lattice_are_those_of_what_all_sites_share() -> None:
    ring = "index i in 0..19 periodic\ncoordinate x[i]\ncoefficient k[i] > 0 = 1\n"
    ring += "coefficient a > 0 = 1\ncoefficient b > 0 = 1\n"
    ring += "L = sum(i, x'[i]^2/2 - k[i]*x[i]^2 - a*b*x[i]^4 - (a + b)*x[i]^6)\n"
    assert found(ring).positions.exchanges == (("a", "b"),)


def test_networks_and_lattices() -> None:
    network = found(
        "coordinate q\ncoefficient m > 0 = 1\ncoefficient k > 0 = 1\nneural V(q) = mlp(4)\n"
        "L = m*q'^2/2 - V(q) - k*q^4\n"
    )
    assert told(network.positions) == ("m, k", "")
    assert [dict(powers) for powers in network.networks] == [{"m": 1, "k": 1, "V": 1}]
    chain = "index i in 1..30 free\ncoordinate x[i]\ncoefficient m[i] > 0 = 1\n"
    chain += "coefficient k > 0 = 1\nL = sum(i, m[i]*x'[i]^2/2 - k*(x[i+1] - x[i])^2)\n"
    (freedom,) = found(chain).positions.freedoms
    assert (freedom.names, freedom.scale, freedom.hold) == (
        ("k", "m[i]"),
        True,
        (("k",), ("m[i]",)),
    )
    ring = "index i in 0..19 periodic\ncoordinate x[i]\ncoefficient c[i] > 0 = 1\n"
    ring += "L = sum(i, x'[i]^2/2 - c[i]/c[i+1]*(x[i+1] - x[i])^2)\n"
    (freedom,) = found(ring).positions.freedoms
    assert (freedom.names, freedom.scale, freedom.unseen) == (("c[i]",), True, False)


def _compared() -> list[str]:
    """Examples with several coefficients, but for two slow ones with nothing free."""
    found = []
    for path in sorted(EXAMPLES.glob("*.lag")):
        lines = path.read_text().splitlines()
        plain = not any(line.startswith(("neural", "index")) for line in lines)
        if plain and sum(line.startswith("coefficient") for line in lines) > 1:
            found.append(path.stem)
    return [name for name in found if name not in ("inspiral", "tides")]


@pytest.mark.parametrize("name", _compared())
def test_a_fit_finds_the_same_number_of_free_directions(name: str) -> None:
    """The null space of accelerations and momenta, from the compiled module in double precision."""
    compilation = compile_source(read_source(str(EXAMPLES / f"{name}.lag")))
    system = load_module(compilation.text, compilation.model.name).system
    spec, random = system.spec, np.random.default_rng(0)
    q, v, p = random.uniform(-1, 1, (3, 5, spec.dof))
    inputs = {label: random.normal(size=5) for label in spec.inputs}
    recording = Recording("all", np.linspace(0.1, 1, 5), q, v, p, inputs)
    defaults = np.array([c.default for c in spec.coefficients])
    values = defaults * random.uniform(0.6, 0.95, defaults.size)
    rows = acceleration_sensitivity(system, gather([recording], spec), values, random)
    free = structural_null_space(rows * values).shape[1]
    found = Findings(compilation.nodes).identifiability
    assert found is not None
    assert sum(f.dimension or 0 for f in found.momenta.freedoms) == free
