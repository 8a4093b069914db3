"""PDF papers, through pdfium: text in reading order, without what stands around it."""

from __future__ import annotations

import ctypes
import re
import statistics
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kb.model import Block, Section, UnreadableError

if TYPE_CHECKING:
    import pypdfium2 as pdfium

GUTTER = 8.0
"""Points. A gap in a line at least so wide, where other lines have it too, parts two columns."""
MARGIN = 0.09
"""Of the page's height, above and below the text."""
SOFT_HYPHENS = "\u0002\ufffe"
"""What pdfium gives for a hyphen at the end of a line, in place of the line's end."""

_NUMBERED = re.compile(r"^((?:[1-9]|1\d|[A-Z])(?:\.1?\d){0,3})\.?\s+[A-Z][\w()].{1,70}$")
_NAMED = re.compile(
    r"^(abstract|introduction|related work|background|methods?|experiments?|results|discussion|"
    r"limitations|conclusions?|acknowledge?ments?|appendix.*|supplementary.*)\.?$",
    re.IGNORECASE,
)
_COMPOUND = re.compile(r"\b[A-Za-z]+-[a-z]+\b")
_REFERENCES = re.compile(r"^(\d+\.?\s+)?(references|bibliography|参考文献)$", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """A line of a page. Distances in points from the page's left and bottom edges."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool


def read(data: bytes) -> tuple[str, list[Section]]:
    """Return the title and sections of a PDF.

    Raises UnreadableError where it is broken, locked or holds only pictures of text.
    """
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        raise UnreadableError("broken or locked PDF", "PDF 已损坏或有密码") from error
    try:
        pages = [_ordered(_page_lines(page)) for page in document]
        heights = [page.get_height() for page in document]
        title = (document.get_metadata_value("Title") or "").strip()
    finally:
        document.close()
    pages = _without_running_heads(pages, heights)
    if not any(pages):
        raise UnreadableError("a PDF without text (scanned?)", "PDF 中没有文字（可能是扫描件）")
    body = statistics.median(line.size for page in pages for line in page)
    if (
        len(title) < 6
        or title.lower().startswith(("microsoft word", "untitled"))
        or "." in title[-5:]
    ):
        title = _title(pages[0])
    return title, _sections(pages, body)


def _page_lines(page: pdfium.PdfPage) -> list[Line]:
    """The lines of a page in the order of the file, cut at wide gaps.

    pdfium joins what stands at the same height into one line, across columns too.
    """
    import pypdfium2.raw as raw

    textpage = page.get_textpage()
    text = textpage.get_text_range()
    box = [ctypes.c_double() for _ in range(4)]
    handle = textpage.raw
    lines: list[Line] = []
    chars: list[tuple[str, float, float, float, float]] = []
    start = 0

    def close(end: int) -> None:
        nonlocal chars, start
        string = "".join(c for c, *_ in chars).strip()
        if string:
            lefts, rights, bottoms, tops = zip(
                *(c[1:] for c in chars if not c[0].isspace()), strict=True
            )
            size = raw.FPDFText_GetFontSize(handle, start)
            bold = raw.FPDFText_GetFontWeight(handle, start) >= 600 or _named_bold(handle, start)
            lines.append(Line(string, min(lefts), max(rights), min(bottoms), max(tops), size, bold))
        chars, start = [], end

    count = textpage.count_chars()
    for at, char in enumerate(text[:count]):
        if char in "\r\n":
            close(at + 1)
            continue
        raw.FPDFText_GetCharBox(handle, at, *(ctypes.byref(edge) for edge in box))
        left, right, bottom, top = (edge.value for edge in box)
        if char.isspace():
            if not chars:
                start = at + 1
                continue
        elif chars and left - _right_of(chars) > GUTTER:
            close(at)
        chars.append(("-" if char in SOFT_HYPHENS else char, left, right, bottom, top))
        if char in SOFT_HYPHENS:
            close(at + 1)
    close(count)
    textpage.close()
    return lines


def _right_of(chars: list[tuple[str, float, float, float, float]]) -> float:
    """Where the last visible character ends."""
    return next(c[2] for c in reversed(chars) if not c[0].isspace())


def _named_bold(handle: object, at: int) -> bool:
    """Whether the font's name says bold: TeX's bold fonts have no weight set."""
    import pypdfium2.raw as raw

    buffer = ctypes.create_string_buffer(80)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(handle, at, buffer, 80, ctypes.byref(flags))
    name = buffer.value.decode("utf-8", "replace").lower()
    return "bold" in name or "medi" in name or bool(re.search(r"cmb|bx\d", name))


def _ordered(lines: list[Line]) -> list[Line]:
    """Put a page's lines in reading order.

    Where most of the text keeps clear of the middle, the page has two columns: each run of narrow
    lines between two wide ones is read left column first. Pieces of one line are joined again.
    """
    lines = [
        replace(line, text=unicodedata.normalize("NFKC", line.text))
        for line in lines
        if not _is_margin_stamp(line)
    ]
    if not lines:
        return []
    middle = (min(line.left for line in lines) + max(line.right for line in lines)) / 2

    def crosses(line: Line) -> bool:
        return line.left < middle - GUTTER / 2 and line.right > middle + GUTTER / 2

    total = sum(len(line.text) for line in lines)
    across = sum(len(line.text) for line in lines if crosses(line))
    on_right = sum(len(line.text) for line in lines if line.left >= middle - GUTTER / 2)
    if across > 0.4 * total or on_right < 0.2 * total:
        return _rejoined(lines)
    ordered: list[Line] = []
    columns: tuple[list[Line], list[Line]] = ([], [])
    for line in _by_rows(lines):
        if crosses(line):
            ordered += [*_rejoined(columns[0]), *_rejoined(columns[1]), line]
            columns = ([], [])
        else:
            columns[line.left >= middle - GUTTER / 2].append(line)
    return [*ordered, *_rejoined(columns[0]), *_rejoined(columns[1])]


def _by_rows(lines: list[Line]) -> list[Line]:
    """From top to bottom, and from left to right where pieces stand beside each other."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: -(line.top + line.bottom)):
        first = rows[-1][0] if rows else None
        if first and line.top + line.bottom > 2 * first.bottom:  # its middle is above their feet
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.left)]


def _rejoined(lines: list[Line]) -> list[Line]:
    """Join pieces that stand at the same height, which were cut at a gap."""
    found: list[Line] = []
    for line in lines:
        last = found[-1] if found else None
        if last and line.left > last.right and abs(line.bottom - last.bottom) < last.size / 2:
            found[-1] = replace(last, text=f"{last.text} {line.text}", right=line.right)
        else:
            found.append(line)
    return found


def _without_running_heads(pages: list[list[Line]], heights: list[float]) -> list[list[Line]]:
    """Drop page numbers, and what stands in the margin of at least three pages alike."""

    def key(line: Line) -> tuple[str, int]:
        return re.sub(r"\d+", "#", line.text), round(line.bottom / 4)

    edges = [
        [line for line in page if not MARGIN < line.bottom / height < 1 - MARGIN]
        for page, height in zip(pages, heights, strict=True)
    ]
    often = Counter(key(line) for page in edges for line in page)
    kept = []
    for page, edge in zip(pages, edges, strict=True):
        running = {line for line in edge if often[key(line)] >= 3 or line.text.strip().isdigit()}
        kept.append([line for line in page if line not in running])
    return kept


def _is_margin_stamp(line: Line) -> bool:
    """The stamp that arXiv prints upwards in the left margin."""
    return line.text.startswith("arXiv:") and line.top - line.bottom > 5 * line.size


def _title(page: list[Line]) -> str:
    """The largest lines of the first page's upper half."""
    if not page:
        return ""
    upper = page[: max(6, len(page) // 3)]
    size = max(line.size * (line.top - line.bottom > 0) for line in upper)
    return _mended([line for line in upper if line.size > 0.75 * size])[:200]


def _sections(pages: list[list[Line]], body: float) -> list[Section]:
    """Cut the lines into sections at headings; leave the list of references out."""
    compounds = frozenset(
        word.lower() for page in pages for line in page for word in _COMPOUND.findall(line.text)
    )
    sections: list[Section] = []
    path: tuple[str, ...] = ()
    in_references = False
    for number, page in enumerate(pages, 1):
        lines: list[Line] = []
        for line in page:
            heading = _heading(line, body)
            if heading is None:
                if not in_references:
                    lines.append(line)
                continue
            if lines:
                sections.append(Section(path, _paragraphs(lines, compounds), number))
                lines = []
            in_references = bool(_REFERENCES.match(heading))
            path = _nested(path, heading)
        if lines:
            sections.append(Section(path, _paragraphs(lines, compounds), number))
    return sections


def _heading(line: Line, body: float) -> str | None:
    text = " ".join(line.text.split())
    # Small capitals come as "I NTRODUCTION".
    text = re.sub(r"\b([A-Z]) ([A-Z]{2,})", r"\1\2", text)
    stands_out = line.size > body * 1.08 or line.bold or text.isupper()
    if not stands_out or len(text) > 90:
        return None
    if _REFERENCES.match(text) or _NAMED.match(text) or _NUMBERED.match(text):
        return text
    return None


def _nested(path: tuple[str, ...], heading: str) -> tuple[str, ...]:
    """Put "3.2 Models" under "3 Method", by its number."""
    found = _NUMBERED.match(heading)
    if not found:
        return (heading,)
    parents = [
        name
        for name in path
        if (above := _NUMBERED.match(name)) and found[1].startswith(f"{above[1]}.")
    ]
    return (*parents, heading)


def _paragraphs(lines: list[Line], compounds: frozenset[str]) -> tuple[Block, ...]:
    """Join lines into paragraphs: a new one begins after a wider space, or after a short line that
    ends a sentence."""
    width = max(line.right for line in lines) - min(line.left for line in lines)
    groups: list[list[Line]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        gap = last.bottom - line.top if last else 0.0
        ended = last and last.text.rstrip().endswith((".", "!", "?", ":", "。"))
        short = last and last.right - last.left < 0.8 * width
        if (
            last is None
            or gap > 0.9 * line.size
            or (ended and (short or line.left > last.left + 6))
        ):
            groups.append([line])
        else:
            groups[-1].append(line)
    return tuple(Block("text", text) for group in groups if (text := _mended(group, compounds)))


def _mended(lines: list[Line], compounds: frozenset[str] = frozenset()) -> str:
    """Join lines, taking out the hyphen of a word cut in two; a compound that the document also
    writes with its hyphen inside a line keeps it."""
    text = ""
    for line in lines:
        part = line.text.strip()
        cut = re.search(r"([A-Za-z]+)-$", text)
        follows = re.match(r"[A-Za-z]+", part)
        if cut and follows:
            whole = f"{cut[1]}-{follows[0]}"
            other_case = cut[1].isupper() != follows[0].isupper()  # "De-BERTa"
            kept = whole.lower() in compounds or (other_case and not follows[0].islower())
            text = (text if kept else text[:-1]) + part
        else:
            text = f"{text} {part}" if text else part
    return re.sub(r"\s+", " ", text).strip()
