"""Chunking: no passage is too long, nothing is lost, rows and lines stay whole."""

from __future__ import annotations

import random
from pathlib import Path

from kb.chunk import MOST, passages, split
from kb.model import Block, Document, Section
from kb.parse import SUFFIXES, parse


def bare(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def document(*blocks: Block, heading: tuple[str, ...] = ("Top",)) -> Document:
    return Document("T", (Section(heading, blocks),), "en")


def test_short_sections_share_a_passage_and_name_their_headings() -> None:
    sections = tuple(
        Section(("Top", name), (Block("text", f"About {name}. " * 5),))
        for name in ("Alpha", "Beta")
    )
    (piece,) = passages(Document("T", sections, "en"))
    assert piece.heading == "Top > Alpha"
    assert "## Beta" in piece.text


def test_long_text_is_cut_between_sentences_into_like_parts() -> None:
    text = " ".join(f"Sentence number {n} says something of its own." for n in range(60))
    pieces = passages(document(Block("text", text)))
    assert all(len(piece.text) <= MOST for piece in pieces)
    assert all(piece.text.endswith(".") for piece in pieces)
    assert bare("".join(piece.text for piece in pieces)) == bare(text)


def test_code_is_cut_between_lines_and_stays_fenced() -> None:
    lines = [f"value_{n} = compute({n}, 'something long enough')" for n in range(60)]
    parts = split(Block("code", "```python\n" + "\n".join(lines) + "\n```"))
    assert len(parts) > 1
    assert all(part.startswith("```python\n") and part.endswith("\n```") for part in parts)
    kept = [line for part in parts for line in part.split("\n")[1:-1]]
    assert kept == lines


def test_a_table_is_cut_between_rows_under_its_head() -> None:
    rows = [f"| model {n} | {n * 7} | {'x' * 40} |" for n in range(60)]
    parts = split(Block("table", "\n".join(["| name | size | note |", "|---|---|---|", *rows])))
    assert len(parts) > 1
    assert all(part.startswith("| name | size | note |\n|---|---|---|\n") for part in parts)
    assert [row for part in parts for row in part.split("\n")[2:]] == rows


def test_what_has_no_place_to_cut_is_cut_all_the_same() -> None:
    for block in (
        Block("text", "a" * 5000),
        Block("code", f"```{'x' * 3000}\n{'y' * 3000}\n```"),
        Block("table", f"| {'h' * 2000} |\n|---|\n| {'c' * 2000} |\n| z |"),
        Block("text", "字" * 5000),
    ):
        parts = split(block)
        assert parts and all(0 < len(part) <= MOST for part in parts)


def test_pages_and_languages_stay_with_their_passages() -> None:
    sections = (
        Section(("A",), (Block("text", "Words of the first page. " * 30),), page=1),
        Section(("B",), (Block("text", "第二页讲的是量化。" * 60),), page=2),
    )
    pieces = passages(Document("T", sections, "en"))
    assert {(piece.page, piece.lang) for piece in pieces} == {(1, "en"), (2, "zh")}


def test_nothing_without_words_becomes_a_passage() -> None:
    assert passages(document(Block("text", "---"), Block("code", "```\n```"))) == []


def test_real_documents_keep_every_letter(shared: Path) -> None:
    """On real files of every kind: no passage over the limit, no letter of the blocks lost."""
    files = [p for p in sorted((shared / "corpus").rglob("*")) if p.suffix in SUFFIXES]
    for path in random.Random(4).sample(files, 60):
        try:
            whole = parse(path, path.read_bytes())
        except Exception as error:  # noqa: BLE001
            assert type(error).__name__ == "UnreadableError", path
            continue
        pieces = passages(whole)
        assert all(0 < len(piece.text) <= MOST for piece in pieces), path
        letters = sum(len(bare(b.text)) for s in whole.sections for b in s.blocks)
        kept = sum(len(bare(piece.text)) for piece in pieces)
        assert kept >= 0.98 * letters, path
