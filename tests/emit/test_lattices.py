"""Node functions of lattices against the same models written out coordinate by coordinate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lagc.loader import load_module
from tests.mechanics.models import compile_text

jax.config.update("jax_enable_x64", True)


@dataclass(frozen=True)
class Pair:
    """A lattice model, and the ordinary model that it stands for.

    In `ordinary` fields are vectors. `scalars` are the coefficients of both; `arrays` those that
    vary: `k` of the lattice is `k0`, `k1`, ... of the ordinary model.
    """

    lattice: str
    ordinary: str
    scalars: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    fields: tuple[str, ...] = ("phi",)
    constants: dict[str, float] = field(default_factory=dict)


def plus(terms: list[str]) -> str:
    return " + ".join(f"({term})" for term in terms)


def over(sites: range, density: Callable[[int], str]) -> str:
    return plus([density(i) for i in sites])


def declared(names: tuple[str, ...], arrays: tuple[str, ...] = (), n: int = 0) -> str:
    made = [*names, *(f"{name}{i}" for name in arrays for i in range(n))]
    return "".join(f"coefficient {name} = 1\n" for name in made)


def ring() -> Pair:
    n = 7
    return Pair(
        f"index i in 0..{n - 1} periodic\ncoordinate phi[i]\nconstant dx = 2/50\n"
        "coefficient c = 1\n"
        "L = sum(i, 1/2*phi'[i]^2 - 1/2*c^2*((phi[i+1] - phi[i-1])/(2*dx))^2)\n",
        f"coordinate phi[{n}]\nconstant dx = 2/50\ncoefficient c = 1\nL = "
        + over(
            range(n),
            lambda i: (
                f"1/2*phi'[{i}]^2 - 1/2*c^2*((phi[{(i + 1) % n}] - phi[{(i - 1) % n}])/(2*dx))^2"
            ),
        ),
        scalars=("c",),
    )


def free() -> Pair:
    """Fermi, Pasta, Ulam and Tsingou's chain with free ends, friction between the masses."""
    n = 6
    bonds, sites = range(n - 1), range(n)
    return Pair(
        f"index i in 1..{n} free\ncoordinate phi[i]\ncoefficient c = 1\ncoefficient a = 1\n"
        "let stretch = phi[i+1] - phi[i]\n"
        "L = sum(i, 1/2*phi'[i]^2 - c*(1/2*stretch^2 + a/3*stretch^3))\n"
        "R = sum(i, 1/2*a*(phi'[i] - phi'[i-1])^2 + c*phi'[i]^4)\n"
        "K = 3*sum(i, -phi'_+[i]*phi_-[i] + phi_-[i]*sin(phi_+[i+2]))\n"
        "force phi[i] = cos(phi[i+1]) - phi[i-2]\n"
        "observable stretched = sum(i, (phi[i+1] - phi[i])^2)/phi[3]\n",
        f"coordinate phi[{n}]\ncoefficient c = 1\ncoefficient a = 1\nL = "
        + over(sites, lambda i: f"1/2*phi'[{i}]^2")
        + " - c*("
        + over(bonds, lambda i: f"1/2*(phi[{i + 1}]-phi[{i}])^2 + a/3*(phi[{i + 1}]-phi[{i}])^3")
        + ")\nR = "
        + over(bonds, lambda i: f"1/2*a*(phi'[{i + 1}] - phi'[{i}])^2")
        + " + "
        + over(sites, lambda i: f"c*phi'[{i}]^4")
        + "\nK = 3*("
        + over(sites, lambda i: f"-phi'_+[{i}]*phi_-[{i}]")
        + " + "
        + over(range(n - 2), lambda i: f"phi_-[{i}]*sin(phi_+[{i + 2}])")
        + ") + "
        + over(bonds, lambda i: f"phi_-[{i}]*cos(phi_+[{i + 1}])")
        + " - ("
        + over(range(2, n), lambda i: f"phi_-[{i}]*phi_+[{i - 2}]")
        + ")\nobservable stretched = ("
        + over(bonds, lambda i: f"(phi[{i + 1}] - phi[{i}])^2")
        + ")/phi[2]\n",
        scalars=("c", "a"),
    )


def varying() -> Pair:
    """Springs, masses and an explicit index, on a lattice whose sums keep within its ends."""
    n = 5
    return Pair(
        f"index i in 0..{n - 1}\ncoordinate phi[i]\ncoefficient k[i] > 0 = 1 + 1/10*i\n"
        "coefficient g[i] = 1\ncoefficient c = 1\ninput u\nconstant m[i] = 1 + 1/2*i\n"
        "constant w[i] = m[i]^2 + i\n"
        "L = sum(i, 1/2*m[i]*phi'[i]^2 - g[i]*cos(2*pi*i/5)*cos(phi[i]))\n"
        f"L += -1/2*sum(i in 0..{n - 2}, k[i]*k[i+1]*(phi[i+1] - phi[i])^2*w[i+1])\n"
        "K = c*sum(i, -g[i]*phi'_+[i]*phi_-[i]*exp(-t))\n"
        "force phi[0] = u*cos(t)\nforce phi[3] = k[3]*phi[2]*m[1]\n"
        f"observable edge = k[2]*phi[0]*w[4] + phi'[{n - 1}] + u\n"
        "observable moment = sum(i in 1..3, i*phi'[i]*k[i-1]) + t*c\n",
        f"coordinate phi[{n}]\ncoefficient c = 1\ninput u\n"
        + declared((), ("k", "g"), n)
        + "L = "
        + over(
            range(n),
            lambda i: f"1/2*(1 + {i}/2)*phi'[{i}]^2 - g{i}*cos(2*pi*{i}/5)*cos(phi[{i}])",
        )
        + " - 1/2*("
        + over(
            range(n - 1),
            lambda i: f"k{i}*k{i + 1}*(phi[{i + 1}]-phi[{i}])^2*((1+{i + 1}/2)^2 + {i + 1})",
        )
        + ")\nK = c*("
        + over(range(n), lambda i: f"-g{i}*phi'_+[{i}]*phi_-[{i}]*exp(-t)")
        + ")\nforce phi[0] = u*cos(t)\nforce phi[3] = k3*phi[2]*3/2\n"
        f"observable edge = k2*phi[0]*13 + phi'[{n - 1}] + u\n"
        "observable moment = "
        + over(range(1, 4), lambda i: f"{i}*phi'[{i}]*k{i - 1}")
        + " + t*c\n",
        scalars=("c",),
        arrays=("k", "g"),
        inputs=("u",),
    )


def two_fields() -> Pair:
    """Two coupled fields with friction between them and kinetic coupling of neighbours."""
    n = 6

    def j(i: int) -> int:
        return i % n

    return Pair(
        f"index x in 0..{n - 1} periodic\ncoordinate phi[x]\ncoordinate psi[x] mod 2*pi\n"
        "coefficient c = 1\ncoefficient k[x] = 2\n"
        "L = sum(x, 1/2*phi'[x]^2*(2 + sin(psi[x])) + psi'[x]^2 + 1/4*phi'[x]*psi'[x+1])\n"
        "L += c*sum(x, cos(psi[x+1] - psi[x]) - phi[x]^2*phi[x+1])\n"
        "L += sum(x in 2..5, k[x+1]*phi[x+1]*sin(psi[x]))\n"
        "K = sum(x, -c*(phi'_+[x] - psi'_+[x+1])*phi_-[x] + phi_+[x]*psi'_-[x-1])\n"
        "L += -c*(phi[5] - phi[0])^4 + x0*phi[2]\ninput x0\n",
        f"coordinate phi[{n}]\ncoordinate psi[{n}] mod 2*pi\ncoefficient c = 1\ninput x0\n"
        + declared((), ("k",), n)
        + "L = "
        + over(
            range(n),
            lambda i: (
                f"1/2*phi'[{i}]^2*(2 + sin(psi[{i}])) + psi'[{i}]^2 "
                f"+ 1/4*phi'[{i}]*psi'[{j(i + 1)}]"
            ),
        )
        + "\nL += c*("
        + over(
            range(n),
            lambda i: f"cos(psi[{j(i + 1)}] - psi[{i}]) - phi[{i}]^2*phi[{j(i + 1)}]",
        )
        + ")\nL += "
        + over(range(2, 6), lambda i: f"k{j(i + 1)}*phi[{j(i + 1)}]*sin(psi[{i}])")
        + "\nK = "
        + over(
            range(n),
            lambda i: (
                f"-c*(phi'_+[{i}] - psi'_+[{j(i + 1)}])*phi_-[{i}] + phi_+[{i}]*psi'_-[{j(i - 1)}]"
            ),
        )
        + "\nL += -c*(phi[5] - phi[0])^4 + x0*phi[2]\n",
        scalars=("c",),
        arrays=("k",),
        inputs=("x0",),
        fields=("phi", "psi"),
    )


def varying_ring() -> Pair:
    """Springs, constants and the index at neighbours round a ring, functions of both ends."""
    n = 7

    def j(i: int) -> int:
        return i % n

    def m(i: int) -> str:
        return f"(1 + {j(i)}/2)"

    return Pair(
        f"index i in 0..{n - 1} periodic\ncoordinate phi[i]\ncoefficient k[i] = 1\n"
        "coefficient c = 1\nconstant m[i] = 1 + i/2\nconstant w[i] = m[i-1]^2 + i\n"
        "L = sum(i, 1/2*m[i+1]*phi'[i]^2 + k[i]*k[i+2]*sin(phi[i+2] - phi[i])*phi[i+1])\n"
        "L += sum(i, w[i]*exp(-c*phi[i-1]*phi[i]) - i*cos(phi[i]) - k[i-1]*phi[i-1]^2)\n"
        "K = c*sum(i, -sqrt(1 + (phi_+[i]*phi'_+[i-1])^2)*phi_-[i])\n"
        "K += -c*sum(i, k[i+1]*phi'_-[i+1]*phi_+[i])\n",
        f"coordinate phi[{n}]\ncoefficient c = 1\n"
        + declared((), ("k",), n)
        + "L = "
        + over(
            range(n),
            lambda i: (
                f"1/2*{m(i + 1)}*phi'[{i}]^2 + k{i}*k{j(i + 2)}"
                f"*sin(phi[{j(i + 2)}] - phi[{i}])*phi[{j(i + 1)}]"
            ),
        )
        + "\nL += "
        + over(
            range(n),
            lambda i: (
                f"({m(i - 1)}^2 + {i})*exp(-c*phi[{j(i - 1)}]*phi[{i}]) - {i}*cos(phi[{i}])"
                f" - k{j(i - 1)}*phi[{j(i - 1)}]^2"
            ),
        )
        + "\nK = c*("
        + over(
            range(n),
            lambda i: (
                f"-sqrt(1 + (phi_+[{i}]*phi'_+[{j(i - 1)}])^2)*phi_-[{i}]"
                f" - k{j(i + 1)}*phi'_-[{j(i + 1)}]*phi_+[{i}]"
            ),
        )
        + ")\n",
        scalars=("c",),
        arrays=("k",),
    )


def branches() -> Pair:
    """Contacts that push and do not pull, walls, a material that yields, on a lattice with ends."""
    n, bonds = 6, range(5)

    def stretch(i: int) -> str:
        return f"phi[{i + 1}] - phi[{i}]"

    return Pair(
        f"index i in 0..{n - 1} free\ncoordinate phi[i]\ncoefficient c > 0 = 1\n"
        "constant w = (1/8, 3)\n"
        "L = sum(i, 1/2*phi'[i]^2 - w[1]*max(phi[i] - w[0], 0)^2 - abs(phi[i+1] - phi[i])^3)\n"
        "L += -sum(i, if(phi[i+1] > phi[i], c*(phi[i+1] - phi[i])^(5/2), 0))\n"
        "K = -sum(i, if(phi'_+[i] > 0, log(1 + phi'_+[i]), phi'_+[i])*phi_-[i])\n",
        f"coordinate phi[{n}]\ncoefficient c > 0 = 1\nL = "
        + over(range(n), lambda i: f"1/2*phi'[{i}]^2 - 3*max(phi[{i}] - 1/8, 0)^2")
        + "\nL += "
        + over(bonds, lambda i: f"-abs({stretch(i)})^3")
        + "\nL += "
        + over(bonds, lambda i: f"-if({stretch(i)} > 0, c*({stretch(i)})^(5/2), 0)")
        + "\nK = "
        + over(
            range(n),
            lambda i: f"-if(phi'_+[{i}] > 0, log(1 + phi'_+[{i}]), phi'_+[{i}])*phi_-[{i}]",
        )
        + "\n",
        scalars=("c",),
    )


PAIRS = {
    "branches": branches,
    "varying_ring": varying_ring,
    "ring": ring,
    "free": free,
    "varying": varying,
    "two_fields": two_fields,
}


@cache
def module(text: str) -> ModuleType:
    return load_module(compile_text(text).text, "m")


def dense(bands: Any, periodic: bool) -> Any:
    """The bands (2w+1, m, m, N, ...) as a matrix (m*N, m*N, ...)."""
    width, m, _, n, *rest = bands.shape
    full = np.zeros((m * n, m * n, *rest))
    for o in range(width):
        for j in range(n):
            other = j + o - width // 2
            if not periodic and not 0 <= other < n:
                assert np.all(np.asarray(bands[o, :, :, j]) == 0)
                continue
            for f in range(m):
                for g in range(m):
                    full[f * n + j, g * n + other % n] += bands[o, f, g, j]
    return full


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize("name", PAIRS)
def test_the_node_functions_are_those_of_the_model_written_out(
    name: str, batch: tuple[int, ...]
) -> None:
    pair = PAIRS[name]()
    ours, theirs = module(pair.lattice), module(pair.ordinary)
    dof, lattice = ours.SPEC.dof, ours.SPEC.lattice
    assert (dof, lattice.fields) == (theirs.SPEC.dof, pair.fields)
    assert lattice.size * len(lattice.fields) == dof
    random = np.random.default_rng(len(name))
    q, v = (jnp.asarray(random.uniform(0.2, 1.5, (dof, *batch))) for _ in range(2))
    t = jnp.asarray(random.uniform(0, 1, batch))
    u = {name: jnp.asarray(random.uniform(0.5, 1.5, batch)) for name in pair.inputs}
    mine = {name: jnp.asarray(random.uniform(0.5, 1.5, batch)) for name in pair.scalars}
    yours = dict(mine)
    for array in pair.arrays:
        values = jnp.asarray(random.uniform(0.5, 1.5, (lattice.size, *batch)))
        mine[array] = values
        yours |= {f"{array}{i}": values[i] for i in range(lattice.size)}
    a, b = (m.system.kernels for m in (ours, theirs))

    def same(x: Any, y: Any) -> None:
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape == y.shape
        scale = np.max(np.abs(y))
        assert scale > 0
        np.testing.assert_allclose(x, y, rtol=1e-13, atol=1e-13 * scale)

    for kernel in ("lagrangian", "momentum", "energy"):
        same(getattr(a, kernel)(q, v, t, mine, u, {}), getattr(b, kernel)(q, v, t, yours, u, {}))
    for x, y in zip(a.forces(q, v, t, mine, u, {}), b.forces(q, v, t, yours, u, {}), strict=True):
        same(x, y)
    blocks = zip(a.blocks(q, v, t, mine, u, {}), b.blocks(q, v, t, yours, u, {}), strict=True)
    m, n, w = len(lattice.fields), lattice.size, lattice.reach
    for bands, block in blocks:
        assert bands.shape == (2 * w + 1, m, m, n, *batch)
        full = dense(bands, lattice.periodic)
        np.testing.assert_allclose(full, block, atol=1e-13 * float(np.max(np.abs(block)) + 1))
    b_v = np.asarray(a.blocks(q, v, t, mine, u, {})[3])
    assert lattice.local_mass == (not np.any(np.delete(b_v, w, axis=0)))
    for key, function in a.observables.items():
        same(function(q, v, t, mine, u, {}), b.observables[key](q, v, t, yours, u, {}))
