"""LlamaIndex as its tutorials set it up: SentenceSplitter, VectorStoreIndex, and both fused with its
BM25 by QueryFusionRetriever's reciprocal rank.

Two things are not stock, for the comparison's sake: the splitter counts characters in place of
tokens, 1,000 with an overlap of 200 (its defaults are 1,024 and 200), so that a piece is as long as
one of our passages at most; and the embedding model is the same MiniLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore
from llama_index.retrievers.bm25 import BM25Retriever
from pydantic import PrivateAttr

from kb.encoder import QuestionEncoder
from kb.evaluate import System
from kb.peers import Found, passages
from kb.peers.cache import encoded
from kb.store import Store
from kb.sync import Progress

PIECE = 1000
OVERLAP = 200


def systems(store: Store, progress: Progress) -> dict[str, System]:
    nodes = pieces(store)
    texts = [node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]
    for node, row in zip(nodes, encoded(texts, progress), strict=True):
        node.embedding = row.tolist()
    index = VectorStoreIndex(nodes, embed_model=MiniLmEmbedding())
    return {"llamaindex": Fused(index, nodes), "llamaindex-vector": Nearest(index)}


def pieces(store: Store) -> list[BaseNode]:
    """Cut the documents as LlamaIndex does."""
    documents = [
        Document(text=text, metadata={"file_path": path})
        for path, text in passages.documents(store)
    ]
    # A text's list is its characters.
    splitter = SentenceSplitter(chunk_size=PIECE, chunk_overlap=OVERLAP, tokenizer=list)
    return list(splitter.get_nodes_from_documents(documents))


class Nearest:
    """VectorStoreIndex by itself."""

    def __init__(self, index: VectorStoreIndex) -> None:
        self.retriever: Any = index.as_retriever()

    def search(self, query: str, k: int) -> list[Found]:
        self.retriever.similarity_top_k = k
        return _found(self.retriever.retrieve(query))


class Fused:
    """The vector index and BM25, each asked for as many as are wanted, fused by rank."""

    def __init__(self, index: VectorStoreIndex, nodes: list[BaseNode]) -> None:
        self.halves: list[Any] = [
            index.as_retriever(),
            BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=min(2, len(nodes))),
        ]
        self.most = len(nodes)
        self.fusion = QueryFusionRetriever(
            self.halves,
            llm=MockLLM(),
            mode=FUSION_MODES.RECIPROCAL_RANK,
            num_queries=1,  # one is the question itself; more would be a language model's
            use_async=False,
        )

    def search(self, query: str, k: int) -> list[Found]:
        for half in self.halves:
            half.similarity_top_k = min(k, self.most)
        self.fusion.similarity_top_k = k
        return _found(self.fusion.retrieve(query))


class MiniLmEmbedding(BaseEmbedding):
    """The tutor's encoder as LlamaIndex calls it."""

    _encoder: QuestionEncoder = PrivateAttr(default_factory=QuestionEncoder)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._encoder.encode(query).tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._encoder.encode(text).tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


def _found(nodes: Sequence[NodeWithScore]) -> list[Found]:
    return [Found(node.metadata["file_path"], node.text) for node in nodes]
