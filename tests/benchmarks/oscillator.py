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

    A random walk grows like the square root of the steps; its exponent, from the largest error so
    far at each decade, scatters around 1/2. The coefficient is that of the largest error, in
    units of round-off times the square root of the steps, over the whole run.
    """
    steps, every = options.size(10_000_000, 200_000), 1000
    system = lagc.load(EXAMPLES / "dho.lag")
    energies = _energies(system, steps, every)
    error = np.abs(energies / energies[0] - 1)[1:]
    count = every * np.arange(1, len(error) + 1)
    decades = [steps // 10**k for k in range(3) if steps // 10**k >= 10 * every]
    largest = [float(np.max(error[count <= n])) for n in decades]
    walk = float(np.max(error / (np.finfo(np.float64).eps * np.sqrt(count))))
    lines = [Line("largest relative error of the energy", largest[0], "", 1e-12)]
    lines += [
        Line(f"largest within {n} steps", x) for n, x in zip(decades[1:], largest[1:], strict=True)
    ]
    lines.append(Line("largest error / (round-off x sqrt(steps))", walk, "", 4.0))
    if len(decades) > 1 and min(largest) > 0:
        slope = float(np.polyfit(np.log(decades), np.log(largest), 1)[0])
        lines.append(Line("exponent of growth over the last decades", slope, "", 0.7))
    return lines
