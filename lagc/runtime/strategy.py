"""Which way of solving a step a model gets, by the facts that its compiler proved."""

from __future__ import annotations

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.runtime.spec import ModelSpec

WAYS = ("affine", "explicit", "kinetic", "newton", "robust")


def choose_way(spec: ModelSpec, r: int, wanted: str | None = None) -> str:
    """The way for r interior nodes, or the one that is `wanted`; LAG509 where that cannot be."""
    possible = ["newton", "robust"]
    if _holds(spec, "constant mass matrix"):
        possible.insert(0, "kinetic")
        if r == 0 and _holds(spec, "separable"):
            possible.insert(0, "explicit")
    if wanted is None:
        return possible[0]
    if wanted not in possible:
        raise fail(
            Code.LAG509,
            f"the strategy {wanted!r} does not suit `{spec.name}` at r = {r}",
            help="possible: " + ", ".join(possible),
        )
    return wanted


def _holds(spec: ModelSpec, name: str) -> bool:
    return any(f.holds for f in spec.facts if f.name == name)
