"""What the knowledge base costs as it grows: python benchmarks/kb_scale.py

An index's own passages and vectors are written over and over, each time with noise, through the
store that `tutor kb sync` writes with: a fifth of a text's words are another passage's, and a vector
is moved by half the difference of two others, that is in directions in which real ones differ. The
embedding itself (some 75 passages a second on two cores) is left out.

Searches are warm, one after another, for five passages. "words" and "vectors" are the two parts
of a search. recall@50: how many of the exact fifty nearest are among the fifty that are found.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kb import glossary, vectors, words
from kb.encoder import QuestionEncoder
from kb.model import Piece
from kb.search import DEPTH, KnowledgeBase, word_queries
from kb.store import DocumentRow, Store, open_store
from tutor.base import home

NOISE = 0.2
"""The share of words that are replaced."""
SHIFT = 0.5
"""How far a vector moves, in differences of two others."""
NEAREST = 50
BATCH = 2048
_WORD_END = re.compile(r"(\s+|[，。；：、！？])")


@dataclass(frozen=True)
class Original:
    """A document of the index with its passages that have a vector: (passages, dimensions)."""

    row: DocumentRow
    pieces: list[Piece]
    rows: NDArray[np.float32]


@dataclass(frozen=True)
class Line:
    """What is measured at one size; times in milliseconds but where they are rates."""

    passages: int
    megabytes: float
    passages_per_s: float
    """Written since the size before: text, word index and vector."""
    codes_s: float
    search_p50: float
    search_p95: float
    words_p50: float
    words_p95: float
    vectors_p50: float
    vectors_p95: float
    recall_50: float
    peak_mb: float
    """Most memory of this process so far."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--index", type=Path, default=home.kb_file())
    parser.add_argument("--questions", type=Path, help="JSON lines; without it, 200 headings")
    parser.add_argument("--within", type=Path, help="folder for 4 KB a passage, while it runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    source = open_store(options.index)
    asked = questions(source, options.questions)
    lines = []
    with tempfile.TemporaryDirectory(dir=options.within) as folder:
        store = open_store(Path(folder) / "kb.db")
        for line in grow(store, originals(source), options.sizes, asked):
            print(line, file=sys.stderr)
            lines.append(line)
    print(json.dumps([asdict(line) for line in lines], indent=2) if options.json else table(lines))


def questions(source: Store, path: Path | None) -> list[str]:
    if path:
        return [json.loads(line)["question"] for line in path.read_bytes().splitlines()]
    headings = source.db.execute(
        "SELECT DISTINCT heading FROM passages WHERE heading != '' ORDER BY heading"
    ).fetchall()
    chosen = random.Random(0).sample(headings, min(200, len(headings)))
    return [heading.replace(" > ", " ") for (heading,) in chosen]


def originals(source: Store) -> list[Original]:
    """Read an index's documents with what has a vector of theirs."""
    documents = source.db.execute(
        "SELECT id, path, source, title, lang, licence, url, weeks, sha256 FROM documents"
    ).fetchall()
    found = []
    for id_, *columns, weeks, sha256 in documents:
        rows = source.db.execute(
            "SELECT p.heading, p.text, p.page, p.lang, v.vector FROM passages p "
            "JOIN vectors v ON v.passage_id = p.id WHERE p.document_id = ? ORDER BY p.ordinal",
            [id_],
        ).fetchall()
        if rows:
            row = DocumentRow(*columns, tuple(json.loads(weeks)), sha256)
            _, matrix = vectors.arrays([(0, vector) for *_, vector in rows])
            found.append(Original(row, [Piece(*rest) for *rest, _ in rows], matrix))
    return found


def grow(store: Store, from_: list[Original], sizes: list[int], asked: list[str]) -> Iterator[Line]:
    """Grow one store from size to size, and measure it at each."""
    copies = copied(from_)
    held = 0
    for size in sorted(sizes):
        began = time.monotonic()
        held, before = write(store, copies, held, size), held
        rate = (held - before) / (time.monotonic() - began)
        began = time.monotonic()
        vectors.update_codes(store)
        codes_s = time.monotonic() - began
        yield measure(store, asked, held, rate, codes_s)


def copied(from_: list[Original]) -> Iterator[Original]:
    """Yield the documents as they are, then over and over with noise."""
    chance, noise = random.Random(0), np.random.default_rng(0)
    everything = np.concatenate([original.rows for original in from_])
    texts = [piece.text for original in from_ for piece in original.pieces]
    yield from from_
    for number in itertools.count(1):
        for original in from_:
            a, b = noise.integers(0, len(everything), (2, len(original.rows)))
            rows = original.rows + SHIFT * (everything[a] - everything[b])
            row = renamed(original.row, number)
            pieces = [
                Piece(p.heading, noisy(p.text, chance.choice(texts), chance), p.page, p.lang)
                for p in original.pieces
            ]
            yield Original(row, pieces, rows / np.linalg.norm(rows, axis=1, keepdims=True))


def renamed(row: DocumentRow, number: int) -> DocumentRow:
    """Give a document another path: a word of letters alone, as paths are indexed too."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))
    return replace(row, path=f"zzq{letters}/{row.path}")


def noisy(text: str, other: str, chance: random.Random) -> str:
    """Put another text's words in place of a share of a text's."""
    parts, others = _WORD_END.split(text), _WORD_END.split(other)[::2]
    for at in range(0, len(parts), 2):
        if chance.random() < NOISE:
            parts[at] = chance.choice(others)
    return "".join(parts)[:1000]


def write(store: Store, copies: Iterator[Original], held: int, size: int) -> int:
    """Write documents until the store holds `size` passages; return how many it holds."""
    ids: list[int] = []
    rows: list[NDArray[np.float32]] = []
    while held < size:
        original = next(copies)
        store.put(original.row, original.pieces)
        found = store.db.execute(
            "SELECT p.id FROM passages p JOIN documents d ON d.id = p.document_id "
            "WHERE d.path = ? ORDER BY p.ordinal",
            [original.row.path],
        )
        ids += [id_ for (id_,) in found]
        rows.append(original.rows)
        held += len(original.pieces)
        if len(ids) >= BATCH or held >= size:
            store.put_vectors(ids, np.concatenate(rows).astype(np.float16))
            ids, rows = [], []
    return held


def measure(store: Store, asked: list[str], held: int, rate: float, codes_s: float) -> Line:
    kb = KnowledgeBase(store)
    near = vectors.Vectors(store)
    encoder = QuestionEncoder()
    texts = [glossary.gist(q) or q if words.is_chinese(q) else q for q in asked]
    encoded = np.stack([encoder.encode(text) for text in texts])
    search = timed([lambda q=q: kb.search(q) for q in asked])
    by_words = timed(
        [lambda q=q: [store.by_words(w, DEPTH) for w in word_queries(q)] for q in asked]
    )
    by_vectors = timed([lambda row=row: near.near(row, DEPTH) for row in encoded])
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Line(
        passages=held,
        megabytes=round(store.path.stat().st_size / 1e6, 1),
        passages_per_s=round(rate),
        codes_s=round(codes_s, 1),
        search_p50=search[0], search_p95=search[1],
        words_p50=by_words[0], words_p95=by_words[1],
        vectors_p50=by_vectors[0], vectors_p95=by_vectors[1],
        recall_50=recall(store, near, encoded),
        peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    )  # fmt: skip


def timed(calls: list[Callable[[], object]]) -> tuple[float, float]:
    """Return p50 and p95 of calls, in milliseconds, after some to warm up."""
    for call in calls[:5]:
        call()
    times = []
    for call in calls:
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(times), 1), round(float(np.percentile(times, 95)), 1)


def recall(store: Store, near: vectors.Vectors, encoded: NDArray[np.float32]) -> float:
    """Return which share of the exact fifty nearest the fifty that are found hold."""
    best = [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(encoded)
    for ids, rows in vectors.all_vectors(store):
        for at, likeness in enumerate(encoded @ rows.T):
            both_ids = np.concatenate([best[at][0], ids])
            both = np.concatenate([best[at][1], likeness])
            top = np.argsort(-both, kind="stable")[:NEAREST]
            best[at] = both_ids[top], both[top]
    shares = []
    for row, (exact, _) in zip(encoded, best, strict=True):
        found = near.near(row, NEAREST).ids
        shares.append(len(np.intersect1d(found, exact)) / max(1, len(exact)))
    return round(statistics.mean(shares), 4)


def table(lines: list[Line]) -> str:
    heads = (
        f"{'passages':>10}{'MB':>8}{'written/s':>11}{'codes s':>9}{'search p50/p95 ms':>20}"
        f"{'words':>16}{'vectors':>16}{'recall@50':>11}{'peak MB':>9}"
    )
    rows = [
        f"{x.passages:>10,}{x.megabytes:>8.0f}{x.passages_per_s:>11,.0f}{x.codes_s:>9.1f}"
        f"{f'{x.search_p50} / {x.search_p95}':>20}{f'{x.words_p50} / {x.words_p95}':>16}"
        f"{f'{x.vectors_p50} / {x.vectors_p95}':>16}{x.recall_50:>11.3f}{x.peak_mb:>9.0f}"
        for x in lines
    ]
    return "\n".join([heads, *rows])


if __name__ == "__main__":
    main()
