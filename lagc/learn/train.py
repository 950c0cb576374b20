"""Train a network to read the coefficients of a system off its trajectory.

Members are drawn afresh for every update, by a key folded from its number, so that a run depends on
nothing but the model and its options and can be resumed to the last bit. The loss is minus the
logarithm of the likelihood of the coefficients, in coordinates in which the gauge is fixed
(`coordinates`): the coefficients themselves are the supervision. The network reported is the
running average of the weights (Polyak & Juditsky, SIAM J. Control Optim. 30, 838, 1992), which with
a slow decay of the learning rate does not depend on where a run ends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.learn import checkpoint, finetune
from lagc.learn.checkpoint import Position
from lagc.learn.coordinates import calibrate, find_gauge
from lagc.learn.devices import PARTS, WHOLE, Devices
from lagc.learn.evaluate import coefficient_errors, trajectory_errors
from lagc.learn.family import (
    Family,
    Members,
    divided_members,
    draw_compiled,
    draw_many,
    held_out,
    in_chunks,
    selected,
)
from lagc.learn.log import EVERY, VALIDATION_EVERY, Log
from lagc.learn.networks import Network, loss, make_network
from lagc.learn.observing import Observation, longest_gaps, observation, observe
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.reading import Inputs, Reader
from lagc.learn.run_folder import (
    LOG,
    REPORT,
    HeldOut,
    save_held_out,
    save_run,
    spec_hash,
    write_text,
)
from lagc.learn.train_options import TrainOptions, TrainReport, check_options
from lagc.runtime.system import System

SUPERVISION = "coefficients"
CALIBRATION = 4096
_USUAL = 0.75  # of the members: intervals are right on average, and too narrow for longer gaps
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
    """What an update needs and does not change; calibration: the usable members of a draw, inputs:
    what is seen of them; gap: how many rows without a value of a channel three of four have
    at most in a row; look: `Reader.inputs`, compiled."""

    family: Family
    options: TrainOptions
    reader: Reader
    calibration: Members
    inputs: Inputs
    gap: int
    look: Callable[[Observation], Inputs]
    schedule: Callable[[Any], Any]
    optimiser: optax.GradientTransformation
    key: jax.Array
    devices: Devices


def train(
    system: System,
    options: TrainOptions,
    *,
    output: Path,
    text: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callback = silent,
) -> TrainReport:
    """Train, evaluate on the held-out set, and write a folder as `run_folder` describes it.

    text: of the model, for `lagc predict`. Raises LAG603 for families that cannot be trained, and
    where numbers cease to be finite, LAG604 where `resume` meets no checkpoint of this run, or a
    run that starts meets any without leave to `overwrite` it, LAG002 where the folder cannot be
    written. KeyboardInterrupt passes through, after a checkpoint.
    """
    since = time.monotonic(), time.process_time()
    check_options(options)
    devices = Devices.all()
    devices.check(options.batch)
    family = options.family_of(system)
    if not resume and not overwrite:
        checkpoint.refuse_existing(output)
    checkpoint.prepare_folder(output)
    identity = _identity(family, options)
    earlier = checkpoint.find(output, identity) if resume else None
    position = earlier.position if earlier is not None else Position()
    if position.updates > options.updates + options.fine_tune.updates:
        raise fail(
            Code.LAG604,
            f"the checkpoint has seen {position.updates * options.batch} systems already, more "
            f"than the {options.updates * options.batch} asked for",
        )
    finetune.check_resumed(output, options.fine_tune, options.updates, position.updates)
    devices.wait("the folder is known to every process")
    if text is not None and devices.leads:
        write_text(output, text)
    run = _prepare(family, options, devices)
    state = _first_state(run)
    if earlier is not None:
        state = checkpoint.load(earlier, state)
    state, position = _loop(run, state, position, output, identity, progress)
    if not checkpoint.all_finite(state):
        raise _not_finite(position.updates)
    standard = run.reader.coordinates.to_standard(run.calibration.coefficients)
    found = eqx.filter_jit(run.reader.laws)(state.averaged, run.inputs)
    reader = run.reader.widened(found, standard)
    report, tested = _report(run, reader, state.averaged, position, since)
    if not devices.leads:
        return report
    spread = np.asarray(observe(run.calibration, options.observed)).std(axis=(0, 1))
    save_run(output, reader, state.averaged, {"channels": spread.tolist()}, run.gap)
    save_held_out(output, tested)
    checkpoint.write_json(output / REPORT, report.as_json())
    return report


def _identity(family: Family, options: TrainOptions) -> dict[str, Any]:
    """What a checkpoint must have been made with, as JSON has it."""
    own = {
        "step": family.dt,
        "model": spec_hash(family.system.spec),
        "simulation": str(jnp.asarray(0.0).dtype),
    }
    result: dict[str, Any] = json.loads(json.dumps(options.identity() | own))
    return result


def _prepare(family: Family, options: TrainOptions, devices: Devices) -> _Run:
    key = jax.random.key(options.seed)
    members = draw_many(family, jax.random.fold_in(key, 0), CALIBRATION)
    finite = np.asarray(members.finite)
    if finite.mean() < 0.5:
        raise fail(
            Code.LAG603,
            f"only {100 * finite.mean():.0f} % of the members drawn have finite trajectories",
            help="use a smaller step, fewer steps, or narrower laws",
        )
    members = selected(members, finite)
    seen = _seen(options, members, jax.random.fold_in(key, 3))
    gauging = find_gauge(family, members, options.observed)
    coordinates = calibrate(members, family.drawn, gauging)
    reader = Reader.of(family, options, coordinates)
    look = jax.jit(reader.inputs)
    inputs = in_chunks(look, seen)
    reader = reader.calibrated(inputs)
    gaps = [0] if seen.seen is None else longest_gaps(np.asarray(seen.seen))
    gap = int(np.quantile(gaps, _USUAL))
    schedule = _schedule(options.learning_rate)
    optimiser = _optimiser(options, schedule)
    learning = schedule, optimiser, key, devices
    return _Run(family, options, reader, members, inputs, gap, look, *learning)


def _optimiser(options: TrainOptions, schedule: Callable[[Any], Any]) -> Any:
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, weight_decay=options.weight_decay),
    )


def _seen(options: TrainOptions, members: Members, key: jax.Array) -> Observation:
    return observation(members, options.observed, options.noise, options.missing, key)


def _replaced(members: Members) -> Members:
    """Members with zeros for trajectories that are not finite: 0 * nan cannot be."""
    use = members.finite[:, None, None]
    q, v, p = (jnp.where(use, x, 0.0) for x in (members.q, members.v, members.p))
    return members._replace(q=q, v=v, p=p)


def _schedule(peak: float) -> Callable[[Any], Any]:
    """Linear warm-up, then decay with the square root of the number of updates."""

    def rate(count: Any) -> Any:
        return peak * jnp.minimum(1.0, (count + 1) / _WARM_UP) / jnp.sqrt(1.0 + count / _DECAY)

    return rate


def _first_state(run: _Run) -> State:
    options = run.options
    sizes = run.reader.sizes

    @eqx.filter_jit
    def first(key: jax.Array) -> State:
        network = make_network(options.network, sizes, options.hidden, options.precision, key)
        weights = eqx.filter(network, eqx.is_inexact_array)
        return State(network, network, run.optimiser.init(weights))

    state: State = first(jax.random.fold_in(run.key, 1))
    return state


Update = Callable[[State, np.ndarray], tuple[State, jax.Array, jax.Array]]


def _fine_tuning(run: _Run) -> tuple[_Run, Update]:
    """What fine-tuning has in place of the run, and its update."""
    tune, family, reader = run.options.fine_tune, run.family, run.reader
    optimiser = _optimiser(run.options, finetune.schedule(tune))
    own = finetune.make_loss(
        family, reader.coordinates, run.options.observed, run.calibration, tune
    )
    run = replace(run, optimiser=optimiser)
    return run, _make_update(run, own)


def _make_update(run: _Run, trajectories: finetune.Loss | None = None) -> Update:
    """An update: (state, its number) -> state, loss, members dropped. Drawing, looking and learning
    are programs of their own, so that a calibration draw does not compile the first two anew.

    trajectories: the loss of fine-tuning, to which a part of the likelihood is added.
    """
    members_key, noise_key = (jax.random.fold_in(run.key, k) for k in (2, 4))
    options, coordinates, devices = run.options, run.reader.coordinates, run.devices
    several = devices if devices.count > 1 else None
    look = jax.jit(devices.divided(run.reader.inputs)) if several else run.look
    part = 1.0 if trajectories is None else options.fine_tune.likelihood

    def total_loss(
        weights: Any, rest: Any, inputs: Inputs, target: jax.Array, drawn: Members
    ) -> jax.Array:
        network = eqx.combine(weights, rest)
        found, use = run.reader.laws(network, inputs), drawn.finite
        losses = part * jax.vmap(loss)(found, target)
        if trajectories is not None:
            losses += trajectories(found.mean, drawn)
        return jnp.sum(jnp.where(use, losses, 0.0))

    @jax.jit
    def see(members: Members, number: jax.Array | np.ndarray) -> Observation:
        return _seen(options, _replaced(members), jax.random.fold_in(noise_key, number))

    @eqx.filter_jit
    def learn(
        state: State,
        number: jax.Array | np.ndarray,
        inputs: Inputs,
        drawn: Members,
    ) -> tuple[State, jax.Array, jax.Array]:
        target = coordinates.to_standard(drawn.coefficients)
        weights, rest = eqx.partition(state.network, eqx.is_inexact_array)
        sums = devices.summed(
            lambda own, *parts: jax.value_and_grad(total_loss)(own, rest, *parts),
            (WHOLE, PARTS, PARTS, divided_members(run.family)),
        )
        used = jnp.sum(drawn.finite)
        value, slope = jax.tree_util.tree_map(
            lambda x: x / jnp.maximum(used, 1).astype(x.dtype),
            sums(weights, inputs, target, drawn),
        )
        change, moments = run.optimiser.update(slope, state.moments, weights)
        network = eqx.apply_updates(state.network, change)
        # The average forgets its beginning at first as fast as it grows.
        made = number if trajectories is None else number - options.updates
        keep = jnp.minimum(_AVERAGING, (1.0 + made) / (10.0 + made))
        averaged = jax.tree_util.tree_map(
            lambda old, new: (
                keep.astype(new.dtype) * old + (1 - keep).astype(new.dtype) * new
                if eqx.is_inexact_array(new)
                else new
            ),
            state.averaged,
            network,
        )
        return State(network, averaged, moments), value, options.batch - used

    def update(state: State, number: np.ndarray) -> tuple[State, jax.Array, jax.Array]:
        key = jax.random.fold_in(members_key, number % options.updates_of_a_pass)
        members = draw_compiled(run.family, key, options.batch, several)
        inputs = look(see(members, number))
        result: tuple[State, jax.Array, jax.Array] = learn(state, number, inputs, members)
        return result

    return update


def _make_validation(run: _Run) -> Callable[[Network], dict[str, float]]:
    """By coefficient not held, the median relative error on the calibration draw."""
    coordinates = run.reader.coordinates
    fixed = coordinates.gauging.fix(run.calibration.coefficients)
    true = np.asarray(fixed)[:, list(coordinates.targets)]
    names = [run.family.drawn[k].name for k in coordinates.targets]
    laws = eqx.filter_jit(run.reader.laws)

    def validate(network: Network) -> dict[str, float]:
        found = np.asarray(coordinates.to_targets(laws(network, run.inputs).mean))
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(true != 0, np.abs(found / true - 1), np.nan)
        return dict(zip(names, np.nanmedian(relative, axis=0).tolist(), strict=True))

    return validate


def _loop(
    run: _Run,
    state: State,
    position: Position,
    output: Path,
    identity: dict[str, Any],
    progress: Callback,
) -> tuple[State, Position]:
    """Update until the number asked for, with a checkpoint every so often and at the end."""
    update, validate = _make_update(run), _make_validation(run)
    first, total = run.options.updates, run.options.updates + run.options.fine_tune.updates
    tuning = _fine_tuning(run) if total > first else None
    devices = run.devices
    log = Log(output / LOG, position.updates) if devices.leads else None
    saved = position.updates
    # State and position change in one assignment, which an interruption cannot divide.
    current = devices.everywhere(state), position
    try:
        while current[1].updates < total:
            state, position = current
            if tuning is not None and position.updates >= first:
                tuned, update = tuning
                if position.updates == first:
                    state = devices.everywhere(_fresh(tuned, devices.here(state)))
                    if devices.leads:
                        finetune.begin(output, run.options.fine_tune, first)
            new, value, dropped = update(state, np.asarray(position.updates))
            if not np.isfinite(float(value)):
                raise _not_finite(position.updates)
            dropped_so_far = position.dropped + int(dropped)
            current = new, Position(position.updates + 1, dropped_so_far, float(value))
            done = current[1]
            if log is None:
                continue
            if done.updates % run.options.checkpoint_every == 0:
                checkpoint.save(output, *current, identity)
                saved = done.updates
            _write_log(run, log, validate, *current)
            progress(Progress("train", done.updates, total, f"loss {done.loss:.3g}"))
    finally:
        # On an interruption too: nothing that was computed is lost.
        if log is not None and (current[1].updates != saved or saved == 0):
            checkpoint.save(output, *current, identity)
    return devices.here(current[0]), current[1]


def _not_finite(updates: int) -> LagcError:
    return fail(
        Code.LAG603,
        f"the network has numbers that are not finite after {updates} updates",
        help="start again (`--overwrite`) with a smaller `--learning-rate` or narrower laws",
    )


def _fresh(run: _Run, state: State) -> State:
    """The network that would have been reported, to go on from with new moments."""
    weights = eqx.filter(state.averaged, eqx.is_inexact_array)
    return State(state.averaged, state.averaged, run.optimiser.init(weights))


def _write_log(
    run: _Run,
    log: Log,
    validate: Callable[[Network], dict[str, float]],
    state: State,
    done: Position,
) -> None:
    options = run.options
    ends = options.updates, options.updates + options.fine_tune.updates
    validating = done.updates % VALIDATION_EVERY == 0 or done.updates in ends
    if done.updates % EVERY and not validating:
        return
    rate, number = run.schedule, done.updates - 1
    if number >= options.updates:
        rate, number = finetune.schedule(options.fine_tune), number - options.updates
    content: dict[str, Any] = {
        "update": done.updates,
        "systems": done.updates * run.options.batch,
        "loss": done.loss,
        "learning_rate": float(rate(number)),
    }
    if validating:
        content["validation"] = validate(run.devices.here(state.averaged))
    log.write(content)


def _report(
    run: _Run, reader: Reader, network: Network, position: Position, since: tuple[float, float]
) -> tuple[TrainReport, HeldOut]:
    family, options, coordinates = run.family, run.options, reader.coordinates
    members, dropped = held_out(family, options.held_out_seed, options.held_out)
    seen = _seen(options, members, jax.random.key(options.held_out_seed + 1))
    inputs = in_chunks(run.look, seen)
    predicted = eqx.filter_jit(reader.predict)(network, inputs)
    alone = reader.regression(inputs)
    calibration = run.calibration
    means = {n: getattr(calibration, n).mean(axis=0) for n in ("q", "v", "p")}
    trajectories, lost = trajectory_errors(
        family,
        options.observed,
        np.asarray(coordinates.complete(predicted.values)),
        None if alone is None else np.asarray(coordinates.complete(alone)),
        members,
        calibration._replace(**means),
    )
    coefficients, joint = coefficient_errors(
        family,
        coordinates,
        predicted,
        None if alone is None else np.asarray(alone),
        members,
        calibration,
    )
    report = TrainReport(
        model=family.system.spec.name,
        network=options.network,
        observed=options.observed,
        features="trajectory" if reader.weak is None else "regression",
        supervision=SUPERVISION + (", trajectories" if position.updates > options.updates else ""),
        seed=options.seed,
        systems_asked=options.total,
        batch=options.batch,
        systems_seen=min(position.updates, options.updates_of_a_pass) * options.batch,
        passes=options.passes,
        calibration=CALIBRATION,
        dropped=position.dropped,
        updates=position.updates,
        loss=position.loss,
        held_out=len(members.coefficients),
        held_out_dropped=dropped,
        lost_trajectories=lost,
        coefficients=coefficients,
        held=reader.held,
        joint_coverage95=joint,
        trajectories=trajectories,
        seconds=time.monotonic() - since[0],
        cpu_seconds=time.process_time() - since[1],
    )
    true = coordinates.gauging.fix(members.coefficients)[:, list(coordinates.targets)]
    names = [family.drawn[k].name for k in coordinates.targets]
    arrays = (np.asarray(x) for x in (true, predicted.values, predicted.low, predicted.high))
    return report, HeldOut(np.array(names), *arrays)
