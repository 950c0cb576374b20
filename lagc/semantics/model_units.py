"""The outcome of the check of units, for `lagc show`, the generated module and results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lagc.semantics.dimensions import UnitOf

_MOST_NAMED = 12


@dataclass(frozen=True)
class ModelUnits:
    """The units of a model by what they belong to: `t`, `r`, `r'`, `p[r]`, `energy`, `constant GM`,
    `coefficient k`, `input u`, `neural V`, `observable h`; those not determined are left out.

    `inferred` names those that follow from others, `undetermined` what has none.
    """

    table: Mapping[str, UnitOf]
    inferred: tuple[str, ...]
    undetermined: tuple[str, ...]

    def text(self, key: str) -> str:
        """A unit as text, `1` for a pure number; empty where it is not known."""
        return str(self.table[key]) if key in self.table else ""

    def summary(self) -> str:
        """One line: that units agree, what was inferred and what is left open."""
        parts = ["units agree"]
        if self.inferred:
            found = ", ".join(f"{key} [{self.text(key)}]" for key in self.inferred[:_MOST_NAMED])
            parts.append(f"inferred: {found}{_more(self.inferred)}")
        if self.undetermined:
            open_ = ", ".join(self.undetermined[:_MOST_NAMED])
            parts.append(f"not determined: {open_}{_more(self.undetermined)}")
        return "; ".join(parts)

    def texts(self) -> dict[str, str]:
        """All units as text."""
        return {key: str(unit) for key, unit in self.table.items()}


def _more(names: tuple[str, ...]) -> str:
    left = len(names) - _MOST_NAMED
    return f" and {left} more" if left > 0 else ""
