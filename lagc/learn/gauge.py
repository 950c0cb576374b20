"""What the data cannot see: null directions of the sensitivities, and what to hold for each.

Directions are in relative coordinates (change of an unknown over its size), so that a common scale
of several coefficients is the direction with equal components. Source: REFERENCE.md section 4; the
choice of a representative is Gaussian elimination with row pivoting on a basis of the null space.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lagc.base.gauge import listed, not_fixed, not_seen, not_separate, scale

_HUGE = 1e150  # sizes whose squares overflow
STRUCTURAL = 1e-9  # singular values below this part of the largest are zero
_PARTICIPATES = 1e-4
_LOST = 1e-12  # components of directions below this are round-off
_TIE = 1e-2
_DATA = "the data"


@dataclass(frozen=True, eq=False)
class Held:
    """An unknown to hold, and the null direction (n,) that this removes, largest component 1."""

    index: int
    direction: np.ndarray


def null_space(sensitivity: np.ndarray, *, tolerance: float) -> np.ndarray:
    """Orthonormal directions (n, k) along which observations change by less than `tolerance`.

    sensitivity: (m, n), derivatives by relative changes of the unknowns.
    """
    finite = sensitivity[np.isfinite(sensitivity).all(axis=1)]
    if finite.shape[0] < sensitivity.shape[1]:
        missing = sensitivity.shape[1] - finite.shape[0]
        finite = np.pad(finite, ((0, missing), (0, 0)))
    triangle = np.linalg.qr(finite, mode="r")
    _, singular, rows = np.linalg.svd(triangle)
    return np.asarray(rows[singular < tolerance].T)


def structural_null_space(sensitivity: np.ndarray, *, by_column: bool = False) -> np.ndarray:
    """Directions (n, k) that no observation sees at all, to round-off.

    Scaling a row leaves the null space as it is; it keeps rows that grow exponentially in time, as
    those of a chaotic model do, from hiding the others. Without by_column a column is null where it
    is small against the largest one; with it where it is zero, so that the sizes of the unknowns
    do not decide.
    """
    scaled = scaled_rows(sensitivity)
    finite = scaled[np.isfinite(scaled).all(axis=1)]
    lengths = np.ones(scaled.shape[1])
    if by_column:
        lengths = np.linalg.norm(finite, axis=0)
        lengths[lengths == 0] = lengths.max(initial=0.0) or 1.0
    finite = finite / lengths
    largest = float(np.linalg.norm(finite, 2)) if finite.size else 0.0
    null = null_space(finite, tolerance=STRUCTURAL * max(largest, np.finfo(float).tiny))
    if not by_column or null.shape[1] == 0:
        return null
    relative = np.where(np.abs(null) < _LOST, 0.0, null) / lengths[:, None]
    return np.asarray(np.linalg.qr(relative / np.linalg.norm(relative, axis=0))[0])


def scaled_rows(sensitivity: np.ndarray) -> np.ndarray:
    """Rows (m, n) no longer than one."""
    largest_of_each = np.abs(sensitivity).max(axis=1, keepdims=True, initial=0.0)
    huge = np.isfinite(largest_of_each) & (largest_of_each > _HUGE)
    sensitivity = sensitivity / np.where(huge, largest_of_each, 1.0)
    sizes = np.linalg.norm(sensitivity, axis=1, keepdims=True)
    return np.asarray(sensitivity / np.maximum(1.0, np.where(np.isfinite(sizes), sizes, 1.0)))


def representatives(null: np.ndarray, coefficients: int) -> list[Held]:
    """One unknown for each null direction: the coefficient that takes part most, ties to the first
    declared; an initial value only where no coefficient takes part. null: (n, k).

    The direction of each leaves the others chosen as they are.
    """
    basis = null.copy()
    chosen: list[int] = []
    for _ in range(null.shape[1]):
        share = np.linalg.norm(basis, axis=1)
        among = share[:coefficients]
        if among.size == 0 or among.max() < _PARTICIPATES * share.max():
            among = share
        index = int(np.argmax(among >= (1 - _TIE) * among.max()))
        chosen.append(index)
        # What remains of the null space once this component is held.
        lead = basis[index] / np.linalg.norm(basis[index])
        rest = np.linalg.svd(lead[None, :])[2][1:].T
        basis = basis @ rest
    directions = null @ np.linalg.inv(null[chosen])
    return [Held(index, directions[:, k]) for k, index in enumerate(chosen)]


@dataclass(frozen=True)
class Gauge:
    """Why an unknown is held: in a sentence, and in a few words."""

    sentence: str
    short: str


def describe(
    held: Held,
    names: Sequence[str],
    values: Mapping[str, float],
    coefficients: Sequence[str],
    all_held: Collection[int],
) -> Gauge:
    """The gauge in words. `names`: one a component of the direction, coefficients first; all_held:
    the indices of everything that is held for a null direction, this one too."""
    name = names[held.index]
    value = f"{values[name]:.6g}"
    if held.index >= len(coefficients):
        sentence = f"{not_fixed(_DATA, name)}: it is held at {value}"
        return Gauge(sentence, "not seen by the data")
    parts = [k for k in range(len(coefficients)) if abs(held.direction[k]) > 100 * _PARTICIPATES]
    together = [names[k] for k in parts]
    if len(parts) == 1:
        sentence = f"{not_seen(_DATA, name)}: it is held at {value}"
        return Gauge(sentence, "not seen by the data")
    others = [names[k] for k in parts if k not in all_held]
    given = "that" if len(all_held) == 1 else "all values held"
    if np.allclose(held.direction[parts], 1, atol=_TIE):
        unfixed = not_fixed(_DATA, scale(together, coefficients))
        sentence = f"{unfixed}: {name} is held at {value}"
        # Where more is held, not even the ratios of these are free of choice.
        ending = "only ratios to it are determined"
        if len(all_held) > 1 and len(others) < len(parts) - 1:
            ending = _determined(others, given)
        return Gauge("; ".join(filter(None, (sentence, ending))), "fixes the scale")
    sentence = f"{not_separate(_DATA, together)}: {name} is held at {value}"
    return Gauge(", and ".join(filter(None, (sentence, _determined(others, given)))), "by choice")


def _determined(others: Sequence[str], given: str) -> str:
    """What is determined in the end; empty where nothing is."""
    if not others:
        return ""
    return f"{listed(others)} {'is' if len(others) == 1 else 'are'} determined given {given}"
