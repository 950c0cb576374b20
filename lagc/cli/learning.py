"""`lagc fit`: coefficients from recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, fail
from lagc.cli import common
from lagc.cli.posterior import PosteriorOptions, posterior_table
from lagc.cli.tables import print_tables, progress_of, unconverged

if TYPE_CHECKING:
    from lagc.learn.fit_result import FitResult
    from lagc.learn.selection import Selection
    from lagc.runtime import System

_SHOWN = 8  # models compared, outliers
_NEXT = "try another start (`--guess`), or hold values (`--fix`); `--plot` shows model and data"


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
@click.option(
    "--loss",
    type=click.Choice(["squares", "huber", "cauchy", "tukey"]),
    default="squares",
    help="How much a residual far from all others counts (squares).",
)
@click.option(
    "--sigma",
    "levels",
    multiple=True,
    metavar="NAME=VALUE",
    help="The known noise of a channel, such as q or p[q].",
)
@click.option("--output", metavar="FILE.lag", help="The model with the fitted numbers in it.")
@click.option("--report", metavar="FILE.html", help="A report with pictures, on one page.")
@click.option("--plot", metavar="FILE.png", help="Draw data, fit and residuals.")
@click.option(
    "--posterior",
    "method",
    type=click.Choice(["laplace", "nuts"]),
    help="Also the posterior under the laws of the model.",
)
@click.option("--samples", type=int, metavar="N", help="Draws from the posterior (2000).")
@click.option("--draws", metavar="FILE", help="Write them to a .nc or .csv file.")
@click.option("--seed", type=int, metavar="N", help="Of the draws (0).")
def fit_command(
    model: str,
    data: tuple[str, ...],
    fixed: tuple[str, ...],
    guesses: tuple[str, ...],
    order: int,
    selecting: bool,
    loss: str,
    levels: tuple[str, ...],
    output: str | None,
    report: str | None,
    plot: str | None,
    method: str | None,
    samples: int | None,
    draws: str | None,
    seed: int | None,
) -> int:
    """Estimate the coefficients of MODEL, with intervals, from DATA files: CSV, .nc, .parquet or
    .npz.

    The columns of a file are t, coordinates (q, r[0]), velocities (q', r'[0]), momenta (p[q]),
    accelerations (q''), and the model's inputs; a column `trajectory` tells several recordings
    apart. The exit code is 3 where the search did not converge.
    """
    from lagc.semantics.lines import MAX_ORDER

    if order % 2 or not 2 <= order <= MAX_ORDER:
        raise fail(Code.LAG509, f"the order {order} is not one of 2, 4, 6, ... {MAX_ORDER}")
    request = _posterior_options(method, samples, draws, seed)
    if request and loss != "squares":
        raise fail(
            Code.LAG510,
            f"--posterior goes with --loss squares: `{loss}` is no likelihood of normal noise",
        )
    from lagc.cli.fitting import Files, check_output

    files = Files(output, report, plot)
    files.check(model)
    compilation = common.compile_model(model)
    system = common.load_system(compilation)
    from lagc.learn.data import read_recordings
    from lagc.learn.fit import solve
    from lagc.learn.selection import select

    recordings = [r for path in data for r in read_recordings(path, system.spec)]
    held = _held(system, fixed)
    guess = common.assignments(guesses, "--guess")
    check_output(files, compilation, system, recordings, held)
    options: dict[str, Any] = {"fixed": held, "guess": guess, "r": order // 2 - 1}
    options |= {"loss": loss, "sigma": common.assignments(levels, "--sigma")}
    selection = None
    with progress_of("fitting") as progress:
        if selecting:
            selection = select(system, recordings, **options, progress=progress)
            solution = selection.solution
        else:
            solution = solve(system, recordings, **options, progress=progress)
        result = solution.result
        posterior, refused = None, []
        try:
            posterior = request.computed(solution, progress) if request else None
        except LagcError as error:  # the fit stands
            refused = list(error.diagnostics)
    written, problems = files.write(solution, compilation, system, recordings)
    answer = (selection or result).as_json() | {"written": written}
    if request:
        answer["posterior"] = posterior.as_json() if posterior else None
    if not common.answer(answer):
        _print_fit(result)
        if selection:
            _print_candidates(selection)
        if posterior:
            table, lines = posterior_table(posterior)
            print_tables([table], lines)
        for path in written:
            click.echo(f"wrote {path}")
        if output is not None and not result.converged:
            click.echo(f"{output} was not written: the fit did not converge")
    elif not result.converged:
        common.print_diagnostics([unconverged(result, result.model, _NEXT, output)])
    if problems or refused:
        raise LagcError([*problems, *refused])
    return 0 if result.converged else common.EXIT_NUMERICAL


def _posterior_options(
    method: str | None,
    samples: int | None,
    draws: str | None,
    seed: int | None,
) -> PosteriorOptions | None:
    """What `--posterior` and the options that go with it ask for; LAG510 for these without it."""
    if method is None:
        given = {"--samples": samples, "--draws": draws, "--seed": seed}
        for option, value in given.items():
            if value is not None:
                raise fail(Code.LAG510, f"{option} goes with --posterior laplace or nuts")
        return None
    options = PosteriorOptions(method, 2000 if samples is None else samples, draws, seed or 0)
    options.check()
    return options


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

    from lagc.presentation.fit_report import sensitivity_rows, with_digits

    table = Table("coefficient", "value", "std", "95 % interval", title=f"fit of {result.model}")
    for name, estimate in result.coefficients.items():
        if estimate.interval95 is None:
            reason = f"held ({estimate.held})" if estimate.held else "not known"
            how = "held" if name in result.fixed else reason
            table.add_row(name, f"{estimate.value:.10g}", "-", how)
            continue
        value, interval = with_digits(estimate.value, estimate.interval95)
        std = "-" if estimate.std is None else f"{estimate.std:.3g}"
        table.add_row(name, value, std, interval)
    residuals = ", ".join(f"{k} {v:.3g}" for k, v in result.residual_rms.items())
    print_tables(
        [table],
        [
            f"{result.observations} observations, rms residuals: {residuals}",
            f"AIC {result.aic:.6g}, BIC {result.bic:.6g}, loss {result.loss}",
            f"order {result.order}, integration steps between two rows: {result.substeps}",
            *_outlier_lines(result),
            *(
                f"known to a part of {part}: {direction}"
                for _, part, direction in sensitivity_rows(result)
                if part != "not known"
            ),
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
    print_tables([table], [f"and {more} more"] if more > 0 else [])


def _outlier_lines(result: FitResult) -> Iterator[str]:
    for o in result.outliers[:_SHOWN]:
        yield f"outlier: {o.recording}, row {o.row}, {o.column}: {o.size:.3g} times the noise"
    if len(result.outliers) > _SHOWN:
        yield f"and {len(result.outliers) - _SHOWN} more outliers"
