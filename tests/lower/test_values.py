"""A program in mpmath, SymPy's own evaluation and the emitted JAX give the same numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from lagc.driver import Compilation
from lagc.loader import load_module
from lagc.lower.program import NeuralCall, Program
from lagc.lower.programs import _variables
from tests.lower.interpreter import OPERATIONS, interpret
from tests.mechanics.models import (
    DIGITS,
    PATHS,
    compile_text,
    compiled,
    evaluate,
    network,
    random_values,
)


def expressions(c: Compilation) -> dict[tuple[str, str], list[sp.Expr]]:
    """What every output of every program stands for."""
    n = c.nodes

    def flat(block: tuple[tuple[sp.Expr, ...], ...]) -> list[sp.Expr]:
        return [e for row in block for e in row]

    return {
        ("lagrangian", "L"): [n.lagrangian],
        ("forces", "a"): list(n.a),
        ("forces", "b"): list(n.b),
        ("blocks", "a_q"): flat(n.a_q),
        ("blocks", "a_v"): flat(n.a_v),
        ("blocks", "b_q"): flat(n.b_q),
        ("blocks", "b_v"): flat(n.b_v),
        ("momentum", "b"): list(n.b),
        ("energy", "E"): [n.energy],
        **{(o.name, o.name): [o.value] for o in c.model.observables},
    }


@cache
def network_derivative(orders: tuple[int, ...]) -> Any:
    slots = sp.symbols(f"slot0:{len(orders)}")
    value = network(slots, sp.sin)
    for slot, order in zip(slots, orders, strict=True):
        value = value.diff(slot, order)
    return sp.lambdify(slots, value, modules="mpmath")


def neural(call: NeuralCall, inputs: tuple[Any, ...]) -> Any:
    return network_derivative(call.orders)(*inputs)


def interpreted(program: Program, c: Compilation, values: dict[sp.Symbol, Any]) -> Any:
    variables = {v: values[s] for s, v in _variables(c.model).items()}
    return interpret(program, variables, neural)


def agree(x: Any, y: Any, tolerance: float) -> bool:
    with mp.workdps(DIGITS):
        return bool(abs(x - y) <= tolerance * (1 + abs(x)))


@pytest.mark.parametrize("name", PATHS)
def test_programs_mean_what_the_expressions_mean(name: str) -> None:
    c = compiled(name)
    values = random_values(c, 11)
    for program in c.programs.all():
        with mp.workdps(DIGITS):
            found = interpreted(program, c, values)
        for output, entries in found.items():
            expected = evaluate(expressions(c)[program.name, output], values)
            largest = max(1.0, *(float(abs(x)) for x in expected))
            for x, y in zip(expected, entries, strict=True):
                assert agree(x, y, 1e-14 * largest)  # constants are rounded to doubles


def test_programs_with_binary_numbers_are_exact() -> None:
    c = compile_text(
        "coordinate q\ncoordinate r[2]\ncoefficient k = 1\nconstant c = 3/4\n"
        "L = (1 + q^2)*q'^2/2 + norm(r)^3*dot(r', r')/8 - k*c*q^4*sqrt(1 + q^2) - 1/(2 + q*r[0])\n"
        "L += 0.625*exp(sin(q)*r[1])*q'\nK = -c*k*(q'_+*q_- + q_+^2*dot(r'_+, r_-)) + r_+[0]*q'_-\n"
    )
    for seed in range(3):
        values = random_values(c, seed)
        for program in c.programs.all():
            with mp.workdps(DIGITS):
                found = interpreted(program, c, values)
            for output, entries in found.items():
                expected = evaluate(expressions(c)[program.name, output], values)
                assert all(agree(x, y, 1e-40) for x, y in zip(expected, entries, strict=True))


@pytest.mark.parametrize("name", PATHS)
def test_emitted_code_computes_the_programs(name: str) -> None:
    c = compiled(name)
    module = load_module(c.text, c.model.name)
    points = [random_values(c, seed) for seed in range(4)]
    order = _variables(c.model)

    def stack(kind: str) -> Any:
        rows = [[float(p[s]) for p in points] for s, v in order.items() if v.kind == kind]
        return jnp.array(rows)  # components first

    def named(kind: str) -> dict[str, Any]:
        found = {v.name: s for s, v in order.items() if v.kind == kind}
        return {n: jnp.array([float(p[s]) for p in points]) for n, s in found.items()}

    t = stack("t")[0]
    slots = {s.name: lambda x: network(tuple(x), jnp.sin) for s in c.model.neural}
    arguments = (stack("q"), stack("v"), t, named("coefficient"), named("signal"), slots)
    for i, program in enumerate(c.programs.all()):
        standard = i < 5
        function = getattr(module, f"_{program.name}" if standard else f"_observable_{i - 5}")
        results = function(*arguments)
        results = results if isinstance(results, tuple) else (results,)
        for k, point in enumerate(points):
            with mp.workdps(DIGITS):
                expected = interpreted(program, c, point)
            for output, result in zip(program.outputs, results, strict=True):
                assert result.shape == (*output.shape, len(points))
                exact = np.array([float(x) for x in expected[output.name]])
                found = np.asarray(result[..., k]).reshape(-1)
                scale = max(1.0, float(np.max(np.abs(exact))))
                np.testing.assert_allclose(found, exact, rtol=1e-13, atol=1e-13 * scale)


def test_every_operation_of_the_language_is_compared() -> None:
    met = {
        i.operation
        for name in PATHS
        for program in compiled(name).programs.all()
        for i in program.instructions
    }
    assert met >= set(OPERATIONS)
    assert met - set(OPERATIONS) == {"constant", "input", "neural"}
