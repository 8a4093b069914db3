"""Text from elsewhere made fit for a terminal."""

from __future__ import annotations

import re
import unicodedata

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor, modes
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)"  # titles, links, clipboard
)
_HIDDEN = frozenset({"Cc", "Cf", "Cs"})


def printable(text: str) -> str:
    """Remove what a reader does not see but a terminal obeys or a model reads: escape sequences,
    control characters, and invisible ones (zero-width, direction, tags). Line ends and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    shown = _SEQUENCE.sub("", text)
    return "".join(c for c in shown if c in "\n\t" or unicodedata.category(c) not in _HIDDEN)
