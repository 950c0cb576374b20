"""Declarations whose parts stand in another order or are written otherwise."""

from __future__ import annotations

import re

from lagc.syntax.habits import Habit


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


DECLARATIONS = (
    Habit(
        r"\Ainitial\s*:?\s*\{(?P<items>[^{}]*)\}",
        "the values of an `initial` line are equations, without braces",
        lambda found: "initial " + re.sub(r"\s*:\s*", " = ", found["items"].strip()),
    ),
    Habit(
        (
            r"\Acoefficient\s+(?P<low>-?EXPR)\s*(?P<below><=?)\s*(?P<name>NAME)\s*(?P<above><=?)\s*"
            r"(?P<high>[^=~<>\n]+?)(?P<rest>\s*[=~][^\n]*)?END"
        ),
        "the bounds of a coefficient stand after its name",
        _between,
    ),
    Habit(
        (
            r"\Acoefficient\s+(?P<name>NAME)\s*(?P<default>=\s*[^=~<>\[\]\n]+?)\s*"
            r"(?P<bounds>\bin\s*[(\[][^()\[\]\n]*[)\]]|[<>]=?\s*[^=~<>\n]+?)(?P<law>\s*~[^\n]*)?END"
        ),
        "the bounds of a coefficient stand before its default",
        _bounds_first,
    ),
    Habit(
        (
            r"\Acoefficient\s+(?P<name>NAME)\s*(?P<bounds>\bin\s*[(\[][^()\[\]\n]*[)\]])?\s*"
            r"(?P<law>~\s*[^=~\n]+?)\s*(?P<default>=\s*[^=~\n]+?)END"
        ),
        "the law of a coefficient stands after its default",
        _bounds_first,
    ),
    Habit(
        r"\Ainput\s+(?P<name>NAME)(?P<at>\s*=\s*(?P<value>[^\n;]*[^\s;]))",
        "an input has no value in the model",
        label="remove this",
        help="it is given for a run: `--input {name}={value}`",
    ),
    Habit(
        r"\Ainput\s+NAME(?P<at>\s*\(\s*t\s*\))",
        "an input is declared without its time",
        "",
    ),
    Habit(
        r"\A(?P<at>force\s*\(\s*(?P<name>NAME)\s*\))",
        "the coordinate stands without brackets",
        "force {name}",
    ),
    Habit(
        r"\Aobservable\s+(?P<at>(?P<name>NAME)'(?:\[\d+\])?)END",
        "an observable has a name and a value",
        help="write for instance `observable speed = {name}'`",
    ),
    Habit(
        r"\A(?P<at>(?P<start>neural\s+NAME\s*ROUND)\s*(?P<unit>\[[^\[\]\n]*\])\s*=\s*(?P<value>EXPR))END",
        "the unit of a neural term stands at the end of its line",
        "{start} = {value} {unit}",
    ),
    Habit(
        r"\Aneural\s+(?P<at>(?P<name>NAME))\s*=",
        "a neural term is declared with what it depends on",
        help="write for instance `neural {name}(q) = ...`",
    ),
    Habit(r"\Aindex\s+NAME\s*(?P<at>=)", "the range of an index stands after `in`", " in"),
    Habit(
        r"\Acoefficient\s+NAME\s+(?P<at>positive)\b",
        "bounds are written with signs",
        "> 0",
    ),
    Habit(
        r"\Acoefficient\s+NAME\s+(?P<at>non-?negative)\b",
        "bounds are written with signs",
        ">= 0",
    ),
    Habit(
        r"\A(?:constant|coefficient|let|observable)\s+NAME\s*(?P<at>->|→|:|<-|\bis\b)\s*",
        "a value stands after `=`",
        "=",
    ),
    Habit(
        r"\A(?:constant|coefficient|let)\s+NAME\s+(?P<at>(?P<value>-?NUMBER))END",
        "a value stands after `=`",
        "= {value}",
    ),
    Habit(
        r"\A(?:model|coordinate|constant|coefficient|input|let|observable)\s+(?P<at>\d\w*)",
        "a name begins with a letter",
        label="choose another name",
    ),
    Habit(
        r"\A(?:constant|coefficient|let|input|observable)\s+NAME(?P<at>'+)",
        "a prime marks the velocity of a coordinate; it is no part of a name",
        label="choose a name without it",
    ),
    Habit(
        r"\Acoordinate\s+NAME(?P<at>\s*\(\s*(?P<size>\d+)\s*\))",
        "the number of components stands in square brackets",
        "[{size}]",
    ),
    Habit(
        r"\Arun\s*\((?P<clauses>(?:\s*(?:until|step|order)\s*=?[^,()]+(?:,|(?=\))))+)\)",
        "a `run` line has no brackets",
        _run_line,
    ),
    Habit(
        r"\Arun\s+(?:for\s+)?(?P<at>NUMBER\s+steps?)\b(?!\s*NUMBER)",
        "a `run` line gives the end time and the step, not the number of steps",
        help="write for instance `run until 100 step 0.1`",
    ),
    Habit(r"\Arun\s+(?P<at>from\s+0(?:\.0*)?\s+(?:to|until))\b", "a run begins at 0", "until"),
    Habit(
        (
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
        r"\A(?:let|observable|constant)\s+(?P<name>NAME)(?P<at>\s*ROUND)\s*=",
        "the name of an expression has no arguments",
        "",
        help="it is put in wherever its name stands: use it as `{name}`",
    ),
    Habit(
        r"\Acoordinate\s+(?P<name>NAME)(?P<at>'+)",
        "a velocity is declared with its coordinate",
        "",
    ),
    Habit(
        r"\Acoordinate\s+(?P<name>NAME)(?P<at>\s*\(\s*t\s*\))",
        "a coordinate is declared without its time",
        "",
    ),
    Habit(
        r"\Acoordinate\s+(?P<name>NAME)(?P<at>\s*\(\s*(?P<site>[^\W\d]\w*)(?:\s*,\s*t)?\s*\))",
        "a field has its value at the sites of a lattice",
        help="write `index i in 0..49 periodic` and `coordinate {name}[i]`",
    ),
    Habit(
        r"\Acoordinate\s+NAME(?:\[\w+\])?(?P<at>\s+in\s*[\[(]\s*0\s*,\s*(?P<period>[^\n]+?)\s*[)\]])",
        "an angle is declared with its period",
        " mod {period}",
    ),
    Habit(
        r"\Acoordinate\s+NAME(?:\[\w+\])?(?P<at>\s+in\s*[\[(]\s*-\s*pi\s*,\s*pi\s*[)\]])",
        "an angle is declared with its period",
        " mod 2*pi",
    ),
    Habit(
        r"\Acoordinate\s+NAME(?:\[\w+\])?\s*(?P<at>\bin\b[^\n]*|[<>]=?[^\n]*|∈[^\n]*)",
        "a coordinate has no bounds",
        help="an angle is declared `coordinate theta mod 2*pi`; everything else goes on for ever",
        label="remove this",
    ),
    Habit(
        r"\Acoordinate\s+(?P<name>NAME)(?:\[\w+\])?\s*(?P<at>=\s*(?P<value>[^\n]*[^\s;]))",
        "a coordinate has no value of its own",
        help="where it starts is said by `initial {name} = {value}`",
        label="remove this",
    ),
)
