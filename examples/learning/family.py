"""A whole family of damped oscillators: a network that reads the coefficients off a trajectory, and
a polish from there.

    python examples/learning/family.py [--network lstm] [--features trajectory] [--vary]
        [--noise 0,0.02] [--systems 100000] [--seed 0]

2 c1 q'' = -2 c2 q - c3 q' with c1 ~ U(0.01, 20) and c2, c3 ~ U(0, 20), of which one in twenty is
zero; 40 steps of the map with two interior nodes, positions and momenta seen; 4000 held-out
systems. q = 0, p = 1 and steps of 0.1 for all, or with --vary q and p from the standard normal law
and steps from 0.05 to 0.2.

A network is trained for each highest level of noise: levels are drawn between zero and it, and told
to the network; it is tested, alone and polished (`family_polished.py`), at half the highest. Beside
its errors stand those of always answering the mean, and of the regression on the equations of
motion that is among its features, on its own.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

import family_polished
import jax

import lagc
from lagc.learn.run_folder import with_initial
from lagc.learn.train import train
from lagc.learn.train_options import TrainOptions, TrainReport

jax.config.update("jax_enable_x64", True)
MODEL = Path(__file__).parents[1] / "dho.lag"
HELD_OUT = 4000
BATCH = 256


def row(label: str, *numbers: float | None) -> str:
    """A line of a table, empty where there is no number."""
    cells = " | ".join("" if x is None else f"{x:.2g}" for x in numbers)
    return f"| {label} | {cells} |"


def tables(report: TrainReport) -> str:
    """Errors in coefficients and in trajectories, as Markdown."""
    lines = ["| coefficient | median | 95 % | in interval | mean | regression |", "|---" * 6 + "|"]
    for name, e in report.coefficients.items():
        lines.append(
            row(
                name,
                e.median_relative_error,
                e.percentile95_relative_error,
                round(e.coverage95, 3),
                e.baseline_median_relative_error,
                e.regression_median_relative_error,
            )
        )
    lines += ["", "| rms in | pooled | median | 95 % |", "|---" * 4 + "|"]
    for name, t in report.trajectories.items():
        lines += [
            row(name, t.pooled_rms, t.median, t.percentile95),
            row(
                f"{name}, always the mean",
                t.baseline_pooled_rms,
                t.baseline_median,
                t.baseline_percentile95,
            ),
            row(
                f"{name}, regression alone",
                t.regression_pooled_rms,
                t.regression_median,
                t.regression_percentile95,
            ),
        ]
    own = asdict(report)
    names = ("systems_seen", "passes", "calibration", "updates", "held_out", "lost_trajectories")
    lines.append("\n" + ", ".join(f"{name} {own[name]}" for name in names))
    lines.append(
        f"all coefficients within their intervals: {report.joint_coverage95:.3f}; "
        f"{report.seconds:.0f} s, {report.cpu_seconds:.0f} s of processor time"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=["mlp", "lstm"], default="mlp")
    parser.add_argument("--features", choices=["regression", "trajectory"], default="regression")
    parser.add_argument("--vary", action="store_true", help="random q, p and steps")
    parser.add_argument("--noise", default="0,0.02", help="highest levels, a network for each")
    parser.add_argument("--systems", type=int, default=100_000, help="and 4096 for calibration")
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    system = with_initial(lagc.load(MODEL), {"q": 0.0, "p[q]": 0.0 if given.vary else 1.0})
    text = MODEL.read_text(encoding="utf-8")
    for highest in map(float, given.noise.split(",")):
        options = TrainOptions(
            network=given.network,
            features=given.features,
            systems=given.systems,
            passes=given.passes,
            held_out=HELD_OUT,
            step=(0.05, 0.2) if given.vary else 0.1,
            states="normal" if given.vary else "fixed",
            noise=(0.0, highest),
            learning_rate=given.learning_rate,
            batch=BATCH,
            seed=given.seed,
        )
        print(f"\n{given.network}, seed {given.seed}, trained for noise up to {100 * highest:g} %")
        with tempfile.TemporaryDirectory() as folder:
            report = train(system, options, output=Path(folder), text=text)
            tested = family_polished.test(Path(folder), system, highest / 2)
        print(tables(report), family_polished.tables(tested), sep="\n\n", flush=True)


if __name__ == "__main__":
    main()
