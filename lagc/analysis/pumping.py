"""Friction with the wrong sign: a K that feeds energy into the motion by itself.

The power of K is v . F (REFERENCE section 1). Turning the motion round in time, v -> -v, changes
the sign of what a potential, a magnetic or a circulatory force does, and leaves the sign of what
friction does. So the half of the power that is even in v is looked at: where it is positive, the
whole power is positive too, for v or for -v. That is normal for a force that depends on t or on an
input, which drives, and rare otherwise (van der Pol's oscillator, negative damping).

The power of a force on x that is even in x', as -c*x'^2, changes sign with v as that of a potential
does, but nothing gives back what it feeds in. What such a force does beyond its value at rest is
looked at as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mpmath as mp
import sympy as sp

from lagc.analysis.motion import Components, Motion, summands
from lagc.analysis.sampling import NotSampled, Sampler, Values, sampled_states
from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.base.spans import Span
from lagc.mechanics.numeric import DIGITS
from lagc.semantics import graphs
from lagc.semantics.evaluation import Evaluator, OutsideDomain, number
from lagc.semantics.functions import JumpDerivative, NeuralTerm
from lagc.semantics.model import Model

_POINTS = 128
_LARGEST = 8000  # nodes of the power
_NEGLIGIBLE = 1e-9  # of the summands, in double precision
_LONGEST_TEXT = 90
_MOST_AXES = 8  # degrees of freedom for which the quadratic form is diagonalised
_POWERS = 16

State = dict[sp.Symbol, float]


@dataclass(frozen=True)
class _Friction:
    """The power of one contribution to K, its half that is even in v, and that of one-way drag."""

    power: sp.Expr
    even: sp.Expr
    one_way: sp.Expr
    span: Span
    driven: bool

    @property
    def judged(self) -> sp.Expr:
        """What should nowhere be positive."""
        return self.even + self.one_way


@dataclass(frozen=True)
class Witness:
    """A state in which K adds the `power` > 0 to the energy, most of it by the term at `span`.

    state: the q, q' and coefficients that matter; always: whether the term adds energy wherever it
    was tried and acts at all; one_way: whether it does so as drag that forgets the direction.
    """

    power: float
    state: State
    span: Span
    always: bool
    one_way: bool


@dataclass(frozen=True)
class Friction:
    """The contributions to K that take energy out or feed it in, driving ones included."""

    motion: Motion
    terms: tuple[_Friction, ...]

    @property
    def symbols(self) -> set[sp.Symbol]:
        """What the power depends on."""
        return {s for term in self.terms for s in graphs.symbols(term.judged)}

    def witness(self, *, any_sign: bool = False) -> Witness | None:
        """A state in which K feeds energy in; None if there is none among those tried.

        any_sign: whether coefficients without bounds may take any sign, not that of their default.
        """
        total = sum(graphs.size(term.judged) for term in self.terms)
        if all(term.driven for term in self.terms) or total > _LARGEST:
            return None
        states = sampled_states(self.motion.model, _POINTS, any_sign=any_sign)
        for network in self.symbols - set(states):
            states[network] = [1.0] * _POINTS
        try:
            _turn_to_growth(self.motion, self.terms, states)
            return _Search(self.motion.model, self.terms, states).witness()
        except NotSampled:
            return None


def find_friction(motion: Motion) -> Friction:
    """The friction in K, empty where nothing can be said about it."""
    try:
        found = _friction(motion)
    except JumpDerivative:
        found = None
    return Friction(motion, tuple(term for term in found or () if term.judged != 0))


def _friction(motion: Motion) -> list[_Friction] | None:
    """The contributions to K, of what has one span together; None where nothing can be said.

    That is where a network of unknown sign takes part, or where the power depends on q'', which
    the state does not show. A network with positive values is a positive number here.
    """
    model = motion.model
    forces: dict[Span, list[Components]] = {}
    for term in model.coupling_terms:
        forces.setdefault(term.span, []).append(motion.force(term.value))
    acting = [e for parts in forces.values() for force in parts for e in force.values()]
    inertial = any(not graphs.symbols(e).isdisjoint(motion.orders[2]) for e in acting)
    turned = {v: -v for v in motion.orders[1]}
    positive = {slot.name for slot in model.neural if slot.output == "positive"}
    found = []
    for span, parts in forces.items():
        power = sp.Add(*[motion.power(force) for force in parts])
        networks = [x for x in graphs.parts(power) if isinstance(x, NeuralTerm)]
        if any(x.slot not in positive or any(x.orders) for x in networks):
            return None
        power = graphs.replaced(power, {x: sp.Symbol(f"neural {x.slot}") for x in networks})
        even = (power + graphs.replaced(power, turned)) / 2
        even = sp.Add(*summands(even))
        if not graphs.symbols(even).isdisjoint(motion.orders[2]):
            return None
        # What is odd in v may hold q''; it is shown for a motion at that moment without.
        power = graphs.replaced(power, dict.fromkeys(motion.orders[2], sp.Integer(0)))
        one_way = sp.Integer(0) if networks or inertial else _one_way(motion, parts)
        driven = not motion.driving.isdisjoint(graphs.symbols(even))
        found.append(_Friction(power, even, one_way, span, driven))
    return found


def _one_way(motion: Motion, parts: Sequence[Components]) -> sp.Expr:
    """The power of the forces that are even in the velocity of their own coordinate and no other.

    What is left of them at rest, as dry friction with one sign or a weight, is not counted. Where K
    holds inertia, terms in x'^2 may belong to it.
    """
    total = sp.Integer(0)
    for i, v in enumerate(motion.orders[1]):
        force = sp.Add(*[part[i] for part in parts if i in part])
        moving = graphs.symbols(force).intersection((*motion.orders[1], *motion.orders[2]))
        if moving != {v} or not motion.driving.isdisjoint(graphs.symbols(force)):
            continue
        even = (force + graphs.replaced(force, {v: -v})) / 2
        resting = graphs.replaced(even, {v: sp.Integer(0)})
        if not {sp.nan, sp.zoo, sp.oo}.isdisjoint(graphs.parts(resting)):
            resting = sp.Integer(0)
        total += sp.Add(*summands(v * (even - resting)))
    return total


def _turn_to_growth(
    motion: Motion, terms: Sequence[_Friction], states: dict[sp.Symbol, Values]
) -> None:
    """Where the power is quadratic in v, every third velocity becomes the one that gains most."""
    velocities = motion.orders[1]
    total = sp.Add(*[term.judged for term in terms])
    moving = [v for v in velocities if v in graphs.symbols(total)]
    if not moving or len(moving) > _MOST_AXES:
        return
    sampler = Sampler(states, _POINTS)
    form: dict[tuple[int, int], Values] = {}
    derivative = motion.derivative
    try:
        slopes = [derivative(total, v) for v in moving]
        for i, slope in enumerate(slopes):
            present = graphs.symbols(slope)
            for j in (j for j, v in enumerate(moving) if v in present):
                entry = derivative(slope, moving[j])
                if not graphs.symbols(entry).isdisjoint(velocities):
                    return
                form[i, j] = sampler(entry)
    except JumpDerivative:
        return
    for place in range(0, _POINTS, 3):
        entries = {ij: values[place] for ij, values in form.items()}
        if all(map(math.isfinite, entries.values())):
            for v, x in zip(moving, _largest_axis(entries, len(moving)), strict=True):
                states[v][place] = x


def _largest_axis(entries: Mapping[tuple[int, int], float], n: int) -> list[float]:
    """The axis of the largest eigenvalue of a symmetric matrix, by powers of the shifted matrix."""
    shift = 2 * sum(map(abs, entries.values())) or 1.0
    axis = [1.0 + 0.1 * k for k in range(n)]
    for _ in range(_POWERS):
        new = [shift * x for x in axis]
        for (i, j), entry in entries.items():
            new[i] += entry * axis[j]
        size = max(map(abs, new))
        axis = [x / size for x in new]
    return axis


class _Search:
    """The search for a state, and for its simplest form."""

    def __init__(
        self, model: Model, terms: Sequence[_Friction], states: Mapping[sp.Symbol, Values]
    ) -> None:
        self.model = model
        self.terms = terms
        self.own = [term for term in terms if not term.driven]
        self.states = states
        self.defaults = {
            c.symbol: float(number(c.default)) for c in model.coefficients if c.default is not None
        }

    def witness(self) -> Witness | None:
        sampler = Sampler(self.states, _POINTS)
        everything = sampler.sum_and_size([t.judged for t in self.terms])
        own = sampler.sum_and_size([t.judged for t in self.own])
        places = [
            k
            for k, (x, size, y, own_size) in enumerate(zip(*everything, *own, strict=True))
            if x > _NEGLIGIBLE * size and y > _NEGLIGIBLE * own_size
        ]
        for place in places[:8]:
            state = {s: float(values[place]) for s, values in self.states.items()}
            if self._gain(state) is not None:
                return self._described(self._simplified(state), sampler)
        return None

    def _gain(self, state: State) -> float | None:
        """The power of the terms that do not drive, if what is judged of those, and of all, is
        above 0; with one-way drag the power too, which does not change sign with v then.
        """
        with mp.workdps(DIGITS):
            at = Evaluator({s: mp.mpf(x) for s, x in state.items()})
            try:
                for terms in (self.terms, self.own):
                    parts = [at(x) for t in terms for x in sp.Add.make_args(t.judged)]
                    if mp.fsum(parts) <= mp.mpf(10) ** (-DIGITS // 2) * mp.fsum(map(abs, parts)):
                        return None
                power = float(mp.fsum(at(t.power) for t in self.own))
            except OutsideDomain:
                return None
        return power if power > 0 or all(t.one_way == 0 for t in self.own) else None

    def _simplified(self, state: State) -> State:
        """As many defaults, zeros and short numbers as leave the power above 0."""
        motion = [*self.model.variables(0), *self.model.variables(1)]
        trials = [(s, x) for s, x in self.defaults.items() if s in state]
        trials += [(s, x) for x in (0.0, 1.0, -1.0) for s in motion]
        for symbol in [*self.defaults, *motion]:
            trials += [(symbol, float(f"{state[symbol]:.{digits}g}")) for digits in (2, 1)]
        bounds = {c.symbol: c for c in self.model.coefficients}
        for symbol, value in trials:
            settled = state[symbol] in (0.0, 1.0, -1.0, self.defaults.get(symbol))
            if settled or (symbol in bounds and not bounds[symbol].admits(value)):
                continue
            if self._gain({**state, symbol: value}) is not None:
                state = {**state, symbol: value}
        return state

    def _described(self, state: State, sampler: Sampler) -> Witness:
        turned = {**state, **{v: -state[v] for v in self.model.variables(1)}}
        gains = [(self._gain(s) or 0.0, s) for s in (state, turned)]
        power, state = max(gains, key=lambda pair: pair[0])
        at = Sampler({s: [x] for s, x in state.items()}, 1)
        term = max(self.own, key=lambda t: at(t.judged)[0])
        values = zip(*sampler.sum_and_size([term.judged]), strict=True)
        losing = any(x < -_NEGLIGIBLE * size for x, size in values)
        variables = {s for t in self.own for s in graphs.symbols(t.power)}
        shown = {
            *self.model.variables(0),
            *self.model.variables(1),
            *(c.symbol for c in self.model.coefficients),
        }
        kept = {s: x for s, x in state.items() if s in variables & shown}
        one_way = at(term.one_way)[0] > 0 >= at(term.even)[0]
        return Witness(power, kept, term.span, not losing, one_way)


def _positive_masses(motion: Motion, lagrangian: sp.Expr) -> bool:
    """Whether no kinetic energy is negative: with one, E growing is no growth of the motion."""
    states = sampled_states(motion.model, _POINTS // 4)
    sampler = Sampler(states, _POINTS // 4)
    derivative = motion.derivative
    try:
        masses = [derivative(derivative(lagrangian, v), v) for v in motion.orders[1]]
        return not any(x < 0 for mass in masses for x in sampler(mass))
    except (JumpDerivative, NotSampled):
        return True


def _words(found: Witness) -> tuple[str, str]:
    """Label and help."""
    if found.always:
        return (
            "never takes energy out: is the sign right?",
            "friction and drag take energy out, as this term does with the other sign",
        )
    if found.one_way:
        return (
            "brakes one way and drives the other",
            "drag acts against the velocity either way if it is odd in it: `abs(x')*x'` for `x'^2`",
        )
    return (
        "adds energy in some states, as in van der Pol's oscillator",
        "if that is meant, `lagc check --allow LAG325` says no more about it",
    )


def warn_of_pumping(
    source: Model, motion: Motion, lagrangian: sp.Expr, diagnostics: Diagnostics
) -> None:
    """LAG325 where K feeds energy in; LAG326 where it would, if a coefficient changed its sign.

    source: the model as declared, which differs from that of the motion for a lattice.
    """
    friction = find_friction(motion)
    if not friction.terms or not _positive_masses(motion, lagrangian):
        return
    found = friction.witness()
    if found is not None:
        where = ", ".join(f"{s.name} = {x:.6g}" for s, x in found.state.items() if x)
        where = where if len(where) <= _LONGEST_TEXT else f"{where[:_LONGEST_TEXT]} ..."
        label, help = _words(found)
        where += "" if all(found.state.values()) else " and all else 0"
        diagnostics.add(
            Code.LAG325,
            f"K feeds energy into the motion: it adds {found.power:.3g} to dE/dt at {where}",
            found.span,
            label=label,
            help=help,
        )
        return
    names = {s.name.split("[")[0] for s in friction.symbols}
    unbounded = [c for c in source.coefficients if c.lower is None and c.upper is None]
    free = [c for c in unbounded if c.name in names]
    if not free:
        return
    found = friction.witness(any_sign=True)
    for c in free if found is not None else ():
        assert found is not None
        value = next((x for s, x in found.state.items() if s.name.split("[")[0] == c.name), 0.0)
        usual = 1 if c.default is None or c.default >= 0 else -1
        if value * usual < 0:
            bounds = "[0, inf)" if usual > 0 else "(-inf, 0]"
            diagnostics.add(
                Code.LAG326,
                f"`{c.name}` has no bounds, and where it is {'<' if usual > 0 else '>'} 0 K feeds "
                "energy into the motion",
                c.span,
                help=f"if that is not meant, write `coefficient {c.name} in {bounds}`",
            )
