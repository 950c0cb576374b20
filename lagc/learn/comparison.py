"""Models with some of the optional terms, fitted to whole trajectories and compared.

The first is the one that the regression would choose, or, where that does not follow the data, what
all terms say on short pieces of them (`pieces`); at every fit, the sensitivities say of all other
subsets how they would fare (`subsets`). The best of them is fitted in turn, starting where the
sensitivities say, until a fit finds no better one than itself. Its nearest rivals are then fitted
too, so that no verdict rests on a linear approximation. All fits share their step, and with it one
compiled program. Where the best does not follow the data to their noise, a fit of all terms is
asked too. A comparison that has spent its budget of models or evaluations, or whose first model
follows only a part of the data, ends there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lagc.learn.fit import fitted
from lagc.learn.fit_result import FitResult
from lagc.learn.horizon import Grown, nearest, whole
from lagc.learn.least_squares import Setting, search
from lagc.learn.noise import estimate_noise
from lagc.learn.pieces import Pieces
from lagc.learn.problem import Problem
from lagc.learn.progress import Callback, Progress
from lagc.learn.refine import refine
from lagc.learn.regression import regress
from lagc.learn.residuals import Residuals
from lagc.learn.sizes import resized
from lagc.learn.subsets import Subsets, Support, multiplicity
from lagc.learn.uneven import differ

_RIVAL = 10.0  # within this of the best a model is fitted, by the criterion
_MOST_RIVALS = 6  # fitted in a round
_MOST_MODELS = 40
_MOST_EVALUATIONS = 2000  # of trajectories with their sensitivities, by all models together
_A_SEARCH = 100  # evaluations for one of them
_TOLERANCE = 1e-8  # of the searches that only compare
_REWEIGHTED = 3
_SETTLED = 0.02
_LEVEL = 1e-10  # part of the spread of a channel: residuals below are round-off


@dataclass(frozen=True, eq=False)
class Model:
    """A fit of some of the optional terms; the weights of its setting are its own. criterion:
    Schwarz's, bic, extended for the number of subsets."""

    support: Support
    setting: Setting
    x: np.ndarray
    converged: bool
    criterion: float
    bic: float

    @property
    def rank(self) -> tuple[bool, float]:
        """Smallest for the best: what did not converge comes last."""
        return not self.converged, self.criterion

    def is_met_by(self, result: FitResult) -> bool:
        """Whether a fit of the same terms is in the same minimum, or a better one."""
        return result.bic < self.bic + _RIVAL


class Comparison:
    """Models fitted so far, and the search for better ones."""

    def __init__(
        self, problem: Problem, setting: Setting, optional: tuple[int, ...], progress: Callback
    ) -> None:
        self.problem, self.setting, self.optional = problem, setting, optional
        self.progress = progress
        self.models: dict[Support, Model] = {}
        self.evaluations = 0  # spent
        self.complete = False  # whether no rival is left
        self.doubted = False  # whether the fit of all terms was asked

    @property
    def best(self) -> Model:
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
            if self.best is before and not (self._shortened(before) or self._doubted(before)):
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
            near = None if x is None else whole(resized(setting, x), x, channels)
            if near is not None:
                break
        from_pieces = near is None
        near = near or self._from_pieces()
        support = frozenset(i for i in self.optional if near.setting.free[i])
        follows = near.complete and not Residuals.of(near.setting, near.x, channels).poor()
        if from_pieces and not follows:
            self._add(support, near.setting, near.x, False)
            return False
        refined = refine(resized(near.setting, near.x), near.x, channels)
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
            setting = resized(setting, x)
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

    def _shortened(self, model: Model) -> bool:
        """Whether the residuals of a model ask for shorter steps, with which all begins again: what
        an integrator leaves looks like terms that are missing."""
        refined = refine(model.setting, model.x, self.problem.channels)
        if refined.setting.substeps == model.setting.substeps:
            return False
        self.setting = replace(self.setting, substeps=refined.setting.substeps)
        self.models.clear()
        self._add(model.support, refined.setting, refined.x, refined.converged)
        return True

    def _doubted(self, model: Model) -> bool:
        """Whether a fit of all terms, from there or as without a selection, has more to say of data
        that a model does not follow to their noise, and all begins again there: the comparison was
        in another minimum, or took recordings of different noise for equally good."""
        problem, channels = self.problem, self.problem.channels
        residuals = Residuals.of(model.setting, model.x, channels)
        alike = all(residuals.white(name) for name in channels.groups if name not in channels.known)
        if self.doubted or (alike and not differ(model.setting, model.x, channels)):
            return False
        self.doubted = True
        if model.setting.count <= self.setting.free.sum():
            return False
        found = []
        for x in (model.x, None):
            refined, follows = fitted(problem, replace(self.setting, substeps=1), x, self.progress)
            if follows:
                every = frozenset(self.optional)
                found.append(self._model(every, refined.setting, refined.x, refined.converged))
        best = min(found, key=lambda m: m.rank, default=model)
        if best is model or (best.setting.relative is None and best.rank >= model.rank):
            return False
        substeps, relative = best.setting.substeps, best.setting.relative
        self.setting = replace(self.setting, substeps=substeps, relative=relative)
        self.models = {best.support: best}
        return True

    def _subsets(self, model: Model) -> Subsets:
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

    def _fit(self, support: Support, near: Model, local: Subsets) -> None:
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
            current = resized(setting, x)
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
        self.models[support] = self._model(support, setting, x, converged)

    def _model(self, support: Support, setting: Setting, x: np.ndarray, converged: bool) -> Model:
        residuals = Residuals.of(setting, x, self.problem.channels)
        _, bic = residuals.criteria(int(setting.free.sum()))
        criterion = bic + multiplicity(len(self.optional), len(support))
        finite = bool(np.isfinite(criterion))
        return Model(support, setting, x, converged and finite, criterion, bic)
