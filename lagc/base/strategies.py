"""Which way of solving a step a model gets, by the facts proved about it.

- affine: forces and momenta are affine in q and v, so a step is one matrix; long runs go by its
  powers: 20 ns a step of a damped oscillator at r = 2, where iterating takes some 400.
- explicit: r = 0 and L = T(q') - V(q): Stoermer-Verlet, two evaluations of the forces, no check.
- kinetic: b = M v with constant M: the kinetic part of the Jacobian is inverted once for all, and
  a sweep costs one evaluation of the forces: 0.3 us a step for an orbit at r = 1, as long as a C
  program takes for three full Newton iterations.
- newton: any model: the Jacobian at the first guess is factorised, once a step: some four times the
  kinetic way on the same orbit.
- robust: damped Newton with a new Jacobian for every correction, some 10 us a step. Every other way
  but the affine ends here when it does not contract.

Measured on two cores of an x86-64 server (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Collection

WAYS = ("affine", "explicit", "kinetic", "newton", "robust")
LARGEST_AFFINE = 8  # degrees of freedom; beyond, powers cost more than iterating


def possible_ways(
    facts: Collection[str],
    dof: int,
    *,
    lattice: bool,
    turns: bool,
    r: int,
    equal_steps: bool = True,
) -> tuple[str, ...]:
    """All ways, the best first.

    facts: names of those that hold; lattice: whether the model is one; turns: whether a coordinate
    is an angle; r: interior nodes; equal_steps: whether all steps have the same length.
    """
    found = []
    small = not lattice and dof <= LARGEST_AFFINE
    if "affine" in facts and small and not turns and equal_steps:
        found.append("affine")
    if "constant mass matrix" in facts and (not lattice or "diagonal mass matrix" in facts):
        if r == 0 and "separable" in facts:
            found.append("explicit")
        found.append("kinetic")
    return (*found, "newton", "robust")


def describe_choice(facts: Collection[str], dof: int, *, lattice: bool, turns: bool) -> str:
    """The best way for one trajectory at r > 0, and at r = 0 where that differs."""
    usual, lowest = (
        possible_ways(facts, dof, lattice=lattice, turns=turns, r=r)[0] for r in (1, 0)
    )
    return usual if usual == lowest else f"{usual} ({lowest} at r = 0)"
