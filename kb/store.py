"""The knowledge base's file: documents, passages, a word index and vectors, in one SQLite file.

A document and its passages are written in one transaction, vectors in batches: whatever a crash
leaves is whole, and what is missing can be seen and is done next time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kb import chunk, copies, encoder, words
from kb.bm25 import WordIndex
from kb.model import Passage, Piece, Stats
from kb.schema import MIGRATIONS
from tutor.base import home
from tutor.base.db import open_db
from tutor.base.errors import MissingError, TutorError
from tutor.base.i18n import Language, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlite_utils import Database

FORMAT = "2"
"""Changes with the way that text is made ready for the word index or the encoder."""

HEADING_WEIGHT = 0.8
"""What a word counts in title, path and headings, against 1 in the text: all passages of a
document share its title, so that it tells documents apart better than passages."""

_PASSAGE = (
    "SELECT p.id, d.path, d.title, p.heading, p.page, p.text, p.lang, d.source, d.licence, d.url, "
    "(SELECT json_group_array(DISTINCT other.path) FROM copies c "
    "JOIN passages q ON q.id = c.passage_id JOIN documents other ON other.id = q.document_id "
    "WHERE c.original = p.id AND other.id != d.id) "
    "FROM passages p JOIN documents d ON d.id = p.document_id "
)


@dataclass(frozen=True)
class DocumentRow:
    """A document as it is stored. sha256: of the file's bytes; weeks: units that link it."""

    path: str
    source: str
    title: str
    lang: Language
    licence: str
    url: str
    weeks: tuple[int, ...]
    sha256: str


@dataclass(frozen=True)
class Matrix:
    """Every vector, in memory: ids (n,), rows (n, 384) of length 1."""

    version: str
    ids: NDArray[np.int64]
    rows: NDArray[np.float32]


class Store:
    """The file, open. Use `open_store` to get one."""

    def __init__(self, db: Database, path: Path) -> None:
        self.db = db
        self.path = path
        self._matrix: Matrix | None = None
        self._words = WordIndex(db, HEADING_WEIGHT)

    # Signature

    def signature(self) -> str:
        return self._meta("signature")

    def stale(self) -> bool:
        """Whether other rules or another encoder made what is in the index."""
        made_by = self.signature()
        return bool(made_by) and made_by != current_signature(made_by)

    def check_fresh(self) -> None:
        """Raise TutorError where the index is stale."""
        if self.stale():
            raise TutorError(
                say(
                    "The index was made by another version or with another encoder.",
                    "索引由另一个版本或另一个编码器建立，已经过期。",
                ),
                "tutor kb sync --rebuild",
            )

    def sign(self) -> None:
        with self.db.atomic():
            self._set_meta("signature", current_signature())

    def clear(self) -> None:
        """Empty the index."""
        with self.db.atomic():
            for table in (
                "copies",
                "codes",
                "adapter",
                "vectors",
                "passages_fts",
                "passages",
                "documents",
                "meta",
            ):
                self.db.execute(f"DELETE FROM {table}")

    def note(self, key: str) -> str:
        """Return what `set_note` wrote under a key; empty where nothing is."""
        return self._meta(f"note {key}")

    def set_note(self, key: str, value: str) -> None:
        with self.db.atomic():
            self._set_meta(f"note {key}", value)

    # Writing

    def hashes(self, source: str) -> dict[str, str]:
        """Return path: sha256 of the source's documents."""
        rows = self.db.execute("SELECT path, sha256 FROM documents WHERE source = ?", [source])
        return dict(rows.fetchall())

    def put(self, row: DocumentRow, pieces: Sequence[Piece]) -> None:
        """Store a document and its passages, in place of what was under its path."""
        with self.db.atomic():
            self._delete("path = ?", [row.path])
            cursor = self.db.execute(
                "INSERT INTO documents (path, source, title, lang, licence, url, weeks, sha256) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    row.path,
                    row.source,
                    row.title,
                    row.lang,
                    row.licence,
                    row.url,
                    json.dumps(row.weeks),
                    row.sha256,
                ],
            )
            for ordinal, piece in enumerate(pieces):
                passage = self.db.execute(
                    "INSERT INTO passages (document_id, ordinal, heading, page, text, lang, sketch) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        cursor.lastrowid,
                        ordinal,
                        piece.heading,
                        piece.page,
                        piece.text,
                        piece.lang,
                        copies.sketch(piece.text),
                    ],
                )
                self.db.execute(
                    "INSERT INTO passages_fts (rowid, heading, body) VALUES (?, ?, ?)",
                    [passage.lastrowid, *_indexed(row, piece)],
                )
            self._changed()

    def describe(self, source: str, licence: str, weeks: dict[str, tuple[int, ...]]) -> None:
        """Bring licence and weeks of unchanged documents up to date."""
        with self.db.atomic():
            for path, numbers in weeks.items():
                self.db.execute(
                    "UPDATE documents SET licence = ?, weeks = ? WHERE path = ? AND source = ?",
                    [licence, json.dumps(numbers), path, source],
                )

    def remove(self, where: str, values: Sequence[Any]) -> int:
        """Remove the documents that an SQL condition over `documents` names; return how many."""
        with self.db.atomic():
            count = self._delete(where, values)
            if count:
                self._changed()
        return count

    def _delete(self, where: str, values: Sequence[Any]) -> int:
        documents = f"SELECT id FROM documents WHERE {where}"
        inner = f"SELECT id FROM passages WHERE document_id IN ({documents})"
        for table, column in (
            ("copies", "passage_id"),
            ("copies", "original"),
            ("vectors", "passage_id"),
        ):
            self.db.execute(f"DELETE FROM {table} WHERE {column} IN ({inner})", values)
        self.db.execute(f"DELETE FROM passages_fts WHERE rowid IN ({inner})", values)
        self.db.execute(f"DELETE FROM passages WHERE id IN ({inner})", values)
        return self.db.execute(f"DELETE FROM documents WHERE {where}", values).rowcount

    def collapse(self) -> None:
        """Work out anew which passages are copies. Those are found through their originals and have
        no vectors. What the learner added is an original only where nothing else is."""
        if self._meta("collapsed") == self._meta("changes"):
            return
        with self.db.atomic():
            self.db.execute("DELETE FROM copies")  # first: from here on no other process writes
            rows = self.db.execute(
                "SELECT p.id, d.source = 'mine', d.path, p.ordinal, p.lang, p.sketch "
                "FROM passages p JOIN documents d ON d.id = p.document_id WHERE p.sketch != x''"
            )
            candidates = [
                copies.Candidate(id_, (bool(mine), path, ordinal), lang, sketch)
                for id_, mine, path, ordinal, lang, sketch in rows
            ]
            found = copies.copies(candidates, self._text)
            self.db.conn.executemany("INSERT INTO copies VALUES (?, ?)", found.items())
            self.db.execute(
                "DELETE FROM vectors WHERE passage_id IN (SELECT passage_id FROM copies)"
            )
            self._set_meta("collapsed", self._meta("changes"))
            self._touch()

    def _text(self, id_: int) -> str:
        return self.db.execute("SELECT text FROM passages WHERE id = ?", [id_]).fetchone()[0]

    def pending(self) -> list[tuple[int, str]]:
        """Return (passage id, text for the encoder) of the passages without a vector."""
        rows = self.db.execute(
            "SELECT p.id, d.title, p.heading, p.text, p.lang FROM passages p "
            "JOIN documents d ON d.id = p.document_id "
            "WHERE p.id NOT IN (SELECT passage_id FROM vectors) "
            "AND p.id NOT IN (SELECT passage_id FROM copies)"
        ).fetchall()
        return [(id_, words.encoder_text(*rest)) for id_, *rest in rows]

    def without_vectors(self) -> int:
        """Return how many passages have no vector."""
        return self.db.execute(
            "SELECT (SELECT count(*) FROM passages) - (SELECT count(*) FROM copies) "
            "- (SELECT count(*) FROM vectors)"
        ).fetchone()[0]

    def put_vectors(self, ids: Sequence[int], rows: NDArray[np.float16]) -> None:
        """Store a batch of vectors."""
        with self.db.atomic():
            self.db.conn.executemany(
                # A passage may have been removed meanwhile by another process.
                "INSERT OR REPLACE INTO vectors SELECT ?, ? "
                "WHERE EXISTS (SELECT 1 FROM passages WHERE id = ?)",
                [(id_, row.tobytes(), id_) for id_, row in zip(ids, rows, strict=True)],
            )
            self._touch()

    def put_adapter(self, data: bytes, passages: int) -> None:
        """Store the question adapter in place of another; b"" for one that did not help."""
        with self.db.atomic():
            self.db.execute("DELETE FROM adapter")
            self.db.execute("INSERT INTO adapter VALUES (?, ?)", [data, passages])

    # Reading

    def adapter(self) -> bytes:
        """Return what `put_adapter` stored; b"" where nothing is."""
        row = self.db.execute("SELECT data FROM adapter").fetchone()
        return row[0] if row else b""

    def adapter_passages(self) -> int:
        """Return how many passages the index had when the adapter was learned; 0 if it never was."""
        row = self.db.execute("SELECT passages FROM adapter").fetchone()
        return row[0] if row else 0

    def vector_count(self) -> int:
        return self.db.execute("SELECT count(*) FROM vectors").fetchone()[0]

    def embedded(self, lang: Language) -> Iterator[tuple[int, str, str, str]]:
        """Yield (id, document path, heading, text) of a language's passages that have a vector, in
        an order that ids have no part in."""
        yield from self.db.execute(
            "SELECT p.id, d.path, p.heading, p.text FROM passages p "
            "JOIN documents d ON d.id = p.document_id JOIN vectors v ON v.passage_id = p.id "
            "WHERE p.lang = ? ORDER BY d.path, p.ordinal",
            [lang],
        )

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """Return the passages of these ids that there are, by id."""
        marks = ",".join("?" * len(ids))
        rows = self.db.execute(f"{_PASSAGE}WHERE p.id IN ({marks})", ids).fetchall()
        return {row[0]: _passage(row) for row in rows}

    def neighbours(self, id_: int, before: int, after: int) -> list[Passage]:
        """Return the passages around one in its document, itself included, in reading order."""
        rows = self.db.execute(
            _PASSAGE + "JOIN passages me ON me.document_id = p.document_id "
            "WHERE me.id = ? AND p.ordinal BETWEEN me.ordinal - ? AND me.ordinal + ? "
            "ORDER BY p.ordinal",
            [id_, before, after],
        ).fetchall()
        return [_passage(row) for row in rows]

    def documents_of(self, ids: Sequence[int]) -> dict[int, int]:
        """Return passage id: document id."""
        marks = ",".join("?" * len(ids))
        rows = self.db.execute(f"SELECT id, document_id FROM passages WHERE id IN ({marks})", ids)
        return dict(rows.fetchall())

    def by_words(
        self, match: str, limit: int, allowed: frozenset[int] | None = None
    ) -> dict[int, float]:
        """Return passage id: BM25 score (more is better) of the passages that match an FTS5 query
        (words or phrases joined by OR) best, best first."""
        return self._words.best(match, limit, self.version(), allowed)

    def filtered(self, week: int | None, lang: str | None) -> frozenset[int] | None:
        """Return the ids of the passages in a language and of a week's documents; None where
        there is nothing to filter by. A passage is also of the documents of its copies."""
        if week is None and lang is None:
            return None
        rows = self.db.execute(
            "SELECT coalesce(c.original, p.id) FROM passages p "
            "JOIN documents d ON d.id = p.document_id LEFT JOIN copies c ON c.passage_id = p.id "
            "WHERE (? IS NULL OR p.lang = ?) AND (? IS NULL OR EXISTS "
            "(SELECT 1 FROM json_each(d.weeks) w WHERE w.value = ?))",
            [lang, lang, week, week],
        )
        return frozenset(id_ for (id_,) in rows)

    def matrix(self) -> Matrix:
        """Return every vector, read again only after a change."""
        from kb.vectors import arrays

        version = self.version()
        if self._matrix is None or self._matrix.version != version:
            rows = self.db.execute(
                "SELECT passage_id, vector FROM vectors ORDER BY passage_id"
            ).fetchall()
            self._matrix = Matrix(version, *arrays(rows))
        return self._matrix

    def version(self) -> str:
        """Return what changes with every change of passages or vectors."""
        return self._meta("version")

    def with_words(self, pieces: Sequence[str]) -> Iterator[str]:
        """Yield title, heading and text of the passages that hold all of the words."""
        match = " AND ".join('"{}"'.format(piece.replace('"', " ")) for piece in pieces)
        rows = self.db.execute(
            "SELECT d.title || ' ' || d.path || ' ' || p.heading || ' ' || p.text "
            "FROM passages_fts f JOIN passages p ON p.id = f.rowid "
            "JOIN documents d ON d.id = p.document_id WHERE passages_fts MATCH ?",
            [match],
        )
        return (text for (text,) in rows)

    def has_word(self, word: str) -> bool:
        """Whether any passage holds the word, in whatever form stemming takes for the same."""
        row = self.db.execute(
            "SELECT 1 FROM passages_fts WHERE passages_fts MATCH ? LIMIT 1",
            [words.match_any([word])],
        )
        return row.fetchone() is not None

    def words_beginning(self, letter: str) -> list[str]:
        """Return the index's words, stemmed, that begin with a letter and stand in two passages or
        more: what stands in one only may itself be mistyped."""
        self.db.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary "
            "USING fts5vocab('main', 'passages_fts', 'row')"
        )
        rows = self.db.execute(
            "SELECT term FROM temp.vocabulary WHERE term >= ? AND term < ? AND doc > 1",
            [letter, chr(ord(letter) + 1)],
        )
        return [term for (term,) in rows]

    def empty(self) -> bool:
        return self.db.execute("SELECT 1 FROM passages LIMIT 1").fetchone() is None

    def stats(self) -> Stats:
        def one(sql: str) -> int:
            return self.db.execute(sql).fetchone()[0]

        def table(column: str) -> dict[str, int]:
            return dict(
                self.db.execute(
                    f"SELECT {column}, count(*) FROM passages p "
                    f"JOIN documents d ON d.id = p.document_id GROUP BY 1 ORDER BY 1"
                ).fetchall()
            )

        return Stats(
            documents=one("SELECT count(*) FROM documents"),
            passages=one("SELECT count(*) FROM passages") - one("SELECT count(*) FROM copies"),
            embedded=one("SELECT count(*) FROM vectors"),
            by_source=table("d.source"),
            by_language=table("p.lang"),
            content_sha256=self.content_sha256(),
            copies=one("SELECT count(*) FROM copies"),
        )

    def content_sha256(self) -> str:
        """Hash everything that search can see, in an order that ids have no part in."""
        digest = hashlib.sha256()
        rows = self.db.execute(
            "SELECT d.path, d.source, d.title, d.lang, d.licence, d.url, d.weeks, d.sha256, "
            "p.ordinal, p.heading, p.page, p.text, p.lang, v.passage_id IS NOT NULL, "
            "od.path, o.ordinal FROM documents d LEFT JOIN passages p ON p.document_id = d.id "
            "LEFT JOIN vectors v ON v.passage_id = p.id "
            "LEFT JOIN copies c ON c.passage_id = p.id LEFT JOIN passages o ON o.id = c.original "
            "LEFT JOIN documents od ON od.id = o.document_id ORDER BY d.path, p.ordinal"
        )
        for row in rows:
            digest.update(json.dumps(row, ensure_ascii=False).encode())
        return digest.hexdigest()

    def close(self) -> None:
        self.db.close()

    def _meta(self, key: str) -> str:
        row = self.db.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return row[0] if row else ""

    def _set_meta(self, key: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value])

    def _changed(self) -> None:
        """Count a change of documents: copies are to be worked out again."""
        self._set_meta("changes", str(int(self._meta("changes") or 0) + 1))
        self._touch()

    def _touch(self) -> None:
        """Count the change, so that other processes read the vectors again."""
        self._set_meta("version", str(int(self._meta("version") or 0) + 1))


def open_store(path: Path | None = None) -> Store:
    """Open the file, made if it is not there.

    Raises TutorError where it is not an SQLite file.
    """
    path = path or home.kb_file()
    try:
        db = open_db(path, MIGRATIONS)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise TutorError(
            say(f"{path} is damaged.", f"{path} 已损坏。"),
            say("Delete it, then run: tutor kb sync", "请删除它，然后运行：tutor kb sync"),
        ) from error
    db.execute("PRAGMA synchronous=NORMAL")  # with WAL, a crash loses no committed transaction
    return Store(db, path)


def missing(path: Path) -> MissingError:
    return MissingError(
        say(f"There is no knowledge base at {path}.", f"{path} 处还没有知识库。"), "tutor setup"
    )


def current_signature(made_by: str = "") -> str:
    """Return what makes an index of now: format, chunking rules and encoder.

    Without the encoder the one that made the index is taken to be still the right one.
    """
    made = made_by.split("/")
    encoded = encoder.fingerprint() if encoder.present() else (made[2] if len(made) > 2 else "")
    return f"{FORMAT}/{chunk.VERSION}/{encoded}"


def _passage(row: Sequence[Any]) -> Passage:
    return replace(Passage(*row[:-1]), also=tuple(sorted(json.loads(row[-1]))))


def _indexed(row: DocumentRow, piece: Piece) -> Iterable[str]:
    """The two columns of the word index: where it stands, and what it says."""
    place = " ".join((row.title, row.path.rpartition(".")[0] or row.path, piece.heading))
    return words.index_text(place), words.index_text(piece.text)
