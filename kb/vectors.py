"""The vector side of search: which passages mean what a question means.

Up to EXACT vectors each one is compared. Above, a bit for each dimension stands for a vector, and
only the best by those bits are read and compared as they are. Or a LlamaIndex vector store puts
passages forward (kb/outside.py). In any case likeness is computed here, from kb.db's vectors.

Imports numpy: import it where vectors are used.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from kb.store import Store

EXACT = 100_000
"""So many vectors are compared one by one: 154 MB of float32 and 15 ms a question. A million would
be 1.5 GB, read anew by each process; their codes are 60 MB (benchmarks/kb_scale.py)."""
COARSE = 16_000
"""How many passages agreement of signs leaves for the estimate."""
RESCORED = 1_500
"""How many the estimate leaves to be read and compared exactly. On a million vectors both together
keep 99% of the exact fifty; 500 keep 97%."""
SAMPLE = 4096
"""Vectors that stand for all where a mean or a median is wanted."""
BATCH = 16_384
"""Vectors coded at a time."""
TINY = 1e-9
"""Stands for 0 where something is divided by it."""


@dataclass(frozen=True)
class Near:
    """Passages with their likeness to a question.

    ids, likeness (cosine): (n,), in no order. middle: the median likeness of all passages.
    """

    ids: NDArray[np.int64]
    likeness: NDArray[np.float32]
    middle: float


class Candidates(Protocol):
    """Something that puts forward passages which may be the nearest."""

    def candidates(
        self, query: NDArray[np.float32], k: int, allowed: Collection[int] | None
    ) -> NDArray[np.int64]:
        """Return ids that hold most of the k nearest of the allowed passages, and others."""


class Vectors:
    """The vectors of a store, searched in whichever way suits their number."""

    def __init__(self, store: Store, open_outside: Callable[[], Candidates] | None = None) -> None:
        """open_outside: opens the vector store that puts passages forward, if there is one."""
        self.store = store
        self._open_outside = open_outside
        self._outside: Candidates | None = None
        self._codes: Codes | None = None
        self._sample: tuple[str, NDArray[np.float32]] | None = None

    @cached_property
    def _threads(self) -> ThreadpoolController:
        return ThreadpoolController()

    def near(
        self,
        query: NDArray[np.float32],
        k: int,
        wanted: Collection[int] = (),
        allowed: Collection[int] | None = None,
    ) -> Near:
        """Return the k allowed passages that are nearest to a query (of length 1), and the wanted
        ones, which are among the allowed."""
        # One thread: a second one hardly helps to read memory, and to wait for it on a busy machine
        # costs many times the product.
        with self._threads.limit(limits=1, user_api="blas"):
            return self._near(query, k, wanted, allowed)

    def _near(
        self,
        query: NDArray[np.float32],
        k: int,
        wanted: Collection[int],
        allowed: Collection[int] | None,
    ) -> Near:
        source = self._candidates()
        if source is None:
            matrix = self.store.matrix()
            if not len(matrix.ids):
                return Near(matrix.ids, np.empty(0, np.float32), 0.0)
            likeness = matrix.rows @ query
            return _chosen(matrix.ids, likeness, k, wanted, allowed, float(np.median(likeness)))
        ids = np.union1d(source.candidates(query, k, allowed), _array(wanted))
        ids, rows = vectors_of(self.store, ids.tolist())
        return _chosen(ids, rows @ query, k, wanted, allowed, self._middle(query))

    def _candidates(self) -> Candidates | None:
        """None where all vectors are compared."""
        if self._open_outside:
            self._outside = self._outside or self._open_outside()
            return self._outside
        version = _codes_version(self.store)
        if version and (self._codes is None or self._codes.version != version):
            # Codes older than the vectors do no harm: what is new is found by its words only and
            # what is gone is not read. They are made again at the end of each sync.
            self._codes = Codes.read(self.store)
        return self._codes if version else None

    def _middle(self, query: NDArray[np.float32]) -> float:
        version = self.store.version()
        if self._sample is None or self._sample[0] != version:
            self._sample = version, sample(self.store)
        rows = self._sample[1]
        return float(np.median(rows @ query)) if len(rows) else 0.0


def _chosen(
    ids: NDArray[np.int64],
    likeness: NDArray[np.float32],
    k: int,
    wanted: Collection[int],
    allowed: Collection[int] | None,
    middle: float,
) -> Near:
    """Take the k best of the allowed, and the wanted."""
    if allowed is not None:
        inside = np.isin(ids, _array(allowed))
        ids, likeness = ids[inside], likeness[inside]
    keep = np.isin(ids, _array(wanted))
    if k < len(ids):
        keep[np.argpartition(-likeness, k)[:k]] = True
    else:
        keep[:] = True
    return Near(ids[keep], likeness[keep], middle)


@dataclass(frozen=True)
class Codes:
    """A bit for each dimension of each vector, and a length.

    A vector x lies on one side or the other of the mean in each dimension: signs s. Then
    <s, q> |x - mean|^2 / |x - mean|_1 estimates <x - mean, q> without bias for random directions
    (RaBitQ: Gao and Long 2024, arXiv:2405.12497, section 3; without the random rotation, which
    changed nothing measurable for these vectors).
    """

    version: str
    """Of the vectors that were coded."""
    ids: NDArray[np.int64]
    bits: NDArray[np.uint64]
    """(dimensions / 64, n): the same word of all codes lies together, as it is read."""
    length: NDArray[np.float32]
    """(n,): |x - mean|^2 / |x - mean|_1; 0 where x is the mean."""
    mean: NDArray[np.float32]

    @staticmethod
    def of(store: Store) -> Codes:
        """Code all vectors of a store: some 2 s and 100 MB for a million."""
        version = store.version()  # read first: vectors that come meanwhile make the codes older
        mean = sample(store).mean(axis=0)
        ids, bits, lengths = [], [], []
        for some, rows in all_vectors(store):
            centred = rows - mean
            ids.append(some)
            bits.append(_packed(centred > 0))
            total = np.abs(centred).sum(axis=1)
            lengths.append((centred**2).sum(axis=1) / np.maximum(total, TINY))
        columns = np.ascontiguousarray(np.concatenate(bits).T)
        return Codes(version, np.concatenate(ids), columns, np.concatenate(lengths), mean)

    @staticmethod
    def read(store: Store) -> Codes | None:
        """Return the codes that a store holds."""
        row = store.db.execute("SELECT version, data FROM codes").fetchone()
        if not row:
            return None
        with np.load(io.BytesIO(row[1]), allow_pickle=False) as parts:
            return Codes(row[0], **{name: parts[name] for name in parts.files})

    def write(self, store: Store) -> None:
        """Let a store hold these codes in place of what it held."""
        data = io.BytesIO()
        np.savez(data, ids=self.ids, bits=self.bits, length=self.length, mean=self.mean)
        with store.db.atomic():
            store.db.execute("DELETE FROM codes")
            store.db.execute("INSERT INTO codes VALUES (?, ?)", [self.version, data.getvalue()])

    def candidates(
        self, query: NDArray[np.float32], k: int, allowed: Collection[int] | None
    ) -> NDArray[np.int64]:
        positions = self._agreeing(query, allowed)
        most = max(RESCORED, 2 * k)
        if len(positions) > most:
            likeness = self._estimated(query, positions)
            positions = positions[np.argpartition(-likeness, most)[:most]]
        return self.ids[positions]

    def _agreeing(
        self, query: NDArray[np.float32], allowed: Collection[int] | None
    ) -> NDArray[np.int64]:
        """The positions of the COARSE vectors, or some more, whose signs are most like the query's.

        All with as many differing signs as the last one are among them.
        """
        signs = _packed((query - self.mean > 0)[None])[0]
        different = np.zeros(len(self.ids), np.uint16)
        for column, word in zip(self.bits, signs, strict=True):
            different += np.bitwise_count(column ^ word)
        most = COARSE
        if allowed is not None:
            outside = ~np.isin(self.ids, _array(allowed))
            different[outside] = np.iinfo(np.uint16).max
            most = min(most, len(outside) - int(outside.sum()))
        limit = int(np.searchsorted(np.cumsum(np.bincount(different)), most))
        return np.flatnonzero(different <= limit)

    def _estimated(
        self, query: NDArray[np.float32], positions: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Estimate <x - mean, query> of the vectors at the positions."""
        words = np.ascontiguousarray(self.bits[:, positions].T)
        positive = np.unpackbits(words.view(np.uint8), axis=1, count=len(query))
        product = 2 * (positive.astype(np.float32) @ query) - query.sum()
        return product * self.length[positions]


def update_codes(store: Store) -> None:
    """Bring a store's codes up to date: made above EXACT vectors, dropped below."""
    count = store.db.execute("SELECT count(*) FROM vectors").fetchone()[0]
    if count > EXACT:
        if _codes_version(store) != store.version():
            Codes.of(store).write(store)
    elif _codes_version(store):
        with store.db.atomic():
            store.db.execute("DELETE FROM codes")


def sample(store: Store) -> NDArray[np.float32]:
    """Return up to SAMPLE vectors, spread over the ids: (n, dimensions)."""
    last = store.db.execute("SELECT max(passage_id) FROM vectors").fetchone()[0] or 0
    ids = np.linspace(1, last, min(SAMPLE, last), dtype=np.int64)
    return vectors_of(store, ids.tolist())[1]


def vectors_of(store: Store, ids: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the vectors of those passages that have one: ids (n,), vectors (n, dimensions)."""
    marks = ",".join("?" * len(ids))
    return arrays(
        store.db.execute(
            f"SELECT passage_id, vector FROM vectors WHERE passage_id IN ({marks}) "
            "ORDER BY passage_id",
            ids,
        ).fetchall()
    )


def all_vectors(store: Store) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield every vector, by passage id, BATCH at a time."""
    rows = store.db.execute("SELECT passage_id, vector FROM vectors ORDER BY passage_id")
    while some := rows.fetchmany(BATCH):
        yield arrays(some)


def arrays(rows: list[tuple[int, bytes]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(passage id, float16 as bytes) for each vector → ids (n,), vectors (n, dimensions)."""
    ids = np.fromiter((id_ for id_, _ in rows), np.int64, len(rows))
    flat = np.frombuffer(b"".join(blob for _, blob in rows), np.float16)
    shape = (len(rows), flat.size // len(rows) if rows else 0)
    return ids, flat.reshape(shape).astype(np.float32)


def _codes_version(store: Store) -> str:
    row = store.db.execute("SELECT version FROM codes").fetchone()
    return row[0] if row else ""


def _packed(positive: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(n, dimensions) → (n, dimensions / 64 rounded up): the signs as bits, zeros at the end."""
    packed = np.packbits(positive, axis=1)
    padded = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    return np.ascontiguousarray(padded).view(np.uint64)


def _array(ids: Collection[int]) -> NDArray[np.int64]:
    return np.fromiter(ids, np.int64, len(ids))
