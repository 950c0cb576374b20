"""LaTeX, command by command."""

from __future__ import annotations

import re

from lagc.syntax.aliases import renamed
from lagc.syntax.habits import Habit
from lagc.syntax.notations.rewriting import bracketed, power_of_call, replaced

_NO_LATEX = "formulas are not written in LaTeX"


def _fraction(found: re.Match[str]) -> str:
    return replaced(found, f"{bracketed(found['over'])}/{bracketed(found['under'])}")


def _exponent(found: re.Match[str]) -> str:
    return f"^{bracketed(found['power'])}"


def _greek(found: re.Match[str]) -> str:
    name = found["name"].removeprefix("var")
    return {"ell": "l"}.get(name, name) + (" " if found["after"] else "")


LATEX = (
    Habit(r"\\[dtc]?frac\s*\{(?P<over>CURLY)\}\s*\{(?P<under>CURLY)\}", _NO_LATEX, _fraction),
    Habit(r"\\[dt]?frac\s*(?P<over>\d)\s*(?P<under>\d)", _NO_LATEX, _fraction),
    Habit(
        r"\\ddot\s*(?:\{\s*\\?(?P<a>NAME)\s*\}|\\?(?P<b>NAME))",
        "`L` and `K` hold no accelerations, and formulas are not written in LaTeX",
        help="the equations of motion follow from `L`",
    ),
    Habit(
        r"\\dot\s*(?:\{\s*\\?(?P<a>NAME)\s*\}|\s+(?P<b>NAME)|\\(?P<c>NAME))",
        _NO_LATEX,
        "{a}{b}{c}'",
    ),
    Habit(
        (
            r"\\(?P<function>FUNCTION)\s*\^\s*\{?\s*(?P<power>-?\d+)\s*\}?\s*"
            r"(?P<argument>ROUND|\\?OPERAND)"
        ),
        _NO_LATEX,
        power_of_call,
    ),
    Habit(
        r"\\(?P<function>FUNCTION)(?:\s*\{\s*(?P<a>CURLY)\s*\}|\s+(?P<b>OPERAND)|\s*\\(?P<c>NAME'*))",
        _NO_LATEX,
        lambda found: f"{renamed(found['function'])}({found['a'] or found['b'] or found['c']})",
    ),
    Habit(
        r"\\(?P<function>FUNCTION)(?=\s*\()",
        _NO_LATEX,
        lambda found: renamed(found["function"]),
    ),
    Habit(r"\\sqrt\s*\{(?P<inner>CURLY)\}", _NO_LATEX, "sqrt({inner})"),
    Habit(r"\\(?:left|right|[bB]igg?[lrm]?)\s*(?P<bracket>[(\[\])|])", _NO_LATEX, "{bracket}"),
    Habit(r"\s*\\(?:cdot|times|ast)\b\s*", _NO_LATEX, "*"),
    Habit(r"\\(?:[,;!: ]|quad\b|qquad\b)", _NO_LATEX, " "),
    Habit(
        (
            r"\\(?:mathcal|mathrm|mathbf|mathit|text|vec|boldsymbol|bm|operatorname|tfrac)\s*"
            r"\{\s*(?P<inner>CURLY)\s*\}"
        ),
        _NO_LATEX,
        "{inner}",
    ),
    Habit(
        r"\\(?P<name>GREEK)(?![A-Za-z])(?P<after>(?=[A-Za-z\d])|)",
        _NO_LATEX,
        _greek,
    ),
    Habit(
        r"\\(?:sum|int|prod)(?![A-Za-z])(?:\s*[_^]\s*(?:\{[^{}]*\}|\w))*",
        _NO_LATEX,
        help="a sum over the sites of a lattice is written `sum(i, ...)`",
    ),
    Habit(r"\\begin\b|\\end\b|\\label\b", _NO_LATEX, label="remove this"),
    Habit(r"\\\\\s*\Z", _NO_LATEX, ""),
    Habit(
        r"\\[ \t]*(?=\r?\n|\Z)",
        "a statement goes on after an operator or inside brackets, without a sign for it",
        "",
    ),
    Habit(r"\$+", "formulas stand without `$`", ""),
    Habit(r"&\s*=", "an equation has a plain equals sign", "="),
    Habit(r"_\s*\{\s*(?P<side>[+-])\s*\}", _NO_LATEX, "_{side}"),
    Habit(r"_\s*\{\s*(?P<index>\w+)\s*\}", _NO_LATEX, "_{index}"),
    Habit(r"_\s*\{\s*(?P<index>\w+\s*[-+]\s*\w+)\s*\}", _NO_LATEX, "[{index}]"),
    Habit(r"\^\s*\{(?P<power>CURLY)\}", "an exponent needs no braces", _exponent),
    Habit(r"\\[A-Za-z]+", _NO_LATEX),
)
