"""How well the data tell the coefficients apart: the numerical twin of identifiability.

The sensitivities of the observations, in standard deviations, to relative changes of the
coefficients, less what a change of the initial states would do as well. A singular value s belongs
to a direction, a product of powers of the coefficients, that the data know to a part of 1/s; where
it is zero to round-off they do not know it at all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lagc.learn.intervals import Influence
from lagc.learn.refine import Refined

_RANK = 1e-12


@dataclass(frozen=True)
class Identification:
    """names: of the coefficients that were not fixed by the caller; singular_values: as many, the
    largest first; directions: one for each of them, components by name, relative changes of the
    coefficients (of their first sizes where those are zero); correlation: of the estimates,
    by name, for those that were not held, None where nothing is known of their errors."""

    names: tuple[str, ...]
    singular_values: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    correlated: tuple[str, ...]
    correlation: tuple[tuple[float, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        return {
            "coefficients": list(self.names),
            "singular_values": list(self.singular_values),
            "directions": [list(row) for row in self.directions],
            "correlation": {
                "coefficients": list(self.correlated),
                "matrix": [list(row) for row in self.correlation],
            },
        }


def identify(refined: Refined, fixed: Collection[str]) -> Identification | None:
    """At the end of a fit; None where the sensitivities are not finite there."""
    setting = refined.setting
    k = setting.coefficients
    # By the solution alone, wherever the search began.
    sizes = setting.first_sizes.copy()
    sizes[:k] = np.where(refined.x[:k] == 0, sizes[:k], np.abs(refined.x[:k]))
    setting = replace(setting, sizes=sizes)
    names = [c.name for c in setting.system.spec.coefficients]
    asked = [i for i, name in enumerate(names) if name not in fixed]
    if not asked:
        return None
    influence = Influence.of(refined)
    _, matrix = setting.whitened_and_sensitivity(refined.x)
    matrix = matrix * influence.weights[:, None]
    if not np.isfinite(matrix).all():
        return None
    states = matrix[:, k:][:, setting.free[k:]]
    left, singular, _ = np.linalg.svd(states, full_matrices=False)
    basis = left[:, singular > _RANK * singular.max(initial=0.0)]
    own = matrix[:, asked]
    own = own - basis @ (basis.T @ own)
    _, values, directions = np.linalg.svd(own, full_matrices=False)
    free = [i for i in range(k) if setting.free[i]]
    return Identification(
        tuple(names[i] for i in asked),
        tuple(values.tolist()),
        tuple(tuple(_signed(row).tolist()) for row in directions),
        tuple(names[i] for i in free),
        _correlation(influence.of_noise[: len(free)]),
    )


def _signed(direction: np.ndarray) -> np.ndarray:
    """With its largest component positive."""
    return direction * np.sign(direction[np.argmax(np.abs(direction))])


def _correlation(rows: np.ndarray) -> tuple[tuple[float, ...], ...]:
    covariance = rows @ rows.T
    sizes = np.sqrt(np.diag(covariance))
    matrix = np.clip(covariance / np.maximum(np.outer(sizes, sizes), 1e-300), -1.0, 1.0)
    return tuple(tuple(row) for row in matrix.tolist())
