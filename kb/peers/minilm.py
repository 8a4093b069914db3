"""all-MiniLM-L6-v2 alone: the passages whose vectors are nearest to the question's."""

from __future__ import annotations

import numpy as np

from kb.encoder import QuestionEncoder
from kb.evaluate import System
from kb.model import Passage
from kb.store import Store
from kb.sync import Progress


def systems(store: Store, progress: Progress) -> dict[str, System]:
    return {"minilm": MiniLm(store)}


class MiniLm:
    """Exact cosine with the vectors that the store holds; the question as it is typed."""

    def __init__(self, store: Store) -> None:
        """Raises MissingError where the encoder is not there."""
        self.store = store
        self.encoder = QuestionEncoder()

    def search(self, query: str, k: int) -> list[Passage]:
        matrix = self.store.matrix()
        nearest = np.argsort(-(matrix.rows @ self.encoder.encode(query)))[:k]
        ids = matrix.ids[nearest].tolist()
        found = self.store.passages(ids)
        return [found[id_] for id_ in ids if id_ in found]
