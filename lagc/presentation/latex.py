"""A document as LaTeX: a whole file that compiles, or its equations alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import sympy as sp

from lagc.driver import Compilation
from lagc.presentation.document import Document, Equation, Rate, Row, Section, Sum, Table, Words
from lagc.presentation.model import equations
from lagc.semantics.notation import LatexPrinter

_LONGEST = 90  # characters of LaTeX, without commands, before a line is broken

_PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath,amssymb,iftex}
\iftutex\usepackage{fontspec}\else\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\fi
\usepackage[margin=2cm]{geometry}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
"""

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{c: f"\\{c}" for c in "{}$&#_%"},
}


class _Printer(LatexPrinter):
    """Physics notation, with d/dt, sums over nodes and letters of any script."""

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        return _letters(str(super()._print_Symbol(expr, style)))

    def _print_Rate(self, expr: Rate) -> str:
        inner = self._print(expr.args[0])
        return f"\\frac{{d}}{{dt}} {inner if expr.args[0].is_Atom else f'({inner})'}"

    def _print_Sum(self, expr: Sum) -> str:
        body, index, first, last = (self._print(x) for x in expr.args)
        return f"\\sum_{{{index}={first}}}^{{{last}}} {body}"


def write(expression: sp.Expr) -> str:
    """LaTeX, with dots for velocities."""
    return str(_Printer().doprint(expression))


def equations_latex(compilation: Compilation) -> str:
    """L, K and the equations of motion as one `align*`, for a notebook."""
    return _aligned([row for row in equations(compilation) if isinstance(row, Equation)])


def as_latex(document: Document) -> str:
    """A file that latex, lualatex and xelatex compile without further files."""
    lines = [_PREAMBLE, r"\begin{document}", f"\\section*{{Model {escaped(document.name)}}}"]
    for section in document.sections:
        lines += _section(section)
    return "\n".join([*lines, r"\end{document}"])


def escaped(text: str) -> str:
    """Text as text; what stands between backquotes in the letters of code."""
    parts = text.split("`")
    shown = ["".join(_ESCAPES.get(c, c) for c in part) for part in parts]
    shown = [f"\\texttt{{{part}}}" if k % 2 else part for k, part in enumerate(shown)]
    return _with_greek("".join(shown), "$\\{}$")


def _letters(latex: str) -> str:
    """Greek letters of a name as commands, its words upright; old engines know no others."""
    latex = _with_greek(latex, "\\{} ")

    def upright(match: re.Match[str]) -> str:
        word = match[0]
        if word.isascii():
            return f"\\mathrm{{{word}}}" if len(word) > 1 else word
        return f"\\text{{{word}}}"

    return re.sub(r"(?<![\\\w])[^\W\d_]+", upright, latex)


def _with_greek(text: str, form: str) -> str:
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


def _section(section: Section) -> Iterator[str]:
    yield f"\\subsection*{{{escaped(section.heading)}}}"
    rows = list(section.rows)
    while rows:
        kind = type(rows[0])
        run = [rows.pop(0)]
        while rows and type(rows[0]) is kind and kind is not Table:
            run.append(rows.pop(0))
        yield _run(run)


def _run(rows: list[Row]) -> str:
    first = rows[0]
    if isinstance(first, Equation):
        return _aligned([row for row in rows if isinstance(row, Equation)])
    if isinstance(first, Table):
        columns = "r" * len(first.heads)
        body = [" & ".join(f"${write(head)}$" for head in first.heads) + r" \\ \hline"]
        body += [" & ".join(f"${cell}$" for cell in row) + r" \\" for row in first.rows]
        table = "\n".join([f"\\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}"])
        return f"{{\\footnotesize\n{table}}}\n"
    words = [row.columns for row in rows if isinstance(row, Words)]
    widest = max(len(columns) for columns in words)
    lines = [" & ".join(map(escaped, columns)) + r" \\" for columns in words]
    return "\n".join([f"\\begin{{tabular}}{{@{{}}{'l' * widest}}}", *lines, r"\end{tabular}", ""])


def _aligned(rows: list[Equation]) -> str:
    lines = []
    for row in rows:
        remark = f"\\text{{{escaped(row.remark)}}}" if row.remark else ""
        if row.right is None:
            lines.append(f"{write(row.left)} &\\qquad {remark}")
        else:
            lines.append(f"{write(row.left)} &= {_broken(row.right)}")
            lines += [f"&\\qquad {remark}"] if remark else []
    return "\n".join([r"\begin{align*}", " \\\\\n".join(lines), r"\end{align*}"])


def _broken(expression: sp.Expr) -> str:
    """A long sum on several lines."""
    whole = write(expression)
    if _length(whole) <= _LONGEST or not expression.is_Add:
        return whole
    lines = [""]
    for k, term in enumerate(expression.as_ordered_terms()):
        text = write(term)
        signed = text if text.startswith("-") or not k else f"+ {text}"
        if lines[-1] and _length(lines[-1]) + _length(signed) > _LONGEST:
            lines.append("")
        lines[-1] += f" {signed}"
    return " \\\\\n &\\quad ".join(line.strip() for line in lines)


def _length(latex: str) -> int:
    return len(re.sub(r"\\[a-zA-Z]+|[{}\s]", "", latex))
