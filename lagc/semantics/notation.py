"""SymPy expressions written in the notation of the language, and in LaTeX."""

from __future__ import annotations

import re
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter as SympyLatexPrinter
from sympy.printing.str import StrPrinter

from lagc.semantics.functions import AbsoluteValue, If, Maximum, Minimum, NeuralTerm, Sign, Step
from lagc.semantics.model import Coefficient
from lagc.semantics.sites import SiteSum

_NAMES: dict[Any, str] = {
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
        return f"{_NAMES.get(expr.func, expr.func.__name__)}({arguments})"

    def _print_SiteSum(self, expr: SiteSum) -> str:
        first, last = expr.sites
        return f"sum({expr.args[1].name} in {first}..{last}, {self._print(expr.body)})"

    def _print_NeuralTerm(self, expr: NeuralTerm) -> str:
        marks = "".join(f"_{i}" * n for i, n in enumerate(expr.orders))
        arguments = ", ".join(self._print(a) for a in expr.inputs)
        return f"{'d' if marks else ''}{expr.slot}{marks}({arguments})"

    def _print_If(self, expr: If) -> str:
        left, right = _compared(expr.args[0])
        condition = f"{self._print(left)} > {self._print(right)}"
        return f"if({condition}, {self._print(expr.args[1])}, {self._print(expr.args[2])})"

    _print_AbsoluteValue = _print_Sign = _print_Step = _print_Function
    _print_Minimum = _print_Maximum = _print_Function


class LatexPrinter(SympyLatexPrinter):  # type: ignore[misc]
    """Velocities as dots, doubled variables with their sign, the language's own functions."""

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        if expr.name.startswith("["):
            return _site_number(expr.name)
        match = SYMBOL.match(expr.name)
        if match is None:
            return str(super()._print_Symbol(expr))
        name = match["name"]
        base = f"\\{name}" if name in GREEK else str(super()._print_Symbol(sp.Symbol(name)))
        accents = {0: base, 1: f"\\dot{{{base}}}", 2: f"\\ddot{{{base}}}"}
        text = accents[len(match["primes"])]
        index = index_of(match)
        if index and NAME.fullmatch(index):  # p[theta[0]], the momentum of theta[0]
            index = self._print(sp.Symbol(index))
        lower = [part for part in (index, match["side"]) if part]
        return f"{{{text}}}_{{{','.join(lower)}}}" if lower else text

    def _print_NeuralTerm(self, expr: NeuralTerm) -> str:
        arguments = ", ".join(self._print(a) for a in expr.inputs)
        partials = "".join(f"\\partial_{{{i}}}" * n for i, n in enumerate(expr.orders))
        return f"{partials} {expr.slot}\\left({arguments}\\right)".strip()

    def _print_SiteSum(self, expr: SiteSum) -> str:
        first, last = expr.sites
        index, body = self._print(expr.args[1]), self._print(expr.body)
        return f"\\sum_{{{index}={first}}}^{{{last}}} \\left({body}\\right)"

    def _print_If(self, expr: If) -> str:
        left, right = _compared(expr.args[0])
        holds, fails = (self._print(x) for x in expr.args[1:])
        condition = f"{self._print(left)} > {self._print(right)}"
        return (
            f"\\begin{{cases}} {holds} & \\text{{if}}\\: {condition} \\\\ "
            f"{fails} & \\text{{otherwise}} \\end{{cases}}"
        )

    def _print_AbsoluteValue(self, expr: sp.Expr) -> str:
        return f"\\left|{self._print(expr.args[0])}\\right|"

    def _named(self, expr: sp.Expr) -> str:
        arguments = ", ".join(self._print(a) for a in expr.args)
        return f"\\operatorname{{{_NAMES[expr.func]}}}\\left({arguments}\\right)"

    _print_Sign = _print_Step = _print_Minimum = _print_Maximum = _named


def _site_number(name: str) -> str:
    """`(i+1)` for the symbol `[i+1]`, the number of a neighbouring site; others as they are."""
    return f"({name[1:-1]})" if name.startswith("[") else name


def _compared(side: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
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


def to_latex(expression: sp.Expr) -> str:
    """LaTeX, with dots for velocities."""
    return str(LatexPrinter().doprint(expression))
