"""A question adapter: the encoder's view of a question, turned towards this index's passages.

The encoder learned from web questions. A linear map on the question's vector, learned in a minute
from the documents themselves (headings, questions and sentences that stand in them, each with the
passage that it is from), brings questions nearer to the passages that answer them. The passages'
vectors stay as they are. The loss is InfoNCE over the passages that pairs name (van
den Oord et al. 2018, arXiv:1807.03748).

Imports nothing heavy: `fit` does, `Adapter.apply` needs numpy alone.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb import encoder, words
from tutor.base.errors import TutorError
from tutor.base.i18n import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kb.store import Store

LEAST = 5_000
"""Passages. With fewer there is too little to learn from."""
MOST = 12_000
"""Pairs learned from: enough, and some 15 s of encoding on two cores."""
HELD_OUT = 0.05
CHANGED = 0.2
"""The share of passages that must have changed before a sync learns the adapter again."""
EPOCHS, BATCH, RATE, DECAY, SCALE = 3, 256, 3e-4, 0.02, 20.0
"""SCALE: 1 / temperature, as the encoder itself was trained with."""

_QUESTION = re.compile(r"(?<=[\s.!?:])([A-Z][^.!?\n]{20,140}\?)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_NUMBER = re.compile(r"^[\d.]+\s+")
_EMPTY_HEADINGS = (
    "introduction usage example examples overview conclusion resources install installation setup "
    "summary notes references requirements parameters"
)
_SAYS_NOTHING = frozenset(_EMPTY_HEADINGS.split())


@dataclass(frozen=True)
class Pair:
    """Words that a question for the passage may be made of."""

    text: str
    passage: int


@dataclass(frozen=True)
class Outcome:
    """hit@5 on pairs held out from learning, among the passages that any pair names, without and
    with the adapter; it is kept only if it helps there. pairs: how many it learned from."""

    pairs: int
    hit_5_before: float
    hit_5_after: float
    kept: bool


@dataclass(frozen=True)
class Adapter:
    """x -> x + x A + b, brought to length 1. a: (384, 384), b: (384,)."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]

    def apply(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn vectors of questions, shape (384,) or (n, 384)."""
        import numpy as np

        turned = vectors + vectors @ self.a + self.b
        return turned / np.linalg.norm(turned, axis=-1, keepdims=True)

    def to_bytes(self) -> bytes:
        import numpy as np

        file = io.BytesIO()
        np.savez(file, a=self.a.astype(np.float16), b=self.b.astype(np.float16))
        return file.getvalue()

    @staticmethod
    def from_bytes(data: bytes) -> Adapter:
        import numpy as np

        with np.load(io.BytesIO(data)) as file:
            return Adapter(file["a"].astype(np.float32), file["b"].astype(np.float32))


def due(store: Store) -> bool:
    """Whether so much has changed since the adapter was learned that a sync should do it anew."""
    count, learned_on = store.vector_count(), store.adapter_passages()
    return count >= LEAST and abs(count - learned_on) > CHANGED * count and encoder.present()


def tune(store: Store, progress: Callable[[str, int, int], None]) -> Outcome:
    """Learn the adapter from the index and store it if it helps on what was held out.

    Raises TutorError where the index is too small, MissingError where the encoder is not there.
    """
    import numpy as np

    from kb.vectors import vectors_of

    if store.vector_count() < LEAST:
        raise TutorError(
            say(
                f"The index is too small to learn from: it needs {LEAST:,} passages.",
                f"索引太小，不足以学习：至少需要 {LEAST:,} 段。",
            ),
            "tutor kb sync",
        )
    found = _pairs(store)
    questions = _encoded(found, progress)
    # Learning from the passages that pairs name alone bounds its memory whatever the index's size.
    ids, rows = vectors_of(store, sorted({pair.passage for pair in found}))
    targets = np.searchsorted(ids, [pair.passage for pair in found])
    held = int(HELD_OUT * len(found))
    adapter = fit(questions[held:], targets[held:], rows)
    before = hit_5(questions[:held], targets[:held], rows)
    after = hit_5(adapter.apply(questions[:held]), targets[:held], rows)
    kept = after > before
    store.put_adapter(adapter.to_bytes() if kept else b"", store.vector_count())
    return Outcome(len(found) - held, round(before, 3), round(after, 3), kept)


def _encoded(pairs: list[Pair], progress: Callable[[str, int, int], None]) -> NDArray[np.float32]:
    """Return the texts' vectors; texts of like length are encoded together, with little padding."""
    import numpy as np

    batches = encoder.BatchEncoder()
    order = sorted(range(len(pairs)), key=lambda at: len(pairs[at].text))
    rows: NDArray[np.float32] | None = None
    for at in range(0, len(order), 1024):
        part = order[at : at + 1024]
        encoded = batches.encode([pairs[index].text for index in part])
        if rows is None:
            rows = np.empty((len(pairs), encoded.shape[1]), np.float32)
        rows[part] = encoded
        progress("tune", at + len(part), len(pairs))
    assert rows is not None, "an index of LEAST passages yields pairs"
    return rows


def fit(
    questions: NDArray[np.float32], targets: NDArray[np.int64], passages: NDArray[np.float32]
) -> Adapter:
    """Return the adapter that brings questions (n, 384) nearest to their passages.

    targets: (n,), the row of each question's passage in passages (m, 384).
    """
    import torch

    torch.manual_seed(0)
    rows, texts = torch.from_numpy(passages), torch.from_numpy(questions)
    wanted = torch.from_numpy(targets)
    a = torch.zeros(rows.shape[1], rows.shape[1], requires_grad=True)
    b = torch.zeros(rows.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([a, b], lr=RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(texts)).split(BATCH):
            x = texts[batch]
            turned = torch.nn.functional.normalize(x + x @ a + b, dim=1)
            loss = torch.nn.functional.cross_entropy(SCALE * turned @ rows.T, wanted[batch])
            loss = loss + DECAY * (a**2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Adapter(a.detach().numpy(), b.detach().numpy())


def hit_5(
    questions: NDArray[np.float32], targets: NDArray[np.int64], passages: NDArray[np.float32]
) -> float:
    """Return the share of questions whose passage is among the five nearest of `passages`.

    Shapes as for `fit`.
    """
    likeness = questions @ passages.T
    own = likeness[range(len(targets)), targets]
    return float(((likeness > own[:, None]).sum(axis=1) < 5).mean())


def _pairs(store: Store) -> list[Pair]:
    """Return at most MOST pairs of English text and passage, shuffled, the same each time."""
    pairs = list(dict.fromkeys(_all_pairs(store)))
    chance = random.Random(0)
    chance.shuffle(pairs)
    return pairs[:MOST]


def _all_pairs(store: Store) -> Iterator[Pair]:
    chance = random.Random(0)
    place = None
    for id_, path, heading, text in store.embedded("en"):
        body = words.encoder_text("", "", text, "en").strip()
        if len(body) < 150:
            continue
        last = _NUMBER.sub("", heading.rpartition(" > ")[2].strip())
        if place != (path, heading) and len(last) > 6 and last.lower() not in _SAYS_NOTHING:
            yield Pair(last, id_)
        place = path, heading
        if asked := _QUESTION.search(text):
            yield Pair(asked[1], id_)
        sentences = [s for s in _SENTENCE_END.split(body) if 40 < len(s) < 220]
        if len(sentences) > 2:
            yield Pair(chance.choice(sentences), id_)
