"""Passages that say the same: one is searched, the others are known as its copies.

A page that stands in two repositories, or as a page and as a notebook, would else fill an answer's
sources with itself. What is whose copy is worked out from all passages at once, so that it does not
depend on the order in which they came.
"""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALIKE = 0.9
"""Jaccard index of two passages' shingles from which on they say the same."""
SHINGLE = 3
"""Words, or Chinese characters, in a shingle."""
BANDS = 8
ROWS = 4
"""Two passages are compared where ROWS hashes of any of the BANDS agree: at a Jaccard index of 0.9
they are missed once in 5,000 times. Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4."""

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+")


@dataclass(frozen=True)
class Candidate:
    """A passage as copies are looked for. rank: of two alike, the lower one is searched."""

    id: int
    rank: tuple[bool, str, int]
    lang: str
    sketch: bytes


def shingles(text: str) -> frozenset[int]:
    """Return the hashes of the runs of SHINGLE words; case and punctuation do not count."""
    words = _WORD.findall(text.lower())
    runs = range(max(1, len(words) - SHINGLE + 1))
    return frozenset(zlib.crc32(" ".join(words[at : at + SHINGLE]).encode()) for at in runs)


def sketch(text: str) -> bytes:
    """Return the MinHash of a text (Broder 1997): BANDS * ROWS numbers of 4 bytes."""
    import numpy as np

    found = shingles(text)
    values = np.fromiter(found, np.uint64, len(found))
    factors, terms = _hashes()
    return (
        ((values[:, None] * factors + terms) >> np.uint64(32)).astype("<u4").min(axis=0).tobytes()
    )


@cache
def _hashes() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Factors and terms of the hash functions x -> (a x + b mod 2^64) / 2^32."""
    import numpy as np

    state = np.random.Generator(np.random.PCG64(1997))
    factors, terms = state.integers(0, 2**64, (2, BANDS * ROWS), np.uint64, endpoint=False)
    return factors | np.uint64(1), terms


def copies(candidates: Iterable[Candidate], text_of: Callable[[int], str]) -> dict[int, int]:
    """Return passage id: id of the passage that it is a copy of.

    Each passage is compared with those of lower rank that are no copies themselves.
    """
    width = 4 * ROWS
    buckets: dict[tuple[str, int, bytes], list[int]] = defaultdict(list)
    found: dict[int, int] = {}
    remembered = cache(lambda id_: _said(text_of(id_)))
    for candidate in sorted(candidates, key=lambda candidate: candidate.rank):
        bands = [
            (candidate.lang, band, candidate.sketch[band * width : (band + 1) * width])
            for band in range(BANDS)
        ]
        likely = dict.fromkeys(id_ for band in bands for id_ in buckets[band])
        original = next(
            (id_ for id_ in likely if _alike(remembered(candidate.id), remembered(id_))), None
        )
        if original is not None:
            found[candidate.id] = original
            continue
        for band in bands:
            buckets[band].append(candidate.id)
    return found


def _said(text: str) -> tuple[frozenset[int], list[str]]:
    return shingles(text), re.findall(r"\d+(?:\.\d+)?", text)


def _alike(one: tuple[frozenset[int], list[str]], other: tuple[frozenset[int], list[str]]) -> bool:
    """Whether two passages say the same. Another number says something else."""
    if one[1] != other[1]:
        return False
    return len(one[0] & other[0]) >= ALIKE * len(one[0] | other[0])
