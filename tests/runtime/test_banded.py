"""Block-banded solves against dense ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from lagc.runtime.banded import factor_banded, multiply_banded, solve_banded, solve_factored

solve = jax.jit(solve_banded, static_argnums=2)


def system(
    w: int, n: int, sites: int, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Random bands, dominant on the diagonal but with blocks that need pivots, and a right side."""
    rng = np.random.default_rng(seed)
    bands = rng.normal(size=(2 * w + 1, n, n, sites))
    swapped = np.eye(n)[::-1]
    bands[w] += (4 * w + 2) * n * swapped[:, :, None]
    return bands, rng.normal(size=(n, sites))


def dense(bands: NDArray[np.float64], periodic: bool) -> NDArray[np.float64]:
    """The matrix that acts on unknowns ordered (site, unknown)."""
    offsets, n, _, sites = bands.shape
    matrix = np.zeros((sites, n, sites, n))
    for o in range(offsets):
        for j in range(sites):
            neighbour = j + o - offsets // 2
            if periodic or 0 <= neighbour < sites:
                matrix[j, :, neighbour % sites, :] += bands[o, :, :, j]
    return matrix.reshape(sites * n, sites * n)


def reference(
    bands: NDArray[np.float64], right: NDArray[np.float64], periodic: bool
) -> NDArray[np.float64]:
    """The same solution by numpy."""
    x = np.linalg.solve(dense(bands, periodic), right.T.reshape(-1))
    return x.reshape(right.shape[::-1]).T


# Fewer sites than bands; one, two and three reductions; numbers of sites that blocks of w do not
# divide; chunks filled up by none, some and all but one of their blocks.
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    ("w", "n", "sites"),
    [
        *((0, n, sites) for n, sites in [(1, 1), (3, 40), (5, 12)]),
        *((1, n, sites) for n, sites in [(1, 1), (1, 2), (2, 3), (3, 31), (2, 83), (2, 1501)]),
        *((1, n, sites) for n, sites in [(4, 97), (6, 31), (1, 20001)]),
        *((2, n, sites) for n, sites in [(1, 3), (1, 81), (2, 64)]),
        *((3, n, sites) for n, sites in [(1, 6), (1, 122)]),
    ],
)
def test_against_dense(w: int, n: int, sites: int, periodic: bool) -> None:
    bands, right = system(w, n, sites)
    x = solve(jnp.asarray(bands), jnp.asarray(right), periodic)
    assert x.shape == right.shape
    if sites < 2000:
        expected = reference(bands, right, periodic)
        np.testing.assert_allclose(x, expected, rtol=0, atol=2e-14 * np.max(np.abs(expected)))
    if periodic:
        product = multiply_banded(jnp.asarray(bands), x)
        np.testing.assert_allclose(product, right, rtol=0, atol=1e-13)


def test_entries_without_a_neighbour_are_ignored() -> None:
    bands, right = system(2, 2, 70)
    marked = bands.copy()
    for o in range(5):
        outside = [j for j in range(70) if not 0 <= j + o - 2 < 70]
        marked[o, :, :, outside] = np.nan
    x = solve(jnp.asarray(marked), jnp.asarray(right), False)
    np.testing.assert_array_equal(x, solve(jnp.asarray(bands), jnp.asarray(right), False))


@pytest.mark.parametrize(("w", "n", "sites"), [(1, 3, 120), (3, 1, 101), (1, 1, 5)])
def test_single_precision(w: int, n: int, sites: int) -> None:
    """Also where products of the entries of a block leave the range of the format."""
    bands, right = system(w, n, sites)
    expected = reference(bands, right, True)
    for scale in (1.0, 1e-14, 1e14):
        x = solve(jnp.asarray(scale * bands, jnp.float32), jnp.asarray(right, jnp.float32), True)
        assert x.dtype == jnp.float32
        np.testing.assert_allclose(
            scale * np.asarray(x, np.float64), expected, rtol=0, atol=1e-5 * np.max(abs(expected))
        )


@pytest.mark.parametrize("periodic", [True, False])
def test_derivatives(periodic: bool) -> None:
    """First and second, with respect to both arguments, against those of dense solves."""
    bands, right = (jnp.asarray(x) for x in system(1, 1, 41))
    n, sites = right.shape
    rng = np.random.default_rng(1)
    bands_slope, right_slope = (jnp.asarray(rng.normal(size=x.shape)) for x in (bands, right))
    # The dense matrix is linear in the bands.
    basis = np.stack([dense(b, periodic) for b in np.eye(bands.size).reshape(-1, *bands.shape)])
    basis = jnp.asarray(basis.reshape(bands.size, -1))

    def plain(b: jax.Array, f: jax.Array) -> jax.Array:
        matrix = (b.reshape(-1) @ basis).reshape(n * sites, n * sites)
        return jnp.linalg.solve(matrix, f.T.reshape(-1)).reshape(sites, n).T

    def losses(s: jax.Array) -> tuple[jax.Array, jax.Array]:
        b, f = bands + s[0] * bands_slope, right + s[1] * right_slope
        return jnp.sum(solve(b, f, periodic) ** 3), jnp.sum(plain(b, f) ** 3)

    at = jnp.array([0.1, 0.2])
    for derivative in (jax.jacrev, jax.hessian):
        mine, expected = jax.jit(derivative(losses))(at)
        np.testing.assert_allclose(mine, expected, rtol=1e-10)
    mine = jax.grad(lambda b: jnp.sum(solve(b, right, periodic) ** 3))(bands)
    expected = jax.grad(lambda b: jnp.sum(plain(b, right) ** 3))(bands)
    np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-12 * float(jnp.max(abs(expected))))


def test_batches_and_reused_factors() -> None:
    """The factored matrix passes through jit and vmap, also with a border."""
    made = [system(2, 1, 83, seed) for seed in range(3)]
    bands, right = (jnp.asarray(np.stack(x)) for x in zip(*made, strict=True))
    expected = np.stack([reference(b, f, True) for b, f in made])
    factored = jax.jit(jax.vmap(lambda b: factor_banded(b, True)))(bands)
    reused = jax.jit(jax.vmap(solve_factored))(factored, right)
    np.testing.assert_allclose(reused, expected, rtol=0, atol=1e-13)


def test_batches_with_one_matrix() -> None:
    bands, right = system(1, 2, 83)
    many = np.stack([right, 2 * right, right[::-1]])
    x = jax.jit(jax.vmap(lambda f: solve_banded(jnp.asarray(bands), f, True)))(jnp.asarray(many))
    for mine, f in zip(x, many, strict=True):
        np.testing.assert_allclose(mine, reference(bands, f, True), rtol=0, atol=1e-13)
