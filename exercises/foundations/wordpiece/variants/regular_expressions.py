# Another style: regular expressions for the words, recursion over prefixes for the pieces, tuples.
import functools
import re
import unicodedata

import regex

from tutor.base import assets

CJK = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
IDEOGRAPH = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in CJK) + "]")
MARK = regex.compile(r"[\p{P}!-/:-@\[-`{-~]")
INVISIBLE = regex.compile(r"[[\p{C}\ufffd]--[\t\n\r]]", regex.VERSION1)


def load_vocab(path=None):
    with open(path or assets.path("minilm") / "vocab.txt", encoding="utf-8", newline="\n") as file:
        return {line.rstrip("\n"): place for place, line in enumerate(file)}


def basic_tokenize(text):
    text = INVISIBLE.sub("", text)
    text = IDEOGRAPH.sub(r" \g<0> ", text)
    text = regex.sub(r"\p{Mn}", "", unicodedata.normalize("NFD", text.lower()))
    return tuple(MARK.sub(r" \g<0> ", text).split())


def wordpiece(word, vocab):
    @functools.cache
    def rest(start):
        """The pieces from here on, or None where they cannot cover the word."""
        if start == len(word):
            return ()
        mark = "##" * bool(start)
        fits = (end for end in range(len(word), start, -1) if mark + word[start:end] in vocab)
        end = next(fits, None)
        behind = rest(end) if end else None
        return None if behind is None else (mark + word[start:end], *behind)

    pieces = rest(0) if len(word) <= 100 else None
    return ("[UNK]",) if pieces is None else pieces


def encode(text, vocab):
    ids = [vocab["[CLS]"]]
    for word in basic_tokenize(text):
        ids.extend(map(vocab.get, wordpiece(word, vocab)))
    ids.append(vocab["[SEP]"])
    return tuple(ids)
