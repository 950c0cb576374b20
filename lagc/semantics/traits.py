"""What is known about an expression from its parts, looked up once for each part."""

from __future__ import annotations

import sympy as sp

from lagc.semantics.functions import JUMPS

NOT_REAL = frozenset({sp.I, sp.zoo, sp.nan, sp.oo, -sp.oo})


class Traits:
    """Properties of expressions; SymPy's own methods walk through the whole tree at every call."""

    def __init__(self) -> None:
        self._symbols: dict[sp.Basic, frozenset[sp.Symbol]] = {}
        self._powers: dict[sp.Basic, bool] = {}
        self._unreal: dict[sp.Basic, bool] = {}
        self._sizes: dict[sp.Basic, tuple[int, int]] = {}
        self._jumping: dict[sp.Basic, frozenset[sp.Symbol]] = {}

    def symbols(self, e: sp.Basic) -> frozenset[sp.Symbol]:
        """The symbols that occur."""
        found = self._symbols.get(e)
        if found is None:
            found = frozenset({e}) if e.is_Symbol else frozenset()
            found = found.union(*[self.symbols(a) for a in e.args])
            self._symbols[e] = found
        return found

    def symbolic_powers(self, e: sp.Basic) -> bool:
        """Whether a power with a symbol in its exponent occurs."""
        found = self._powers.get(e)
        if found is None:
            found = bool(e.is_Pow and self.symbols(e.exp)) or any(map(self.symbolic_powers, e.args))
            self._powers[e] = found
        return found

    def unreal(self, e: sp.Basic) -> bool:
        """Whether I, an infinity or what is not a number occurs."""
        found = self._unreal.get(e)
        if found is None:
            found = e in NOT_REAL if not e.args else any(map(self.unreal, e.args))
            self._unreal[e] = found
        return found

    def jumping(self, e: sp.Basic) -> frozenset[sp.Symbol]:
        """The symbols on which the place of a jump depends."""
        found = self._jumping.get(e)
        if found is None:
            found = self.symbols(e.args[0]) if isinstance(e, JUMPS) else frozenset()
            found = found.union(*[self.jumping(a) for a in e.args])
            self._jumping[e] = found
        return found

    def size(self, e: sp.Basic) -> tuple[int, int]:
        """How many nodes an expression has as a tree, and how deep it is."""
        found = self._sizes.get(e)
        if found is None:
            inner = [self.size(a) for a in e.args]
            nodes = 1 + sum(n for n, _ in inner)
            found = self._sizes[e] = nodes, 1 + max((d for _, d in inner), default=0)
        return found
