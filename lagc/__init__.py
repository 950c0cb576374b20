"""lagc: nonconservative Lagrangians compiled to differentiable variational integrators in JAX.

`lagc.load("model.lag")`, `lagc.loads(text)` and `lagc.compile(L=..., K=..., ...)` give a
`lagc.runtime.System`; `lagc.Samples` is a recorded signal for an input; `lagc.same_bits()` makes
batches equal to single runs in the last bit too. Everything is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lagc.base.diagnostics import LagcError
from lagc.base.version import __version__

if TYPE_CHECKING:
    from lagc.loader import compile as compile
    from lagc.loader import load as load
    from lagc.loader import loads as loads
    from lagc.runtime import Samples as Samples
    from lagc.runtime import System as System
    from lagc.runtime import Trajectory as Trajectory
    from lagc.runtime import same_bits as same_bits

_LAZY = {
    "load": "lagc.loader",
    "loads": "lagc.loader",
    "compile": "lagc.loader",
    "Samples": "lagc.runtime",
    "System": "lagc.runtime",
    "Trajectory": "lagc.runtime",
    "same_bits": "lagc.runtime",
}

__all__ = ["LagcError", "__version__", *_LAZY]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext lagc` in a notebook: cells that begin with `%%lag` are models."""
    from lagc.notebook import register

    register(shell)


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'lagc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
