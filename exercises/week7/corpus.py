"""What week 7 searches in, and what it is asked: our own lessons, questions with the place that
answers each, and sentence vectors that are computed once.

    documents = corpus.documents("en")      # ten lessons
    questions = corpus.questions("en")      # each with document, heading and a quotation
    vectors = corpus.embed([d.text for d in documents])

Lessons and questions are the project's own, under its licence.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import curriculum
from tutor.base import assets, home
from tutor.base.i18n import Language

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENCODER = "minilm"
DIMENSIONS = 384
MOST_TOKENS = 256
"""What the encoder reads of a text; it does not see the rest."""
MANY, AT_ONCE = 100, 256
"""From so many new texts on, torch's seconds of loading are worth it; kept after each 256."""
SHORTEST_SENTENCE = 30  # characters; "It is." is no passage

_CODE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *\n?", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
# The learner's own test and its answers say everything a second time.
_TEST = re.compile(r"^## (?:Check yourself|自测)\s*$", re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z*`\d])")


@dataclass(frozen=True)
class Document:
    """One lesson. id: "week7.en". text: its Markdown without blocks of code and without the
    test at its end."""

    id: str
    unit: str
    lang: Language
    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """What stands between two `##` headings. heading: "4. Exact and approximate search"."""

    document: str
    title: str
    heading: str
    text: str


@dataclass(frozen=True)
class Question:
    """A question and what answers it: `quote` stands, word for word, in the section `heading` of
    the document, and nowhere else in the documents of that language."""

    text: str
    lang: Language
    document: str
    heading: str
    quote: str


@cache
def documents(lang: Language = "en") -> tuple[Document, ...]:
    """Return the ten lessons in the order of study."""
    found = ((u.id, u.lesson_file(lang)) for u in curriculum.units())
    return tuple(_document(unit, lang, file.read_text("utf-8")) for unit, file in found if file)


def _document(unit: str, lang: Language, markdown: str) -> Document:
    text = _TEST.split(_CODE.sub("", markdown))[0].strip() + "\n"
    title = _TITLE.search(text)
    return Document(f"{unit}.{lang}", unit, lang, title[1] if title else unit, text)


def sections(document: Document) -> Iterator[Section]:
    """Yield a document's sections; what stands before the first heading has the heading ""."""
    body = _TITLE.sub("", document.text, count=1)
    parts = ["", *_HEADING.split(body)]
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        if text.strip():
            yield Section(document.id, document.title, heading.strip(), text.strip())


@cache
def sentences() -> tuple[str, ...]:
    """Return the sentences of the English lessons, each once: some thousand short passages."""
    from exercises import lab

    found = {
        sentence.strip(): None
        for line in lab.lessons("en").splitlines()
        for sentence in _SENTENCE.split(line)
    }
    return tuple(text for text in found if len(text) >= SHORTEST_SENTENCE)


# --- questions -----------------------------------------------------------------------------------


@cache
def questions(lang: Language = "en") -> tuple[Question, ...]:
    """Return the questions of a language, in the order of study.

    One whose quotation a newer edition of the lessons no longer holds is left out.
    """
    from exercises.week7 import questions as written

    known = {document.unit: document for document in documents(lang)}
    asked = written.ENGLISH if lang == "en" else written.CHINESE
    made = (_question(known[unit], text, quote) for unit, text, quote in asked if unit in known)
    return tuple(question for question in made if question)


def _question(document: Document, text: str, quote: str) -> Question | None:
    for section in sections(document):
        if quote in section.text:
            return Question(text, document.lang, document.id, section.heading, quote)
    return None


def uncovered() -> tuple[str, ...]:
    """Return English questions that no lesson answers."""
    from exercises.week7 import questions as written

    return written.UNCOVERED


# --- vectors -------------------------------------------------------------------------------------


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the sentence vectors of all-MiniLM-L6-v2: (len(texts), 384), each of length 1.

    Mean over the tokens, of which it reads the first 256. A text that was embedded before is
    read from TUTOR_HOME/cache; a few new ones take some 10 to 50 ms each, a thousand of them
    half a minute.
    Raises MissingError where the encoder is not there.
    """
    import numpy as np

    keys = [hashlib.sha256(text.encode()).digest() for text in texts]
    with closing(_store()) as store:
        known = dict(_known(store, keys))
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        encode = _encode_many if len(new) >= MANY else _encode_few
        for some in _pieces(list(new), AT_ONCE):
            rows = encode([new[key] for key in some])
            known |= {key: row.tobytes() for key, row in zip(some, rows, strict=True)}
            store.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)", [(key, known[key]) for key in some]
            )
            store.commit()  # another process waits for no longer than this
    found = [np.frombuffer(known[key], dtype=np.float32) for key in keys]
    return np.stack(found) if found else np.zeros((0, DIMENSIONS), dtype=np.float32)


def _encode_few(texts: Sequence[str]) -> NDArray[np.float32]:
    import numpy as np

    encoder = _encoder(many=False)
    return np.stack([encoder.encode(text) for text in texts]).astype(np.float32)


def _encode_many(texts: Sequence[str]) -> NDArray[np.float32]:
    import numpy as np

    rows = np.asarray(_encoder(many=True).encode(texts), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@cache
def _encoder(many: bool) -> Any:
    from kb import encoder

    return encoder.BatchEncoder() if many else encoder.QuestionEncoder()


def _pieces(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _store() -> sqlite3.Connection:
    from kb import encoder

    path = home.home() / "cache" / f"week7-{encoder.fingerprint()}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(path, timeout=120)
    store.execute("CREATE TABLE IF NOT EXISTS vectors (text BLOB PRIMARY KEY, vector BLOB)")
    return store


def _known(store: sqlite3.Connection, keys: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for some in _pieces(keys, 500):
        marks = ",".join("?" * len(some))
        yield from store.execute(f"SELECT * FROM vectors WHERE text IN ({marks})", some)


@cache
def tokenizer() -> Any:
    """Return the encoder's tokenizer (of the tokenizers library), without truncation."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(assets.path(ENCODER) / "tokenizer.json"))
    made.no_truncation()
    made.no_padding()
    return made


def count_tokens(text: str) -> int:
    """Return how many tokens of the encoder a text has, without [CLS] and [SEP]."""
    return len(tokenizer().encode(text, add_special_tokens=False).ids)
