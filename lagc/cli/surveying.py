"""`lagc landscape`: a picture of the sum of squares around a fitted solution."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.cli import common

if TYPE_CHECKING:
    from lagc.learn.landscape import Landscape

_GRIDS = (".csv", ".nc")


@click.command("landscape", cls=common.Command)
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--coefficients", metavar="A,B", help="The two to vary (else two principal directions)."
)
@click.option("--points", type=int, default=61, metavar="N", help="Points of each axis (61).")
@click.option(
    "--extent",
    metavar="E",
    help="How far to each side, as a part of the values (else six standard errors).",
)
@click.option(
    "--fix", "fixed", multiple=True, metavar="NAME=VALUE", help="Hold a coefficient at a value."
)
@click.option(
    "--guess", "guesses", multiple=True, metavar="NAME=VALUE", help="Where the fit starts."
)
@click.option("--order", type=int, default=6, metavar="P", help="Order of accuracy (6).")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="Picture (.png, .pdf, .svg, .jpg) or grid (.csv, .nc); may be repeated.",
)
def landscape_command(
    model: str,
    data: tuple[str, ...],
    coefficients: str | None,
    points: int,
    extent: str | None,
    fixed: tuple[str, ...],
    guesses: tuple[str, ...],
    order: int,
    outputs: tuple[str, ...],
) -> int:
    """Draw the weighted sum of squares of MODEL for DATA around its minimum.

    The model is fitted to the data first; everything but two coefficients, or two principal
    directions of the normal matrix, stays at the solution. The picture shows the solution and the
    95 % regions of the linearised problem. Files are as for `lagc fit`; without --output, a picture
    and a table NAME-landscape are written.
    """
    from lagc.cli.results import check_format
    from lagc.plotting import check_plot
    from lagc.semantics.lines import MAX_ORDER

    if order % 2 or not 2 <= order <= MAX_ORDER:
        raise fail(Code.LAG509, f"the order {order} is not one of 2, 4, 6, ... {MAX_ORDER}")
    for path in outputs:
        if Path(path).suffix in _GRIDS:
            check_format(path)
        else:
            check_plot(path, "--output", _GRIDS)
    pair = None if coefficients is None else _pair(coefficients)
    reach = None if extent is None else common.number(extent, "--extent")
    system = common.load_model(model)
    from lagc.learn.data import read_recordings
    from lagc.learn.landscape import landscape

    stem = f"{system.spec.name}-landscape"
    outputs = outputs or (f"{stem}.png", f"{stem}.csv")
    recordings = [r for path in data for r in read_recordings(path, system.spec)]
    with common.progress_bar("landscape") as show:
        found = landscape(
            system,
            recordings,
            coefficients=pair,
            points=points,
            extent=reach,
            fixed=common.assignments(fixed, "--fix"),
            guess=common.assignments(guesses, "--guess"),
            r=order // 2 - 1,
            progress=lambda p: show(p.done, p.total, p.detail),
        )
    for path in outputs:
        _write(found, path)
    if not common.answer(_summary(found) | {"outputs": list(outputs)}):
        first, second = found.axes
        click.echo(f"chi^2 over {first.label} and {second.label}, {found.minimum:.6g} at its least")
        for path in outputs:
            click.echo(f"wrote {path}")
    return 0


def _pair(text: str) -> tuple[str, str]:
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise fail(Code.LAG510, f"--coefficients {text}: write two names, A,B")
    return names[0], names[1]


def _summary(found: Landscape) -> dict[str, Any]:
    """What `--json` prints beside the files."""
    axes = [
        {
            "label": a.label,
            "direction": dict(zip(found.fit.coefficients, a.direction.tolist(), strict=True)),
            "centre": a.centre,
            "range": [float(a.values[0]), float(a.values[-1])],
        }
        for a in found.axes
    ]
    return {
        "model": found.fit.model,
        "axes": axes,
        "minimum": found.minimum,
        "section": found.section.tolist(),
        "covariance": found.covariance.tolist(),
        "coefficients": found.fit.values,
    }


def _write(found: Landscape, path: str) -> None:
    from lagc.plotting import plot_landscape

    suffix = Path(path).suffix
    if suffix == ".csv":
        columns = found.columns()
        lines = [f"# model: {found.fit.model}", ",".join(columns)]
        table = [column.tolist() for column in columns.values()]
        lines += [",".join(map(repr, row)) for row in zip(*table, strict=True)]
        common.write_atomically(path, ("\n".join(lines) + "\n").encode())
    elif suffix == ".nc":
        common.write_atomically(path, _netcdf(found))
    else:
        plot_landscape(found, path)


def _netcdf(found: Landscape) -> bytes:
    import io

    from lagc.cli.results import require_xarray

    first, second = found.axes
    names = ("first", "second")
    dataset = require_xarray().Dataset(
        {"chi2": (names, found.chi2)},
        coords=dict(zip(names, (first.values, second.values), strict=True)),
        attrs={
            "model": found.fit.model,
            "minimum": found.minimum,
            "label_first": first.label,
            "label_second": second.label,
        },
    )
    stream = io.BytesIO()
    dataset.to_netcdf(stream, engine="h5netcdf")
    return stream.getvalue()
