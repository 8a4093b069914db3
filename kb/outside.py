"""A LlamaIndex vector store in place of kb.db's own vectors: above one machine, or where a class
or a company has one already. It is a setting: `vector_store`.

The vectors in kb.db stay what is true: the store is brought to what they say at the end of each
sync, and what it puts forward is judged by them.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
import uuid
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from tutor.base import settings
from tutor.base.errors import MissingError, TutorError
from tutor.base.i18n import language, say, use_language

if TYPE_CHECKING:
    import numpy as np
    from llama_index.core.schema import TextNode
    from numpy.typing import NDArray

    from kb.store import Store
    from kb.sync import Progress

FEW = 5_000
"""So many allowed passages are compared here, one by one, rather than looked for in the store."""
MOST = 10_000
"""Passages asked of the store at once, at most."""
BATCH = 256
"""Passages sent at a time."""


@dataclass(frozen=True)
class Opened:
    """A LlamaIndex vector store, and what it raises where it cannot be reached."""

    llama: Any
    errors: tuple[type[Exception], ...]


class Outside:
    """A vector store that is kept in step with kb.db. Use `opener` to get one."""

    def __init__(self, store: Store, target: str) -> None:
        self.store = store
        self.target = target
        self.name = f"tutor_{_short(f'{platform.node()}:{store.path.resolve()}')}"
        """The collection or table: ids mean something in one kb.db only."""
        self.key = _short(target)
        """Under which kb.db records what was sent; the target may hold a password."""

    @cached_property
    def _opened(self) -> Opened:
        row = self.store.db.execute("SELECT length(vector) / 2 FROM vectors LIMIT 1").fetchone()
        return _open(self.target, self.name, row[0] if row else 0)

    def candidates(
        self, query: NDArray[np.float32], k: int, allowed: Collection[int] | None
    ) -> NDArray[np.int64]:
        """Ask for twice the k nearest, and for as many more as few of them are allowed.

        Raises MissingError where the store cannot be reached or was never filled.
        """
        import numpy as np
        from llama_index.core.vector_stores.types import VectorStoreQuery

        if allowed is not None and len(allowed) <= FEW:
            return np.fromiter(allowed, np.int64, len(allowed))
        llama = self._opened.llama
        sent = self._count()
        if not sent:
            raise MissingError(
                say("The vector store holds nothing yet.", "向量库中还没有内容。"), "tutor kb sync"
            )
        share = 1.0 if allowed is None else len(allowed) / sent
        asked = min(MOST, math.ceil(2 * k / share))
        with self._reached():
            found = llama.query(
                VectorStoreQuery(query_embedding=query.tolist(), similarity_top_k=asked)
            )
        nodes = found.nodes or []
        return np.fromiter((node.metadata["passage"] for node in nodes), np.int64, len(nodes))

    def fill(self, progress: Progress) -> None:
        """Send what is new in kb.db and take back what is gone, in batches recorded one by one.

        Raises MissingError where the store cannot be reached.
        """
        rows = self.store.db.execute("SELECT passage_id, vector FROM vectors ORDER BY passage_id")
        here = {id_: zlib.crc32(vector) for id_, vector in rows}
        there = dict(
            self.store.db.execute(
                "SELECT passage_id, digest FROM exports WHERE target = ?", [self.key]
            ).fetchall()
        )
        gone = [id_ for id_ in there if id_ not in here]
        for ids in _batches(gone):
            self._replace(ids, [], there)
        new = [id_ for id_, digest in here.items() if there.get(id_) != digest]
        for done, ids in enumerate(_batches(new)):
            progress("send", done * BATCH, len(new))
            self._replace([id_ for id_ in ids if id_ in there], ids, here)

    def _replace(self, old: list[int], new: list[int], digests: dict[int, int]) -> None:
        """Delete the old from the store, add the new, and record it."""
        nodes = self._nodes(new)
        with self._reached():
            if old:
                self._opened.llama.delete_nodes([_node_id(id_) for id_ in old])
            if nodes:
                self._opened.llama.add(list(nodes.values()))
        with self.store.db.conn as connection:
            connection.executemany(
                "DELETE FROM exports WHERE target = ? AND passage_id = ?",
                [(self.key, id_) for id_ in old],
            )
            connection.executemany(
                "INSERT INTO exports VALUES (?, ?, ?)",
                [(self.key, id_, digests[id_]) for id_ in nodes],
            )

    def _nodes(self, ids: list[int]) -> dict[int, TextNode]:
        """Return the passages as LlamaIndex's nodes, for whatever else reads the store too."""
        from llama_index.core.schema import TextNode

        from kb.vectors import vectors_of

        passages = self.store.passages(ids)
        found, rows = vectors_of(self.store, ids)
        return {
            id_: TextNode(
                id_=_node_id(id_),
                text=passages[id_].text,
                embedding=vector,
                metadata={
                    "passage": id_,
                    "doc": passages[id_].doc,
                    "heading": passages[id_].heading,
                },
            )
            for id_, vector in zip(found.tolist(), rows.tolist(), strict=True)
        }

    def _count(self) -> int:
        return self.store.db.execute(
            "SELECT count(*) FROM exports WHERE target = ?", [self.key]
        ).fetchone()[0]

    @contextmanager
    def _reached(self) -> Iterator[None]:
        opened = self._opened
        try:
            yield
        except opened.errors as error:
            raise _unreachable(error) from error


def opener(store: Store) -> Callable[[], Outside] | None:
    """Return what opens the settings' vector store; None where they name none."""
    shown = language()
    try:
        target = settings.load().vector_store
    finally:
        use_language(shown)  # reading the settings must not undo the learner's switch on the screen
    return (lambda: Outside(store, target)) if target else None


@cache
def _open(target: str, name: str, dimensions: int) -> Opened:
    """Open a vector store, once in a process: an embedded one lets in no second client.

    Raises TutorError where it is of an unknown kind, MissingError where it cannot be opened.
    """
    kind, _, place = target.partition(":")
    if kind not in KINDS or not place:
        known = ", ".join(KINDS)
        raise TutorError(
            say(
                f"The setting vector_store is not valid: {target!r}",
                f"设置项 vector_store 无效：{target!r}",
            ),
            say(
                f"KIND:PLACE, of which KIND is one of: {known}",
                f"格式为 类型:位置，类型可选：{known}",
            ),
        )
    open_, package = KINDS[kind]
    try:
        return open_(place, name, dimensions)
    except ImportError as error:
        raise MissingError(
            say(f"{kind} needs {package}.", f"使用 {kind} 需要 {package}。"),
            f"pip install {package}",
        ) from error


def _qdrant(place: str, name: str, dimensions: int) -> Opened:
    """A folder for Qdrant's embedded mode (one process at a time), or a server's address; its key
    is taken from QDRANT_API_KEY."""
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient
    from qdrant_client.http.exceptions import ApiException

    where: dict[str, Any] = {"path": place}
    if place.startswith(("http://", "https://")):
        where = {"url": place, "api_key": os.environ.get("QDRANT_API_KEY")}
        where["check_compatibility"] = False  # it only warns, and of what the query says anyway
    try:
        client = QdrantClient(**where)
        store = QdrantVectorStore(name, client=client, index_doc_id=False)
    except (ApiException, RuntimeError) as error:  # RuntimeError: another process has the folder
        raise _unreachable(error) from error
    return Opened(store, (ApiException,))


def _pgvector(place: str, name: str, dimensions: int) -> Opened:
    """A PostgreSQL address: "postgresql://USER:PASSWORD@HOST/DATABASE"."""
    from llama_index.vector_stores.postgres import PGVectorStore
    from sqlalchemy.exc import SQLAlchemyError

    store = PGVectorStore.from_params(
        connection_string=place.replace("postgresql://", "postgresql+psycopg2://", 1),
        async_connection_string=place.replace("postgresql://", "postgresql+asyncpg://", 1),
        table_name=name,
        embed_dim=dimensions,
    )
    return Opened(store, (SQLAlchemyError,))


KINDS: dict[str, tuple[Callable[[str, str, int], Opened], str]] = {
    "qdrant": (_qdrant, "llama-index-vector-stores-qdrant"),
    "pgvector": (_pgvector, "llama-index-vector-stores-postgres"),
}
"""Kind: what opens it at a place, under a name, for so many dimensions; the package that it needs."""


def _unreachable(error: Exception) -> MissingError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return MissingError(
        say(f"The vector store cannot be used: {reason}", f"无法使用向量库：{reason}"),
        say(
            "Start it, or correct vector_store in the settings.",
            "请启动它，或修改设置中的 vector_store。",
        ),
    )


def _node_id(passage_id: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tutor:passage:{passage_id}"))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _batches(ids: list[int]) -> Iterator[list[int]]:
    numbers = iter(ids)
    while batch := list(islice(numbers, BATCH)):
        yield batch
