"""Coefficients of thousands of systems of one family at once, by least squares from given starts.

Every system has its own data, noise, coefficients and initial state. All are searched side by side
through the integrator (`marquardt`), those that go astray once more from elsewhere (`searches`).
The noise of a channel is known, or that of its residuals (`batch_errors`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.stats

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.learn.batch import Batch, Layout
from lagc.learn.batch_errors import (
    Levels,
    errors,
    estimate_levels,
    groups,
    residuals_of,
    spreads,
)
from lagc.learn.marquardt import Bounds, Found
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.searches import Searches, restart
from lagc.runtime.arguments import check_bounds
from lagc.runtime.clock import check_steps
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_IMPOSSIBLE = 1e-9  # probability of a sum of squares that no noise explains
_FOLLOWS = 0.2  # part of the spread up to which a residual is not looked at
_ROUNDS = 10
_SETTLED = 0.01  # change of a noise level
_STAGES = 4


@dataclass(frozen=True, eq=False)
class Polished:
    """What was found for n systems with k coefficients (model units).

    names: the k coefficients; coefficients, std: (n, k); interval95: (n, k, 2), cut off at the
    bounds; std and interval are NaN where the data do not fix a value; at_bound: (n, k), where a
    value ends on a bound of its range; states: (n, 2, dof), the initial positions, and velocities
    or momenta as the batch has them; states_std: the same of their errors, zero where they were
    known; converged: (n,), the search met its tolerance and its end follows the data;
    residuals: (n, rows, channels), predicted minus observed, NaN where nothing was observed;
    residual_rms, sigma: (n, channels), of the residuals and of the noise; restarted: (n,), where
    another start than the one given led to the end; layout: what the search was specialised to.
    """

    names: tuple[str, ...]
    channels: tuple[str, ...]
    coefficients: np.ndarray
    std: np.ndarray
    interval95: np.ndarray
    at_bound: np.ndarray
    states: np.ndarray
    states_std: np.ndarray
    converged: np.ndarray
    residuals: np.ndarray
    residual_rms: np.ndarray
    sigma: np.ndarray
    restarted: np.ndarray
    layout: Layout

    @property
    def identifiable(self) -> np.ndarray:
        """Which values the data fix: (n, k)."""
        return np.isfinite(self.std)


def polish(
    system: System,
    batch: Batch,
    start: Any,
    *,
    names: Sequence[str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    noise: Any = None,
    states_known: bool = True,
    r: int = 2,
    substeps: int = 1,
    restarts: bool = True,
    seed: int = 0,
    progress: Callback = silent,
) -> Polished:
    """The coefficients of every system of a batch, from starts (n, k) in the order of `names`.

    names: all coefficients of the model by default; fixed: values of others, () or (n,), else their
    defaults; noise: standard deviations, (channels,) or (n, channels), or None where the residuals
    say them; states_known: whether the initial states of the batch are exact, or unknowns; r:
    interior nodes; substeps: integration steps between two rows (one where the data come from the
    discrete map itself); restarts: whether ends that do not follow the data are searched again from
    other starts, which depend on `seed`.

    Raises LAG609 for arguments that cannot be used, LAG502-504 for values of coefficients.
    """
    spec = system.spec
    names = tuple(c.name for c in spec.coefficients) if names is None else tuple(names)
    constants = _constants(spec, batch, names, dict(fixed or {}))
    _check(spec, batch, names, substeps, r)
    layout = Layout.of(spec, batch, names, r=r, substeps=substeps, states_free=not states_known)
    x = _start(batch, names, start, states_known)
    spread = spreads(spec, batch, layout)
    sigma = spread if noise is None else _given(noise, spread.shape)
    bounds = _bounds(spec, names, x.shape[1])
    searches = Searches(system, batch, layout, constants, sigma, noise is not None, bounds)
    if (searches.freedom <= 0).any():
        worst = int(np.argmin(searches.freedom))
        seen = int(batch.seen[worst].sum())
        raise _refuse(
            f"{seen} observed values of system {worst} cannot determine {x.shape[1]} unknowns"
        )
    progress(Progress("polish", 0, _STAGES, f"{len(batch)} systems"))
    found = searches.minima(x)
    restarted = np.zeros(len(batch), bool)
    if restarts:
        progress(Progress("polish", 1, _STAGES, "other starts"))
        restarted = restart(searches, found, x, seed)
    progress(Progress("polish", 2, _STAGES, "noise"))
    searches, levels = _with_levels(searches, found, spread)
    progress(Progress("polish", 3, _STAGES, "intervals"))
    result = _result(searches, found, levels, spread, restarted)
    progress(Progress("polish", _STAGES, _STAGES, "done"))
    return result


def step_change(
    system: System, batch: Batch, polished: Polished, fixed: Mapping[str, Any] | None = None
) -> np.ndarray:
    """How predictions at the solutions change when every step is halved: (n, rows, channels), NaN
    where nothing was observed. fixed: as given to `polish`."""
    layout, spec = polished.layout, system.spec
    constants = _constants(spec, batch, polished.names, dict(fixed or {}))
    x = polished.coefficients
    if layout.states_free:
        x = np.concatenate([x, polished.states.reshape(len(batch), -1)], axis=1)
    finer = replace(layout, substeps=2 * layout.substeps)
    one = np.ones_like(polished.sigma)
    bounds = _bounds(spec, polished.names, x.shape[1])
    searches = Searches(system, batch, finer, constants, one, False, bounds)
    values, _ = searches.linearised(x)
    return np.asarray(polished.residuals - values.reshape(batch.values.shape))


def _with_levels(searches: Searches, found: Found, spread: np.ndarray) -> tuple[Searches, Levels]:
    """Noise levels from the residuals, and values by them, in turn until neither changes; `found`
    is brought up to date."""
    levels = Levels.given(searches.sigma)
    if searches.known:
        return searches, levels
    group, seen = groups(searches.system.spec, searches.layout), searches.batch.seen
    left = np.flatnonzero(np.isfinite(found.cost))
    for _ in range(_ROUNDS):
        linearised = searches.linearised(found.x[left], left)
        before = levels.some(left)
        new = estimate_levels(*linearised, before, seen[left], spread[left], group)
        levels = levels.put(left, new)
        searches = replace(searches, sigma=levels.sigma)
        # With other weights the sum of squares is another one: the new end always counts.
        found.put(left, searches.minima(found.x[left], left), np.ones(len(left), bool))
        left = left[(np.abs(np.log(new.sigma / before.sigma)) >= _SETTLED).any(axis=1)]
        if not left.size:
            break
    return searches, levels


def _result(
    searches: Searches, found: Found, levels: Levels, spread: np.ndarray, restarted: np.ndarray
) -> Polished:
    batch, layout, bounds = searches.batch, searches.layout, searches.bounds
    n, rows, _ = batch.values.shape
    k, dof = len(layout.names), searches.system.spec.dof
    residual, columns = searches.linearised(found.x)
    of_all = errors(columns, found.x, levels, rows, searches.freedom)
    low, high = (
        np.clip(found.x + side * of_all.half, bounds.lower, bounds.upper)[:, :k] for side in (-1, 1)
    )
    near = np.fmax(1e-6 * np.abs(found.x), 1e-3 * of_all.std)
    at_bound = (found.x - bounds.lower <= near) | (bounds.upper - found.x <= near)
    differences = residual.reshape(batch.values.shape) * levels.sigma[:, None]
    counts = batch.seen.sum(axis=1)
    rms = np.sqrt((differences**2).sum(axis=1) / np.maximum(counts, 1))
    rms = np.where(counts > 0, rms, np.nan)
    states = np.stack([batch.q0, batch.second], axis=1)
    states_std = np.zeros_like(states)
    if layout.states_free:
        states = found.x[:, k:].reshape(n, 2, dof)
        states_std = of_all.std[:, k:].reshape(n, 2, dof)
    return Polished(
        names=layout.names,
        channels=batch.channels,
        coefficients=found.x[:, :k],
        std=of_all.std[:, :k],
        interval95=np.stack([low, high], axis=-1),
        at_bound=at_bound[:, :k],
        states=states,
        states_std=states_std,
        converged=found.met & _followed(searches, found, differences, levels, spread),
        residuals=np.where(batch.seen, differences, np.nan),
        residual_rms=rms,
        sigma=levels.sigma,
        restarted=restarted,
        layout=layout,
    )


def _followed(
    searches: Searches,
    found: Found,
    differences: np.ndarray,
    levels: Levels,
    spread: np.ndarray,
) -> np.ndarray:
    """Whether the residuals are no larger than the known noise explains, or else are a small part
    of what was observed, or look like noise: (n,)."""
    if searches.known:
        return np.asarray(2 * found.cost <= scipy.stats.chi2.isf(_IMPOSSIBLE, searches.freedom))
    batch, spec = searches.batch, searches.system.spec
    result = np.isfinite(differences).all(axis=(1, 2))
    large = np.sqrt((differences**2).mean(axis=1)) > _FOLLOWS * spread
    left = np.where(batch.seen, differences, np.nan)
    for i in np.flatnonzero(result & large.any(axis=1)).tolist():
        of_one = residuals_of(
            spec, searches.layout, left[i], batch.values[i], spread[i], levels.sigma[i]
        )
        result[i] = not of_one.poor()
    return result


def _start(batch: Batch, names: Sequence[str], start: Any, states_known: bool) -> np.ndarray:
    """Unknowns (n, u) where the search begins."""
    x = np.array(start, dtype=float)
    if x.shape != (len(batch), len(names)):
        raise _refuse(f"starts have the shape {x.shape}; {(len(batch), len(names))} is needed")
    if not np.isfinite(x).all():
        raise _refuse("starts must be finite")
    if states_known:
        return x
    return np.concatenate([x, batch.q0, batch.second], axis=1)


def _constants(
    spec: ModelSpec, batch: Batch, names: tuple[str, ...], fixed: dict[str, Any]
) -> dict[str, np.ndarray]:
    """What is not searched: name to (n,)."""
    known = {c.name: c for c in spec.coefficients}
    for name in (*names, *fixed):
        if name not in known:
            hint = did_you_mean(name, known) or f"the model has {', '.join(known) or 'none'}"
            raise fail(Code.LAG503, f"`{name}` is not a coefficient of `{spec.name}`", help=hint)
    if len({*names, *fixed}) < len(names) + len(fixed):
        raise _refuse("a coefficient is named twice")
    constants = {}
    for name, coefficient in known.items():
        value = fixed.get(name, coefficient.default)
        if name in names:
            continue
        if value is None:
            raise fail(
                Code.LAG502,
                f"coefficient `{name}` of `{spec.name}` has no value",
                help="give it in `fixed`, or a default in the model",
            )
        array = np.asarray(value, dtype=float)
        check_bounds(coefficient, array)
        if array.shape not in ((), (len(batch),)):
            raise _refuse(f"`{name}` has the shape {array.shape}; one value for each system")
        constants[name] = np.broadcast_to(array, (len(batch),))
    return constants


def _check(spec: ModelSpec, batch: Batch, names: Sequence[str], substeps: int, r: int) -> None:
    if jnp.asarray(0.0).dtype != np.float64:
        raise fail(
            Code.LAG609,
            "a polish needs double precision, and jax is in 32-bit mode",
            help='call jax.config.update("jax_enable_x64", True) before anything else',
        )
    if spec.neural or any(c.site_dependent for c in spec.coefficients):
        what = "neural terms" if spec.neural else "coefficients that depend on the site"
        raise _refuse(f"models with {what} are not supported")
    if not names:
        raise _refuse("there is no coefficient to search")
    if substeps < 1:
        raise _refuse(f"substeps = {substeps}: at least 1 is needed")
    check_steps((batch.values.shape[1] - 1) * substeps, r)


def _given(noise: Any, shape: tuple[int, ...]) -> np.ndarray:
    sigma = np.asarray(noise, dtype=float)
    try:
        sigma = np.broadcast_to(sigma, shape)
    except ValueError:
        raise _refuse(
            f"noise has the shape {sigma.shape}; {shape[1:]} or {shape} is needed"
        ) from None
    if not (np.isfinite(sigma).all() and (sigma > 0).all()):
        raise _refuse("noise levels must be finite and positive")
    return sigma


def _bounds(spec: ModelSpec, names: Sequence[str], unknowns: int) -> Bounds:
    """Of the coefficients; initial states have none."""
    lower, upper = np.full(unknowns, -np.inf), np.full(unknowns, np.inf)
    lower_open, upper_open = np.zeros(unknowns, bool), np.zeros(unknowns, bool)
    by_name = {c.name: c for c in spec.coefficients}
    for i, name in enumerate(names):
        c = by_name[name]
        if c.lower is not None:
            lower[i], lower_open[i] = c.lower, c.lower_open
        if c.upper is not None:
            upper[i], upper_open[i] = c.upper, c.upper_open
    return Bounds(lower, upper, lower_open, upper_open)


def _refuse(message: str) -> LagcError:
    return fail(Code.LAG609, message)
