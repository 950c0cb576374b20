"""What `lagc show` says of energies, momenta and symmetries, held against motions."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from lagc.analysis.balance import energy_balance
from lagc.analysis.symmetries import find_symmetries
from lagc.loader import load_module
from lagc.presentation.model import describe
from tests.analysis.motions import TIMES, Motion, move, ring
from tests.conftest import EXAMPLES, ROOT
from tests.mechanics.models import compile_text

GOOD = ROOT / "tests" / "good"
SIGNALS = {"w": (np.sin, np.cos), "u": (lambda t: np.cos(2 * t), lambda t: -2 * np.sin(2 * t))}
STATES = {
    "double_pendulum": (EXAMPLES, [1.0, 0.5], [0.0, 0.3]),
    "poynting_robertson": (EXAMPLES, [0.8, 0.1], [0.2, 7.6]),
    "driven": (EXAMPLES, [1.0], [0.5]),
    "central_force": (GOOD, [1.0, 0.0, 0.2], [0.0, 1.0, 0.1]),
    "time_dependent": (GOOD, [1.0, 0.0], [0.0, 0.5]),
    "rolling": (GOOD, [0.3, 1.0], [0.0, 0.2]),
    "relativistic": (GOOD, [1.0], [0.3]),
    "impulse": (GOOD, [1.0], [0.2]),  # a part of the momentum in K: dE/dt holds q''
}
RING = """index i in 0..11 periodic
coordinate phi[i]
coefficient c > 0 = 1
coefficient b >= 0 = 0.3
L = sum(i, phi'[i]^2/2 - c^2*(phi[i+1] - phi[i])^2/2 - (phi[i+1] - phi[i])^4)
R = sum(i, b/2*(phi'[i+1] - phi'[i])^2)
"""


def check_balance(m: Motion) -> None:
    """E(t) - E(0) is the integral of dE/dt, and of the sum of its parts."""
    balance = energy_balance(m.compilation.nodes)
    energy = m.along(balance.energy)
    change = energy - energy[0]
    assert np.abs(change).max() > 1e-6  # nothing compared is zero
    tolerance = 1e-9 * np.abs(energy).max()
    np.testing.assert_allclose(m.integrated(balance.rate), change, rtol=0, atol=tolerance)
    parts = [balance.explicit_time, *(p.value for p in balance.powers)]
    total = sum(m.integrated(part) for part in parts)
    np.testing.assert_allclose(total, change, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", STATES)
def test_the_energy_changes_by_what_the_balance_says(name: str) -> None:
    folder, q0, v0 = STATES[name]
    compilation = compile_text((folder / f"{name}.lag").read_text())
    used = {i.name for i in compilation.model.inputs}
    check_balance(move(compilation, q0, v0, {k: s for k, s in SIGNALS.items() if k in used}))


@pytest.mark.parametrize("name", STATES)
def test_momenta_and_energies_as_shown_are_those_of_the_module(name: str) -> None:
    folder, q0, v0 = STATES[name]
    compilation = compile_text((folder / f"{name}.lag").read_text())
    model, document = compilation.model, describe(compilation)
    system = load_module(compilation.text, model.name).system
    q, v, t = 0.9 * np.array(q0) + 0.05, np.array(v0) + 0.1, 0.7
    values = dict(zip([*model.variables(0), *model.variables(1)], [*q, *v], strict=True))
    values |= {sp.Symbol("t"): t, **{i.symbol: 0.3 for i in model.inputs}}
    values |= {s: float(x) for s, x in model.constant_values.items()}
    values |= {c.symbol: float(c.default) for c in model.coefficients}
    m = Motion(compilation, values)
    inputs = {i.name: 0.3 for i in model.inputs}
    shown = [m.along(row.right)[0] for row in document.section("momenta").rows]
    np.testing.assert_allclose(shown, system.momentum(q, v, t, inputs=inputs), rtol=1e-14)
    energy = m.along(document.section("energy").rows[0].right)[0]
    np.testing.assert_allclose(energy, system.energy(q, v, t, inputs=inputs), rtol=1e-14)


TWO_BODIES = """coordinate a[3]
coordinate b[3]
coefficient m > 0 = 2
L = dot(a', a')/2 + m*dot(b', b')/2 + 1/norm(a - b)
"""
DRAG = "R = 0.05*dot(a' - b', a' - b')\n"
STATE = [1.0, 0.0, 0.2, -0.5, 0.3, 0.0], [0.0, 0.6, 0.1, 0.2, -0.3, 0.3]
SYMMETRIC = {
    "two bodies": (TWO_BODIES, STATE, "E p p p J J J", ""),
    "two bodies that drag each other": (TWO_BODIES + DRAG, STATE, "p p p", "E J J J"),
    "a centre off the origin": (
        "coordinate x\ncoordinate y\nL = x'^2/2 + y'^2/2 - ((x - 1)^2 + y^2)^2\n",
        ([1.5, 0.3], [0.2, 0.7]),
        "E J",
        "",
    ),
    "a screw": (
        "coordinate x\ncoordinate y\ncoordinate z\n"
        "L = (x'^2 + y'^2 + z'^2)/2 - x*cos(z) - y*sin(z) - (x^2 + y^2)^2\n",
        ([1.0, 0.2, 0.3], [0.1, 0.2, 0.3]),
        "E J",
        "",
    ),
    "a magnetic momentum": (
        "coordinate x\ncoordinate y\nL = x'^2/2 + y'^2/2 + y'*x^2 - x^2\n",
        ([0.5, 0.0], [0.1, 0.4]),
        "E p",
        "",
    ),
    "a bead with friction": (
        "coordinate theta\ncoordinate phi mod 2*pi\n"
        "L = theta'^2/2 + (1 + sin(theta)^2)*phi'^2/2 + cos(theta)\nR = 0.1*(theta'^2 + phi'^2)\n",
        ([1.0, 0.0], [0.0, 1.0]),
        "",
        "E p",
    ),
    "explicit time": (
        "coordinate x\ncoordinate y\nL = x'^2/2 + y'^2/2 - cos(t)*(x - y)^2\n",
        ([1.0, 0.0], [0.0, 0.3]),
        "p",
        "",
    ),
    "no symmetry but in time": (
        "coordinate x\ncoordinate y\nL = x'^2/2 + y'^2 - x^2 - y^2 - x\n",
        ([1.0, 0.0], [0.0, 0.3]),
        "E",
        "",
    ),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetries(name: str) -> None:
    """What is said to be conserved is, and what drifts has the rate that is shown."""
    text, (q0, v0), conserved, broken = SYMMETRIC[name]
    m = move(compile_text(text), q0, v0)
    found = find_symmetries(m.compilation.nodes)
    letters = {"time": "E", "translation": "p", "rotation": "J"}
    for held, expected in ((True, conserved), (False, broken)):
        kinds = [letters[s.kind] for s in found if s.conserved is held]
        assert kinds == expected.split()
    for symmetry in found:
        values = m.along(symmetry.value)
        change = values - values[0]
        if symmetry.conserved:
            assert np.abs(change).max() < 1e-11
            continue
        assert np.abs(change).max() > 1e-4
        tolerance = 1e-9 * np.abs(values).max()
        np.testing.assert_allclose(m.integrated(symmetry.rate), change, rtol=0, atol=tolerance)


def test_a_run_of_the_module_keeps_what_is_conserved_on_a_ring() -> None:
    """Friction between neighbours takes energy and leaves the sum of the momenta."""
    compilation = compile_text(RING)
    system = load_module(compilation.text, "ring").system
    sites = np.arange(12)
    run, _ = system.attempt(
        np.sin(sites), 0.3 + np.cos(2 * sites), dt=TIMES[1], steps=len(TIMES) - 1, r=3
    )
    assert int(run.status) == 0
    m = ring(compilation, np.asarray(run.q), np.asarray(run.v))
    check_balance(m)
    energy, total = find_symmetries(compilation.nodes)
    assert (energy.kind, energy.conserved) == ("time", False)
    assert (total.kind, total.conserved) == ("translation", True)
    values = m.along(total.value)
    assert abs(values[0]) > 1
    assert np.abs(values - values[0]).max() < 1e-12


def test_networks_are_arbitrary_functions() -> None:
    """V(r^2) turns with r, V(q - s) moves with both; V(q, s) does neither."""
    head = "coordinate q\ncoordinate s\nneural V(x) = mlp(4)\nL = (q'^2 + s'^2)/2 - "
    kinds = [
        [s.kind for s in find_symmetries(compile_text(f"{head}{potential}\n").nodes)]
        for potential in ("V(q^2 + s^2)", "V(q - s)", "V(q - 2*s)", "V(q) - V(s)")
    ]
    assert kinds == [
        ["time", "rotation"],
        ["time", "translation"],
        ["time", "translation"],
        ["time"],
    ]
