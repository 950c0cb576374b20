"""How long steps may be: `python -m docs.stability` writes the table of docs/steps.md."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from tests.runtime.test_strategies import linear_map

_PAGE = Path(__file__).with_name("steps.md")
_ORDERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16)


def growth(z: float, r: int) -> float:
    """By how much a step of q'' = -w^2 q grows at most, z = h w: the spectral radius of its map."""
    half = abs(float(np.trace(linear_map(1.0, z * z, r)))) / 2
    return half + math.sqrt(max(half * half - 1, 0.0))


def limit(r: int, most: float, highest: float = 32.0) -> float:
    """The first h w at which a step grows by more than the factor `most`.

    Looked for every 0.001, and every 0.00002 near multiples of pi, where bands are narrow.
    """
    turns = math.pi * np.arange(1, int(highest / math.pi) + 1)
    near = (turns[:, None] + np.arange(-0.02, 0.02, 2e-5)).reshape(-1)
    places = np.sort(np.concatenate([np.arange(1e-3, highest, 1e-3), near]))
    return next((float(z) for z in places if growth(z, r) > most), math.inf)


def main() -> None:
    """Puts the rows between the lines that mark the table."""
    rows = ["| r | order | any growth from h w | growth by 1 % a step from |", "|---|---|---|---|"]
    rows += [
        f"| {r} | {2 * r + 2} | {limit(r, 1 + 1e-6):.2f} | {limit(r, 1.01):.2f} |" for r in _ORDERS
    ]
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end -->")[2]
    text = f"{before}<!-- table -->\n" + "\n".join(rows) + f"\n<!-- end -->{after}"
    _PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
