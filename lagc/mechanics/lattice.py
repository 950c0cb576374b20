"""The equations of motion of a lattice, kept at one generic site (REFERENCE section 1).

A density l(i) that depends on f[i+s] contributes dl/df[i+s] to the component f at the site i + s,
for every site i that it is summed over. So a, b and the bands of their derivatives are lists of
contributions, each an expression at the site i of the density, with the place it goes to. Nothing
depends on the number of sites.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics, fail
from lagc.mechanics.coupling import physical_limit
from lagc.mechanics.instance import written_out
from lagc.mechanics.nodesystem import (
    NodeSystem,
    derive,
    differentiation,
    partial_time,
    reported,
)
from lagc.semantics.functions import JumpDerivative
from lagc.semantics.model import Model, Term
from lagc.semantics.sites import Lattice

_LARGEST_INSTANCE = 400


@dataclass(frozen=True)
class Density:
    """An expression at the generic site, summed over the sites from the first to the last."""

    value: sp.Expr
    sites: tuple[int, int]


@dataclass(frozen=True)
class Contribution:
    """What a density at site i adds to the site i + `shift` of the component `row`.

    row: (field,) in a vector; (distance, field, other field) in a band, where the derivative is
    with respect to the other field at the site i + shift + distance.
    """

    row: tuple[int, ...]
    shift: int
    value: sp.Expr
    sites: tuple[int, int]

    @property
    def at(self) -> tuple[int, int]:
        """The first and the last site that it reaches (on a ring counted on beyond the ends)."""
        first, last = self.sites
        return first + self.shift, last + self.shift


Parts = tuple[Contribution, ...]


@dataclass(frozen=True)
class LatticeSystem:
    """a, b: contributions to the fields; a_q to b_v: to the bands of their derivatives.

    `reach` is the largest distance between sites that are coupled, `local_mass` whether b at a site
    depends on the velocities at that site alone. `instance` is the same system on few sites, on
    which the mechanics was checked. power is dE/dt, with the accelerations as symbols phi''[i].
    """

    model: Model
    lattice: Lattice
    instance: NodeSystem
    lagrangian: tuple[Density, ...]
    energy: tuple[Density, ...]
    power: tuple[Density, ...]
    a: Parts
    b: Parts
    a_q: Parts
    a_v: Parts
    b_q: Parts
    b_v: Parts
    reach: int
    local_mass: bool

    def summed(self, densities: tuple[Density, ...]) -> sp.Expr:
        """Densities as one expression, with their sums written as such."""
        span = self.lattice.span
        return sp.Add(*[self.model.written(Term(d.value, span, d.sites)) for d in densities])

    def verify(self) -> None:
        """No doubled variable survives the physical limit."""
        parts = (*self.a, *self.b, *self.a_q, *self.a_v, *self.b_q, *self.b_v)
        values = [p.value for p in parts]
        values += [d.value for d in (*self.energy, *self.power)]
        bases = [place.base for e in values for _, place in self.lattice.places(e)]
        if any(base.endswith(("_+", "_-")) for base in bases):
            raise AssertionError("doubled variables survive the physical limit")


def derive_lattice(model: Model, lattice: Lattice, diagnostics: Diagnostics) -> LatticeSystem:
    """The equations of a lattice model; raises `LagcError` if its mechanics does not stand."""
    small = written_out(model, lattice)
    if small.dof > _LARGEST_INSTANCE:
        raise fail(
            Code.LAG108,
            f"the checks of this lattice would take {small.dof} degrees of freedom; at most "
            f"{_LARGEST_INSTANCE} are compiled",
            lattice.span,
            help="fewer fields, nearer neighbours, or fewer sites at which sums begin and end",
        )
    instance = derive(small, diagnostics)
    try:
        system = _Derivation(model, lattice).system(instance)
    except JumpDerivative as error:
        reported(model, error, diagnostics)
        raise
    system.verify()
    if lattice.periodic and lattice.size < 2 * system.reach + 1:
        diagnostics.add(
            Code.LAG219,
            f"a ring of {lattice.size} sites is too small: sites {system.reach} apart are coupled, "
            "both ways round",
            lattice.span,
            help=f"it needs at least {2 * system.reach + 1} sites",
        )
    diagnostics.raise_if_errors()
    return system


def derive_power(model: Model, lattice: Lattice) -> tuple[Density, ...]:
    """dE/dt of a lattice model, with the accelerations as symbols phi''[i]."""
    return _Derivation(model, lattice).all_power()


class _Derivation:
    """Contributions of all densities, one range of sites after the other."""

    def __init__(self, model: Model, lattice: Lattice) -> None:
        self.model = model
        self.lattice = lattice
        self.derivative = differentiation(model)
        self.fields = {c.name: f for f, c in enumerate(model.coordinates)}
        self.lagrangian: list[Density] = []
        self.energy: list[Density] = []
        self.power: list[Density] = []
        self.parts: dict[str, list[Contribution]] = {
            name: [] for name in ("a", "b", "a_q", "a_v", "b_q", "b_v")
        }

    def all_power(self) -> tuple[Density, ...]:
        for sites, (density, coupling) in self._ranges().items():
            self._add(sites, density, coupling)
        return tuple(self.power)

    def system(self, instance: NodeSystem) -> LatticeSystem:
        for sites, (density, coupling) in self._ranges().items():
            self._add(sites, density, coupling)
        parts = {name: tuple(found) for name, found in self.parts.items()}
        bands = [p for name in ("a_q", "a_v", "b_q", "b_v") for p in parts[name]]
        return LatticeSystem(
            self.model,
            self.lattice,
            instance,
            tuple(self.lagrangian),
            tuple(self.energy),
            tuple(self.power),
            **parts,
            reach=max((abs(p.row[0]) for p in bands), default=0),
            local_mass=all(p.row[0] == 0 for p in parts["b_v"]),
        )

    def _ranges(self) -> dict[tuple[int, int], tuple[sp.Expr, sp.Expr]]:
        """The densities of L and K by the sites they are summed over, in the order of the text."""
        found: dict[tuple[int, int], tuple[sp.Expr, sp.Expr]] = {}

        def add(term: Term, which: int) -> None:
            assert term.sites is not None
            both = list(found.get(term.sites, (sp.Integer(0), sp.Integer(0))))
            both[which] += term.value
            found[term.sites] = both[0], both[1]

        for term in self.model.lagrangian_terms:
            add(term, 0)
        for term in self.model.coupling_terms:
            add(term, 1)
        return found

    def _places(self, e: sp.Expr, marks: str) -> list[tuple[int, int, sp.Symbol]]:
        """Field, shift and symbol of the variables with these primes and sign of history."""
        return [
            (self.fields[place.name], place.shift, symbol)
            for symbol, place in self.lattice.places(e)
            if place.name in self.fields and place.base == place.name + marks
        ]

    def _add(self, sites: tuple[int, int], density: sp.Expr, coupling: sp.Expr) -> None:
        momentum: dict[tuple[int, int], sp.Expr] = {}
        force: dict[tuple[int, int], sp.Expr] = {}
        impulse: dict[tuple[int, int], sp.Expr] = {}
        slope: dict[tuple[int, int], sp.Expr] = {}
        for f, s, x in self._places(density, ""):
            slope[f, s] = _shared(self.derivative.tidied(density, x))
        for f, s, x in self._places(density, "'"):
            momentum[f, s] = _shared(self.derivative.tidied(density, x))
        for f, s, x in self._places(coupling, "_-"):
            force[f, s] = _shared(
                physical_limit(self.model, self.derivative.everywhere(coupling, x))
            )
        for f, s, x in self._places(coupling, "'_-"):
            impulse[f, s] = _shared(
                physical_limit(self.model, self.derivative.everywhere(coupling, x))
            )
        self._place("a", sites, slope, force)
        self._place("b", sites, momentum, impulse)
        if density != 0:
            velocities = {key: self._symbol(key, "'") for key in momentum}
            energy = sp.Add(*[velocities[key] * p for key, p in momentum.items()], -density)
            self.lagrangian.append(Density(density, sites))
            self.energy.append(Density(energy, sites))
        power = [self._symbol(key, "'") * x for key, x in force.items()]
        power += [-self._symbol(key, "'") * self._rate(x) for key, x in impulse.items()]
        if (total := sp.Add(-partial_time(self.model, density, self.derivative), *power)) != 0:
            self.power.append(Density(total, sites))

    def _place(
        self,
        name: str,
        sites: tuple[int, int],
        *summands: dict[tuple[int, int], sp.Expr],
    ) -> None:
        """The contributions to a or b, and to the bands of their derivatives."""
        for f, s in sorted({key for values in summands for key in values}):
            value = sp.Add(*[values.get((f, s), 0) for values in summands])
            if value == 0:
                continue
            self.parts[name].append(Contribution((f,), s, value, sites))
            for variables, marks in (("q", ""), ("v", "'")):
                for g, other, x in self._places(value, marks):
                    entry = _shared(self.derivative.tidied(value, x))
                    if entry != 0:
                        band = Contribution((other - s, f, g), s, entry, sites)
                        self.parts[f"{name}_{variables}"].append(band)

    def _symbol(self, key: tuple[int, int], primes: str) -> sp.Symbol:
        f, s = key
        return self.lattice.at(self.model.coordinates[f].name + primes, s)

    def _rate(self, e: sp.Expr) -> sp.Expr:
        """The derivative along a motion, with accelerations as symbols."""
        moving = [
            self.derivative(e, x) * self._symbol((f, s), "'" * (primes + 1))
            for primes in (0, 1)
            for f, s, x in self._places(e, "'" * primes)
        ]
        return sp.Add(partial_time(self.model, e, self.derivative), *moving)


def _shared(e: sp.Expr, known: dict[sp.Expr, sp.Expr] | None = None) -> sp.Expr:
    """c*(2*a - 2*b) written 2*c*(a - b), and c*(b - a) as -c*(a - b).

    What a bond does to its two ends is then the same number up to the sign, and computed once.
    """
    known = {} if known is None else known
    if e not in known:
        known[e] = _rebuilt(e, [_shared(x, known) for x in e.args])
    return known[e]


def _rebuilt(e: sp.Expr, args: list[sp.Expr]) -> sp.Expr:
    if all(a is b and not a.is_Add for a, b in zip(args, e.args, strict=True)):
        return e
    if not e.is_Mul:
        return e.func(*args)
    numbers, factors = [], []
    for x in args:
        if x.is_Add:
            content, x = x.primitive()
            if min(x.args, key=sp.default_sort_key).could_extract_minus_sign():
                content, x = -content, -x
            numbers.append(content)
        factors.append(x)
    return sp.Mul(sp.Mul(*numbers), *factors)
