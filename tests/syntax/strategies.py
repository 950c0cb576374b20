"""Hypothesis strategies: syntax trees, and texts that are nearly `.lag` programs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from hypothesis import strategies as st

from lagc.base.spans import Source, Span
from lagc.syntax import ast
from lagc.syntax.lines import CLAUSES, STATEMENTS
from lagc.syntax.units import fields_told_from_units

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.lag"))
NOWHERE = Span(Source("nowhere", ""), 0, 0)

plain_names = st.sampled_from(
    [*STATEMENTS, *CLAUSES, "L", "K", "R", "q", "x1", "a_b", "E", "I", "omega", "ω", "é", "t", "pi"]
) | st.from_regex(r"[a-zA-Z](_?[a-z0-9])*", fullmatch=True).filter(lambda s: len(s) < 12)
literals = st.one_of(
    st.integers(0, 10**6).map(str),
    st.sampled_from(["0.10", ".5", "1.", "1e-3", "2.5E+4", "0", "1e400", "007", "3.e2"]),
    st.decimals(0, 10**6, places=3).map(str),
)

numbers = literals.map(lambda text: ast.Number(text, Fraction(text), span=NOWHERE))
names = st.builds(
    ast.Name,
    plain_names,
    st.integers(0, 3),
    st.sampled_from(["", "+", "-"]),
    span=st.just(NOWHERE),
)
identifiers = st.builds(ast.Identifier, plain_names, span=st.just(NOWHERE))


def _chains(kind: type, signs: list[str], inner: st.SearchStrategy) -> st.SearchStrategy:
    rest = st.lists(st.tuples(st.sampled_from(signs), inner), min_size=1, max_size=3).map(tuple)
    return st.builds(kind, inner, rest, span=st.just(NOWHERE))


def _arguments(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(
        st.builds(ast.Argument, inner, span=st.just(NOWHERE)),
        st.builds(ast.Argument, inner, keyword=plain_names, span=st.just(NOWHERE)),
        st.builds(ast.Argument, inner, weight=inner, span=st.just(NOWHERE)),
        st.builds(
            ast.Argument,
            plain_names.map(lambda name: ast.Name(name, span=NOWHERE)),
            within=st.tuples(inner, inner),
            span=st.just(NOWHERE),
        ),
    )


_sums = _chains(ast.Sum, ["+", "-"], numbers | names)
_comparisons = st.builds(
    ast.Comparison,
    numbers | names | _sums,
    st.sampled_from(["<", "<=", ">", ">="]),
    numbers | names,
    span=st.just(NOWHERE),
)


def _junctions(inner: st.SearchStrategy) -> st.SearchStrategy:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(ast.Junction, st.sampled_from(["and", "or"]), parts, span=st.just(NOWHERE))


conditions = st.recursive(_comparisons, _junctions, max_leaves=4)


def _compounds(inner: st.SearchStrategy) -> st.SearchStrategy:
    nowhere = st.just(NOWHERE)
    arguments = st.lists(_arguments(inner), max_size=3).map(tuple)
    items = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(ast.Call, plain_names, arguments, nowhere, span=nowhere),
        st.builds(ast.Call, plain_names, arguments, nowhere, conditions, span=nowhere),
        st.builds(ast.Index, inner, inner, span=nowhere),
        st.builds(ast.Tuple, items, span=nowhere),
        st.builds(ast.Negate, inner, span=nowhere),
        st.builds(ast.Power, inner, inner, span=nowhere),
        _chains(ast.Product, ["*", "/"], inner),
        _chains(ast.Sum, ["+", "-"], inner),
    )


expressions = st.recursive(numbers | names, _compounds, max_leaves=12)
_targets = st.recursive(
    names, lambda inner: st.builds(ast.Index, inner, names | numbers, span=st.just(NOWHERE))
)
_bounds = st.lists(
    st.builds(ast.Bound, st.booleans(), st.booleans(), expressions, span=st.just(NOWHERE)),
    max_size=2,
).map(tuple)
_maybe = st.none() | expressions
_factors = st.builds(
    ast.UnitFactor,
    plain_names,
    st.fractions(-4, 4, max_denominator=6).filter(bool),
    span=st.just(NOWHERE),
)
_units = st.none() | st.builds(
    ast.Unit, st.lists(_factors, max_size=3).map(tuple), span=st.just(NOWHERE)
)
_assignments = st.lists(
    st.builds(ast.Assignment, _targets, expressions, _units, span=st.just(NOWHERE)),
    min_size=1,
    max_size=3,
).map(tuple)


def without_idle_units(run: ast.Run) -> ast.Run:
    """A `run` line has no unit for what it does not say."""
    until = run.until_unit if run.until is not None else None
    step = run.step_unit if run.step is not None else None
    return replace(run, until_unit=until, step_unit=step)


def _statement(kind: type, *fields: st.SearchStrategy) -> st.SearchStrategy:
    return st.builds(kind, *fields, span=st.just(NOWHERE))


statements = st.one_of(
    _statement(ast.ModelName, identifiers),
    _statement(ast.Coordinate, identifiers, _maybe, _maybe, _units),
    _statement(ast.Constant, identifiers, expressions, _maybe, _units),
    _statement(ast.Coefficient, identifiers, _bounds, _maybe, _maybe, _maybe, _units),
    _statement(ast.Input, identifiers, _units),
    _statement(
        ast.Neural,
        identifiers,
        st.lists(names, min_size=1, max_size=3).map(tuple),
        expressions,
        _units,
    ),
    _statement(
        ast.LatticeIndex,
        identifiers,
        expressions,
        expressions,
        st.sampled_from(["", "free", "periodic"]),
    ),
    _statement(ast.Let, identifiers, expressions, _units),
    _statement(
        ast.Contribution,
        st.sampled_from("LKR"),
        st.sampled_from(["=", "+="]),
        expressions,
        st.just(NOWHERE),
    ),
    _statement(ast.Force, _targets, expressions),
    _statement(ast.Observable, identifiers, expressions, _units),
    _statement(ast.Initial, _assignments),
    _statement(ast.Run, _maybe, _maybe, _maybe, _units, _units).map(without_idle_units),
    _statement(ast.Constraint, expressions, expressions),
    _statement(ast.Use, st.from_regex(r"[^\"#\r\n]*", fullmatch=True), st.just(NOWHERE)),
)
files = (
    st.lists(statements, max_size=4)
    .map(lambda found: ast.File(tuple(found), span=NOWHERE))
    .filter(lambda file: tuple(fields_told_from_units(file.statements)) == file.statements)
)

_SCRAPS = [
    *STATEMENTS, *CLAUSES, "L =", "K +=", "q'", "q_-", "q'_+", "q_'", "_", "'", "**", "==", "..",
    "2e", "1.2.3", " [m]", " [1/s]", "[m]", "(", ")", "[", "]", "+", "-", "^", ",", ":", "~",
    "\n", "\r\n", "\t", "#", "²",
    "−", "\N{COMBINING ACUTE ACCENT}", "\0", "\N{NO-BREAK SPACE}", "{", ";", "\r", "\ufeff",
    "9" * 401,
]  # fmt: skip

soups = st.lists(st.sampled_from(_SCRAPS) | st.just(" "), max_size=30).map("".join)
texts = st.text(max_size=80) | st.binary(max_size=80).map(lambda b: b.decode("utf-8", "replace"))


@st.composite
def mutated_programs(draw: st.DrawFn) -> str:
    """A program of the examples with a few pieces cut out, doubled or replaced."""
    text = draw(st.sampled_from(EXAMPLES)).read_text(encoding="utf-8")
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        scrap = draw(st.sampled_from(_SCRAPS) | st.just("") | st.just(text[start:end] * 2))
        text = text[:start] + scrap + text[end:]
    return text
