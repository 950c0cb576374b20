"""`lagc fit`: coefficients from recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.cli import common
from lagc.cli.tables import print_tables, progress_of, with_digits

if TYPE_CHECKING:
    from lagc.learn.fit_result import FitResult
    from lagc.learn.selection import Selection
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
    with progress_of("fitting") as progress:
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
        value, interval = with_digits(estimate.value, estimate.interval95)
        table.add_row(name, value, f"{estimate.std:.3g}", interval)
    residuals = ", ".join(f"{k} {v:.3g}" for k, v in result.residual_rms.items())
    print_tables(
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

    table = Table("left out", "BIC less the best", title="models compared")
    best = selection.candidates[0].bic
    for candidate in selection.candidates[:_SHOWN]:
        behind = f"{candidate.bic - best:.3g}" if candidate.converged else "did not converge"
        table.add_row(", ".join(sorted(candidate.without)) or "nothing", behind)
    more = len(selection.candidates) - _SHOWN
    print_tables([table], [f"and {more} more"] if more > 0 else [])
