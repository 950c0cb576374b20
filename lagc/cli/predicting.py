"""`lagc predict`: coefficients of recordings from a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lagc.cli import common
from lagc.cli.tables import print_tables, progress_of, unconverged

if TYPE_CHECKING:
    from lagc.base.diagnostics import Diagnostic
    from lagc.learn.predict import Predicted
    from lagc.runtime import System

_NEXT = "`lagc fit` takes another start (`--guess`) and draws model and data (`--plot`)"


@click.command("predict", cls=common.Command)
@click.argument("run")
@click.argument("data", nargs=-1, required=True)
@click.option("--no-polish", is_flag=True, help="Leave it at what the network says.")
@click.option("--noise", metavar="LEVEL", help="Noise over spread, if not as the rows scatter.")
@click.option("--model", metavar="FILE.lag", help="The model, where the folder does not hold it.")
def predict_command(
    run: str, data: tuple[str, ...], no_polish: bool, noise: str | None, model: str | None
) -> int:
    """Predict the coefficients of each recording in DATA.csv files by the network in RUN.

    RUN is the folder that `lagc train` wrote. Each prediction is the start of a fit to its
    recording, unless --no-polish is given; the exit code is 3 where one did not converge. Files are
    as for `lagc fit`.
    """
    from lagc.base.codes import Code
    from lagc.base.diagnostics import fail

    folder = Path(run)
    level = None if noise is None else common.number(noise, "--noise")
    if level is not None and level < 0:
        raise fail(Code.LAG510, f"--noise {noise}: a level is not negative")
    system = _system(folder, model)
    from lagc.learn.data import read_recordings
    from lagc.learn.predict import predict
    from lagc.learn.run_folder import load_run

    trained = load_run(folder, system)
    spec = trained.reader.family.system.spec
    recordings = [r for path in data for r in read_recordings(path, spec)]
    with progress_of("predicting") as progress:
        results = predict(trained, recordings, noise=level, polish=not no_polish, progress=progress)
    done = no_polish or all(x.fit is not None and x.fit.converged for x in results)
    content = {
        "run": run,
        "model": spec.name,
        "network": trained.reader.options.network,
        "recordings": [x.as_json() for x in results],
    }
    if not common.answer(content):
        for result in results:
            _print(result, polished=not no_polish)
    elif not no_polish:  # the tables say it themselves
        common.print_diagnostics(x for result in results for x in _unfitted(result))
    return 0 if done else common.EXIT_NUMERICAL


def _unfitted(result: Predicted) -> list[Diagnostic]:
    """Why the command does not succeed, where that is by this recording."""
    from lagc.base.codes import Code
    from lagc.base.diagnostics import Diagnostic

    if result.fit is not None and result.fit.converged:
        return []
    if result.fit is not None:
        return [unconverged(result.fit, result.recording, _NEXT)]
    return [Diagnostic(Code.LAG602, f"{result.recording}: {result.failure}", help=_NEXT)]


def _system(folder: Path, model: str | None) -> System:
    """The model of a run: of the text that its folder holds, unless one is given."""
    from lagc.base.codes import Code
    from lagc.base.diagnostics import fail
    from lagc.learn.run_folder import MODEL, read_description

    read_description(folder)
    kept = folder / MODEL
    if model is None and not kept.is_file():
        raise fail(
            Code.LAG605, f"{folder} does not hold the text of the model", help="give it: --model"
        )
    return common.load_model(str(kept) if model is None else model)


def _print(result: Predicted, *, polished: bool) -> None:
    from rich.table import Table

    from lagc.presentation.fit_report import with_digits

    columns = ["coefficient", "predicted", "std", "95 % interval"]
    if polished:
        columns += ["fitted", "std", "95 % interval"]
    table = Table(*columns, title=result.recording)
    for name, estimate in result.coefficients.items():
        cells = [name]
        fitted = None if result.fit is None else result.fit.coefficients[name]
        for part in [estimate, fitted][: 1 + polished]:
            if part is None:
                cells += ["-"] * 3
            elif part.interval95 is None:
                cells += [f"{part.value:.10g}", "-", f"held ({part.held})" if part.held else "-"]
            else:
                value, interval = with_digits(part.value, part.interval95, least=6)
                cells += [value, "-" if part.std is None else f"{part.std:.2g}", interval]
        table.add_row(*cells)
    lines = [f"note: {sentence}" for sentence in result.notes]
    if result.failure:
        lines.append(f"NOT FITTED: {result.failure}")
    if result.fit is not None:
        lines += [f"gauge: {sentence}" for sentence in result.fit.gauge]
        lines += [f"note: {sentence}" for sentence in result.fit.notes]
        lines.append("converged" if result.fit.converged else "NOT CONVERGED")
    print_tables([table], lines)
