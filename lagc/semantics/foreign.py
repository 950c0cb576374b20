"""Names and functions of other languages that parse, and what the language has for them.

Everything here gives text for a diagnostic; no model is read differently because of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from lagc.base.diagnostics import did_you_mean
from lagc.base.spans import Span
from lagc.semantics.functions import FUNCTION_NAMES
from lagc.semantics.model import Coordinate
from lagc.syntax import ast
from lagc.syntax.aliases import CALLS, DERIVATIVES, NAMES, STEPS
from lagc.syntax.notations.rewriting import in_place
from lagc.syntax.units import read_unit

_LONGEST = 60
_OPERAND = re.compile(r"[^\W\d]\w*'*(?:_[+-])?(?:\[\w+\])?|\d+(?:\.\d*)?|\([^()]*\)")
# What stands behind the name of a coordinate for its velocity or its doubled forms.
_ENDINGS = {
    **dict.fromkeys(("_dot", "dot", "_d", "_prime", "\N{COMBINING DOT ABOVE}", "_t", "prime"), "'"),
    **dict.fromkeys(("_ddot", "ddot", "\N{COMBINING DIAERESIS}", "_dd"), "''"),
    **dict.fromkeys(("_plus", "_p"), "_+"),
    **dict.fromkeys(("_minus", "_m"), "_-"),
}


NO_INVERSE = (
    "there is no inverse: write its entries out, or a constant or a `let` that holds its value"
)
_OF_MATRICES = {
    **dict.fromkeys(("inv", "inverse", "pinv", "solve"), NO_INVERSE),
    **dict.fromkeys(
        ("det", "determinant"), "that of 2 by 2 is `M[0][0]*M[1][1] - M[0][1]*M[1][0]`, written out"
    ),
    **dict.fromkeys(("trace", "tr"), "the trace is written out, `M[0][0] + M[1][1]`"),
    **dict.fromkeys(("eye", "identity", "diag"), "a matrix is written out, `((1, 0), (0, 1))`"),
    **dict.fromkeys(("zeros", "ones"), "a vector or a matrix is written out, `(0, 0)`"),
}
_LAWS = {
    **{law: law for law in ("uniform", "loguniform", "normal", "mixture")},
    **dict.fromkeys(("gaussian", "gauss", "randn"), "normal"),
    **dict.fromkeys(("rand", "random"), "uniform"),
}
_SIGNALS = ("u", "tau", "torque", "control", "action", "F", "F_ext", "f_ext", "drive")
_PRIME = "a velocity is written with a prime"
VELOCITIES = ("v", "vel", "velocity", "speed")
_ENERGIES = ("T", "V", "U", "W", "KE", "PE", "Ekin", "Epot", "E_kin", "E_pot", "T_kin", "V_pot")


class Advice(NamedTuple):
    """A label for the place and a help for the statement; either may be empty."""

    label: str = ""
    help: str = ""


def instead(text: str) -> str:
    """The label that says what to write, if that is short enough to stand in one."""
    return f"write `{text}`" if len(text) <= _LONGEST else ""


def on_call(
    node: ast.Call, coordinates: Collection[str], known: Collection[str], lets: Collection[str]
) -> Advice:
    """What to write for the call of something that is not a function of the language."""
    name, folded = node.name, node.name.casefold()
    texts = [argument.span.text for argument in node.arguments]
    if folded in DERIVATIVES and node.arguments:
        return _derivative(node.arguments[0].value, texts, coordinates)
    if folded in _LAWS:
        law = f"~ {_LAWS[folded]}({', '.join(texts)})"
        return Advice(help=f"a law stands behind `~` in a declaration: `coefficient c {law}`")
    if folded in CALLS:
        text = _filled(CALLS[folded], texts)
        return Advice(
            instead(in_place(text, node.span.source.text, node.span.start, node.span.end))
        )
    if folded in _OF_MATRICES and name not in known:
        return Advice(help=_OF_MATRICES[folded])
    if name in known and len(texts) > 1 and all(text.isdecimal() for text in texts):
        return Advice(
            instead(name + "".join(f"[{text}]" for text in texts)),
            "components stand in square brackets",
        )
    if folded in FUNCTION_NAMES:
        return Advice(instead(f"{folded}({', '.join(texts)})"), "functions have small letters")
    if name in coordinates and len(texts) == 1 and _is_site(node.arguments[0].value, known):
        return Advice(instead(f"{name}[{texts[0]}]"), "sites stand in square brackets")
    if name in coordinates:
        timed = texts in (["t"], ["0"])
        return Advice(
            instead(name if timed else f"{name}*({', '.join(texts)})"),
            f"a coordinate is written without its time: `{name}`, velocity `{name}'`",
        )
    if folded in ("delta", "dirac", "diracdelta", "impulse") and name not in known:
        return Advice(
            help="an impulse has no value: write a short pulse of area 1, such as "
            "`exp(-(t - t0)^2/(2*w^2))/(w*sqrt(2*pi))`"
        )
    if (folded in STEPS or (name in ("theta", "Theta", "H") and texts)) and name not in known:
        return Advice(help="a smooth step is `(1 + tanh(x/eps))/2` with a small eps")
    if name in lets:
        if all(text.rstrip("'") in (*coordinates, "t") for text in texts):
            return Advice(instead(name), "a `let` has no arguments, it is put in as it stands")
        return Advice(
            help=f"a `let` has no arguments, write out what is meant; a product is written "
            f"`{name}*({', '.join(texts)})`"
        )
    if name in known:
        return Advice(instead(f"{name}*({', '.join(texts)})"), "products are written with `*`")
    return Advice()


def _is_site(node: ast.Expression, known: Collection[str]) -> bool:
    """Whether `i`, `i + 1` or a number: what names a site where a coordinate is a field."""
    if isinstance(node, ast.Sum):
        return _is_site(node.first, known) and isinstance(node.rest[0][1], ast.Number)
    return isinstance(node, ast.Name) and node.name in ("i", "j", "k", "n") and node.name in known


def _derivative(inner: ast.Expression, texts: list[str], coordinates: Collection[str]) -> Advice:
    twice = isinstance(inner, ast.Call) and inner.name.casefold() in DERIVATIVES
    if twice or texts[2:] == ["2"] or texts[1:] == ["t", "t"]:
        return Advice(help="L and K hold no accelerations; the equations of motion follow from L")
    if isinstance(inner, ast.Name) and inner.name in coordinates:
        return Advice(instead(f"{inner.name}'"), "a velocity is written with a prime")
    if texts[1:] and texts[1] != "t":
        return Advice(help="derivatives cannot be written; lagc takes those that it needs")
    return Advice(help="a velocity is written with a prime: `q'`")


def _filled(template: str, texts: list[str]) -> str:
    """`log({0})` with an argument, `[0]^[1]` with arguments in brackets where they need them."""
    wanted = len(set(re.findall(r"[\[{](\d)", template)))
    if "{all}" in template:
        return template.replace("{all}", ", ".join(text.strip("[]()") for text in texts))
    if len(texts) != wanted:
        return "".join(template.partition("(")[:2]) + "...)" if "(" in template else "a^b"
    filled = template
    for place, text in enumerate(texts):
        bracketed = text if _OPERAND.fullmatch(text) else f"({text})"
        filled = filled.replace(f"{{{place}}}", text).replace(f"[{place}]", bracketed)
    return filled


def on_name(
    name: str,
    coordinates: Mapping[str, Coordinate],
    known: Iterable[str],
    decoration: str = "",
    histories: Collection[str] = (),
) -> Advice:
    """What to write for a name that is not defined; an empty label if nothing is close.

    `decoration` is what stands behind it, `'` or `'_+`; `histories` what ends the name of one of
    the two histories where it may stand, such as `_1`.
    """
    history = _history(name, decoration, coordinates, histories)
    if history is not None:
        return history
    stem, ending = _component(name, coordinates) or decorated(name, coordinates)
    if stem and ending == "''":
        return Advice(help="L and K hold no accelerations; the equations of motion follow from L")
    if stem and ending[0] == "[":
        meant = f"{stem}{decoration}{ending}"
        return Advice(f"did you mean `{meant}`?", "components stand in square brackets")
    if stem:
        what = (
            "a velocity is written with a prime"
            if ending == "'"
            else "the doubled variables are written `q_+` and `q_-`"
        )
        return Advice(f"did you mean `{stem}{ending}`?", what)
    if name in NAMES:
        return Advice(
            f"write `{NAMES[name]}`", "there are numbers only" if NAMES[name] in "01" else ""
        )
    if name in VELOCITIES and len(coordinates) == 1:
        return Advice(f"did you mean `{next(iter(coordinates))}'`?", _PRIME)
    if name == "e":
        return Advice(help="Euler's number is `exp(1)`, its powers are `exp(x)`")
    if name in _ENERGIES:
        return Advice(help=f"an expression is named with `let {name} = ...`")
    known = list(known)
    for alike in known:
        if alike != name and _sounds(alike) == _sounds(name):
            return Advice(f"did you mean `{alike}`?", _strange_letter(name))
    hint = did_you_mean(name, [k for k in known if len(k) > 1 or len(name) < 3])
    if name in _SIGNALS:
        return Advice(hint, f"what is given with the run is declared with `input {name}`")
    return Advice(hint)


def _history(
    name: str, decoration: str, coordinates: Mapping[str, Coordinate], endings: Collection[str]
) -> Advice | None:
    """What `x_1` or `x2` is in the doubled variables of a number `x`; None for other names."""
    for ending in endings:
        stem = name.removesuffix(ending)
        coordinate = coordinates.get(stem) if stem != name else None
        if coordinate is not None and not coordinate.size and not coordinate.index:
            base, sign = stem + decoration, "+" if ending[-1] == "1" else "-"
            return Advice(
                help=f"in K history {ending[-1]} of `{stem}` is `({base}_+ {sign} {base}_-/2)`"
            )
    return None


def _component(name: str, coordinates: Mapping[str, Coordinate]) -> tuple[str, str] | None:
    """`r_x` and `r_0` as `r[0]`, `phi_i` as `phi[i]`; None if it is no component."""
    stem, _, place = name.rpartition("_")
    coordinate = coordinates.get(stem)
    if coordinate is None:
        return None
    if coordinate.index and place == coordinate.index:
        return stem, f"[{place}]"
    number = int(place) if place in ("0", "1", "2") else "xyz".find(place or "-")
    return (stem, f"[{number}]") if 0 <= number < (coordinate.size or 0) else None


def decorated(name: str, coordinates: Collection[str]) -> tuple[str, str]:
    """`qdot`, `dq` or `q_minus` as a coordinate and its decoration; empty if it is none."""
    spelled = unicodedata.normalize("NFD", name)
    for ending, decoration in _ENDINGS.items():
        stem = spelled.removesuffix(ending)
        if stem != spelled and stem in coordinates:
            return stem, decoration
    for beginning in ("d", "v_", "v"):
        stem = name.removeprefix(beginning)
        if stem != name and stem in coordinates:
            return stem, "'"
    return "", ""


def _sounds(name: str) -> str:
    """Letters that look the same made the same, Greek ones by their names."""
    plain = unicodedata.normalize("NFKC", name)
    return "".join(_GREEK.get(ch, ch) for ch in plain).translate(_CYRILLIC)


def look(name: str) -> str:
    """A name with letters that cannot be told apart by eye made the same."""
    return name.replace("\u00b5", "\u03bc").translate(_CYRILLIC)


def _strange_letter(name: str) -> str:
    """Which letter of a name is not the one it looks like; empty for Greek ones, which are seen."""
    for ch in name:
        if not ch.isascii() and ch not in _GREEK:
            letter = unicodedata.name(ch, "another letter").lower()
            return f"`{ch}` is {letter} (U+{ord(ch):04X})"
    return ""


def _greek_letters() -> dict[str, str]:
    letters = [chr(code) for code in range(0x391, 0x3CA) if chr(code).isalpha()]
    named = {ch: unicodedata.name(ch).split() for ch in letters}
    return {
        ch: words[-1].lower() if "SMALL" in words else words[-1].capitalize()
        for ch, words in named.items()
    } | {"ς": "sigma", "λ": "lambda", "Λ": "Lambda", "ϕ": "phi", "ϑ": "theta", "ϵ": "epsilon"}


_GREEK = _greek_letters()
_CYRILLIC = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425",
    "aeopcyxijsABEKMHOPCTX",
)


def on_quotient(
    top: ast.Expression, by: tuple[str, ast.Expression], coordinates: Collection[str]
) -> str:
    """The velocity that `dq/dt` or `d/dt(q)` stands for; empty if it is no such thing."""
    operator, bottom = by
    if operator != "/" or not isinstance(top, ast.Name) or top.primes or top.side:
        return ""
    if isinstance(bottom, ast.Name) and bottom.name == "dt" and not bottom.primes:
        stem = top.name.removeprefix("d")
        return f"{stem}'" if stem != top.name and stem in coordinates else ""
    if top.name == "d" and isinstance(bottom, ast.Call) and bottom.name == "dt":
        inner = [argument.value for argument in bottom.arguments]
        if len(inner) == 1 and isinstance(inner[0], ast.Name) and inner[0].name in coordinates:
            return f"{inner[0].name}'"
    return ""


def on_index(node: ast.Index, known: Collection[str]) -> str:
    """`cos(q)` for Mathematica's `Cos[q]`, `q'` for `q'[t]`; empty for an index that is one."""
    if not isinstance(node.base, ast.Name):
        return ""
    name = node.base.name
    if name not in known and not node.base.primes and name.casefold() in FUNCTION_NAMES:
        return f"{name.casefold()}({node.index.span.text})"
    if isinstance(node.index, ast.Name) and node.index.name == "t":
        return node.base.span.text
    return ""


def declare_vector(node: ast.Expression, coordinates: Collection[str]) -> str:
    """How a scalar coordinate that has an index is declared as a vector."""
    name = node.name if isinstance(node, ast.Name) else ""
    return f"two components are declared with `coordinate {name}[2]`" * (name in coordinates)


def with_arity(name: str, texts: list[str]) -> str:
    """What to write for a call with the wrong number of arguments, where that is clear."""
    if name in ("min", "max") and len(texts) == 3:
        return instead(f"{name}({texts[0]}, {name}({texts[1]}, {texts[2]}))")
    if name == "dot" and len(texts) == 3:
        return instead(f"dot({texts[0]}, {texts[1]}*{texts[2]})")
    return instead(f"dot({texts[0]}, {texts[0]})") if name == "dot" and len(texts) == 1 else ""


def dot_of(a: ast.Expression, b: ast.Expression) -> str:
    """The scalar product of two vectors as written."""
    return f"dot({a.span.text}, {b.span.text})"


def momentum_of(
    node: ast.Index, known: Collection[str], coordinates: Collection[str]
) -> tuple[str, str] | None:
    """The coordinate of `p[x]` or `p[r[0]]` and its velocity; None if it is no momentum."""
    if not isinstance(node.base, ast.Name) or node.base.name != "p" or "p" in known:
        return None
    inner = node.index.base if isinstance(node.index, ast.Index) else node.index
    if not isinstance(inner, ast.Name) or inner.name not in coordinates:
        return None
    written = node.index.span.text
    return written, f"{inner.name}'{written[len(inner.span.text) :]}"


def misplaced_unit(node: ast.Index) -> str:
    """Where a unit belongs that stands behind a number; empty for what is no unit.

    Only `let`s among the expressions that reach this have one behind their value.
    """
    source = node.span.source
    bracket = source.text.rfind("[", node.base.span.end, node.index.span.start)
    if bracket < 0 or read_unit(node.index, Span(source, bracket, node.span.end)) is None:
        return ""
    unit = source.text[bracket : node.span.end]
    line = source.line_text(node.span.line)
    words = re.match(r"\s*(\w+)\s*(\w*)", line)
    word, name = words.groups() if words else ("", "")
    behind = source.text[node.span.end :].partition("\n")[0].partition("#")[0].strip()
    if behind or word == "let":
        number = node.base.span.text if isinstance(node.base, ast.Number) else "1"
        return f"a number with a unit is declared: `constant a = {number} {unit}`"
    if word == "observable":
        return f"the unit of an observable stands behind its name: `observable {name} {unit} = ...`"
    if word == "force":
        return "a force line has no unit: it is that of L divided by that of the coordinate"
    if word in ("L", "K", "R"):
        return f"the unit of `{word}` follows from what it is made of, and is not written"
    return "a unit stands at the end of a clause, after a blank: `= 9.8 [m/s^2]`"
