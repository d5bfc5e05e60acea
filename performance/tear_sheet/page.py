"""A self-contained page: title, sections, figures, tables; one HTML file that needs no network and can use none.

plotly.js stands in it once. Its Content-Security-Policy forbids every connection and every script but the two whose
hashes it names, so that nothing in a run's names can become code. All text is escaped here; callers give plain text.
Figures are drawn when they come into view (all of them before printing), so that a long page opens at once.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from core.atomic_file import write_atomic
from performance.tear_sheet.colours import PALETTE, style_rules
from performance.tear_sheet.figure import Figure, encode

_FEW_TILES = 6
"""Up to so many tiles share the whole width; more stand in a grid."""

_ASSETS = Path(__file__).with_name("assets")


class LibraryMissing(RuntimeError):
    """A library isn't installed here that ``make setup`` installs."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the report needs {name}, which isn't installed here: run `make setup`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One headline figure: ``value`` as it is to be read, ``hint`` small below; ``tone`` is a colour token or empty."""

    name: str
    value: str
    hint: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """Headline figures in a row."""

    tiles: Sequence[Tile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of text; columns that hold nothing but figures, under a heading, stand at the right.

    When all headings are empty, there is no head: for names and values.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    wide: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Several figures of which the reader picks one by name; ``label`` says what is picked, such as "symbol"."""

    title: str
    label: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Paragraphs; ``code`` stands below them in a fixed-width font."""

    paragraphs: Sequence[str]
    title: str = ""
    code: str = ""
    wide: bool = True


Block: TypeAlias = Figure | Choice | Table | Tiles | Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page; empty titles have no heading and no entry in the navigation.

    A ``folded`` one shows its heading until the reader opens it: for tables that few look at.
    """

    title: str
    blocks: Sequence[Block]
    note: str = ""
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page; ``subtitle`` is one line under the title, ``footer`` small at the end."""

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
    footer: str = ""


def render(page: Page) -> str:
    """Write the page as HTML.

    Raises
    ------
    LibraryMissing
        When plotly isn't installed.
    """
    script = _script()
    library = _library()
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in (script, library))
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    writer = _Writer()
    body = "\n".join(writer.section(number, one) for number, one in enumerate(page.sections))
    links = "".join(
        f'<a href="#part-{number}">{_safe(one.title)}</a>'
        for number, one in enumerate(page.sections)
        if one.title
    )
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{_safe(page.title)}</title>",
            f"<style>\n{style_rules()}{_asset('page.css')}</style>",
            "</head>",
            "<body>",
            f"<header><h1>{_safe(page.title)}</h1><p>{_safe(page.subtitle)}</p><nav>{links}</nav></header>",
            "<noscript><p>The figures need JavaScript; it runs in this file alone.</p></noscript>",
            f"<main>\n{body}\n</main>",
            f"<footer><p>{_safe(page.footer)}</p></footer>",
            *writer.data,
            f'<script type="application/json" id="palette">{encode(PALETTE)}</script>',
            f"<script>{library}</script>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        )
    )


def write_page(page: Page, path: Path) -> Path:
    """Write the page to a file (replaced as a whole); return its path.

    Raises
    ------
    LibraryMissing, OSError
    """
    write_atomic(path, render(page).encode(), durable=False, mode=0o644)
    return path


class _Writer:
    """Blocks as HTML; collects the data of the figures, which stand at the end of the page."""

    def __init__(self) -> None:
        self.data: list[str] = []

    def section(self, number: int, one: Section) -> str:
        heading = f"<h2>{_safe(one.title)}</h2>" if one.title else ""
        note = f'<p class="note">{_safe(one.note)}</p>' if one.note else ""
        blocks = "\n".join(self.block(block) for block in one.blocks)
        content = f'{note}<div class="grid">\n{blocks}\n</div>'
        if one.folded:
            content = f"<details><summary>{heading}</summary>{content}</details>"
        else:
            content = heading + content
        return f'<section id="part-{number}">{content}</section>'

    def block(self, block: Block) -> str:
        match block:
            case Figure():
                return self.figure(block)
            case Choice():
                return self.choice(block)
            case Table():
                return _table(block)
            case Tiles():
                return _tiles(block)
            case Text():
                return _text(block)

    def figure(self, one: Figure) -> str:
        switches = "".join(
            f'<label><input type="checkbox" data-switch="{number}"{" checked" * switch.ticked}> {_safe(switch.label)}</label>'
            for number, switch in enumerate(one.switches)
        )
        return _card(one.title, self._plot(one), one.note, wide=one.wide, tools=switches)

    def choice(self, one: Choice) -> str:
        if not one.figures:
            return _card(one.title, "", "There is nothing to show.", wide=True)
        options = "".join(f"<option>{_safe(name)}</option>" for name in one.figures)
        tools = f"<label>{_safe(one.label)} <select>{options}</select></label>"
        parts = "".join(
            f'<div class="choice"{" hidden" if number else ""}>{self._plot(figure)}'
            f'<p class="note">{_safe(figure.note)}</p></div>'
            for number, figure in enumerate(one.figures.values())
        )
        return _card(one.title, parts, "", wide=True, tools=tools)

    def _plot(self, one: Figure) -> str:
        name = f"figure-{len(self.data)}"
        switches = [{"on": switch.on, "off": switch.off} for switch in one.switches]
        content = {"data": list(one.traces), "layout": one.layout, "switches": switches}
        self.data.append(f'<script type="application/json" id="{name}">{encode(content)}</script>')
        return (
            f'<div class="plot" data-figure="{name}" style="height:{one.height}px" '
            f'role="img" aria-label="{_safe(one.title)}"></div>'
        )


def _card(title: str, content: str, note: str, *, wide: bool, tools: str = "") -> str:
    heading = f"<h3>{_safe(title)}</h3>" if title else ""
    below = f'<p class="note">{_safe(note)}</p>' if note else ""
    head = f'<div class="head">{heading}<div class="tools">{tools}</div></div>' if heading or tools else ""
    return f'<article class="card{" wide" * wide}">{head}{content}{below}</article>'


def _tiles(block: Tiles) -> str:
    def one(tile: Tile) -> str:
        tone = f' style="color:var(--{_safe(tile.tone.removeprefix("@"))})"' if tile.tone else ""
        hint = f"<small>{_safe(tile.hint)}</small>" if tile.hint else ""
        return (
            f"<div><dt>{_safe(tile.name)}</dt><dd><strong{tone}>{_safe(tile.value)}</strong>{hint}</dd></div>"
        )

    few = " few" if len(block.tiles) <= _FEW_TILES else ""
    return f'<dl class="tiles wide{few}">{"".join(one(tile) for tile in block.tiles)}</dl>'


def _table(block: Table) -> str:
    numeric = [
        bool(name and block.rows) and all(_is_figure(row[column]) for row in block.rows)
        for column, name in enumerate(block.columns)
    ]

    def cells(tag: str, texts: Sequence[str]) -> str:
        marks = (' class="figure"' if figure else "" for figure in numeric)
        return "".join(f"<{tag}{mark}>{_safe(text)}</{tag}>" for text, mark in zip(texts, marks, strict=True))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in block.rows)
    if not block.rows:
        body = f'<tr><td colspan="{len(block.columns)}">none</td></tr>'
    head = f"<thead><tr>{cells('th', block.columns)}</tr></thead>" if any(block.columns) else ""
    table = f"<table>{head}<tbody>{body}</tbody></table>"
    return _card(block.title, f'<div class="scroll">{table}</div>', block.note, wide=block.wide)


def _is_figure(text: str) -> bool:
    return not text or text[0] in "+-−$0123456789–∞" or text in {"unknown", "nan"}


def _text(block: Text) -> str:
    paragraphs = "".join(f"<p>{_safe(one)}</p>" for one in block.paragraphs)
    code = f"<pre><code>{_safe(block.code)}</code></pre>" if block.code else ""
    return _card(block.title, paragraphs + code, "", wide=block.wide)


def _safe(text: str) -> str:
    return html.escape(text)


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@lru_cache(maxsize=4)
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _script() -> str:
    return _asset("page.js")


@lru_cache(maxsize=1)
def _library() -> str:
    spec = find_spec("plotly")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            # As the browser hashes it: line ends as \n; and nothing that ends the element early.
            text = path.read_text(encoding="utf-8").replace("\r\n", "\n").replace("\r", "\n")
            return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    raise LibraryMissing("plotly")
