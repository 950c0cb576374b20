"""What `lagc fit --posterior` adds: options, a table, and draws as a file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.cli import common

if TYPE_CHECKING:
    from rich.table import Table

    from lagc.learn.fit import Solution
    from lagc.learn.posterior_result import Posterior
    from lagc.learn.progress import Callback

_FORMATS = (".nc", ".csv")


@dataclass(frozen=True)
class PosteriorOptions:
    """method: `laplace` or `nuts`; samples in all; where the draws go, or None; seed."""

    method: Any
    samples: int
    draws: str | None
    seed: int

    def check(self) -> None:
        """Refuse what could not be done or written, before anything is computed."""
        from lagc.learn.posterior import check_request

        check_request(self.method, self.samples, self.seed)
        if self.draws is None:
            return
        suffix = Path(self.draws).suffix
        if suffix not in _FORMATS:
            kinds = ", ".join(_FORMATS)
            raise fail(Code.LAG510, f"--draws {self.draws}: the file type is one of {kinds}")
        if Path(self.draws).is_dir() or not Path(self.draws).absolute().parent.is_dir():
            raise fail(Code.LAG002, f"{self.draws}: the folder does not exist, or this is one")
        if suffix == ".nc":
            from lagc.cli.results import require_xarray

            require_xarray()

    def computed(self, solution: Solution, progress: Callback) -> Posterior | None:
        """The posterior, its draws written; None after a fit that has none."""
        from lagc.learn.posterior import posterior

        if not solution.follows:
            return None
        found = posterior(
            solution,
            method=self.method,
            samples=self.samples,
            seed=self.seed,
            progress=progress,
        )
        if self.draws is not None:
            data = _csv(found) if self.draws.endswith(".csv") else _netcdf(found)
            common.write_atomically(self.draws, data)
        return found


def posterior_table(found: Posterior) -> tuple[Table, list[str]]:
    """A table of the coefficients and lines below it."""
    from rich.table import Table

    table = Table("coefficient", "median", "std", "95 % interval", title=_title(found))
    for name, marginal in found.coefficients.items():
        low, high = marginal.interval95
        table.add_row(
            name, f"{marginal.median:.6g}", f"{marginal.std:.3g}", f"{low:.6g} .. {high:.6g}"
        )
    lines = [
        f"probability of {name} = {value:g}: {probability:.3g}"
        for name, marginal in found.coefficients.items()
        for value, probability in marginal.points.items()
    ]
    worth = f"{len(found.draws)} draws, seed {found.seed}; effective {found.effective_draws:.0f}"
    if found.r_hat is not None:
        worth += f", R-hat up to {found.r_hat:.4g}, {found.divergences} divergences"
    lines.append(worth)
    if found.log_evidence is not None:
        lines.append(f"log evidence {found.log_evidence:.6g}")
    return table, lines + [f"note: {sentence}" for sentence in found.notes]


def _title(found: Posterior) -> str:
    return f"posterior ({'Laplace, corrected' if found.method == 'laplace' else 'NUTS'})"


def _csv(found: Posterior) -> bytes:
    """A line for each draw; a label that holds a comma or a quotation mark is quoted."""
    import csv

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["chain", *found.labels])
    for chain, row in zip(found.chain.tolist(), found.draws.tolist(), strict=True):
        writer.writerow([chain, *map(repr, row)])
    return stream.getvalue().encode()


def _netcdf(found: Posterior) -> bytes:
    from lagc.cli.results import require_xarray

    dataset = require_xarray().Dataset(
        {"posterior": (("draw", "unknown"), found.draws), "chain": (("draw",), found.chain)},
        coords={"unknown": list(found.labels)},
        attrs={"method": found.method, "seed": found.seed},
    )
    stream = io.BytesIO()
    dataset.to_netcdf(stream, engine="h5netcdf")
    return stream.getvalue()
