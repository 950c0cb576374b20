"""A program that `test_fused` starts: many compilations of small loops as one function.

XLA gives up with the whole process over a pattern it does not support. Prints the results, one line
a run; with `plain` as argument, loops are compiled as they come, with `long` those of more sizes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lagc
from lagc.runtime import along, execution
from lagc.runtime import steps as stepping

TIMES = np.cumsum(0.04 + 0.02 * np.sin(np.arange(10)))

MODELS: dict[str, dict[str, Any]] = {
    "spring": {"L": "1/2*q'^2 - 1/2*q^2 - 1/4*q^4", "coordinates": ["q"]},
    "pendulum": {
        "L": "1/2*q'^2 + cos(q)",
        "K": "-f*q'_+*q_-",
        "coordinates": ["q mod 2*pi"],
        "coefficients": {"f": 0.1},
    },
    "driven": {
        "L": "1/2*q'^2 - 1/2*q^2 + u*q*cos(t)",
        "K": "-1/10*q'_+*q_-",
        "coordinates": ["q"],
        "inputs": ["u"],
    },
    "functions": {
        "L": "1/2*x'^2 + 1/2*y'^2 - sin(x)*cosh(y/3) - tan(x/5)^2 - exp(-x^2) - log(2 + y^2)"
        " - sqrt(1 + x^2) + tanh(y) - sinh(x/4)^2 - asin(x/9) - acos(y/9) - atan(x)"
        " - atan2(x, 2 + y^2)^2 - (1 + x^2)^n/9",
        "K": "-abs(x_+)*x'_+*x_-",
        "coordinates": ["x", "y"],
        "coefficients": {"n": 1.3},
    },
    "pair": {
        "L": "x'^2 + 1/2*y'^2 + x'*y'*cos(x - y) + 2*cos(x) + cos(y)",
        "K": "-f*x'_+*x_-",
        "coordinates": ["x mod 2*pi", "y mod 2*pi"],
        "coefficients": {"f": 0.05},
    },
    "three": {
        "L": "1/2*dot(r', r') - 1/2*dot(r, r) - r[0]*r[1]*r[2]/4",
        "K": "-1/10*dot(r'_+, r_-)",
        "coordinates": ["r[3]"],
    },
}
MODELS |= {
    f"drag {d}": {
        "L": "1/2*dot(r', r') - dot(r, r)^2/4",
        "K": "-dot(r'_+, r'_+)*dot(r'_+, r_-)",
        "coordinates": [f"r[{d}]"],
    }
    for d in (1, 2, 4, 5, 6, 7, 8, 9, 10, 14, 40)
}
MODELS |= {
    f"coupled {d}": {
        "L": "5/8*dot(r', r') - dot(r, r)^2/4"
        + "".join(f" + r'[{i}]*r'[{i + 1}]/8" for i in range(d - 1)),
        "coordinates": [f"r[{d}]"],
    }
    for d in (14, 40)
}


def constants(f: Callable[..., Any], q: Any, v: Any) -> Any:
    """Everything known when it is compiled."""
    return jax.jit(lambda: f(q, v))()


def mapped(f: Callable[..., Any], q: Any, v: Any) -> Any:
    return jax.vmap(lambda v: f(q, v))(jnp.stack([v, 0.9 * v]))


def gradient(f: Callable[..., Any], q: Any, v: Any) -> Any:
    return jax.grad(lambda q, v: jnp.sum(f(q, v).q ** 2), (0, 1))(q, v)


def scanned(f: Callable[..., Any], q: Any, v: Any) -> Any:
    def body(v: Any, _: None) -> Any:
        t = f(q, v)
        return t.v[..., -1, :], t.q

    return jax.lax.scan(body, v, None, length=2)


def eager(f: Callable[..., Any], q: Any, v: Any) -> Any:
    return f(q, v)


def compiled(f: Callable[..., Any], q: Any, v: Any) -> Any:
    return jax.jit(f)(q, v)


# model, way, r, members (0: no batch axis), steps (0: at given times), how it is called, dtype
RUNS: list[tuple[str, str, int, int, int, Callable[..., Any], str]] = [
    ("spring", "explicit", 0, 0, 100, eager, "f8"),
    ("spring", "explicit", 0, 64, 7, constants, "f8"),
    ("spring", "kinetic", 1, 600, 8, eager, "f8"),
    ("spring", "robust", 2, 2, 9, compiled, "f8"),
    ("pendulum", "kinetic", 2, 0, 100, eager, "f4"),
    ("pendulum", "kinetic", 1, 2, 9, gradient, "f8"),
    ("pendulum", "newton", 2, 64, 0, eager, "f8"),
    ("driven", "kinetic", 2, 0, 8, constants, "f8"),
    ("driven", "kinetic", 5, 2, 0, compiled, "f8"),
    ("driven", "newton", 1, 0, 7, scanned, "f8"),
    ("functions", "kinetic", 1, 2, 9, eager, "f4"),
    ("functions", "newton", 0, 0, 8, eager, "f8"),
    ("spring", "kinetic", 2, 2, 7, mapped, "f8"),
    ("three", "kinetic", 8, 0, 0, eager, "f8"),
    ("pendulum", "newton", 1, 16, 9, gradient, "f8"),
    ("drag 4", "kinetic", 1, 120, 2, eager, "f8"),
]
# Where forces depend on velocities, there are arrays with an entry for each two coordinates.
LONG: list[tuple[str, str, int, int, int, Callable[..., Any], str]] = [
    *((f"drag {d}", "kinetic", 1, 128, 2, eager, "f8") for d in (1, 5, 6, 7, 8, 10, 14)),
    ("drag 8", "kinetic", 0, 128, 2, eager, "f8"),
    *((f"drag {d}", "kinetic", r, n, 0, eager, "f8") for d, r, n in ((2, 0, 762), (9, 1, 12))),
    *((f"drag {d}", "kinetic", 2, 40, 2, gradient, "f8") for d in (5, 10)),
    *((f"drag {d}", "newton", 1, 24, 2, gradient, "f8") for d in (4, 6)),
    ("drag 40", "kinetic", 1, 0, 2, eager, "f8"),
    ("coupled 40", "kinetic", 1, 0, 2, eager, "f8"),
    ("coupled 14", "kinetic", 1, 128, 2, eager, "f8"),
    ("drag 1", "newton", 11, 10, 0, eager, "f8"),
    ("spring", "kinetic", 16, 0, 9, constants, "f8"),
    ("pair", "newton", 2, 0, 9, constants, "f8"),
    ("three", "kinetic", 2, 2, 7, mapped, "f8"),
    ("pair", "newton", 1, 16, 9, gradient, "f8"),
    ("driven", "kinetic", 2, 64, 12, gradient, "f8"),
]
SIGNALS: list[Any] = [0.3, lagc.Samples([0.0, 0.2, 0.5], [0.1, 0.4, 0.0]), jnp.sin]


def results(runs: list[Any]) -> Iterator[list[float]]:
    """The leaves of every run, one after another."""
    systems = {name: lagc.compile(**MODELS[name]) for name in {run[0] for run in runs}}
    for number, (name, way, r, members, steps, how, kind) in enumerate(runs):
        dof = systems[name].spec.dof
        spread = np.linspace(0.9, 1.1, members)[:, None] if members else 1.0
        q = jnp.asarray(np.resize([0.8, 0.3, -0.2], dof) * spread, kind)
        v = jnp.asarray(np.resize([0.1, 0.6, 0.3], dof) * spread, kind)
        run: dict[str, Any] = {"dt": 0.05, "steps": steps} if steps else {"times": TIMES}
        if name == "driven":
            run["inputs"] = {"u": SIGNALS[number % 3]}

        def f(q: Any, v: Any, name: str = name, run: Any = run, r: int = r, way: str = way) -> Any:
            return systems[name].simulate(q, v, r=r, strategy=way, **run)

        leaves = jax.tree_util.tree_leaves(how(f, q, v))
        yield np.concatenate([np.ravel(x).astype(float) for x in leaves]).tolist()


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    if "plain" in sys.argv:
        for module in (stepping, along, execution):
            module.as_one_function = lambda function, otherwise=None: otherwise or function
    for line in results(LONG if "long" in sys.argv else RUNS):
        print(json.dumps(line), flush=True)
