"""`Model`: a program as understood. Every symbol has a role and a span; L and K are SymPy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from lagc.base.spans import Source, Span
from lagc.semantics.sites import Lattice, SiteSum

TIME = sp.Symbol("t")


@dataclass(frozen=True)
class Coordinate:
    """A coordinate of one (`size` None) or several components, each with its six symbols.

    A field on a lattice (`index` is its name) is one coordinate at a generic site; with `sites` it
    is written out, a component for each of them.
    """

    name: str
    size: int | None
    modulus: sp.Expr | None
    span: Span
    index: str = ""
    sites: tuple[int, ...] = ()

    def symbols(self, primes: int, side: str) -> tuple[sp.Symbol, ...]:
        """Components of q, q', q_+, q'_+, q_-, q'_-; `side` is `+`, `-` or empty."""
        name = self.name + "'" * primes + (f"_{side}" if side else "")
        if self.size is None:
            return (sp.Symbol(f"{name}[{self.index}]" if self.index else name),)
        return tuple(sp.Symbol(f"{name}[{i}]") for i in self.sites or range(self.size))


@dataclass(frozen=True)
class Constant:
    """A named number, exact; one that `varies` along the lattice is a function of the index."""

    name: str
    value: sp.Expr
    span: Span
    varies: bool = False

    @property
    def symbol(self) -> sp.Symbol:
        """The symbol that stands for it in L and K."""
        return sp.Symbol(self.name)


@dataclass(frozen=True)
class Law:
    """A prior: `kind` point, uniform, loguniform, normal (with `parameters`) or mixture (with
    `weights` and `parts`)."""

    kind: str
    parameters: tuple[sp.Expr, ...] = ()
    weights: tuple[sp.Expr, ...] = ()
    parts: tuple[Law, ...] = ()


@dataclass(frozen=True)
class Coefficient:
    """A number given at run time; bounds are exact, None where there is none.

    One that `varies` has a value at each site of the lattice; its default may depend on the index.
    """

    name: str
    lower: sp.Expr | None
    upper: sp.Expr | None
    lower_open: bool
    upper_open: bool
    default: sp.Expr | None
    prior: Law | None
    span: Span
    varies: bool = False

    @property
    def symbol(self) -> sp.Symbol:
        """The symbol that stands for it in L and K."""
        return sp.Symbol(self.name)

    def admits(self, x: sp.Expr) -> bool:
        """Whether a number lies between the bounds."""
        above = self.lower is None or (x > self.lower if self.lower_open else x >= self.lower)
        below = self.upper is None or (x < self.upper if self.upper_open else x <= self.upper)
        return bool(above) and bool(below)


@dataclass(frozen=True)
class Input:
    """A signal given at run time."""

    name: str
    span: Span

    @property
    def symbol(self) -> sp.Symbol:
        """The symbol that stands for its value at time t."""
        return sp.Symbol(self.name)


@dataclass(frozen=True)
class NeuralSlot:
    """A function given at run time, of `sizes` numbers per declared parameter."""

    name: str
    sizes: tuple[int, ...]
    widths: tuple[int, ...]
    activation: str
    output: str
    span: Span

    @property
    def inputs(self) -> int:
        """How many numbers it takes in all."""
        return sum(self.sizes)


@dataclass(frozen=True)
class Term:
    """One summand of L or of K, with the text it came from.

    On a lattice it is a density at the generic site and the first and last site it is summed over.
    """

    value: sp.Expr
    span: Span
    sites: tuple[int, int] | None = None


@dataclass(frozen=True)
class RoughCall:
    """A call of a function with a kink or a jump, kept so that diagnostics can point at it."""

    function: str
    value: sp.Expr
    span: Span


@dataclass(frozen=True)
class Observable:
    """A declared function of q, v and t."""

    name: str
    value: sp.Expr
    span: Span


@dataclass(frozen=True)
class RunLine:
    """The `run` line; None where a clause is absent."""

    until: sp.Expr | None = None
    step: sp.Expr | None = None
    order: int | None = None


@dataclass(frozen=True)
class Model:
    """A whole program. `initial` maps labels (`q`, `r'[0]`, `p[q]`) to exact numbers, and those of
    whole fields (`phi'[i]`) to functions of the index.

    K holds the contributions of `R` and `force` too. Terms keep their order in the text. `used`
    holds the sources of the files that `source` uses.
    """

    name: str
    source: Source
    coordinates: tuple[Coordinate, ...]
    constants: tuple[Constant, ...]
    coefficients: tuple[Coefficient, ...]
    inputs: tuple[Input, ...]
    neural: tuple[NeuralSlot, ...]
    lagrangian_terms: tuple[Term, ...]
    coupling_terms: tuple[Term, ...]
    observables: tuple[Observable, ...]
    initial: tuple[tuple[str, sp.Expr], ...]
    run: RunLine
    rough_calls: tuple[RoughCall, ...]
    lattice: Lattice | None = None
    used: tuple[Source, ...] = ()

    @property
    def lagrangian(self) -> sp.Expr:
        """L(q, q', t)."""
        return sp.Add(*[self.written(term) for term in self.lagrangian_terms])

    @property
    def coupling(self) -> sp.Expr:
        """K(q_+, q_-, q'_+, q'_-, t)."""
        return sp.Add(*[self.written(term) for term in self.coupling_terms])

    def written(self, term: Term) -> sp.Expr:
        """A summand as an expression: on a lattice a sum over sites, or its value at one site."""
        if self.lattice is None or term.sites is None:
            return term.value
        first, last = term.sites
        if first == last:
            return self.lattice.at_site(term.value, first)
        return SiteSum(term.value, self.lattice.symbol, first, last)

    @property
    def dof(self) -> int:
        """Number of degrees of freedom."""
        return len(self.variables(0)) * (self.lattice.size if self.lattice else 1)

    def variables(self, primes: int, side: str = "") -> tuple[sp.Symbol, ...]:
        """One symbol a degree of freedom, for instance all q'_+ (primes=1, side='+')."""
        if (primes, side) not in self._variables:
            made = tuple(s for c in self.coordinates for s in c.symbols(primes, side))
            self._variables[primes, side] = made
        return self._variables[primes, side]

    @cached_property
    def _variables(self) -> dict[tuple[int, str], tuple[sp.Symbol, ...]]:
        return {}

    @property
    def labels(self) -> tuple[str, ...]:
        """One label a degree of freedom: `q`, `r[0]`; a field has one, `phi[i]`, for all sites."""
        return tuple(s.name for s in self.variables(0))

    @cached_property
    def constant_values(self) -> dict[sp.Symbol, sp.Expr]:
        """The value of the symbol of every constant that is one number."""
        return {c.symbol: c.value for c in self.constants if not c.varies}

    @cached_property
    def ranges(self) -> dict[sp.Symbol, tuple[sp.Expr | None, sp.Expr | None]]:
        """Between which numbers constants and coefficients lie."""
        return {
            **{symbol: (value, value) for symbol, value in self.constant_values.items()},
            **{c.symbol: (c.lower, c.upper) for c in self.coefficients},
        }

    def shown(self, coefficient: Coefficient) -> str:
        """The name of a coefficient, with the index where it has a value at each site."""
        if self.lattice is None or not coefficient.varies:
            return coefficient.name
        return f"{coefficient.name}[{self.lattice.index}]"

    def coordinate_of(self, dof: int) -> Coordinate:
        """The coordinate that a degree of freedom belongs to."""
        owners = [c for c in self.coordinates for _ in c.symbols(0, "")]
        return owners[dof]
