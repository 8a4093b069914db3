"""The shapes that pass between the parts of the knowledge base."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tutor.base.i18n import Language, say

BlockKind = Literal["text", "list", "code", "table"]


@dataclass(frozen=True)
class Block:
    """A paragraph, a list, a code block or a table, as its author wrote it."""

    kind: BlockKind
    text: str


@dataclass(frozen=True)
class Section:
    """Blocks under one heading. heading: from the outermost in; page: from 1, for PDF only."""

    heading: tuple[str, ...]
    blocks: tuple[Block, ...]
    page: int | None = None


@dataclass(frozen=True)
class Document:
    """A parsed document."""

    title: str
    sections: tuple[Section, ...]
    lang: Language


@dataclass(frozen=True)
class Piece:
    """A passage before it is stored: at most chunk.MOST characters of a document."""

    heading: str
    text: str
    page: int | None
    lang: Language


@dataclass(frozen=True)
class Passage:
    """A stored passage, with what its reader needs to judge and cite it."""

    id: int
    doc: str
    """Path relative to its source's root: "papers/2305.14314-qlora.pdf"."""
    title: str
    heading: str
    """From the outermost heading in: "Quantization > QLoRA"."""
    page: int | None
    text: str
    """At most 1,000 characters."""
    lang: Language
    source: str
    licence: str
    url: str
    score: float = 0.0
    """Comparable within one result only; 0 where the passage was not searched for."""
    also: tuple[str, ...] = ()
    """The other documents that say the same in as good as the same words."""


@dataclass(frozen=True)
class Stats:
    """What the index holds. content_sha256: over documents, passages, which are copies and which
    are embedded; two indexes of the same files have the same one, however they came about.

    passages: without copies, which are counted by themselves; only passages get vectors.
    """

    documents: int
    passages: int
    embedded: int
    by_source: dict[str, int] = field(default_factory=dict)
    """Passages by source, copies included."""
    by_language: dict[str, int] = field(default_factory=dict)
    """Passages by language, copies included."""
    content_sha256: str = ""
    copies: int = 0


class UnreadableError(Exception):
    """A file that cannot become a document; sync reports it and goes on.

    reason: one line, in the learner's language.
    """

    def __init__(self, en: str, zh: str) -> None:
        self.reason = say(en, zh)
        super().__init__(self.reason)
