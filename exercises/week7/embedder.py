"""What embeds in week 7's criteria where the real encoder would only cost time."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Embedder:
    """Hashed counts of words as vectors of length 1, and what it was asked."""

    def __init__(self, size: int = 256) -> None:
        self.size = size
        self.calls: list[list[str]] = []

    @property
    def texts(self) -> list[str]:
        return [text for some in self.calls for text in some]

    def __call__(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """Return (len(texts), size)."""
        texts = list(texts)
        self.calls.append(texts)
        rows = np.zeros((len(texts), self.size), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[zlib.crc32(word.encode()) % self.size] += 1
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
