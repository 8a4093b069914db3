"""The tables of the knowledge base's file, and how older files get them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def m001_documents_passages_vectors(db: Database) -> None:
    db.table("documents").create(
        {
            "id": int,
            "path": str,
            "source": str,
            "title": str,
            "lang": str,
            "licence": str,
            "url": str,
            "weeks": str,
            "sha256": str,
        },
        pk="id",
        not_null={"path", "source", "sha256"},
    )
    db.table("documents").create_index(["path"], unique=True)
    db.table("documents").create_index(["source"])
    db.table("passages").create(
        {
            "id": int,
            "document_id": int,
            "ordinal": int,
            "heading": str,
            "page": int,
            "text": str,
            "lang": str,
        },
        pk="id",
        foreign_keys=[("document_id", "documents", "id")],
    )
    db.table("passages").create_index(["document_id", "ordinal"], unique=True)
    db.table("vectors").create(
        {"passage_id": int, "vector": bytes},
        pk="passage_id",
        foreign_keys=[("passage_id", "passages", "id")],
    )
    db.execute(
        "CREATE VIRTUAL TABLE passages_fts USING fts5("
        "heading, body, tokenize=\"porter unicode61 tokenchars '_'\")"
    )
    db.table("meta").create({"key": str, "value": str}, pk="key")


def m002_copies(db: Database) -> None:
    db.execute("ALTER TABLE passages ADD COLUMN sketch BLOB NOT NULL DEFAULT x''")
    db.table("copies").create(
        {"passage_id": int, "original": int},
        pk="passage_id",
        foreign_keys=[("passage_id", "passages", "id"), ("original", "passages", "id")],
    )
    db.table("copies").create_index(["original"])


def m003_codes_and_exports(db: Database) -> None:
    """What kb/vectors.py and kb/outside.py keep here."""
    db.table("codes").create({"version": str, "data": bytes})
    db.table("exports").create(
        {"target": str, "passage_id": int, "digest": int}, pk=("target", "passage_id")
    )


def m004_adapter(db: Database) -> None:
    """What kb/tune.py learns."""
    db.table("adapter").create({"data": bytes, "passages": int})


MIGRATIONS = (m001_documents_passages_vectors, m002_copies, m003_codes_and_exports, m004_adapter)
