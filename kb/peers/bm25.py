"""bm25s (Lù 2024, arXiv:2407.03618) with its English stop words and Snowball's stemmer, over
passages with title and heading in front; Chinese is cut by jieba, without which it would be lost."""

from __future__ import annotations

import logging

import bm25s
import jieba
import Stemmer

from kb import words
from kb.evaluate import System
from kb.model import Passage
from kb.peers import passages
from kb.store import Store
from kb.sync import Progress


def systems(store: Store, progress: Progress) -> dict[str, System]:
    return {"bm25s": Bm25s(passages.searched(store))}


class Bm25s:
    """bm25s as its documentation sets it up."""

    def __init__(self, found: list[Passage]) -> None:
        jieba.setLogLevel(logging.WARNING)
        self.passages = found
        self.stemmer = Stemmer.Stemmer("english")
        texts = [f"{p.title}\n{p.heading}\n{p.text}" for p in found]
        self.index = bm25s.BM25()
        self.index.index(self._tokens(texts), show_progress=False)

    def search(self, query: str, k: int) -> list[Passage]:
        most = min(k, len(self.passages))
        rows, scores = self.index.retrieve(self._tokens([query]), k=most, show_progress=False)
        return [
            self.passages[row] for row, score in zip(rows[0], scores[0], strict=True) if score > 0
        ]

    def _tokens(self, texts: list[str]) -> bm25s.tokenization.Tokenized:
        return bm25s.tokenize(
            [" ".join(jieba.cut(text)) if words.is_chinese(text) else text for text in texts],
            stopwords="en",
            stemmer=self.stemmer,
            show_progress=False,
        )
