"""Whole statements as other languages, and mechanics on paper, write them."""

from __future__ import annotations

import re

from lagc.base.codes import Code
from lagc.syntax.habits import Habit

_NOTHING_TO_IMPORT = (
    "nothing is imported: the functions of the language, such as `cos` and `sqrt`, are always there"
)
_EQUATION = (
    "the equations of motion are not written down, they follow from `L`, `K`, `R` and `force`"
)

_FORCE = r"(?P<at>(?:F|Q|force|Force)(?:_?\w+)?|friction|drag|damping|torque)(?!\w)"


def _declared(found: re.Match[str]) -> str:
    word = "coefficient" if found["kind"].startswith("parameter") else "constant"
    return f"{word} {found['name']} = {found['value'].strip()}"


def _bracketed_sum(text: str) -> str:
    return f"({text.strip()})" if re.search(r"[-+]", text.strip()) else text.strip()


STATEMENTS = (
    Habit(
        r"\A(?:system|model|class|struct)\s+(?P<name>NAME)\s*(?:\([^()\n]*\)\s*)?[{:]\s*\Z",
        "a file holds one model, without brackets around it",
        "model {name}",
        code=Code.LAG107,
    ),
    Habit(
        r"\A\}\s*\Z", "a file holds one model, without brackets around it", "", label="remove this"
    ),
    Habit(
        r"\Aforce\s+(?:NAME(?:\[[^\[\]]*\])?)(?P<at>\s*=[^=\n]*,\s*NAME(?:\[[^\[\]]*\])?\s*=|\s*,)",
        "a `force` line is about one coordinate",
        label="begin a new line for the next one",
        help="or give all components of a vector at once: `force q = (a, b)`",
    ),
    Habit(
        r"\A(?:def\s+(?P<name>[LKR])\s*ROUND\s*:?\s*(?:return\b)?|(?P<other>[LKR])\s*=\s*lambda\b[^:\n]*:)"
        r"\s*(?P<value>EXPR)END",
        "`L`, `K` and `R` are expressions, without what they depend on",
        lambda found: f"{found['name'] or found['other']} = {found['value'].strip()}",
    ),
    Habit(
        r"(?P<at>@\s*\([^()\n]*\)\s*)",
        "an expression is written as it is, without what it depends on",
        "",
        label="remove this",
    ),
    Habit(
        r"(?P<at>\bfunction\s*\([^()\n]*\)\s*(?:return\b\s*)?(?P<value>EXPR)\s*(?:;?\s*\bend)?)END",
        "an expression is written as it is, without what it depends on",
        "{value}",
    ),
    Habit(
        r"\A(?P<at>(?:the\s+)?[Ll]agrangian\s+)L\s*=",
        "the Lagrangian is `L`",
        "",
        label="remove this",
        code=Code.LAG107,
    ),
    Habit(
        r"\Adef\s+(?P<name>NAME)\s*ROUND\s*:?\s*(?:return\b)?\s*(?P<value>EXPR)END",
        "`def` begins no statement: an expression is named with `let`",
        "let {name} = {value}",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?P<name>NAME)\s*=\s*lambda\b[^:\n]*:\s*(?P<value>EXPR)END",
        "an expression is named with `let`",
        "let {name} = {value}",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?:use|import|include|require|using|load|source)\s*[(<\"'`‘“]*(?P<path>[\w./ -]+\.lag)"
        r"[\"'`’”>)]*END",
        "another file is used with `use` and its name in quotation marks",
        'use "{path}"',
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?:import|from|using|include|require|library)\b[^\n]*",
        _NOTHING_TO_IMPORT,
        label="remove this line",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?:for|while|class|try|with|return|print|assert|end|endif|endfor|endfunction|begin|do)"
        r"\b[^\n]*",
        "a model is a list of declarations and formulas; it holds no steps to be carried out",
        label="remove this line",
        help="a sum over the sites of a lattice is written `sum(i, ...)`",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?P<name>NAME)\s*=\s*(?:NAME\.)?(?P<word>coordinate|input|index)\s*\(\s*\)END",
        "a declaration begins with its word",
        "{word} {name}",
        code=Code.LAG107,
    ),
    Habit(
        (
            r"\A(?P<name>NAME)\s*=\s*(?:NAME\.)?(?P<word>constant|coefficient|observable)\s*"
            r"\(\s*(?P<value>EXPR)\s*\)END"
        ),
        "a declaration begins with its word",
        "{word} {name} = {value}",
        code=Code.LAG107,
    ),
    Habit(
        r"\At\s*=\s*(?:MODULE\.)?(?:symbols|Symbol|var)\b[^\n]*",
        "the time is always there, as `t`",
        label="remove this line",
        code=Code.LAG107,
    ),
    Habit(
        (
            r"\A(?P<at>(?P<name>NAME)(?:\s*,\s*NAME)*\s*=\s*(?:MODULE\.|me\.)?(?:physics\.)?"
            r"(?:dynamicsymbols|symbols|Symbol|Function|var)\b[^\n]*)"
        ),
        "a symbol is declared by what it stands for",
        help="write `coordinate {name}`, `coefficient {name} = 1` or `constant {name} = 1`, a "
        "statement for each name",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?P<at>(?P<name>NAME)(?:\s*,\s*NAME)+)\s*=",
        "each name has a statement of its own",
        help="write for instance `constant {name} = 1`",
        code=Code.LAG107,
    ),
    Habit(
        r"(?<![\w\])])(?P<dict>NAME)\[\s*[\"'](?P<name>NAME)[\"']\s*\]",
        "names are written alone",
        "{name}",
    ),
    Habit(
        (
            r"\A(?P<kind>(?:parameter|const|final|static)?\s*"
            r"(?:double|float|int|real|Real|Float64|auto|var|val|REAL|number))\s+(?P<name>NAME)\s*"
            r"=\s*(?P<value>EXPR)END"
        ),
        "`{kind}` begins no statement: numbers have no types",
        _declared,
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?:Real|real|double|float)\s+(?P<name>NAME)END",
        "a variable that moves is a `coordinate`",
        "coordinate {name}",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?P<at>H|Hamiltonian)\s*(?:\([^()]*\)\s*)?:?=",
        "a model is given by its Lagrangian, not by a Hamiltonian",
        help="write `L = ...` in coordinates and velocities: kinetic minus potential energy, with "
        "`q'` for the velocity; momenta and the energy follow from it",
        code=Code.LAG112,
    ),
    Habit(
        r"\A(?P<at>D|P|F|Rayleigh|dissipation)\s*=(?=[^\n]*'(?:\[\w+\])?\s*(?:\^|\*\*)\s*2)",
        "Rayleigh's dissipation function is named `R`",
        "R",
        code=Code.LAG107,
    ),
    Habit(
        (
            rf"\A{_FORCE}\s*=\s*(?=[^\n]*?(?<!\w)(?P<name>NAME)')"
            r"(?P<value>[^\n]*)END"
        ),
        "a force is written with the coordinate that it acts on",
        help="write `force {name} = {value}`",
        code=Code.LAG107,
    ),
    Habit(
        rf"\A{_FORCE}\s*=\s*(?!-?\s*NUMBEREND)(?P<value>[^\n]*)END",
        "a force is written with the coordinate that it acts on",
        help="write for instance `force q = {value}`",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?P<at>(?!initial|observable|let|force|run|L\b|K\b|R\b)[^=\n]*''[^=\n]*=[^\n]*)",
        _EQUATION,
        help="write `L = ...`, kinetic minus potential energy, and `force q = ...` for what no "
        "potential gives, such as friction",
        code=Code.LAG112,
    ),
    Habit(
        r"\A(?P<at>(?!initial|observable|let|force|run|L\b|K\b|R\b)[^=\n]*=[^=\n]*''[^\n]*)",
        _EQUATION,
        help="write `L = ...`, kinetic minus potential energy, and `force q = ...` for what no "
        "potential gives, such as friction",
        code=Code.LAG112,
    ),
    Habit(
        (
            r"\A(?P<name>NAME)(?P<prime>'?)\s*\(\s*(?:t\s*=\s*)?0(?:\.0*)?\s*\)\s*=\s*"
            r"(?P<value>EXPR)END"
        ),
        "a starting value is given in an `initial` line",
        "initial {name}{prime} = {value}",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?P<name>NAME)'\s*=\s*(?P<value>NUMBER|-\s*NUMBER)END",
        "a velocity is given once, at the start, in an `initial` line",
        "initial {name}' = {value}",
        code=Code.LAG107,
    ),
    Habit(
        r"\A(?P<at>(?P<name>[LKR])\s*(?:\([^()\n]*\)|\[[^\[\]\n]*\]))\s*:?=",
        "`{name}` is written without what it depends on",
        "{name}",
    ),
    Habit(
        r"\A(?P<name>[LKR])\s*(?P<at>:=|:|->|→|<-|⇒|≡|≔)",
        "what `{name}` is stands after `=`",
        "=",
    ),
    Habit(
        r"\A(?P<name>[LKR])\s*-=\s*(?P<value>EXPR)END",
        "contributions are added with `+=`; there is no other such operator",
        lambda found: f"{found['name']} += -{_bracketed_sum(found['value'])}",
    ),
    Habit(
        r"\A(?P<name>(?![lkr]\b|[LKR]\s*\+=)NAME)\s*(?P<at>[-+*/]=)",
        "nothing but `L`, `K` and `R` is added to",
        help="write the whole expression in one statement: `let {name} = ...`",
    ),
)
