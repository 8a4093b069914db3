"""What a tool other than a search found, as evidence: a passage of the learner's own."""

from __future__ import annotations

import zlib

from kb import Passage
from kb.chunk import MOST
from tutor.base.i18n import Language, detect

LEARNER = "learner"
CALCULATION = "calculation"
LESSONS = "lessons"
GLOSSARY = "glossary"


def item(title: str, text: str, *, source: str, doc: str, heading: str = "") -> Passage:
    """Return a text as a passage that can be quoted, checked and cited like the others.

    Its id is negative and follows from its text, so that a tool that is called again adds
    nothing.
    """
    text = text.strip()[:MOST]
    number = -1 - zlib.crc32(f"{doc}\n{heading}\n{text}".encode())
    return Passage(number, doc, title, heading or title, None, text, detect(text), source, "", "")


def is_own(passage: Passage) -> bool:
    """Tell whether a passage comes from a tool, not from the knowledge base."""
    return passage.id < 0


def pick(lang: Language, en: str, zh: str) -> str:
    """Return the text in the question's language, whatever the interface's is."""
    return zh if lang == "zh" else en
