"""How statements begin and which words they are made of, and what is said about other words."""

from __future__ import annotations

from collections.abc import Sequence

from lagc.base.codes import Code
from lagc.base.diagnostics import LagcError, did_you_mean, fail
from lagc.syntax.lines import CLAUSES, STATEMENTS
from lagc.syntax.words import Place, Word

_READS = {
    "model": "model pendulum",
    "coordinate": "coordinate q`, `coordinate r[2]` or `coordinate theta mod 2*pi",
    "constant": "constant g = 9.8",
    "coefficient": "coefficient c in [0, inf) = 1/2 ~ uniform(0, 2)",
    "input": "input u",
    "neural": "neural V(q) = mlp(64, 64, activation = softplus)",
    "index": "index i in 0..49 periodic",
    "let": "let s = norm(r)",
    "force": "force q = cos(t)",
    "observable": "observable height = -cos(theta)",
    "initial": "initial q = 1, q' = 0",
    "run": "run until 100 step 0.1 order 6",
    "constraint": "constraint x^2 + y^2 = l^2",
    "use": 'use "common.lag"',
    "L": "L = 1/2*q'^2 - V(q)",
    "K": "K = -c*q'_+*q_-",
    "R": "R = 1/2*c*q'^2",
}
# Statements whose example says nothing about a mistake inside their expression.
_EXPRESSIONS = ("L", "K", "R", "let", "constant", "observable", "force", "constraint")
_OTHER_WORDS = {
    **dict.fromkeys(("const", "real", "number", "scalar", "constants"), "constant"),
    **dict.fromkeys(("param", "parameter", "params", "parameters", "coeff"), "coefficient"),
    **dict.fromkeys(
        ("var", "variable", "vars", "variables", "vector", "dof", "state", "angle", "coord"),
        "coordinate",
    ),
    **dict.fromkeys(("define", "set", "where", "function", "local", "expression"), "let"),
    **dict.fromkeys(("output", "measure", "energy", "monitor", "observe"), "observable"),
    **dict.fromkeys(("control", "signal"), "input"),
    **dict.fromkeys(("damping", "drag", "friction", "torque", "drive", "driving"), "force"),
    **dict.fromkeys(("network", "nn", "mlp"), "neural"),
    **dict.fromkeys(("include", "require"), "use"),
    **dict.fromkeys(("simulate", "integrate", "solve"), "run"),
    **dict.fromkeys(("system", "name", "title", "module"), "model"),
    **dict.fromkeys(("init", "ic", "start", "given"), "initial"),
}
_ACTIONS = {"lagrangian": "L", "rayleigh": "R"}
_OTHER_CLAUSES = {
    **dict.fromkeys(("to", "till", "for", "end", "tmax", "tend", "t_end", "T", "time"), "until"),
    **dict.fromkeys(("dt", "h", "by", "with", "timestep", "stepsize", "every"), "step"),
    "p": "order",
    "modulo": "mod",
    "period": "mod",
    **dict.fromkeys(("ring", "cyclic", "circular", "wrap"), "periodic"),
    "open": "free",
}


def unknown_statement(place: Place) -> LagcError | None:
    """A first word that begins no statement."""
    word, following = place.word, place.ahead(1)
    if word is None or "MODEL" not in place.expected:
        return None
    if (word.kind == "sign" and word.text in "+-*/^=,~:<>") or word.text in ("<=", ">=", ".."):
        return fail(
            Code.LAG107,
            f"a statement cannot begin with {word.shown}",
            word.span,
            help="to go on from the line before, end that line with the operator or put the "
            "expression in brackets",
        )
    if word.kind != "name":
        return fail(
            Code.LAG107,
            f"a statement cannot begin with {word.shown}",
            word.span,
            help="a statement begins with a word such as `coordinate` or `let`, or is `L = ...`",
        )
    if following is not None and following.text in ("=", "+=", ":=", "==", ":"):
        return _named(place, word, following)
    if following is None and not _known(word.text):
        return fail(
            Code.LAG107,
            f"{word.shown} begins no statement",
            word.span,
            label=did_you_mean(word.text, STATEMENTS),
            help=f"a name is declared by `coordinate {word.text}`, `coefficient {word.text} = 1` "
            f"or `constant {word.text} = 1`",
        )
    if following is not None and following.text in ("in", "<", "<=", ">", ">=", "~"):
        return fail(
            Code.LAG107,
            f"{word.shown} begins no statement",
            word.span,
            label=f"write `coefficient {word.text} ...`",
            fix=f"coefficient {word.text}",
        )
    statement = _known(word.text) or _close(word.text)
    if not statement:
        help_ = "a statement begins with one of: " + ", ".join(STATEMENTS) + ", or is `L =`, `K =` "
        return fail(
            Code.LAG107, f"{word.shown} begins no statement", word.span, help=help_ + "or `R =`"
        )
    help_ = one_by_one(statement, place.words[place.at + 1 :])
    if not help_ and statement == "coefficient" and following is not None:
        name = following.text
        help_ = f"`constant {name} = ...` declares a number that no run changes"
    return fail(
        Code.LAG107,
        f"{word.shown} begins no statement",
        word.span,
        label=f"did you mean `{statement}`?",
        help=help_ or f"such a statement reads `{_READS[statement]}`",
        fix=statement,
    )


def one_by_one(kind: str, words: Sequence[Word]) -> str:
    """How `coordinate x, y` is written: a statement for each name."""
    names = [word for word in words if word.text != "," and "'" not in word.text]
    if not (len(words) > 1 and 1 <= len(names) <= 4) or any(name.kind != "name" for name in names):
        return ""
    if len(names) == 1:
        return f"write `{kind} {names[0].text}`; its velocity is declared with it"
    listed = [f"`{kind} {name.text}`" for name in names]
    return f"write a line for each: {', '.join(listed[:-1])} and {listed[-1]}"


def _known(word: str) -> str:
    """The statement that a word in another spelling or of another language stands for."""
    known = word.casefold()
    singular = known.removesuffix("s")
    for candidate in (known, singular):
        if candidate in STATEMENTS:
            return candidate
    return _OTHER_WORDS.get(known, "")


def _close(word: str) -> str:
    hint = did_you_mean(word.casefold(), STATEMENTS)
    return hint.split("`")[1] if hint else ""


def _named(place: Place, word: Word, equals: Word) -> LagcError:
    """`V = ...`: something is named or given a value without the word that says what it is."""
    known, sign = word.text.casefold(), equals.text
    number = all(
        w.kind == "number" or w.text in ("pi", "+", "-", "*", "/", "^", "(", ")")
        for w in place.words[place.at + 2 :]
    )
    message = f"{word.shown} begins no statement"
    if "'" in word.text or word.side:
        return fail(
            Code.LAG107,
            message,
            word.span,
            help="the equations of motion follow from `L`, `K`, `R` and `force`; initial values "
            f"are given with `initial {word.text} = ...`",
        )
    if known in _ACTIONS:
        return fail(
            Code.LAG107,
            message,
            word.span,
            label=f"did you mean `{_ACTIONS[known]}`?",
            fix=_ACTIONS[known],
        )
    if number and sign != "+=":
        return fail(
            Code.LAG107,
            message,
            word.span,
            label=f"write `constant {word.text} = ...`",
            help=f"or `coefficient {word.text} = ...` for a number that a run may change",
            fix=f"constant {word.text}",
        )
    if known in ("l", "k", "r"):
        return fail(
            Code.LAG107,
            message,
            word.span,
            label=f"did you mean `{known.upper()} {sign} ...`?",
            help=f"name an expression with `let {word.text} = ...`, "
            f"a number with `constant {word.text} = ...`",
            fix=known.upper(),
        )
    return fail(
        Code.LAG107,
        message,
        word.span,
        label=f"write `let {word.text} = ...`",
        help="an expression is named with `let`",
        fix=f"let {word.text}",
    )


def unknown_clause(place: Place) -> LagcError | None:
    """A misspelt `mod`, `periodic`, `free`, `until`, `step` or `order`, or one left out."""
    word = place.word
    allowed = [clause for clause in CLAUSES if clause.upper() in place.expected]
    if word is None or not allowed:
        return None
    if word.kind == "number" and place.words[0].text == "run" and "UNTIL" in place.expected:
        return _clause_left_out(place, word)
    if word.kind != "name":
        return None
    meant = _OTHER_CLAUSES.get(word.text, _OTHER_CLAUSES.get(word.text.casefold(), ""))
    meant = meant if meant in allowed else ""
    label = f"did you mean `{meant}`?" if meant else did_you_mean(word.text, allowed)
    if not label and "UNTIL" not in place.expected:
        return None
    return fail(
        Code.LAG102,
        f"expected {one_of([f'`{clause}`' for clause in allowed])}, found {word.shown}",
        word.span,
        label=label,
        help=usage(place),
        fix=label.split("`")[1] if label else None,
    )


def _clause_left_out(place: Place, word: Word) -> LagcError:
    """`run 100 0.1`: the numbers of a run line are named."""
    given = [w.text for w in place.words[: place.at]]
    left = next((c for c in ("until", "step", "order") if c not in given), "until")
    return fail(
        Code.LAG102,
        f"a `run` line says what its numbers are, and {word.shown} has no word before it",
        word.span,
        help=usage(place),
        fix=f"{left} {word.text}",
    )


def one_of(choices: list[str]) -> str:
    """Some choices as one reads them aloud."""
    return " or ".join([", ".join(choices[:-1]), choices[-1]] if choices[1:] else choices)


def usage(place: Place) -> str:
    """What a statement that begins like this one looks like."""
    first = place.words[0].text
    read = [word.text for word in place.words[: place.at]]
    within = first in _EXPRESSIONS and ("=" in read or "+=" in read)
    if place.at == 0 or first not in _READS or within:
        return ""
    return f"such a statement reads `{_READS[first]}`"
