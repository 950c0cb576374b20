"""How often do credible intervals of a damped pendulum hold the truth?

    python examples/learning/posterior.py [--seeds 20] [--nuts]

Coefficients are drawn from their laws, the pendulum is released at 1.2 rad, and 60 angles are
recorded with noise of 0.05 rad, whose level is not told. 90 % intervals of the posterior by
Laplace's approximation with importance sampling should hold 90 % of the coefficients drawn. With
`--nuts` chains (blackjax) are run on the first record as well.
"""

from __future__ import annotations

import argparse

import jax
import numpy as np
import scipy.integrate

import lagc
from lagc.learn.data import Recording
from lagc.learn.fit import solve
from lagc.learn.posterior import posterior

jax.config.update("jax_enable_x64", True)
NOISE = 0.05
MODEL = """
model pendulum
coordinate theta mod 2*pi
coefficient w2 > 0 = 4 ~ loguniform(1, 10)
coefficient c >= 0 = 0.1 ~ uniform(0, 0.5)
L = 1/2*theta'^2 + w2*cos(theta)
R = 1/2*c*theta'^2
"""


def recorded(w2: float, c: float, random: np.random.Generator) -> Recording:
    """By SciPy's DOP853."""
    t = np.linspace(0, 8, 60)
    found = scipy.integrate.solve_ivp(
        lambda _, y: [y[1], -w2 * np.sin(y[0]) - c * y[1]],
        (0, 8),
        [1.2, 0.0],
        t_eval=t,
        method="DOP853",
        rtol=1e-10,
        atol=1e-10,
    )
    return Recording("pendulum", t, (found.y[0] + NOISE * random.normal(size=t.size))[:, None])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--nuts", action="store_true")
    arguments = parser.parse_args()
    system = lagc.loads(MODEL)
    held = {"w2": 0, "c": 0}
    worth = []
    for seed in range(arguments.seeds):
        random = np.random.default_rng(seed)
        truth = {"w2": float(np.exp(random.uniform(0, np.log(10)))), "c": random.uniform(0, 0.5)}
        solution = solve(system, [recorded(truth["w2"], truth["c"], random)])
        found = posterior(solution, seed=seed)
        worth.append(found.effective_draws)
        for name, marginal in found.coefficients.items():
            low, high = marginal.interval90
            held[name] += low <= truth[name] <= high
        if arguments.nuts and seed == 0:
            chains = posterior(solution, method="nuts", seed=seed)
            print(f"NUTS: R-hat {chains.r_hat:.4f}, effective draws {chains.effective_draws:.0f}")
            print(f"NUTS: divergences {chains.divergences}")
            for name, marginal in chains.coefficients.items():
                other = found.coefficients[name]
                print(f"{name}: 90 % by NUTS {marginal.interval90}, by Laplace {other.interval90}")
    for name, count in held.items():
        print(f"{name}: 90 % intervals that hold the truth: {count} of {arguments.seeds}")
    print(f"draws of 4096 are worth: least {min(worth):.0f}, median {np.median(worth):.0f}")


if __name__ == "__main__":
    main()
