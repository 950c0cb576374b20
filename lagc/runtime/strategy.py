"""Which way of solving a step a model gets, by the facts that its compiler proved.

affine: exact propagation, for forces and momenta affine in q and q' and equal steps (`affine`);
explicit: Stoermer-Verlet, at r = 0 for L = T(q') - V(q) (`solvers.explicit`);
kinetic: forces iterated, for b = M v with constant M (`solvers.kinetic`);
newton: any model (`solvers.newton`); robust: every step by damped Newton (`robust`), which the
others fall back to, too.
"""

from __future__ import annotations

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.runtime.affine import LARGEST
from lagc.runtime.spec import ModelSpec

WAYS = ("affine", "explicit", "kinetic", "newton", "robust")


def choose_way(
    spec: ModelSpec, r: int, wanted: str | None = None, equal_steps: bool = True
) -> str:
    """The way for r interior nodes, or the one that is `wanted`; LAG509 where that cannot be."""
    possible = list(possible_ways(spec, r, equal_steps))
    if wanted is None:
        return possible[0]
    if wanted not in possible:
        raise fail(
            Code.LAG509,
            f"the strategy {wanted!r} does not suit `{spec.name}` at r = {r}",
            help="possible: " + ", ".join(possible),
        )
    return wanted


def possible_ways(spec: ModelSpec, r: int, equal_steps: bool = True) -> tuple[str, ...]:
    """All ways for a model, the best first."""
    found = []
    small = spec.lattice is None and 2 * spec.dof <= LARGEST
    turns = any(c.modulus is not None for c in spec.coordinates)
    if holds(spec, "affine") and small and not turns and equal_steps:
        found.append("affine")
    if holds(spec, "constant mass matrix"):
        if r == 0 and holds(spec, "separable"):
            found.append("explicit")
        found.append("kinetic")
    return (*found, "newton", "robust")


def holds(spec: ModelSpec, name: str) -> bool:
    """Whether a fact was shown."""
    return any(f.holds for f in spec.facts if f.name == name)
