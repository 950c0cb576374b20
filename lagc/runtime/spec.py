"""What a generated module declares about its model: names, shapes, defaults, bounds, facts.

These are plain data, written out by the emitter and read by `System`, the command line and the
learning code. Model units throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax

from lagc.runtime.priors import Prior


@dataclass(frozen=True)
class CoordinateSpec:
    """A coordinate: `size` is None for a scalar; `modulus` the period of an angle, or None."""

    name: str
    size: int | None = None
    modulus: float | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """One label a component: `q`, or `r[0]`, `r[1]`."""
        if self.size is None:
            return (self.name,)
        return tuple(f"{self.name}[{i}]" for i in range(self.size))

    @property
    def velocity_labels(self) -> tuple[str, ...]:
        """`q'`, or `r'[0]`, `r'[1]`."""
        if self.size is None:
            return (f"{self.name}'",)
        return tuple(f"{self.name}'[{i}]" for i in range(self.size))


@dataclass(frozen=True)
class CoefficientSpec:
    """A coefficient: default (or None), bounds (None for none) and the law of its family."""

    name: str
    default: float | None = None
    lower: float | None = None
    upper: float | None = None
    lower_open: bool = False
    upper_open: bool = False
    prior: Prior | None = None
    site_dependent: bool = False

    @property
    def range_text(self) -> str:
        """The bounds as an interval, `(0, inf)`."""
        low = "(-inf" if self.lower is None else f"{'(' if self.lower_open else '['}{self.lower:g}"
        high = "inf)" if self.upper is None else f"{self.upper:g}{')' if self.upper_open else ']'}"
        return f"{low}, {high}"


@dataclass(frozen=True)
class NeuralSpec:
    """A slot for a function of `inputs` numbers: default network widths, activation, output."""

    name: str
    inputs: int
    widths: tuple[int, ...]
    activation: str
    output: str


@dataclass(frozen=True)
class FactSpec:
    """One structural fact of the model, and what it rests on."""

    name: str
    holds: bool
    evidence: str


@dataclass(frozen=True)
class RunSpec:
    """The `run` line: end time, step and order of accuracy, each None if not given."""

    until: float | None = None
    step: float | None = None
    order: int | None = None


@dataclass(frozen=True)
class LatticeSpec:
    """The lattice a model lives on: index name, first site, number of sites, whether its ends are
    joined, the fields, and how far apart sites are coupled (`reach`)."""

    index: str
    first: int
    size: int
    periodic: bool
    fields: tuple[str, ...]
    reach: int


@dataclass(frozen=True)
class ModelSpec:
    """Everything a generated module says about its model."""

    name: str
    source_hash: str
    lagc_version: str
    coordinates: tuple[CoordinateSpec, ...]
    coefficients: tuple[CoefficientSpec, ...] = ()
    inputs: tuple[str, ...] = ()
    neural: tuple[NeuralSpec, ...] = ()
    observables: tuple[str, ...] = ()
    initial: Mapping[str, float] = field(default_factory=dict)
    run: RunSpec = RunSpec()
    facts: tuple[FactSpec, ...] = ()
    strategy: str = "newton"
    diagonal_mass: bool = False
    lattice: LatticeSpec | None = None

    @property
    def dof(self) -> int:
        """Number of degrees of freedom."""
        return len(self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """One label a degree of freedom."""
        return tuple(label for c in self.coordinates for label in c.labels)

    @property
    def velocity_labels(self) -> tuple[str, ...]:
        """One velocity label a degree of freedom."""
        return tuple(label for c in self.coordinates for label in c.velocity_labels)

    @property
    def momentum_labels(self) -> tuple[str, ...]:
        """`p[q]`, one a degree of freedom."""
        return tuple(f"p[{label}]" for label in self.labels)

    @property
    def moduli(self) -> tuple[float | None, ...]:
        """The period of each degree of freedom, or None."""
        return tuple(c.modulus for c in self.coordinates for _ in c.labels)


# Node functions have their components in front and are elementwise over the axes behind them:
# (q: (dof, ...), v: (dof, ...), t: (...), coefficients, inputs, neural) -> arrays (*shape, ...).
Kernel = Callable[
    [
        jax.Array,
        jax.Array,
        jax.Array,
        Mapping[str, jax.Array],
        Mapping[str, jax.Array],
        Mapping[str, Any],
    ],
    Any,
]


@dataclass(frozen=True, eq=False)
class Kernels:
    """The node functions of a model: L, (a, b), the blocks, b, E.

    lagrangian -> (...); forces -> a (dof, ...), b (dof, ...); blocks -> a_q, a_v, b_q, b_v, each
    (dof, dof, ...) with the differentiated index first; momentum -> b; energy -> (...).
    """

    lagrangian: Kernel
    forces: Kernel
    blocks: Kernel
    momentum: Kernel
    energy: Kernel
    observables: Mapping[str, Kernel] = field(default_factory=dict)
