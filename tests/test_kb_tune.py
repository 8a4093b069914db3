"""The question adapter: learned from an index, kept only if it helps, used by search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kb import tune
from kb.model import Piece
from kb.search import KnowledgeBase
from kb.store import DocumentRow, Store, open_store
from tutor.base.errors import TutorError

TOPICS = [f"{a} {b}" for a in ("adapter", "decoder", "tokenizer", "optimizer", "sampler")
          for b in ("rank", "bias", "cache", "depth", "width", "noise", "clip", "warmup")]  # fmt: skip


def rotated(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return questions, targets and passages: a question is its passage, turned and disturbed."""
    chance = np.random.default_rng(seed)
    passages = chance.normal(size=(count, 32)).astype(np.float32)
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    turn = np.eye(32, dtype=np.float32) + 0.35 * np.random.default_rng(1).normal(
        size=(32, 32)
    ).astype(np.float32)
    questions = passages @ turn
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)
    return questions, np.arange(count), passages


def test_a_turned_space_is_turned_back(monkeypatch) -> None:
    monkeypatch.setattr(tune, "RATE", 1e-2)
    questions, targets, passages = rotated(600, 0)
    adapter = tune.fit(questions, targets, passages)
    before = tune.hit_5(questions, targets, passages)
    after = tune.hit_5(adapter.apply(questions), targets, passages)
    assert after > before + 0.1
    again = tune.Adapter.from_bytes(adapter.to_bytes())
    assert np.allclose(again.apply(questions[0]), adapter.apply(questions[0]), atol=1e-2)
    assert np.linalg.norm(again.apply(questions), axis=1) == pytest.approx(1, abs=1e-5)


def test_hit_5_counts_ranks() -> None:
    passages = np.eye(8, dtype=np.float32)
    question = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0, 0]], np.float32)
    assert tune.hit_5(question, np.array([4]), passages) == 1
    assert tune.hit_5(question, np.array([5]), passages) == 0


@pytest.fixture
def store(home: Path, minilm: Path) -> Store:
    from kb.sync import Summary, embed

    store = open_store()
    for number, topic in enumerate(TOPICS):
        text = (
            f"The {topic} of a model is what this page is about. Set it before training begins. "
            f"How large should the {topic} be for a small model? Larger is not always better here. "
            "Measure the held-out loss before and after the change, and keep what is better."
        )
        row = DocumentRow(f"a/{number}.md", "a", topic, "en", "MIT", "", (), str(number))
        store.put(row, [Piece(f"Guide > The {topic}", text, None, "en")])
    embed(store, Summary())
    return store


def test_an_index_tunes_itself_when_it_has_changed(store, monkeypatch) -> None:
    assert not tune.due(store), "too small to learn from"
    with pytest.raises(TutorError, match=r"too small|太小"):
        tune.tune(store, lambda *_: None)
    monkeypatch.setattr(tune, "LEAST", 20)
    monkeypatch.setattr(tune, "HELD_OUT", 0.2)
    assert tune.due(store)
    seen = []
    outcome = tune.tune(store, lambda *step: seen.append(step))
    doing, done, total = seen[-1]
    assert doing == "tune" and done == total > outcome.pairs > 60
    assert outcome.kept == (outcome.hit_5_after > outcome.hit_5_before)
    assert not tune.due(store), "nothing has changed since"
    assert bool(store.adapter()) == outcome.kept


def test_search_sees_through_the_adapter(store, monkeypatch) -> None:
    query = "noise of the sampler"
    plain = KnowledgeBase(store).search(query, k=40)
    zero = tune.Adapter(np.zeros((384, 384), np.float32), np.zeros(384, np.float32))
    store.put_adapter(zero.to_bytes(), 40)
    assert KnowledgeBase(store).search(query, k=40) == plain, "an adapter that turns nothing"
    away = tune.Adapter(-2 * np.eye(384, dtype=np.float32), np.zeros(384, np.float32))
    store.put_adapter(away.to_bytes(), 40)
    assert KnowledgeBase(store).search(query, k=40) != plain
    store.clear()
    assert store.adapter() == b"", "a new index begins without one"


def test_pairs_are_the_same_each_time_and_say_something(store) -> None:
    pairs = tune._pairs(store)
    assert pairs == tune._pairs(store)
    assert any(pair.text == "The adapter rank" for pair in pairs)
    assert any(pair.text.endswith("be for a small model?") for pair in pairs)
