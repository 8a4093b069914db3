"""The word side of search: what is scored, and that the rest would not have come out best."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kb import bm25
from kb.model import Piece
from kb.store import HEADING_WEIGHT, DocumentRow, Store, open_store

COMMON = ("model", "train", "token", "layer", "data", "weight")
RARE = ("adapter", "beam", "perplexity", "quantize", "reward", "gradient", "cosine", "prompt")


def put(store: Store, name: str, texts: list[str]) -> None:
    row = DocumentRow(f"docs/{name}", "docs", "", "en", "", "", (), name)
    store.put(row, [Piece("", text, None, "en") for text in texts])


@pytest.fixture
def store(home: Path) -> Store:
    """600 passages of common words, of which some hold rare ones."""
    chance = random.Random(3)
    texts = []
    for number in range(600):
        words = chance.choices(COMMON, k=chance.randint(5, 30))
        words += chance.choices(RARE, k=number % 3 == 0)
        texts.append(" ".join(chance.sample(words, len(words))))
    store = open_store()
    put(store, "page", texts)
    return store


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of an index of a million, cut down to one of 600 passages."""
    monkeypatch.setattr(bm25, "LEAST", 60)
    monkeypatch.setattr(bm25, "ENOUGH", 20)
    monkeypatch.setattr(bm25, "MOST", 590)


def everything(store: Store, match: str, limit: int) -> dict[int, float]:
    """Every passage that holds any of the words, scored."""
    rows = store.db.execute(
        "SELECT rowid, bm25(passages_fts, ?, 1.0) AS score FROM passages_fts "
        "WHERE passages_fts MATCH ? ORDER BY score LIMIT ?",
        [HEADING_WEIGHT, match, limit],
    )
    return {id_: -score for id_, score in rows}


QUERIES = (
    '"adapter" OR "model" OR "train"',
    '"token" OR "perplexity" OR "beam"',
    '"model"',
    '"model" OR "data"',
    '"zebra" OR "model"',
)


@pytest.mark.parametrize("match", QUERIES)
def test_an_ordinary_index_is_scored_whole(store, match) -> None:
    assert store.by_words(match, 50) == everything(store, match, 50)


@pytest.mark.parametrize("match", QUERIES[:2])
def test_the_best_of_a_large_one_are_the_best(store, small, match) -> None:
    found, best = store.by_words(match, 20), everything(store, match, 20)
    assert list(found) == list(best)
    assert list(found.values()) == pytest.approx(list(best.values()))


def test_what_holds_only_common_words_is_not_scored(store, small) -> None:
    holding = set(everything(store, '"adapter"', 600))
    assert set(store.by_words('"adapter" OR "model"', 600)) == holding


def test_a_typing_error_shuts_nothing_out(store, small) -> None:
    put(store, "typo", ["a modle of the world"])
    found = store.by_words('"modle" OR "zzz" OR "adapter" OR "beam"', 600)
    assert len(found) > 20, "words of which there is enough are added to the rare one"
    best = next(iter(found))
    assert store.passages([best])[best].text == "a modle of the world"


def test_common_words_alone_are_scored_in_the_first_passages(store, small, monkeypatch) -> None:
    monkeypatch.setattr(bm25, "MOST", 100)
    found = store.by_words('"model" OR "train"', 600)
    assert len(found) == 100 and max(found) < 300


def test_only_allowed_passages_are_scored_and_changes_are_seen(store, small) -> None:
    match = '"adapter" OR "model"'
    allowed = frozenset(list(store.by_words(match, 600))[5:9])
    assert set(store.by_words(match, 600, allowed)) == allowed
    store.remove("path = ?", ["docs/page"])
    assert store.by_words(match, 600) == {}
    put(store, "new", ["an adapter of the model", "a model"])
    assert len(store.by_words(match, 600)) == 2
