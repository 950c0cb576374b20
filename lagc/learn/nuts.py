"""Draws from a posterior by Hamiltonian Monte Carlo without U-turns (NUTS), the kernel of blackjax.

Chains run in coordinates in which Laplace's approximation is the unit normal law, from
draws that are wider than it. Step size and mass matrix are adapted in the windows of Stan from all
chains together, then kept. Source: Hoffman & Gelman, J. Mach. Learn. Res. 15, 1593 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.laplace import Gaussian, Weighted
from lagc.learn.mixing import effective_draws, r_hat
from lagc.learn.progress import Callback, Progress
from lagc.learn.target import Form, Given, Target, value_and_gradient

CHAINS = 4
WARM_UP = 300
_ACCEPTED = 0.8  # the rate that the step size is adapted to
_DOUBLINGS = 8  # of a trajectory
_SHRINKAGE = 5.0  # draws by which a mass matrix is pulled to the unit matrix
_EVERY = 50


@dataclass(frozen=True, eq=False)
class Chains:
    """x: (chains, draws, n), all unknowns; by free unknown r_hat and effective (bulk): (free,);
    divergences after the warm-up."""

    x: np.ndarray
    r_hat: np.ndarray
    effective: np.ndarray
    divergences: int


def require_blackjax() -> Any:
    """The package, or LAG003."""
    try:
        import blackjax
    except ImportError:
        raise fail(
            Code.LAG003, "NUTS needs the package blackjax", help="pip install 'lagc[posterior]'"
        ) from None
    return blackjax


def run_chains(
    target: Target,
    normal: Gaussian,
    starts: Weighted,
    draws: int,
    seed: int,
    progress: Callback,
) -> Chains:
    """`draws` of each chain after the warm-up.

    A step of the integrator that is not solved without its fallback shows as a divergence; where
    there are any, all is done again with it.
    """
    require_blackjax()
    finite = np.flatnonzero(starts.weights > 0)
    first = np.linalg.solve(normal.factor, (starts.z[finite[:CHAINS]] - normal.mode).T).T
    for whole in (False, True):
        sampler = _Sampler(target, normal, whole, jax.random.key(seed), progress)
        u, divergences = sampler.run(jnp.asarray(first), draws)
        if divergences == 0:
            break
    z = normal.mode + u @ normal.factor.T
    _, x = target.values(z.reshape(-1, z.shape[-1]))
    x = x.reshape(*u.shape[:2], -1)
    free = [x[:, :, i] for i in target.form.free]
    r_hats, effective = [r_hat(one) for one in free], [effective_draws(one) for one in free]
    return Chains(x, np.array(r_hats), np.array(effective), divergences)


class _State(NamedTuple):
    """Of all chains: position and gradient (chains, free), log density (chains,)."""

    position: jax.Array
    logdensity: jax.Array
    logdensity_grad: jax.Array


@partial(jax.jit, static_argnums=(0, 1))
def _transition(
    form: Form,
    whole: bool,
    given: Given,
    mode: jax.Array,
    factor: jax.Array,
    key: jax.Array,
    state: _State,
    step: jax.Array,
    inverse_mass: jax.Array,
) -> tuple[_State, jax.Array, jax.Array]:
    """One transition of all chains: states, acceptance rates and whether they diverged."""
    from blackjax.mcmc import hmc, nuts

    @jax.custom_vjp
    def density(u: jax.Array) -> jax.Array:
        return forward(u)[0]

    def forward(u: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, gradient = value_and_gradient(form, given, whole, mode + factor @ u)
        good = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        return jnp.where(good, value, -jnp.inf), jnp.where(good, factor.T @ gradient, 0.0)

    def backward(gradient: jax.Array, cotangent: jax.Array) -> tuple[jax.Array]:
        return (cotangent * gradient,)

    density.defvjp(forward, backward)
    kernel = nuts.build_kernel()

    def advance(chain: tuple[jax.Array, _State]) -> tuple[_State, jax.Array, jax.Array]:
        own, before = chain[0], hmc.HMCState(*chain[1])
        after, info = kernel(own, before, density, step, inverse_mass, _DOUBLINGS)
        return _State(*after), info.acceptance_rate, info.is_divergent

    # One after the other: side by side they compile for twice as long, and wait for the longest.
    return jax.lax.map(advance, (jax.random.split(key, state.position.shape[0]), state))


class _Sampler:
    """Chains of one program."""

    def __init__(
        self, target: Target, normal: Gaussian, whole: bool, key: jax.Array, progress: Callback
    ) -> None:
        self.target, self.normal, self.whole = target, normal, whole
        self.key, self.progress = key, progress

    def run(self, u: jax.Array, draws: int) -> tuple[np.ndarray, int]:
        """Draws (chains, draws, free) after the warm-up from u: (chains, free), and how many
        transitions diverged."""
        total = WARM_UP + draws
        state, step, inverse_mass = self._warmed_up(self._begin(u), total)
        positions, divergences = [], 0
        for i in range(WARM_UP, total):
            state, _, diverged = self._advance(i, state, step, inverse_mass)
            positions.append(state.position)
            divergences += int(diverged.sum())
            self._report(i, total)
        return np.stack(positions, axis=1), divergences

    def _begin(self, u: jax.Array) -> _State:
        local = [self.target.at(self.normal.mode + self.normal.factor @ one) for one in u]
        gradients = [self.normal.factor.T @ here.gradient for here in local]
        values = np.array([here.value for here in local])
        return _State(jnp.asarray(u), jnp.asarray(values), jnp.asarray(np.array(gradients)))

    def _warmed_up(self, state: _State, total: int) -> tuple[_State, jax.Array, jax.Array]:
        """The state after the warm-up, with the step size and the mass matrix adapted in it."""
        from blackjax.adaptation.step_size import dual_averaging_adaptation
        from blackjax.adaptation.window_adaptation import build_schedule

        begin, update, final = dual_averaging_adaptation(_ACCEPTED)
        update = jax.jit(update)
        n = state.position.shape[1]
        inverse_mass, averaging = jnp.eye(n), begin(1.0)
        window: list[np.ndarray] = []
        for i, (slow, ends) in enumerate(np.asarray(build_schedule(WARM_UP)).tolist()):
            step = jnp.exp(averaging.log_step_size)
            state, accepted, _ = self._advance(i, state, step, inverse_mass)
            averaging = update(averaging, jnp.mean(accepted))
            if slow:
                window.append(np.asarray(state.position))
            if ends:
                inverse_mass = jnp.asarray(_regularised(np.concatenate(window)))
                averaging, window = begin(final(averaging)), []
            self._report(i, total)
        return state, final(averaging), inverse_mass

    def _advance(
        self, i: int, state: _State, step: jax.Array, inverse_mass: jax.Array
    ) -> tuple[_State, jax.Array, jax.Array]:
        form, given = self.target.form, self.target.given
        mode, factor = jnp.asarray(self.normal.mode), jnp.asarray(self.normal.factor)
        key = jax.random.fold_in(self.key, i)
        return _transition(form, self.whole, given, mode, factor, key, state, step, inverse_mass)

    def _report(self, i: int, total: int) -> None:
        if i % _EVERY == 0:
            what = "warm-up" if i < WARM_UP else "draws"
            self.progress(Progress("nuts", i, total, what))


def _regularised(draws: np.ndarray) -> np.ndarray:
    """Covariance of draws (m, free), pulled a little to the unit matrix, that of the
    approximation."""
    m, n = draws.shape
    covariance = np.cov(draws, rowvar=False).reshape(n, n)
    return np.asarray((m * covariance + _SHRINKAGE * np.eye(n)) / (m + _SHRINKAGE))
