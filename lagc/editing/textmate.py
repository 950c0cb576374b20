"""The TextMate grammar of the language, written from its vocabulary: `make editors`.

A TextMate grammar sees one line at a time, so a keyword is known by its place in the line. The
language server and the Pygments lexer use the real grammar.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lagc.editing import vocabulary

_TARGETS = ("grammar/lag.tmLanguage.json", "grammar/vscode/syntaxes/lag.tmLanguage.json")
_NAME = r"[\p{L}](?:[\p{L}\p{M}0-9_]*[\p{L}\p{M}0-9])?"
_END = r"(?![\p{L}\p{M}0-9_'])"
_BEGIN = r"(?<![\p{L}\p{M}0-9_])"


def _one_of(words: tuple[str, ...]) -> str:
    return "(?:" + "|".join(sorted(words, key=lambda word: (-len(word), word))) + ")"


def _rule(pattern: str, *scopes: str, name: str = "") -> dict[str, Any]:
    """A rule on a single match: the scope of each group, or of the whole."""
    rule: dict[str, Any] = {"match": pattern}
    if name:
        rule["name"] = f"{name}.lag"
    if scopes:
        rule["captures"] = {str(i): {"name": f"{s}.lag"} for i, s in enumerate(scopes, 1)}
    return rule


def textmate_grammar() -> dict[str, Any]:
    """The grammar as it is written to JSON."""
    words = vocabulary.keywords()
    declaring = tuple(words[t][0] for t in vocabulary.declaring_terminals())
    others = tuple(sorted(set(vocabulary.statement_words()) - set(declaring) - {"run"}))
    run_clauses = ("until", "step", "order")
    called = (*vocabulary.LAWS, *vocabulary.NETWORKS)
    options = tuple(vocabulary.OPTIONS)
    choices = tuple({choice for choices in vocabulary.OPTIONS.values() for choice in choices})
    inner = tuple(sorted(set(vocabulary.clause_words()) - set(run_clauses)))
    statements = [
        _rule(
            rf"^\s*({_one_of(declaring)})[ \t]+({_NAME}){_END}",
            "keyword.declaration",
            "variable.other.declaration",
        ),
        _rule(rf"^\s*({_one_of(others)})(?=[ \t])", "keyword.control"),
        _rule(rf"^\s*({_one_of(vocabulary.action_words())})\s*(\+?=)(?!=)",
              "keyword.other.action", "keyword.operator.assignment"),
        {
            "begin": rf"^\s*(run){_END}",
            "end": r"$",
            "beginCaptures": {"1": {"name": "keyword.control.lag"}},
            "patterns": [
                _rule(rf"{_BEGIN}{_one_of(run_clauses)}{_END}", name="keyword.other.clause"),
                {"include": "#expression"},
            ],
        },
    ]  # fmt: skip
    expression = [
        _rule(r"#.*$", name="comment.line.number-sign"),
        _rule(
            rf"(?<=[ \t]){_one_of(inner)}(?=[ \t(\[]|[ \t]*(?:#|$))",
            name="keyword.other.clause",
        ),
        _rule(rf"{_BEGIN}({_one_of(vocabulary.FUNCTIONS)})(?=\()", "support.function"),
        _rule(rf"{_BEGIN}({_one_of(called)})(?=\()", "support.function.law"),
        _rule(rf"{_BEGIN}({_NAME})(?=\()", "entity.name.function"),
        _rule(
            rf"{_BEGIN}({_one_of(options)})[ \t]*(=)[ \t]*({_one_of(choices)}){_END}",
            "variable.parameter",
            "keyword.operator.assignment",
            "support.constant",
        ),
        _rule(rf"{_BEGIN}{_one_of(vocabulary.RESERVED)}{_END}", name="constant.language"),
        _rule(rf"{_BEGIN}{_NAME}(?:'+(?:_[+-])?|_[+-])", name="variable.other.decorated"),
        _rule(rf"{_BEGIN}{_NAME}", name="variable.other"),
        _rule(
            r"(?:[0-9]+(?:\.(?!\.)[0-9]*)?|(?<!\.)\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
            name="constant.numeric",
        ),
        _rule(r"\.\.|\+=|<=|>=|[-+*/^=<>~:]", name="keyword.operator"),
        _rule(r"[()\[\],]", name="punctuation"),
    ]
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "Lagrangian model",
        "scopeName": "source.lag",
        "fileTypes": ["lag"],
        "comment": "Written by `make editors` from grammar/lag.lark and the lists of the compiler.",
        "patterns": [{"include": "#statement"}, {"include": "#expression"}],
        "repository": {
            "statement": {"patterns": statements},
            "expression": {"patterns": expression},
        },
    }


def as_text() -> str:
    """The grammar as the text of its file."""
    return json.dumps(textmate_grammar(), indent=2, ensure_ascii=False) + "\n"


def write(repository: Path) -> None:
    """Write the grammar where editors and the VS Code extension look for it."""
    for target in _TARGETS:
        (repository / target).write_text(as_text(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[2])
