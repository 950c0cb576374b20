"""Which terms to keep where residuals are linear in them: a small regression over all subsets.

At a solution, the whitened residuals of whole trajectories are r + J du for small changes du of the
unknowns. Written in the values of the optional coefficients instead of their changes, leaving a
term out leaves out its column, so that every subset is a linear regression on the same triangle (QR
of J, columns of what always stays first). What such a regression says of a subset costs
microseconds; `selection` fits the few that come out best.

The criterion is Schwarz's, extended for the number of subsets of the same size that could have been
chosen by chance: -2 log likelihood + p log n + 2 log C(P, k), k of P optional terms being kept.
Source: Chen & Chen, Biometrika 95, 759 (2008), gamma = 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import lgamma

import numpy as np

Support = frozenset[int]
_BEAM = 200
_PATIENCE = 3  # sizes in a row that are no better


def multiplicity(optional: int, kept: int) -> float:
    """What the extended criterion adds to Schwarz's: 2 log of the number of subsets as large."""
    return 2 * (lgamma(optional + 1) - lgamma(kept + 1) - lgamma(optional - kept + 1))


@dataclass(frozen=True, eq=False)
class Subsets:
    """Optional columns A (m, P) with response y (m,), after what always stays is projected out.

    rest: the sum of squares that no column reaches; count: observations, less what always stays;
    least: the mean square, in units of the whitening, below which residuals are round-off.
    """

    indices: tuple[int, ...]
    columns: np.ndarray
    response: np.ndarray
    rest: float
    count: int
    least: float
    known: bool = False  # whether the level of the noise was stated

    @classmethod
    def of(
        cls,
        residual: np.ndarray,
        matrix: np.ndarray,
        values: np.ndarray,
        optional: tuple[int, ...],
        always: np.ndarray,
        least: float,
        known: bool = False,
    ) -> Subsets:
        """residual (n,) and matrix (n, u) at unknowns of these values (u,), in units of their
        sizes; optional and always: indices of columns."""
        columns = list(optional)
        response = residual - matrix[:, columns] @ values[columns]
        ordered = np.column_stack([matrix[:, always], matrix[:, columns], -response])
        triangle = np.asarray(np.linalg.qr(ordered, mode="r"))[len(always) :, len(always) :]
        height = len(optional)
        return cls(
            optional,
            triangle[:height, :-1],
            triangle[:height, -1],
            float(np.sum(triangle[height:, -1] ** 2)),
            residual.size - len(always),
            least,
            known,
        )

    @cached_property
    def _lengths(self) -> np.ndarray:
        """Of the columns, one for those of zeros: (P,)."""
        lengths = np.linalg.norm(self.columns, axis=0)
        return np.where(lengths > 0, lengths, 1.0)

    def values(self, support: Support) -> np.ndarray:
        """The optional coefficients (P,) of a support, in units of their sizes, which may be far
        from what is found: columns of one length keep them from deciding what is round-off."""
        kept = [j for j, index in enumerate(self.indices) if index in support]
        values = np.zeros(len(self.indices))
        if kept:
            lengths = self._lengths[kept]
            even = self.columns[:, kept] / lengths
            values[kept] = np.linalg.lstsq(even, self.response, rcond=None)[0] / lengths
        return values

    def criterion(self, support: Support) -> float:
        """The extended criterion, up to what all supports share."""
        kept = len(support)
        if kept >= self.count:
            return np.inf
        misses = self.columns @ self.values(support) - self.response
        square = (self.rest + float(misses @ misses)) / self.count + self.least
        level = np.log(max(square, np.finfo(float).tiny))
        return (
            self.count * (square if self.known else level)
            + kept * np.log(self.count)
            + multiplicity(len(self.indices), kept)
        )

    def neighbours(self, support: Support) -> Iterator[Support]:
        """One term less, one more, one for another."""
        left_out = [i for i in self.indices if i not in support]
        for out in sorted(support):
            yield support - {out}
            for into in left_out:
                yield support - {out} | {into}
        for into in left_out:
            yield support | {into}

    def descended(self, support: Support) -> Support:
        """The end of a walk to ever better neighbours."""
        criterion = self.criterion(support)
        while True:
            ranked = [(self.criterion(s), sorted(s), s) for s in self.neighbours(support)]
            if not ranked:
                return support
            best, _, nearest = min(ranked)
            if best >= criterion:
                return support
            support, criterion = nearest, best

    def best(self, *starts: Support) -> Support:
        """The best end of walks from the supports given, and from the best that a beam finds."""
        begin = dict.fromkeys([self._beam(), *starts])
        return min((self.descended(s) for s in begin), key=self.criterion)

    def _beam(self) -> Support:
        """Growing supports term by term, the `_BEAM` of each size that leave least: exhaustive for
        pairs and nearly so for triples, so that two terms may take the place of two others."""
        columns = self.columns / self._lengths
        # The diagonal keeps equal columns apart, at round-off.
        gram = columns.T @ columns + 1e-14 * np.eye(self._lengths.size)
        towards = columns.T @ self.response
        chosen = np.zeros((1, 0), int)
        found = [frozenset[int]()]
        for _ in range(self._lengths.size):
            grown = np.concatenate(
                [
                    np.column_stack([chosen[~(chosen == j).any(axis=1)], np.full(n, j)])
                    for j in range(self._lengths.size)
                    if (n := int((~(chosen == j).any(axis=1)).sum()))
                ]
            )
            grown = np.unique(np.sort(grown, axis=1), axis=0)
            aim = towards[grown]
            blocks = gram[grown[:, :, None], grown[:, None, :]]
            reached = np.sum(aim * np.linalg.solve(blocks, aim[..., None])[..., 0], axis=1)
            chosen = grown[np.argsort(-reached, kind="stable")[:_BEAM]]
            found.append(frozenset(self.indices[j] for j in chosen[0]))
            if len(found) > _PATIENCE and min(found, key=self.criterion) not in found[-_PATIENCE:]:
                break
        return min(found, key=self.criterion)
