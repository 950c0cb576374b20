"""Which terms the data ask for: coefficients that may be zero, kept or left out by evidence.

Models are compared by whole trajectories (`comparison`); the best is fitted as without a selection.
A comparison that came to no end is reported as not converged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.comparison import Comparison
from lagc.learn.fit import Solution, solve
from lagc.learn.fit_result import FitResult
from lagc.learn.losses import loss_named
from lagc.learn.pieces import require_pieces
from lagc.learn.problem import Problem, check, hold_structural
from lagc.learn.progress import Callback, silent
from lagc.learn.recording import Recording, with_sigma
from lagc.learn.refine import with_enough_substeps
from lagc.learn.regression import Regressed, subsets
from lagc.runtime.spec import ModelSpec
from lagc.runtime.system import System

_MOST_NAMED = 5  # recordings


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
    comparison = Comparison(problem, setting, free, progress)
    comparison.run(None if regressed is None else regressed.subsets)
    best = comparison.best
    without = tuple(names[i] for i in free if i not in best.support)
    held_out = fixed | dict.fromkeys(without, 0.0)
    kept_guess = {name: value for name, value in guess.items() if name not in without}
    solution = solve(system, recordings, fixed=held_out, guess=kept_guess, r=r, loss=loss)
    if best.converged and not (solution.result.converged and best.is_met_by(solution.result)):
        # The regression misleads: from where the comparison ended.
        found = dict(zip(names, best.x[: len(names)].tolist(), strict=True))
        kept_guess = {name: x for name, x in found.items() if name not in held_out}
        again = solve(system, recordings, fixed=held_out, guess=kept_guess, r=r, loss=loss)
        both = (again, solution)
        solution = min(both, key=lambda s: (not s.result.converged, s.result.bic))
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
