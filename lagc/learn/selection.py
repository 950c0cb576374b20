"""Which terms the data ask for: coefficients that may be zero, kept or left out by evidence.

Models are compared by whole trajectories. The first is the one that the regression would choose; at
every fit, the sensitivities say of all other subsets how they would fare (`subsets`).
The best of them is fitted in turn, starting where the sensitivities say, until a fit finds no
better one than itself. Its nearest rivals are then fitted too, so that no verdict rests on a linear
approximation. All fits share their step, and with it one compiled program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.fit import Solution, solve
from lagc.learn.fit_result import FitResult
from lagc.learn.horizon import grow, whole
from lagc.learn.least_squares import Setting, search
from lagc.learn.losses import loss_named
from lagc.learn.noise import estimate_noise
from lagc.learn.problem import Problem, check, hold_structural
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.recording import Recording, with_sigma
from lagc.learn.refine import refine
from lagc.learn.regression import regress, subsets
from lagc.learn.residuals import Residuals
from lagc.learn.subsets import Subsets, Support, multiplicity
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_RIVAL = 10.0  # within this of the best a model is fitted, by the criterion
_MOST_RIVALS = 6  # fitted in a round
_MOST_MODELS = 40
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
    there is none, where positions were not observed, and where nothing but candidates could fix the
    scale of the model.
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
        raise fail(
            Code.LAG601,
            "terms cannot be selected: the regression needs positions in at least 8 rows",
        )
    comparison = _Comparison(problem, setting, free, progress)
    comparison.run(regressed)
    best = comparison.best
    without = tuple(names[i] for i in free if i not in best.support)
    held_out = fixed | dict.fromkeys(without, 0.0)
    kept_guess = {name: value for name, value in guess.items() if name not in without}
    solution = solve(system, recordings, fixed=held_out, guess=kept_guess, r=r, loss=loss)
    result = solution.result
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


class _Comparison:
    """Models fitted so far, and the search for better ones."""

    def __init__(
        self, problem: Problem, setting: Setting, optional: tuple[int, ...], progress: Callback
    ) -> None:
        self.problem, self.setting, self.optional = problem, setting, optional
        self.progress = progress
        self.models: dict[Support, _Model] = {}
        others = np.setdiff1d(np.flatnonzero(setting.free[: setting.coefficients]), optional)
        self.fewest = 0 if others.size else 1  # terms: something is left to fit

    @property
    def best(self) -> _Model:
        """Of smallest criterion."""
        return min(self.models.values(), key=lambda m: m.rank)

    def run(self, regressed: Subsets) -> None:
        """Fit models until the best has no rival left that was not fitted."""
        self._begin(regressed)
        while len(self.models) < _MOST_MODELS:
            before = self.best
            if not np.isfinite(before.criterion):
                return
            local = self._subsets(before)
            proposed = local.best(before.support)
            if proposed not in self.models and len(proposed) >= self.fewest:
                self._fit(proposed, before, local)
                if self.best is not before:
                    continue
            for rival in self._rivals(local, before.support):
                self._fit(rival, before, local)
            if self.best is before and not self._shortened(before):
                return

    def _begin(self, regressed: Subsets) -> None:
        """The first model that follows the data: what the regression would choose, or more."""
        channels, first = self.problem.channels, regressed.best()
        for support in (first, *self._larger(regressed, first)):
            setting, start = self._restricted(support)
            x = regress(setting, start)  # None where nothing is left to fit
            near = None if x is None else whole(setting, x, channels)
            if near is not None:
                break
        else:
            setting, start = self._restricted(frozenset(self.optional))
            near = grow(setting, start, channels, silent)
        refined = refine(near.setting, near.x, channels)
        self.setting = replace(refined.setting, free=self.setting.free)
        support = frozenset(i for i in self.optional if near.setting.free[i])
        self._add(support, refined.setting, refined.x, refined.converged)

    def _larger(self, regressed: Subsets, support: Support) -> list[Support]:
        """With half of the other terms, those first that the regression misses most; with all."""
        others = sorted(
            (i for i in self.optional if i not in support),
            key=lambda i: regressed.criterion(support | {i}),
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
        setting = replace(model.setting, free=self.setting.free).rescaled(model.x)
        levels = np.maximum(setting.sigma, _LEVEL * self.problem.channels.sizes)
        floored = (levels > setting.sigma) & setting.seen.any(axis=(0, 1))
        residual, matrix = replace(setting, sigma=levels).whitened_and_sensitivity(model.x)
        if setting.loss.robust:
            weight = np.sqrt(setting.loss.derivatives(residual**2)[1])
            residual, matrix = residual * weight, matrix * weight[:, None]
        always = np.setdiff1d(np.flatnonzero(setting.free), self.optional)
        least = float(floored.sum() / setting.seen.any(axis=(0, 1)).sum())
        values = model.x / setting.sizes
        known = bool(self.problem.channels.known)
        return Subsets.of(residual, matrix, values, self.optional, always, least, known)

    def _rivals(self, local: Subsets, support: Support) -> list[Support]:
        """Neighbours not fitted yet that might do as well, those first that might do best."""
        reference = local.criterion(support)
        near = [
            (criterion, sorted(s), s)
            for s in local.neighbours(support)
            if s not in self.models
            and len(s) >= self.fewest
            and (criterion := local.criterion(s)) < reference + _RIVAL
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
            found = search(setting.rescaled(x), x, rough=False, tolerance=_TOLERANCE)
            if found is None:
                break
            x, met = found.x, found.met
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
