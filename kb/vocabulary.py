"""Words that the index does not know: names of what the sources are not about, told from words
that are only mistyped or rare."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from kb import words

if TYPE_CHECKING:
    from kb.store import Store

LEAST_LETTERS = 6
LEAST_PIECES = 3
"""A word that the encoder's vocabulary has to cut so often is no common English word: "crunchy" is
one piece, "turbopuffer" is three."""
ALIKE = 0.75
"""difflib's ratio to a word of the index from which on a word is taken for that word, mistyped."""

_WORD = re.compile(r"(?<![\w./-])[A-Za-z]+(?![\w/-])")


def unknown_words(store: Store, tokenizer: Any, text: str) -> list[str]:
    """Return the words of a text that are in no passage, are no common English words and resemble
    no word of the index; in order, each once.

    tokenizer: the encoder's.
    """
    found = dict.fromkeys(w for w in _WORD.findall(text) if len(w) >= LEAST_LETTERS)
    return [
        word
        for word in found
        if word.lower() not in words.ENGLISH_STOP
        and len(tokenizer.encode(word, add_special_tokens=False).ids) >= LEAST_PIECES
        and not store.has_word(word)
        and not _mistyped(store, word.lower())
    ]


def _mistyped(store: Store, word: str) -> bool:
    near = [w for w in store.words_beginning(word[0]) if abs(len(w) - len(word)) <= 3]
    return bool(difflib.get_close_matches(word, near, 1, ALIKE))
