"""The posterior of the coefficients and initial states that a fit estimated.

Every choice of which coefficients have a value with a probability of its own (the point masses of a
mixture) is a model; the posterior is the sum over all of them, each weighed by its probability
before the data and its evidence. Within a model: Laplace's approximation, corrected by importance
sampling (`laplace`), or chains that start from it (`nuts`). The density itself is in `target`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.fit import Solution
from lagc.learn.images import outside_laws, several
from lagc.learn.laplace import Gaussian, Weighted, approximate, sample
from lagc.learn.laws import Density
from lagc.learn.least_squares import Setting, search
from lagc.learn.levels import Levels
from lagc.learn.losses import SQUARES
from lagc.learn.nuts import CHAINS, Chains, require_blackjax, run_chains
from lagc.learn.posterior_result import Marginal, Posterior
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.target import Target

Method = Literal["laplace", "nuts"]

_MOST_MODELS = 64
_PROPOSALS = 4096  # of importance sampling
_NEGLIGIBLE = 1e-2  # probability of a model for which no chains are run
_FEWEST_SAMPLES = 100
_MIXED = 1.01  # R-hat of chains that agree
_ENOUGH = 400.0  # effective draws that R-hat and quantiles need
_OFF_BOUND = 0.1  # standard errors


def check_request(method: Method, samples: int, seed: int) -> None:
    """LAG510 for samples and seeds that cannot be, LAG003 where blackjax is missing."""
    if samples < _FEWEST_SAMPLES:
        raise fail(Code.LAG510, f"{samples} samples are too few: at least {_FEWEST_SAMPLES}")
    if not 0 <= seed < 2**63:
        raise fail(Code.LAG510, f"seed = {seed}: a number from 0 to 2^63 - 1 is needed")
    if method == "nuts":
        require_blackjax()


def posterior(
    solution: Solution,
    *,
    method: Method = "laplace",
    samples: int = 2000,
    seed: int = 0,
    progress: Callback = silent,
) -> Posterior:
    """The posterior after a fit (`lagc.learn.fit.solve`); the same seed gives the same draws.

    samples: draws in all, at least 100. What the fit held, and noise that was stated for it, stays.
    LAG618 where there is no such posterior: the fit does not follow the data, holds everything, or
    was made with a robust loss, which is no likelihood of normal noise; LAG619 where its density is
    nowhere finite; LAG510 for samples that cannot be; LAG003 where blackjax is missing."""
    check_request(method, samples, seed)
    if not solution.follows:
        raise fail(
            Code.LAG618,
            "there is no posterior to speak of: the model does not follow the data",
            help="see the notes of the fit",
        )
    problem, refined = solution.problem, solution.refined
    if refined.setting.loss is not SQUARES:
        raise fail(
            Code.LAG618,
            f"a fit with the loss `{refined.setting.loss.name}` has no posterior, which is that of "
            "normal noise",
            help="take out the outliers that the report lists, and fit by squares",
        )
    _check_folds(solution)
    levels = Levels.of(refined.noise, problem.channels, refined.discretisation_error)
    generator = np.random.default_rng(seed)
    models = []
    choices = _choices(solution)
    for number, choice in enumerate(choices):
        progress(Progress("posterior", number, len(choices), "laplace"))
        model = _explored(solution, choice, levels, generator)
        models += [] if model is None else [model]
    if not models:
        raise fail(
            Code.LAG619,
            "the posterior has no mode: with these laws no trajectory near the data is finite",
            help="compare the laws of the coefficients with the values of the fit",
        )
    return _Summary(solution, levels, models, method, samples, seed).made(generator, progress)


def _check_folds(solution: Solution) -> None:
    """LAG618 where neither data nor laws say how wide a normal law would have to be."""
    laws = _laws(solution)
    open_ones = [i for i in solution.folded if i in laws and not laws[i].stiffness(0.0)]
    if open_ones:
        names = " and ".join(solution.problem.labels[i] for i in open_ones)
        raise fail(
            Code.LAG618,
            f"the posterior is not about normal: the data see only powers of a change of {names}",
            help="give a law (`~ normal(0, 1)`), or hold it (`--fix`); the fit has an interval",
        )


@dataclass(frozen=True)
class _Choice:
    """Which coefficients are at which point of their law, and its probability before the data."""

    points: dict[int, float]
    probability: float


def _choices(solution: Solution) -> list[_Choice]:
    """All of them; for a coefficient without points there is one."""
    options: list[list[tuple[int, float | None, float]]] = []
    for i, law in _laws(solution).items():
        of_law: list[tuple[int, float | None, float]] = [(i, v, p) for v, p in law.points]
        options.append(of_law + [(i, None, law.spread)] * (law.spread > 0))
    count = int(np.prod([len(option) for option in options]))
    if count > _MOST_MODELS:
        raise fail(
            Code.LAG618,
            f"the point masses of the laws make {count} models, more than {_MOST_MODELS}",
            help="hold some coefficients (`--fix`), or choose terms first (`--select`)",
        )
    return [
        _Choice(
            {i: value for i, value, _ in choice if value is not None},
            float(np.prod([probability for *_, probability in choice])),
        )
        for choice in product(*options)
    ]


def _laws(solution: Solution) -> dict[int, Density]:
    """By index, of the free coefficients."""
    setting = solution.refined.setting
    coefficients = setting.system.spec.coefficients
    return {i: Density.of(c) for i, c in enumerate(coefficients) if setting.free[i]}


@dataclass(frozen=True, eq=False)
class _Model:
    """One choice: its density, the approximation of it and draws; log_weight: of the model, before
    the evidences of all are compared."""

    choice: _Choice
    target: Target
    normal: Gaussian
    weighted: Weighted

    @property
    def log_weight(self) -> float:
        return float(np.log(self.choice.probability)) + self.weighted.log_evidence


def _explored(
    solution: Solution, choice: _Choice, levels: Levels, generator: np.random.Generator
) -> _Model | None:
    """None where the model has no finite density near the data."""
    setting, x = _held_at(solution, choice.points)
    if not setting.free.any():
        raise fail(Code.LAG618, "there is no posterior: nothing is left to be estimated")
    laws = {i: law for i, law in _laws(solution).items() if setting.free[i]}
    target = Target.of(setting, x, laws, levels)
    start = target.coordinates(x, _margins(setting, x))
    target = target.sheared(start)
    normal = approximate(target, start)
    if normal is None:
        return None
    return _Model(choice, target, normal, sample(target, normal, _PROPOSALS, generator))


def _held_at(solution: Solution, points: Mapping[int, float]) -> tuple[Setting, np.ndarray]:
    """The setting with some coefficients held, and the best of the other unknowns (n,)."""
    setting, x = solution.refined.setting, solution.refined.x.copy()
    if not points:
        return setting, x
    free = setting.free.copy()
    for i, value in points.items():
        free[i], x[i] = False, value
    setting = replace(setting, free=free)
    found = search(setting, x, rough=False) if free.any() else None
    return setting, x if found is None else found.x


def _margins(setting: Setting, x: np.ndarray) -> np.ndarray:
    """How far from its bound each unknown (n,) starts: a part of its standard error."""
    scaled = setting.rescaled(x)
    _, matrix = scaled.whitened_and_sensitivity(x)
    lengths = np.linalg.norm(matrix, axis=0) / scaled.sizes
    return np.asarray(_OFF_BOUND / np.maximum(lengths, 1 / scaled.first_sizes))


class _Summary:
    """Models and their weights, made into one answer."""

    def __init__(
        self,
        solution: Solution,
        levels: Levels,
        models: list[_Model],
        method: Method,
        samples: int,
        seed: int,
    ) -> None:
        self.solution, self.levels, self.method = solution, levels, method
        self.samples, self.seed = samples, seed
        logarithms = np.array([m.log_weight for m in models])
        self.log_total = float(np.logaddexp.reduce(logarithms))
        weights = np.exp(logarithms - self.log_total)
        order = np.argsort(-weights, kind="stable")
        self.models = [models[i] for i in order]
        self.weights = weights[order]
        self.notes: list[str] = []

    def made(self, generator: np.random.Generator, progress: Callback) -> Posterior:
        if self.method == "nuts":
            draws, chain, chains = self._chained(progress)
            self._judge(chains)
        else:
            draws, chain = self._drawn(generator)
            chains = []
        self._say()
        return self._posterior(draws, chain, chains)

    def _drawn(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draws (N, n) of all models, each as many as its probability says."""
        parts = []
        for model, count in zip(self.models, self._counts(self.weights), strict=True):
            picked = model.weighted.picked(count, generator)
            parts.append(model.weighted.x[picked])
        return np.concatenate(parts), np.zeros(self.samples, int)

    def _chained(self, progress: Callback) -> tuple[np.ndarray, np.ndarray, list[Chains]]:
        """Draws (N, n) of chains of every model that is not negligible, and the chain of each."""
        kept = self.weights >= min(_NEGLIGIBLE, self.weights[0])
        counts = self._counts(np.where(kept, self.weights, 0.0) / self.weights[kept].sum())
        parts, of_chain, results = [], [], []
        for model, count in zip(self.models, counts, strict=True):
            if not count:
                continue
            length = -(-self.samples // CHAINS)
            found = run_chains(
                model.target, model.normal, model.weighted, length, self.seed, progress
            )
            chain, place = np.divmod(np.arange(CHAINS * length), length)
            even = np.sort(np.linspace(0, CHAINS * length - 1, count).round().astype(int))
            parts.append(found.x[chain[even], place[even]])
            of_chain.append(chain[even])
            results.append(found)
        return np.concatenate(parts), np.concatenate(of_chain), results

    def _counts(self, weights: np.ndarray) -> list[int]:
        """How many of the samples each model gets: (models,), adding up to all."""
        edges = np.round(np.cumsum(weights) / weights.sum() * self.samples).astype(int)
        return np.diff(edges, prepend=0).tolist()

    def _judge(self, chains: list[Chains]) -> None:
        """Notes on chains that cannot be relied on."""
        diverged = sum(c.divergences for c in chains)
        if diverged:
            self.notes.append(
                f"{diverged} transitions diverged: the chains avoid a part of the posterior where "
                "it is too narrow for them, and the intervals may be too short"
            )
        r_hat = max(float(np.max(c.r_hat)) for c in chains)
        effective = min(float(np.min(c.effective)) for c in chains)
        if not r_hat <= _MIXED:
            self.notes.append(
                f"the chains do not agree yet (R-hat up to {r_hat:.3g}): take more samples"
            )
        if not effective >= _ENOUGH:
            self.notes.append(
                f"the draws are worth only {effective:.0f} independent ones: take more samples"
            )

    def _say(self) -> None:
        """Notes on the approximation, and on what the laws do not say."""
        shown = [m for m, w in zip(self.models, self.weights, strict=True) if w >= _NEGLIGIBLE]
        if self.method == "laplace" and not all(m.weighted.corrected for m in shown):
            self.notes.append(
                "the posterior is far from normal, and importance sampling does not correct it: "
                "the intervals are those of a rough approximation; compare with `nuts`"
            )
        elif self.method == "laplace" and not all(m.normal.smooth for m in shown):
            self.notes.append(
                "the density has no smooth maximum; the intervals rest on importance sampling alone"
            )
        flat = [self._name(i) for i, law in _laws(self.solution).items() if not law.proper]
        if flat:
            self.notes.append(
                f"no law is given for {', '.join(flat)}: a flat density within the bounds is "
                "assumed, and there is no evidence"
            )
        setting, x = self.solution.refined.setting, self.solution.refined.x
        if outside := outside_laws(setting, x):
            names = ", ".join(map(self._name, outside))
            self.notes.append(
                f"the fit lies outside the law of {names}: laws and data contradict each other"
            )
        if several(setting, self.solution.ambiguities, x):
            self.notes.append(
                "the laws admit other values that the data do not tell from these (see the gauge "
                "of the fit): one mode of several is shown, and evidence lacks the others"
            )
        held = ", ".join(f"{name} = {value:.6g}" for name, value in self._conditions().items())
        if held:
            self.notes.append(f"all is conditional on what is held: {held}")

    def _conditions(self) -> dict[str, float]:
        setting, x = self.solution.refined.setting, self.solution.refined.x
        return {self._name(i): float(x[i]) for i in np.flatnonzero(~setting.free).tolist()}

    def _name(self, index: int) -> str:
        return self.solution.problem.labels[index].removeprefix("the ")

    def _points(self, index: int, law: Density | None) -> dict[float, float]:
        """The probability of each point of the law of an unknown, given the data."""
        result = dict.fromkeys((value for value, _ in law.points), 0.0) if law else {}
        for model, weight in zip(self.models, self.weights, strict=True):
            if index in model.choice.points:
                result[model.choice.points[index]] += float(weight)
        return result

    def _posterior(self, draws: np.ndarray, chain: np.ndarray, chains: list[Chains]) -> Posterior:
        setting, laws = self.solution.refined.setting, _laws(self.solution)
        free = np.flatnonzero(setting.free).tolist()
        draws = np.clip(draws, setting.lower, setting.upper)
        marginals = {}
        for i in free:
            quality = self._quality(i, chains)
            points = self._points(i, laws.get(i))
            marginals[i] = Marginal.of(draws[:, i], points, *quality)
        proper = all(law.proper for law in laws.values())
        best = self.models[0]
        k = setting.coefficients
        effective = best.weighted.effective
        if chains:
            effective = min(float(np.min(c.effective)) for c in chains)
        laplace = [np.log(m.choice.probability) + m.normal.log_evidence for m in self.models]
        error = best.weighted.log_evidence_error
        return Posterior(
            method=self.method,
            labels=tuple(self._name(i) for i in free),
            draws=draws[:, free],
            chain=chain,
            coefficients={self._name(i): m for i, m in marginals.items() if i < k},
            initial={self._name(i): m for i, m in marginals.items() if i >= k},
            conditions=self._conditions(),
            noise={
                name: float(sigma) if known else None
                for name, known, sigma in zip(
                    self.levels.names, self.levels.known, self.levels.sigma, strict=True
                )
            },
            log_evidence=self.log_total if proper else None,
            log_evidence_error=error if proper and np.isfinite(error) else None,
            log_evidence_laplace=float(np.logaddexp.reduce(laplace)) if proper else None,
            effective_draws=effective,
            r_hat=max(float(np.max(c.r_hat)) for c in chains) if chains else None,
            divergences=sum(c.divergences for c in chains) if chains else None,
            seed=self.seed,
            notes=tuple(self.notes),
        )

    def _quality(self, index: int, chains: list[Chains]) -> tuple[float | None, float | None]:
        """R-hat and effective draws of an unknown, the worst of all chains; None without them."""
        r_hat, effective = [], []
        targets = [m.target.form.free for m in self.models]
        for free, found in zip(targets, chains, strict=False):
            if index in free:
                r_hat.append(float(found.r_hat[free.index(index)]))
                effective.append(float(found.effective[free.index(index)]))
        return (max(r_hat), min(effective)) if r_hat else (None, None)
