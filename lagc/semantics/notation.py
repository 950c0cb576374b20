"""SymPy expressions written in the notation of the language."""

from __future__ import annotations

import re
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from lagc.semantics.functions import AbsoluteValue, If, Maximum, Minimum, NeuralTerm, Sign, Step
from lagc.semantics.model import Coefficient, Law
from lagc.semantics.sites import SiteSum

NAMES: dict[Any, str] = {
    AbsoluteValue: "abs",
    Sign: "sign",
    Step: "step",
    Minimum: "min",
    Maximum: "max",
}
SYMBOL = re.compile(
    r"(?P<name>.+?)(?P<primes>'*)(_(?P<side>[+-]))?(?P<index>(\[([^\[\]]|\[[^\[\]]+\])+\])*)$"
)
NAME = re.compile(r"[^\W\d]\w*(\[.+\])?")
# fmt: off
GREEK = frozenset((
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega",
))
# fmt: on


def index_of(symbol: re.Match[str]) -> str:
    """What stands in the brackets of a name that `SYMBOL` matches: `i`, `0,1`, `theta[0]`."""
    return symbol["index"][1:-1].replace("][", ",")


class TextPrinter(StrPrinter):  # type: ignore[misc]
    """`^` for powers and the names of the language for its own functions.

    A part has one text wherever it stands, so that each is written once.
    """

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        super().__init__(settings)
        self._texts: dict[Any, str] = {}

    def _print(self, expr: Any, **kwargs: Any) -> str:
        if kwargs or not isinstance(expr, sp.Basic):
            return str(super()._print(expr, **kwargs))
        if expr not in self._texts:
            self._texts[expr] = str(super()._print(expr))
        return self._texts[expr]

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        return str(super()._print_Pow(expr, rational)).replace("**", "^")

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        return _site_number(expr.name)

    def _print_Exp1(self, expr: sp.Expr) -> str:
        return "exp(1)"  # `E` is the user's

    def _print_Function(self, expr: sp.Function) -> str:
        arguments = ", ".join(self._print(a) for a in expr.args)
        return f"{NAMES.get(expr.func, expr.func.__name__)}({arguments})"

    def _print_SiteSum(self, expr: SiteSum) -> str:
        first, last = expr.sites
        return f"sum({expr.args[1].name} in {first}..{last}, {self._print(expr.body)})"

    def _print_NeuralTerm(self, expr: NeuralTerm) -> str:
        arguments = ", ".join(self._print(a) for a in expr.inputs)
        return f"{self._derivative(expr)}({arguments})"

    def _derivative(self, expr: NeuralTerm) -> str:
        """The function that is called: `V`, `V'`, `(dV/dx)`, `(d^2V/(dx*dy))`."""
        if len(expr.inputs) == 1:
            return str(expr.slot + "'" * expr.orders[0])
        by = differentiated_by(expr)
        if not by:
            return str(expr.slot)
        below = [
            f"d{name if x.is_Symbol else f'({name})'}{f'^{n}' if n > 1 else ''}"
            for x, n in by
            for name in [self._print(x)]
        ]
        total = sum(n for _, n in by)
        over = f"d^{total}{expr.slot}" if total > 1 else f"d{expr.slot}"
        under = "*".join(below)
        return f"({over}/{under if len(below) == 1 else f'({under})'})"

    def _print_If(self, expr: If) -> str:
        left, right = compared(expr.args[0])
        condition = f"{self._print(left)} > {self._print(right)}"
        return f"if({condition}, {self._print(expr.args[1])}, {self._print(expr.args[2])})"

    _print_AbsoluteValue = _print_Sign = _print_Step = _print_Function
    _print_Minimum = _print_Maximum = _print_Function


def _site_number(name: str) -> str:
    """`(i+1)` for the symbol `[i+1]`, the number of a neighbouring site; others as they are."""
    return f"({name[1:-1]})" if name.startswith("[") else name


def differentiated_by(term: NeuralTerm) -> list[tuple[sp.Expr, int]]:
    """The arguments that a neural term of several is differentiated by, and how often each.

    By its number, `(2)`, where two arguments are the same.
    """
    told = len(set(term.inputs)) == len(term.inputs)
    return [
        (x if told else sp.Symbol(f"[{k}]"), order)
        for k, (x, order) in enumerate(zip(term.inputs, term.orders, strict=True), 1)
        if order
    ]


def compared(side: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The two sides of `left > right`, each without a minus sign in front of its terms."""
    terms = sp.Add.make_args(side)
    right = [-term for term in terms if term.could_extract_minus_sign()]
    return side + sp.Add(*right), sp.Add(*right)


def number_text(value: sp.Expr) -> str:
    """A number as a decimal where that is exact and short, otherwise as an expression."""
    if value.is_Rational:
        for digits in range(18):
            scaled = value * 10**digits
            if scaled.is_Integer:
                whole = str(abs(int(scaled))).rjust(digits + 1, "0")
                point = f"{whole[:-digits]}.{whole[-digits:]}" if digits else whole
                return f"-{point}" if value < 0 else point
    return to_text(value)


def law_text(law: Law) -> str:
    """The law of a coefficient as it is declared, `mixture(1/2: 0, 1/2: uniform(0, 1))`."""
    if law.kind == "mixture":
        parts = zip(law.weights, law.parts, strict=True)
        inside = ", ".join(f"{number_text(w)}: {law_text(part)}" for w, part in parts)
        return f"mixture({inside})"
    inside = ", ".join(number_text(x) for x in law.parameters)
    return inside if law.kind == "point" else f"{law.kind}({inside})"


def range_text(coefficient: Coefficient) -> str:
    """The bounds of a coefficient as an interval, `(0, inf)`."""
    low = "-inf" if coefficient.lower is None else number_text(coefficient.lower)
    high = "inf" if coefficient.upper is None else number_text(coefficient.upper)
    left = "(" if coefficient.lower is None or coefficient.lower_open else "["
    right = ")" if coefficient.upper is None or coefficient.upper_open else "]"
    return f"{left}{low}, {high}{right}"


def to_text(expression: sp.Expr) -> str:
    """One line in the notation of the language."""
    return str(TextPrinter({"order": None}).doprint(expression))
