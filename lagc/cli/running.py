"""`lagc run`: a model integrated from the command line."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, fail
from lagc.base.spans import Source
from lagc.cli import common
from lagc.cli.results import Result, check_format, write_result

if TYPE_CHECKING:
    from lagc.driver import Compilation
    from lagc.runtime import System, Trajectory

CHUNK = 20_000
_DEFAULT_ORDER = 6


@dataclass(frozen=True)
class _Schedule:
    """How long, in which steps, and at which order."""

    step: float
    steps: int
    order: int

    @property
    def r(self) -> int:
        return self.order // 2 - 1


@click.command("run")
@click.argument("model")
@click.option("--until", metavar="T", help="End time (starts at 0).")
@click.option("--step", metavar="H", help="Step; negative to integrate backward.")
@click.option("--order", type=int, metavar="P", help="Order of accuracy: 2, 4, ... 34.")
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
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
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
    as_json: bool,
) -> int:
    """Integrate MODEL; what is not given comes from its `initial` and `run` lines."""
    if output is not None:
        check_format(output)
    started = time.perf_counter()
    compilation = common.compile_model(model)
    system = _load(compilation)
    compile_seconds = time.perf_counter() - started

    schedule = _schedule(system, until, step, order)
    coefficients = common.assignments(settings, "--set")
    options: dict[str, Any] = {
        **_initial_state(system, compilation, initial),
        "coefficients": coefficients,
        "inputs": _signals(signals),
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
    if output is not None:
        write_result(result, output)
    if plot is not None:
        from lagc.plotting import plot_trajectory

        plot_trajectory(result.columns(), system.spec, plot)
    seconds = {"compile": compile_seconds, "first_call": first_call_seconds, "run": run_seconds}
    summary = result.summary() | {"seconds": seconds, "output": output}
    if as_json:
        common.print_json(summary)
    else:
        _print_summary(result, seconds, [f for f in (output, plot) if f is not None])
    if interrupted:
        raise KeyboardInterrupt
    if result.status != "ok":
        raise fail(
            Code.LAG508,
            f"`{system.spec.name}`: {result.status} (t = {result.failure_time:g})",
            help="what was computed before it is kept; try a smaller --step",
        )
    return 0


def _load(compilation: Compilation) -> System:
    import jax

    from lagc.loader import load_module

    jax.config.update("jax_enable_x64", True)
    system: System = load_module(compilation.text, compilation.model.name).system
    return system


def _schedule(system: System, until: str | None, step: str | None, order: int | None) -> _Schedule:
    run = system.spec.run
    end = run.until if until is None else common.number(until, "--until")
    h = run.step if step is None else common.number(step, "--step")
    p = order or run.order or _DEFAULT_ORDER
    for value, option in ((end, "--until"), (h, "--step")):
        if value is None:
            raise fail(
                Code.LAG509,
                f"`{system.spec.name}` does not say how long to run or in which steps",
                help=f"give {option}, or add `run until 100 step 0.1` to the model",
            )
    assert end is not None and h is not None
    if p % 2 or not 2 <= p <= 34:
        raise fail(Code.LAG509, f"the order {p} is not one of 2, 4, 6, ... 34")
    if h == 0 or end / h <= 0:
        raise fail(Code.LAG509, f"steps of {h:g} do not lead from 0 to {end:g}")
    count = round(end / h)
    if count < 1 or abs(count * h - end) > 1e-9 * abs(end):
        nearest = max(1, count)
        raise fail(
            Code.LAG509,
            f"until {end:g} is not a whole number of steps of {h:g}",
            help=f"for instance --step {end / nearest!r} or --until {nearest * h!r}",
        )
    if count > 2_000_000_000:
        raise fail(Code.LAG509, f"{count} steps are more than one run can hold")
    return _Schedule(h, count, p)


def _initial_state(system: System, compilation: Compilation, text: str | None) -> dict[str, Any]:
    """q0 and v0 or p0 from the model's line, overridden by `--initial`."""
    from dataclasses import replace

    values = dict(system.spec.initial)
    if text is not None:
        from lagc.lower.lowering import nearest_double
        from lagc.semantics.declarations import ConstantReader
        from lagc.semantics.lines import read_assignments
        from lagc.semantics.names import Scope
        from lagc.syntax.parser import parse_assignments

        diagnostics = Diagnostics()
        given = parse_assignments(Source("--initial", text), diagnostics)
        diagnostics.raise_if_errors()
        constants = {c.name: c.value for c in compilation.model.constants}
        reader = ConstantReader(
            Scope(constants=dict(constants), constant=lambda n, s: True), diagnostics
        )
        found = read_assignments(given, compilation.model.coordinates, reader)
        diagnostics.raise_if_errors()
        new = {label: nearest_double(value) for label, value in found}
        # A momentum given here takes the place of the model's velocities, and the other way round.
        replaced: tuple[str, ...] = ()
        if any(label in new for label in system.spec.momentum_labels):
            replaced = system.spec.velocity_labels
        elif any(label in new for label in system.spec.velocity_labels):
            replaced = system.spec.momentum_labels
        values = {k: v for k, v in values.items() if k not in replaced} | new
    spec = replace(system.spec, initial=values)
    q0, v0, p0 = type(system)(spec, system.kernels).initial_state()
    if v0 is not None and p0 is not None:
        raise fail(Code.LAG501, "initial velocities and momenta are both given; one is enough")
    return {"q0": q0, "v0": v0, "p0": p0}


def _signals(items: tuple[str, ...]) -> dict[str, Any]:
    signals: dict[str, Any] = {}
    for item in items:
        name, _, text = item.partition("=")
        if text.endswith(".csv"):
            signals[name.strip()] = _recorded(text, name.strip())
        else:
            signals |= common.assignments([item], "--input")
    return signals


def _recorded(path: str, name: str) -> Any:
    from lagc.runtime import Samples

    try:
        table = np.genfromtxt(path, delimiter=",", names=True, deletechars="", dtype=float)
        times, values = table["t"], table[name]
    except (OSError, ValueError) as error:
        raise fail(
            Code.LAG601, f"{path}: {error}", help=f"a signal has the columns t and {name}"
        ) from None
    if times.ndim != 1 or times.size < 2 or not np.all(np.diff(times) > 0):
        raise fail(Code.LAG601, f"{path}: column t must increase over at least two rows")
    if not (np.all(np.isfinite(times)) and np.all(np.isfinite(values))):
        raise fail(Code.LAG601, f"{path}: a number is missing or not finite")
    return Samples(times, values)


def _neural(system: System, weights: str | None) -> dict[str, Any]:
    if not system.spec.neural:
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
    interrupted = False
    with common.progress_bar("integrating") if steps > CHUNK else nullcontext() as show:
        try:
            for piece in system.simulate_in_chunks(**options, chunk=CHUNK):
                pieces.append(_to_numpy(piece))
                if show is not None:
                    show(min(steps, (len(pieces) - 1) * CHUNK), steps, "")
                if int(pieces[-1].status) != 0:
                    break
        except KeyboardInterrupt:
            interrupted = True
            if not pieces:
                raise
    names = [name for name in pieces[0]._fields if name != "status"]
    joined = {name: np.concatenate([getattr(p, name) for p in pieces]) for name in names}
    whole: Any = pieces[-1]
    return whole._replace(**joined), interrupted


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
    for label, q, v, p in zip(result.spec.labels, final["q"], final["v"], final["p"], strict=True):
        click.echo(
            f"  t = {final['t']:g}  {label} = {q:.15g}  {label}' = {v:.15g}  p[{label}] = {p:.15g}"
        )
    click.echo(f"  energy {energy['initial']:.15g} -> {energy['final']:.15g}")
    click.echo(
        f"  compiled in {seconds['compile']:.2f} s, first call {seconds['first_call']:.2f} s,"
        f" run {seconds['run']:.3f} s ({per_step:.2f} us a step)"
    )
    for file in files:
        click.echo(f"  wrote {Path(file)}")
