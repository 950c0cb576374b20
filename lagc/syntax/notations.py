r"""The tables of notations of other languages: Python, LaTeX, MATLAB, Mathematica, C, Fortran, and
formulas as they are written by hand.

The order counts: of two habits that are seen at one place the first is spoken of. In patterns
`NAME` and so on stand for the pieces defined here.
"""

from __future__ import annotations

import math
import re

from lagc.base.codes import Code
from lagc.syntax.aliases import FUNCTIONS, GREEK, MODULES, renamed
from lagc.syntax.habits import Habit

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_PIECES = {
    "NAME": r"[^\W\d_](?:\w*[^\W_])?",
    "NUMBER": r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?",
    "ROUND": r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)",
    "CURLY": r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*",
    "FUNCTION": "(?:" + "|".join(FUNCTIONS) + "|ln|arcsin|arccos|arctan)",
    "MODULE": "(?:" + "|".join(re.escape(m) for m in MODULES) + ")",
    "GREEK": "(?:" + "|".join(sorted(GREEK, key=len, reverse=True)) + ")",
    "EXPR": r"[^=;#\n]+?",
    "END": r"[ \t]*;?[ \t\r\n]*\Z",
}
_PIECES["OPERAND"] = rf"(?:{_PIECES['NAME']}'*(?:_[+-])?(?:\[[^\[\]]*\])?|{_PIECES['NUMBER']})"
_PIECE = re.compile("|".join(sorted(_PIECES, key=len, reverse=True)))


def _p(pattern: str) -> str:
    """A pattern with its pieces put in."""
    return _PIECE.sub(lambda piece: _PIECES[piece[0]], pattern)


def _bracketed(text: str) -> str:
    """An operand as it is, anything longer in brackets."""
    text = text.strip()
    return text if re.fullmatch(_p(r"\\?(?:OPERAND)|ROUND"), text) else f"({text})"


def _fraction(found: re.Match[str]) -> str:
    return f"{_bracketed(found['over'])}/{_bracketed(found['under'])}"


def _exponent(found: re.Match[str]) -> str:
    return f"^{_bracketed(found['power'])}"


def _call(found: re.Match[str]) -> str:
    inner = found["argument"].strip()
    return f"{renamed(found['function'])}{inner if inner[0] == '(' else f'({inner})'}"


def _power_of_call(found: re.Match[str]) -> str:
    digits = found["power"].translate(_SUPERSCRIPTS)
    inner = found["argument"].strip().removeprefix("\\")
    inner = inner if inner[0] == "(" else f"({inner})"
    function = renamed(found["function"])
    if digits == "-1":
        return f"a{function}{inner}" if function[0] != "a" else f"1/{function}{inner}"
    return f"{function}{inner}^{digits}"


def _unprefixed(found: re.Match[str]) -> str:
    return renamed(found["name"])


def _digits(found: re.Match[str]) -> str:
    return re.sub(r"[\s'_’]", "", found[0])


def _greek(found: re.Match[str]) -> str:
    name = found["name"].removeprefix("var")
    return {"ell": "l"}.get(name, name) + (" " if found["after"] else "")


def _declared(found: re.Match[str]) -> str:
    word = "coefficient" if found["kind"].startswith("parameter") else "constant"
    return f"{word} {found['name']} = {found['value'].strip()}"


def _bounds_first(found: re.Match[str]) -> str:
    parts = (found["name"], found["bounds"], found["default"], found["law"])
    return "coefficient " + " ".join(part.strip() for part in parts if part and part.strip())


def _between(found: re.Match[str]) -> str:
    left = "[" if "=" in found["below"] else "("
    right = "]" if "=" in found["above"] else ")"
    low, high = found["low"].strip(), found["high"].strip()
    rest = (found["rest"] or "").strip()
    return f"coefficient {found['name']} in {left}{low}, {high}{right} {rest}".rstrip()


def _run_line(found: re.Match[str]) -> str:
    return "run " + re.sub(r"[\s=,]+", " ", found["clauses"]).strip()


def _uniform(found: re.Match[str]) -> str:
    return f"uniform({found['low'].strip()}, {found['high'].strip()})"


def _bracketed_sum(text: str) -> str:
    return f"({text.strip()})" if re.search(r"[-+]", text.strip()) else text.strip()


_NO_COMMENT = "comments begin with `#`"
_NO_LATEX = "formulas are not written in LaTeX"
_NOTHING_TO_IMPORT = (
    "nothing is imported: the functions of the language, such as `cos` and `sqrt`, are always there"
)
_EQUATION = (
    "the equations of motion are not written down, they follow from `L`, `K`, `R` and `force`"
)

# Beginnings of statements: what whole lines of other languages look like.
_STATEMENTS = (
    Habit(
        _p(r"\Adef\s+(?P<name>NAME)\s*ROUND\s*:?\s*(?:return\b)?\s*(?P<value>EXPR)END"),
        "`def` begins no statement: an expression is named with `let`",
        "let {name} = {value}",
        code=Code.LAG107,
    ),
    Habit(
        _p(r"\A(?P<name>NAME)\s*=\s*lambda\b[^:\n]*:\s*(?P<value>EXPR)END"),
        "an expression is named with `let`",
        "let {name} = {value}",
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
        _p(
            r"\A(?P<at>(?P<name>NAME)(?:\s*,\s*NAME)*\s*=\s*(?:MODULE\.|me\.)?(?:physics\.)?"
            r"(?:dynamicsymbols|symbols|Symbol|Function|var)\b[^\n]*)"
        ),
        "a symbol is declared by what it stands for",
        help="write `coordinate {name}`, `coefficient {name} = 1` or `constant {name} = 1`, a "
        "statement for each name",
        code=Code.LAG107,
    ),
    Habit(
        _p(r"\A(?P<at>(?P<name>NAME)(?:\s*,\s*NAME)+)\s*="),
        "each name has a statement of its own",
        help="write for instance `constant {name} = 1`",
        code=Code.LAG107,
    ),
    Habit(
        _p(r"(?<![\w\])])(?P<dict>NAME)\[\s*[\"'](?P<name>NAME)[\"']\s*\]"),
        "names are written alone",
        "{name}",
    ),
    Habit(
        _p(
            r"\A(?P<kind>(?:parameter|const|final|static)?\s*"
            r"(?:double|float|int|real|Real|Float64|auto|var|val|REAL|number))\s+(?P<name>NAME)\s*"
            r"=\s*(?P<value>EXPR)END"
        ),
        "`{kind}` begins no statement: numbers have no types",
        _declared,
        code=Code.LAG107,
    ),
    Habit(
        _p(r"\A(?:Real|real|double|float)\s+(?P<name>NAME)END"),
        "a variable that moves is a `coordinate`",
        "coordinate {name}",
        code=Code.LAG107,
    ),
    Habit(
        _p(r"\A(?P<at>H|Hamiltonian)\s*(?:\([^()]*\)\s*)?:?="),
        "a model is given by its Lagrangian, not by a Hamiltonian",
        help="write `L = ...` in coordinates and velocities: kinetic minus potential energy, with "
        "`q'` for the velocity; momenta and the energy follow from it",
        code=Code.LAG112,
    ),
    Habit(
        _p(r"\A(?P<at>D|P|F|Rayleigh|dissipation)\s*=(?=[^\n]*'(?:\[\w+\])?\s*(?:\^|\*\*)\s*2)"),
        "Rayleigh's dissipation function is named `R`",
        "R",
        code=Code.LAG107,
    ),
    Habit(
        _p(
            r"\A(?P<at>F|Q|force|Force)(?:_?\w+)?\s*=\s*(?=[^\n]*?(?<!\w)(?P<name>NAME)')"
            r"(?P<value>[^\n]*)END"
        ),
        "a force is written with the coordinate that it acts on",
        help="write `force {name} = {value}`",
        code=Code.LAG107,
    ),
    Habit(
        _p(r"\A(?P<at>F|Q|force|Force)(?:_?\w+)?\s*=\s*(?P<value>[^\n]*)END"),
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
        _p(
            r"\A(?P<name>NAME)(?P<prime>'?)\s*\(\s*(?:t\s*=\s*)?0(?:\.0*)?\s*\)\s*=\s*"
            r"(?P<value>EXPR)END"
        ),
        "a starting value is given in an `initial` line",
        "initial {name}{prime} = {value}",
        code=Code.LAG107,
    ),
    Habit(
        _p(r"\A(?P<name>NAME)'\s*=\s*(?P<value>NUMBER|-\s*NUMBER)END"),
        "a velocity is given once, at the start, in an `initial` line",
        "initial {name}' = {value}",
        code=Code.LAG107,
    ),
    Habit(
        _p(r"\A(?P<at>(?P<name>[LKR])\s*\([^()\n]*\))\s*:?="),
        "`{name}` is written without what it depends on",
        "{name}",
    ),
    Habit(
        _p(r"\A(?P<name>[LKR])\s*(?P<at>:=|:|->|→|<-|⇒|≡|≔)"),
        "what `{name}` is stands after `=`",
        "=",
    ),
    Habit(
        _p(
            r"\Acoefficient\s+(?P<low>-?EXPR)\s*(?P<below><=?)\s*(?P<name>NAME)\s*(?P<above><=?)\s*"
            r"(?P<high>[^=~<>\n]+?)(?P<rest>\s*[=~][^\n]*)?END"
        ),
        "the bounds of a coefficient stand after its name",
        _between,
    ),
    Habit(
        _p(
            r"\Acoefficient\s+(?P<name>NAME)\s*(?P<default>=\s*[^=~<>\[\]\n]+?)\s*"
            r"(?P<bounds>\bin\s*[(\[][^()\[\]\n]*[)\]]|[<>]=?\s*[^=~<>\n]+?)(?P<law>\s*~[^\n]*)?END"
        ),
        "the bounds of a coefficient stand before its default",
        _bounds_first,
    ),
    Habit(
        _p(
            r"\Acoefficient\s+(?P<name>NAME)\s*(?P<bounds>\bin\s*[(\[][^()\[\]\n]*[)\]])?\s*"
            r"(?P<law>~\s*[^=~\n]+?)\s*(?P<default>=\s*[^=~\n]+?)END"
        ),
        "the law of a coefficient stands after its default",
        _bounds_first,
    ),
    Habit(
        _p(r"\A(?P<name>[LKR])\s*-=\s*(?P<value>EXPR)END"),
        "contributions are added with `+=`; there is no other such operator",
        lambda found: f"{found['name']} += -{_bracketed_sum(found['value'])}",
    ),
    Habit(
        _p(r"\A(?P<name>(?![lkr]\b)NAME)\s*(?P<at>[-+*/]=)"),
        "nothing but `L`, `K` and `R` is added to",
        help="write the whole expression in one statement: `let {name} = ...`",
    ),
    Habit(
        _p(r"\Ainput\s+(?P<name>NAME)(?P<at>\s*=\s*(?P<value>[^\n;]*[^\s;]))"),
        "an input has no value in the model",
        label="remove this",
        help="it is given for a run: `--input {name}={value}`",
    ),
    Habit(
        _p(r"\Ainput\s+NAME(?P<at>\s*\(\s*t\s*\))"),
        "an input is declared without its time",
        "",
    ),
    Habit(
        _p(r"\A(?P<at>force\s*\(\s*(?P<name>NAME)\s*\))"),
        "the coordinate stands without brackets",
        "force {name}",
    ),
    Habit(
        _p(r"\Aobservable\s+(?P<at>(?P<name>NAME)'(?:\[\d+\])?)END"),
        "an observable has a name and a value",
        help="write for instance `observable speed = {name}'`",
    ),
    Habit(
        _p(r"\Aneural\s+(?P<at>(?P<name>NAME))\s*="),
        "a neural term is declared with what it depends on",
        help="write for instance `neural {name}(q) = ...`",
    ),
    Habit(_p(r"\Aindex\s+NAME\s*(?P<at>=)"), "the range of an index stands after `in`", " in"),
    Habit(
        _p(r"\Acoefficient\s+NAME\s+(?P<at>positive)\b"),
        "bounds are written with signs",
        "> 0",
    ),
    Habit(
        _p(r"\Acoefficient\s+NAME\s+(?P<at>non-?negative)\b"),
        "bounds are written with signs",
        ">= 0",
    ),
    Habit(
        _p(r"\A(?:constant|coefficient|let|observable)\s+NAME(?P<at>\s*(?:->|→|:|<-|\bis\b))\s*"),
        "a value stands after `=`",
        " =",
    ),
    Habit(
        _p(r"\A(?:constant|coefficient|let)\s+NAME\s+(?P<at>(?P<value>-?NUMBER))END"),
        "a value stands after `=`",
        "= {value}",
    ),
    Habit(
        _p(r"\A(?:model|coordinate|constant|coefficient|input|let|observable)\s+(?P<at>\d\w*)"),
        "a name begins with a letter",
        label="choose another name",
    ),
    Habit(
        _p(r"\A(?:constant|coefficient|let|input|observable)\s+NAME(?P<at>'+)"),
        "a prime marks the velocity of a coordinate; it is no part of a name",
        label="choose a name without it",
    ),
    Habit(
        _p(r"\Acoordinate\s+NAME(?P<at>\s*\(\s*(?P<size>\d+)\s*\))"),
        "the number of components stands in square brackets",
        "[{size}]",
    ),
    Habit(
        r"\Arun\s*\((?P<clauses>(?:\s*(?:until|step|order)\s*=?[^,()]+(?:,|(?=\))))+)\)",
        "a `run` line has no brackets",
        _run_line,
    ),
    Habit(
        _p(r"\Arun\s+(?:for\s+)?(?P<at>NUMBER\s+steps?)\b(?!\s*NUMBER)"),
        "a `run` line gives the end time and the step, not the number of steps",
        help="write for instance `run until 100 step 0.1`",
    ),
    Habit(r"\Arun\s+(?P<at>from\s+0(?:\.0*)?\s+(?:to|until))\b", "a run begins at 0", "until"),
    Habit(
        _p(
            r"\A(?:model|constant|coefficient|let|observable)\s+"
            r"(?P<at>(?P<first>NAME)[ \t]+(?!(?:in|mod)\b|[LKR]\s*\+?=)(?P<second>NAME))\s*(?:=|\Z)"
        ),
        "a name is one word",
        "{first}_{second}",
    ),
    Habit(
        r"\Amodel\s+(?P<at>[^\W\d]\w*(?:[-.]\w+)+)\s*\Z",
        "a name is one word of letters, digits and underscores",
        lambda found: re.sub(r"\W", "_", found["at"]),
    ),
    Habit(
        _p(r"\Acoordinate\s+(?P<name>NAME)(?P<at>'+)"),
        "a velocity is declared with its coordinate",
        "",
    ),
    Habit(
        _p(r"\Acoordinate\s+(?P<name>NAME)(?P<at>\s*\(\s*t\s*\))"),
        "a coordinate is declared without its time",
        "",
    ),
    Habit(
        _p(
            r"\Acoordinate\s+NAME(?:\[\w+\])?(?P<at>\s+in\s*[\[(]\s*0\s*,\s*(?P<period>[^\n]+?)\s*[)\]])"
        ),
        "an angle is declared with its period",
        " mod {period}",
    ),
    Habit(
        _p(r"\Acoordinate\s+NAME(?:\[\w+\])?(?P<at>\s+in\s*[\[(]\s*-\s*pi\s*,\s*pi\s*[)\]])"),
        "an angle is declared with its period",
        " mod 2*pi",
    ),
    Habit(
        _p(r"\Acoordinate\s+NAME(?:\[\w+\])?\s*(?P<at>\bin\b[^\n]*|[<>]=?[^\n]*|∈[^\n]*)"),
        "a coordinate has no bounds",
        help="an angle is declared `coordinate theta mod 2*pi`; everything else goes on for ever",
        label="remove this",
    ),
    Habit(
        _p(r"\Acoordinate\s+(?P<name>NAME)(?:\[\w+\])?\s*(?P<at>=\s*(?P<value>[^\n]*[^\s;]))"),
        "a coordinate has no value of its own",
        help="where it starts is said by `initial {name} = {value}`",
        label="remove this",
    ),
)

_COMMENTS = (
    Habit(
        r"(?P<at>/\*)(?P<text>[^\n]*?)\*/",
        _NO_COMMENT,
        "#",
        code=Code.LAG111,
    ),
    Habit(
        r"(?:\A|(?<=[ \t]))(?P<at>//+|%+|!+)(?=[ \t]*[^\W\d]\w*[ \t]+\w|[^\n=]*\Z)"
        r"(?!\s*[\d(]|\s*\w+[ \t]*[-+*/^)])[^\n]*",
        _NO_COMMENT,
        "#",
        code=Code.LAG111,
    ),
    Habit(r"\A(?P<at>--+|//+|%+|!+|;+|\"+)[^\n]*", _NO_COMMENT, "#", code=Code.LAG111),
)

_LATEX = (
    Habit(_p(r"\\[dtc]?frac\s*\{(?P<over>CURLY)\}\s*\{(?P<under>CURLY)\}"), _NO_LATEX, _fraction),
    Habit(r"\\[dt]?frac\s*(?P<over>\d)\s*(?P<under>\d)", _NO_LATEX, "{over}/{under}"),
    Habit(
        _p(r"\\ddot\s*(?:\{\s*\\?(?P<a>NAME)\s*\}|\\?(?P<b>NAME))"),
        "`L` and `K` hold no accelerations, and formulas are not written in LaTeX",
        help="the equations of motion follow from `L`",
    ),
    Habit(
        _p(r"\\dot\s*(?:\{\s*\\?(?P<a>NAME)\s*\}|\s+(?P<b>NAME)|\\(?P<c>NAME))"),
        _NO_LATEX,
        "{a}{b}{c}'",
    ),
    Habit(
        _p(
            r"\\(?P<function>FUNCTION)\s*\^\s*\{?\s*(?P<power>-?\d+)\s*\}?\s*"
            r"(?P<argument>ROUND|\\?OPERAND)"
        ),
        _NO_LATEX,
        _power_of_call,
    ),
    Habit(
        _p(
            r"\\(?P<function>FUNCTION)(?:\s*\{\s*(?P<a>CURLY)\s*\}|\s+(?P<b>OPERAND)|\s*\\(?P<c>NAME'*))"
        ),
        _NO_LATEX,
        lambda found: f"{renamed(found['function'])}({found['a'] or found['b'] or found['c']})",
    ),
    Habit(
        _p(r"\\(?P<function>FUNCTION)(?=\s*\()"),
        _NO_LATEX,
        lambda found: renamed(found["function"]),
    ),
    Habit(_p(r"\\sqrt\s*\{(?P<inner>CURLY)\}"), _NO_LATEX, "sqrt({inner})"),
    Habit(r"\\(?:left|right|[bB]igg?[lrm]?)\s*(?P<bracket>[(\[\])|])", _NO_LATEX, "{bracket}"),
    Habit(r"\s*\\(?:cdot|times|ast)\b\s*", _NO_LATEX, "*"),
    Habit(r"\\(?:[,;!: ]|quad\b|qquad\b)", _NO_LATEX, " "),
    Habit(
        _p(
            r"\\(?:mathcal|mathrm|mathbf|mathit|text|vec|boldsymbol|bm|operatorname|tfrac)\s*"
            r"\{\s*(?P<inner>CURLY)\s*\}"
        ),
        _NO_LATEX,
        "{inner}",
    ),
    Habit(
        r"\\(?P<name>GREEK)(?![A-Za-z])(?P<after>(?=[A-Za-z\d])|)".replace(
            "GREEK", _PIECES["GREEK"]
        ),
        _NO_LATEX,
        _greek,
    ),
    Habit(
        r"\\(?:sum|int|prod)(?![A-Za-z])(?:\s*[_^]\s*(?:\{[^{}]*\}|\w))*",
        _NO_LATEX,
        help="a sum over the sites of a lattice is written `sum(i, ...)`",
    ),
    Habit(r"\\begin\b|\\end\b|\\label\b", _NO_LATEX, label="remove this"),
    Habit(r"\\\\\s*\Z", _NO_LATEX, ""),
    Habit(
        r"\\[ \t]*(?=\r?\n|\Z)",
        "a statement goes on after an operator or inside brackets, without a sign for it",
        "",
    ),
    Habit(r"\$+", "formulas stand without `$`", ""),
    Habit(r"&\s*=", "an equation has a plain equals sign", "="),
    Habit(r"_\s*\{\s*(?P<side>[+-])\s*\}", _NO_LATEX, "_{side}"),
    Habit(r"_\s*\{\s*(?P<index>\w+)\s*\}", _NO_LATEX, "_{index}"),
    Habit(_p(r"\^\s*\{(?P<power>CURLY)\}"), "an exponent needs no braces", _exponent),
    Habit(r"\\[A-Za-z]+", _NO_LATEX),
)

_EXPRESSIONS = (
    Habit(
        _p(r"(?P<at>(?<![\w.])MODULE\.(?:linalg\.)?(?P<name>NAME))"),
        "functions and numbers are written without a module",
        _unprefixed,
    ),
    Habit(
        _p(r"(?<![\w.])(?P<name>NAME)\.(?:ddot\b|diff\(\s*t\s*,\s*2\s*\)|diff\(t\)\.diff\(t\))"),
        "`L` and `K` hold no accelerations",
        help="the equations of motion follow from `L`",
    ),
    Habit(
        _p(r"(?<![\w.])(?P<name>NAME)\.(?:dot\b(?!\()|diff\(\s*t?\s*\)|dt\b|vel\b|d\b)"),
        "a velocity is written with a prime",
        "{name}'",
    ),
    Habit(
        _p(r"(?<![\w.])NAME'?(?P<at>\.(?P<axis>[xyz]))(?![\w(])"),
        "a component is written with its number",
        lambda found: f"[{'xyz'.index(found['axis'])}]",
    ),
    Habit(
        _p(r"(?<![\w.])(?P<a>OPERAND)\s*@\s*(?P<b>OPERAND)"),
        "a scalar product is written `dot(a, b)`",
        "dot({a}, {b})",
        code=Code.LAG101,
    ),
    Habit(
        _p(r"(?<![\w'])(?P<name>NAME)\^(?P<power>\d+)(?P<prime>'+)"),
        "a prime follows the name of a coordinate directly",
        "{name}{prime}^{power}",
    ),
    Habit(
        _p(r"(?<![\w'])(?P<name>NAME)(?P<index>\[[^\[\]]*\])(?P<prime>'+)"),
        "a prime follows the name of a coordinate directly",
        "{name}{prime}{index}",
    ),
    Habit(
        _p(r"(?<![\w'])(?P<name>NAME)[ \t]+(?P<prime>'+)(?=[\s*+\-^/)]|\Z)"),
        "a prime follows the name of a coordinate directly",
        "{name}{prime}",
    ),
    Habit(
        _p(r"(?<![\w'\"])(?P<name>NAME)\"(?!\w)"),
        "two primes are written `''`",
        "{name}''",
        code=Code.LAG101,
    ),
    Habit(
        r"(?<=\s)(?P<word>where|for|when|otherwise|unless|else|if|and|or|with)\b(?!\s*\()",
        "formulas have no words such as `{word}`",
        help="a part of a formula is named with a `let` of its own",
        within=("L", "K", "R", "let", "force", "observable", "constant"),
    ),
    Habit(
        _p(r"(?<![\w.])(?P<a>NAME'*)\.dot\(\s*(?P<b>[^()]*)\s*\)"),
        "a scalar product is written `dot(a, b)`",
        "dot({a}, {b})",
    ),
    Habit(r"\.(?P<sign>[\^*/])", "all operators are written without a point", "{sign}"),
    Habit(
        _p(
            r"(?<![\w\\])(?P<function>FUNCTION)\s*(?:(?:\^|\*\*)\s*[{(]?\s*(?=-?\d)|(?=[⁻¹²³⁴⁵⁶⁷⁸⁹]))"
            r"(?P<power>-?\d+|[⁻¹²³⁴⁵⁶⁷⁸⁹]+)\s*[)}]?\s*(?P<argument>ROUND|OPERAND)"
        ),
        "a power of a function stands after its argument",
        _power_of_call,
    ),
    Habit(
        _p(
            r"(?<![\w\\])(?P<function>FUNCTION)[ \t]+(?P<number>NUMBER)\s*\*?\s*"
            r"(?P<argument>(?!\d)OPERAND)(?!\s*\()"
        ),
        "the argument of a function stands in brackets",
        lambda found: f"{renamed(found['function'])}({found['number']}*{found['argument']})",
        code=Code.LAG105,
    ),
    Habit(
        _p(
            r"(?<![\w\\])(?P<function>FUNCTION)[ \t]+(?P<argument>OPERAND)(?!\s*\()(?:(?=\s*[-+)*/^,]|END)|(?=[ \t]))"
        ),
        "the argument of a function stands in brackets",
        _call,
        code=Code.LAG105,
    ),
    Habit(
        _p(r"√\s*(?P<argument>ROUND|OPERAND)"),
        "a root is written `sqrt(x)`",
        lambda found: (
            f"sqrt({found['argument'].strip('()') if found['argument'][0] != '(' else found['argument'][1:-1]})"
        ),
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
        "abs({inner})",
        code=Code.LAG101,
    ),
    Habit(
        _p(r"[∂d](?P<name>NAME)\s*/\s*[∂d]t\b"),
        "a velocity is written with a prime",
        "{name}'",
    ),
    Habit(
        _p(r"(?<![\w'])(?P<name>NAME'+)\s*\(\s*t\s*\)"),
        "a velocity is written without its time",
        "{name}",
    ),
    Habit(
        _p(r"(?<![\w'])(?P<name>NAME)\^?(?P<side>[+-])'"),
        "the doubled velocity is one word, with an underscore",
        "{name}'_{side}",
        within=("K", "let"),
    ),
    Habit(
        _p(r"(?<![\w'])(?P<at>(?P<name>NAME'?)\^?(?P<side>[+-]))(?:\s*[*/^)]|END)"),
        "a doubled variable is one word, with an underscore",
        "{name}_{side}",
        within=("K", "let"),
    ),
    Habit(
        _p(r"(?<![\w'])(?P<at>(?P<name>NAME'?)\^(?P<side>\+))"),
        "a doubled variable is one word, with an underscore",
        "{name}_{side}",
        within=("K", "let"),
    ),
    Habit(
        _p(r"(?<![\w'])(?P<name>NAME)'_(?P<index>\w+)"),
        "nothing but `+` or `-` stands behind a prime",
        help="the doubled velocities are `{name}'_+` and `{name}'_-`; a component is `{name}'[0]`; "
        "a coordinate `{name}_{index}` has the velocity `{name}_{index}'`",
    ),
    Habit(
        r"[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]{2,}",
        "powers are written `^`",
        lambda found: "^" + found[0].translate(_SUPERSCRIPTS),
        code=Code.LAG101,
    ),
    Habit(
        _p(r"(?<![\w'])(?P<name>NAME'?)_\s+(?P<side>[+-])"),
        "a doubled variable is one word, without a blank",
        "{name}_{side}",
        within=("K", "let"),
    ),
    Habit(
        _p(r"(?<![\w.,'])(?P<whole>\d+),(?P<rest>\d+)(?![\w.,'])"),
        "a decimal is written with a point",
        "{whole}.{rest}",
        help="the entries of a vector stand in brackets: `({whole}, {rest})`",
        code=Code.LAG106,
        within=("initial",),
    ),
    Habit(
        _p(r"(?<![\w.,'])(?P<whole>\d+),(?P<rest>\d+)(?![\w.,'])"),
        "a decimal is written with a point",
        "{whole}.{rest}",
        code=Code.LAG106,
    ),
    Habit(
        _p(r"(?P<number>NUMBER)\s*%(?!\s*[\w(])"),
        "a percentage is written as a number",
        lambda found: f"{float(found['number']) / 100:.15g}",
        code=Code.LAG101,
    ),
    Habit(
        _p(r"(?P<number>OPERAND)\s*(?:°|º|\^\s*\\circ)"),
        "angles are in radians",
        "{number}*pi/180",
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
        _p(r"(?<![\w.])(?P<number>NUMBER)[ij](?!\w)"),
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
        _p(
            r"(?<![\w'\])])(?:[frbu]?(?P<quote>[\"'`])|[“„«‘])(?P<name>NAME)(?:(?P=quote)|[”“»’])".replace(
                "(?P=quote)", "[\"'`]"
            )
        ),
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
        "there are no conditions",
        help="bounds are written `in [0, 1]` or `> 0`",
        code=Code.LAG101,
    ),
)

_CLAUSES = (
    Habit(
        r"(?P<clause>\b(?:until|step|order))\s*=\s*",
        "the words of a `run` line have no equals sign",
        "{clause} ",
        within=("run",),
    ),
    Habit(r"\buntil\s+(?P<at>t\s*=\s*)", "the end time stands after `until`", "", within=("run",)),
    Habit(
        r"\s*[,;]\s*(?=[^\W\d]+)",
        "the words of a `run` line have no commas",
        " ",
        label="remove this",
        within=("run",),
    ),
    Habit(
        r"\bin\s*(?P<at>\{\s*(?P<low>[^,{}]+?)\s*,\s*(?P<high>[^,{}]+?)\s*\})",
        "bounds are an interval: square brackets with the ends, round brackets without",
        "[{low}, {high}]",
        within=("coefficient",),
    ),
    Habit(
        r"~\s*(?P<at>\[(?P<low>[^,\[\]]+),(?P<high>[^,\[\]]+)\])",
        "a law is written by its name",
        _uniform,
        within=("coefficient",),
    ),
    Habit(
        _p(r"(?P<name>(?<![\w'])NAME'?)\s*\(\s*(?:t\s*=\s*)?0(?:\.0*)?\s*\)"),
        "an `initial` line is about the start, which is not written",
        "{name}",
        within=("initial",),
    ),
    Habit(
        r"\s*(?:;|\band\b|&+)\s*(?=\S)",
        "the values of an `initial` line are separated by commas",
        ", ",
        within=("initial",),
    ),
    Habit(
        _p(r"\A(?P<at>initial\s+)NAME"),
        "the values are given without the word `initial`",
        "",
        within=("initial",),
    ),
    Habit(
        r"\A(?P<at>initial\s*:)", "an `initial` line has no colon", "initial", within=("initial",)
    ),
    Habit(
        r"(?P<at>in\s*\]\s*(?P<low>[^,;\[\]\n]+?)\s*[,;]\s*(?P<high>[^,;\[\]\n]+?)\s*(?P<right>[\[\]]))",
        "an open end of an interval is written with a round bracket",
        lambda found: f"in ({found['low']}, {found['high']}{')' if found['right'] == '[' else ']'}",
        within=("coefficient",),
    ),
    Habit(
        r"(?:\bin\b|∈)\s*(?P<at>[\[(]\s*(?P<low>[^,;()\[\]\n]+?)\s*(?:;|\.\.|:|-)\s*"
        r"(?P<high>[^,;()\[\]\n]+?)\s*[)\]])",
        "the ends of an interval are separated by a comma",
        lambda found: f"{found['at'][0]}{found['low']}, {found['high']}{found['at'][-1]}",
        within=("coefficient",),
    ),
    Habit(
        _p(
            r"\b(?P<at>(?:in|between|from)\s+(?P<low>-?NUMBER|-?NAME)\s*(?:\.\.+|,|:|-|to|and)\s*(?P<high>NUMBER|NAME))"
        ),
        "an interval is written in brackets",
        "in [{low}, {high}]",
        within=("coefficient",),
    ),
    Habit(
        _p(r"\bin\s+(?P<at>(?P<low>-?\w+)\s*(?::|\.\.\.|-|,|to)\s*(?P<high>\w+))"),
        "a range is written with two points",
        "{low}..{high}",
        within=("index", "L", "K", "R"),
    ),
    Habit(
        r"\bmlp\(\s*(?P<at>\[(?P<items>[^\[\]]*)\])",
        "the widths of a network are listed without brackets",
        "{items}",
        within=("neural",),
    ),
    Habit(
        _p(r"\bin\s+(?P<at>range\(\s*(?P<high>\w+)\s*\))\s*(?:\w+|,|\Z)"),
        "a range is written with two points, and its end belongs to it",
        lambda found: (
            f"0..{int(found['high']) - 1}" if found["high"].isdigit() else f"0..{found['high']}-1"
        ),
        within=("index", "L", "K", "R"),
    ),
)

_LAST = (
    Habit(r"\s*;+\s*\Z", "a statement ends with its line, without `;`", "", code=Code.LAG101),
    Habit(
        r"(?P<at>;)\s*(?=[^\W\d])",
        "a line holds one statement",
        label="begin a new line here, without `;`",
        code=Code.LAG110,
    ),
    Habit(r";", "the parts of an expression are separated by commas", ",", code=Code.LAG101),
    Habit(r"[ \t]*:\s*\Z", "a statement ends with its line, without `:`", ""),
    Habit(
        r"\.\.\.",
        "a statement goes on after an operator or inside brackets, without a sign for it",
        "",
    ),
)

HABITS = _STATEMENTS + _COMMENTS + _CLAUSES + _LATEX + _EXPRESSIONS + _LAST
