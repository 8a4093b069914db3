"""Vectors of texts that are not in the index, kept: some minutes' work for the whole corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kb import encoder
from kb.sync import Progress
from tutor.base import home
from tutor.base.writing import written

BATCH = 2048
"""Texts embedded between two writes."""


def encoded(texts: Sequence[str], progress: Progress) -> NDArray[np.float16]:
    """Return the texts' vectors, (n, dimensions), made where they are not kept.

    Raises MissingError where the encoder is not there.
    """
    path = home.home() / "cache" / f"vectors-{encoder.fingerprint()}.npz"
    kept = _read(path)
    keys = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
    new = {key: text for key, text in zip(keys, texts, strict=True) if key not in kept}
    # By length, so that a batch holds little padding.
    waiting = sorted(new, key=lambda key: len(new[key]))
    batches = encoder.BatchEncoder() if waiting else None
    for at in range(0, len(waiting), BATCH):
        some = waiting[at : at + BATCH]
        progress("embed", at, len(waiting))
        assert batches is not None
        kept |= zip(some, batches.encode([new[key] for key in some]), strict=True)
        _write(path, kept)
    return np.stack([kept[key] for key in keys])


def _read(path: Path) -> dict[str, NDArray[np.float16]]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as parts:
        return dict(zip(parts["keys"].tolist(), parts["rows"], strict=True))


def _write(path: Path, kept: dict[str, NDArray[np.float16]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with written(path) as part, part.open("wb") as out:
        np.savez(out, keys=np.array(list(kept)), rows=np.stack(list(kept.values())))
