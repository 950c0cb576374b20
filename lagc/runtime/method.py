"""The Galerkin-Gauss-Lobatto step as constant matrices: what does not depend on the model.

Where b = M v with a constant M, the discrete equations can be solved for the displacements given
the forces: with A_ij = 2 sum_k w_k D_ki D_kj (rows 0..r, columns 1..r+1),

    U = -A^-1 (e_0 h M^-1 pi + (h^2/2) w M^-1 a) = drift h M^-1 pi + force h^2 M^-1 a

so a sweep U <- U(a(U)) costs one evaluation of the forces and two small products.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from lagc.runtime.fused import separately
from lagc.runtime.tableau import Tableau, tableau

Matrix = NDArray[np.float64]
UNROLLED_COLUMNS = 18
_MANY_COLUMNS = 12
_HIGHEST_EXTRAPOLATION = 8  # a higher degree would mostly extrapolate round-off


@dataclass(frozen=True, eq=False)
class Method:
    """Matrices of the step with r interior nodes, s = r + 2 nodes in all.

    velocity: (s, s-1), V = velocity @ U[1:] / h; kinetic: (s-1, s-1), A above; inverse: its
    inverse, first column -drift; drift: (s-1,) and force: (s-1, s) as above (the last node does
    not act on the displacements); impulse: (s,), pi_{n+1} - pi_n = h impulse @ a;
    force_ahead: (s-1, s), as `force`, from the values at the nodes of the last step extrapolated;
    displacement_ahead: (s-1, s-1), the same for displacements from the start of each step.
    """

    tableau: Tableau
    velocity: Matrix
    kinetic: Matrix
    inverse: Matrix
    drift: Matrix
    force: Matrix
    impulse: Matrix
    force_ahead: Matrix
    displacement_ahead: Matrix

    @property
    def r(self) -> int:
        """Interior nodes."""
        return self.tableau.r

    @property
    def s(self) -> int:
        """Nodes."""
        return self.tableau.r + 2


@lru_cache(maxsize=256)
def method(r: int) -> Method:
    """The matrices for r interior nodes, 0 <= r <= 128."""
    table = tableau(r)
    w, d = table.weights, table.differentiation
    # The inverse is worth the digits: in double precision it would lose four of them at r = 128.
    long_w = w.astype(np.longdouble) + table.weights_low
    long_d = d.astype(np.longdouble) + table.differentiation_low
    kinetic = 2 * np.einsum("k,ki,kj->ij", long_w, long_d, long_d)[:-1, 1:]
    inverse = _inverse(kinetic)
    force = np.zeros((r + 1, r + 2))
    force[:, :-1] = -inverse * (long_w[:-1] / 2)
    ahead = _extrapolation(table.nodes)
    displaced = (ahead - np.eye(r + 2)[-1])[1:, 1:]
    return Method(
        table,
        2 * d[:, 1:],
        kinetic.astype(np.float64),
        inverse.astype(np.float64),
        (1 + table.nodes[1:]) / 2,
        force,
        w / 2,
        force[:, :-1] @ ahead[:-1],
        displaced,
    )


def _inverse(matrix: NDArray[np.longdouble]) -> NDArray[np.longdouble]:
    """Refined twice with residuals in extended precision."""
    inverse = np.linalg.inv(matrix.astype(np.float64)).astype(np.longdouble)
    for _ in range(2):
        inverse = inverse + inverse @ (np.eye(matrix.shape[0]) - matrix @ inverse)
    return inverse


def _extrapolation(nodes: Matrix) -> Matrix:
    """Values at the nodes x to values at x + 2, by the polynomial of least squares."""
    degree = min(nodes.shape[0] - 1, _HIGHEST_EXTRAPOLATION)
    fit = np.linalg.pinv(legendre.legvander(nodes, degree))
    return np.asarray(legendre.legvander(nodes + 2, degree) @ fit)


def apply(matrix: Matrix, x: jax.Array) -> jax.Array:
    """Sum over the node axis, the second of x: (m, s) and (d, s, ...) to (d, m, ...).

    Added up column by column, in the same order for every shape of x, so that a trajectory in a
    batch is the same to the last bit as alone. (A matrix product is faster for none of the sizes of
    use: 0.55 against 0.62 us a step at r = 1, 1.6 against 4.9 at r = 8.)
    """
    m, s = matrix.shape
    entries = matrix.reshape((1, m, s) + (1,) * (x.ndim - 2)).astype(x.dtype)
    if s > UNROLLED_COLUMNS:
        return jnp.sum(entries * x[:, None], axis=2)
    total = jnp.multiply(entries[:, :, 0], x[:, :1])
    for j in range(1, s):  # slices like these are traced in no time
        total = total + entries[:, :, j] * jax.lax.slice_in_dim(x, j, j + 1, axis=1)
    return total


def apply_to_parts(matrix: Matrix, parts: list[jax.Array]) -> list[jax.Array]:
    """`apply` to each of (k, s, ...), parts of one (d, s, ...).

    With many nodes for all in one and kept: XLA:CPU else computes the sums in everything that uses
    them (one orbit, ns a step: r = 11: 930 -> 760; r = 16: 1740 -> 1190; but r = 8: 710 -> 830),
    and compiles them for every part (first call, r = 16: 0.75 s -> 0.65).
    """
    if matrix.shape[1] < _MANY_COLUMNS:
        return [apply(matrix, part) for part in parts]
    return split_like(parts, separately(partial(apply, matrix))(jnp.concatenate(parts)))


def split_like(parts: list[jax.Array], x: jax.Array) -> list[jax.Array]:
    """(d, ...) in parts of as many rows as these have."""
    ends = np.cumsum([part.shape[0] for part in parts])
    return [x[end - part.shape[0] : end] for end, part in zip(ends, parts, strict=True)]


def weighted(weights: Matrix, x: jax.Array) -> jax.Array:
    """The sum over the node axis with `weights` (s,): (d, s, ...) to (d, ...)."""
    return apply(weights[None, :], x)[:, 0]


def along_nodes(values: Matrix, x: jax.Array) -> jax.Array:
    """`values` (s,) shaped to multiply x: (d, s, ...)."""
    return jnp.asarray(values, x.dtype).reshape((1, -1) + (1,) * (x.ndim - 2))
