"""What a trained network says of the held-out systems at a level of noise, and a polish from there.

The polish (`lagc.learn.polish`) starts at the network's answers and is told neither the noise nor,
where states are drawn, the initial state. An error is the root mean square over rows of what is
predicted less the true trajectory without noise; the network's is simulated from the true initial
state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import lagc
from lagc.learn.batch import make_batch
from lagc.learn.evaluate import trajectory_errors
from lagc.learn.family import Family, Members, draw_many, held_out, in_chunks
from lagc.learn.observing import Observation, observation, observe
from lagc.learn.polish import Polished, polish
from lagc.learn.run_folder import TrainedRun, load_run
from lagc.learn.train_options import TrajectoryError

CHANNELS = ("q", "p[q]")
MEAN_OF = 4096  # members whose mean trajectory is the baseline


@dataclass(frozen=True, eq=False)
class Tested:
    """One level of noise: the errors of the network alone (in q and p, and relative ones of the
    coefficients), and what the polish made of them, with the errors of its trajectories (n, 2)."""

    level: float
    true: np.ndarray
    alone: dict[str, TrajectoryError]
    answers: np.ndarray
    inside: np.ndarray
    polished: Polished
    errors: np.ndarray
    spread: np.ndarray
    seconds: float


def test(folder: Path, system: lagc.System, level: float) -> Tested:
    """The run of a folder on its held-out systems, with noise of one level for all."""
    run = load_run(folder, system)
    family, options = run.reader.family, run.reader.options
    members, _ = held_out(family, options.held_out_seed, options.held_out)
    key = jax.random.key(options.held_out_seed + 1)
    seen = observation(members, options.observed, (level, level), (0.0, 0.0), key)
    answers, inside = _answers(run, members, seen)
    alone, _ = trajectory_errors(family, options.observed, answers, None, members, _mean(family))
    began = time.process_time()
    polished = _polished(family, members, seen, answers)
    seconds = time.process_time() - began
    exact = np.asarray(observe(members, options.observed))
    # Predictions are what was observed with the residuals, predicted minus observed, added.
    errors = np.asarray(seen.values) + polished.residuals - exact
    return Tested(
        level,
        np.asarray(members.coefficients),
        alone,
        answers,
        inside,
        polished,
        np.sqrt(np.mean(errors**2, axis=1)),
        exact.std(axis=(0, 1)),
        seconds,
    )


def _answers(run: TrainedRun, members: Members, seen: Observation) -> tuple[np.ndarray, np.ndarray]:
    """The network's coefficients (n, k), and which lie within their intervals."""
    reader = run.reader
    inputs = in_chunks(jax.jit(reader.inputs), seen)
    said = eqx.filter_jit(reader.predict)(run.network, inputs)
    true = np.asarray(members.coefficients)
    inside = (np.asarray(said.low) <= true) & (true <= np.asarray(said.high))
    return np.asarray(reader.coordinates.complete(said.values)), inside


def _mean(family: Family) -> Members:
    """The mean trajectory of members drawn by another seed than those held out."""
    members = draw_many(family, jax.random.key(0), MEAN_OF)
    use = np.asarray(members.finite)
    q, v, p = (jnp.asarray(np.asarray(x)[use].mean(axis=0)) for x in members[2:5])
    return members._replace(q=q, v=v, p=p)


def _polished(family: Family, members: Members, seen: Observation, start: np.ndarray) -> Polished:
    """Least squares from the network's answers."""
    values = np.asarray(seen.values)
    known = family.spread == 0
    states = {"q0": family.q0, "p0": family.p0}
    if not known:
        states = {"q0": values[:, 0, :1], "p0": values[:, 0, 1:]}
    batch = make_batch(family.system.spec, values, CHANNELS, dt=np.asarray(members.dt), **states)
    return polish(family.system, batch, start, states_known=known, r=family.r)


def tables(tested: Tested) -> str:
    """Network, polish and the mean, as Markdown."""
    polished, true, n = tested.polished, tested.true, len(tested.true)
    names = polished.names
    lines = [
        f"noise {100 * tested.level:g} %, {n} systems held out",
        "",
        "| relative error of | network: median | 95 % | in interval | polished: median | 95 % "
        "| in interval |",
        "|---" * 7 + "|",
    ]
    low, high = np.moveaxis(polished.interval95, -1, 0)
    holds = (low <= true) & (true <= high)
    for k, name in enumerate(names):
        cells = [
            *_relative(tested.answers[:, k], true[:, k]),
            f"{100 * tested.inside[:, k].mean():.1f} %",
            *_relative(polished.coefficients[:, k], true[:, k]),
            f"{100 * holds[:, k].mean():.1f} %" if tested.level else "",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "| rms in | pooled | median | 95 % | pooled, of the spread |", "|---" * 5 + "|"]
    for d, (name, alone) in enumerate(tested.alone.items()):
        of = tested.spread[d]
        rows = {
            "network": (alone.pooled_rms, alone.median, alone.percentile95),
            "polished": _summary(tested.errors[:, d]),
            "always the mean": (
                alone.baseline_pooled_rms,
                alone.baseline_median,
                alone.baseline_percentile95,
            ),
        }
        for who, numbers in rows.items():
            cells = " | ".join(f"{x:.2g}" for x in (*numbers, numbers[0] / of))
            lines.append(f"| {name}, {who} | {cells} |")
    lines.append(
        f"\npolish converged: {polished.converged.sum()} of {n}, "
        f"{polished.restarted.sum()} after another start; {tested.seconds:.0f} s of the processor"
    )
    if tested.level:
        lines.append(f"all intervals together hold the truth: {100 * holds.mean():.2f} %")
    return "\n".join(lines)


def _relative(found: np.ndarray, true: np.ndarray) -> list[str]:
    """Median and 95th percentile of the relative error of coefficients that are not zero."""
    error = np.abs(found / np.where(true > 0, true, 1.0) - 1)[true > 0]
    return [f"{x:.2g}" for x in np.percentile(error, [50, 95])]


def _summary(rms: np.ndarray) -> tuple[float, float, float]:
    return (
        float(np.sqrt(np.mean(rms**2))),
        float(np.median(rms)),
        float(np.percentile(rms, 95)),
    )
