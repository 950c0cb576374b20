"""Programs made from others: words and lines replaced, moved, repeated and crossed.

A mutation keeps most of a text well formed, so that it comes further than the parser.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from lagc.semantics.functions import FUNCTION_NAMES
from lagc.syntax.lines import CLAUSES, STATEMENTS

ROOT = Path(__file__).parents[2]
LONGEST = 4000

_WORD = re.compile(r"[^\W\d]\w*'*(?:_[+-])?|[0-9.]+(?:[eE][+-]?[0-9]+)?|\s+|.", re.DOTALL)
_NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "10",
    "64",
    "100",
    "1024",
    "0.5",
    "1e-9",
    "1e9",
    "1e308",
    "1/3",
]
_SCRAPS = [
    "q", "q'", "q_+", "q_-", "q'_+", "q'_-", "q''", "t", "pi", "inf", "x", "r", "r[0]", "phi[i]",
    "phi[i+1]", "phi[i-1]", "phi'[i]", "phi[0]", "a", "i", "(", ")", "[", "]", "+", "-", "*", "/",
    "^", ",", ":", "~", "=", "+=", "<", ">=", "..", "\n", "#", "'", "é", "ω", "\0", "²",
    "__import__", "L = ", "L += ", "K = ", "R = ", "norm(r)", "dot(r, r)", "sqrt(q)",
    "sum(i, phi[i]^2)", "abs(q)", "uniform(0, 1)",
    "mixture(0.5: 0, 0.5: uniform(0, 1))", "mlp(8, 8)", "in (0, 1]", "mod 2*pi",
    "smooth_abs(q, 0.1)", "if(q > 0, q^3, 0)", "if(q > 0 and x <= 1 or t < 2, ", "((1, 2), (3, 4))",
    "transpose(", "M*r", "M[0][1]", " [m/s^2]", " [kg]", " [km]", " [1]", 'use "a.lag"\n',
    "constant M = ((2, 0), (0, 1))\n", "coordinate x [m]\n", "coefficient c[2] > 0 = 1\n",
    "index i in 0..9 periodic\ncoordinate phi[i]\n", "coordinate q\n", "coordinate r[3]\n",
]  # fmt: skip
WORDS = sorted(
    {*STATEMENTS, *CLAUSES, *FUNCTION_NAMES, *_NUMBERS, *(s for s in _SCRAPS if s.strip())}
)


def seeds() -> list[str]:
    """The examples, and the models of the suite that are right or wrong."""
    folders = [ROOT / "examples", *(ROOT / "tests" / name for name in ("good", "bad", "units"))]
    paths = sorted(path for folder in folders for path in folder.rglob("*.lag"))
    texts = [path.read_bytes().decode("utf-8", "replace") for path in paths]
    return [text for text in texts if len(text) <= LONGEST]


def mutated(text: str, others: list[str], generator: random.Random) -> str:
    """A text with a few random changes, at most `LONGEST` characters."""
    for _ in range(1 + generator.randrange(3)):
        text = generator.choice(_CHANGES)(text, others, generator)
    return text[:LONGEST]


def _replace_word(text: str, others: list[str], generator: random.Random) -> str:
    words = _WORD.findall(text) or [""]
    words[generator.randrange(len(words))] = generator.choice(WORDS)
    return "".join(words)


def _insert_scrap(text: str, others: list[str], generator: random.Random) -> str:
    words = _WORD.findall(text)
    words.insert(generator.randrange(len(words) + 1), generator.choice(_SCRAPS))
    return "".join(words)


def _move_words(text: str, others: list[str], generator: random.Random) -> str:
    words = _WORD.findall(text) or [""]
    start = generator.randrange(len(words))
    piece = words[start : start + 1 + generator.randrange(12)]
    if generator.random() < 0.5:
        del words[start : start + len(piece)]
    at = generator.randrange(len(words) + 1)
    return "".join([*words[:at], *piece, *words[at:]])


def _wrap(text: str, others: list[str], generator: random.Random) -> str:
    """A piece of an expression made the argument of a function, a power or a factor."""
    words = _WORD.findall(text) or [""]
    start = generator.randrange(len(words))
    end = start + 1 + generator.randrange(8)
    before, after = generator.choice(
        [(f"{generator.choice(sorted(FUNCTION_NAMES))}(", ")"), ("(", ")^2"), ("1/(", ")"),
         ("(", f")^({generator.choice(_NUMBERS)})"), ("-(", ")"), ("(", ")*("), ("2^(", ")")]
    )  # fmt: skip
    return "".join([*words[:start], before, *words[start:end], after, *words[end:]])


def _change_lines(text: str, others: list[str], generator: random.Random) -> str:
    """A line dropped, repeated, or taken over from another program."""
    lines = text.splitlines() or [""]
    at = generator.randrange(len(lines))
    match generator.randrange(3):
        case 0:
            del lines[at]
        case 1:
            lines.insert(generator.randrange(len(lines) + 1), lines[at])
        case _:
            donor = generator.choice(others).splitlines() or [""]
            start = generator.randrange(len(donor))
            lines[at:at] = donor[start : start + 1 + generator.randrange(3)]
    return "\n".join(lines) + "\n"


def _rename(text: str, others: list[str], generator: random.Random) -> str:
    """One name made another everywhere, so that two become one."""
    names = sorted(set(re.findall(r"[^\W\d]\w*", text)))
    if len(names) < 2:
        return text
    old, new = generator.sample(names, 2)
    return re.sub(rf"\b{re.escape(old)}\b", new, text)


_CHANGES = (_replace_word, _insert_scrap, _move_words, _wrap, _change_lines, _rename)
