"""The models in `examples/` and `tests/good/`, compiled once, and random points for them."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import mpmath as mp
import sympy as sp

from lagc.base.spans import Source
from lagc.driver import Compilation, compile_source, read_source
from lagc.semantics.functions import AbsoluteValue, If, Maximum, Minimum, NeuralTerm, Sign, Step
from tests.conftest import EXAMPLES, ROOT

GOOD = ROOT / "tests" / "good"
COMPILABLE = ("dho", "double_pendulum", "driven", "neural_pendulum", "poynting_robertson")
PATHS = {name: EXAMPLES / f"{name}.lag" for name in COMPILABLE} | {
    path.stem: path for path in sorted(GOOD.glob("*.lag"))
}
DIGITS = 50


@cache
def compiled(name: str) -> Compilation:
    """A model of the collection by name."""
    return compile_source(read_source(PATHS[name]))


def compile_text(text: str) -> Compilation:
    """A model from its text."""
    return compile_source(Source("m.lag", text))


def network(inputs: tuple[Any, ...], sin: Any) -> Any:
    """What stands for a neural term: a smooth function of all its inputs, mixed derivatives too."""
    total = sum((k + 2) * x for k, x in enumerate(inputs))
    return sin(total) / 3 + sin(inputs[0]) * total / 5


def without_special_functions(e: sp.Expr) -> sp.Expr:
    """Kinks as roots of squares (exact away from the kink), choices as SymPy's, neural terms as
    `network`."""

    def absolute(x: sp.Expr) -> sp.Expr:
        return sp.sqrt(x**2)

    def neural(term: NeuralTerm) -> sp.Expr:
        slots = sp.symbols(f"slot0:{len(term.inputs)}")
        value = network(slots, sp.sin)
        for slot, order in zip(slots, term.orders, strict=True):
            value = value.diff(slot, order)
        return value.subs(dict(zip(slots, term.inputs, strict=True)))

    e = e.replace(lambda x: isinstance(x, NeuralTerm), neural)
    e = e.replace(If, lambda s, a, b: sp.Piecewise((a, s > 0), (b, True)))
    e = e.replace(AbsoluteValue, absolute)
    e = e.replace(Sign, lambda x: x / absolute(x))
    e = e.replace(Step, lambda x: (1 + x / absolute(x)) / 2)
    e = e.replace(Maximum, lambda x, y: (x + y + absolute(x - y)) / 2)
    return e.replace(Minimum, lambda x, y: (x + y - absolute(x - y)) / 2)


def random_values(c: Compilation, seed: int) -> dict[sp.Symbol, Any]:
    """Values of q, q', t, inputs, coefficients (doubles) and constants (exact) at one point."""
    generator = random.Random(seed)
    model = c.model
    names = (*model.variables(0), *model.variables(1), sp.Symbol("t"))
    symbols = (*names, *(i.symbol for i in model.inputs))
    with mp.workdps(DIGITS):
        values = {s: mp.mpf(generator.uniform(-0.9, 0.9)) for s in symbols}
        for coefficient in model.coefficients:
            low = -2.0 if coefficient.lower is None else float(coefficient.lower)
            high = low + 2.0 if coefficient.upper is None else float(coefficient.upper)
            low = max(low, high - 3.0)
            values[coefficient.symbol] = mp.mpf(generator.uniform(low, high))
        for constant in model.constants:
            values[constant.symbol] = mp.mpmathify(constant.value.evalf(DIGITS + 10))
    return values


def evaluate(expressions: list[sp.Expr], values: dict[sp.Symbol, Any]) -> list[Any]:
    """Values through SymPy's printer for mpmath, on no path of lagc."""
    symbols = list(values)
    dummies = sp.symbols(f"v0:{len(symbols)}")
    renamed = dict(zip(symbols, dummies, strict=True))
    plain = [without_special_functions(e).xreplace(renamed) for e in expressions]
    with mp.workdps(DIGITS):
        return list(sp.lambdify(dummies, plain, modules="mpmath")(*values.values()))
