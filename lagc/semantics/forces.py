"""K that holds something else: a force, Rayleigh's function, or what belongs in L."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import sympy as sp

from lagc.base.codes import Code
from lagc.base.diagnostics import Diagnostics
from lagc.semantics import graphs
from lagc.semantics.foreign import instead
from lagc.semantics.model import Term
from lagc.semantics.names import Scope
from lagc.semantics.unused import names_in
from lagc.syntax import ast


def is_written_as_force(node: ast.Contribution, scope: Scope, diagnostics: Diagnostics) -> bool:
    """Whether K holds coordinates and not one doubled variable; if so, LAG251 says what to write.

    A `let` may hold doubled variables, so that an expression with one is left to be read.
    """
    names = names_in(node.value)
    used = [n.name for n in names if n.name in scope.coordinates]
    if not used or any(n.side for n in names) or any(n.name in scope.let_names for n in names):
        return False
    if scope.lattice is not None:
        return False
    text = " ".join(node.value.span.text.split())
    quadratic = re.search(r"'(\[\w+\])?\s*\^\s*2|dot\(\s*(\w+'),\s*\2\s*\)", text) is not None
    if quadratic:
        label = "this looks like Rayleigh's dissipation function"
        help_ = instead(f"R = {text}") or "write it as `R = ...`"
    else:
        label = "this is a force"
        help_ = _as_force(text, isinstance(node.value, ast.Sum), list(scope.coordinates))
    diagnostics.add(
        Code.LAG251,
        "K holds no doubled variable, so it couples no histories",
        node.value.span,
        label=label,
        help=help_,
    )
    return True


def warn_without_velocity(terms: Iterable[Term], scope: Scope, diagnostics: Diagnostics) -> None:
    """LAG252 for f(q_+) q_-, which is what a potential in L gives: a prime may be missing.

    Only where nothing else moves in the term, so that the potential is certain.
    """
    terms = list(terms) if scope.lattice is None else []
    left = {s.name for s in graphs.symbols(sp.Add(*[term.value for term in terms]))}
    for term in terms:
        moving = {s.name for s in graphs.symbols(term.value)} - set(scope.constants)
        moving -= set(scope.coefficients)
        for coordinate in scope.coordinates.values():
            pairs = zip(coordinate.symbols(0, "+"), coordinate.symbols(0, "-"), strict=True)
            for plus, minus in pairs:
                both = {plus.name, minus.name}
                if moving == both <= left and term.value.diff(minus, 2) == 0:
                    velocity = f"{coordinate.name}'_+{plus.name[len(coordinate.name) + 2 :]}"
                    diagnostics.add(
                        Code.LAG252,
                        "this part of K depends on no velocity: it is a force with a potential",
                        term.span,
                        label=f"is there a prime missing, `{velocity}`?",
                        help="friction depends on a velocity; a potential belongs in L",
                    )


def _as_force(text: str, is_sum: bool, coordinates: Collection[str]) -> str:
    if len(coordinates) > 1:
        listed = ", ".join(f"`force {name} = ...`" for name in coordinates)
        return f"a force is written for each coordinate that it acts on: {listed}"
    (name,) = coordinates
    doubled = re.sub(rf"(?<![\w'])({re.escape(name)}'*)(?![\w'])", r"\1_+", text)
    coupling = f"({doubled})*{name}_-" if is_sum else f"{doubled}*{name}_-"
    force = instead(f"force {name} = {text}")
    bare = re.sub(rf"(?<![\w'])({re.escape(name)}')(?![\w'])", r"\1_+", text)
    friction, count = re.subn(rf"(?<![\w'])({re.escape(name)})(?![\w'])", r"\1_-", bare)
    if count == 1 and bare != text and not is_sum:  # -c*q'*q: the signs may be missing
        return (
            f"write `K = {friction}` if `{name}` is where the sign is missing, or "
            f"`force {name} = {text}` if the whole is the force"
        )
    return f"{force}, or `K = {coupling}`" if force else f"write it as `force {name} = ...`"
