"""HTML pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kb.model import Block, Section

if TYPE_CHECKING:
    from bs4 import Tag

_LEFT_OUT = [
    "script",
    "style",
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "noscript",
    "svg",
    "template",
]
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_WHOLE = ("p", "pre", "table", "li", "blockquote", "dt", "dd", "figcaption")


def read(text: str) -> tuple[str, list[Section]]:
    """Read the text under each heading; navigation, scripts and forms are left out."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(text, "html.parser")
    for tag in soup(_LEFT_OUT):
        tag.decompose()
    path: list[tuple[int, str]] = []
    sections: list[Section] = []
    for tag in soup.find_all([*_HEADINGS, *_WHOLE]):
        if tag.find_parent(_WHOLE):
            continue
        if tag.name in _HEADINGS:
            level = int(tag.name[1])
            while path and path[-1][0] >= level:
                path.pop()
            path.append((level, " ".join(tag.get_text().split())))
        elif block := _block(tag):
            sections.append(Section(tuple(name for _, name in path), (block,)))
    if not sections and (plain := soup.get_text("\n").strip()):
        sections.append(Section((), (Block("text", re.sub(r"\s*\n\s*", "\n", plain)),)))
    title = soup.title.get_text(strip=True) if soup.title else ""
    return title or next((s.heading[0] for s in sections if s.heading), ""), _joined(sections)


def _block(tag: Tag) -> Block | None:
    if tag.name == "pre":
        return Block("code", f"```\n{tag.get_text()}\n```")
    if tag.name == "table":
        rows = (
            [" ".join(c.get_text().split()) for c in r.find_all(["td", "th"])]
            for r in tag.find_all("tr")
        )
        return Block("table", "\n".join(f"| {' | '.join(row)} |" for row in rows if row))
    text = " ".join(tag.get_text().split())
    if not text:
        return None
    return Block("list", f"- {text}") if tag.name == "li" else Block("text", text)


def _joined(sections: list[Section]) -> list[Section]:
    """Join neighbours under the same heading."""
    found: list[Section] = []
    for section in sections:
        if found and found[-1].heading == section.heading:
            found[-1] = Section(section.heading, (*found[-1].blocks, *section.blocks))
        else:
            found.append(section)
    return found
