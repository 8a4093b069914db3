"""Two languages, side by side where they are used, so that neither can be forgotten."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]

_current: Language | None = None


@dataclass(frozen=True)
class Bilingual:
    """A text of the curriculum in both languages."""

    en: str
    zh: str

    def __str__(self) -> str:
        return self.zh if language() == "zh" else self.en


def many(number: int, noun: str) -> str:
    """Return "1 pair", "2 pairs": for English texts."""
    return f"{number} {noun}{'s' * (number != 1)}"


def say(en: str, zh: str) -> str:
    """Return the text in the current language."""
    return zh if language() == "zh" else en


def language() -> Language:
    """Return the language of the interface: what was set, else what the locale says."""
    return _current or _from_locale()


def use_language(lang: str) -> None:
    """Set the language for this process; "auto" goes back to the locale's."""
    global _current
    _current = {"en": "en", "zh": "zh"}.get(lang)  # type: ignore[assignment]


def detect(text: str) -> Language:
    """Tell the language of a learner's text: one Chinese character in eight is Chinese enough,
    because Chinese questions about models are half made of English terms."""
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    letters = sum(c.isalnum() for c in text)
    return "zh" if han and han * 8 >= letters else "en"


def _from_locale() -> Language:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
