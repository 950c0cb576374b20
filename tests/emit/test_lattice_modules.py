"""Generated modules of lattices: their text, how it grows, and what their arrays may be."""

from __future__ import annotations

import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lagc
from lagc.driver import compile_source, read_source
from tests.conftest import EXAMPLES, ROOT
from tests.emit.test_lattices import module
from tests.mechanics.models import GOOD, compile_text

GOLDEN = ROOT / "tests" / "golden"
LATTICES = {"wave": EXAMPLES / "wave.lag", "chain": GOOD / "lattices" / "chain.lag"}


@pytest.mark.parametrize("name", LATTICES)
def test_the_text_is_the_golden_one(name: str, update_golden: bool) -> None:
    text = compile_source(read_source(LATTICES[name])).text
    path = GOLDEN / f"{name}_lag.py"
    if update_golden:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def sized(path: Path, n: int) -> str:
    """A model of the collection with another number of sites."""
    text = path.read_text(encoding="utf-8")
    return text.replace("0..49", f"0..{n - 1}").replace("N = 32", f"N = {n}")


@pytest.mark.parametrize("name", LATTICES)
def test_the_text_does_not_grow_with_the_lattice(name: str) -> None:
    small, large = (compile_text(sized(LATTICES[name], n)) for n in (100, 900))
    assert small.text.count("\n") == large.text.count("\n")
    assert len(large.text) < 1.05 * len(small.text)
    counts = [[p.operation_count for p in c.programs.all()] for c in (small, large)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", LATTICES)
def test_the_trace_does_not_grow_with_the_lattice(name: str) -> None:
    sizes = []
    for n in (100, 900):
        lag = module(sized(LATTICES[name], n))
        lattice = lag.SPEC.lattice
        x, t = jnp.zeros(lag.SPEC.dof), jnp.zeros(())
        c = {k.name: jnp.ones(()) for k in lag.SPEC.coefficients}
        u = dict.fromkeys(lag.SPEC.inputs, t)
        blocks = jax.make_jaxpr(lag.system.kernels.blocks)(x, x, t, c, u, {})
        forces = jax.make_jaxpr(lag.system.kernels.forces)(x, x, t, c, u, {})
        sizes.append([len(j.jaxpr.eqns) for j in (blocks, forces)])
        assert lattice.size == n
    assert sizes[0] == sizes[1]


def test_a_lattice_of_a_hundred_thousand_sites_compiles_at_once() -> None:
    compile_text(sized(LATTICES["chain"], 10))  # what is made once, such as the parser
    start = time.process_time()
    lag = module(sized(LATTICES["wave"], 10**5))
    assert lag.SPEC.dof == 10**5
    assert time.process_time() - start < 2
    assert lag.SPEC.labels[-1] == "phi[99999]"
    assert lag.SPEC.labels is lag.SPEC.labels


def test_the_specification_of_a_lattice() -> None:
    spec = module(sized(LATTICES["chain"], 32)).SPEC
    lattice = spec.lattice
    assert (lattice.index, lattice.first, lattice.size, lattice.periodic) == ("i", 1, 32, False)
    assert (lattice.fields, lattice.reach, lattice.local_mass) == (("x", "theta"), 1, True)
    assert spec.labels[0] == "x[1]" and spec.labels[32] == "theta[1]"
    assert spec.velocity_labels[33] == "theta'[2]" and spec.momentum_labels[-1] == "p[theta[32]]"
    assert spec.moduli == (None,) * 32 + (2 * np.pi,) * 32
    k, gamma = spec.coefficients
    assert (k.site_dependent, k.default, k.lower) == (True, None, 0.0)
    assert (gamma.site_dependent, gamma.default, gamma.default_at) == (False, 0.05, None)
    sites = np.arange(1, 33)
    t = jnp.zeros((3,))
    values = k.default_at(t)
    assert values.shape == (32, 3)
    np.testing.assert_allclose(values[:, 1], 1 + np.cos(2 * np.pi * sites / 32) / 2, rtol=1e-15)
    assert set(spec.initial_fields) == {"x", "p[x]", "theta", "p[theta]"}
    assert dict(spec.initial) == {"x[1]": 0.0}
    bump = spec.initial_fields["x"](jnp.zeros(()))
    np.testing.assert_allclose(bump, np.exp(-((sites - 16.0) ** 2) / 10), rtol=1e-14)
    values = spec.initial_values
    assert set(values) == {*spec.labels, *spec.momentum_labels}
    assert (values["x[1]"], values["x[16]"], values["p[theta[7]]"]) == (0.0, 1.0, 0.0)


def test_a_lattice_from_strings() -> None:
    system = lagc.compile(
        L="sum(i, 1/2*x'[i]^2 - 1/2*k[i]*(x[i+1] - x[i])^2)",
        index="i in 0..4 free",
        coordinates=["x[i]"],
        coefficients={"k[i]": 2.0},
    )
    assert system.spec.dof == 5
    assert system.spec.coefficients[0].site_dependent


def test_the_forces_of_a_ring_are_two_loops() -> None:
    """One puts the sites beyond the ends beside the field, one computes; b is a copy of v."""
    lag = module(sized(LATTICES["wave"], 1000))
    q, t = jnp.zeros((1000, 3)), jnp.zeros(3)

    def forces(q: jax.Array, v: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
        a, b = lag.system.kernels.forces(q, v, t, {"c": c}, {}, {})
        return a, b

    text = jax.jit(forces).lower(q, q, jnp.ones(1)).compile().as_text()
    entry = text[text.index("ENTRY") :]
    assert entry.count(" fusion(") <= 2 and " pad(" not in entry and " scatter(" not in entry


def test_a_function_of_a_bond_is_computed_once() -> None:
    for ends in ("periodic", "free"):
        text = compile_text(
            f"index i in 0..9 {ends}\ncoordinate x[i]\nL = sum(i, 1/2*x'[i]^2 + cos(x[i+1] - x[i]))"
        ).text
        forces = text[text.index("def _forces") : text.index("def _blocks")]
        assert forces.count("jnp.sin(") == 1


def test_coefficients_take_every_shape_that_fits() -> None:
    lag = module(sized(LATTICES["chain"], 6))
    forces, random = lag.system.kernels.forces, np.random.default_rng(0)
    q, v = (jnp.asarray(random.normal(size=(12, 4, 2))) for _ in range(2))
    t, u = jnp.zeros((4, 2)), {"u": jnp.ones((4, 2))}
    along = jnp.asarray(random.uniform(1, 2, 6))

    def f(k: jax.Array, gamma: jax.Array) -> np.ndarray:
        return np.asarray(forces(q, v, t, {"k": k, "gamma": gamma}, u, {})[0])

    one = jnp.asarray(0.5)
    full = f(jnp.broadcast_to(along[:, None, None], (6, 4, 2)), jnp.full((4, 2), 0.5))
    np.testing.assert_array_equal(f(along, one), full)
    np.testing.assert_array_equal(f(along[:, None, None], one), full)
    same = f(jnp.full((6, 4, 2), 1.5), one)
    np.testing.assert_array_equal(f(jnp.asarray(1.5), one), same)
    np.testing.assert_array_equal(f(jnp.full((1, 4, 2), 1.5), one), same)


def test_nothing_is_computed_where_a_term_is_left_out() -> None:
    """sqrt and log of a difference of neighbours: beyond the ends they would not be numbers."""
    lag = module(
        "index i in 0..4 free\ncoordinate x[i]\nL = sum(i, 1/2*x'[i]^2 - (x[i+1] - x[i])^(3/2) "
        "+ log(x[i] - x[i-2]))"
    )
    q = jnp.asarray([0.0, 1.0, 2.5, 3.0, 7.0])
    t = jnp.zeros(())

    def total(q: jax.Array) -> jax.Array:
        a, _ = lag.system.kernels.forces(q, q, t, {}, {}, {})
        bands = lag.system.kernels.blocks(q, q, t, {}, {}, {})
        return jnp.sum(a**2) + sum(jnp.sum(b**2) for b in bands)

    assert np.isfinite(total(q))
    assert np.all(np.isfinite(jax.grad(total)(q)))
    assert np.all(np.isfinite(jax.hessian(total)(q)))


def test_the_derivatives_of_the_node_functions_are_the_bands() -> None:
    """Against automatic differentiation of the same functions, on rings and chains."""
    for name, path in LATTICES.items():
        lag = module(sized(path, 6))
        spec, kernels = lag.SPEC, lag.system.kernels
        random = np.random.default_rng(1)
        q, v = (jnp.asarray(random.normal(size=spec.dof)) for _ in range(2))
        t = jnp.asarray(0.3)
        c = {k.name: jnp.asarray(1.3) for k in spec.coefficients}
        u = dict.fromkeys(spec.inputs, t)
        bands = kernels.blocks(q, v, t, c, u, {})
        n, w = spec.lattice.size, spec.lattice.reach
        for k, band in enumerate(bands):
            exact = jax.jacfwd(
                lambda q, v, kernels=kernels, t=t, c=c, u=u: kernels.forces(q, v, t, c, u, {}),
                argnums=k % 2,
            )(q, v)[k // 2]
            found = np.zeros(exact.shape)
            for o, f, g, j in np.ndindex(band.shape):
                other = j + o - w
                if spec.lattice.periodic or 0 <= other < n:
                    found[f * n + j, g * n + other % n] += band[o, f, g, j]
            np.testing.assert_allclose(found, exact, atol=1e-12, err_msg=f"{name} {k}")
