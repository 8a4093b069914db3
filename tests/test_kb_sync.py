"""Filling the index: what is added, skipped, dropped, left out, and what a killed run leaves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kb import sync
from kb.search import open_kb
from kb.store import Store, open_store
from tutor.base.errors import Exit, MissingError, TutorError

WORDS = [
    "rank",
    "adapter",
    "gradient",
    "token",
    "batch",
    "layer",
    "weight",
    "loss",
    "prompt",
    "index",
    "query",
    "vector",
]


def write_source(mirror: Path, name: str = "docs-a", documents: int = 6) -> Path:
    folder = mirror / name
    folder.mkdir(parents=True)
    entry = {"slug": name, "repo": "someone/docs", "commit": "abc123"}
    (folder / "SOURCE.json").write_text(json.dumps([entry]))
    (folder / "LICENSE").write_text("MIT License\n\nCopyright (c) Someone")
    for number in range(documents):
        words = random.Random(number)
        body = "\n\n".join(
            f"## Part {part}\n\n" + " ".join(words.choices(WORDS, k=60)) + "." for part in range(4)
        )
        (folder / f"page{number}.md").write_text(f"# Page {number}\n\n{body}\n")
    return folder


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    write_source(tmp_path / "mirror")
    return tmp_path / "mirror"


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


def count(store: Store, table: str) -> int:
    return store.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_mirror_is_indexed_with_licence_and_address(store, mirror, minilm) -> None:
    summary = sync.sync_mirror(store, mirror)
    assert summary.added == 6 and not summary.problems
    held = store.stats()
    assert held.documents == 6 and held.embedded == held.passages == summary.embedded > 6
    passage = open_kb().search("gradient of the adapter")[0]
    assert passage.licence == "MIT"
    assert passage.url.startswith("https://github.com/someone/docs/blob/abc123/page")
    assert passage.doc.startswith("docs-a/page") and passage.source == "docs-a"


def test_only_what_changed_is_done_again(store, mirror, minilm) -> None:
    sync.sync_mirror(store, mirror)
    again = sync.sync_mirror(store, mirror)
    assert (again.added, again.updated, again.unchanged, again.embedded) == (0, 0, 6, 0)

    (mirror / "docs-a/page0.md").write_text(
        "# Page 0\n\nNow about distillation and nothing else.\n"
    )
    (mirror / "docs-a/page1.md").unlink()
    third = sync.sync_mirror(store, mirror)
    assert (third.updated, third.removed, third.unchanged) == (1, 1, 4)
    assert third.embedded == 1
    assert open_kb().search("distillation", k=1)[0].doc == "docs-a/page0.md"
    assert count(store, "passages") == count(store, "passages_fts") == count(store, "vectors")


def test_broken_files_are_reported_and_the_rest_goes_on(store, mirror, minilm) -> None:
    folder = mirror / "docs-a"
    (folder / "broken.pdf").write_bytes(b"%PDF-1.5 not really")
    (folder / "empty.md").write_bytes(b"")
    (folder / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (folder / "bad.ipynb").write_text("{")
    (folder / "noise.txt").write_bytes(bytes(range(128, 256)) * 9)
    with (folder / "huge.md").open("wb") as file:
        file.truncate(26 * 1024 * 1024)
    (folder / "dangling.md").symlink_to(folder / "nowhere.md")
    (folder / "ignored.bin").write_bytes(b"\0" * 99)
    summary = sync.sync_mirror(store, mirror)
    left_out = {Path(problem.path).name for problem in summary.problems}
    assert left_out == {
        "broken.pdf", "empty.md", "picture.md", "bad.ipynb", "noise.txt", "huge.md",
    }  # fmt: skip
    assert all(problem.reason for problem in summary.problems)
    assert summary.added == 6


def test_a_file_that_breaks_later_is_dropped(store, mirror) -> None:
    sync.sync_mirror(store, mirror)
    (mirror / "docs-a/page2.md").write_bytes(b"\0\0\0")
    summary = sync.sync_mirror(store, mirror)
    assert summary.removed == 1 and len(summary.problems) == 1
    assert count(store, "documents") == 5


def test_a_folder_without_sources_is_a_usage_error(store, tmp_path) -> None:
    with pytest.raises(TutorError, match="no source") as caught:
        sync.sync_mirror(store, tmp_path)
    assert caught.value.code == Exit.USAGE and "kb add" in caught.value.hint


def test_own_files_are_added_and_removed(store, tmp_path, minilm) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "lora.md").write_text("# Mine\n\nThe zebrafish adapter uses rank forty-two.\n")
    (notes / "more.txt").write_text("Plain words about the quokka scheduler and its warmup.\n")
    assert sync.add(store, notes).added == 2
    found = open_kb().search("zebrafish", k=1)[0]
    assert (found.source, found.doc) == ("mine", "mine/notes/lora.md")

    single = tmp_path / "alone.md"
    single.write_text("# Alone\n\nA file by itself about numbats and tokens.\n")
    assert sync.add(store, single).added == 1
    assert count(store, "documents") == 3

    assert sync.remove(store, "mine/notes/lora.md") == 1
    assert sync.remove(store, "mine") == 2
    with pytest.raises(TutorError, match="no source or document"):
        sync.remove(store, "mine")


def added_folder(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "note.md").write_text(f"# Note\n\nSome lines that tell about {text} at length.\n")
    return folder


def test_a_name_removes_what_lies_under_it_and_nothing_else(store, tmp_path) -> None:
    for name in ("my_notes", "my-notes", "MyXnotes", "my_notes2"):
        sync.add(store, added_folder(tmp_path / name, name))
    assert sync.remove(store, "mine/my_notes") == 1
    assert {path.split("/")[1] for path in store.hashes("mine")} == {
        "my-notes", "MyXnotes", "my_notes2",
    }  # fmt: skip


def test_two_folders_of_one_name_stand_side_by_side(store, tmp_path) -> None:
    first = added_folder(tmp_path / "a/notes", "zebrafish")
    second = added_folder(tmp_path / "b/notes", "numbats")
    assert sync.add(store, first).added == sync.add(store, second).added == 1
    names = set(store.hashes("mine"))
    assert "mine/notes/note.md" in names and len(names) == 2
    (first / "note.md").unlink()
    (first / "other.md").write_text("# Other\n\nWhat stands here has taken the place of it.\n")
    again = sync.add(store, first)
    assert (again.added, again.removed) == (1, 1)
    assert sync.add(store, second).unchanged == 1
    assert set(store.hashes("mine")) == names - {"mine/notes/note.md"} | {"mine/notes/other.md"}


def test_a_folder_by_the_name_of_the_webs_pages_is_kept(store, home, tmp_path) -> None:
    sync.add(store, added_folder(tmp_path / "added", "quokkas"))
    (home / "added").mkdir()
    (home / "added/SOURCE.json").write_text("[]")
    assert sync.add_pages(store, home / "added").removed == 0
    assert sync.add(store, tmp_path / "added").unchanged == 1


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_a_file_name_that_is_no_utf_8_is_indexed(store, tmp_path) -> None:
    folder = added_folder(tmp_path / "notes", "wombats")
    (folder / "note.md").rename(folder / os.fsdecode("笔记.md".encode("gb18030")))
    assert sync.add(store, folder).added == 1
    assert sync.add(store, folder).unchanged == 1


def test_the_default_index_holds_lessons_and_docstrings(store, monkeypatch) -> None:
    monkeypatch.setattr(sync, "PACKAGES", ("peft",))
    monkeypatch.setattr(sync.encoder, "present", lambda: False)
    summary = sync.build_default(store)
    held = store.stats()
    assert held.by_source["docstrings/peft"] > 100 and held.by_source["lessons"] > 10
    assert summary.without_vectors == held.passages, "words alone are indexed without the encoder"
    assert "tutor model pull minilm" in sync.without_vectors_note(summary)
    found = open_kb().search("LoraConfig use_rslora", k=3)
    assert any(p.doc == "docstrings/peft/LoraConfig" for p in found)
    again = sync.build_default(store)
    assert (again.added, again.updated, again.removed) == (0, 0, 0)


def test_an_index_of_other_rules_is_refused_until_rebuilt(store, mirror, monkeypatch) -> None:
    sync.sync_mirror(store, mirror)
    monkeypatch.setattr("kb.chunk.VERSION", "of tomorrow")
    with pytest.raises(TutorError) as caught:
        open_kb()
    assert caught.value.hint == "tutor kb sync --rebuild"
    store.clear()
    sync.sync_mirror(store, mirror)
    assert open_kb().search("gradient")


def test_nothing_there_is_said_with_the_way_out(home) -> None:
    for _ in range(2):  # without a file, then with an empty one
        with pytest.raises(MissingError) as caught:
            open_kb()
        assert caught.value.hint == "tutor setup"
        open_store().close()


def test_a_damaged_file_is_said(home) -> None:
    (home / "kb.db").write_bytes(b"not a database at all, but long enough to look at" * 100)
    with pytest.raises(TutorError, match="damaged"):
        open_kb()


RUN = (
    "import sys\n"
    "from pathlib import Path\n"
    "from kb import sync\n"
    "from kb.store import open_store\n"
    "sync.BATCH = 4\n"
    "print('ready', flush=True)\n"
    "sync.sync_mirror(open_store(), Path(sys.argv[1]))\n"
)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_is_finished_by_the_next(home, mirror, minilm) -> None:
    """kill -9 at random moments of reading and embedding: the end is as if undisturbed."""
    write_source(mirror, "docs-b", 30)
    undisturbed = open_store(home / "undisturbed.db")
    sync.sync_mirror(undisturbed, mirror)
    wanted = undisturbed.stats()

    chance = random.Random(7)
    for _ in range(5):
        run = subprocess.Popen([sys.executable, "-c", RUN, str(mirror)], stdout=subprocess.PIPE)
        assert run.stdout and run.stdout.readline() == b"ready\n"
        before = time.monotonic() + chance.uniform(0.02, 0.2)
        while run.poll() is None and time.monotonic() < before:
            time.sleep(0.005)
        held = open_store().stats()
        if held.passages == wanted.passages and run.poll() is None:
            # Everything is read: let some batches be embedded before the blow.
            target = held.embedded + chance.randint(1, 40)
            while run.poll() is None and open_store().stats().embedded < target:
                time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert open_store().db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    sync.sync_mirror(open_store(), mirror)
    assert open_store().stats() == wanted


SAID = (
    "Low-rank adapters freeze the weights of the model and learn two small matrices beside each "
    "of them, so that {} parameters are trained and the optimizer's state stays small as well."
)


def write_copies(mirror: Path) -> None:
    """Three documents that say the same, one of them with another number."""
    for name in ("docs-b", "docs-c", "docs-d"):
        folder = write_source(mirror, name, 0)
        number = "2,048" if name == "docs-d" else "1,024"
        (folder / "lora.md").write_text(f"# {name}\n\n{SAID.format(number)}\n")


def test_what_several_documents_say_is_one_passage(store, mirror, minilm) -> None:
    write_copies(mirror)
    sync.sync_mirror(store, mirror)
    held = store.stats()
    assert held.copies == 1 and held.embedded == held.passages
    assert count(store, "passages") == held.passages + 1
    (passage,) = store.passages(originals(store)).values()
    assert (passage.doc, passage.also) == ("docs-b/lora.md", ("docs-c/lora.md",))
    found = open_kb().search("low-rank adapters freeze the weights: 1,024 parameters", k=9)
    assert found[0] == replace(passage, score=found[0].score)
    assert documents_about(store, "matrices") == {"docs-b/lora.md", "docs-d/lora.md"}


def originals(store: Store) -> list[int]:
    return [row[0] for row in store.db.execute("SELECT original FROM copies")]


def documents_about(store: Store, word: str) -> set[str]:
    return {passage.doc for passage in store.passages(list(store.by_words(word, 9))).values()}


def test_a_copy_takes_its_originals_place(store, mirror, minilm) -> None:
    write_copies(mirror)
    sync.sync_mirror(store, mirror)
    wanted = store.content_sha256()

    assert sync.remove(store, "docs-b") == 1
    assert store.stats().copies == 0 and store.without_vectors() == 0
    assert documents_about(store, "matrices") == {"docs-c/lora.md", "docs-d/lora.md"}

    sync.sync_mirror(store, mirror)
    assert store.content_sha256() == wanted, "added again, it is as it was"

    (mirror / "docs-b/lora.md").write_text("# Other\n\nThis page speaks of distillation now.\n")
    sync.sync_mirror(store, mirror)
    assert store.stats().copies == 0

    other = open_store(store.path.with_name("other.db"))  # the same files, in another order
    for name in ("docs-d", "docs-a", "docs-c", "docs-b"):
        one = store.path.parent / "one"
        one.mkdir(exist_ok=True)
        (one / name).symlink_to(mirror / name)
        sync.sync_mirror(other, one)
    assert other.content_sha256() == store.content_sha256()


def test_a_weeks_passages_are_those_of_copies_too(store, mirror) -> None:
    write_copies(mirror)
    sync.sync_mirror(store, mirror)
    store.db.execute("UPDATE documents SET weeks = '[5]' WHERE path = 'docs-c/lora.md'")
    store.db.conn.commit()
    assert store.filtered(5, None) == set(originals(store))


def test_docstrings_of_the_same_version_are_not_read_again(store, monkeypatch) -> None:
    monkeypatch.setattr(sync, "PACKAGES", ("peft",))
    monkeypatch.setattr(sync.encoder, "present", lambda: False)
    first = sync.build_default(store)
    wanted = store.content_sha256()
    monkeypatch.setattr(sync, "api_entries", lambda _: pytest.fail("they were read again"))
    again = sync.build_default(store)
    assert again.unchanged == first.added and again.added == 0
    monkeypatch.undo()
    monkeypatch.setattr(sync, "PACKAGES", ("peft",))
    monkeypatch.setattr(sync.encoder, "present", lambda: False)
    sync.remove(store, "docstrings/peft/LoraConfig")
    assert sync.build_default(store).added == 1
    assert store.content_sha256() == wanted


def real_mirror(mirror: Path, documents: int) -> None:
    """Lay small real documents out as a mirror, where there are any."""
    corpus = Path(__file__).parents[2] / "shared/corpus"
    for name in ("peft-docs", "hf-course", "hf-notebooks"):
        found = sorted(
            p for p in (corpus / name).rglob("*.*") if p.suffix in (".md", ".mdx", ".ipynb")
        )
        small = [path for path in found if path.stat().st_size < 12_000]
        if small:
            folder = write_source(mirror, name, 0)
            for path in small[: documents // 3]:
                (folder / path.name).write_bytes(path.read_bytes())


KILLED = RUN.replace("sync.BATCH = 4", "sync.BATCH = 16")


@pytest.mark.slow
def test_twenty_kills_leave_a_whole_file_each_and_the_same_end(home, mirror, minilm) -> None:
    write_copies(mirror)
    real_mirror(mirror, 30)
    undisturbed = open_store(home / "undisturbed.db")
    sync.sync_mirror(undisturbed, mirror)
    wanted = undisturbed.stats()
    assert wanted.copies

    chance = random.Random(11)
    killed = 0
    for _ in range(20):
        run = subprocess.Popen([sys.executable, "-c", KILLED, str(mirror)], stdout=subprocess.PIPE)
        assert run.stdout and run.stdout.readline() == b"ready\n"
        try:
            run.wait(chance.uniform(0.0, 0.6) if killed < 8 else chance.uniform(0.5, 6.0))
            open_store().clear()  # it came to its end: begin anew
        except subprocess.TimeoutExpired:
            killed += 1
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert open_store().db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert killed >= 10
    sync.sync_mirror(open_store(), mirror)
    assert open_store().stats() == wanted
