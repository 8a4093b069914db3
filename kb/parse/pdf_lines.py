"""The lines of a PDF page, with what pdfium knows of their place and type."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pypdfium2 as pdfium

GUTTER = 8.0
"""Points. A gap in a line at least so wide, where other lines have it too, parts two columns."""
NOISE = 10
"""Characters without a meaning on a page, from which on their font is taken to be unreadable."""
SOFT_HYPHENS = "\u0002\ufffe"
"""What pdfium gives for a hyphen at the end of a line, in place of the line's end."""


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


@dataclass(frozen=True)
class _Char:
    """A character of a page, with its box. at: pdfium's index of it."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    at: int


def page_lines(page: pdfium.PdfPage) -> list[Line]:
    """The lines of a page in the order of the file, cut at wide gaps.

    pdfium joins what stands at the same height into one line, across columns too.
    """
    textpage = page.get_textpage()
    lines: list[Line] = []
    chars: list[_Char] = []
    unreadable = _unreadable_fonts(textpage)

    def close() -> None:
        if any(not char.text.isspace() for char in chars):
            line, font = _line(textpage, chars)
            if font not in unreadable:
                lines.append(line)
        chars.clear()

    for char in _chars(textpage):
        if char.text in "\r\n":
            close()
            continue
        if char.text.isspace() and not chars:
            continue
        if chars and not char.text.isspace() and char.left - _right_of(chars) > GUTTER:
            close()
        soft = char.text in SOFT_HYPHENS
        chars.append(replace(char, text="-") if soft else char)
        if soft:
            close()
    close()
    textpage.close()
    return lines


def _chars(textpage: pdfium.PdfTextPage) -> Iterator[_Char]:
    """Each character by its index: the page's text as one string leaves some out, so that boxes
    looked up by a place in it are those of other characters."""
    import pypdfium2.raw as raw

    box = [ctypes.c_double() for _ in range(4)]
    high = 0
    for at in range(textpage.count_chars()):
        code = raw.FPDFText_GetUnicode(textpage.raw, at)
        if 0xD800 <= code < 0xDC00:  # the first half of a character outside the basic plane
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + code - 0xDC00 if high else 0
        high = 0
        private = 0xE000 <= code < 0xF900  # a font's own signs, such as tall brackets
        unsaid = code < 32 and chr(code) not in f"\r\n\t{SOFT_HYPHENS}"
        if not (private or unsaid):
            raw.FPDFText_GetCharBox(textpage.raw, at, *(ctypes.byref(edge) for edge in box))
            left, right, bottom, top = (edge.value for edge in box)
            yield _Char(chr(code), left, right, bottom, top, at)


def _line(textpage: pdfium.PdfTextPage, chars: list[_Char]) -> tuple[Line, str]:
    """Return the line that the characters make, and the name of its first one's font."""
    import pypdfium2.raw as raw

    seen = [char for char in chars if not char.text.isspace()]
    start = seen[0].at
    font = _font(textpage, start)
    starts = [b.at for a, b in pairwise(chars) if a.text.isspace() and not b.text.isspace()]
    # A line may begin with a raised number, or in the middle of small capitals.
    size = max(raw.FPDFText_GetFontSize(textpage.raw, at) for at in [start, *starts[:12]])
    bold = raw.FPDFText_GetFontWeight(textpage.raw, start) >= 600 or _named_bold(font)
    line = Line(
        "".join(char.text for char in chars).strip(),
        min(char.left for char in seen),
        max(char.right for char in seen),
        min(char.bottom for char in seen),
        max(char.top for char in seen),
        size,
        bold,
    )
    return line, font


def _right_of(chars: list[_Char]) -> float:
    """Where the last visible character ends."""
    return next(char.right for char in reversed(chars) if not char.text.isspace())


def _font(textpage: pdfium.PdfTextPage, at: int) -> str:
    import pypdfium2.raw as raw

    buffer = ctypes.create_string_buffer(80)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(textpage.raw, at, buffer, 80, ctypes.byref(flags))
    return buffer.value.decode("utf-8", "replace")


def _named_bold(font: str) -> bool:
    """Whether the font's name says bold: TeX's bold fonts have no weight set."""
    name = font.lower()
    return "bold" in name or "medi" in name or bool(re.search(r"cmb|bx\d", name))


def _unreadable_fonts(textpage: pdfium.PdfTextPage) -> set[str]:
    """Fonts that do not say which letters their shapes are, as in some figures: their text is
    noise. A single sign without a letter, as in fonts for formulas, is not enough."""
    import pypdfium2.raw as raw

    unmapped = Counter(
        _font(textpage, at)
        for at in range(textpage.count_chars())
        if raw.FPDFText_HasUnicodeMapError(textpage.raw, at) == 1
    )
    return {font for font, count in unmapped.items() if count >= NOISE}
