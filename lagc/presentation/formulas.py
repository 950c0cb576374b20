"""Expressions as LaTeX: physics notation, and every name as `Names` has it."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter as SympyLatexPrinter

from lagc.presentation.document import Rate, Sum
from lagc.presentation.naming import Names, Shown, names_of
from lagc.semantics.functions import If, NeuralTerm
from lagc.semantics.notation import NAMES, compared, differentiated_by
from lagc.semantics.sites import SiteSum

# Two upright words side by side would read as one.
_WORDS_MEET = re.compile(r"(\\(?:mathrm|text)\{[^{}]*\}\}?) (?=(?:\\d?dot\{)?\\(?:mathrm|text)\{)")
# fmt: off
_GREEK = frozenset((
    "ALPHA", "BETA", "GAMMA", "DELTA", "EPSILON", "ZETA", "ETA", "THETA", "IOTA", "KAPPA",
    "LAMBDA", "MU", "NU", "XI", "PI", "RHO", "SIGMA", "TAU", "UPSILON", "PHI", "CHI", "PSI",
    "OMEGA",
))
_CAPITALS = frozenset((
    "GAMMA", "DELTA", "THETA", "LAMBDA", "XI", "PI", "SIGMA", "UPSILON", "PHI", "PSI", "OMEGA",
))
# fmt: on


def write(expression: sp.Expr, names: Names | None = None) -> str:
    """LaTeX, with dots for velocities; names: those that stand in the same document."""
    printer = _Printer(names_of([expression]) if names is None else names)
    return _WORDS_MEET.sub(r"\1 \\, ", str(printer.doprint(expression)))


def with_greek(text: str, form: str) -> str:
    """Greek letters as commands, in a form such as `${}$`; old engines know no others."""

    def command(match: re.Match[str]) -> str:
        name = unicodedata.name(match[0], "")
        found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name)
        small = found is not None and found[1] == "SMALL"
        # Unicode calls the letter lamda.
        word = "" if found is None else found[2].replace("LAMDA", "LAMBDA")
        if word not in (_GREEK if small else _CAPITALS):
            return match[0]
        return form.format(word.lower() if small else word.capitalize())

    return re.sub(r"[^\x00-\x7f]", command, text)


class _Printer(SympyLatexPrinter):  # type: ignore[misc]
    """Velocities as dots, doubled variables with their sign, the language's own functions.

    SymPy hands the exponent of a function to the method that prints it, for forms such as
    \\sin^{2}; it is None where there is none.
    """

    def __init__(self, names: Names) -> None:
        super().__init__()
        self._names = names

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        return _name(self._names.symbol(expr.name))

    def _print_ExpBase(self, expr: sp.Expr, exp: str | None = None) -> str:
        if not self._names.e_is_taken:
            return str(super()._print_ExpBase(expr, exp))
        return _power(f"\\exp\\left({self._print(expr.args[0])}\\right)", exp)

    _print_exp = _print_ExpBase

    def _print(self, expr: sp.Basic, **options: Any) -> str:
        if expr is sp.pi and self._names.pi_is_taken:  # SymPy asks the number itself, not a method
            return r"\mathrm{pi}"
        return str(super()._print(expr, **options))

    def _print_NeuralTerm(self, expr: NeuralTerm, exp: str | None = None) -> str:
        arguments = ", ".join(self._print(a) for a in expr.inputs)
        name = _name(self._names.name(expr.slot))
        value = f"{name}\\left({arguments}\\right)"
        if len(expr.inputs) == 1:
            return _power(f"{name}{chr(39) * expr.orders[0]}\\left({arguments}\\right)", exp)
        if not any(expr.orders):
            return _power(value, exp)
        partial, total = r"\partial", sum(expr.orders)
        below = " ".join(
            f"{partial} {shown if x.is_Symbol else f'({shown})'}{_times(n)}"
            for x, n in differentiated_by(expr)
            for shown in [self._print(x)]
        )
        value = f"\\frac{{{partial}{_times(total)} {name}}}{{{below}}}\\left({arguments}\\right)"
        return _power(f"\\left({value}\\right)" if exp else value, exp)

    def _print_Rate(self, expr: Rate, exp: str | None = None) -> str:
        inner = self._print(expr.args[0])
        value = f"\\frac{{d}}{{dt}} {inner if expr.args[0].is_Atom else f'({inner})'}"
        return _power(f"\\left({value}\\right)" if exp else value, exp)

    def _print_Sum(self, expr: Sum, exp: str | None = None) -> str:
        body, index, first, last = (self._print(x) for x in expr.args)
        value = f"\\sum_{{{index}={first}}}^{{{last}}} {body}"
        return _power(f"\\left({value}\\right)" if exp else value, exp)

    def _print_SiteSum(self, expr: SiteSum, exp: str | None = None) -> str:
        first, last = expr.sites
        index, body = self._print(expr.args[1]), self._print(expr.body)
        value = f"\\sum_{{{index}={first}}}^{{{last}}} \\left({body}\\right)"
        return _power(f"\\left({value}\\right)" if exp else value, exp)

    def _print_If(self, expr: If, exp: str | None = None) -> str:
        left, right = compared(expr.args[0])
        holds, fails = (self._print(x) for x in expr.args[1:])
        condition = f"{self._print(left)} > {self._print(right)}"
        value = (
            f"\\begin{{cases}} {holds} & \\text{{if}}\\: {condition} \\\\ "
            f"{fails} & \\text{{otherwise}} \\end{{cases}}"
        )
        return _power(f"\\left({value}\\right)" if exp else value, exp)

    def _needs_mul_brackets(self, expr: sp.Expr, first: bool = False, last: bool = False) -> bool:
        # The brace of cases does not close: a factor or summand after it would seem to be inside.
        return isinstance(expr, If) or bool(super()._needs_mul_brackets(expr, first, last))

    def _needs_add_brackets(self, expr: sp.Expr) -> bool:
        return isinstance(expr, If) or bool(super()._needs_add_brackets(expr))

    def _print_AbsoluteValue(self, expr: sp.Expr, exp: str | None = None) -> str:
        return _power(f"\\left|{self._print(expr.args[0])}\\right|", exp)

    def _named(self, expr: sp.Expr, exp: str | None = None) -> str:
        arguments = ", ".join(self._print(a) for a in expr.args)
        return _power(f"\\operatorname{{{NAMES[expr.func]}}}\\left({arguments}\\right)", exp)

    _print_Sign = _print_Step = _print_Minimum = _print_Maximum = _named


def _power(base: str, exponent: str | None) -> str:
    return base if exponent is None else f"{base}^{{{exponent}}}"


def _times(order: int) -> str:
    return f"^{{{order}}}" if order > 1 else ""


def _name(shown: Shown) -> str:
    base = re.sub(r"\w+", lambda match: _word(match[0]), shown.base)
    accents = {0: base, 1: f"\\dot{{{base}}}", 2: f"\\ddot{{{base}}}"}
    text = accents.get(shown.primes, base + "'" * shown.primes)
    lower = ",".join(_name(part) for part in shown.lower)
    return f"{text}_{{{lower}}}" if lower else text


def _word(word: str) -> str:
    """A letter as a variable, a Greek one as a command, longer words upright, numbers as such."""
    if word.isdecimal() and word.isascii():
        return word
    if len(word) == 1:
        letter = with_greek(word, "\\{}")
        return letter if letter.isascii() and letter != "_" else f"\\text{{{letter}}}"
    escaped = word.replace("_", r"\_")
    if with_greek(escaped, "").isascii():
        return f"\\mathrm{{{with_greek(escaped, chr(92) + '{} ')}}}"
    return f"\\text{{{with_greek(escaped, '$' + chr(92) + '{}$')}}}"
