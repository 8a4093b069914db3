"""What the knowledge base is measured against: each is really built, and finds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kb import peers, sync
from kb.peers import passages
from kb.store import Store, open_store
from tutor.base.errors import MissingError

LONG = " ".join(f"Sentence number {number} says nothing in particular." for number in range(60))
PAGES = {
    "lora.md": "# LoRA\n\nLow-rank adaptation trains two small matrices beside a frozen weight.\n",
    "beam.md": "# Decoding\n\n## Beam search\n\nIt keeps the most likely hypotheses.\n\n"
    f"## Sampling\n\nA random word is drawn. {LONG}\n",
    "liang.md": "# 量化\n\n量化把权重从浮点数换成低精度整数，从而节省显存。\n",
}


@pytest.fixture
def store(home: Path, tmp_path: Path, minilm: Path) -> Store:
    folder = tmp_path / "mirror" / "docs"
    folder.mkdir(parents=True)
    (folder / "SOURCE.json").write_text(json.dumps({"repo": "a/b", "commit": "c"}))
    for name, text in PAGES.items():
        (folder / name).write_text(text)
    store = open_store()
    sync.sync_mirror(store, tmp_path / "mirror")
    return store


def test_each_finds_what_it_is_good_at(store) -> None:
    built = peers.build(peers.MODULES, store)
    assert list(built) == ["bm25s", "minilm", "llamaindex", "llamaindex-vector"]
    for name, system in built.items():
        assert system.search("which matrices are trained", 3)[0].doc == "docs/lora.md", name
        found = system.search("likely hypotheses of the decoder", 50)
        assert found[0].doc == "docs/beam.md", name
        assert all(0 < len(hit.text) <= 1000 for hit in found), name
        assert len(system.search("matrices", 1)) == 1, name
    assert built["bm25s"].search("怎样节省显存", 1)[0].doc == "docs/liang.md"
    assert built["bm25s"].search("zebra", 5) == []


def test_vectors_of_pieces_are_made_once(store, monkeypatch) -> None:
    first = peers.build(["llamaindex"], store)["llamaindex-vector"].search("matrices", 3)
    monkeypatch.setattr("kb.encoder.BatchEncoder", None)
    again = peers.build(["llamaindex"], store)["llamaindex-vector"].search("matrices", 3)
    assert first == again != []


def test_documents_are_put_together_again_with_their_headings(store) -> None:
    texts = dict(passages.documents(store))
    assert set(texts) == {"docs/lora.md", "docs/beam.md", "docs/liang.md"}
    beam = texts["docs/beam.md"]
    assert beam.startswith("Decoding")
    assert beam.index("Beam search") < beam.index("hypotheses") < beam.index("Sampling")
    assert "Sentence number 59" in beam


def test_copies_are_searched_once(store, tmp_path) -> None:
    (tmp_path / "mirror/docs/again.md").write_text(PAGES["lora.md"])
    sync.sync_mirror(store, tmp_path / "mirror")
    about = [p for p in passages.searched(store) if "Low-rank" in p.text]
    assert [(p.doc, p.also) for p in about] == [("docs/again.md", ("docs/lora.md",))]


def test_a_package_that_is_not_there_is_named(store, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    monkeypatch.delitem(sys.modules, "kb.peers.bm25", raising=False)
    with pytest.raises(MissingError) as caught:
        peers.build(["bm25s"], store)
    assert caught.value.hint.startswith("pip install bm25s")
