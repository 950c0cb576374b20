"""`lagc train`: networks trained on the members of a family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, fail
from lagc.base.spans import Source
from lagc.cli import common
from lagc.cli.initial import with_initial
from lagc.cli.tables import print_tables, progress_of

if TYPE_CHECKING:
    from lagc.driver import Compilation
    from lagc.learn.train_options import TrainReport


@click.command("train", cls=common.Command)
@click.argument("model")
@click.option("--network", type=click.Choice(["lstm", "mlp"]), default="mlp", help="(mlp)")
@click.option(
    "--systems", type=int, metavar="N", help="Members, rounded up to whole batches (500,000)."
)
@click.option("--passes", type=int, default=1, metavar="N", help="Times each is seen (1).")
@click.option("--held-out", type=int, default=1000, metavar="N", help="Test systems (1000).")
@click.option("--steps", type=int, default=40, metavar="N", help="Integration steps (40).")
@click.option(
    "--step",
    metavar="H|LOW..HIGH",
    help="Their length, or the range it is drawn from (the model's `run` line, or 0.1).",
)
@click.option(
    "--states",
    type=click.Choice(["fixed", "normal"]),
    help="Initial states: the model's, or spread around it (fixed, where it has one).",
)
@click.option(
    "--spread", default="1", metavar="S", help="Standard deviation of random initial states (1)."
)
@click.option("--initial", metavar='"q=1, q\'=0"', help="Initial values, overriding the model's.")
@click.option(
    "--noise",
    default="0",
    metavar="LEVEL|LOW..HIGH",
    help="Noise, as a part of a channel's standard deviation (0).",
)
@click.option(
    "--missing", default="0", metavar="PART|LOW..HIGH", help="Part of the values missing (0)."
)
@click.option(
    "--observe", type=click.Choice(["q,p", "q,v"]), default="q,p", help="What is seen (q,p)."
)
@click.option(
    "--features",
    type=click.Choice(["regression", "trajectory"]),
    default="regression",
    help="What the network sees beside the trajectory: estimates from the equations of motion, or "
    "nothing (regression).",
)
@click.option("--batch", type=int, default=256, metavar="N", help="Systems an update (256).")
@click.option("--width", type=int, metavar="N", help="Hidden units (128 for mlp, 64 for lstm).")
@click.option("--learning-rate", metavar="X", default="2e-3", help="At its peak (2e-3).")
@click.option(
    "--fine-tune",
    "fine_tuning",
    type=int,
    default=0,
    metavar="N",
    help="Updates by the trajectories, through the integrator, after all others (0).",
)
@click.option("--seed", type=int, default=0, metavar="N", help="(0)")
@click.option("--output", metavar="DIR", help="Folder of the run (NAME-training).")
@click.option("--plot", metavar="FILE.png", help="Draw learning curves, and predicted over true.")
@click.option(
    "--coordinator", metavar="HOST:PORT", help="Train together with other processes: the first's."
)
@click.option("--processes", type=int, default=1, metavar="N", help="How many there are (1).")
@click.option("--process", type=int, default=0, metavar="K", help="Which one this is (0).")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the folder.")
@click.option("--overwrite", is_flag=True, help="Replace the checkpoint in the folder.")
def train_command(
    model: str,
    step: str | None,
    spread: str,
    initial: str | None,
    noise: str,
    missing: str,
    observe: Any,
    learning_rate: str,
    fine_tuning: int,
    output: str | None,
    plot: str | None,
    coordinator: str | None,
    processes: int,
    process: int,
    resume: bool,
    overwrite: bool,
    **given: Any,
) -> int:
    """Train a network to read the coefficients of a member of MODEL's family off its trajectory.

    Members are drawn from the laws (`~ ...`) of the coefficients. The report compares the network
    with always answering the mean and with the regression alone, on systems it has never seen.
    `lagc predict` reads recordings with the network in the folder.

    Every update is divided among all devices that jax has (JAX_NUM_CPU_DEVICES tells it to divide a
    processor), and with --coordinator among those of several processes, on one host or more: start
    the same command once for each, with its own --process. The first writes the folder.
    """
    if resume and overwrite:
        raise fail(Code.LAG510, "--resume and --overwrite cannot be given together")
    systems, batch = given["systems"], given["batch"]
    if systems is not None and 1 <= systems < batch:
        raise fail(
            Code.LAG510,
            f"--systems {systems}: an update draws a batch of {batch}",
            help=f"draw at least that many, or smaller batches (`--batch {systems}`)",
        )
    if coordinator is None and (processes, process) != (1, 0):
        raise fail(Code.LAG510, "--processes and --process need --coordinator HOST:PORT")
    if coordinator is not None:
        from lagc.learn.devices import connect

        connect(coordinator, processes, process)
    if plot is not None:
        from lagc.plotting import check_plot

        check_plot(plot)
    compilation = _in_one_file(common.compile_model(model))
    system = with_initial(common.load_system(compilation), compilation, initial)
    from lagc.learn.finetune import FineTune
    from lagc.learn.train import train
    from lagc.learn.train_options import TrainOptions

    steps = None if step is None else _range(step, "--step")
    options = TrainOptions(
        step=steps[0] if steps is not None and steps[0] == steps[1] else steps,
        spread=common.number(spread, "--spread"),
        noise=_range(noise, "--noise"),
        missing=_range(missing, "--missing"),
        observed=observe,
        learning_rate=common.number(learning_rate, "--learning-rate"),
        fine_tune=FineTune(updates=fine_tuning),
        **given,
    )
    folder = Path(output if output is not None else f"{system.spec.name}-training")
    with progress_of("training") as progress:
        report = train(
            system,
            options,
            output=folder,
            text=compilation.source.text,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
        )
    if process > 0:
        return 0
    if plot is not None:
        _plot(folder, plot)
    if not common.answer(report.as_json() | {"output": str(folder), "plot": plot}):
        _print_report(report, folder)
    return 0


def _in_one_file(compilation: Compilation) -> Compilation:
    """The same model without `use`, so that a folder can hold its text."""
    if not compilation.model.used:
        return compilation
    from lagc.driver import compile_source
    from lagc.syntax.files import with_used
    from lagc.syntax.printer import format_file

    whole, _ = with_used(compilation.file, compilation.source, Diagnostics())
    return compile_source(Source(compilation.source.name, format_file(whole)))


def _range(text: str, option: str) -> tuple[float, float]:
    """`0.1` or `0.05..0.2`; LAG510 for anything else."""
    low, dots, high = text.partition("..")
    first = common.number(low, f"{option} {text}")
    return first, common.number(high, f"{option} {text}") if dots else first


def _plot(folder: Path, path: str) -> None:
    from lagc.learn.log import read_log
    from lagc.learn.run_folder import LOG, read_held_out
    from lagc.plotting import plot_training

    plot_training(read_log(folder / LOG), read_held_out(folder), path)


def _print_report(report: TrainReport, folder: Path) -> None:
    from rich.table import Table

    alone = report.features == "regression"
    columns = ["coefficient", "median rel. error", "95 %", "rmse", "in 95 % interval"]
    columns += ["(mean) median", "(mean) rmse"]
    columns += ["(regression) median", "(regression) rmse"] if alone else []
    coefficients = Table(*columns, title="held-out coefficients")
    for name, e in report.coefficients.items():
        cells = [
            f"{e.median_relative_error:.3g}",
            f"{e.percentile95_relative_error:.3g}",
            f"{e.rmse:.3g}",
            f"{100 * e.coverage95:.1f} %",
            f"{e.baseline_median_relative_error:.3g}",
            f"{e.baseline_rmse:.3g}",
        ]
        if e.regression_median_relative_error is not None and e.regression_rmse is not None:
            cells += [f"{e.regression_median_relative_error:.3g}", f"{e.regression_rmse:.3g}"]
        coefficients.add_row(name, *cells)
    trajectories = Table("rms in", "of", "pooled", "median", "95 %", title="trajectories")
    for name, t in report.trajectories.items():
        rows = {
            report.network: (t.pooled_rms, t.median, t.percentile95),
            "mean": (t.baseline_pooled_rms, t.baseline_median, t.baseline_percentile95),
            "regression": (t.regression_pooled_rms, t.regression_median, t.regression_percentile95),
        }
        for what, numbers in rows.items():
            found = [f"{x:.3g}" for x in numbers if x is not None]
            if found:
                trajectories.add_row(name, what, *found)
    lost = f", {report.lost_trajectories} of them lost" if report.lost_trajectories else ""
    held = [
        f"{name} is held at {value:.6g}: these channels do not fix it"
        for name, value in report.held.items()
    ]
    seen = f" {report.passes} times" if report.passes > 1 else ""
    if report.systems_seen > report.systems_asked:
        seen += f", {report.systems_asked} asked for, in whole batches of {report.batch}"
    print_tables(
        [coefficients, trajectories],
        [
            *held,
            f"{report.network} of {report.model}, supervised by the {report.supervision}: "
            f"{report.systems_seen} systems seen{seen} ({report.dropped} dropped), "
            f"{report.held_out} held out{lost}, {report.seconds:.0f} s "
            f"({report.cpu_seconds:.0f} s of processor time)",
            "(mean): always answering the mean coefficient, or the mean trajectory",
            *(["(regression): the estimates among the features, without the network"] * alone),
            f"wrote {folder}",
        ],
    )
