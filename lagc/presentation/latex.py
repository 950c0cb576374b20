"""A document as LaTeX: a whole file that compiles, or its equations alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sympy as sp

from lagc.driver import Compilation
from lagc.presentation.document import Document, Equation, Row, Section, Table, Words
from lagc.presentation.formulas import with_greek, write
from lagc.presentation.model import equations
from lagc.presentation.naming import Names, names_in, names_of_document

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


def equations_latex(compilation: Compilation) -> str:
    """L, K and the equations of motion as one `align*`, for a notebook."""
    rows = equations(compilation)
    return _aligned([row for row in rows if isinstance(row, Equation)], names_in(rows))


def as_latex(document: Document) -> str:
    """A file that latex, lualatex and xelatex compile without further files."""
    lines = [_PREAMBLE, r"\begin{document}", f"\\section*{{Model {escaped(document.name)}}}"]
    names = names_of_document(document)
    for section in document.sections:
        lines += _section(section, names)
    return "\n".join([*lines, r"\end{document}"])


def escaped(text: str) -> str:
    """Text as text; what stands between backquotes in the letters of code."""
    parts = text.split("`")
    shown = ["".join(_ESCAPES.get(c, c) for c in part) for part in parts]
    shown = [f"\\texttt{{{part}}}" if k % 2 else part for k, part in enumerate(shown)]
    return with_greek("".join(shown), "$\\{}$")


def _section(section: Section, names: Names) -> Iterator[str]:
    yield f"\\subsection*{{{escaped(section.heading)}}}"
    rows = list(section.rows)
    while rows:
        kind = type(rows[0])
        run = [rows.pop(0)]
        while rows and type(rows[0]) is kind and kind is not Table:
            run.append(rows.pop(0))
        yield _run(run, names)


def _run(rows: list[Row], names: Names) -> str:
    first = rows[0]
    if isinstance(first, Equation):
        return _aligned([row for row in rows if isinstance(row, Equation)], names)
    if isinstance(first, Table):
        columns = "r" * len(first.heads)
        body = [" & ".join(f"${write(head, names)}$" for head in first.heads) + r" \\ \hline"]
        body += [" & ".join(f"${cell}$" for cell in row) + r" \\" for row in first.rows]
        table = "\n".join([f"\\begin{{tabular}}{{{columns}}}", *body, r"\end{tabular}"])
        return f"{{\\footnotesize\n{table}}}\n"
    words = [row.columns for row in rows if isinstance(row, Words)]
    widest = max(len(columns) for columns in words)
    lines = [" & ".join(map(escaped, columns)) + r" \\" for columns in words]
    return "\n".join([f"\\begin{{tabular}}{{@{{}}{'l' * widest}}}", *lines, r"\end{tabular}", ""])


def _aligned(rows: list[Equation], names: Names) -> str:
    lines = []
    for row in rows:
        remark = f"\\text{{{escaped(row.remark)}}}" if row.remark else ""
        if row.right is None:
            lines.append(f"{write(row.left, names)} &\\qquad {remark}")
        else:
            lines.append(f"{write(row.left, names)} &= {_broken(row.right, names)}")
            lines += [f"&\\qquad {remark}"] if remark else []
    return "\n".join([r"\begin{align*}", " \\\\\n".join(lines), r"\end{align*}"])


def _broken(expression: sp.Expr, names: Names) -> str:
    """A long sum on several lines."""
    whole = write(expression, names)
    if _length(whole) <= _LONGEST or not expression.is_Add:
        return whole
    lines = [""]
    for k, term in enumerate(expression.as_ordered_terms()):
        text = write(term, names)
        signed = text if text.startswith("-") or not k else f"+ {text}"
        if lines[-1] and _length(lines[-1]) + _length(signed) > _LONGEST:
            lines.append("")
        lines[-1] += f" {signed}"
    return " \\\\\n &\\quad ".join(line.strip() for line in lines)


def _length(latex: str) -> int:
    return len(re.sub(r"\\[a-zA-Z]+|[{}\s]", "", latex))
