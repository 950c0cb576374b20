"""`lagc fit` and `lagc train`: coefficients from recordings, and networks trained on a family."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.cli import common

if TYPE_CHECKING:
    from lagc.learn.fit_result import FitResult
    from lagc.learn.progress import Callback
    from lagc.learn.selection import Selection
    from lagc.learn.train_options import TrainReport
    from lagc.runtime import System

_SHOWN = 8  # models compared


@click.command("fit", cls=common.Command)
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Hold a coefficient, at its default if no value is given.",
)
@click.option(
    "--guess", "guesses", multiple=True, metavar="NAME=VALUE", help="Where the search starts."
)
@click.option("--order", type=int, default=6, metavar="P", help="Order of accuracy (6).")
@click.option(
    "--select",
    "selecting",
    is_flag=True,
    help="Leave out the terms that the data do not ask for, of those whose bounds admit zero.",
)
def fit_command(
    model: str,
    data: tuple[str, ...],
    fixed: tuple[str, ...],
    guesses: tuple[str, ...],
    order: int,
    selecting: bool,
) -> int:
    """Estimate the coefficients of MODEL, with intervals, from DATA.csv files.

    The columns of a file are t, coordinates (q, r[0]), velocities (q', r'[0]), momenta (p[q]), and
    the model's inputs; a column `trajectory` tells several recordings apart. The exit code is 3
    where the search did not converge.
    """
    from lagc.semantics.lines import MAX_ORDER

    if order % 2 or not 2 <= order <= MAX_ORDER:
        raise fail(Code.LAG509, f"the order {order} is not one of 2, 4, 6, ... {MAX_ORDER}")
    system = common.load_model(model)
    from lagc.learn.data import read_recordings
    from lagc.learn.fit import fit
    from lagc.learn.selection import select

    recordings = [r for path in data for r in read_recordings(path, system.spec)]
    held = _held(system, fixed)
    guess = common.assignments(guesses, "--guess")
    options: dict[str, Any] = {"fixed": held, "guess": guess, "r": order // 2 - 1}
    selection = None
    with _progress("fitting") as progress:
        if selecting:
            selection = select(system, recordings, **options, progress=progress)
            result = selection.result
        else:
            result = fit(system, recordings, **options, progress=progress)
    if common.answer((selection or result).as_json()):
        return 0 if result.converged else common.EXIT_NUMERICAL
    _print_fit(result)
    if selection:
        _print_candidates(selection)
    return 0 if result.converged else common.EXIT_NUMERICAL


def _held(system: System, items: Sequence[str]) -> dict[str, float]:
    """What `--fix` holds: at the value given, or at the model's default."""
    defaults = {c.name: c.default for c in system.spec.coefficients}
    values: dict[str, float] = {}
    for item in items:
        name = item.partition("=")[0].strip()
        if name in values:
            raise fail(Code.LAG510, f"--fix: `{name}` is given twice")
        if "=" in item:
            values |= common.assignments([item], "--fix")
            continue
        default = defaults.get(name)
        if name in defaults and default is None:
            raise fail(
                Code.LAG502,
                f"coefficient `{name}` has no default to be held at",
                help=f"give a value: --fix {name}=VALUE",
            )
        # An unknown name is refused by the fit, which knows all of them.
        values[name] = 0.0 if default is None else default
    return values


def _print_fit(result: FitResult) -> None:
    from rich.table import Table

    table = Table("coefficient", "value", "std", "95 % interval", title=f"fit of {result.model}")
    for name, estimate in result.coefficients.items():
        if estimate.std is None or estimate.interval95 is None:
            reason = f"held ({estimate.held})" if estimate.held else "not known"
            how = "held" if name in result.fixed else reason
            table.add_row(name, f"{estimate.value:.10g}", "-", how)
            continue
        value, interval = _with_digits(estimate.value, estimate.interval95)
        table.add_row(name, value, f"{estimate.std:.3g}", interval)
    residuals = ", ".join(f"{k} {v:.3g}" for k, v in result.residual_rms.items())
    _print_tables(
        [table],
        [
            f"{result.observations} observations, rms residuals: {residuals}",
            f"AIC {result.aic:.6g}, BIC {result.bic:.6g}",
            f"order {result.order}, integration steps between two rows: {result.substeps}",
            *(f"gauge: {sentence}" for sentence in result.gauge),
            *(f"note: {sentence}" for sentence in result.notes),
            "converged" if result.converged else "NOT CONVERGED: do not trust the intervals",
        ],
    )


def _print_candidates(selection: Selection) -> None:
    from rich.table import Table

    table = Table("left out", "criterion less the best", title="models compared")
    best = selection.candidates[0].criterion
    for candidate in selection.candidates[:_SHOWN]:
        behind = f"{candidate.criterion - best:.3g}" if candidate.converged else "did not converge"
        table.add_row(", ".join(sorted(candidate.without)) or "nothing", behind)
    more = len(selection.candidates) - _SHOWN
    _print_tables([table], [f"and {more} more"] if more > 0 else [])


def _with_digits(value: float, interval: tuple[float, float]) -> tuple[str, str]:
    """Value and interval with two digits of its half width, and at least 10 of the value."""
    low, high = interval
    half = (high - low) / 2
    largest = max(abs(low), abs(high))
    digits = 10
    if half > 0:
        needed = math.floor(math.log10(largest)) - math.floor(math.log10(half)) + 2
        digits = min(max(needed, digits), 17)
    ends = f"{low:.{digits}g} .. {high:.{digits}g}"
    return f"{value:.{digits}g}", ends if high > low else f"+- {half:.2g}"


@click.command("train", cls=common.Command)
@click.argument("model")
@click.option("--network", type=click.Choice(["lstm", "mlp"]), default="mlp", help="(mlp)")
@click.option("--systems", type=int, metavar="N", help="Members of the family to draw in all.")
@click.option("--held-out", type=int, default=1000, metavar="N", help="Test systems (1000).")
@click.option("--steps", type=int, default=40, metavar="N", help="Integration steps (40).")
@click.option("--step", metavar="H", help="Their length (the model's `run` line, or 0.1).")
@click.option(
    "--observe", type=click.Choice(["q,p", "q,v"]), default="q,p", help="What is seen (q,p)."
)
@click.option("--batch", type=int, default=256, metavar="N", help="Systems an update (256).")
@click.option("--seed", type=int, default=0, metavar="N", help="(0)")
@click.option("--output", metavar="DIR", help="Folder for checkpoint and report (NAME-training).")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the folder.")
@click.option("--overwrite", is_flag=True, help="Replace the checkpoint in the folder.")
def train_command(
    model: str,
    network: Any,
    systems: int | None,
    held_out: int,
    steps: int,
    step: str | None,
    observe: Any,
    batch: int,
    seed: int,
    output: str | None,
    resume: bool,
    overwrite: bool,
) -> int:
    """Train a network to read the coefficients of a member of MODEL's family off its trajectory.

    Members are drawn from the laws (`~ ...`) of the coefficients. The report compares the network
    with always answering the mean, on systems it has never seen.
    """
    if resume and overwrite:
        raise fail(Code.LAG510, "--resume and --overwrite cannot be given together")
    system = common.load_model(model)
    from lagc.learn.train import train
    from lagc.learn.train_options import TrainOptions

    options = TrainOptions(
        network=network,
        systems=systems,
        held_out=held_out,
        steps=steps,
        step=None if step is None else common.number(step, "--step"),
        observed=observe,
        batch=batch,
        seed=seed,
    )
    folder = Path(output if output is not None else f"{system.spec.name}-training")
    with _progress("training") as progress:
        report = train(
            system,
            options,
            output=folder,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
        )
    if not common.answer(report.as_json() | {"output": str(folder)}):
        _print_report(report, folder)
    return 0


def _print_report(report: TrainReport, folder: Path) -> None:
    from rich.table import Table

    coefficients = Table(
        "coefficient",
        "median rel. error",
        "(mean)",
        "rmse",
        "(mean)",
        title="held-out coefficients",
    )
    for name, e in report.coefficients.items():
        numbers = (
            e.median_relative_error,
            e.baseline_median_relative_error,
            e.rmse,
            e.baseline_rmse,
        )
        coefficients.add_row(name, *(f"{x:.3g}" for x in numbers))
    trajectories = Table(
        "rms in", "pooled", "(mean)", "median", "(mean)", "95 %", "(mean)", title="trajectories"
    )
    for name, t in report.trajectories.items():
        numbers_of = (
            t.pooled_rms,
            t.baseline_pooled_rms,
            t.median,
            t.baseline_median,
            t.percentile95,
            t.baseline_percentile95,
        )
        trajectories.add_row(name, *(f"{x:.3g}" for x in numbers_of))
    lost = f", {report.lost_trajectories} of them lost" if report.lost_trajectories else ""
    _print_tables(
        [coefficients, trajectories],
        [
            f"{report.network} of {report.model}, supervised by the {report.supervision}: "
            f"{report.systems_seen} systems seen ({report.dropped} dropped), "
            f"{report.held_out} held out{lost}, {report.seconds:.0f} s",
            "(mean): always answering the mean coefficient, or the mean trajectory",
            f"wrote {folder}",
        ],
    )


def _print_tables(tables: Sequence[Any], lines: Sequence[str]) -> None:
    """Tables and plain lines on stdout; names in brackets are text, not markup."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, soft_wrap=True)
    for table in tables:
        console.print(table)
    for line in lines:
        console.print(line)


@contextlib.contextmanager
def _progress(title: str) -> Iterator[Callback]:
    """The callback that the learning code reports to."""
    with common.progress_bar(title) as show:
        yield lambda progress: show(progress.done, progress.total, progress.detail)
