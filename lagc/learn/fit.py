"""Recordings to coefficients: nonlinear least squares through the variational integrator.

Stages: hold what the data can never see (`gauge`); start from a regression that integrates nothing
(`regression`) or, where that misleads, follow the data over a growing horizon (`horizon`); estimate
the noise of each channel from its residuals and refine, with steps short enough that discretisation
does not show (`refine`); hold what the data turned out not to see; standard errors and Student-t
intervals from the sensitivities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.base.reflections import Place
from lagc.learn.elsewhere import as_good, elsewhere, in_words
from lagc.learn.fit_result import Estimate, FitResult, InitialState
from lagc.learn.folds import Fold, close, estimates, folded, nearby, of_stuck
from lagc.learn.gauge import (
    Gauge,
    Held,
    describe,
)
from lagc.learn.horizon import Grown, grow, nearest, whole
from lagc.learn.identification import identify
from lagc.learn.images import within_laws
from lagc.learn.intervals import estimate
from lagc.learn.least_squares import Setting, search
from lagc.learn.losses import loss_named
from lagc.learn.mirrors import Ambiguity, Exchange
from lagc.learn.moves import Cost
from lagc.learn.noise import Noise
from lagc.learn.outcome import curves, levels, outliers
from lagc.learn.phases import around, wrap_note, wrapped
from lagc.learn.problem import Problem, check, hold_structural
from lagc.learn.progress import Callback, Progress, silent
from lagc.learn.recording import Recording, with_sigma
from lagc.learn.refine import Refined, discretisation_error, refine, with_enough_substeps
from lagc.learn.regression import regress
from lagc.learn.residuals import Residuals
from lagc.learn.signs import (
    confirmed,
    examined,
    exchanged,
    off_the_mirrors,
    on_the_side_of,
    sentences,
)
from lagc.learn.sizes import following, resized
from lagc.learn.starting import Channels
from lagc.learn.uneven import by_recording, differ
from lagc.learn.unseen import hold_unseen
from lagc.runtime.system import System

_STAGES = 4
_CHOSEN_BY_LAWS = "of values that the data do not tell apart, those are shown that the laws admit"
_NEAR = "not seen near this value"
_AT_BOUND = 1e-6  # part of the size of a coefficient
_RESCUE = 60  # evaluations for a search whose end does not follow the data


def fit(
    system: System,
    recordings: Sequence[Recording],
    *,
    fixed: Mapping[str, float] | None = None,
    guess: Mapping[str, float] | None = None,
    r: int = 2,
    loss: str = "squares",
    sigma: Mapping[str, float] | None = None,
    progress: Callback = silent,
) -> FitResult:
    """Estimate all coefficients that are not `fixed`, and the initial state of each recording.

    The search starts at `guess`, else at the model's defaults; r is the number of interior nodes of
    the integrator; loss: one of `lagc.learn.losses.LOSSES`; sigma: known standard deviations of the
    noise by channel (`q`, `r'`, `p[q]`), in the place of those that the residuals have.

    Raises LAG601 for data or models that cannot be used, LAG615 and LAG617 for noise levels and a
    loss that are none, LAG502-504 for values that cannot, LAG602 where no finite trajectory starts
    the search. A search that ends without meeting its tolerance, or where the model does not follow
    the data, is returned with `converged` False and a note; in the second case without intervals.
    """
    return solve(
        system,
        recordings,
        fixed=fixed,
        guess=guess,
        r=r,
        loss=loss,
        sigma=sigma,
        progress=progress,
    ).result


@dataclass(frozen=True, eq=False)
class Solution:
    """A fit and what it rests on, for what is asked of it next (`posterior`).

    refined: the end of the search; follows: whether the model follows the data there; ambiguities:
    changes of its coefficients that the data do not see; folded: coefficients of which they see
    only powers of a small change.
    """

    problem: Problem
    refined: Refined
    follows: bool
    result: FitResult
    ambiguities: tuple[Ambiguity, ...] = ()
    folded: tuple[int, ...] = ()


def solve(
    system: System,
    recordings: Sequence[Recording],
    *,
    fixed: Mapping[str, float] | None = None,
    guess: Mapping[str, float] | None = None,
    r: int = 2,
    loss: str = "squares",
    sigma: Mapping[str, float] | None = None,
    progress: Callback = silent,
) -> Solution:
    """`fit`, with what it rests on."""
    fixed, guess = dict(fixed or {}), dict(guess or {})
    chosen = loss_named(loss)
    check(system, recordings, r)
    recordings = with_sigma(recordings, sigma or {}, system.spec)
    problem = Problem.of(system, recordings, fixed, guess, r, chosen)
    progress(Progress("fit", 0, _STAGES, "gauge"))
    setting, held = hold_structural(problem)
    places, ambiguities = examined(problem, setting)
    problem = off_the_mirrors(problem, setting, ambiguities)
    if setting.count <= setting.free.sum():
        raise fail(
            Code.LAG601,
            f"{setting.count} observed values cannot determine {setting.free.sum()} unknowns",
            help="give more rows, or hold coefficients (`--fix`)",
        )
    grown = _near(problem, setting, progress, bool(guess))
    progress(Progress("fit", 2, _STAGES, "noise levels and step size"))
    refined, follows = _refined(problem, grown)
    if guess and not follows:  # the regression does not know of it
        other = _grown(problem, setting, progress, True)
        if (again := _refined(problem, other))[1]:
            grown, (refined, follows) = other, again
    steps = refined.setting.substeps
    with_steps = replace(setting, substeps=steps)
    nearer = around(problem, with_steps, places, refined.x)
    nearer = nearer or elsewhere(problem, with_steps, refined.x)
    if nearer is not None:
        grown = nearer
        refined, follows = _refined(problem, grown)
    progress(Progress("fit", 3, _STAGES, "intervals"))
    stuck: tuple[Held, ...] = ()
    if follows:
        unseen = hold_unseen(problem, refined)
        held, stuck = [*held, *unseen.held], unseen.stuck
        refined = by_recording(unseen.refined, problem.channels, problem.names)
    cost = Cost.of(refined, problem.channels)
    refined = replace(refined, x=on_the_side_of(problem.start, refined, ambiguities, cost))
    ambiguities = confirmed(ambiguities, refined.x, cost)
    at_start = refined.x
    inside = within_laws(refined.setting, ambiguities, at_start, cost)
    refined = replace(refined, x=inside)
    refined, end = _ended(problem, refined, (held, stuck), follows, places, ambiguities)
    result = _result(problem, grown, refined, end)
    open_to_choice = sentences(ambiguities, refined, problem.labels)
    if end.follows:
        others = in_words(as_good(problem, refined), refined, problem.labels)
        open_to_choice = (*open_to_choice, *others)
    if inside is not at_start:
        open_to_choice = (*open_to_choice, _CHOSEN_BY_LAWS)
    result = replace(result, gauge=(*result.gauge, *open_to_choice))
    progress(Progress("fit", _STAGES, _STAGES, "done"))
    folded_ones = tuple(i for fold in end.folds if fold.reached for i in fold.indices)
    return Solution(problem, refined, end.follows, result, ambiguities, folded_ones)


def fitted(
    problem: Problem, setting: Setting, x: np.ndarray | None, progress: Callback
) -> tuple[Refined, bool]:
    """The end of the search in a setting of the problem, from unknowns x (n,) or as in a fit,
    recordings of different noise with levels of their own; and whether it follows the data."""
    if x is None:
        near = _near(problem, setting, progress, False)
    else:
        near = nearest(_begun_anew(setting, x, problem.channels), x, problem.channels)
    refined, follows = _refined(problem, near)
    if follows:
        refined = by_recording(refined, problem.channels, problem.names)
    return refined, follows


def _near(problem: Problem, setting: Setting, progress: Callback, guessed: bool) -> Grown:
    """Unknowns that follow the data: by regression, and where that misleads by following the data
    over a growing horizon, so that a long oscillating record does not trap the search."""
    progress(Progress("fit", 1, _STAGES, "regression"))
    start = regress(setting, problem.start)
    near = None
    if start is not None:
        there = _begun_anew(setting, start, problem.channels)
        near = whole(there, start, problem.channels)
    return near or _grown(problem, setting, progress, guessed)


def _grown(problem: Problem, setting: Setting, progress: Callback, guessed: bool) -> Grown:
    """Over a growing horizon; a guess may be near enough for all rows at once, and a horizon that
    grows from the first few, which say little, does not always stay there."""
    progress(Progress("fit", 1, _STAGES, "growing horizon"))
    setting = with_enough_substeps(setting, problem.start, problem.channels)
    near = whole(setting, problem.start, problem.channels) if guessed else None
    if near is not None:
        return near
    return grow(setting, problem.start, problem.channels, progress)


def _begun_anew(setting: Setting, x: np.ndarray, channels: Channels) -> Setting:
    """With sizes and steps that belong to the unknowns x (n,), which may be far from the start."""
    return with_enough_substeps(replace(resized(setting, x), substeps=1), x, channels)


def _refined(problem: Problem, grown: Grown) -> tuple[Refined, bool]:
    """The last stage of the search, and whether its end follows the data.

    Far from the data, neither the levels of noise nor the sensitivities mean anything, and looking
    for them costs most: one search with equal weights has to come near first. Where recordings of
    different noise have equal weights, the loud ones pull the path off the quiet ones, so that what
    is left there is no noise until each has its own level.
    """
    setting, x, channels = grown.setting, grown.x, problem.channels
    if Residuals.of(setting, x, channels).poor():
        found = search(setting.rescaled(x), x, rough=False, evaluations=_RESCUE)
        x = x if found is None else found.x
        if Residuals.of(setting, x, channels).poor() and not differ(setting, x, channels):
            error = discretisation_error(setting, x, channels)
            return Refined(setting, x, False, error, (), Noise.unknown(setting)), False
    refined = refine(_begun_anew(setting, x, channels), x, channels)
    if not Residuals.of(refined.setting, refined.x, channels).poor():
        return refined, True
    own = by_recording(refined, channels, problem.names)
    if Residuals.of(own.setting, own.x, channels).poor():
        return refined, False
    return replace(own, notes=refined.notes), True


def _why(problem: Problem, setting: Setting, held: Sequence[Held]) -> dict[int, Gauge]:
    """The reason for each unknown held, in words."""
    values = dict(zip(problem.labels, problem.start, strict=True))
    names = problem.labels[: setting.coefficients]
    indices = {h.index for h in held}
    return {h.index: describe(h, problem.labels, values, names, indices) for h in held}


@dataclass(frozen=True, eq=False)
class _End:
    """What is said of a solution: why unknowns are held at their start, by index, and which are
    stuck where they were found; folds: where the data see only powers of a change, reached or near;
    residuals;
    whether the model follows; places: bounds and periods of the coefficients."""

    why: Mapping[int, Gauge]
    stuck: Sequence[int]
    folds: Sequence[Fold]
    estimates: Sequence[Estimate]
    residuals: Residuals
    follows: bool
    places: Sequence[Place]


def _ended(
    problem: Problem,
    refined: Refined,
    unseen: tuple[Sequence[Held], Sequence[Held]],
    follows: bool,
    places: Sequence[Place],
    ambiguities: Sequence[Ambiguity],
) -> tuple[Refined, _End]:
    """The solution, judged where it is in the end, with what lies on a fold free again."""
    held, unmoved = unseen
    residuals = Residuals.of(refined.setting, refined.x, problem.channels)
    follows = follows and not residuals.poor()
    why = _why(problem, refined.setting, held)
    found = [of_stuck(refined, one) for one in unmoved] if follows else []
    folds = [fold for fold in found if fold is not None]
    free = refined.setting.free.copy()
    free[[fold.index for fold in folds]] = True
    refined = replace(refined, setting=replace(refined.setting, free=free))
    stuck = [one.index for one in unmoved if not free[one.index]]
    labels = {i: gauge.short for i, gauge in why.items()} | dict.fromkeys(stuck, _NEAR)
    if not follows:
        known = estimate(refined, labels, False)
        return refined, _End(why, stuck, folds, known, residuals, False, places)
    known = estimates(refined, folds, labels)
    told = [set(a.indices) for a in ambiguities if isinstance(a, Exchange)]
    pairs = close(refined, known)
    sure = [pair for pair in pairs if any(set(pair) <= own for own in told)]
    # Those that bounds keep from an exchange may be equal where bounds meet.
    sure += exchanged(problem, refined.setting, [pair for pair in pairs if pair not in sure])
    if more := nearby(refined, folds, known, sure):
        folds = [*folds, *more]
        known = estimates(refined, folds, labels)
    return refined, _End(why, stuck, folds, known, residuals, True, places)


def _result(problem: Problem, grown: Grown, refined: Refined, end: _End) -> FitResult:
    setting, x, follows, residuals = refined.setting, refined.x, end.follows, end.residuals
    spec = setting.system.spec
    why, found = end.why, end.estimates
    notes = [*grown.notes, *refined.notes, *_stuck_notes(x, end, problem.labels)]
    if follows:
        wraps = wrapped(end.places, found)
        notes += _bound_notes(setting, x, found, problem.labels, wraps)
        notes += [wrap_note(problem.labels[i], end.places[i]) for i in wraps]
    notes += residuals.notes()
    shown = curves(setting, x, residuals, problem.recordings)
    aic, bic = residuals.criteria(int(setting.free.sum()))
    k, d = setting.coefficients, spec.dof
    state_labels = (*spec.labels, *spec.velocity_labels)
    states = []
    for index, recording in enumerate(problem.recordings):
        own = found[k + 2 * d * index : k + 2 * d * (index + 1)]
        by_label = dict(zip(state_labels, own, strict=True))
        states.append(InitialState(recording.name, float(recording.times[0]), by_label))
    return FitResult(
        model=spec.name,
        converged=refined.converged and grown.complete and follows,
        observations=setting.count,
        residual_rms=residuals.rms(),
        aic=aic,
        bic=bic,
        gauge=tuple(why[index].sentence for index in sorted(why)),
        coefficients=dict(zip((c.name for c in spec.coefficients), found, strict=False)),
        initial_states=tuple(states),
        fixed=problem.fixed,
        notes=tuple(notes),
        order=2 * setting.r + 2,
        substeps=setting.substeps,
        discretisation_error=refined.discretisation_error,
        loss=setting.loss.name,
        noise=levels(setting, problem.channels) if follows else {},
        outliers=outliers(residuals, shown, problem.recordings, spec) if follows else (),
        identification=identify(folded(refined, end.folds), problem.fixed) if follows else None,
        curves=shown,
    )


def _stuck_notes(x: np.ndarray, end: _End, labels: Sequence[str]) -> list[str]:
    """On what the data do not see near the solution, though no other value would do."""
    found = [
        f"near the value found, {x[i]:.6g}, the data do not see {labels[i]}, which "
        "stays there: other values do not follow them as well"
        for i in end.stuck
    ]
    return [*found, *(fold.words(labels) for fold in end.folds if fold.reached)]


def _bound_notes(
    setting: Setting,
    x: np.ndarray,
    estimates: Sequence[Estimate],
    labels: Sequence[str],
    wraps: Sequence[int],
) -> list[str]:
    notes = []
    sizes = following(setting, x).sizes
    for i in np.flatnonzero(setting.free[: setting.coefficients]).tolist():
        if i in wraps:
            continue
        near, std = _AT_BOUND * sizes[i], estimates[i].std
        if std is not None:
            near = max(min(near, 3 * std), 1e-3 * std)
        notes += [
            f"{labels[i]} ends on its bound {bound:g}: its interval is one-sided"
            for bound in (setting.lower[i], setting.upper[i])
            if abs(x[i] - bound) <= near
        ]
    return notes
