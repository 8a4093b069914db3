"""The field's terms in both languages: a bridge for words and vectors between a question and a
passage in the other language."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*[A-Za-z0-9+]|[A-Za-z]|\d+(?:\.\d+)?[A-Za-z%]*")
_HAN = re.compile(r"[\u3400-\u9fff]")


@cache
def _pairs() -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """(Chinese names, English names) of each term."""
    text = Path(__file__).with_name("glossary.toml").read_text("utf-8")
    entries = tomllib.loads(text)["terms"]
    return tuple((tuple(zh.split("|")), tuple(en.split("|"))) for zh, en in entries.items())


@cache
def chinese_terms() -> frozenset[str]:
    return frozenset(name for names, _ in _pairs() for name in names if _HAN.search(name))


@cache
def _to_english() -> tuple[re.Pattern[str], dict[str, tuple[str, ...]]]:
    table = {name.lower(): english for names, english in _pairs() for name in names}
    longest_first = sorted(table, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE), table


@cache
def _to_chinese() -> tuple[re.Pattern[str], dict[str, tuple[str, ...]]]:
    table: dict[str, tuple[str, ...]] = {}
    for chinese, names in _pairs():
        for name in names:
            table[name.lower()] = (*table.get(name.lower(), ()), *chinese)
    longest_first = sorted(table, key=len, reverse=True)
    words = "|".join(map(re.escape, longest_first))
    return re.compile(rf"\b(?:{words})(?:s|es)?\b", re.IGNORECASE), table


def in_english(text: str) -> list[str]:
    """Return, in the text's order, the English names of the terms in it, each once."""
    pattern, table = _to_english()
    found = (name for match in pattern.finditer(text) for name in table[match[0].lower()])
    return list(dict.fromkeys(found))


def in_chinese(text: str) -> list[str]:
    """Return, in the text's order, the Chinese names of the English terms in it, each once."""
    pattern, table = _to_chinese()
    found: dict[str, None] = {}
    for match in pattern.finditer(text):
        word = match[0].lower()
        for form in (word, word.removesuffix("s"), word.removesuffix("es")):
            if form in table:
                found.update(dict.fromkeys(table[form]))
                break
    return list(found)


def gist(text: str) -> str:
    """Return an English gist of a Chinese text: its terms in English (the first name of each) and
    what in it is Latin script already, in order. What the English encoder can read of it."""
    pattern, table = _to_english()
    words: list[str] = []
    at = 0
    for match in pattern.finditer(text):
        words += _LATIN.findall(text[at : match.start()])
        words.append(table[match[0].lower()][0])
        at = match.end()
    words += _LATIN.findall(text[at:])
    return " ".join(words)
