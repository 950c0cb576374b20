"""Which terms the data ask for: coefficients that may be zero, kept or left out by evidence.

Models are compared by whole trajectories. The first is the one that the regression would choose,
or, where that does not follow the data, what all terms say on short pieces of them (`pieces`); at
every fit, the sensitivities say of all other subsets how they would fare (`subsets`).
The best of them is fitted in turn, starting where the sensitivities say, until a fit finds no
better one than itself. Its nearest rivals are then fitted too, so that no verdict rests on a linear
approximation. All fits share their step, and with it one compiled program. A comparison that has
spent its budget of models or evaluations, or whose first model follows only a part of the data,
ends there, and its choice is reported as not converged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.fit import Solution, solve
from lagc.learn.fit_result import FitResult
from lagc.learn.horizon import Grown, nearest, whole
from lagc.learn.least_squares import Setting, search
from lagc.learn.losses import loss_named
from lagc.learn.noise import estimate_noise
from lagc.learn.pieces import Pieces, require_pieces
from lagc.learn.problem import Problem, check, hold_structural
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.recording import Recording, with_sigma
from lagc.learn.refine import refine, with_enough_substeps
from lagc.learn.regression import Regressed, regress, subsets
from lagc.learn.residuals import Residuals
from lagc.learn.sizes import following
from lagc.learn.subsets import Subsets, Support, multiplicity
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_RIVAL = 10.0  # within this of the best a model is fitted, by the criterion
_MOST_RIVALS = 6  # fitted in a round
_MOST_MODELS = 40
_MOST_NAMED = 5  # recordings
_MOST_EVALUATIONS = 2000  # of trajectories with their sensitivities, by all models together
_A_SEARCH = 100  # evaluations for one of them
_TOLERANCE = 1e-8  # of the searches that only compare
_REWEIGHTED = 3
_SETTLED = 0.02
_LEVEL = 1e-10  # part of the spread of a channel: residuals below are round-off


@dataclass(frozen=True)
class Candidate:
    """One model compared: the coefficients left out, whether its search came to an end, and the
    extended criterion of its fit (`subsets`)."""

    without: tuple[str, ...]
    converged: bool
    criterion: float

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        criterion = self.criterion if np.isfinite(self.criterion) else None
        return {"without": list(self.without), "converged": self.converged, "criterion": criterion}


@dataclass(frozen=True)
class Selection:
    """The fit of the model chosen, what it leaves out, and all models compared, the best first."""

    solution: Solution
    without: tuple[str, ...]
    candidates: tuple[Candidate, ...]

    @property
    def result(self) -> FitResult:
        """The report of the fit."""
        return self.solution.result

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`: that of the fit, with `selection`."""
        compared = [c.as_json() for c in self.candidates]
        chosen = {"without": list(self.without), "candidates": compared}
        return self.result.as_json() | {"selection": chosen}


def may_vanish(spec: ModelSpec) -> tuple[str, ...]:
    """The coefficients whose bounds admit zero."""
    return tuple(
        c.name
        for c in spec.coefficients
        if (c.lower is None or c.lower < 0 or (c.lower == 0 and not c.lower_open))
        and (c.upper is None or c.upper > 0 or (c.upper == 0 and not c.upper_open))
    )


def select(
    system: System,
    recordings: Sequence[Recording],
    *,
    fixed: Mapping[str, float] | None = None,
    guess: Mapping[str, float] | None = None,
    r: int = 2,
    loss: str = "squares",
    sigma: Mapping[str, float] | None = None,
    progress: Callback = silent,
) -> Selection:
    """Fit with the terms that the data ask for; arguments and errors as `fit`.

    Candidates are the coefficients whose bounds admit zero and that are not `fixed`. LAG601 where
    there is none, on lattices, where recordings are too short and show nothing of a coordinate, and
    where nothing but candidates could fix the scale of the model.
    """
    fixed, guess = dict(fixed or {}), dict(guess or {})
    check(system, recordings, r)
    recordings = with_sigma(recordings, sigma or {}, system.spec)
    problem = Problem.of(system, recordings, fixed, guess, r, loss_named(loss))
    names = [c.name for c in system.spec.coefficients]
    optional = [names.index(n) for n in may_vanish(system.spec) if n not in fixed]
    if not optional:
        raise fail(
            Code.LAG601,
            "there is nothing to select among: no free coefficient has bounds that admit zero",
            help="declare optional terms with `coefficient c = 0` or `coefficient c >= 0 = 0`",
        )
    setting, held = hold_structural(problem)
    setting = with_enough_substeps(setting, problem.start, problem.channels)
    for unknown in held:
        if unknown.index in optional and problem.start[unknown.index] == 0:
            raise fail(
                Code.LAG601,
                f"the data leave a scale open, and `{names[unknown.index]}`, which is zero, cannot "
                "be the one to fix it",
                help="hold a coefficient that is not zero: `--fix NAME=VALUE`",
            )
    free = tuple(i for i in optional if setting.free[i])
    regressed = subsets(setting, problem.start, free)
    if regressed is None:
        require_pieces(problem, free)
    comparison = _Comparison(problem, setting, free, progress)
    comparison.run(None if regressed is None else regressed.subsets)
    best = comparison.best
    without = tuple(names[i] for i in free if i not in best.support)
    held_out = fixed | dict.fromkeys(without, 0.0)
    kept_guess = {name: value for name, value in guess.items() if name not in without}
    solution = solve(system, recordings, fixed=held_out, guess=kept_guess, r=r, loss=loss)
    if best.converged and not solution.result.converged:
        # The regression misleads: from where the comparison ended.
        found = dict(zip(names, best.x[: len(names)].tolist(), strict=True))
        kept_guess = {name: x for name, x in found.items() if name not in held_out}
        solution = solve(system, recordings, fixed=held_out, guess=kept_guess, r=r, loss=loss)
    result = solution.result
    if not comparison.complete:
        notes = (*result.notes, comparison.why_incomplete())
        result = replace(result, converged=False, notes=notes)
    notes = (*result.notes, *_not_regressed(problem, regressed))
    result = replace(result, notes=notes)
    left_out = {n: replace(result.coefficients[n], held="left out by evidence") for n in without}
    result = replace(result, coefficients={**result.coefficients, **left_out}, fixed=tuple(fixed))
    ranked = sorted(comparison.models.values(), key=lambda m: m.rank)
    candidates = tuple(
        Candidate(
            tuple(names[i] for i in free if i not in model.support),
            model.converged,
            model.criterion,
        )
        for model in ranked
    )
    return Selection(replace(solution, result=result), without, candidates)


def _not_regressed(problem: Problem, regressed: Regressed | None) -> Iterator[str]:
    """What the regression did without."""
    used = [] if regressed is None else regressed.used
    names = [r.name for i, r in enumerate(problem.recordings) if i not in used]
    if names:
        some = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        yield f"the regression that begins the selection left out {some}: too few values for it"


@dataclass(frozen=True, eq=False)
class _Model:
    """A fit of some of the optional terms; the weights of its setting are its own."""

    support: Support
    setting: Setting
    x: np.ndarray
    converged: bool
    criterion: float

    @property
    def rank(self) -> tuple[bool, float]:
        """Smallest for the best: what did not converge comes last."""
        return not self.converged, self.criterion


def _resized(setting: Setting, x: np.ndarray) -> Setting:
    """With sizes that belong to the unknowns x (n,): starts at zero say nothing of them, and a
    search in wrong ones ends before its minimum."""
    sizes = following(setting, x).sizes
    return replace(setting, first_sizes=sizes, sizes=sizes)


class _Comparison:
    """Models fitted so far, and the search for better ones."""

    def __init__(
        self, problem: Problem, setting: Setting, optional: tuple[int, ...], progress: Callback
    ) -> None:
        self.problem, self.setting, self.optional = problem, setting, optional
        self.progress = progress
        self.models: dict[Support, _Model] = {}
        self.evaluations = 0  # spent
        self.complete = False  # whether no rival is left

    @property
    def best(self) -> _Model:
        """Of smallest criterion."""
        return min(self.models.values(), key=lambda m: m.rank)

    @property
    def within_budget(self) -> bool:
        """Whether there is something left of it."""
        return len(self.models) < _MOST_MODELS and self.evaluations < _MOST_EVALUATIONS

    def why_incomplete(self) -> str:
        """What to tell of a comparison that came to no end."""
        if not self.within_budget:
            return (
                f"the selection ended after {len(self.models)} models and {self.evaluations} "
                "evaluations: others may be better; hold terms that are known (`--fix`)"
            )
        return (
            "terms were not compared: no model was found that follows all of the data; try another "
            "start (`--guess`)"
        )

    def run(self, regressed: Subsets | None) -> None:
        """Fit models until the best has no rival left that was not fitted."""
        if not self._begin(regressed):
            return
        while self.within_budget:
            before = self.best
            if not np.isfinite(before.criterion):
                return
            local = self._subsets(before)
            proposed = local.best(before.support)
            if proposed not in self.models:
                self._fit(proposed, before, local)
                if self.best is not before:
                    continue
            for rival in self._rivals(local, before.support):
                if not self.within_budget:
                    return
                self._fit(rival, before, local)
            if self.best is before and not self._shortened(before):
                self.complete = True
                return

    def _begin(self, regressed: Subsets | None) -> bool:
        """The first model that follows the data: what the regression would choose, or more, or what
        pieces of the data ask for. Whether it follows all of them: over a part of them there is
        nothing to compare."""
        channels, near, supports = self.problem.channels, None, list[Support]()
        if regressed is not None:
            first = regressed.best()
            supports = [first, *self._larger(regressed, first)]
        for support in supports:
            setting, start = self._restricted(support)
            x = regress(setting, start)  # None where nothing is left to fit
            near = None if x is None else whole(_resized(setting, x), x, channels)
            if near is not None:
                break
        from_pieces = near is None
        near = near or self._from_pieces()
        support = frozenset(i for i in self.optional if near.setting.free[i])
        follows = near.complete and not Residuals.of(near.setting, near.x, channels).poor()
        if from_pieces and not follows:
            self._add(support, near.setting, near.x, False)
            return False
        refined = refine(_resized(near.setting, near.x), near.x, channels)
        self.setting = replace(refined.setting, free=self.setting.free)
        self._add(support, refined.setting, refined.x, refined.converged)
        return True

    def _from_pieces(self) -> Grown:
        """What all terms say on short pieces, brought to whole trajectories."""
        channels, k = self.problem.channels, self.setting.coefficients
        pieces = Pieces.of(self.problem, self.setting).near()
        sigma = estimate_noise(pieces.setting, pieces.x, channels, ()).sigma
        local = self._linear(replace(pieces.setting, sigma=sigma), pieces.x)
        first = local.best()
        columns, coefficients = list(self.optional), pieces.x[:k].copy()
        sizes = pieces.setting.rescaled(pieces.x).sizes[columns]
        starts = []
        for support in (first, *self._larger(local, first)):
            setting, x = self._restricted(support)
            coefficients[columns] = local.values(support) * sizes
            within = np.clip(coefficients, setting.lower[:k], setting.upper[:k])
            x = pieces.restricted(setting.free[:k], within).whole(x)
            setting = _resized(setting, x)
            near = whole(setting, x, channels)
            if near is not None:
                return near
            starts.append((setting, x))
        return nearest(*starts[0], channels)

    def _larger(self, local: Subsets, support: Support) -> list[Support]:
        """With half of the other terms, those first that are missed most; with all."""
        others = sorted(
            (i for i in self.optional if i not in support),
            key=lambda i: local.criterion(support | {i}),
        )
        return [support | set(others[: len(others) // 2]), support | set(others)]

    def _restricted(self, support: Support) -> tuple[Setting, np.ndarray]:
        """The setting and the start with the other optional terms at zero."""
        left_out = [i for i in self.optional if i not in support]
        free, x = self.setting.free.copy(), self.problem.start.copy()
        free[left_out], x[left_out] = False, 0.0
        return replace(self.setting, free=free), x

    def _shortened(self, model: _Model) -> bool:
        """Whether the residuals of a model ask for shorter steps, with which all begins again: what
        an integrator leaves looks like terms that are missing."""
        refined = refine(model.setting, model.x, self.problem.channels)
        if refined.setting.substeps == model.setting.substeps:
            return False
        self.setting = replace(self.setting, substeps=refined.setting.substeps)
        self.models.clear()
        self._add(model.support, refined.setting, refined.x, refined.converged)
        return True

    def _subsets(self, model: _Model) -> Subsets:
        return self._linear(replace(model.setting, free=self.setting.free), model.x)

    def _linear(self, setting: Setting, x: np.ndarray) -> Subsets:
        """What the sensitivities at x say of all subsets."""
        setting = setting.rescaled(x)
        levels = np.maximum(setting.sigma, _LEVEL * self.problem.channels.sizes)
        floored = (levels > setting.sigma) & setting.seen.any(axis=(0, 1))
        residual, matrix = replace(setting, sigma=levels).whitened_and_sensitivity(x)
        if setting.loss.robust:
            weight = np.sqrt(setting.loss.derivatives(residual**2)[1])
            residual, matrix = residual * weight, matrix * weight[:, None]
        always = np.setdiff1d(np.flatnonzero(setting.free), self.optional)
        least = float(floored.sum() / setting.seen.any(axis=(0, 1)).sum())
        known = bool(self.problem.channels.known)
        values = x / setting.sizes
        return Subsets.of(residual, matrix, values, self.optional, always, least, known)

    def _rivals(self, local: Subsets, support: Support) -> list[Support]:
        """Neighbours not fitted yet that might do as well, those first that might do best."""
        reference = local.criterion(support)
        near = [
            (criterion, sorted(s), s)
            for s in local.neighbours(support)
            if s not in self.models and (criterion := local.criterion(s)) < reference + _RIVAL
        ]
        return [s for *_, s in sorted(near)[:_MOST_RIVALS]]

    def _fit(self, support: Support, near: _Model, local: Subsets) -> None:
        """One model more, started where the sensitivities of another say."""
        detail = f"{len(support)} of {len(self.optional)} terms"
        self.progress(Progress("select", len(self.models), _MOST_MODELS, detail))
        setting, _ = self._restricted(support)
        setting = replace(setting, sigma=near.setting.sigma)
        columns = list(self.optional)
        x = near.x.copy()
        x[columns] = local.values(support) * near.setting.rescaled(near.x).sizes[columns]
        x = np.clip(x, setting.lower, setting.upper)
        met, channels = False, self.problem.channels
        least = _LEVEL * channels.sizes
        for _ in range(_REWEIGHTED):
            current = _resized(setting, x)
            found = search(current, x, rough=False, evaluations=_A_SEARCH, tolerance=_TOLERANCE)
            if found is None:
                break
            x, met = found.x, found.met
            self.evaluations += found.evaluations
            sigma = np.maximum(estimate_noise(setting, x, channels, ()).sigma, least)
            settled = np.max(np.abs(np.log(sigma / setting.sigma))) < _SETTLED
            setting = replace(setting, sigma=sigma)
            if settled:
                break
        self._add(support, setting, x, met)

    def _add(self, support: Support, setting: Setting, x: np.ndarray, converged: bool) -> None:
        residuals = Residuals.of(setting, x, self.problem.channels)
        _, bic = residuals.criteria(int(setting.free.sum()))
        criterion = bic + multiplicity(len(self.optional), len(support))
        finite = bool(np.isfinite(criterion))
        self.models[support] = _Model(support, setting, x, converged and finite, criterion)
