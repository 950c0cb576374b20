"""The discrete Euler-Lagrange equations of one step and the Legendre transform, over whole batches.

Unknowns of a step are the displacements U_i = Q_i - q_n of the nodes i = 1..r+1, which keep their
relative accuracy where Q_i would lose it. With D the differentiation matrix and w the weights on
[-1, 1] (Farr & Bertschinger 2007; Tsang et al. 2015, eq. 8-11),

    V_i = (2/h) sum_j D_ij U_j            R_i = (h/2) w_i a_i + sum_j w_j D_ji b_j
    R_0 + pi_n = 0                        R_i = 0,  i = 1..r

Because the rows of D sum to zero, adding up all R_i gives the update without cancellation:
pi_{n+1} = pi_n + (h/2) sum_i w_i a_i, and q_{n+1} = q_n + U_{r+1}.

Axes: degrees of freedom first, then nodes, then the places of a batch (`*L`), which may be members
of an ensemble or the steps of a trajectory already known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lagc.runtime.banded import factor_banded, solve_factored
from lagc.runtime.linear import inverse, times
from lagc.runtime.method import Method, along_nodes, apply, apply_to_parts, split_like, weighted
from lagc.runtime.spec import Kernels, LatticeSpec

Jacobian = Any  # (n, n, *L), or bands (2w+1, m (r+1), m (r+1), N, *L) of a lattice


class StepData(NamedTuple):
    """Where steps start: q, pi: (d, *L); time and length: (*L), ones where shared.

    coefficients: (*own, *L) with ones where shared; inputs: (s, *L), values at the nodes; neural:
    what `neural` callables take as their last argument.
    """

    q: Array
    p: Array
    t: Array
    h: Array
    coefficients: Mapping[str, Array]
    inputs: Mapping[str, Array]
    neural: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Model:
    """Node functions and what they are called with; `own_axes`: of site-dependent coefficients;
    `by_positions`: forces do not depend on velocities."""

    kernels: Kernels
    neural: Mapping[str, Callable[[Array, Any], Array]]
    own_axes: Mapping[str, int]
    lattice: LatticeSpec | None = None
    by_positions: bool = False

    def call(
        self, kernel: Callable[..., Any], q: Array, v: Array, t: Array, x: Any, inputs: Any
    ) -> Any:
        """A node function at q, v: (d, k, *L) and t: (k, *L), coefficients spread over k."""
        shared = {n: jnp.expand_dims(c, self.own_axes.get(n, 0)) for n, c in x.coefficients.items()}
        terms = {n: _with(f, x.neural) for n, f in self.neural.items()}
        return kernel(q, v, t, shared, inputs, terms)


def identity_like(jacobian: Jacobian, lattice: LatticeSpec | None) -> Jacobian:
    """The unit matrix in the form of a Jacobian."""
    if lattice is None:
        n, behind = jacobian.shape[0], jacobian.ndim - 2
        eye = jnp.eye(n, dtype=jacobian.dtype).reshape((n, n) + (1,) * behind)
        return jnp.broadcast_to(eye, jacobian.shape)
    n, behind = jacobian.shape[1], jacobian.ndim - 3
    eye = jnp.eye(n, dtype=jacobian.dtype).reshape((n, n) + (1,) * behind)
    return jnp.zeros_like(jacobian).at[jacobian.shape[0] // 2].add(eye)


def _behind(x: Array, like: Array) -> Array:
    """x: (*L) with the axes of `like`: (..., *L)."""
    return x.reshape((1,) * (like.ndim - x.ndim) + x.shape)


def _with(f: Callable[[Array, Any], Array], extra: Any) -> Callable[[Array], Array]:
    return lambda x: f(x, extra)


@dataclass(frozen=True, eq=False)
class StepEquations:
    """One step with a given method."""

    model: Model
    method: Method

    def times(self, t: Array, h: Array, full: tuple[int, ...]) -> Array:
        """Times of the nodes: (s, *L).

        The first and the last stand inside of the step by what the clock rounds off: a force that
        is switched where one step ends and the next begins belongs to one of them alone.
        """
        nodes = self.method.tableau.nodes
        rounding = 8 * float(jnp.finfo(t.dtype).eps)
        fractions, inward = (
            jnp.asarray(x, t.dtype).reshape((-1,) + (1,) * len(full))
            for x in ((1 + nodes) / 2, np.where(np.abs(nodes) == 1, -nodes, 0) * rounding)
        )
        start, length = jax.lax.stop_gradient((t, h))
        within = inward * jnp.sign(length)[None] * (jnp.abs(start) + jnp.abs(length))[None]
        return jnp.broadcast_to(t[None] + fractions * h[None] + within, (self.method.s, *full))

    def _arguments(self, u: Float[Array, "d k *L"], x: StepData) -> tuple[Any, ...]:
        q = jnp.concatenate([x.q[:, None], x.q[:, None] + u], axis=1)
        v = self.velocities(u, x.h)
        t = self.times(x.t, x.h, u.shape[2:])
        return q, v, t, x, x.inputs

    def velocities(self, u: Float[Array, "d k *L"], h: Float[Array, "*#L"]) -> Array:
        """V_i = (2/h) sum_j D_ij U_j: (d, s, *L)."""
        return apply(self.method.velocity, u) * _behind(1 / h, u)

    def forces(self, u: Float[Array, "d k *L"], x: StepData) -> tuple[Array, Array]:
        """a and b at the nodes: (d, s, *L) each."""
        a, b = self.model.call(self.model.kernels.forces, *self._arguments(u, x))
        return a, b

    def forces_at(self, nodes: slice, u: list[Array], x: StepData) -> list[Array]:
        """a at some nodes in a row, only the first or without it, from displacements of all, both
        in parts: each of (some degrees of freedom, k, *L)."""
        d, lanes = x.q.shape[0], x.q.shape[1:]
        k = nodes.stop - nodes.start

        per_step = apply_to_parts(self.method.velocity[nodes], u)
        v = [c * _behind(1 / x.h, c) for c in per_step]
        if nodes.start == 0:
            q = jnp.broadcast_to(x.q[:, None], (d, k, *lanes))
        else:
            q = x.q[:, None] + jnp.concatenate(
                [part[:, nodes.start - 1 : nodes.stop - 1] for part in u]
            )
        t = self.times(x.t, x.h, lanes)[nodes]
        inputs = {name: values[nodes] for name, values in x.inputs.items()}
        a, _ = self.model.call(self.model.kernels.forces, q, jnp.concatenate(v), t, x, inputs)
        return split_like(u, a)

    def blocks(self, u: Float[Array, "d k *L"], x: StepData) -> tuple[Array, Array, Array, Array]:
        """a_q, a_v, b_q, b_v at the nodes: (d, d, s, *L) each; bands of a lattice."""
        a_q, a_v, b_q, b_v = self.model.call(self.model.kernels.blocks, *self._arguments(u, x))
        return a_q, a_v, b_q, b_v

    def applied(self, block: Array, size: Float[Array, "d s *L"]) -> Float[Array, "d s *L"]:
        """|block| |x| at every node; where a block is not finite, nothing."""
        block, lattice = jnp.nan_to_num(jnp.abs(block), posinf=0), self.model.lattice
        if lattice is None:
            return jnp.sum(block * size[None], axis=1)
        sites = size.reshape(len(lattice.fields), lattice.size, *size.shape[1:])
        near = [jnp.roll(sites, -o, axis=1) for o in range(-lattice.reach, lattice.reach + 1)]
        return jnp.einsum("oabn...,obn...->an...", block, jnp.stack(near)).reshape(size.shape)

    def impulse(self, a: Float[Array, "d s *L"], h: Array) -> Float[Array, " d *L"]:
        """pi_{n+1} - pi_n."""
        return h[None] * weighted(self.method.impulse, a)

    def balance(self, a: Array, b: Array, x: StepData) -> Float[Array, "d k *L"]:
        """R_0 + pi_n and R_1 .. R_r."""
        table = self.method.tableau
        rows = _behind(x.h / 2, a) * (along_nodes(table.weights, a) * a)
        rows = rows + apply(table.differentiation.T * table.weights, b)
        return jnp.concatenate([rows[:, :1] + x.p[:, None], rows[:, 1:-1]], axis=1)

    def residual(self, u: Float[Array, "d k *L"], x: StepData) -> Float[Array, "d k *L"]:
        """The equations, which are zero on a solution."""
        return self.balance(*self.forces(u, x), x)

    # --- linearisation ------------------------------------------------------------------------

    def jacobian(self, blocks: tuple[Array, ...], h: Array) -> Jacobian:
        """dR/dU from the blocks: (d (r+1), d (r+1), *L), or its bands (2w+1, m.., m.., N, *L).

        dR_i/dU_k = (h/2) w_i delta_ik a_q,i + w_i D_ik a_v,i + w_k D_ki b_q,k
                    + (2/h) sum_j w_j D_ji b_v,j D_jk
        """
        entries = blocks[0].shape[: blocks[0].ndim - 1 - h.ndim]
        lanes = blocks[0].shape[len(entries) + 1 :]
        a_q, a_v, b_q, b_v = (x.reshape((-1, *x.shape[len(entries) :])) for x in blocks)
        table, s = self.method.tableau, self.method.s
        w, d = table.weights, table.differentiation

        def pairs(matrix: Any) -> Array:
            inner = jnp.asarray(matrix[:-1, 1:], h.dtype)
            return inner.reshape((1, s - 1, s - 1) + (1,) * h.ndim)

        products = np.einsum("j,ji,jk->ikj", w, d, d)[:-1, 1:].reshape(-1, s)
        whole = apply(products, b_v).reshape((-1, s - 1, s - 1, *lanes))
        whole = whole * _behind(2 / h, whole)
        whole = whole + pairs(w[:, None] * d) * a_v[:, :-1, None]
        whole = whole + pairs((w[:, None] * d).T) * b_q[:, None, 1:]
        whole = whole + _behind(h / 2, whole) * (pairs(np.diag(w)) * a_q[:, :-1, None])
        whole = whole.reshape((*entries, s - 1, s - 1, *lanes))
        if self.model.lattice is None:
            n = entries[0] * (s - 1)
            return jnp.moveaxis(whole, 2, 1).reshape((n, n, *lanes))
        offsets, fields, _, sites = entries
        n = fields * (s - 1)
        whole = jnp.moveaxis(whole, (4, 5), (2, 4))
        return whole.reshape((offsets, n, n, sites, *lanes))

    def without_kinetic(self, matrix: Array, mass_inverse: Array, h: Array) -> Array:
        """P matrix: (n, m, *L), with P the inverse of what b = M v alone contributes to dR/dU, for
        constant M: a Jacobian becomes 1 + O(h). mass_inverse: (d, *L) if diagonal, else (d, d, *L).
        """
        d, nodes = mass_inverse.shape[0], self.method.s - 1
        x = apply(self.method.inverse, matrix.reshape((d, nodes, *matrix.shape[1:])))
        if mass_inverse.ndim == h.ndim + 1:
            x = mass_inverse[:, None, None] * x
        else:
            x = times(mass_inverse[:, :, None, None], x)
        x = _behind(h, x) * x
        return x.reshape((*matrix.shape[:2], *x.shape[3:]))

    def start_jacobian(self, blocks: tuple[Array, ...], h: Array) -> Array:
        """dR/dq at fixed displacements: (d (r+1), d, *L). Not for lattices."""
        a_q, _, b_q, _ = blocks
        n, s = a_q.shape[0], self.method.s
        table = self.method.tableau
        a_q, b_q = (x.reshape((n * n, *x.shape[2:])) for x in (a_q, b_q))
        rows = _behind(h / 2, a_q) * (along_nodes(table.weights, a_q) * a_q)
        rows = rows + apply(table.differentiation.T * table.weights, b_q)
        rows = rows[:, :-1].reshape((n, n, s - 1, *rows.shape[2:]))
        return jnp.moveaxis(rows, 2, 1).reshape((n * (s - 1), n, *rows.shape[3:]))

    def impulse_jacobian(self, blocks: tuple[Array, ...], h: Array) -> tuple[Array, Array]:
        """d(impulse)/dq: (d, d, *L), and d(impulse)/dU: (d, d (r+1), *L). Not for lattices."""
        a_q, a_v, _, _ = blocks
        n, s = a_q.shape[0], self.method.s
        table = self.method.tableau
        a_q, a_v = (x.reshape((n * n, *x.shape[2:])) for x in (a_q, a_v))
        weighed = _behind(h / 2, a_q) * (along_nodes(table.weights, a_q) * a_q)
        by_u = weighed[:, 1:] + apply((table.weights[:, None] * table.differentiation).T[1:], a_v)
        by_q = weighted(np.ones(s), weighed).reshape((n, n, *weighed.shape[2:]))
        return by_q, by_u.reshape((n, n * (s - 1), *weighed.shape[2:]))

    def solver(self, jacobian: Jacobian) -> Callable[[Array], Array]:
        """J^-1 as a function of (d, r+1, *L)."""
        if self.model.lattice is None:
            inverted = inverse(jacobian)
            return lambda x: times(inverted, x.reshape((-1, *x.shape[2:]))).reshape(x.shape)
        lattice = self.model.lattice
        if jacobian.ndim == 4:
            factored = factor_banded(jacobian, lattice.periodic)
        else:
            flat = jacobian.reshape((*jacobian.shape[:4], -1))
            factored = jax.vmap(partial(factor_banded, periodic=lattice.periodic), -1)(flat)
        return partial(self._banded, lattice, factored)

    def _banded(self, lattice: LatticeSpec, factored: Any, x: Array) -> Array:
        shape = x.shape
        fields, sites = len(lattice.fields), lattice.size
        x = x.reshape((fields, sites, *shape[1:]))
        x = jnp.moveaxis(x, 1, 2).reshape((-1, sites, *shape[2:]))

        lanes = shape[2:]
        if lanes:
            flat = x.reshape((*x.shape[:2], -1))
            x = jax.vmap(solve_factored, in_axes=(0, -1), out_axes=-1)(factored, flat)
        else:
            x = solve_factored(factored, x)
        x = x.reshape((fields, shape[1], sites, *lanes))
        return jnp.moveaxis(x, 1, 2).reshape(shape)
