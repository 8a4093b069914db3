"""The vector side of search: exact, by codes, and through a LlamaIndex vector store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kb import outside, sync, vectors
from kb.model import Piece
from kb.search import KnowledgeBase, open_kb
from kb.store import DocumentRow, Store, open_store
from kb.vectors import Codes, Vectors, update_codes
from tutor.base.errors import MissingError, TutorError

TOPICS = (
    "LoRA trains two small matrices beside each frozen weight of the pretrained model.",
    "Beam search keeps the most likely hypotheses at every time step of the decoder.",
    "A tokenizer cuts text into subwords, merging the pair of symbols that is most frequent.",
    "Quantization stores weights as four-bit numbers, which saves memory on the graphics card.",
    "Direct preference optimization needs no reward model, only pairs of better and worse answers.",
    "The learning rate is warmed up over the first steps and then decays along a cosine.",
    "Retrieval puts the nearest passages of a vector index in front of the language model.",
    "困惑度衡量语言模型对文本的预测能力，越低越好。",
)


def page(topic: str, number: int) -> str:
    return f"# Page {number}\n\n{topic} This is said for the {number}th time.\n"


def write_mirror(folder: Path) -> Path:
    source = folder / "peft-docs"
    source.mkdir(parents=True)
    (source / "SOURCE.json").write_text(json.dumps({"repo": "a/b", "commit": "c"}))
    for number, topic in enumerate(TOPICS):
        (source / f"page{number}.md").write_text(page(topic, number))
    return folder


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return write_mirror(tmp_path / "mirror")


def random_rows(count: int, dimensions: int) -> np.ndarray:
    """Vectors in clumps, as texts' are, of length 1."""
    noise = np.random.default_rng(7)
    centres = noise.normal(size=(40, dimensions))
    rows = centres[noise.integers(0, 40, count)] + noise.normal(size=(count, dimensions))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def filled(store: Store, rows: np.ndarray, name: str = "doc") -> list[int]:
    """Store a document with a passage for each of the vectors; return the passages' ids."""
    path = f"docs/{name}"
    store.put(
        DocumentRow(path, "docs", name, "en", "", "", (), name),
        [Piece("", f"{name} {number}", None, "en") for number in range(len(rows))],
    )
    ids = [
        id_
        for (id_,) in store.db.execute(
            "SELECT p.id FROM passages p JOIN documents d ON d.id = p.document_id "
            "WHERE d.path = ? ORDER BY p.ordinal",
            [path],
        )
    ]
    store.put_vectors(ids, rows)
    return ids


@pytest.fixture
def coded(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, np.ndarray, list[int]]:
    """A store of 4,000 vectors that is searched by codes, the vectors, and their passages' ids."""
    monkeypatch.setattr(vectors, "EXACT", 1000)
    monkeypatch.setattr(vectors, "COARSE", 800)
    monkeypatch.setattr(vectors, "RESCORED", 200)
    store, rows = open_store(), random_rows(4000, 384)
    ids = filled(store, rows)
    update_codes(store)
    return store, rows.astype(np.float32), ids


def test_codes_find_nearly_all_of_the_nearest(coded) -> None:
    store, rows, ids = coded
    shares = []
    for query in rows[:20] + 0.05 * np.random.default_rng(1).normal(size=(20, 384)):
        query = (query / np.linalg.norm(query)).astype(np.float32)
        likeness = rows @ query
        exact = {ids[row] for row in np.argsort(-likeness)[:50]}
        found = Vectors(store).near(query, 50)
        shares.append(len(exact & set(found.ids.tolist())) / 50)
        wanted = likeness[np.searchsorted(ids, found.ids)]
        assert found.likeness == pytest.approx(wanted, abs=1e-5), (
            "what is found is compared exactly"
        )
        assert found.middle == pytest.approx(float(np.median(likeness)), abs=0.02)
    assert np.mean(shares) > 0.97


def test_codes_keep_to_what_is_allowed_and_add_what_is_wanted(coded) -> None:
    store, rows, ids = coded
    allowed = ids[1::7]
    farthest = [allowed[row] for row in np.argsort(rows[1::7] @ rows[0])[:3]]
    found = Vectors(store).near(rows[0], 50, wanted=farthest, allowed=allowed)
    assert set(found.ids.tolist()) <= set(allowed) and len(found.ids) == 53
    assert set(farthest) < set(found.ids.tolist())
    few = Vectors(store).near(rows[0], 50, allowed=ids[:5])
    assert sorted(few.ids.tolist()) == ids[:5]


def test_codes_of_other_lengths_than_whole_words(home, monkeypatch) -> None:
    monkeypatch.setattr(vectors, "EXACT", 10)
    store, rows = open_store(), random_rows(300, 100)
    ids = filled(store, rows)
    update_codes(store)
    codes = Codes.read(store)
    assert codes is not None and codes.bits.shape == (2, 300)
    best = Vectors(store).near(rows[9].astype(np.float32), 1)
    assert best.ids.tolist() == [ids[9]]


def test_old_codes_do_no_harm_and_are_renewed(coded) -> None:
    store, rows, _ids = coded
    searched = Vectors(store)
    searched.near(rows[0], 5)
    new = filled(store, rows[:1].astype(np.float16), "new")
    assert new[0] not in searched.near(rows[0], 5).ids, "until the sync is over"
    update_codes(store)
    assert new[0] in searched.near(rows[0], 5).ids
    store.remove("path = ?", ["docs/doc"])
    assert searched.near(rows[0], 5).ids.tolist() == new, "what is gone is not read"
    update_codes(store)
    assert Codes.read(store) is None, "so few are compared one by one"
    assert searched.near(rows[0], 5).ids.tolist() == new


def test_nothing_is_near_in_an_empty_store(home) -> None:
    assert len(Vectors(open_store()).near(np.ones(384, np.float32), 5).ids) == 0


def test_search_by_codes_is_search(home, mirror, minilm, monkeypatch) -> None:
    sync.sync_mirror(open_store(), mirror)
    queries = ("which matrices does LoRA train", "困惑度", "how is memory saved")
    exact = [open_kb().search(query) for query in queries]
    monkeypatch.setattr(vectors, "EXACT", 0)
    update_codes(open_store())
    assert Codes.read(open_store())
    assert [open_kb().search(query) for query in queries] == exact


# A LlamaIndex vector store


@pytest.fixture
def qdrant(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for Qdrant's embedded mode, named in the settings."""
    folder = tmp_path / "qdrant"
    monkeypatch.setenv("TUTOR_VECTOR_STORE", f"qdrant:{folder}")
    return folder


def test_a_vector_store_in_the_settings_finds_the_same(mirror, qdrant, minilm) -> None:
    """Qdrant, embedded: LlamaIndex's own class for it, filled by sync."""
    store = open_store()
    sync.sync_mirror(store, mirror)
    assert (qdrant / "meta.json").exists() and exported(store) == len(TOPICS)
    for query, filters in (
        ("which matrices does LoRA train", {}),
        ("困惑度", {}),
        ("how is memory saved", {"lang": "en"}),
        ("decoding", {"week": 5}),
    ):
        through = KnowledgeBase(store).search(query, **filters)
        assert through == built_in(store).search(query, **filters) != []


def test_a_vector_store_puts_forward_what_is_allowed(mirror, qdrant, minilm, monkeypatch) -> None:
    monkeypatch.setattr(outside, "FEW", 0)
    store = open_store()
    sync.sync_mirror(store, mirror)
    found = KnowledgeBase(store).search("memory of the graphics card", lang="en")
    assert found and {passage.lang for passage in found} == {"en"}


def test_a_vector_store_follows_what_changes(mirror, qdrant, minilm, tmp_path) -> None:
    store = open_store()
    sync.sync_mirror(store, mirror)
    source = mirror / "peft-docs"
    (source / "page0.md").write_text(page("Distillation teaches a small model.", 0))
    (source / "page1.md").unlink()
    sync.sync_mirror(store, mirror)
    assert exported(store) == len(TOPICS) - 1
    names = [Path(p.doc).name for p in KnowledgeBase(store).search("teaching a small model")]
    assert names[0] == "page0.md" and "page1.md" not in names
    sync.remove(store, "peft-docs/page0.md")
    assert exported(store) == len(TOPICS) - 2


def test_a_vector_store_is_there_or_it_is_said_why_not(mirror, home, minilm, monkeypatch) -> None:
    store = open_store()
    sync.sync_mirror(store, mirror)
    for target, expected, hint in (
        ("chroma:here", TutorError, "qdrant"),
        ("qdrant:http://127.0.0.1:9", MissingError, "settings"),
        (f"qdrant:{home / 'new'}", MissingError, "tutor kb sync"),
    ):
        monkeypatch.setenv("TUTOR_VECTOR_STORE", target)
        with pytest.raises(expected) as caught:
            KnowledgeBase(store).search("memory")
        assert hint in caught.value.hint, target
    monkeypatch.setitem(sys.modules, "llama_index.vector_stores.postgres", None)
    monkeypatch.setenv("TUTOR_VECTOR_STORE", "pgvector:postgresql://localhost/tutor")
    with pytest.raises(MissingError) as caught:
        sync.embed(store, sync.Summary())
    assert caught.value.hint == "pip install llama-index-vector-stores-postgres"


def test_without_one_llama_index_is_not_imported(home, mirror, minilm) -> None:
    sync.sync_mirror(open_store(), mirror)
    code = (
        "import sys; from kb import open_kb; assert open_kb().search('memory'); "
        "print({'llama_index', 'qdrant_client', 'torch'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr


def exported(store: Store) -> int:
    return store.db.execute("SELECT count(*) FROM exports").fetchone()[0]


def built_in(store: Store) -> KnowledgeBase:
    """The same index with its own vectors alone."""
    kb = KnowledgeBase(store)
    kb.__dict__["_vectors"] = Vectors(store)
    return kb
