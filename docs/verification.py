"""Claimed against measured orders, written to docs/verification.md: `make verification`."""

from __future__ import annotations

import datetime
import platform
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)


def main() -> None:
    """Runs every case of the order tests and writes the table."""
    from tests.runtime.test_orders import CASES, measure

    lines = [
        "# Orders of accuracy, claimed and measured",
        "",
        "Largest error in q and q' at the end of the run, the step halved three times, and the",
        "order that each halving shows. References: the exact solution (dho) and heyoka's Taylor",
        "integrator at 1e-18, with equations of motion written out by hand. `forced` has explicit",
        "time in L and in K and a quartic potential.",
        "",
        f"Command: `make verification`. {platform.machine()}, Python {platform.python_version()}, "
        f"jax {jax.__version__}, {datetime.date.today().isoformat()}. No random numbers.",
        "",
        "| model | t | r | claimed | steps | errors | measured |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        for r, coarsest in case.coarsest.items():
            errors = np.array(measure(case, r))
            slopes = np.log2(errors[:-1] / errors[1:])
            shown = ", ".join(f"{e:.1e}" for e in errors)
            orders = ", ".join(f"{s:.2f}" for s in slopes)
            lines.append(
                f"| {case.name} | {case.until:g} | {r} | {2 * r + 2} | {coarsest} to "
                f"{8 * coarsest} | {shown} | {orders} |"
            )
            print(lines[-1])
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
