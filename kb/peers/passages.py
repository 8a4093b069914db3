"""What the peers index: the passages as the store has them, or its documents whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from kb.model import Passage
from kb.store import Store

AT_ONCE = 1000


def searched(store: Store) -> list[Passage]:
    """Return every passage that search can return, that is without copies."""
    rows = store.db.execute(
        "SELECT id FROM passages WHERE id NOT IN (SELECT passage_id FROM copies) ORDER BY id"
    )
    ids = [id_ for (id_,) in rows]
    found: dict[int, Passage] = {}
    for at in range(0, len(ids), AT_ONCE):
        found |= store.passages(ids[at : at + AT_ONCE])
    return list(found.values())


def documents(store: Store) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every document: its passages in order, each new heading above them."""
    rows = store.db.execute(
        "SELECT d.path, d.title, p.heading, p.text FROM passages p "
        "JOIN documents d ON d.id = p.document_id ORDER BY d.path, p.ordinal"
    )
    for (path, title), passages in groupby(rows, key=itemgetter(0, 1)):
        parts, last = [title], title
        for _, _, heading, text in passages:
            if heading != last:
                parts.append(heading.rpartition(" > ")[2])
                last = heading
            parts.append(text)
        yield path, "\n\n".join(parts)
