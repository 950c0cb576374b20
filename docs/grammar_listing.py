"""The grammar of the language as EBNF, made from grammar/lag.lark: `make language`.

The listing stands in docs/language.md between two markers and is replaced there.
"""

from __future__ import annotations

import re
from pathlib import Path

from lagc.syntax.grammar import grammar_text

PAGE = Path(__file__).with_name("language.md")
_BEGIN, _END = "<!-- grammar: begin -->\n", "<!-- grammar: end -->\n"

_RULE = re.compile(r"^\??(?P<name>[a-z_]+)\s*:\s*(?P<body>.*)$")
_TERMINAL = re.compile(r"^(?P<name>[A-Z_]+)\s*:\s*(?P<body>.*)$")
_KEYWORD = re.compile(r"/(?P<word>[a-z]+)\(\?!.*\)/")
_LETTERS = re.compile(r"/\[(?P<letters>\w+)\]\(\?!.*\)/")


def listing() -> str:
    """The rules with their words and signs in quotes; what is no word or sign comes at the end."""
    rules: list[str] = []
    words: dict[str, str] = {}
    patterns: list[str] = []
    for line in grammar_text().splitlines():
        if line.startswith(("//", "%")):
            continue
        code = re.sub(r"\s+-> \w+\s*$", "", line).rstrip()
        terminal = _TERMINAL.match(code)
        rule = _RULE.match(code)
        if terminal is not None:
            name, body = terminal["name"], terminal["body"]
            word = _spelt(body)
            if word:
                words[name] = word
            elif name not in ("BLANK", "COMMENT"):
                patterns.append(f"{name:<9} = {body}")
        elif rule is not None:
            rules.append(f"{rule['name']:<10} = {rule['body']}")
        elif code.lstrip().startswith("|"):
            rules.append(f"{'':<10} {code.strip()}")
    text = "\n".join(rules)
    for name in sorted(words, key=len, reverse=True):
        text = re.sub(rf"\b{name}\b", lambda _, name=name: words[name], text)
    blocks = re.sub(r"\n(?=\S)", "\n\n", text)
    return blocks + "\n\n" + "\n".join(patterns) + "\n"


def _spelt(body: str) -> str:
    """A terminal as it is written in a model, in quotes; empty for a pattern."""
    if body.startswith('"'):
        return body
    keyword, letters = _KEYWORD.fullmatch(body), _LETTERS.fullmatch(body)
    if keyword is not None:
        return f'"{keyword["word"]}"'
    if letters is not None:
        return "(" + " | ".join(f'"{letter}"' for letter in letters["letters"]) + ")"
    return ""


def with_listing(page: str) -> str:
    """The page with the listing between its markers."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n```ebnf\n{listing()}```\n\n{_END}{after}"


def main() -> None:
    """Brings the listing in docs/language.md up to date."""
    PAGE.write_text(with_listing(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
