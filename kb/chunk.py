"""Documents cut into passages: whole paragraphs, code blocks and tables where they fit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kb.model import Block, Document, Piece, Section
from tutor.base.i18n import detect

VERSION = "2"
"""Changes with the rules below: an index made by other rules is stale."""

MOST = 1000
"""Characters in a passage, at most."""
SMALL = 500
"""Characters. A section so short shares its passage with the next ones."""
TINY = 200
"""Characters. A section so short goes with the next one even where the two are cut again."""
LEAST = 20
"""Letters. A passage with fewer says nothing that is worth finding."""

LONGEST_HEAD = MOST // 3
"""Characters. A longer head of a table is not repeated above each part of it."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")
_FENCE_LINE = re.compile(r"^\s*(`{3,}|~{3,})")


def passages(document: Document) -> list[Piece]:
    """Cut a document into passages of at most MOST characters, in reading order.

    A passage lies under one heading, or begins under it where several short sections share it;
    the later headings then stand in its text.
    """
    pieces = []
    for run in _runs(document.sections):
        for heading, page, text in _packed(run):
            if sum(c.isalnum() for c in text) >= LEAST:
                pieces.append(Piece(" > ".join(heading), text, page, detect(text)))
    return pieces


def _runs(sections: tuple[Section, ...]) -> Iterator[list[Section]]:
    """Group each section with the short ones before it that fit into one passage with it."""
    run: list[Section] = []
    size = 0
    for section in sections:
        length = _size(section)
        same = run and run[-1].heading == section.heading
        full = size >= SMALL or (size >= TINY and size + length > MOST)
        if run and not same and full:
            yield run
            run, size = [], 0
        run.append(section)
        size += length
    if run:
        yield run


def _size(section: Section) -> int:
    heading = len(section.heading[-1]) if section.heading else 0
    return heading + sum(len(block.text) + 2 for block in section.blocks)


def _packed(run: list[Section]) -> Iterator[tuple[tuple[str, ...], int | None, str]]:
    """Pack a run's blocks into passages of about equal length: 1,100 characters make two of 550
    rather than one of 1,000 and a stump."""
    units = list(_units(run))
    total = sum(len(part) + 2 for _, _, part in units)
    target = total / -(-total // (MOST - 60)) if total else 0
    text = ""
    parts: list[tuple[Section, int]] = []  # whose text is how much of the passage
    last: tuple[Section, Block] | None = None
    for section, block, part in units:
        added = _joined(part, section, block, last) if text else part
        if text and (len(text) >= target or len(text) + len(added) > MOST):
            yield (*_place(parts), text)
            text, parts, added = "", [], part
        text += added
        parts.append((section, len(part)))
        last = section, block
    if text:
        yield (*_place(parts), text)


def _joined(part: str, section: Section, block: Block, last: tuple[Section, Block] | None) -> str:
    """Return what to put behind a passage's text: the part, under its heading if that is new."""
    if last and section.heading != last[0].heading and section.heading:
        return f"\n\n## {section.heading[-1]}\n\n{part}"
    tight = last and block.kind == last[1].kind == "list"
    return f"\n{part}" if tight else f"\n\n{part}"


def _place(parts: list[tuple[Section, int]]) -> tuple[tuple[str, ...], int | None]:
    """Heading of the section that most of the passage is from, and the page where it begins."""
    sizes: dict[tuple[str, ...], int] = {}
    for section, size in parts:
        sizes[section.heading] = sizes.get(section.heading, 0) + size
    return max(sizes, key=lambda heading: sizes[heading]), parts[0][0].page


def _units(run: list[Section]) -> Iterator[tuple[Section, Block, str]]:
    for section in run:
        for block in section.blocks:
            for part in [block.text] if len(block.text) <= MOST else split(block):
                yield section, block, part


def split(block: Block) -> list[str]:
    """Cut a block longer than MOST: code between lines, a table between rows under its head,
    prose between sentences. Only a single line or sentence longer than MOST is cut inside."""
    if block.kind == "code":
        return _split_code(block.text)
    if block.kind == "table":
        lines = block.text.split("\n")
        head = lines[:2] if len(lines) > 2 and set(lines[1]) <= set("|-: ") else []
        repeated = "\n".join(head) if len("\n".join(head)) <= LONGEST_HEAD else ""
        return _fill(lines[len(head) if repeated else 0 :], repeated, "", "\n")
    return _fill(_sentences(block.text), "", "", "")


def _split_code(text: str) -> list[str]:
    """Each part of a fenced block gets the fence's lines again, so that it stays code."""
    lines = text.split("\n")
    if not _FENCE_LINE.match(lines[0]):
        return _fill(lines, "", "", "\n")
    closed = len(lines) > 1 and _FENCE_LINE.match(lines[-1])
    body = lines[1:-1] if closed else lines[1:]
    found = _FENCE_LINE.match(lines[0])
    assert found is not None
    return _fill(body, lines[0][:80], found[1][:6], "\n")


def _sentences(text: str) -> list[str]:
    """Cut after sentences, keeping the space or line end with the one before it."""
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if end.end() > start:
            found.append(text[start : end.end()])
            start = end.end()
    return [*found, text[start:]] if start < len(text) else found


def _fill(units: list[str], head: str, foot: str, joint: str) -> list[str]:
    """Fill parts with units up to MOST, each between head and foot."""
    frame = len(head) + len(foot) + (1 if head else 0) + (1 if foot else 0)
    room = MOST - frame
    parts: list[str] = []
    text = ""
    for unit in units:
        for piece in _cut(unit, room):
            if text and len(text) + len(joint) + len(piece) > room:
                parts.append(text)
                text = piece
            else:
                text = f"{text}{joint}{piece}" if text else piece
    parts.append(text)
    framed = (
        "\n".join(filter(None, (head, part.strip("\n"), foot))) for part in parts if part.strip()
    )
    return [part.strip() if not head else part for part in framed]


def _cut(unit: str, room: int) -> list[str]:
    """A unit longer than the room is cut at the last space before its end, or right there."""
    parts = []
    while len(unit) > room:
        at = unit.rfind(" ", room // 2, room) + 1 or room
        parts.append(unit[:at])
        unit = unit[at:]
    return [*parts, unit]
