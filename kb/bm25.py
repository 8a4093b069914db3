"""The word side of search: FTS5's BM25, for the passages that can come out best.

FTS5 scores each passage that holds any of the words, at the better part of a microsecond apiece: in
a million passages that is half a second, spent on words like "model" that tell little. So a passage
has to hold one of the question's rarer words, and is scored for the others too.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite_utils import Database

RARER = 0.01
"""The rarer words are those that together stand in this share of the passages, or in LEAST of them."""
LEAST = 2_000
ENOUGH = 1_000
"""A word that is not so rare is taken too where those before it, a typing error perhaps, stand in
fewer passages."""
MOST = 100_000
"""A word in more passages counts only where the question has none rarer, and then in the first so
many of them.

On the development questions all this changes nothing over the corpus of 27,000 passages; with 2,000
and 100,000 scaled down from a million to it, one hit of 73 among the first five is lost."""

_BEST = (
    "SELECT id, score FROM (SELECT rowid AS id, bm25(passages_fts, ?, 1.0) AS score "
    "FROM passages_fts WHERE passages_fts MATCH ? "
    "AND +rowid NOT IN (SELECT passage_id FROM copies) {allowed} LIMIT ?) ORDER BY score LIMIT ?"
)
_ALLOWED = "AND +rowid IN (SELECT value FROM json_each(?))"


class WordIndex:
    """The word index of a knowledge base's file."""

    def __init__(self, db: Database, heading_weight: float) -> None:
        self.db = db
        self.heading_weight = heading_weight
        self._version = ""
        self._counts: dict[str, int] = {}
        self._room = LEAST

    def best(
        self, match: str, limit: int, version: str, allowed: Collection[int] | None = None
    ) -> dict[int, float]:
        """Return passage id: BM25 score (more is better) of the passages that match an FTS5 query
        best, best first. match: words or phrases, joined by OR. version: of the passages."""
        rarer, others = self._divided(match, version)
        if not others:
            return self._scored(rarer, limit, allowed)
        # Whoever has both gets its score for all the words; OR alone would score everything.
        some = self._scored(rarer, limit, allowed)
        some |= self._scored(f"({rarer}) AND ({others})", limit, allowed)
        return dict(sorted(some.items(), key=lambda entry: (-entry[1], entry[0]))[:limit])

    def _scored(self, match: str, limit: int, allowed: Collection[int] | None) -> dict[int, float]:
        values: list[Any] = [self.heading_weight, match]
        if allowed is not None:
            values.append(json.dumps(list(allowed)))
        sql = _BEST.format(allowed="" if allowed is None else _ALLOWED)
        rows = self.db.execute(sql, [*values, MOST, limit])
        return {id_: -score for id_, score in rows}

    def _divided(self, match: str, version: str) -> tuple[str, str]:
        """Divide a query into its rarer words and the others that are not too common."""
        words = match.split(" OR ")
        if len(words) == 1:
            return match, ""
        if version != self._version:
            self._version, self._counts = version, {}
            passages = self.db.execute("SELECT max(id) FROM passages").fetchone()[0] or 0
            self._room = max(LEAST, int(RARER * passages))
        counts = {word: self._count(word) for word in words}
        rarer = self._rarer(counts)
        others = {word for word in words if counts[word] <= MOST} - rarer
        return _joined(words, rarer), _joined(words, others)

    def _rarer(self, counts: dict[str, int]) -> set[str]:
        rarer: set[str] = set()
        total = 0
        for word in sorted(counts, key=lambda word: counts[word]):
            if total >= ENOUGH and total + counts[word] > self._room:
                break
            if total and counts[word] > MOST:
                break
            rarer.add(word)
            total += counts[word]
        return rarer

    def _count(self, word: str) -> int:
        """Count the passages with a word, to one more than MOST and no further."""
        if word not in self._counts:
            self._counts[word] = self.db.execute(
                "SELECT count(*) FROM (SELECT 1 FROM passages_fts "
                "WHERE passages_fts MATCH ? LIMIT ?)",
                [word, MOST + 1],
            ).fetchone()[0]
        return self._counts[word]


def _joined(words: list[str], part: set[str]) -> str:
    """In the question's order, so that sums come out the same."""
    return " OR ".join(word for word in words if word in part)
