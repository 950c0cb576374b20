"""Expressions: numbers, functions, velocities, vectors and brackets as others write them."""

from __future__ import annotations

import math
import re

from lagc.base.codes import Code
from lagc.syntax.aliases import renamed
from lagc.syntax.habits import Habit
from lagc.syntax.notations.magnitudes import magnitude
from lagc.syntax.notations.rewriting import SUPERSCRIPTS, bracketed, power_of_call, replaced


def _call(found: re.Match[str]) -> str:
    inner = found["argument"].strip()
    return f"{renamed(found['function'])}{inner if inner[0] == '(' else f'({inner})'}"


def _root(found: re.Match[str]) -> str:
    inner = found["argument"].strip()
    return f"sqrt{inner if inner[0] == '(' else f'({inner})'}"


def _unprefixed(found: re.Match[str]) -> str:
    return renamed(found["name"])


def _fraction(found: re.Match[str]) -> str:
    text = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}[found["sign"]]
    return f"({found['whole']} + {text})" if found["whole"] else replaced(found, text)


def _digits(found: re.Match[str]) -> str:
    return re.sub(r"[\s'_’]", "", found[0])


FORMULAS = (
    Habit(
        r"(?<![\w.])(?:MODULE\.)?(?:Rational|Fraction)\(\s*(?P<over>-?\d+)\s*,\s*(?P<under>\d+)\s*\)",
        "numbers are exact as they are",
        lambda found: replaced(found, f"{found['over']}/{found['under']}"),
    ),
    Habit(
        r"(?:(?<![\w.])(?P<whole>\d+)\s*)?(?P<sign>[½¼¾⅓⅔])",
        "a fraction is written `1/2`",
        _fraction,
        code=Code.LAG101,
    ),
    Habit(
        r"(?<![\w.])MODULE\.(?:power|pow)\(\s*(?P<base>[^(),]+?)\s*,\s*(?P<power>[^(),]+?)\s*\)",
        "powers are written `^`",
        lambda found: replaced(found, f"{bracketed(found['base'])}^{bracketed(found['power'])}"),
    ),
    Habit(
        r"(?P<at>(?<![\w.])MODULE\.(?:linalg\.)?(?P<name>NAME))",
        "functions and numbers are written without a module",
        _unprefixed,
    ),
    Habit(
        r"(?<![\w.])(?P<name>NAME)\.(?:ddot\b|diff\(\s*t\s*,\s*2\s*\)|diff\(t\)\.diff\(t\))",
        "`L` and `K` hold no accelerations",
        help="the equations of motion follow from `L`",
    ),
    Habit(
        r"(?<![\w.])(?P<name>NAME)\.(?:dot\b(?!\()|diff\(\s*t?\s*\)|dt\b|vel\b|d\b)",
        "a velocity is written with a prime",
        "{name}'",
    ),
    Habit(
        r"(?<![\w.])NAME'?(?P<at>\.(?P<axis>[xyz]))(?![\w(])",
        "a component is written with its number",
        lambda found: f"[{'xyz'.index(found['axis'])}]",
    ),
    Habit(
        r"(?<![\w.])(?P<a>OPERAND)\s*@\s*(?P<b>OPERAND)",
        "a scalar product is written `dot(a, b)`",
        "dot({a}, {b})",
        code=Code.LAG101,
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME)\^(?P<power>\d+)(?P<prime>'+)",
        "a prime follows the name of a coordinate directly",
        "{name}{prime}^{power}",
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME)(?P<index>\[[^\[\]]*\])(?P<prime>'+)",
        "a prime follows the name of a coordinate directly",
        "{name}{prime}{index}",
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME)[ \t]+(?P<prime>'+)(?=[\s*+\-^/)]|\Z)",
        "a prime follows the name of a coordinate directly",
        "{name}{prime}",
    ),
    Habit(
        r"(?<![\w'\"])(?P<name>NAME)\"(?!\w)",
        "two primes are an acceleration; `L` and `K` hold coordinates and velocities",
        help="a velocity is written `{name}'`",
        code=Code.LAG101,
    ),
    Habit(
        r"\bsum\((?P<density>[^\n]+?)\s+for\s+(?P<index>NAME)\s+in\s+"
        r"(?:(?P<range>-?\w+\.\.-?\w+)|range\([^()\n]*\)|NAME)\s*\)",
        "a sum names its index first",
        lambda found: (
            f"sum({found['index']}{' in ' + found['range'] if found['range'] else ''}, "
            f"{found['density'].strip()})"
        ),
    ),
    Habit(
        r"\bsum\(\s*(?P<index>NAME)(?P<at>\s*=\s*)-?\w+\s*(?:\.\.|:|,|to)",
        "the range of an index stands after `in`",
        " in ",
    ),
    Habit(
        r"(?<=\s)(?P<word>where|for|when|otherwise|unless|else|if|and|or|with)\b(?!\s*\()",
        "formulas have no words such as `{word}`",
        help="a part of a formula is named with a `let` of its own",
        within=("L", "K", "R", "let", "force", "observable", "constant"),
    ),
    Habit(
        r"(?<![\w.])(?P<a>NAME'*)\.dot\(\s*(?P<b>[^()]*)\s*\)",
        "a scalar product is written `dot(a, b)`",
        "dot({a}, {b})",
    ),
    Habit(r"\.(?P<sign>[\^*/])", "all operators are written without a point", "{sign}"),
    Habit(
        (
            r"(?<![\w\\])(?P<function>FUNCTION)\s*(?:(?:\^|\*\*)\s*[{(]?\s*(?=-?\d)|(?=[⁻¹²³⁴⁵⁶⁷⁸⁹]))"
            r"(?P<power>-?\d+|[⁻¹²³⁴⁵⁶⁷⁸⁹]+)\s*[)}]?\s*(?P<argument>ROUND|OPERAND)"
        ),
        "a power of a function stands after its argument",
        power_of_call,
    ),
    Habit(
        (
            r"(?<![\w\\])(?P<function>FUNCTION)[ \t]+(?P<number>NUMBER)\s*\*?\s*"
            r"(?P<argument>(?!\d)OPERAND)(?!\s*\()"
        ),
        "the argument of a function stands in brackets",
        lambda found: f"{renamed(found['function'])}({found['number']}*{found['argument']})",
        code=Code.LAG105,
    ),
    Habit(
        r"(?<![\w\\])(?P<function>FUNCTION)[ \t]+(?P<argument>(?!\d)OPERAND)"
        r"\s*(?:\^|\*\*)\s*(?P<power>\d+)",
        "the argument of a function stands in brackets",
        help="write `{function}({argument})^{power}` or `{function}({argument}^{power})`",
        code=Code.LAG105,
    ),
    Habit(
        r"(?<![\w\\])(?P<function>FUNCTION)[ \t]+(?P<argument>OPERAND)(?!\s*\()"
        r"(?:(?=\s*[-+)*/^,]|END)|(?=[ \t]))",
        "the argument of a function stands in brackets",
        _call,
        code=Code.LAG105,
    ),
    Habit(
        r"√\s*(?P<argument>ROUND|OPERAND)",
        "a root is written `sqrt(x)`",
        _root,
        code=Code.LAG101,
    ),
    Habit(
        r"(?:\|\||‖)\s*(?P<inner>[^|‖\n]+?)\s*(?:\|\||‖)",
        "the length of a vector is written `norm(x)`",
        "norm({inner})",
        code=Code.LAG101,
    ),
    Habit(
        r"\|\s*(?P<inner>[^|\n]+?)\s*\|(?!\|)",
        "a magnitude is written `abs(x)`, that of a vector `norm(x)`",
        code=Code.LAG101,
        ask=magnitude,
    ),
    Habit(
        r"[∂d](?P<name>NAME)\s*/\s*[∂d]t\b",
        "a velocity is written with a prime",
        "{name}'",
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME'+)\((?P<site>[ijkn](?:\s*[-+]\s*\d+)?|\d+)\)",
        "sites and components stand in square brackets",
        "{name}[{site}]",
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME'+)\s*\(\s*t\s*\)",
        "a velocity is written without its time",
        "{name}",
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME)\^?(?P<side>[+-])'",
        "the doubled velocity is one word, with an underscore",
        "{name}'_{side}",
        within=("K", "let"),
    ),
    Habit(
        r"(?<![\w'])(?P<at>(?P<name>NAME'?)\^?(?P<side>[+-]))(?:\s*[*/^)]|END)",
        "a doubled variable is one word, with an underscore",
        "{name}_{side}",
        within=("K", "let"),
    ),
    Habit(
        r"(?<![\w'])(?P<at>(?P<name>NAME'?)\^(?P<side>\+))",
        "a doubled variable is one word, with an underscore",
        "{name}_{side}",
        within=("K", "let"),
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME)'_(?P<index>\w+)",
        "nothing but `+` or `-` stands behind a prime",
        help="the doubled velocities are `{name}'_+` and `{name}'_-`; a component is `{name}'[0]`; "
        "a coordinate `{name}_{index}` has the velocity `{name}_{index}'`",
    ),
    Habit(
        r"[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]{2,}",
        "powers are written `^`",
        lambda found: "^" + found[0].translate(SUPERSCRIPTS),
        code=Code.LAG101,
    ),
    Habit(
        r"(?<![\w'])(?P<name>NAME'?)_\s+(?P<side>[+-])",
        "a doubled variable is one word, without a blank",
        "{name}_{side}",
        within=("K", "let"),
    ),
    Habit(
        r"(?<![\w.,'])[1-9]\d{0,2}(?:(?:,\d{3}){2,}(?:\.\d+)?|,\d{3}\.\d+)(?![\w.,'])",
        "the digits of a number stand side by side, without commas",
        lambda found: found[0].replace(",", ""),
        code=Code.LAG106,
    ),
    # A thousand or one: nothing tells which is meant, so nothing is put in its place.
    Habit(
        r"(?<![\w.,'])(?P<whole>[1-9]\d{0,2}),(?P<rest>\d{3})(?![\w.']|,\d)",
        "a number has no comma: a comma separates entries",
        label="write `{whole}{rest}` or `{whole}.{rest}`",
        help="`{whole}{rest}` if the comma groups digits, `{whole}.{rest}` if it is a decimal one",
        code=Code.LAG106,
    ),
    Habit(
        r"(?<![\w.,'])(?P<whole>\d+),(?P<rest>\d+)(?![\w.']|,\d)",
        "a decimal is written with a point",
        "{whole}.{rest}",
        help="the entries of a vector stand in brackets: `({whole}, {rest})`",
        code=Code.LAG106,
        within=("initial", "assignments"),
    ),
    Habit(
        r"(?<![\w.,'])(?P<whole>\d+),(?P<rest>\d+)(?![\w.,'])",
        "a decimal is written with a point",
        "{whole}.{rest}",
        code=Code.LAG106,
    ),
    Habit(
        r"(?P<number>NUMBER)\s*%(?!\s*[\w(])",
        "a percentage is written as a number",
        lambda found: f"{float(found['number']) / 100:.15g}",
        code=Code.LAG101,
    ),
    Habit(
        r"(?P<number>OPERAND)\s*(?:°|º|\^\s*\\circ)",
        "angles are in radians",
        lambda found: replaced(found, f"{found['number']}*pi/180"),
        code=Code.LAG101,
    ),
    Habit(
        r"(?<![\w.])(?P<number>\d|1\d)!(?!=)",
        "a factorial is written out as a number",
        lambda found: str(math.factorial(int(found["number"]))),
        code=Code.LAG101,
    ),
    Habit(
        r"(?P<name>[^\W\d_][A-Za-z0-9_]*)(?P<low>[₀-₉]+)",
        "the digits of a name stand on the line",
        lambda found: found[0].translate(str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")),
        code=Code.LAG101,
    ),
    Habit(
        r"(?<![\w.'])\d{1,3}(?:[ '’_]\d{3})+(?![\w.'])|(?<![\w.'])\d+(?:_\d+)+(?![\w.'])",
        "the digits of a number stand side by side, without `_`, `'` or blanks",
        _digits,
        code=Code.LAG106,
    ),
    Habit(
        r"(?<![\w.])(?P<number>NUMBER)[ij](?!\w)",
        "numbers are real: there is no imaginary unit",
        code=Code.LAG106,
    ),
    Habit(
        r"\[(?P<low>[^\[\]:,]*):(?P<high>[^\[\]:,]*)(?::[^\[\]:,]*)?\]",
        "one component is taken at a time",
        help="a vector of some components is written `(x[0], x[1])`",
    ),
    Habit(
        r"(?:(?<=[=,(+\-*/] )|(?<=[=,(+\-*/]))\[(?P<items>[^\[\]]*,[^\[\]]*)\]",
        "a vector is written in round brackets",
        "({items})",
    ),
    Habit(
        r"(?:(?<=[=,(+\-*/] )|(?<=[=,(+\-*/]))\[(?P<inner>[^\[\],]*)\]",
        "brackets in formulas are round",
        "({inner})",
    ),
    Habit(
        r"\{(?P<items>[^{}:\n]*,[^{}:\n]*)\}",
        "a vector is written in round brackets",
        "({items})",
        code=Code.LAG101,
    ),
    Habit(
        r"\{(?P<inner>[^{},\n]+)\}",
        "brackets in formulas are round",
        "({inner})",
        code=Code.LAG101,
    ),
    Habit(
        r"(?<![\w'\])])(?:[frbu]?[\"'`]|[“„«‘])(?P<name>NAME)(?:[\"'`]|[”“»’])",
        "names are written without quotation marks",
        "{name}",
        code=Code.LAG101,
    ),
    Habit(r"\blambda\b[^:\n]*:\s*", "an expression is written as it is, without `lambda`", ""),
    Habit(r"//", "division is written `/`", "/", help="a comment begins with `#`"),
    Habit(
        r"==|:=",
        "an equation has a single equals sign",
        "=",
    ),
    Habit(
        r"&&|\|\|",
        "conditions stand in `if`, joined by `and` and `or`",
        help="`if(x > 0 and x < 1, a, b)`; bounds are written `in [0, 1]` or `> 0`",
        code=Code.LAG101,
    ),
)
