"""The words that carry a text's meaning, for deciding whether a passage supports a sentence."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from kb.words import ENGLISH_STOP

_WORD = re.compile(r"[a-z][a-z0-9]*|\d+(?:[.,]\d+)*|[\u4e00-\u9fff]+")
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.])(?<![A-Za-z]-)(?<!\d,)\d++(?:[.,]\d++)*+")
_NAME = re.compile(
    r"[A-Za-z_][\w.]*_\w+|[A-Za-z]\w*(?:\.\w+)+"  # snake_case and dotted identifiers
    r"|[A-Z][a-z0-9]+(?:[A-Z]\w*)+|\b[A-Za-z]*[a-z][A-Z]\w*"  # CamelCase, camelCase
    r"|(?<![A-Za-z0-9])[A-Za-z]+-?\d[\w.-]*"  # GPT-7, Llama2, wnut17; not the "x7B" of 8x7B
    r"|\b[A-Z]{2,}[A-Za-z]*\b"  # acronyms
)

_STOP = ENGLISH_STOP | {"below", "default", "difference", "during", "explain", "let"}
"""Beside the words that search leaves out, those by which a question only asks."""


def words(text: str) -> set[str]:
    """Return the content words, lower-cased and lightly stemmed; Chinese as pairs of characters."""
    found: set[str] = set()
    for token in _WORD.findall(unicodedata.normalize("NFKC", text).lower()):
        if "\u4e00" <= token[0] <= "\u9fff":
            found.update(token[i : i + 2] for i in range(len(token) - 1))
        elif token not in _STOP and (len(token) > 1 or token.isdigit()):
            found.add(_stem(token))
    return found


def numbers(text: str) -> set[str]:
    """Return the numbers of a text as they are written, without thousands separators and without
    the unit that may be written to them (350 of "350GB")."""
    return {n.replace(",", "") for n in _NUMBER.findall(unicodedata.normalize("NFKC", text))}


def names(text: str) -> list[str]:
    """Return the identifiers, versioned names and acronyms of a text, in order: what a source must
    contain to be about them."""
    seen: dict[str, None] = {}
    for match in _NAME.finditer(unicodedata.normalize("NFKC", text)):
        seen.setdefault(match.group().rstrip(".-"))
    return list(seen)


@cache
def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ers", "ed", "es", "er", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
