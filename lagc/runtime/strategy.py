"""The way of solving a step that a compiled model gets, or that is asked for."""

from __future__ import annotations

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.base.strategies import possible_ways
from lagc.runtime.spec import ModelSpec


def choose_way(spec: ModelSpec, r: int, wanted: str | None = None, equal_steps: bool = True) -> str:
    """The best way for r interior nodes, or the one `wanted`; LAG509 where that cannot be."""
    facts = [f.name for f in spec.facts if f.holds]
    lattice = spec.lattice is not None
    turns = any(c.modulus is not None for c in spec.coordinates)
    possible = possible_ways(
        facts, spec.dof, lattice=lattice, turns=turns, r=r, equal_steps=equal_steps
    )
    if wanted is None:
        return possible[0]
    if wanted not in possible:
        raise fail(
            Code.LAG509,
            f"the strategy {wanted!r} does not suit `{spec.name}` at r = {r}"
            + ("" if equal_steps else " on given times"),
            help="possible: " + ", ".join(possible),
        )
    return wanted


def holds(spec: ModelSpec, name: str) -> bool:
    """Whether a fact was shown."""
    return any(f.holds for f in spec.facts if f.name == name)
