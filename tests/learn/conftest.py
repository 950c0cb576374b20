"""Models in the form the emitter gives them, and data from exact solutions."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lagc import runtime as rt

jax.config.update("jax_enable_x64", True)

DHO_SPEC = rt.ModelSpec(
    name="dho",
    source_hash="0",
    lagc_version="0.1.0",
    coordinates=(rt.CoordinateSpec("q"),),
    coefficients=(
        rt.CoefficientSpec("c1", 0.5, 0.0, None, True, True, rt.Uniform(0.01, 20.0)),
        rt.CoefficientSpec(
            "c2",
            0.5,
            0.0,
            None,
            False,
            True,
            rt.Mixture((0.05, 0.95), (rt.Point(0.0), rt.Uniform(0.0, 20.0))),
        ),
        rt.CoefficientSpec(
            "c3",
            0.1,
            0.0,
            None,
            False,
            True,
            rt.Mixture((0.05, 0.95), (rt.Point(0.0), rt.Uniform(0.0, 20.0))),
        ),
    ),
    initial={"q": 1.0, "q'": 0.0},
    run=rt.RunSpec(100.0, 0.1, 6),
)


def _oscillator_kernels() -> rt.Kernels:
    """L = c1 q'^2 - c2 q^2, K = -c3 q'_+ q_-."""

    def lagrangian(q, v, t, c, u, n):
        return c["c1"] * v[..., 0] * v[..., 0] - c["c2"] * q[..., 0] * q[..., 0]

    def energy(q, v, t, c, u, n):
        return c["c1"] * v[..., 0] * v[..., 0] + c["c2"] * q[..., 0] * q[..., 0]

    def forces(q, v, t, c, u, n):
        a = -2.0 * c["c2"] * q[..., 0] - c["c3"] * v[..., 0]
        return rt.assemble(t, (a,)), rt.assemble(t, (2.0 * c["c1"] * v[..., 0],))

    def blocks(q, v, t, c, u, n):
        return (
            rt.assemble(t, ((-2.0 * c["c2"],),)),
            rt.assemble(t, ((-c["c3"],),)),
            rt.assemble(t, ((0.0,),)),
            rt.assemble(t, ((2.0 * c["c1"],),)),
        )

    def momentum(q, v, t, c, u, n):
        return rt.assemble(t, (2.0 * c["c1"] * v[..., 0],))

    def legendre(q, v, t, c, u, n):
        b = rt.assemble(t, (2.0 * c["c1"] * v[..., 0],))
        return b, rt.assemble(t, ((2.0 * c["c1"],),))

    return rt.Kernels(lagrangian, forces, blocks, momentum, legendre, energy)


DHO = rt.System(DHO_SPEC, _oscillator_kernels())


@pytest.fixture(scope="session")
def dho() -> rt.System:
    """The damped oscillator 2 c1 q'' = -2 c2 q - c3 q'."""
    return DHO


def generic_system(spec: rt.ModelSpec, lagrangian, force) -> rt.System:
    """A system from L(q, v, t, c, u) of one point and a generalised force of the same signature.

    Node functions by automatic differentiation: an independent way to the same equations, for
    models that have no hand-written kernels here.
    """

    def at_nodes(function, q, v, t, c, u):
        return jax.vmap(function)(q, v, t, c, u)

    def point(function, q, v, t, c, u):
        shape = t.shape
        flat = [x.reshape(-1, x.shape[-1]) for x in (q, v)]
        values = [{k: jnp.broadcast_to(x, shape).reshape(-1) for k, x in d.items()} for d in (c, u)]
        result = at_nodes(function, *flat, t.reshape(-1), *values)
        return jax.tree_util.tree_map(lambda x: x.reshape(shape + x.shape[1:]), result)

    def a(q, v, t, c, u):
        return jax.grad(lagrangian, 0)(q, v, t, c, u) + force(q, v, t, c, u)

    def b(q, v, t, c, u):
        return jax.grad(lagrangian, 1)(q, v, t, c, u)

    def energy(q, v, t, c, u):
        return v @ b(q, v, t, c, u) - lagrangian(q, v, t, c, u)

    def kernel(function):
        return lambda q, v, t, c, u, n: point(function, q, v, t, c, u)

    return rt.System(
        spec,
        rt.Kernels(
            kernel(lagrangian),
            kernel(lambda *x: (a(*x), b(*x))),
            kernel(
                lambda *x: (
                    jax.jacfwd(a, 0)(*x),
                    jax.jacfwd(a, 1)(*x),
                    jax.jacfwd(b, 0)(*x),
                    jax.jacfwd(b, 1)(*x),
                )
            ),
            kernel(b),
            kernel(lambda *x: (b(*x), jax.jacfwd(b, 1)(*x))),
            kernel(energy),
        ),
    )


def damped_oscillation(
    t: np.ndarray, c: Mapping[str, float], q0: float = 1.0, v0: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The exact underdamped solution q, q', p of the damped oscillator."""
    rate = c["c3"] / (4 * c["c1"])
    omega = np.sqrt(c["c2"] / c["c1"] - rate**2)
    cos, sin, fall = np.cos(omega * t), np.sin(omega * t), np.exp(-rate * t)
    s = (v0 + rate * q0) / omega
    q = fall * (q0 * cos + s * sin)
    v = fall * ((s * omega - rate * q0) * cos - (q0 * omega + rate * s) * sin)
    return q, v, 2 * c["c1"] * v
