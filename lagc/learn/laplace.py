"""Laplace's approximation of a posterior, and what importance sampling makes of it.

At the mode of the density in unconstrained coordinates a normal law has its place and curvature.
Draws from Student's t with the same place and shape, whose tails are longer, are weighted by the
ratio of the density to theirs: what they say is right also where the density is not normal, as far
as their weights are not carried by a few (Kong, Liu & Wong, J. Am. Stat. Assoc. 89, 278, 1994), and
their mean is the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special

from lagc.learn.target import Local, Target, inverse

_DEGREES = 5.0  # of freedom of the proposal
_STEPS = 200
_CLOSE = 1e-9  # gain in the logarithm of the density that is not worth a step
_DIFFERENCE = 1e-3  # in standard deviations
_POLISHED = 3
_FEWEST = 100.0  # draws that the weights must be worth
_LARGEST = 0.05  # share of the total that one draw may carry
_SPARSE, _DENSE = 0.2, 0.5  # parts of the fewest, and of all, between which a second round helps


@dataclass(frozen=True, eq=False)
class Gaussian:
    """mode: (n,); factor: (n, n), covariance = factor factor^T; value: log density at the mode;
    smooth: whether the density has a maximum with a positive curvature there."""

    mode: np.ndarray
    factor: np.ndarray
    value: float
    smooth: bool

    @property
    def log_evidence(self) -> float:
        """The logarithm of the integral of the density, were it normal."""
        n = len(self.mode)
        size = np.linalg.slogdet(self.factor)[1]
        return float(self.value + n / 2 * np.log(2 * np.pi) + size)


@dataclass(frozen=True, eq=False)
class Weighted:
    """Draws: all unknowns x (N, n), coordinates z (N, free), weights (N,) that add up to 1, the
    logarithm of the integral and its standard error, how many equal draws they are worth.

    Where the weights cannot be relied on (`corrected` False) the draws are of the normal law.
    """

    x: np.ndarray
    z: np.ndarray
    weights: np.ndarray
    log_evidence: float
    log_evidence_error: float
    effective: float
    corrected: bool

    def picked(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Indices (count,) of draws, each as often as its weight says (systematic resampling)."""
        edges = np.cumsum(self.weights)
        places = (np.arange(count) + generator.random()) / count * edges[-1]
        return np.minimum(np.searchsorted(edges, places), len(edges) - 1)


def approximate(target: Target, z: np.ndarray) -> Gaussian | None:
    """The normal law at the mode near z: (n,), or None where the density is nowhere finite."""
    here = _climb(target, z)
    if here is None:
        return None
    z, local = here
    factor = _factor(local.metric)
    for _ in range(_POLISHED):
        curvature = _curvature(target, z, factor)
        smallest = np.linalg.eigvalsh(curvature)[0] if np.isfinite(curvature).all() else 0.0
        if smallest < 1e-3:
            return Gaussian(z, factor, local.value, False)
        factor = factor @ _factor(curvature)
        step = factor @ (factor.T @ local.gradient)
        better = target.at(z + step)
        if not better.value >= local.value - _CLOSE:
            break
        z, gain = z + step, better.value - local.value
        local = better
        if gain < _CLOSE:
            break
    residue = np.linalg.norm(factor.T @ local.gradient)
    return Gaussian(z, factor, local.value, bool(residue < 1e-2))


def _climb(target: Target, z: np.ndarray) -> tuple[np.ndarray, Local] | None:
    """Damped Gauss-Newton steps to the maximum."""
    here = target.at(z)
    if not np.isfinite(here.value):
        return None
    damping = 1e-3
    for _ in range(_STEPS):
        metric = here.metric
        gain = here.gradient @ np.linalg.solve(metric, here.gradient) / 2
        if gain < _CLOSE or damping > 1e12:
            break
        damped = metric + damping * np.diag(np.diag(metric))
        trial = z + np.linalg.solve(damped, here.gradient)
        there = target.at(trial)
        if np.isfinite(there.value) and there.value > here.value:
            z, here, damping = trial, there, max(damping / 5, 1e-9)
        else:
            damping *= 4
    return z, here


def _factor(precision: np.ndarray) -> np.ndarray:
    """F with F F^T the inverse of a positive matrix."""
    scale = 1 / np.sqrt(np.diag(precision))
    values, vectors = np.linalg.eigh(precision * scale * scale[:, None])
    values = np.maximum(values, np.finfo(float).eps * len(values))
    return np.asarray(scale[:, None] * vectors / np.sqrt(values))


def _curvature(target: Target, z: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Minus the second derivative in units of the factor, by differences of the gradient."""
    columns = []
    for direction in factor.T:
        ahead, behind = (target.at(z + sign * _DIFFERENCE * direction) for sign in (1, -1))
        columns.append(factor.T @ (behind.gradient - ahead.gradient) / (2 * _DIFFERENCE))
    matrix = np.array(columns).reshape(len(z), len(z))
    return np.asarray((matrix + matrix.T) / 2)


def sample(
    target: Target, normal: Gaussian, count: int, generator: np.random.Generator
) -> Weighted:
    """`count` weighted draws, those of a second round about mean and covariance of a first one
    where they are worth more."""
    found = _round(target, normal.mode, normal.factor, count, generator)
    if _SPARSE * _FEWEST < found.effective < _DENSE * count:
        mean = found.weights @ found.z
        off = found.z - mean
        precision = inverse((off.T * found.weights) @ off)
        second = _round(target, mean, _factor(precision), count, generator)
        found = max(found, second, key=lambda draws: draws.effective)
    if found.effective >= _FEWEST and found.weights.max() <= _LARGEST:
        return found
    z = normal.mode + generator.normal(size=(count, len(normal.mode))) @ normal.factor.T
    values, x = target.values(z)
    finite = np.isfinite(values)
    equal = finite / max(1, finite.sum())
    return Weighted(x, z, equal, normal.log_evidence, np.inf, found.effective, False)


def _round(
    target: Target,
    centre: np.ndarray,
    factor: np.ndarray,
    count: int,
    generator: np.random.Generator,
) -> Weighted:
    """Draws from Student's t at a centre (n,), weighted; factor: (n, n), of its shape."""
    spread = np.sqrt(_DEGREES / generator.chisquare(_DEGREES, size=(count, 1)))
    u = generator.normal(size=(count, len(centre))) * spread
    z = centre + u @ factor.T
    values, x = target.values(z)
    logarithms = values - _log_t(u) + np.linalg.slogdet(factor)[1]
    largest = logarithms.max()
    weights = np.exp(logarithms - largest) if np.isfinite(largest) else np.full(count, 1e-300)
    total = float(weights.sum())
    effective = 1 / float(((weights / total) ** 2).sum()) if np.isfinite(largest) else 0.0
    error = float(np.sqrt(max(1 / max(effective, 1.0) - 1 / count, 0.0)))
    evidence = float(largest + np.log(total / count))
    return Weighted(x, z, weights / total, evidence, error, effective, True)


def _log_t(u: np.ndarray) -> np.ndarray:
    """Logarithm of the density (N,) of Student's t in n dimensions at u: (N, n)."""
    n, nu = u.shape[1], _DEGREES
    constant = (
        scipy.special.gammaln((nu + n) / 2)
        - scipy.special.gammaln(nu / 2)
        - n / 2 * np.log(nu * np.pi)
    )
    return np.asarray(constant - (nu + n) / 2 * np.log1p((u**2).sum(axis=1) / nu))
