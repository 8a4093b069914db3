"""Line breaks, in Chinese too, and in text that is still being written.

Rich and Textual break lines at blanks only, so that a Chinese clause, which has none, jumps to the
next line as one long word and leaves ragged lines behind. Here a line may break between any two
Chinese characters, except before closing punctuation and after opening punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich._wrap import divide_line as divide_at_blanks
from rich.cells import cell_len, chop_cells

WIDE = "\u2e80-\u2fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
OPENING = "（《〈「『【〔“‘"
CLOSING = "，。、；：？！）》〉」』】〕”’…—～％"
_PIECE = re.compile(
    rf"\s*[{OPENING}]*(?:[{WIDE}]|[^\s{WIDE}{OPENING}{CLOSING}]+)[{CLOSING}]*\s*|\s*\S\s*|\s+"
)


def divide_line(text: str, width: int, fold: bool = True) -> list[int]:
    """Return the indices at which to break a line so that its parts fit into `width` cells.

    fold: break a word that is wider than the line; else it is left to be cropped.
    """
    if text.isascii():
        return divide_at_blanks(text, width, fold=fold)
    breaks = [0]  # none may come twice, or be the line's own start
    filled = 0
    for start, piece in _pieces(text):
        length = cell_len(piece.rstrip())
        if filled + length > width:
            _break_at(start, breaks)
            filled = 0
            if length > width and fold:
                *whole, piece = chop_cells(piece, width)
                for part in whole:
                    start += len(part)
                    _break_at(start, breaks)
        filled += cell_len(piece)
    return breaks[1:]


def _break_at(index: int, breaks: list[int]) -> None:
    if index > breaks[-1]:
        breaks.append(index)


class Flow:
    """Text that comes in pieces, with its lines broken to fit. What was given out never moves: a
    word is held back until it is known where it ends."""

    def __init__(self, width: int, indent: str = "") -> None:
        """width: in cells. indent: stands before each line that a break makes."""
        self.width = width - cell_len(indent)
        self.indent = indent
        self.line = ""
        self.given = 0
        """How much of the line was given out."""

    def feed(self, text: str) -> str:
        """Take a piece; return what can be shown now."""
        first, *rest = text.split("\n")
        return self._add(first) + "".join(f"{self.end()}\n{self._add(part)}" for part in rest)

    def end(self) -> str:
        """Return what is held back; the line is over."""
        rest = self.line[self.given :]
        self.line, self.given = "", 0
        return rest

    def _add(self, text: str) -> str:
        self.line += text
        out, start = "", 0
        for cut in divide_line(self.line, self.width):
            out += self.line[start + self.given : cut].rstrip() + "\n" + self.indent
            start, self.given = cut, 0
        self.line = self.line[start:]
        last = max((place for place, _ in _pieces(self.line)), default=0)
        sure = len(self.line[:last].rstrip())  # blanks vanish where the line breaks
        if sure > self.given:
            out += self.line[self.given : sure]
            self.given = sure
        return out


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield the parts between which a line may break, each with its index."""
    for match in _PIECE.finditer(text):
        yield match.start(), match.group()
