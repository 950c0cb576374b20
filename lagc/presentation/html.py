"""A document as one HTML page that needs no network: equations are MathML."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from lagc.presentation import mathml
from lagc.presentation.document import Document, Equation, Row, Section, Table, Words
from lagc.presentation.naming import Names, names_in, names_of_document

_STYLE = """
body { font-family: system-ui, sans-serif; line-height: 1.5; max-width: 70rem;
       margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; border-bottom: 1px solid #ccc; margin-top: 2rem; }
.equation { display: flex; gap: 2rem; align-items: center; overflow-x: auto; padding: .2rem 0; }
.equation math { margin: 0; }
.remark { color: #555; white-space: nowrap; }
table { border-collapse: collapse; margin: .5rem 0; display: block; overflow-x: auto; }
td, th { text-align: left; padding: .1rem 1rem .1rem 0; font-variant-numeric: tabular-nums; }
code { font-size: .95em; }
""".strip()


def as_html(document: Document) -> str:
    """A whole page; every text of the user is escaped."""
    names = names_of_document(document)
    return page(
        document.name, [line for s in document.sections for line in section_lines(s, names)]
    )


def page(title: str, body: Iterable[str]) -> str:
    """A page of lines of HTML under a title, which is escaped."""
    name = escape(title)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{name}</title>",
        f"<style>\n{_STYLE}\n</style>",
        "</head>",
        "<body>",
        f"<h1>{name}</h1>",
        *body,
    ]
    return "\n".join([*lines, "</body>", "</html>"])


def section_lines(section: Section, names: Names | None = None) -> list[str]:
    """A section under its heading, every text of the user escaped; names: of all sections."""
    names = names_in(section.rows) if names is None else names
    lines = [f'<section id="{section.key}">', f"<h2>{escape(section.heading)}</h2>"]
    rows = list(section.rows)
    while rows:
        row = rows.pop(0)
        if isinstance(row, Words) and len(row.columns) > 1:
            listed = [row]
            while rows and isinstance(rows[0], Words) and len(rows[0].columns) > 1:
                listed.append(rows.pop(0))  # type: ignore[arg-type]
            lines += ["<table>", *[_cells(w.columns) for w in listed], "</table>"]
        else:
            lines += _row(row, names)
    return [*lines, "</section>"]


def _row(row: Row, names: Names) -> list[str]:
    match row:
        case Equation(left, right, remark):
            shown = mathml.equation(left, right, names)
            words = f'<span class="remark">{_words(remark)}</span>' if remark else ""
            return [f'<div class="equation">{shown}{words}</div>']
        case Words(columns):
            return [f"<p>{_words(' '.join(columns))}</p>"]
        case Table(heads, rows):
            top = "".join(f"<th><math>{mathml.element(h, names)}</math></th>" for h in heads)
            return ["<table>", f"<tr>{top}</tr>", *[_cells(r) for r in rows], "</table>"]


def _words(text: str) -> str:
    """Escaped text; what stands between backquotes as code."""
    parts = [escape(part) for part in text.split("`")]
    return "".join(f"<code>{p}</code>" if k % 2 else p for k, p in enumerate(parts))


def _cells(columns: tuple[str, ...]) -> str:
    return f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in columns)}</tr>"
