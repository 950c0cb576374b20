"""Which terms the data ask for: coefficients that may be zero, left out one after the other.

The order comes from the regression (`regression`): of the terms still there, the one goes whose
coefficient is smallest in units of its standard error. Along this path models are fitted whole, and
Schwarz's criterion decides among them, so that the evidence is that of the trajectories and not of
the regression. Then terms left out are tried in the place of terms kept: a path that only ever
leaves out may lose a term to another that looks like it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.fit import fit
from lagc.learn.fit_result import FitResult
from lagc.learn.losses import loss_named
from lagc.learn.problem import Problem, check, hold_structural
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.recording import Recording, with_sigma
from lagc.learn.regression import elimination_order, exchanges
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_WORSE = 10.0  # in BIC: very strong evidence against leaving out more (Kass & Raftery 1995)
_EXCHANGES = 3  # rounds
_MOST_PAIRS = 6  # fitted in a round
_PATIENCE = 3  # models in a row that are worse before the rest is believed to be


@dataclass(frozen=True)
class Candidate:
    """One model on the path: the coefficients left out, and how its fit came out."""

    without: tuple[str, ...]
    converged: bool
    bic: float

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        bic = self.bic if np.isfinite(self.bic) else None
        return {"without": list(self.without), "converged": self.converged, "bic": bic}


@dataclass(frozen=True)
class Selection:
    """The fit of the model chosen, what it leaves out, and all models compared, the best first."""

    result: FitResult
    without: tuple[str, ...]
    candidates: tuple[Candidate, ...]

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
    fixed = dict(fixed or {})
    check(system, recordings, r)
    recordings = with_sigma(recordings, sigma or {}, system.spec)
    problem = Problem.of(system, recordings, fixed, dict(guess or {}), r, loss_named(loss))
    names = [c.name for c in system.spec.coefficients]
    candidates = [names.index(n) for n in may_vanish(system.spec) if n not in fixed]
    if not candidates:
        raise fail(
            Code.LAG601,
            "there is nothing to select among: no free coefficient has bounds that admit zero",
            help="declare optional terms with `coefficient c = 0` or `coefficient c >= 0 = 0`",
        )
    setting, held = hold_structural(problem)
    for unknown in held:
        if unknown.index in candidates and problem.start[unknown.index] == 0:
            raise fail(
                Code.LAG601,
                f"the data leave a scale open, and `{names[unknown.index]}`, which is zero, cannot "
                "be the one to fix it",
                help="hold a coefficient that is not zero: `--fix NAME=VALUE`",
            )
    order = elimination_order(setting, problem.start, candidates)
    if not order:
        raise fail(
            Code.LAG601,
            "terms cannot be selected: the regression needs positions in at least 8 rows",
        )
    most = len(order) + 1 + _EXCHANGES * _MOST_PAIRS
    options = {"r": r, "loss": loss}
    comparison = _Comparison(system, recordings, fixed, dict(guess or {}), options, progress, most)
    worse = 0
    for left_out in range(len(order) + 1):
        without = tuple(names[i] for i in order[:left_out])
        if len(fixed) + len(without) == len(names):
            break
        behind = comparison.fitted(without)
        worse = 0 if behind <= 0 else worse + (behind > _WORSE)
        if worse == _PATIENCE:
            break
    for _ in range(_EXCHANGES):
        chosen = comparison.best.without
        left = [names.index(n) for n in chosen]
        kept = [i for i in candidates if i not in left]
        start = problem.start.copy()
        start[left] = 0.0
        pairs = exchanges(setting, start, kept, left)[:_MOST_PAIRS]
        for out, into in pairs:
            comparison.fitted((*(n for n in chosen if n != names[into]), names[out]))
        if comparison.best.without == chosen:
            break
    return comparison.selection()


class _Comparison:
    """Models fitted so far."""

    def __init__(
        self,
        system: System,
        recordings: Sequence[Recording],
        fixed: dict[str, float],
        guess: dict[str, float],
        options: dict[str, Any],
        progress: Callback,
        most: int,
    ) -> None:
        self.arguments = (system, recordings)
        self.fixed, self.guess, self.options = fixed, guess, options
        self.progress, self.most = progress, most
        self.fits: dict[frozenset[str], tuple[Candidate, FitResult]] = {}

    @property
    def best(self) -> Candidate:
        """The one of smallest criterion among those that converged, if there are any."""
        return min((c for c, _ in self.fits.values()), key=_rank)

    def fitted(self, without: tuple[str, ...]) -> float:
        """Fits one model more; how far its criterion is behind that of the best before it."""
        key = frozenset(without)
        before = self.best.bic if self.fits else np.inf
        if key not in self.fits:
            detail = f"without {', '.join(without)}" if without else "all terms"
            self.progress(Progress("select", len(self.fits), self.most, detail))
            held = self.fixed | dict.fromkeys(without, 0.0)
            guess = {name: value for name, value in self.guess.items() if name not in key}
            result = fit(*self.arguments, fixed=held, guess=guess, **self.options)
            self.fits[key] = Candidate(without, result.converged, result.bic), result
        candidate = self.fits[key][0]
        return (candidate.bic if candidate.converged else np.inf) - before

    def selection(self) -> Selection:
        """The best, and all of them in the order of their criteria."""
        best = self.best
        ranked = tuple(sorted((c for c, _ in self.fits.values()), key=_rank))
        return Selection(self.fits[frozenset(best.without)][1], best.without, ranked)


def _rank(candidate: Candidate) -> tuple[bool, float]:
    return not candidate.converged, candidate.bic
