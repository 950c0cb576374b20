"""The tables of notations of other languages: Python, LaTeX, MATLAB, Mathematica, C, Fortran, and
formulas as they are written by hand.

The order counts: of two habits that are seen at one place the first is spoken of.
"""

from __future__ import annotations

from lagc.syntax.notations.choices import CHOICES
from lagc.syntax.notations.clauses import CLAUSES
from lagc.syntax.notations.declarations import DECLARATIONS
from lagc.syntax.notations.formulas import FORMULAS
from lagc.syntax.notations.latex import LATEX
from lagc.syntax.notations.matrices import MATRICES
from lagc.syntax.notations.punctuation import COMMENTS, ENDS
from lagc.syntax.notations.statements import STATEMENTS

HABITS = (
    CLAUSES + STATEMENTS + DECLARATIONS + COMMENTS + LATEX + MATRICES + CHOICES + FORMULAS + ENDS
)
