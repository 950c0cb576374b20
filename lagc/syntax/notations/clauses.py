"""Clauses of a statement: bounds, laws, ranges, the parts of `run` and `initial` lines."""

from __future__ import annotations

import re

from lagc.syntax.habits import Habit


def _uniform(found: re.Match[str]) -> str:
    return f"uniform({found['low'].strip()}, {found['high'].strip()})"


CLAUSES = (
    Habit(
        r"(?P<clause>\b(?:until|step|order))\s*=\s*",
        "the words of a `run` line have no equals sign",
        "{clause} ",
        within=("run",),
    ),
    Habit(
        r"\buntil\s+(?P<end>NUMBER)\s*,?\s*(?P<at>(?:n_?)?steps\s*=?\s*(?P<count>\d+))\b",
        "a `run` line gives the length of a step, not their number",
        "step {end}/{count}",
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
        r"(?P<name>(?<![\w'])NAME'?)\s*\(\s*(?:t\s*=\s*)?0(?:\.0*)?\s*\)",
        "an `initial` line is about the start, which is not written",
        "{name}",
        within=("initial", "assignments"),
    ),
    Habit(
        r"\s*(?P<at>;|\band\b|&+)\s*(?=\S)",
        "the values of an `initial` line are separated by commas",
        ",",
        within=("initial", "assignments"),
    ),
    Habit(
        r"\A(?P<at>initial\s+)NAME",
        "the values are given without the word `initial`",
        "",
        within=("assignments",),
    ),
    Habit(
        r"\A(?P<at>initial\s*:)",
        "an `initial` line has no colon",
        "initial",
        within=("initial", "assignments"),
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
        r"\Acoefficient\s+NAME(?P<at>\s*[:=]\s*(?P<low>-?NUMBER)\s*\.\.+\s*(?P<high>-?NUMBER))",
        "bounds are an interval in brackets",
        " in [{low}, {high}]",
        within=("coefficient",),
    ),
    Habit(
        r"\bin\s+(?P<at>R\s*\+|R_\+|R>0|reals?\+|positives?)(?!\w)",
        "bounds are an interval",
        "(0, inf)",
        within=("coefficient",),
    ),
    Habit(
        r"\Acoefficient\s+NAME\s+(?P<at>(?P<bounds>[(\[][^()\[\]=,]*,[^()\[\]=,]*[)\]]))",
        "the bounds of a coefficient stand after `in`",
        "in {bounds}",
        within=("coefficient",),
    ),
    Habit(
        r"\Acoefficient\s+(?P<name>NAME)\s*[<>]=?[^,<>=~\n]+(?P<at>\s*(?:,|\band\b)\s*(?P=name)?\s*)[<>]",
        "two bounds stand side by side",
        " ",
        label="remove this",
        help="such a statement reads `coefficient c > 0 < 10`",
        within=("coefficient",),
    ),
    Habit(
        r"\b(?P<at>(?:in|between|from)\s+(?P<low>-?NUMBER|-?NAME)\s*(?:\.\.+|,|:|-|to|and)\s*(?P<high>NUMBER|NAME))",
        "an interval is written in brackets",
        "in [{low}, {high}]",
        within=("coefficient",),
    ),
    Habit(
        r"\bin\s+(?P<at>(?P<low>-?\w+)\s*(?::|\.\.\.|-|,|to)\s*(?P<high>\w+))",
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
        r"\bin\s+(?P<at>range\(\s*(?P<high>\w+)\s*\))\s*(?:\w+|,|\Z)",
        "a range is written with two points, and its end belongs to it",
        lambda found: (
            f"0..{int(found['high']) - 1}" if found["high"].isdigit() else f"0..{found['high']}-1"
        ),
        within=("index", "L", "K", "R"),
    ),
)
