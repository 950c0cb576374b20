"""The programs of a lattice model: elementwise over stretches of sites.

What is computed at a stretch of sites has for variables the values of a field at so many sites from
one on. Sums over sites are computed at the sites they run over. Vectors and bands are computed at
the sites they belong to, as one expression in neighbours: the lattice is cut where a long sum
begins or ends, and between two cuts the same terms act on every site. What short sums add, which
would cut it often, is computed at their sites and added. Where a density is not summed, nothing is
computed, so nothing there can be out of its domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

import sympy as sp

from lagc.base.diagnostics import LagcError
from lagc.lower.guards import guarded
from lagc.lower.lowering import Builder, without_dead_code
from lagc.lower.program import Count, Grid, Output, Program, Stretch, Variable
from lagc.lower.programs import ModelPrograms, placed
from lagc.mechanics.lattice import Contribution, Density, LatticeSystem, Parts
from lagc.semantics import graphs
from lagc.semantics.functions import PIECEWISE
from lagc.semantics.model import TIME, Model
from lagc.semantics.sites import Lattice, Place, SiteSum

# What was computed at the sites of a density, by the expression and the range of these sites: the
# number of the instruction and the position of the first site.
Shared = Mapping[tuple[sp.Expr, tuple[int, int]], tuple[int, int]]


def lower_lattice(system: LatticeSystem) -> ModelPrograms:
    """The programs of a lattice system; LAG210 for numbers out of the range of doubles."""
    try:
        return _lower(system)
    except LagcError as error:
        raise placed(system.model, error) from None


def _lower(system: LatticeSystem) -> ModelPrograms:
    model, lattice, w = system.model, system.lattice, system.reach
    m, n = len(model.coordinates), lattice.size

    def program(name: str) -> _Program:
        return _Program(name, model, lattice)

    def bands(made: _Program, name: str, parts: Parts) -> None:
        rows = [((p.row[0] + w) * m + p.row[1]) * m + p.row[2] for p in parts]
        made.spread_out(name, (2 * w + 1, m, m, n), rows, parts)

    def vector(made: _Program, name: str, parts: Parts) -> None:
        made.spread_out(name, (m, n), [p.row[0] for p in parts], parts)

    lagrangian, energy = program("lagrangian"), program("energy")
    lagrangian.totals("L", system.lagrangian)
    energy.totals("E", system.energy)
    forces, blocks, momentum = program("forces"), program("blocks"), program("momentum")
    vector(forces, "a", system.a)
    vector(forces, "b", system.b)
    vector(momentum, "b", system.b)
    for name in ("a_q", "a_v", "b_q", "b_v"):
        bands(blocks, name, getattr(system, name))
    observables = []
    for observable in model.observables:
        made = program(observable.name)
        made.scalar(observable.name, observable.value)
        observables.append(made.done())
    return ModelPrograms(
        lagrangian.done(),
        forces.done(),
        blocks.done(),
        momentum.done(),
        energy.done(),
        tuple(observables),
        tuple(
            _site_function(c.name, c.default, model, lattice)
            for c in model.coefficients
            if c.varies and c.default is not None and graphs.symbols(c.default)
        ),
        tuple(
            _site_function(label, value, model, lattice)
            for label, value in model.initial
            if f"[{lattice.index}]" in label
        ),
    )


def _site_function(name: str, value: sp.Expr, model: Model, lattice: Lattice) -> Program:
    """A function of the index (and of its neighbours, where a constant is taken there)."""
    made = _Program(name, model, lattice)
    made.at_sites(value)
    return made.done()


class _Program:
    """A program in the making."""

    def __init__(self, name: str, model: Model, lattice: Lattice) -> None:
        self.name = name
        self.model = model
        self.lattice = lattice
        self.fields = {c.name: f for f, c in enumerate(model.coordinates)}
        self.definitions = {c.name: c.value for c in model.constants if c.varies}
        self.variables: dict[sp.Symbol, Variable] = {TIME: Variable("t")}
        self.variables |= {c.symbol: Variable("coefficient", c.name) for c in model.coefficients}
        self.variables |= {i.symbol: Variable("signal", i.name) for i in model.inputs}
        self.builder = Builder(self.variables)
        self.standing: set[sp.Symbol] = set()
        self.outputs: list[Output] = []

    def done(self) -> Program:
        """The program, verified."""
        lattice = self.lattice
        grid = Grid(len(self.fields), lattice.size, lattice.first, lattice.periodic)
        instructions = tuple(self.builder.instructions)
        made = without_dead_code(Program(self.name, instructions, tuple(self.outputs), grid))
        made.verify()
        return made

    # --- outputs ------------------------------------------------------------------------------

    def spread_out(self, name: str, shape: tuple[int, ...], rows: list[int], parts: Parts) -> None:
        """Contributions to an array with the sites as last axis."""
        n = self.lattice.size
        values, places = [], []
        long: dict[int, list[Contribution]] = {}
        short: list[tuple[int, Contribution]] = []
        for row, given in zip(rows, parts, strict=True):
            part = replace(given, value=guarded(given.value))
            if self._is_long(part):
                long.setdefault(row, []).append(part)
            else:
                short.append((row, part))
        shared = self._shared([part for found in long.values() for part in found])
        for row, found in sorted(long.items()):
            for start, count, acting in self._stretches(found):
                terms = [self._seen(part, start, count, shared) for part in acting]
                values.append(self.builder.added(terms))
                places.append((row, start, count))
        for row, part in short:
            start, count = self._window(part.sites)
            values.append(self.builder.lower(self._density(part.value, start, count)))
            at = start + part.shift
            places.append((row, at % n if self.lattice.periodic else at, count))
        self.outputs.append(Output(name, shape, tuple(values), tuple(places)))

    def _is_long(self, part: Contribution) -> bool:
        """Whether a sum runs round the whole ring, or over most of a lattice with ends."""
        _, count = self._window(part.sites)
        n = self.lattice.size
        return count == n if self.lattice.periodic else 2 * count > n

    def _stretches(self, parts: list[Contribution]) -> Iterator[tuple[int, int, Parts]]:
        """Start and count of stretches of sites, with the contributions that reach all of each."""
        if self.lattice.periodic:
            yield 0, self.lattice.size, tuple(parts)
            return
        reached = [self._window(part.at) for part in parts]
        cuts = sorted({cut for start, count in reached for cut in (start, start + count)})
        for low, high in pairwise(cuts):
            acting = tuple(
                part
                for part, (start, count) in zip(parts, reached, strict=True)
                if start <= low and high <= start + count
            )
            if acting:
                yield low, high - low, acting

    def _shared(self, parts: list[Contribution]) -> Shared:
        """Values worth computing once, not anew for each site that a density acts on.

        So is what a bond does to both its ends, where it takes a function to compute.
        """
        reached: dict[tuple[sp.Expr, tuple[int, int]], set[int]] = {}
        for part in parts:
            for e in self._costly(part.value):
                reached.setdefault((e, part.sites), set()).add(part.shift)
        shared = {}
        for (e, sites), found in reached.items():
            if len(found) < 2:
                continue
            first, count = self._window(sites)
            number = self.builder.lower(self._density(e, first, count))
            begin = first
            if self.lattice.periodic:
                begin -= max(0, *found)
                count += max(0, *found) - min(0, *found)
            held = Stretch(begin - first, count)
            shared[e, sites] = self.builder.emit("held", number, payload=held), begin
        return shared

    def _costly(self, e: sp.Expr) -> Iterator[sp.Expr]:
        """The outermost functions of fields in an expression, each once."""
        seen: set[sp.Basic] = set()
        waiting = [e]
        while waiting:
            x = waiting.pop()
            if x in seen:
                continue
            seen.add(x)
            rooted = x.is_Pow and not x.exp.is_Integer
            if isinstance(x, PIECEWISE) or not (x.is_Function or rooted):
                waiting += reversed(x.args)
            elif any(p.site is None and p.name in self.fields for _, p in self.lattice.places(x)):
                yield x

    def _seen(self, part: Contribution, start: int, count: int, shared: Shared) -> sp.Expr:
        """A contribution at sites that it reaches."""
        held: dict[sp.Expr, sp.Expr] = {}
        for e in self._costly(part.value):
            if (e, part.sites) in shared:
                number, begin = shared[e, part.sites]
                taken = Stretch(start - part.shift - begin, count)
                number = self.builder.emit("taken", number, payload=taken)
                held[e] = self._standing_for(number)
        value = self.lattice.moved(graphs.replaced(part.value, held), -part.shift)
        return self._density(value, start, count)

    def totals(self, name: str, densities: tuple[Density, ...]) -> None:
        """The sum of densities over their sites."""
        total: int | None = None
        for density in densities:
            one = self._total(density.value, density.sites)
            total = one if total is None else self.builder.emit("add", total, one)
        if total is None:
            total = self.builder.constant(sp.Integer(0))
        self.outputs.append(Output(name, (), (total,)))

    def scalar(self, name: str, value: sp.Expr) -> None:
        """A function of sums over sites, of fields at given sites and of time."""
        for s in sorted(
            [x for x in graphs.parts(value) if isinstance(x, SiteSum)], key=sp.default_sort_key
        ):
            value = graphs.replaced(value, {s: self._totalled(s.body, s.sites)})
        value = guarded(self._with_constants(value))
        value = self.lattice.renamed(value, self._at_given_site)
        self.outputs.append(Output(name, (), (self.builder.lower(value),)))

    def at_sites(self, value: sp.Expr) -> None:
        """A function of the numbers of all sites."""
        value = self._density(guarded(value), 0, self.lattice.size)
        n = self.lattice.size
        places = ((0, 0, n),)
        self.outputs.append(Output(self.name, (n,), (self.builder.lower(value),), places))

    # --- densities ----------------------------------------------------------------------------

    def _window(self, sites: tuple[int, int]) -> tuple[int, int]:
        """The position of the first site and how many there are."""
        return sites[0] - self.lattice.first, sites[1] - sites[0] + 1

    def _total(self, body: sp.Expr, sites: tuple[int, int]) -> int:
        start, count = self._window(sites)
        value = self.builder.lower(self._density(guarded(body), start, count))
        return self.builder.emit("total", value, payload=Count(count))

    def _totalled(self, body: sp.Expr, sites: tuple[int, int]) -> sp.Symbol:
        """A symbol that stands for a total."""
        return self._standing_for(self._total(body, sites))

    def _standing_for(self, number: int) -> sp.Symbol:
        """A symbol for a value that was computed before."""
        symbol = sp.Symbol(f"value {number}")
        self.builder.define(symbol, number)
        self.standing.add(symbol)
        return symbol

    def _at_given_site(self, place: Place) -> sp.Expr:
        """Outside a density: a quantity at a site given by its number."""
        assert place.site is not None
        if place.name not in self.fields:
            return self._totalled(self.lattice.fixed(place.base, place.site), (place.site,) * 2)
        kind = "v" if "'" in place.base else "q"
        position = self.fields[place.name] * self.lattice.size + place.site - self.lattice.first
        return self._variable(Variable(kind, index=position), f"{kind}[{position}]")

    def _with_constants(self, e: sp.Expr) -> sp.Expr:
        """The values of constants, at each site for those that vary."""

        def rename(place: Place) -> sp.Expr:
            if place.name not in self.definitions:
                at = self.lattice
                return (
                    at.at(place.base, place.shift)
                    if place.site is None
                    else at.fixed(place.base, place.site)
                )
            definition = self.definitions[place.name]
            if place.site is not None:
                return self.lattice.at_site(definition, place.site)
            return self.lattice.moved(definition, place.shift)

        return self.lattice.renamed(graphs.replaced(e, self.model.constant_values), rename)

    def _density(self, e: sp.Expr, start: int, count: int) -> sp.Expr:
        """A density in symbols for the values at the sites it is computed at."""
        e = self._with_constants(e)
        renamed: dict[sp.Symbol, sp.Expr] = {}
        for symbol in sorted(graphs.symbols(e) - self.standing, key=lambda s: s.name):
            place = self.lattice.place(symbol)
            if place is None:
                same = self.variables[symbol]
                everywhere = Variable(same.kind, same.name, sites=())
                renamed[symbol] = self._variable(everywhere, f"{symbol.name} everywhere")
                continue
            sites = (start + place.shift, count)
            if place.site is not None:
                sites = (place.site - self.lattice.first, 1)
            if self.lattice.periodic:  # counted from the nearer end
                half = self.lattice.size // 2
                sites = ((sites[0] + half) % self.lattice.size - half, sites[1])
            if place.name in self.fields:
                kind = "v" if "'" in place.base else "q"
                made = Variable(kind, symbol.name, self.fields[place.name], sites)
            elif place.name:
                made = Variable("coefficient", place.name, sites=sites)
            else:
                made = Variable("site", symbol.name, sites=sites)
            renamed[symbol] = self._variable(made, f"{symbol.name} {sites}")
        return graphs.replaced(e, renamed)

    def _variable(self, variable: Variable, name: str) -> sp.Symbol:
        symbol = sp.Symbol(name)
        self.variables[symbol] = variable
        return symbol
