"""Least-squares searches for the systems of a batch, and what to do about those that go astray.

Ends that do not follow the data, or follow it much worse than the others of the batch do, are
searched again from elsewhere: over a growing horizon, from the regression on the weak form, from
draws of the family's laws. The best end counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np
import scipy.stats

from lagc.learn.batch import Batch, Lanes, Layout
from lagc.learn.data import Recording
from lagc.learn.family import draw_coefficient
from lagc.learn.marquardt import Bounds, Found, linearise, minimise, portion_size
from lagc.learn.problem import Problem
from lagc.learn.regression import regress
from lagc.runtime.system import System

_FIRST_ROWS = 4
_DRAWS = 8
_STANDS_OUT = 3.0  # times the typical residual of the batch
_NOTHING = 1e-9  # part of the spread below which no residual stands out
_SUSPECT = 1e-4  # probability of a sum of squares so large
_BETTER = 0.99


@dataclass(frozen=True, eq=False)
class Searches:
    """What the searches of a batch share.

    constants: coefficients that are not searched, name to (n,); sigma: (n, channels), noise levels
    where `known`, else the spread of each channel in their place.
    """

    system: System
    batch: Batch
    layout: Layout
    constants: dict[str, np.ndarray]
    sigma: np.ndarray
    known: bool
    bounds: Bounds

    @property
    def unknowns(self) -> int:
        """How many each system has."""
        return len(self.bounds.lower)

    @property
    def freedom(self) -> np.ndarray:
        """Observations less unknowns: (n,)."""
        return np.asarray(self.batch.seen.sum(axis=(1, 2)) - self.unknowns)

    def minima(
        self, x: np.ndarray, index: np.ndarray | None = None, rows: int | None = None
    ) -> Found:
        """The ends of searches from x, for all systems or those of an index, over all rows or the
        first ones."""
        lanes = self._lanes(index, rows)
        return minimise(self.system, self.layout, lanes, x, self.bounds, self._size)

    def linearised(
        self, x: np.ndarray, index: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weighted residuals, (n, rows * channels), and their derivatives by the unknowns."""
        lanes = self._lanes(index, None)
        return linearise(self.system, self.layout, lanes, x, self.bounds, self._size)

    @property
    def _size(self) -> int:
        return portion_size(len(self.batch))

    def _lanes(self, index: np.ndarray | None, rows: int | None) -> Lanes:
        batch, sigma = self.batch, self.sigma
        constants = self.constants
        if index is not None:
            batch, sigma = batch.some(index), sigma[index]
            constants = {name: values[index] for name, values in constants.items()}
        weights = np.broadcast_to(1 / sigma[:, None], batch.values.shape)
        if rows is not None:
            weights = np.where(np.arange(weights.shape[1])[:, None] < rows, weights, 0.0)
        return Lanes.of(batch, self.layout.substeps, weights, constants)

    def suspects(self, found: Found) -> np.ndarray:
        """Which systems may have ended in a wrong minimum: an index."""
        if self.known:
            out = 2 * found.cost > scipy.stats.chi2.isf(_SUSPECT, self.freedom)
        else:
            # Where no noise is known the other systems say what can be had.
            part = np.sqrt(2 * found.cost / self.freedom)
            usual = float(np.median(part[np.isfinite(part)])) if np.isfinite(part).any() else 0.0
            out = part > _STANDS_OUT * usual + _NOTHING
        return np.flatnonzero(out | ~found.met)


def restart(searches: Searches, found: Found, x: np.ndarray, seed: int) -> np.ndarray:
    """Search again what may have gone wrong from x, and put what is better into `found`; where that
    happened: (n,)."""
    restarted = np.zeros(len(x), bool)
    for index, other in _others(searches, found, x, seed):
        lower = other.cost < _BETTER * found.cost[index]
        better = np.where(found.met[index], other.met & lower, other.met | lower)
        found.put(index, other, better)
        restarted[index[better]] = True
    return restarted


def _others(
    searches: Searches, found: Found, x: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, Found]]:
    """Further ends, for the systems that are suspect when it comes to them."""
    index = searches.suspects(found)
    if index.size:
        yield index, searches.minima(_climbed(searches, x[index], index), index)
    index = searches.suspects(found)
    if index.size:
        starts, usable = _regressed(searches, x, index)
        if usable.any():
            yield index[usable], searches.minima(starts[usable], index[usable])
    for number in range(_DRAWS):
        index = searches.suspects(found)
        if not index.size:
            return
        key = jax.random.fold_in(jax.random.key(seed), number)
        drawn = _drawn(searches, x[index], key)
        yield index, searches.minima(_climbed(searches, drawn, index), index)


def _climbed(searches: Searches, x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Starts (m, u) that follow the data over the first rows, then over more and more."""
    seen = searches.batch.seen[index]
    total = seen.shape[1]
    enough = np.cumsum(seen.sum(axis=2), axis=1) >= 2 * searches.unknowns
    rows = max(_FIRST_ROWS, int(np.argmax(enough.all(axis=0))) + 1)
    while rows < total:
        reached = searches.minima(x, index, rows)
        x = np.where(np.isfinite(reached.cost)[:, None], reached.x, x)
        rows *= 2
    return x


def _regressed(
    searches: Searches, x: np.ndarray, index: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Starts (m, u) by regression on the weak form, and for which systems there is one: (m,)."""
    names, spec = searches.layout.names, searches.system.spec
    starts, usable = x[index].copy(), np.zeros(len(index), bool)
    columns = [[c.name for c in spec.coefficients].index(name) for name in names]
    inside = searches.bounds.inside(x)
    for place, i in enumerate(index.tolist()):
        held = {name: float(values[i]) for name, values in searches.constants.items()}
        guess = dict(zip(names, inside[i].tolist(), strict=False))
        problem = Problem.of(searches.system, [_recording(searches, i)], held, guess, 2)
        found = regress(problem.setting, problem.start)
        if found is not None and np.isfinite(found[columns]).all():
            starts[place, : len(names)], usable[place] = found[columns], True
    return starts, usable


def _recording(searches: Searches, i: int) -> Recording:
    batch, dof = searches.batch, searches.system.spec.dof
    kinds: list[np.ndarray | None] = [None, None, None]
    for column, (kind, d) in enumerate(searches.layout.components):
        array = kinds[kind]
        if array is None:
            array = kinds[kind] = np.full((batch.values.shape[1], dof), np.nan)
        array[:, d] = batch.values[i, :, column]
    inputs = {name: values[i] for name, values in batch.inputs.items()}
    q, v, p = kinds
    return Recording(f"system {i}", batch.times[i], q, v, p, inputs)


def _drawn(searches: Searches, x: np.ndarray, key: jax.Array) -> np.ndarray:
    """Starts (m, u) with coefficients from their laws, or spread around x where there is none."""
    result, count = x.copy(), len(x)
    by_name = {c.name: c for c in searches.system.spec.coefficients}
    for column, name in enumerate(searches.layout.names):
        own = jax.random.fold_in(key, column)
        if by_name[name].prior is not None:
            values, fine = (np.asarray(a) for a in draw_coefficient(by_name[name], own, count))
            result[:, column] = np.where(fine, values, x[:, column])
        else:
            size = np.where(x[:, column] != 0, x[:, column], 1.0)
            result[:, column] = size * np.exp(np.asarray(jax.random.normal(own, (count,))))
    return result
