"""Train a network to read the coefficients of a system off its trajectory.

Members are drawn afresh for every update, by a key folded from its number, so that a run depends on
nothing but the model and its options and can be resumed to the last bit. The loss is the mean
squared error of the coefficients in standard coordinates: the coefficients themselves are the
supervision. The network reported is the running average of the weights (Polyak & Juditsky, SIAM J.
Control Optim. 30, 838, 1992), which with a slow decay of the learning rate does not depend on where
a run ends.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn import checkpoint
from lagc.learn.checkpoint import Position
from lagc.learn.evaluate import coefficient_errors, trajectory_errors
from lagc.learn.family import Family, Members, draw, held_out, make_family
from lagc.learn.networks import Network, Scaling, calibrate, make_network, observe
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.train_options import TrainOptions, TrainReport, check_options
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

REPORT = "report.json"
SUPERVISION = "coefficients"
_CALIBRATION = 4096
_WARM_UP = 100
_DECAY = 500.0
_AVERAGING = 0.998


class State(NamedTuple):
    """What an update changes: the network, its running average, the optimiser's moments."""

    network: Any
    averaged: Any
    moments: Any


@dataclass(frozen=True, eq=False)
class _Run:
    """What an update needs and does not change."""

    family: Family
    options: TrainOptions
    scaling: Scaling
    mean: Members
    optimiser: optax.GradientTransformation
    key: jax.Array


def train(
    system: System,
    options: TrainOptions,
    *,
    output: Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callback = silent,
) -> TrainReport:
    """Train, evaluate on the held-out set, and write `report.json` and a checkpoint to `output`.

    Raises LAG603 for families that cannot be trained, LAG604 where `resume` meets no checkpoint of
    this run, or a run that starts meets any without leave to `overwrite` it, LAG002 where the
    folder cannot be written. KeyboardInterrupt passes through, after a checkpoint.
    """
    started = time.monotonic()
    check_options(options)
    family = make_family(system, dt=options.step_of(system.spec), steps=options.steps, r=options.r)
    if not resume and not overwrite:
        checkpoint.refuse_existing(output)
    checkpoint.prepare_folder(output)
    identity = _identity(family, options)
    found = checkpoint.find(output, identity) if resume else None
    position = found.position if found is not None else Position()
    if position.updates > options.updates:
        raise fail(
            Code.LAG604,
            f"the checkpoint has seen {position.updates * options.batch} systems already, more "
            f"than the {options.total} asked for",
        )
    run = _prepare(family, options)
    state = _first_state(run)
    if found is not None:
        state = checkpoint.load(found, state)
    state, position = _loop(run, state, position, output, identity, progress)
    report = _report(run, state, position, time.monotonic() - started)
    checkpoint.write_json(output / REPORT, report.as_json())
    return report


def restore(
    system: System, options: TrainOptions, *, output: Path
) -> Callable[[jax.Array], jax.Array]:
    """The trained network in a folder as a function of observations.

    It maps observed trajectories (n, steps+1, 2 dof), positions then momenta or velocities (model
    units), to coefficients (n, k) in the order of the model, those without a law left out. Raises
    LAG604 where the folder holds no checkpoint of this model and these options.
    """
    family = make_family(system, dt=options.step_of(system.spec), steps=options.steps, r=options.r)
    found = checkpoint.find(output, _identity(family, options))
    run = _prepare(family, options)
    state = checkpoint.load(found, _first_state(run))
    return lambda observations: predict(state.averaged, run.scaling, jnp.asarray(observations))


def _identity(family: Family, options: TrainOptions) -> dict[str, Any]:
    """What a checkpoint must have been made with."""
    model = spec_hash(family.system.spec)
    simulation = str(jnp.asarray(0.0).dtype)
    return options.identity() | {"step": family.dt, "model": model, "simulation": simulation}


def spec_hash(spec: ModelSpec) -> str:
    """A hash of what the members of a family depend on; not of the version of lagc."""
    content = (spec.source_hash, spec.coordinates, spec.coefficients, dict(spec.initial))
    return hashlib.sha256(repr(content).encode()).hexdigest()


def predict(network: Network, scaling: Scaling, observations: jax.Array) -> jax.Array:
    """Legal coefficients (n, k) for observed trajectories (n, steps+1, 2 dof)."""
    weights = jax.tree_util.tree_leaves(eqx.filter(network, eqx.is_inexact_array))
    features = scaling.features(observations)
    standard = jax.vmap(network)(features.astype(weights[0].dtype))
    return scaling.to_coefficients(standard.astype(features.dtype))


def _prepare(family: Family, options: TrainOptions) -> _Run:
    key = jax.random.key(options.seed)
    members = draw(family, jax.random.fold_in(key, 0), _CALIBRATION)
    finite = np.asarray(members.finite)
    if finite.mean() < 0.5:
        raise fail(
            Code.LAG603,
            f"only {100 * finite.mean():.0f} % of the members drawn have finite trajectories",
            help="use a smaller step, fewer steps, or narrower laws",
        )
    means = {n: getattr(members, n)[finite].mean(axis=0) for n in ("coefficients", "q", "v", "p")}
    mean = Members(t=members.t, finite=jnp.asarray(True), **means)
    scaling = calibrate(members, family.drawn, options.observed)
    schedule = _schedule(options.learning_rate)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, weight_decay=options.weight_decay),
    )
    return _Run(family, options, scaling, mean, optimiser, key)


def _schedule(peak: float) -> Callable[[Any], Any]:
    """Linear warm-up, then decay with the square root of the number of updates."""

    def rate(count: Any) -> Any:
        return peak * jnp.minimum(1.0, (count + 1) / _WARM_UP) / jnp.sqrt(1.0 + count / _DECAY)

    return rate


def _first_state(run: _Run) -> State:
    options, dof = run.options, run.family.system.spec.dof
    network = make_network(
        options.network,
        options.steps + 1,
        2 * dof,
        len(run.family.drawn),
        options.hidden,
        jax.random.fold_in(run.key, 1),
    )
    network = jax.tree_util.tree_map(
        lambda x: x.astype(options.precision) if eqx.is_inexact_array(x) else x, network
    )
    weights = eqx.filter(network, eqx.is_inexact_array)
    return State(network, network, run.optimiser.init(weights))


def _make_update(run: _Run) -> Callable[[State, jax.Array], tuple[State, jax.Array, jax.Array]]:
    """The compiled update: (state, its number) -> state, loss, members dropped."""
    members_key = jax.random.fold_in(run.key, 2)

    def loss(network: Any, features: jax.Array, target: jax.Array, use: jax.Array) -> jax.Array:
        error = jnp.mean((jax.vmap(network)(features) - target) ** 2, axis=-1)
        return jnp.sum(jnp.where(use, error, 0.0)) / jnp.maximum(jnp.sum(use), 1)

    @eqx.filter_jit
    def update(state: State, number: jax.Array) -> tuple[State, jax.Array, jax.Array]:
        members = draw(run.family, jax.random.fold_in(members_key, number), run.options.batch)
        use = members.finite
        # Unusable members have weight zero; their values are replaced so that 0 * nan cannot be.
        features = run.scaling.features(observe(members, run.options.observed))
        features = jnp.where(use[:, None, None], features, 0.0).astype(run.options.precision)
        target = jnp.where(use[:, None], run.scaling.to_standard(members.coefficients), 0.0)
        target = target.astype(features.dtype)
        value, slope = eqx.filter_value_and_grad(loss)(state.network, features, target, use)
        weights = eqx.filter(state.network, eqx.is_inexact_array)
        change, moments = run.optimiser.update(slope, state.moments, weights)
        network = eqx.apply_updates(state.network, change)
        # The average forgets its beginning at first as fast as it grows.
        keep = jnp.minimum(_AVERAGING, (1.0 + number) / (10.0 + number))
        keep = keep.astype(features.dtype)
        averaged = jax.tree_util.tree_map(
            lambda old, new: keep * old + (1 - keep) * new if eqx.is_inexact_array(new) else new,
            state.averaged,
            network,
        )
        return State(network, averaged, moments), value, jnp.sum(~use)

    return update


def _loop(
    run: _Run,
    state: State,
    position: Position,
    output: Path,
    identity: dict[str, Any],
    progress: Callback,
) -> tuple[State, Position]:
    """Update until the number asked for, with a checkpoint every so often and at the end."""
    update, total = _make_update(run), run.options.updates
    saved = position.updates
    # State and position change in one assignment, which an interruption cannot divide.
    current = state, position
    try:
        while current[1].updates < total:
            state, position = current
            new, loss, dropped = update(state, jnp.asarray(position.updates))
            dropped_so_far = position.dropped + int(dropped)
            current = new, Position(position.updates + 1, dropped_so_far, float(loss))
            done = current[1]
            if done.updates % run.options.checkpoint_every == 0:
                checkpoint.save(output, *current, identity)
                saved = done.updates
            progress(Progress("train", done.updates, total, f"loss {done.loss:.3g}"))
    finally:
        # On an interruption too: nothing that was computed is lost.
        if current[1].updates != saved or saved == 0:
            checkpoint.save(output, *current, identity)
    return current


def _report(run: _Run, state: State, position: Position, seconds: float) -> TrainReport:
    family, options = run.family, run.options
    members, dropped = held_out(family, options.held_out_seed, options.held_out)
    observations = observe(members, options.observed)
    predicted = np.asarray(eqx.filter_jit(predict)(state.averaged, run.scaling, observations))
    mean = np.asarray(run.mean.coefficients)
    trajectories, lost = trajectory_errors(family, predicted, members, run.mean)
    return TrainReport(
        model=family.system.spec.name,
        network=options.network,
        observed=options.observed,
        supervision=SUPERVISION,
        seed=options.seed,
        systems_seen=position.updates * options.batch,
        dropped=position.dropped,
        updates=position.updates,
        loss=position.loss,
        held_out=len(members.coefficients),
        held_out_dropped=dropped,
        lost_trajectories=lost,
        coefficients=coefficient_errors(family, predicted, np.asarray(members.coefficients), mean),
        trajectories=trajectories,
        seconds=seconds,
    )
