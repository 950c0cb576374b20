"""What a generated module declares about its model: names, shapes, defaults, bounds, facts.

These are plain data, written out by the emitter and read by `System`, the command line and the
learning code. Model units throughout.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lagc.runtime.priors import Prior


@dataclass(frozen=True)
class CoordinateSpec:
    """A coordinate: `size` is None for a scalar; `modulus` the period of an angle, or None.

    A field on a lattice has a component for each site, numbered from `first` on.
    """

    name: str
    size: int | None = None
    modulus: float | None = None
    first: int = 0

    @property
    def dof(self) -> int:
        """Number of components."""
        return 1 if self.size is None else self.size

    @property
    def labels(self) -> tuple[str, ...]:
        """One label a component: `q`, or `r[0]`, `r[1]`."""
        return self._labels("")

    @property
    def velocity_labels(self) -> tuple[str, ...]:
        """`q'`, or `r'[0]`, `r'[1]`."""
        return self._labels("'")

    @property
    def acceleration_labels(self) -> tuple[str, ...]:
        """`q''`, or `r''[0]`, `r''[1]`, as data files name them."""
        return self._labels("''")

    def _labels(self, prime: str) -> tuple[str, ...]:
        if self.size is None:
            return (f"{self.name}{prime}",)
        return tuple(f"{self.name}{prime}[{self.first + i}]" for i in range(self.size))


@dataclass(frozen=True)
class CoefficientSpec:
    """A coefficient: default (or None), bounds (None for none) and the law of its family.

    A `site_dependent` one takes a value at each of the N sites of a lattice: () if it is the same
    everywhere, (N,) or (N, ...). Its default is a number, or given by `default_at`, which takes an
    array (...) for the type and the axes and returns (N, ...).
    """

    name: str
    default: float | None = None
    lower: float | None = None
    upper: float | None = None
    lower_open: bool = False
    upper_open: bool = False
    prior: Prior | None = None
    site_dependent: bool = False
    default_at: Callable[[jax.Array], jax.Array] | None = None

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
    """A lattice of `size` sites, numbered from `first` on; dof = len(fields)*size, field by field.

    `reach` is the largest distance w between coupled sites. With `local_mass` b at a site depends
    on the velocities at that site alone: of the bands of b_v only the one at offset w is not zero.
    """

    index: str
    first: int
    size: int
    periodic: bool
    fields: tuple[str, ...]
    reach: int
    local_mass: bool


@dataclass(frozen=True)
class ModelSpec:
    """Everything a generated module says about its model.

    units: as text, for those models that have units and where they are known: of `t`, `r`, `r'`,
    `p[r]` (without the component), `energy`, `coefficient k`, `input u`, `observable h` and so on.
    initial: numbers by label. initial_fields: functions by the name of a field (`phi`, `phi'`,
    `p[phi]`), which take an array (...) for the type and the axes and return (N, ...); a number for
    a single site (`phi[0]` in `initial`) takes precedence.
    """

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
    lattice: LatticeSpec | None = None
    initial_fields: Mapping[str, Callable[[jax.Array], jax.Array]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def unit_of(self, column: str) -> str:
        """The unit of a series by the name it has in results; empty where it is not known."""
        unit = self.units.get(re.sub(r"\[-?\d+\]", "", column))
        return unit or self.units.get(f"observable {column.removeprefix('observable ')}", "")

    @property
    def dof(self) -> int:
        """Number of degrees of freedom."""
        return sum(c.dof for c in self.coordinates)

    @cached_property
    def initial_values(self) -> Mapping[str, float]:
        """The initial values by label, those of whole fields at each of their sites."""
        values: dict[str, float] = {}
        for name, function in self.initial_fields.items():
            first = self.lattice.first if self.lattice else 0
            head, tail = (name[:-1], "]") if name.startswith("p[") else (name, "")
            numbers = np.asarray(function(jnp.zeros(())), float)
            values |= {f"{head}[{first + i}]{tail}": float(x) for i, x in enumerate(numbers)}
        return values | dict(self.initial)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """One label a degree of freedom."""
        return tuple(label for c in self.coordinates for label in c.labels)

    @cached_property
    def velocity_labels(self) -> tuple[str, ...]:
        """One velocity label a degree of freedom."""
        return tuple(label for c in self.coordinates for label in c.velocity_labels)

    @cached_property
    def acceleration_labels(self) -> tuple[str, ...]:
        """One label of an acceleration a degree of freedom."""
        return tuple(label for c in self.coordinates for label in c.acceleration_labels)

    @cached_property
    def momentum_labels(self) -> tuple[str, ...]:
        """`p[q]`, one a degree of freedom."""
        return tuple(f"p[{label}]" for label in self.labels)

    @cached_property
    def moduli(self) -> tuple[float | None, ...]:
        """The period of each degree of freedom, or None."""
        return tuple(c.modulus for c in self.coordinates for _ in range(c.dof))


# Node functions have their components in front and are elementwise over the axes behind them:
# (q: (dof, ...), v: (dof, ...), t: (...), coefficients, inputs, neural) -> arrays (*shape, ...).
# Coefficients and inputs are () or (...); those that vary along a lattice also (N,) or (N, ...).
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

    On a lattice of N sites with m fields and reach w the blocks are bands (2w+1, m, m, N, ...): the
    entry [o, f, g, j] of a_q is the derivative of a of the field f at the site j with respect to
    the field g at the site j + o - w, counted on round a ring, zero where there is no such site.
    """

    lagrangian: Kernel
    forces: Kernel
    blocks: Kernel
    momentum: Kernel
    energy: Kernel
    observables: Mapping[str, Kernel] = field(default_factory=dict)
