"""Cubic smoothing splines of any stiffness through the same points, each by a band solve."""

from __future__ import annotations

import numpy as np
import scipy.linalg


class SmoothingSplines:
    """Natural cubic splines that give up closeness to y (m,) at x for a small second derivative.

    Their second derivatives at inner points solve (R + w Q'Q) c = Q'y, their values are y - w Q c;
    w is 10^decades in cubed intervals. Source: Reinsch, Numer. Math. 10, 177 (1967).
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        h = np.diff(x)
        self.y, self.unit = y, float(np.median(h) ** 3)
        before, after = 1 / h[:-1], 1 / h[1:]
        self.columns = np.stack([before, -before - after, after])  # of Q, from three rows each
        first, middle, last = self.columns
        self.second = first * y[:-2] + middle * y[1:-1] + last * y[2:]
        m = len(middle)
        self.penalty, self.squares = np.zeros((3, m)), np.zeros((3, m))
        self.penalty[2] = (h[:-1] + h[1:]) / 3
        self.penalty[1, 1:] = h[1:-1] / 6
        self.squares[2] = first**2 + middle**2 + last**2
        self.squares[1, 1:] = middle[:-1] * first[1:] + last[:-1] * middle[1:]
        self.squares[0, 2:] = last[:-2] * first[2:]

    def values(self, decades: float) -> np.ndarray:
        """The spline at its points: (m,)."""
        weight = 10.0**decades * self.unit
        c = scipy.linalg.solveh_banded(self.penalty + weight * self.squares, self.second)
        first, middle, last = self.columns * c
        change = np.zeros_like(self.y)
        change[:-2] += first
        change[1:-1] += middle
        change[2:] += last
        return np.asarray(self.y - weight * change)

    def residual(self, decades: float) -> float:
        """How far it is from y, rms."""
        return float(np.sqrt(np.mean((self.values(decades) - self.y) ** 2)))
