"""One dusty orbit: against a C program that does the same step, and against general integrators."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

import lagc
from tests.benchmarks.harness import (
    EXAMPLES,
    Line,
    Options,
    OwnClock,
    Skipped,
    accepts,
    interleaved,
    ratio_lines,
)
from tests.benchmarks.reference import BETA, GM, START, C, compile_c, run_c

Q0, V0 = np.array(START[:2]), np.array(START[2:])


def against_c(options: Options) -> list[Line]:
    """r = 1, h = 0.01, every step kept, in both."""
    steps, h = options.size(100_000, 10_000), 0.01
    system = lagc.load(EXAMPLES / "poynting_robertson.lag")
    run = lambda: system.simulate(Q0, V0, dt=h, steps=steps, r=1)  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        program = compile_c(Path(folder))
        if program is None:
            raise Skipped("no gcc on this machine")
        timings = interleaved(
            {"lagc": run, "C": OwnClock(lambda: run_c(program, steps, h)[0] * 1e-9 * steps)},
            options,
        )
        _, end, left = run_c(program, steps, h)
    trajectory = run()
    mine = np.concatenate([trajectory.q[-1], trajectory.p[-1]])
    apart = float(np.max(np.abs(mine - end)))
    if not apart < 1e-9 or int(trajectory.status) != 0:
        raise RuntimeError(f"lagc ends at {mine}, the C program at {end}: {apart:.1e} apart")
    nanoseconds = 1e9 / steps
    return [
        Line("lagc, ns a step", timings["lagc"].best * nanoseconds, "ns"),
        Line("C, ns a step", timings["C"].best * nanoseconds, "ns"),
        *ratio_lines("lagc / C", timings["lagc"], timings["C"], 2.5),
        Line("first call of lagc", timings["lagc"].first, "s"),
        Line("end of lagc", f"({mine[0]:.15f}, {mine[1]:.15f})", "AU"),
        Line("end of C", f"({end[0]:.15f}, {end[1]:.15f})", "AU"),
        Line("largest difference in q and p at the end", apart, "", 1e-9),
        Line("largest residual before the last iteration of C", left),
    ]


def positions_at(
    system: lagc.System, times: NDArray[np.float64], r: int, h: float
) -> Callable[[], Any]:
    """A run that returns positions at the times 0, k, 2k, ..: by dense output where there is one,
    else with a step from each time to the next."""
    if accepts(system.simulate, "save_at"):
        steps = round(float(times[-1]) / h)
        options: dict[str, Any] = {"save_at": times, "dt": h, "steps": steps}
    else:
        options = {"dt": float(times[1] - times[0]), "steps": len(times) - 1}
    return lambda: system.simulate(Q0, V0, r=r, **options).q


def _heyoka(times: NDArray[np.float64], tolerance: float) -> Callable[[], Any]:
    """A run of heyoka's Taylor integrator with the same outputs."""
    try:
        import heyoka as hy
    except ImportError:
        raise Skipped("heyoka is not installed") from None
    from tests.runtime.references import poynting_robertson

    integrator = hy.taylor_adaptive(poynting_robertson(), list(START), tol=tolerance)

    def run() -> Any:
        integrator.time = 0.0
        integrator.state[:] = START
        return integrator.propagate_grid(times)[-1][:, :2]

    return run


def _diffrax(times: NDArray[np.float64]) -> Callable[[], Any]:
    """A run of diffrax's Dopri8 at 1e-12 with the same outputs."""
    import diffrax

    mu, k = (1 - BETA) * GM, BETA * GM / C

    def field(t: Any, y: jax.Array, args: Any) -> jax.Array:
        x, v = y[:2], y[2:]
        s2 = 1 / jnp.dot(x, x)
        radial = -mu * s2 * jnp.sqrt(s2) - k * jnp.dot(x, v) * s2 * s2
        return jnp.concatenate([v, radial * x - k * s2 * v])

    @jax.jit
    def run(start: jax.Array, ts: jax.Array) -> Any:
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(field),
            diffrax.Dopri8(),
            t0=ts[0],
            t1=ts[-1],
            dt0=0.01,
            y0=start,
            saveat=diffrax.SaveAt(ts=ts),
            stepsize_controller=diffrax.PIDController(rtol=1e-12, atol=1e-12),
            max_steps=10_000_000,
        )
        return solution.ys

    start, ts = jnp.asarray(START), jnp.asarray(times)
    return lambda: run(start, ts)


def against_others(options: Options) -> list[Line]:
    """10^5 outputs over 1000 years, the end good to 1e-8 AU."""
    outputs = options.size(100_000, 5_000)
    times = np.arange(outputs + 1) * 0.01
    system = lagc.load(EXAMPLES / "poynting_robertson.lag")
    exact = np.asarray(_heyoka(times[[0, -1]], 1e-18)())[-1]
    heyoka = _heyoka(times, 1e-16)
    heyoka_error = float(np.max(np.abs(np.asarray(heyoka())[-1] - exact)))
    lines = []
    candidates = [(4, 0.02), (6, 0.04), (8, 0.05), (8, 0.08), (10, 0.1), (12, 0.1)]
    if not accepts(system.simulate, "save_at"):
        candidates = [(2, 0.01), (3, 0.01), (4, 0.01)]
    chosen: tuple[float, int, float, float] | None = None
    for r, h in candidates:
        run = positions_at(system, times, r, h)
        error = float(np.max(np.abs(np.asarray(run())[-1] - exact)))
        seconds = interleaved({"lagc": run}, Options(2))["lagc"].best
        lines.append(Line(f"tried r = {r}, h = {h:g}: error {error:.1e} AU", seconds, "s"))
        if error < 1e-8 and (chosen is None or seconds < chosen[0]):
            chosen = (seconds, r, h, error)
    if chosen is None:
        return [*lines, Line("a choice of r and h good to 1e-8 AU", "none")]
    _, r, h, error = chosen
    timings = interleaved({"lagc": positions_at(system, times, r, h), "heyoka": heyoka}, options)
    lines += [
        Line("chosen", f"r = {r}, h = {h:g}"),
        Line("error at the end, lagc", error, "AU", 1e-8),
        Line("error at the end, heyoka at 1e-16", heyoka_error, "AU"),
        Line("lagc", timings["lagc"].best, "s"),
        Line("heyoka", timings["heyoka"].best, "s"),
        *ratio_lines("lagc / heyoka", timings["lagc"], timings["heyoka"], 2.0),
    ]
    try:
        diffrax = _diffrax(times)
    except ImportError:
        return [*lines, Line("diffrax", "not installed")]
    few = Options(min(2, options.repeats))
    pair = interleaved({"lagc": positions_at(system, times, r, h), "diffrax": diffrax}, few)
    diffrax_error = float(np.max(np.abs(np.asarray(diffrax())[-1, :2] - exact)))
    return [
        *lines,
        Line("error at the end, diffrax at 1e-12", diffrax_error, "AU"),
        Line("diffrax", pair["diffrax"].best, "s"),
        Line("first call of diffrax", pair["diffrax"].first, "s"),
        *ratio_lines("diffrax / lagc", pair["lagc"], pair["diffrax"], 20.0, most=False),
    ]
