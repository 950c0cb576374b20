"""Colours: lexemes follow the grammar, and what is written for editors is current."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from pygments.token import Comment, Error, Keyword, Name, Number, String

from lagc.base.spans import Source
from lagc.editing import textmate, vocabulary
from lagc.editing.highlighting import LagLexer
from lagc.editing.lexemes import Kind, lexemes
from lagc.semantics.functions import FUNCTION_NAMES
from lagc.syntax import ast
from lagc.syntax.grammar import grammar_text
from lagc.syntax.lines import CLAUSES, STATEMENTS
from tests.conftest import ROOT
from tests.syntax.strategies import mutated_programs, soups, texts
from tests.syntax.test_formatter import MODELS
from tests.syntax.test_roundtrip import read

EXTENSION = ROOT / "grammar" / "vscode"


def test_the_vocabulary_is_that_of_the_grammar() -> None:
    assert set(vocabulary.statement_words()) == set(STATEMENTS)
    assert set(CLAUSES) <= set(vocabulary.clause_words())
    assert vocabulary.action_words() == ("L", "K", "R")
    terminals = re.findall(r"^([A-Z_]+): /[A-Za-z]+\(\?!", grammar_text(), re.MULTILINE)
    assert set(terminals) | {"ACTION"} == set(vocabulary.keywords())
    assert set(vocabulary.FUNCTIONS) == set(FUNCTION_NAMES)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_are_coloured_as_they_are_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    pieces = list(LagLexer(stripnl=False, ensurenl=False).get_tokens_unprocessed(text))
    assert "".join(piece for _, _, piece in pieces) == text
    classes = {at: token for at, token, _ in pieces}
    assert Error not in classes.values()
    for statement in read(text).statements:
        expected = Keyword.Reserved if isinstance(statement, ast.Contribution) else Keyword
        assert classes[statement.span.start] in expected
        waiting: list[object] = [statement]
        while waiting:
            node = waiting.pop()
            if isinstance(node, tuple):
                waiting += node
            if not isinstance(node, ast.Node):
                continue
            waiting += [getattr(node, name) for name in node.__dataclass_fields__]
            if isinstance(node, ast.Number):
                assert classes[node.span.start] is Number
            elif isinstance(node, ast.Name | ast.Identifier):
                assert classes[node.span.start] in Name
            elif isinstance(node, ast.Call):
                builtin = node.name in (*FUNCTION_NAMES, *vocabulary.LAWS, "mlp")
                assert classes[node.name_span.start] is (Name.Builtin if builtin else Name.Function)
    comments = [m.start() for m in re.finditer("#", text) if classes.get(m.start()) is not None]
    assert all(classes[at] is Comment.Single for at in comments)


def test_a_keyword_is_one_only_in_its_place() -> None:
    text = "coefficient order = 2\nL = L*order # L\nrun order 4\nK = q'_+*sin(t) +* §\n"
    shown = [(x.kind, text[x.start : x.end]) for x in lexemes(Source("-", text))]
    assert shown == [
        (Kind.STATEMENT, "coefficient"), (Kind.DECLARED, "order"), (Kind.OPERATOR, "="),
        (Kind.NUMBER, "2"), (Kind.ACTION, "L"), (Kind.OPERATOR, "="), (Kind.NAME, "L"),
        (Kind.OPERATOR, "*"), (Kind.NAME, "order"), (Kind.COMMENT, "# L"),
        (Kind.STATEMENT, "run"), (Kind.CLAUSE, "order"), (Kind.NUMBER, "4"), (Kind.ACTION, "K"),
        (Kind.OPERATOR, "="), (Kind.NAME, "q'_+"), (Kind.OPERATOR, "*"), (Kind.FUNCTION, "sin"),
        (Kind.BRACKET, "("), (Kind.RESERVED, "t"), (Kind.BRACKET, ")"), (Kind.OPERATOR, "+"),
        (Kind.OPERATOR, "*"), (Kind.UNKNOWN, "§"),
    ]  # fmt: skip


@given(texts | soups | mutated_programs())
@example("'''")
@example("/* a\n # b */\ncoordinate q\n")
@settings(max_examples=150, deadline=None)
def test_any_text_is_cut_without_gaps(text: str) -> None:
    at = 0
    for lexeme in lexemes(Source("-", text)):
        assert at <= lexeme.start < lexeme.end
        assert not text[at : lexeme.start].strip(" \t\r\n\ufeff")
        at = lexeme.end
    assert not text[at:].strip(" \t\r\n\ufeff")


def test_the_lexer_is_registered() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["lag"].partition(":")
    assert getattr(import_module(module), name) is LagLexer


def test_the_textmate_grammar_is_current() -> None:
    """`make editors` writes it."""
    written = [ROOT / "grammar" / "lag.tmLanguage.json", EXTENSION / "syntaxes/lag.tmLanguage.json"]
    for path in written:
        assert path.read_text(encoding="utf-8") == textmate.as_text()
    text = textmate.as_text()
    for word in (*STATEMENTS, *CLAUSES, *FUNCTION_NAMES, *vocabulary.LAWS):
        assert re.search(rf"[:(|]{word}[)|]", text), word


def test_the_extension_is_whole() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    (language,) = package["contributes"]["languages"]
    (grammar,) = package["contributes"]["grammars"]
    for path in (package["main"], language["configuration"], grammar["path"]):
        assert (EXTENSION / path).is_file()
    assert grammar["scopeName"] == textmate.textmate_grammar()["scopeName"]
    assert package["contributes"]["configuration"]["properties"]["lagc.command"]["default"] == [
        "lagc",
        "lsp",
    ]


DRIVER = """
const Module = require("module");
const load = Module._load, log = [];
class LanguageClient {
  constructor(id, name, server, options) { log.push([server, options]); }
  async start() { log.push("start"); if (process.argv[2]) throw new Error("ENOENT"); }
  async stop() { log.push("stop"); }
}
const commands = {};
const vscode = {
  workspace: { getConfiguration: () => ({ get: () => ["lagc", "lsp"] }),
               onDidChangeConfiguration: () => ({}) },
  window: { showErrorMessage: (text) => log.push(text) },
  commands: { registerCommand: (name, run) => { commands[name] = run; return {}; } },
};
Module._load = (name, ...rest) =>
  name === "vscode" ? vscode
  : name === "vscode-languageclient/node" ? { LanguageClient } : load(name, ...rest);
const extension = require(process.argv[1]);
(async () => {
  await extension.activate({ subscriptions: [] });
  await commands["lagc.restart"]();
  await extension.deactivate();
  console.log(JSON.stringify(log));
})();
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_extension_starts_the_server_and_says_when_it_cannot() -> None:
    def log(*flags: str) -> list[object]:
        command = ["node", "-e", DRIVER, str(EXTENSION / "extension.js"), *flags]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        entries: list[object] = json.loads(found.stdout)
        return entries

    server = [{"command": "lagc", "args": ["lsp"]}, {"documentSelector": [{"language": "lag"}]}]
    assert log() == [server, "start", "stop", server, "start", "stop"]
    failed = log("fail")
    assert failed[:2] == [server, "start"] and "pip install 'lagc[editor]'" in str(failed[2])


def test_the_file_that_is_used_is_a_string() -> None:
    found = list(LagLexer().get_tokens('use "common.lag"  # shared\n'))
    assert (String, '"common.lag"') in found
