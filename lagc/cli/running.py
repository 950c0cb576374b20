"""`lagc run`: a model integrated from the command line."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostic, LagcError, fail
from lagc.cli import common
from lagc.cli.initial import with_initial
from lagc.cli.results import Result, check_format, write_result
from lagc.plotting import check_plot, plot_trajectory

if TYPE_CHECKING:
    from lagc.driver import Compilation
    from lagc.runtime import System, Trajectory

CHUNK = 20_000
_DEFAULT_ORDER = 6
_ENERGY_KEPT = 0.01  # of twice the kinetic energy
_MOST_LINES = 12  # of a summary: a lattice has many degrees of freedom


@dataclass(frozen=True)
class _Schedule:
    """How long, in which steps, and at which order."""

    step: float
    steps: int
    order: int

    @property
    def r(self) -> int:
        return self.order // 2 - 1


@click.command("run", cls=common.Command)
@click.argument("model")
@click.option("--until", metavar="T", help="End time (starts at 0).")
@click.option("--step", metavar="H", help="Step; negative to integrate backward.")
@click.option("--order", type=int, metavar="P", help="Order of accuracy: 2, 4, ... 258.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A coefficient.")
@click.option("--initial", metavar='"q=1, q\'=0"', help="Initial values, overriding the model's.")
@click.option(
    "--input",
    "signals",
    multiple=True,
    metavar="NAME=VALUE|FILE.csv",
    help="An input: a constant, or a file with columns t and NAME.",
)
@click.option("--weights", metavar="FILE.eqx", help="Weights of the neural terms.")
@click.option("--output", metavar="FILE.nc|npz|csv", help="Save the trajectory.")
@click.option("--plot", metavar="FILE.png", help="Draw the trajectory.")
def run_command(
    model: str,
    until: str | None,
    step: str | None,
    order: int | None,
    settings: tuple[str, ...],
    initial: str | None,
    signals: tuple[str, ...],
    weights: str | None,
    output: str | None,
    plot: str | None,
) -> int:
    """Integrate MODEL; what is not given comes from its `initial` and `run` lines."""
    if output is not None:
        check_format(output)
    if plot is not None:
        check_plot(plot)
    started = time.perf_counter()
    compilation = common.compile_model(model)
    system = common.load_system(compilation)
    compile_seconds = time.perf_counter() - started

    _require_all(system, until, step, initial, signals)
    schedule = _schedule(system, until, step, order)
    coefficients = common.assignments(settings, "--set")
    options: dict[str, Any] = {
        **_initial_state(system, compilation, initial),
        "coefficients": coefficients,
        "inputs": _signals(signals, schedule),
        "neural": _neural(system, weights),
        "dt": schedule.step,
        "steps": schedule.steps,
        "r": schedule.r,
    }
    started = time.perf_counter()
    _first_call(system, options)
    first_call_seconds = time.perf_counter() - started

    started = time.perf_counter()
    trajectory, interrupted = _integrate(system, options)
    run_seconds = time.perf_counter() - started

    result = Result.of(system, trajectory, options, schedule.order, interrupted)
    written, problems = _write(result, system, output, plot)
    seconds = {"compile": compile_seconds, "first_call": first_call_seconds, "run": run_seconds}
    summary = result.summary() | {"seconds": seconds, "output": output}
    if not common.answer(summary):
        _print_summary(result, seconds, written)
    if interrupted:
        raise KeyboardInterrupt
    if result.status != "ok":
        raise fail(
            Code.LAG508,
            f"`{system.spec.name}`: {result.status} (t = {result.failure_time:g})",
            help="what was computed before it is kept; try a smaller --step",
        )
    _warn_of_energy(result)
    if problems:
        raise LagcError(problems)
    return 0


def _warn_of_energy(result: Result) -> None:
    """LAG512 where energy is conserved and changes all the same."""
    change = result.change_of_energy()
    if change is not None and not change <= _ENERGY_KEPT:
        common.print_diagnostics(
            [
                Diagnostic(
                    Code.LAG512,
                    f"`{result.spec.name}` conserves its energy, and this run changes it by "
                    f"{100 * change:.2g} % of the largest v p",
                    help="take a smaller --step or a higher --order",
                )
            ]
        )


def _write(
    result: Result, system: System, output: str | None, plot: str | None
) -> tuple[list[str], list[Diagnostic]]:
    """Files written, and what could not be: the summary is printed all the same."""
    written: list[str] = []
    problems: list[Diagnostic] = []
    for path in (output, plot):
        if path is None:
            continue
        try:
            if path is output:
                write_result(result, path)
            else:
                plot_trajectory(result.columns(), system.spec, path)
            written.append(path)
        except LagcError as error:
            problems += error.diagnostics
    return written, problems


def _require_all(
    system: System, until: str | None, step: str | None, initial: str | None, signals: Sequence[str]
) -> None:
    """Refuses a run for which something is given neither here nor in the model, all at once."""
    run, name = system.spec.run, system.spec.name
    given = {item.partition("=")[0].strip() for item in signals}
    problems: list[Diagnostic] = []
    options = ["--until"] * (until is None and run.until is None)
    options += ["--step"] * (step is None and run.step is None)
    if options:
        lacking = {"--until": "how long to run", "--step": "in which steps"}
        problems.append(
            Diagnostic(
                Code.LAG509,
                f"`{name}` does not say {' or '.join(lacking[option] for option in options)}",
                help=f"give {' and '.join(options)}, or add `run until 100 step 0.1` to the model",
            )
        )
    if initial is None:
        try:
            system.initial_state()
        except LagcError as error:
            problems += error.diagnostics
    for signal in (s for s in system.spec.inputs if s not in given):
        problems.append(
            Diagnostic(
                Code.LAG506,
                f"input `{signal}` is missing",
                help=f"give `--input {signal}=1`, or `--input {signal}=FILE.csv` with columns t "
                f"and {signal}",
            )
        )
    if problems:
        raise LagcError(problems)


def _schedule(system: System, until: str | None, step: str | None, order: int | None) -> _Schedule:
    from lagc.semantics.lines import MAX_ORDER

    run = system.spec.run
    end = run.until if until is None else common.number(until, "--until")
    h = run.step if step is None else common.number(step, "--step")
    p = order if order is not None else run.order or _DEFAULT_ORDER
    assert end is not None and h is not None
    if p % 2 or not 2 <= p <= MAX_ORDER:
        raise fail(Code.LAG509, f"the order {p} is not one of 2, 4, 6, ... {MAX_ORDER}")
    if h == 0 or end / h <= 0:
        raise fail(Code.LAG509, f"steps of {h:g} do not lead from 0 to {end:g}")
    count = round(end / h)
    if count < 1 or abs(count * h - end) > 1e-9 * abs(end):
        nearest = max(1, count)
        raise fail(
            Code.LAG509,
            f"until {end:g} is not a whole number of steps of {h:g}",
            help=f"for instance --step {end / nearest:.12g} or --until {nearest * h:.12g}",
        )
    if count > 2_000_000_000:
        raise fail(Code.LAG509, f"{count} steps are more than one run can hold")
    return _Schedule(h, count, p)


def _initial_state(system: System, compilation: Compilation, text: str | None) -> dict[str, Any]:
    """q0 and v0 or p0 from the model's line, overridden by `--initial`."""
    q0, v0, p0 = with_initial(system, compilation, text).initial_state()
    if v0 is not None and p0 is not None:
        raise fail(Code.LAG501, "initial velocities and momenta are both given; one is enough")
    return {"q0": q0, "v0": v0, "p0": p0}


def _signals(items: tuple[str, ...], schedule: _Schedule) -> dict[str, Any]:
    signals: dict[str, Any] = {}
    for item in items:
        name, _, text = item.partition("=")
        name = name.strip()
        if name in signals:
            raise fail(Code.LAG510, f"--input: `{name}` is given twice")
        if text.endswith(".csv"):
            signals[name] = _recorded(text, name, schedule.step * schedule.steps)
        else:
            signals |= common.assignments([item], "--input")
    return signals


def _recorded(path: str, name: str, end: float) -> Any:
    """The signal of a file, which must cover the run: outside it nothing is known."""
    from lagc.runtime import Samples

    times, values = _columns(path, ("t", name))
    if len(times) < 2 or not all(a < b for a, b in pairwise(times)):
        raise fail(Code.LAG601, f"{path}: column t must increase over at least two rows")
    slack = 1e-9 * abs(end)
    if times[0] > min(0.0, end) + slack or times[-1] < max(0.0, end) - slack:
        raise fail(
            Code.LAG601,
            f"{path}: the signal goes from t = {times[0]:g} to {times[-1]:g} and the run from 0 to "
            f"{end:g}",
        )
    return Samples(np.array(times), np.array(values))


def _columns(path: str, names: tuple[str, ...]) -> list[list[float]]:
    """The columns of a CSV file with a header, all numbers finite."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream) if row and not row[0].startswith("#")]
    except OSError as error:
        raise fail(Code.LAG001, f"{path}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError):
        raise fail(Code.LAG601, f"{path}: this is not a CSV file") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    for name in names:
        if header.count(name) != 1:
            raise fail(
                Code.LAG601,
                f"{path}: there is no column {name}, or more than one",
                help=f"a signal has the columns {' and '.join(names)}",
            )
    places = [header.index(name) for name in names]
    columns: list[list[float]] = [[] for _ in names]
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(header):
            raise fail(Code.LAG601, f"{path}: row {number} has {len(row)} cells, not {len(header)}")
        for column, place in zip(columns, places, strict=True):
            try:
                column.append(float(row[place]))
            except ValueError:
                column.append(math.nan)
            if not math.isfinite(column[-1]):
                raise fail(
                    Code.LAG601,
                    f"{path}: row {number}, column {header[place]}: `{row[place]}` is not a finite "
                    "number",
                )
    return columns


def _neural(system: System, weights: str | None) -> dict[str, Any]:
    if not system.spec.neural:
        if weights is not None:
            raise fail(
                Code.LAG507, f"`{system.spec.name}` has no neural terms that could use {weights}"
            )
        return {}
    names = ", ".join(f"`{s.name}`" for s in system.spec.neural)
    if weights is None:
        raise fail(
            Code.LAG507,
            f"`{system.spec.name}` has neural terms without weights: {names}",
            help="train them in Python, save with equinox.tree_serialise_leaves, and give the file "
            "with --weights",
        )
    import equinox as eqx
    import jax

    template = system.initial_neural(jax.random.key(0))
    try:
        loaded: dict[str, Any] = eqx.tree_deserialise_leaves(weights, template)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise fail(
            Code.LAG507, f"{weights} does not hold the weights of {names}: {reason}"
        ) from None
    return loaded


def _first_call(system: System, options: dict[str, Any]) -> None:
    """Compiles what the run will use, and waits for it."""
    pieces = system.simulate_in_chunks(**options, chunk=CHUNK)
    for _, piece in zip(range(2), pieces, strict=False):
        piece.q.block_until_ready()


def _integrate(system: System, options: dict[str, Any]) -> tuple[Trajectory, bool]:
    """The trajectory so far, and whether it was interrupted."""
    steps = options["steps"]
    pieces: list[Trajectory] = []
    with (
        common.noticed_interrupts() as interrupted,
        common.progress_bar("integrating") if steps > CHUNK else nullcontext() as show,
    ):
        for piece in system.simulate_in_chunks(**options, chunk=CHUNK):
            pieces.append(_to_numpy(piece))
            if show is not None:
                show(min(steps, (len(pieces) - 1) * CHUNK), steps, "")
            if int(pieces[-1].status) != 0 or interrupted():
                break
        cut_short = interrupted() and (len(pieces) - 1) * CHUNK < steps
    names = [name for name in pieces[0]._fields if name != "status"]
    joined = {name: np.concatenate([getattr(p, name) for p in pieces]) for name in names}
    whole: Any = pieces[-1]
    return whole._replace(**joined), cut_short


def _to_numpy(piece: Any) -> Trajectory:
    return piece._replace(**{name: np.asarray(getattr(piece, name)) for name in piece._fields})


def _print_summary(result: Result, seconds: dict[str, float], files: list[str]) -> None:
    summary = result.summary()
    final, energy = summary["final"], summary["energy"]
    per_step = seconds["run"] / max(1, summary["steps"]) * 1e6
    click.echo(
        f"{summary['model']}: {summary['steps']} steps of {result.dt:g}, order "
        f"{result.order}, {summary['status']}"
    )
    spec = result.spec
    labels = zip(spec.labels, spec.velocity_labels, spec.momentum_labels, strict=True)
    rows = list(zip(labels, final["q"], final["v"], final["p"], strict=True))
    shown = rows if len(rows) <= _MOST_LINES else rows[: _MOST_LINES - 1]
    for (at, rate, momentum), q, v, p in shown:
        click.echo(
            f"  t = {final['t']:g}  {at} = {q:.15g}  {rate} = {v:.15g}  {momentum} = {p:.15g}"
        )
    if len(shown) < len(rows):
        click.echo(f"  and {len(rows) - len(shown)} more; --output keeps them all")
    click.echo(f"  energy {energy['initial']:.15g} -> {energy['final']:.15g}")
    click.echo(
        f"  compiled in {seconds['compile']:.2f} s, first call {seconds['first_call']:.2f} s,"
        f" run {seconds['run']:.3f} s ({per_step:.2f} us a step)"
    )
    for file in files:
        click.echo(f"  wrote {Path(file)}")
