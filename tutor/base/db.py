"""SQLite files with named, ordered migrations, through sqlite-utils."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

Migration = Callable[["Database"], None]


def open_db(path: Path, migrations: Sequence[Migration]) -> Database:
    """Open (or make) the database and apply the migrations that it has not had, in order.

    A migration is a function named m001_what_it_does; its name is recorded in `_migrations`.
    Raises sqlite3.DatabaseError where the file is not a database.
    """
    import sqlite3

    database = _database_class()
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
    try:
        db = database(connection)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA foreign_keys=ON")
        db.execute(
            "CREATE TABLE IF NOT EXISTS _migrations (name TEXT PRIMARY KEY, applied_at REAL)"
        )
        connection.commit()
        for migration in migrations:
            _migrate(db, migration)
    except sqlite3.Error:
        connection.close()  # Windows moves no file that is open
        raise
    return db


def _migrate(db: Database, migration: Migration) -> None:
    """Apply a migration whole or not at all, once, whoever else is opening the file."""
    connection = db.conn
    connection.execute("BEGIN IMMEDIATE")  # sqlite3 itself begins none before DDL
    with connection:
        name = migration.__name__
        if not connection.execute("SELECT 1 FROM _migrations WHERE name = ?", [name]).fetchone():
            migration(db)
            connection.execute("INSERT INTO _migrations VALUES (?, ?)", [name, time.time()])


def _database_class() -> type[Database]:
    """Import sqlite-utils without the numpy and pandas that it takes along where it finds them:
    half a second of start-up for column types that nothing here uses."""
    import sys

    hidden = {name: None for name in ("numpy", "pandas") if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        from sqlite_utils import Database
    finally:
        for name in hidden:
            del sys.modules[name]
    return Database
