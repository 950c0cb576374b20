"""Every way of solving a step solves the same equations, and an unsuitable one is refused."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from lagc.runtime import execution
from lagc.runtime.method import method
from lagc.runtime.strategy import choose_way
from tests.conftest import EXAMPLES


def pulse(t: Any) -> Any:
    return 0.3 * jnp.sin(2.0 * t)


@cache
def model(name: str) -> lagc.System:
    """Models by name, compiled once."""
    if name in ("dho", "poynting_robertson", "driven", "double_pendulum"):
        return lagc.load(EXAMPLES / f"{name}.lag")
    if name == "duffing":
        L = "1/2*q'^2 + 1/2*q^2 - 1/4*q^4"
        return lagc.compile(L=L, K="-c*q'_+*q_-", coordinates=["q"], coefficients={"c": 0.1})
    if name == "coupled":  # a full mass matrix; separable
        L = "m*x'^2 + y'^2 + x'*y' - 1/2*x^2 - 1/4*(x - y)^4 - cos(y)"
        return lagc.compile(L=L, coordinates=["x", "y"], coefficients={"m": 1.5})
    assert name == "coupled with drag"
    L = "m*x'^2 + y'^2 + x'*y' - 1/2*x^2 - 1/4*(x - y)^4 - cos(y)"
    K = "-1/5*x_+^2*x'_+*x_- - 1/10*(x'_+ - y'_+)*(x_- - y_-)"
    return lagc.compile(L=L, K=K, coordinates=["x", "y"], coefficients={"m": 1.5})


RUNS: dict[str, dict[str, Any]] = {
    "dho": {"q0": 1.0, "v0": 0.3, "dt": 0.1},
    "poynting_robertson": {"q0": np.array([0.8, 0.0]), "v0": np.array([1.0, 7.0]), "dt": 0.01},
    "driven": {"q0": 1.0, "v0": 0.3, "dt": 0.1, "t0": 0.4, "inputs": {"u": pulse}},
    "duffing": {"q0": 1.5, "v0": 0.2, "dt": 0.1},
    "coupled": {"q0": np.array([0.8, -0.3]), "v0": np.array([0.2, 0.5]), "dt": 0.1},
    "coupled with drag": {
        "q0": np.array([0.8, -0.3]),
        "v0": np.array([0.2, 0.5]),
        "dt": 0.1,
        "coefficients": {"m": 2.5},
    },
}


def agree(a: lagc.Trajectory, b: lagc.Trajectory, bound: float) -> None:
    """The same trajectory to `bound` of the largest value, and it does move."""
    assert not np.any(a.status) and not np.any(b.status)
    for name in ("q", "v", "p", "energy"):
        x, y = np.asarray(getattr(a, name)), np.asarray(getattr(b, name))
        assert np.ptp(x) > 1e-6 or name == "energy"
        assert np.max(np.abs(x - y)) <= bound * np.max(np.abs(x)), name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] if name in ("dho", "coupled") else [])
        for name in RUNS
    ],
)
def test_ways_agree_to_round_off(name: str) -> None:
    """50 steps at r = 2: round-off of a step is 1e-16, and these motions hardly amplify it."""
    runs = {
        way: model(name).simulate(**RUNS[name], steps=50, r=2, strategy=way)
        for way in ("kinetic", "newton", "robust")
    }
    for way in ("newton", "robust"):
        agree(runs["kinetic"], runs[way], 1e-13)
    assert not np.array_equal(runs["kinetic"].q, runs["robust"].q), "two ways, or one?"


def test_no_sweeps_are_needed_where_forces_depend_on_positions_alone() -> None:
    """Stoermer-Verlet, also written out by hand."""
    run = RUNS["coupled"]
    ways = ("explicit", "kinetic", "newton", "robust")
    runs = [model("coupled").simulate(**run, steps=50, r=0, strategy=way) for way in ways]
    for other in runs[1:]:
        agree(runs[0], other, 1e-13)

    mass = np.array([[3.0, 1.0], [1.0, 2.0]])

    def force(q: np.ndarray) -> np.ndarray:
        pull = (q[0] - q[1]) ** 3
        return np.array([-q[0] - pull, pull + np.sin(q[1])])

    q, h = run["q0"], run["dt"]
    p = mass @ run["v0"]
    for _ in range(50):
        p = p + h / 2 * force(q)
        q = q + h * np.linalg.solve(mass, p)
        p = p + h / 2 * force(q)
    np.testing.assert_allclose(runs[0].q[-1], q, atol=1e-13)
    np.testing.assert_allclose(runs[0].p[-1], p, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "at_0", "at_2"),
    [
        ("dho", "affine", "affine"),
        ("poynting_robertson", "kinetic", "kinetic"),
        ("driven", "affine", "affine"),
        ("coupled", "explicit", "kinetic"),
        ("coupled with drag", "kinetic", "kinetic"),
        ("double_pendulum", "newton", "newton"),
    ],
)
def test_the_choice_by_facts(name: str, at_0: str, at_2: str) -> None:
    spec = model(name).spec
    assert (choose_way(spec, 0), choose_way(spec, 2)) == (at_0, at_2)
    assert choose_way(spec, 2, "robust") == "robust"


@pytest.mark.parametrize(
    ("name", "r", "way"),
    [
        ("double_pendulum", 2, "kinetic"),
        ("double_pendulum", 0, "explicit"),
        ("dho", 0, "explicit"),
        ("coupled", 1, "explicit"),
        ("dho", 2, "gauss"),
    ],
)
def test_an_unsuitable_way_is_refused(name: str, r: int, way: str) -> None:
    q = np.zeros(model(name).spec.dof)
    with pytest.raises(lagc.LagcError, match=r"(?s)LAG509.*possible: .*newton, robust"):
        model(name).simulate(q, q, dt=0.1, steps=1, r=r, strategy=way)


# --- where the kinetic way does not contract ------------------------------------------------------


def linear_map(h: float, stiffness: float, r: int) -> np.ndarray:
    """The exact discrete map of q'' = -stiffness q on (q, pi), from the matrices of the step."""
    m = method(r)
    w, d = m.tableau.weights, m.tableau.differentiation
    full = 2 / h * np.einsum("k,ki,kj->ij", w, d, d) - stiffness * h / 2 * np.diag(w)
    inner = np.linalg.solve(full[:-1, 1:], np.stack([-full[:-1, 0], -np.eye(r + 1)[0]], axis=1))
    nodes = np.concatenate([[[1.0, 0.0]], inner])
    return np.stack([nodes[-1], full[-1] @ nodes])


def quick_way_is_enough(system: lagc.System, q: Any, v: Any, **options: Any) -> bool:
    """Whether no step of a run needs the robust way."""
    plan = system._plan(q, v, None, None, None, None, times=None, t0=0.0, **options)
    static = plan.static._replace(fallback=False)
    _, solved = execution._simulate(system, static, plan.arrays, plan.signals, plan.neural)
    return bool(solved)


@pytest.mark.parametrize("r", [pytest.param(1, marks=pytest.mark.long), 6])
def test_stiff_and_linear(r: int) -> None:
    """h^2 k/m = 100: the sweeps of the kinetic way diverge, the steps are right all the same.

    (The method itself grows at r = 1, the trace of its map being 63, and is bounded at r = 6.)
    """
    system = lagc.compile(L="1/2*q'^2 - 1/2*k*q^2", coordinates=["q"], coefficients={"k": 1e4})
    assert choose_way(system.spec, r) == "affine"
    assert not quick_way_is_enough(system, 1.0, 0.0, dt=0.1, steps=20, r=r, strategy="kinetic")
    step = linear_map(0.1, 1e4, r)
    assert abs(np.linalg.det(step) - 1) < 1e-10
    assert (abs(np.trace(step)) < 2) == (r == 6)
    t = system.simulate(1.0, 0.0, dt=0.1, steps=20, r=r)
    exact = np.array([np.linalg.matrix_power(step, n) @ [1.0, 0.0] for n in range(21)])
    assert int(t.status) == 0
    found = np.stack([t.q[:, 0], t.p[:, 0]], axis=1)
    scale = np.max(np.abs(exact), axis=0)
    assert np.max(np.abs(found - exact) / scale) < 1e-11
    same = system.simulate(1.0, 0.0, dt=0.1, steps=20, r=r, strategy="robust")
    assert np.max(np.abs(t.q - same.q)) < 1e-11 * scale[0]


def test_stiff_and_nonlinear() -> None:
    """Two masses on a stiff hardening spring: (h w)^2 = 100, and the run stays what it is."""
    system = lagc.compile(
        L="1/2*x'^2 + 1/2*y'^2 - 1/2*k*(x - y)^2 - k*(x - y)^4 - 1/2*x^2 - cos(y)",
        K="-1/10*x'_+*x_-",
        coordinates=["x", "y"],
        coefficients={"k": 5e3},
    )
    q, v = np.array([0.5, 0.53]), np.array([0.3, 0.3])
    run = {"dt": 0.1, "steps": 24, "r": 6}
    assert not quick_way_is_enough(system, q, v, strategy="kinetic", **run)
    t = system.simulate(q, v, **run)
    agree(t, system.simulate(q, v, strategy="robust", **run), 1e-12)
    spring = 0.5 * 5e3 * 0.03**2
    assert 0.1 * spring < np.ptp(np.sum(t.v**2, axis=-1)) < 10 * spring, "it does vibrate"


def test_a_close_passage() -> None:
    """Eccentricity 0.95 with steps too long for the cheap way at the pericentre, not elsewhere."""
    kepler = lagc.compile(L="1/2*dot(r', r') + 1/norm(r)", coordinates=["r[2]"])
    q, v = np.array([1.95, 0.0]), np.array([0.0, np.sqrt(0.05 / 1.95)])
    run = {"dt": 0.045, "r": 2}
    assert quick_way_is_enough(kepler, q, v, steps=50, strategy="kinetic", **run)
    assert not quick_way_is_enough(kepler, q, v, steps=100, strategy="kinetic", **run)
    cheap = kepler.simulate(q, v, steps=100, **run)
    robust = kepler.simulate(q, v, steps=100, strategy="robust", **run)
    distance = np.linalg.norm(robust.q, axis=-1)
    assert distance.min() < 0.1 < distance[-1], "the passage must be within the run"
    # Round-off of the approach is amplified by the passage.
    agree(cheap, robust, 1e-11)


@pytest.mark.parametrize("strategy", [None, "robust"])
def test_what_cannot_be_solved_gets_a_status(strategy: str | None) -> None:
    """Beyond v = 1 there is no motion; before it fails, a trajectory is as long as it gets."""
    system = lagc.compile(L="-sqrt(1 - q'^2) + F*q", coordinates=["q"], coefficients={"F": 1.0})
    t = system.simulate(0.0, 1.5, dt=0.1, steps=10, strategy=strategy)
    assert int(t.status) in (1, -1)
    assert (
        np.all(np.isnan(t.q[1:])) and np.all(np.isnan(t.p[1:])) and np.all(np.isnan(t.energy[1:]))
    )

    # V = log(q) pulls q to 0, where it ends: steps are good until then and nothing after.
    falling = lagc.compile(L="1/2*q'^2 - log(q)", coordinates=["q"])
    assert choose_way(falling.spec, 2) == "kinetic"
    t = falling.simulate(1.0, 0.0, dt=0.1, steps=30, strategy=strategy)
    failed = abs(int(t.status))
    assert 8 <= failed <= 15  # it arrives at sqrt(pi/2) = 1.25
    for x in (t.q[:, 0], t.v[:, 0], t.p[:, 0], t.energy):
        assert np.all(np.isfinite(x[:failed])) and np.all(np.isnan(x[failed:]))
