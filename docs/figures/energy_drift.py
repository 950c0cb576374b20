"""Relative energy error of a weakly damped oscillator over 1600 periods; run it to draw the figure.

dho with c1 = c2 = 1/2 and c3 = 1e-4 (m = k = 1, friction 1e-4), dt = 0.1, from q = 1 and q' = 0 to
t = 10^4: the test problem of Tsang et al. 2015. The error is that of the energy against the exact
solution's at the same time, relative to it.

    python -m docs.figures.energy_drift
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FRICTION = 1e-4
DT = 0.1
STEPS = 100_000
_ROOT = Path(__file__).resolve().parent.parent.parent


def exact_energy(t: np.ndarray) -> np.ndarray:
    """q'^2/2 + q^2/2 of the exact solution: (m,) from (m,)."""
    g = FRICTION / 2
    w = np.sqrt(1 - g * g)
    q = np.exp(-g * t) * (np.cos(w * t) + g / w * np.sin(w * t))
    v = -np.exp(-g * t) * (w + g * g / w) * np.sin(w * t)
    return (q * q + v * v) / 2


def energy_errors(order: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and relative energy errors of lagc at an even order: (STEPS+1,) each."""
    import lagc

    system = lagc.load(_ROOT / "examples" / "dho.lag")
    coefficients = {"c1": 0.5, "c2": 0.5, "c3": FRICTION}
    run = system.simulate(1.0, 0.0, coefficients=coefficients, dt=DT, steps=STEPS, r=order // 2 - 1)
    if int(run.status) != 0:
        raise RuntimeError("the run failed")
    t = np.asarray(run.t)
    return t, np.abs(np.asarray(run.energy) / exact_energy(t) - 1)


def runge_kutta_errors(order: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for the explicit midpoint rule (order 2) and the classical method (order 4).

    The oscillator is linear, so a step is the polynomial exp(A h) cut after h^order.
    """
    a = np.array([[0.0, 1.0], [-1.0, -FRICTION]])
    step, term = np.eye(2), np.eye(2)
    for k in range(1, order + 1):
        term = term @ a * (DT / k)
        step = step + term
    states = np.empty((STEPS + 1, 2))
    states[0] = 1.0, 0.0
    for n in range(STEPS):
        states[n + 1] = step @ states[n]
    t = DT * np.arange(STEPS + 1)
    return t, np.abs((states**2).sum(axis=1) / 2 / exact_energy(t) - 1)


def main() -> None:
    """Draws docs/figures/energy_drift.png and prints the largest errors."""
    import jax
    from matplotlib.figure import Figure

    jax.config.update("jax_enable_x64", True)
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    series = [(f"lagc, order {p}", energy_errors(p)) for p in (2, 4, 6)]
    series += [(f"Runge-Kutta, order {p}", runge_kutta_errors(p)) for p in (2, 4)]
    for label, (t, error) in series:
        blocks = error[1:].reshape(-1, 100).max(axis=1)
        style = "--" if label.startswith("Runge") else "-"
        axes.loglog(t[100::100], blocks, style, label=label, linewidth=1)
        print(
            f"{label:22s} largest {error.max():.2e}, in the last tenth "
            f"{error[-STEPS // 10 :].max():.2e}"
        )
    axes.set_xlabel("t")
    axes.set_ylabel("relative energy error")
    axes.set_title("damped oscillator, friction 1e-4, dt = 0.1")
    axes.legend()
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
