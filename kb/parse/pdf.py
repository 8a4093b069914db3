"""PDF papers, through pdfium: text in reading order, without what stands around it."""

from __future__ import annotations

import math
import re
import statistics
import unicodedata
from collections import Counter
from dataclasses import replace
from itertools import takewhile

from kb.model import Block, Section, UnreadableError
from kb.parse.pdf_lines import GUTTER, Line, page_lines

MARGIN = 0.09
"""Of the page's height, above and below the text."""
TITLE = 0.93
"""Of the largest letters' size: what a line of the title has at least."""
SCRAP = 25
"""Characters. So short a block of one word, or of none, is no paragraph."""

LETTERED = 100
"""What stands before the A of appendices, where headings are counted: after every number."""

_NUMBERED = re.compile(r"^((?:[1-9]|1\d|[A-Z])(?:\.1?\d){0,3})\.?\s+[A-Z∆][\w()’'\-].{1,75}$")
_ALWAYS_NAMED = re.compile(
    r"^(abstract|limitations|acknowledge?ments?|ethics statement|reproducibility statement|"
    r"appendix(\s[^.]{,60})?|supplementary(\s[^.]{,60})?)\.?$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"{_ALWAYS_NAMED.pattern}|^(introduction|related work|background|methods?|experiments?|"
    r"results|discussion|conclusions?)\.?$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_REFERENCES = re.compile(r"^(\d+\.?\s+)?(references|bibliography|参考文献)$", re.IGNORECASE)


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
        pages = [_ordered(page_lines(page)) for page in document]
        heights = [page.get_height() for page in document]
        title = (document.get_metadata_value("Title") or "").strip()
    finally:
        document.close()
    pages = _without_running_heads(pages, heights)
    if not any(pages):
        raise UnreadableError("a PDF without text (scanned?)", "PDF 中没有文字（可能是扫描件）")
    body = statistics.median(line.size for page in pages for line in page)
    vocabulary = _vocabulary(pages)
    if (
        len(title) < 6
        or title.lower().startswith(("microsoft word", "untitled"))
        or "." in title[-5:]
    ):
        title = _title(pages[0], vocabulary)
    return title, _sections(pages, body, vocabulary)


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
        ends = [min(page, key=_bottom), max(page, key=_bottom)] if page else []
        numbers = [line for line in [*edge, *ends] if line.text.strip().isdigit()]
        running = {*numbers, *(line for line in edge if often[key(line)] >= 3)}
        kept.append([line for line in page if line not in running])
    return kept


def _bottom(line: Line) -> float:
    return line.bottom


def _is_margin_stamp(line: Line) -> bool:
    """The stamp that arXiv prints upwards in the left margin."""
    return line.text.startswith("arXiv:") and line.top - line.bottom > 5 * line.size


def _title(page: list[Line], vocabulary: frozenset[str]) -> str:
    """The largest lines of the first page's upper half, up to the first smaller one."""
    upper = page[: max(6, len(page) // 3)]
    if not upper:
        return ""
    size = max(line.size for line in upper)
    start = next(at for at, line in enumerate(upper) if line.size == size)
    large = takewhile(lambda line: line.size > TITLE * size, upper[start:])
    return _respelled(_mended(list(large)), vocabulary)[:200]


def _vocabulary(pages: list[list[Line]]) -> frozenset[str]:
    """The words and compounds that stand inside lines, where no hyphen cuts them, in lower case;
    words all in capitals do not count: small capitals come in pieces."""
    found: set[str] = set()
    for page in pages:
        for line in page:
            whole = line.text[: -len(line.text.split()[-1])] if line.text[-1] == "-" else line.text
            for word in _WORD.findall(whole):
                if not word.isupper():
                    found.update((word.lower(), *word.lower().split("-")))
    return frozenset(found)


def _sections(pages: list[list[Line]], body: float, vocabulary: frozenset[str]) -> list[Section]:
    """Cut the lines into sections at headings; leave the list of references out."""
    sections: list[Section] = []
    path: tuple[str, ...] = ()
    in_references = False
    headings = _Headings(body, vocabulary)
    for number, page in enumerate(pages, 1):
        lines: list[Line] = []
        last: Line | None = None
        for line in page:
            heading = headings.read(line)
            if heading is None and last and _continues(line, last):
                path = (*path[:-1], _mended([replace(last, text=path[-1]), line]))
                last = None
                continue
            last = line if heading else None
            if heading is None:
                if not in_references:
                    lines.append(line)
                continue
            if lines:
                sections.append(Section(path, _paragraphs(lines, vocabulary), number))
                lines = []
            in_references = bool(_REFERENCES.match(heading))
            path = _nested(path, heading)
        if lines:
            sections.append(Section(path, _paragraphs(lines, vocabulary), number))
    return sections


class _Headings:
    """Tells headings from other lines that stand out, such as what is written in a figure: their
    numbers count up, and they are made of words."""

    def __init__(self, body: float, vocabulary: frozenset[str]) -> None:
        self.body = body
        self.vocabulary = vocabulary
        self.numbered = 0
        self.last: tuple[int, ...] = ()

    def read(self, line: Line) -> str | None:
        """Return the line as a heading, or None where it is none."""
        text = _respelled(" ".join(line.text.split()), self.vocabulary)
        stands_out = line.size > self.body * 1.08 or line.bold or text.isupper()
        if not stands_out or len(text) > 90:
            return None
        if _REFERENCES.match(text):
            return text
        if found := _NUMBERED.match(text):
            return text if self._follows(found[1]) and _is_worded(text) else None
        # "Method" in a paper whose sections have numbers is the head of a table's column.
        named = _ALWAYS_NAMED if self.numbered > 2 else _NAMED
        return text if named.match(text) else None

    def _follows(self, number: str) -> bool:
        """Whether the number comes next, or next but one, after the heading before."""
        key = tuple(
            int(part) if part.isdigit() else LETTERED + ord(part) - ord("A") + 1
            for part in number.split(".")
        )
        top = self.last[0] if self.last else 0
        begins = LETTERED if top < LETTERED <= key[0] else top
        if key <= self.last or key[0] > begins + 2 or (len(key) > 1 and key[-1] > 30):
            return False
        self.last = key
        self.numbered += 1
        return True


def _is_worded(heading: str) -> bool:
    """Whether a numbered line is made of words rather than of signs and numbers."""
    letters = sum(map(len, re.findall(r"[^\W\d_]{3,}", heading)))
    return letters > 0.3 * len(heading) and not re.search(r"[{}\[\]<>=]", heading)


def _continues(line: Line, heading: Line) -> bool:
    """Whether a line is the second one of a heading: like it, right below, and the first is full
    enough to have been broken."""
    return (
        abs(line.size - heading.size) < 0.05 * heading.size
        and line.bold == heading.bold
        and (heading.bold or heading.text.isupper() == line.text.isupper())
        and 0 < heading.bottom - line.bottom < 1.6 * heading.size
        and len(heading.text) > 24
        and len(line.text) < 60
        and line.left >= heading.left - 1
    )


def _respelled(text: str, vocabulary: frozenset[str]) -> str:
    """Join what small capitals were taken apart into: "I NTRODUCTION", "REAC T". The first letter
    of "A LARGE MODEL" stays by itself, since "large" is a word of the document."""
    words = text.split(" ")
    joined = words[:1]
    for word in words[1:]:
        before, after = joined[-1], word.rstrip(":,.?")
        apart = before.isupper() and before.isalpha() and after.isupper()
        first = len(before) == 1 and len(after) > 1 and after.lower() not in vocabulary
        whole = before.lower() not in vocabulary and (before + after).lower() in vocabulary
        if apart and (first or whole):
            joined[-1] += word
        else:
            joined.append(word)
    return " ".join(joined)


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


def _paragraphs(lines: list[Line], vocabulary: frozenset[str]) -> tuple[Block, ...]:
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
            or abs(line.size - last.size) > 0.06 * line.size  # a caption, a footnote
            or (ended and (short or line.left > last.left + 6))
        ):
            groups.append([line])
        else:
            groups[-1].append(line)
    texts = (_mended(group, vocabulary) for group in groups)
    return tuple(Block("text", text) for text in texts if text and not _is_scrap(text))


def _is_scrap(text: str) -> bool:
    """Whether a block is what stands at an axis or in a box of a figure. Rows of a table have names,
    formulas an equals sign."""
    if "=" in text:
        return False
    tokens = text.split()
    words = sum(not word.isupper() for word in re.findall(r"[^\W\d_]{3,}|[\u3400-\u9fff]", text))
    if len(text) < SCRAP:
        ends = text[-1] in ".!?。" or ":" in text
        return words < (1 if ends else 2)
    return words < 0.1 * len(tokens) and _counts_up(tokens)


def _counts_up(tokens: list[str]) -> bool:
    """Whether six numbers rise one after the other: the ticks of an axis."""
    run, last = 0, -math.inf
    for token in tokens:
        if not re.fullmatch(r"[\d.,]*\d%?", token):
            continue
        value = float(token.replace(",", "").rstrip("%").lstrip(".") or 0)
        run = run + 1 if value > last else 1
        if run >= 6:
            return True
        last = value
    return False


def _mended(lines: list[Line], vocabulary: frozenset[str] = frozenset()) -> str:
    """Join lines, taking out the hyphen of a word cut in two; a compound keeps it."""
    text = ""
    for line in lines:
        part = line.text.strip()
        cut = re.search(r"([^\W\d_]+)-$", text)
        follows = re.match(r"[^\W\d_]+", part)
        if cut and follows:
            text = (text if _is_compound(cut[1], follows[0], vocabulary) else text[:-1]) + part
        else:
            text = f"{text} {part}" if text else part
    return re.sub(r"\s+", " ", text).strip()


def _is_compound(first: str, second: str, vocabulary: frozenset[str]) -> bool:
    """Whether a hyphen at a line's end belongs to the word: the document writes it so elsewhere, or
    writes both parts as words and nowhere the two in one."""
    if f"{first}-{second}".lower() in vocabulary:
        return True
    if (first + second).lower() in vocabulary:
        return False
    if first.isupper() != second.isupper():  # "De-BERTa" is one word, "GPT-style" are two
        return not second.islower() or len(first) > 1
    return {first.lower(), second.lower()} <= vocabulary and min(len(first), len(second)) > 2
