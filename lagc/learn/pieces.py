"""Recordings cut into short pieces, each with an initial state of its own.

A model with wrong or superfluous forces leaves a long trajectory, or loses it; over a short piece
it stays near the data, and all pieces together still say what the forces are. Nothing asks that a
piece begins where the last one ended, so that this is a start for the search over whole
trajectories and not a fit. Source of such multiple shooting: Bock, in Modelling of Chemical
Reaction Systems, Springer (1981), 102-125.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lagc.base.codes import Code
from lagc.base.diagnostics import fail
from lagc.learn.horizon import nearest
from lagc.learn.least_squares import Setting, search
from lagc.learn.problem import Problem
from lagc.learn.recording import Recording
from lagc.learn.starting import Channels

_ROWS = 32  # of a piece, at least
_MOST_STATES = 128  # initial values of all pieces: enough to start from


@dataclass(frozen=True, eq=False)
class Pieces:
    """The search over pieces: its setting and its unknowns x, (n,); owners: the recording that a
    piece begins with, or -1 where it is a later part of one; channels: of the whole recordings."""

    setting: Setting
    x: np.ndarray
    owners: tuple[int, ...]
    channels: Channels

    @classmethod
    def of(cls, problem: Problem, setting: Setting) -> Pieces:
        """From the start of a problem; what `setting` holds stays held."""
        system, k = setting.system, setting.coefficients
        every = [
            (first, index, piece)
            for index, recording in enumerate(problem.recordings)
            for first, piece in _cut(recording)
        ]
        # A piece with no more values than it has initial ones says nothing.
        cut = [c for c in every if c[2].observations > 2 * system.spec.dof] or every
        most = max(1, _MOST_STATES // (2 * system.spec.dof))
        evenly = np.linspace(0, len(cut) - 1, min(len(cut), most)).round().astype(int)
        cut = [cut[i] for i in evenly.tolist()]
        names = [c.name for c in system.spec.coefficients]
        values = dict(zip(names, problem.start[:k].tolist(), strict=True))
        short = Problem.of(system, [p for *_, p in cut], {}, values, setting.r, setting.loss)
        of_states = setting.free[k:].reshape(len(problem.recordings), -1)
        held = of_states[[index for _, index, _ in cut]].reshape(-1)
        own = replace(
            short.setting,
            substeps=setting.substeps,
            free=np.concatenate([setting.free[:k], held]),
            sigma=problem.channels.sizes,
        )
        owners = tuple(index if first else -1 for first, index, _ in cut)
        return cls(own, short.start, owners, problem.channels)

    def near(self) -> Pieces:
        """Where they follow the data, over as many rows as can be followed; errors as `grow`."""
        found = nearest(self.setting, self.x, self.channels)
        return replace(self, setting=found.setting, x=found.x)

    def restricted(self, free: np.ndarray, coefficients: np.ndarray) -> Pieces:
        """From these coefficients (k,) with only those `free`, (k,), searched."""
        k = self.setting.coefficients
        free = np.concatenate([free, self.setting.free[k:]])
        setting = replace(self.setting, free=free)
        x = np.concatenate([coefficients, self.x[k:]])
        found = search(setting.rescaled(x), x, rough=True)
        return replace(self, setting=setting, x=x if found is None else found.x)

    def whole(self, x: np.ndarray) -> np.ndarray:
        """Unknowns of the whole recordings, those of x where the pieces do not know better."""
        k = self.setting.coefficients
        result = x.copy()
        result[:k] = self.x[:k]
        own, states = self.x[k:].reshape(len(self.owners), -1), result[k:]
        for owner, state in zip(self.owners, own, strict=True):
            if owner >= 0:
                states[owner * state.size : (owner + 1) * state.size] = state
        return result


def require_pieces(problem: Problem, optional: tuple[int, ...]) -> None:
    """LAG601 where there is no regression over these terms, and nothing for pieces to begin with
    either."""
    spec = problem.setting.system.spec
    if spec.lattice is not None:
        raise fail(Code.LAG601, "terms of fields on a lattice cannot be selected yet")
    if not optional:
        raise fail(Code.LAG601, "there is nothing to select among that the data could see")
    unseen = ~problem.setting.observations.seen[:, :, :2].any(axis=(1, 2))
    if unseen.any():
        index, d = np.argwhere(unseen)[0].tolist()
        raise fail(
            Code.LAG601,
            f"terms cannot be selected: {problem.recordings[index].name} has neither positions nor "
            f"velocities of `{spec.labels[d]}`, and no recording has values in 8 rows",
        )


def _cut(recording: Recording) -> Iterator[tuple[bool, Recording]]:
    """Pieces of about equal lengths, and whether the recording begins with them."""
    rows = len(recording.times)
    edges = np.linspace(0, rows, max(1, rows // _ROWS) + 1).round().astype(int).tolist()
    for first, last in pairwise(edges):
        part = slice(first, last)
        q, v, p, a = (None if c is None else c[part] for c in recording.channels)
        yield (
            first == 0,
            replace(
                recording,
                name=f"{recording.name}, from row {first + 1}",
                times=recording.times[part],
                q=q,
                v=v,
                p=p,
                a=a,
                inputs={name: values[part] for name, values in recording.inputs.items()},
                sigma=None if recording.sigma is None else recording.sigma[part],
                rows=None if recording.rows is None else recording.rows[part],
            ),
        )
