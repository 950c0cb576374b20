"""One oscillator for many steps: time, and energy where nothing is lost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import lagc
from tests.benchmarks.harness import EXAMPLES, Line, Options, accepts, interleaved


def one_trajectory(options: Options) -> list[Line]:
    """r = 2, h = 0.1, every step kept."""
    steps = options.size(1_000_000, 20_000)
    system = lagc.load(EXAMPLES / "dho.lag")
    timing = interleaved(
        {"lagc": lambda: system.simulate(1.0, 0.0, dt=0.1, steps=steps, r=2)}, options
    )["lagc"]
    return [
        Line("a step", timing.best / steps * 1e9, "ns", 20.0),
        Line("a step, median", timing.middle / steps * 1e9, "ns"),
        Line("first call", timing.first, "s"),
    ]


def _energies(system: lagc.System, steps: int, every: int) -> NDArray[np.float64]:
    """Energies after every `every` steps of the undamped oscillator, r = 3, h = 0.1."""
    coefficients = {"c1": 0.5, "c2": 0.5, "c3": 0.0}
    if accepts(system.simulate, "save_every"):
        extra = {"save_every": every}
        saved = system.simulate(
            1.0, 0.0, dt=0.1, steps=steps, r=3, coefficients=coefficients, **extra
        )
        return np.asarray(saved.energy)
    pieces = system.simulate_in_chunks(
        1.0, 0.0, dt=0.1, steps=steps, chunk=every, r=3, coefficients=coefficients
    )
    return np.array([piece.energy[-1] for piece in pieces])


def energy(options: Options) -> list[Line]:
    """Relative error of the energy, and how it grows.

    A random walk grows like the square root of the steps: the largest error over round-off times
    that root stays a small number, and changes over a stretch of steps have an r.m.s. that grows
    with its length to the power 1/2. A drift would show 1.
    """
    steps, every = options.size(10_000_000, 200_000), 1000
    system = lagc.load(EXAMPLES / "dho.lag")
    energies = _energies(system, steps, every)
    error = energies / energies[0] - 1
    count = every * np.arange(1, len(error))
    walk = float(np.max(np.abs(error[1:]) / (np.finfo(np.float64).eps * np.sqrt(count))))
    stretches = [2**k for k in range(20) if 32 * 2**k <= len(error)]
    changes = [float(np.sqrt(np.mean((error[n:] - error[:-n]) ** 2))) for n in stretches]
    lines = [
        Line(
            f"largest relative error within {steps} steps", float(np.max(np.abs(error))), "", 1e-12
        ),
        Line("largest error / (round-off x sqrt(steps))", walk, "", 4.0),
    ]
    if len(stretches) > 1 and min(changes) > 0:
        slope = float(np.polyfit(np.log(stretches), np.log(changes), 1)[0])
        lines.append(Line("changes grow with the steps to the power", slope, "", 0.6))
    return lines
