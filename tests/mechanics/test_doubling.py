"""The node functions against the definition: Lambda in q_1 and q_2, differentiated by q_-."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import pytest
import sympy as sp

from lagc.driver import Compilation
from tests.mechanics.models import (
    DIGITS,
    PATHS,
    compile_text,
    compiled,
    evaluate,
    random_values,
    without_special_functions,
)


def doubled_action(c: Compilation) -> tuple[sp.Expr, list[sp.Symbol]]:
    """Lambda = L(q_1) - L(q_2) + K with q_1 = q + m/2, q_2 = q - m/2, and the minus variables m,
    first of positions, then of velocities."""
    model = c.model
    plain = (*model.variables(0), *model.variables(1))
    plus = (*model.variables(0, "+"), *model.variables(1, "+"))
    minus = (*model.variables(0, "-"), *model.variables(1, "-"))
    lagrangian = without_special_functions(model.lagrangian)
    coupling = without_special_functions(model.coupling)
    m = list(sp.symbols(f"minus0:{len(plain)}"))
    one = {x: x + y / 2 for x, y in zip(plain, m, strict=True)}
    two = {x: x - y / 2 for x, y in zip(plain, m, strict=True)}
    both = {p: (one[x] + two[x]) / 2 for p, x in zip(plus, plain, strict=True)}
    both |= {d: one[x] - two[x] for d, x in zip(minus, plain, strict=True)}
    return lagrangian.xreplace(one) - lagrangian.xreplace(two) + coupling.xreplace(both), m


def close(x: Any, y: Any, digits: int) -> bool:
    with mp.workdps(DIGITS):
        return bool(abs(x - y) <= mp.mpf(10) ** -digits * (1 + abs(x)))


@pytest.mark.parametrize("name", PATHS)
def test_a_and_b_are_derivatives_of_the_doubled_action(name: str) -> None:
    c = compiled(name)
    action, minus = doubled_action(c)
    coincide = dict.fromkeys(minus, sp.Integer(0))
    slopes = [action.diff(m).xreplace(coincide) for m in minus]
    for seed in range(3):
        values = random_values(c, seed)
        expected = evaluate(slopes, values)
        found = evaluate([*c.nodes.a, *c.nodes.b], values)
        assert any(abs(x) > 1e-3 for x in expected)
        for x, y in zip(expected, found, strict=True):
            assert close(x, y, 40)


@pytest.mark.parametrize("name", PATHS)
def test_blocks_are_derivatives_of_a_and_b(name: str) -> None:
    c = compiled(name)
    nodes, values = c.nodes, random_values(c, 7)
    blocks = {"a_q": nodes.a_q, "a_v": nodes.a_v, "b_q": nodes.b_q, "b_v": nodes.b_v}
    exact = dict(
        zip(
            blocks,
            (evaluate([e for r in b for e in r], values) for b in blocks.values()),
            strict=True,
        )
    )
    symbols = list(values)
    dummies = sp.symbols(f"v0:{len(symbols)}")
    renamed = dict(zip(symbols, dummies, strict=True))
    components = [without_special_functions(e).xreplace(renamed) for e in (*nodes.a, *nodes.b)]
    n = len(nodes.a)
    with mp.workdps(DIGITS):
        function = sp.lambdify(dummies, components, modules="mpmath")

        def along(variable: sp.Symbol, step: Any) -> list[Any]:
            return function(*(v + step if s == variable else v for s, v in values.items()))

        h = mp.mpf(10) ** -12
        for primes, letter in ((0, "q"), (1, "v")):
            for k, variable in enumerate(c.model.variables(primes)):
                ahead, back = along(variable, h), along(variable, -h)
                slopes = [(x - y) / (2 * h) for x, y in zip(ahead, back, strict=True)]
                for i in range(n):
                    assert close(slopes[i], exact[f"a_{letter}"][i * n + k], 18)
                    assert close(slopes[n + i], exact[f"b_{letter}"][i * n + k], 18)


@pytest.mark.parametrize("name", PATHS)
def test_energy_changes_at_the_rate_that_is_stated(name: str) -> None:
    """E along q + s q' + s^2 q''/2, with q'' from d/dt b = a by differences."""
    c = compiled(name)
    model, nodes, values = c.model, c.nodes, random_values(c, 3)
    q, v, acceleration = (model.variables(k) for k in range(3))
    rates = {i.symbol: sp.Symbol(f"{i.name}'") for i in model.inputs}
    with mp.workdps(DIGITS):
        rate_values = {s: mp.mpf(k + 1) / 3 for k, s in enumerate(rates.values())}
        h = mp.mpf(10) ** -18

        def moved(s: Any, accelerations: Any) -> dict[sp.Symbol, Any]:
            point = dict(values)
            for x, y, z in zip(q, v, accelerations, strict=True):
                point[x] += s * values[y] + s * s * z / 2
                point[y] += s * z
            for u, rate in rates.items():
                point[u] += s * rate_values[rate]
            point[sp.Symbol("t")] += s
            return point

        def slope(expressions: list[sp.Expr], accelerations: Any) -> Any:
            ahead = evaluate(expressions, moved(h, accelerations))
            back = evaluate(expressions, moved(-h, accelerations))
            return [(x - y) / (2 * h) for x, y in zip(ahead, back, strict=True)]

        n = len(q)
        still = slope(list(nodes.b), [0] * n)
        mass = mp.matrix(n, n)
        for k in range(n):
            unit = slope(list(nodes.b), [int(i == k) for i in range(n)])
            for i in range(n):
                mass[i, k] = unit[i] - still[i]
        right = mp.matrix(
            [x - y for x, y in zip(evaluate(list(nodes.a), values), still, strict=True)]
        )
        solution = list(mp.lu_solve(mass, right))
        (found,) = slope([nodes.energy], solution)
        extended = values | dict(zip(acceleration, solution, strict=True)) | rate_values
        (stated,) = evaluate([nodes.energy_rate], extended)
    assert close(found, stated, 15)


@pytest.mark.parametrize(
    "name",
    ["dho", "poynting_robertson", "double_pendulum", "relativistic", "rolling", "greek"],
)
def test_models_with_friction_lose_energy(name: str) -> None:
    c = compiled(name)
    rates = [evaluate([c.nodes.energy_rate], random_values(c, seed))[0] for seed in range(20)]
    assert all(rate < 0 for rate in rates)


@pytest.mark.parametrize(
    ("friction", "coupling"),
    [
        ("R = c/2*q'^2", "K = -c*q'_+*q_-"),
        ("R = c*q^2*q'^4/4", "K = -c*q_+^2*q'_+^3*q_-"),
        ("R = c*r'[0]*r'[1]", "K = -c*(r'_+[0]*r_-[1] + r'_+[1]*r_-[0])"),
        ("force q = u - c*q'", "K = (u - c*q'_+)*q_-"),
        ("force r = -c*norm(r')*r'", "K = -c*norm(r'_+)*dot(r'_+, r_-)"),
        ("force r[1] = t*q", "K = t*q_+*r_-[1]"),
    ],
)
def test_friction_and_forces_are_couplings(friction: str, coupling: str) -> None:
    start = "coordinate q\ncoordinate r[2]\ncoefficient c = 1\ninput u\nL = q'^2 + dot(r', r')\n"
    one, two = compile_text(start + friction).nodes, compile_text(start + coupling).nodes
    assert [sp.expand(x - y) for x, y in zip(one.a, two.a, strict=True)] == [0, 0, 0]
    assert one.b == two.b
    assert set(one.force) != {sp.Integer(0)}
